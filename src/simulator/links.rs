//! The links of outputs: signed, with an end, and made anew by every poll.

use std::time::Duration;

use crate::domain::{Digest, Timestamp, clock};

use super::media;
use super::prediction::Prediction;
use super::world::World;

/// What the signature is made with. It must outlive a restart, and hides nothing worth hiding.
const SALT: &str = "nightreel simulator";

impl World {
    /// The link of an output for whoever polls `now`.
    pub(super) fn link(&self, prediction: &Prediction, index: u64, now: Timestamp) -> String {
        let mut end = self.media_ends(prediction);
        if let Some(lifetime) = self.scenario.output.link_lifetime {
            end = end.min(clock::after(now, self.clock.scaled(lifetime)));
        }
        self.link_until(prediction, index, end)
    }

    /// The link of an output with an end of its own.
    pub(super) fn link_until(&self, prediction: &Prediction, index: u64, end: Timestamp) -> String {
        let id = &prediction.charge.prediction;
        let file = format!("{index}.{}", media::extension(prediction.endpoint()));
        let expires = end.as_millisecond();
        let signature = signature(id, &file, expires);
        let base = &self.base;
        format!("{base}/outputs/{id}/{file}?expires={expires}&signature={signature}")
    }

    /// When the media of a prediction are deleted (atlas-api.md 1.1 and section 3).
    pub(super) fn media_ends(&self, prediction: &Prediction) -> Timestamp {
        let asked = prediction.charge.object_hours.map(Duration::from_hours);
        let usual = self.scenario.output.lifetime;
        let lifetime = asked.map_or(usual, |asked| asked.min(usual));
        clock::after(prediction.at, self.clock.scaled(lifetime))
    }
}

/// Whether a link's query belongs to its path.
pub(super) fn is_signed(id: &str, file: &str, expires: i64, with: &str) -> bool {
    signature(id, file, expires) == with
}

fn signature(id: &str, file: &str, expires: i64) -> String {
    Digest::of(format!("{SALT}/{id}/{file}/{expires}").as_bytes()).short()
}
