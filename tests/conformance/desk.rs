//! A folder, a simulator and the vendor's client at it, and what all three agree on.

use serde_json::{Value, json};

use crate::api::Api;
use crate::client::Client;
use crate::install::wanted;
use crate::said::Said;
use crate::story::Story;

/// Text to video, for $0.23.
pub(crate) const TEXT_TO_VIDEO: &str = "minimax/hailuo-02/t2v-standard";
/// Image to video, for $0.10.
pub(crate) const IMAGE_TO_VIDEO: &str = "minimax/hailuo-02/fast";
/// Text to image, for $0.03.
pub(crate) const TEXT_TO_IMAGE: &str = "lumen/still-1/text-to-image";

/// Generations that end at once.
pub(crate) const AT_ONCE: &str = "[latency]\nkind = \"fixed\"\nlength = \"0s\"\n";
/// Generations that do not end within a test.
pub(crate) const FOR_LONG: &str = "[latency]\nkind = \"fixed\"\nlength = \"1h\"\n";

pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) api: Api,
    pub(crate) story: Story,
}

impl Desk {
    /// With a simulator of this scenario; `None` where the suite is skipped.
    pub(crate) fn at(scenario: &str) -> Option<Self> {
        Self::with(Story::new(), scenario)
    }

    /// With what a story has in its folder.
    pub(crate) fn with(story: Story, scenario: &str) -> Option<Self> {
        if !wanted() {
            return None;
        }
        let api = Api::start(&story, scenario);
        Some(Self { client: Client::start(&story, &api), api, story })
    }

    /// Asks the client for a prediction once.
    pub(crate) fn prediction(&mut self, id: &str) -> Said {
        self.client.call("atlas_get_prediction", &json!({ "prediction_id": id }))
    }

    /// Asks the client for the history.
    pub(crate) fn history(&mut self, wanted: &Value) -> Said {
        let said = self.client.call("atlas_list_predictions", wanted);
        assert!(!said.is_error, "{said:?}");
        said
    }

    /// Submits a text-to-video prompt by the client, and gives the prediction's id.
    pub(crate) fn video(&mut self, prompt: &str) -> String {
        let params = json!({ "prompt": prompt });
        self.client.submit("atlas_generate_video", TEXT_TO_VIDEO, &params)
    }

    /// Asserts that the client submitted just these, each by one POST with the key and this flat body,
    /// that no more reached the simulator, and that the first `charged` of them were paid for.
    pub(crate) fn assert_submitted(&self, submissions: &[(&str, Value)], charged: usize) {
        let sent = self.client.submissions();
        let told: Vec<_> = sent.iter().map(|one| (&*one.line, one.key, &one.body)).collect();
        let lines: Vec<_> = submissions
            .iter()
            .map(|(endpoint, _)| format!("POST /api/v1/model/{endpoint}"))
            .collect();
        let expected: Vec<_> =
            lines.iter().zip(submissions).map(|(line, (_, body))| (&**line, true, body)).collect();
        assert_eq!(told, expected);
        assert_eq!(self.api.figures().submits, u64::try_from(submissions.len()).unwrap());
        let book = self.api.book();
        let bodies = book.charges().map(|charge| serde_json::from_str(&charge.body).unwrap());
        let paid: Vec<Value> =
            submissions.iter().map(|(_, body)| body.clone()).take(charged).collect();
        assert_eq!(bodies.collect::<Vec<Value>>(), paid);
    }

    /// The bytes of the one output that an answer shows under a label.
    pub(crate) fn fetch(&self, said: &Said, label: &str) -> Vec<u8> {
        let url = said.after(&format!("1. [{label}] "));
        let path = url.strip_prefix(self.api.url()).unwrap_or_else(|| panic!("{url}"));
        self.api.get(path)
    }
}

/// Asserts that bytes are a video that plays.
pub(crate) fn assert_plays(bytes: &[u8]) {
    let video = re_mp4::Mp4::read_bytes(bytes).unwrap();
    let track = video.tracks().values().next().unwrap();
    assert!(!track.samples.is_empty() && track.duration > 0, "no samples");
}
