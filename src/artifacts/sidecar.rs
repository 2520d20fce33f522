//! The small JSON file beside each artifact that says where it came from (contract, section 8).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::domain::{self, Digest, Micros, PredictionId, Timestamp, clock};

use super::naming::batch_folder;
use super::probe::Media;
use super::sniff::Kind;

/// What is told of an artifact. Fields are written in this order.
#[derive(Clone, Debug, Serialize)]
pub struct Sidecar {
    /// The job's key.
    pub key: String,
    /// Its batch.
    pub batch: String,
    /// The model's id.
    pub model: String,
    /// The request's parameters as they were sent. Queries of URLs and the content of `data:` URIs
    /// are left out when it is written.
    #[serde(serialize_with = "harmless")]
    pub request: Value,
    /// The API's name of the prediction.
    pub prediction_id: PredictionId,
    /// What it cost, where that is known.
    pub cost: Option<Micros>,
    /// When the job came into the ledger.
    #[serde(serialize_with = "utc")]
    pub created_at: Timestamp,
    /// When the prediction was completed.
    #[serde(serialize_with = "utc")]
    pub completed_at: Timestamp,
    /// Seconds from submission to completion.
    pub seconds: u64,
    /// The host the file came from; nothing else of its address.
    pub source_url_host: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the artifact.
    #[serde(serialize_with = "hex")]
    pub sha256: Digest,
    /// What it is.
    pub media: SidecarMedia,
    /// The version of nightreel that made it.
    pub nightreel: &'static str,
}

/// What an artifact is, in a sidecar. Its JSON can be kept in the ledger and read back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SidecarMedia {
    /// Video, image, audio …
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Duration in seconds, to the millisecond.
    pub duration_seconds: Option<f64>,
}

impl From<&Media> for SidecarMedia {
    fn from(media: &Media) -> Self {
        Self {
            kind: media.kind,
            width: media.width,
            height: media.height,
            duration_seconds: media.duration_millis.map(|ms| f64::from(ms) / 1000.0),
        }
    }
}

impl Sidecar {
    /// What `nightreel` is in a sidecar of this program.
    pub const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    pub(super) fn json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// What stands where a sidecar belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundSidecar {
    /// Nothing.
    Missing,
    /// Something else.
    Foreign,
    /// A sidecar.
    Of {
        /// The prediction it tells of.
        prediction: String,
        /// The hash of the artifact it tells of, as hex.
        sha256: String,
    },
}

impl FoundSidecar {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let Some(found) = parse(bytes) else { return Self::Foreign };
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Self::Of { prediction: text("prediction_id"), sha256: text("sha256") }
    }
}

/// Whether a file that stands where a sidecar belongs is one.
pub(super) fn is_sidecar(bytes: &[u8]) -> bool {
    parse(bytes).is_some()
}

fn parse(bytes: &[u8]) -> Option<Value> {
    let found: Value = serde_json::from_slice(bytes).ok()?;
    let has = |field: &&str| found.get(*field).is_some();
    ["nightreel", "sha256", "prediction_id", "key"].iter().all(has).then_some(found)
}

/// Sidecars of a folder that are read at most, the newest ones.
const LOOKS: usize = 1_000;

/// The predictions of results that stand in a batch's default folder below `root`, by their sidecars;
/// of a long list the newest ones. A ledger that does not know them would have them made and paid for
/// again.
#[must_use]
pub fn results_of(root: &Path, batch: &str) -> Vec<PredictionId> {
    let Ok(folder) = batch_folder(batch) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(folder.below(root)) else { return Vec::new() };
    let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let entries = entries.filter_map(Result::ok).filter(|entry| is_json(&entry.path()));
    let aged = |entry: std::fs::DirEntry| {
        let file = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some((file.modified().ok()?, entry.path()))
    };
    let mut newest: Vec<_> = entries.filter_map(aged).collect();
    newest.sort_by(|one, other| other.cmp(one));
    newest.iter().take(LOOKS).filter_map(|(_, path)| prediction_of(path)).collect()
}

fn prediction_of(path: &Path) -> Option<PredictionId> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut bytes)).ok()?;
    PredictionId::parse(parse(&bytes)?["prediction_id"].as_str()?)
}

fn utc<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::utc(*at))
}

fn hex<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn harmless<S: Serializer>(request: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    domain::harmless(request).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sidecar() -> Sidecar {
        Sidecar {
            key: "cat".into(),
            batch: "demo".into(),
            model: "minimax/hailuo-02/fast".into(),
            request: json!({
                "prompt": "a cat? https: yes",
                "image": "https://cdn.example/a.png?Signature=secret",
                "images": ["data:image/png;base64,QUJD"],
            }),
            prediction_id: PredictionId::parse("pred_1").unwrap(),
            cost: Some(Micros(100_000)),
            created_at: clock::from_millis(0),
            completed_at: clock::from_millis(61_500),
            seconds: 61,
            source_url_host: Some("cdn.example".into()),
            bytes: 3,
            sha256: Digest::of(b"abc"),
            media: SidecarMedia {
                kind: Kind::Video,
                width: Some(320),
                height: None,
                duration_seconds: Some(5.84),
            },
            nightreel: "0.1.0",
        }
    }

    #[test]
    fn a_sidecar_is_what_the_contract_says() {
        let json = String::from_utf8(sidecar().json().unwrap()).unwrap();
        insta::assert_snapshot!(json);
        assert!(!json.contains("secret"));
    }

    #[test]
    fn only_sidecars_are_taken_for_sidecars() {
        assert!(is_sidecar(&sidecar().json().unwrap()));
        for other in ["", "{}", "[]", r#"{"key":"x","sha256":""}"#] {
            assert!(!is_sidecar(other.as_bytes()), "{other}");
        }
    }
}
