//! A checked row of a manifest, and the name of its remote prediction.

use std::fmt;

use serde_json::{Map, Value};

use super::diagnostic::{Diagnostic, Position};
use super::money::Micros;
use super::request::{MediaFile, Request};

/// One wanted result, as the manifest asks for it: ready to be priced and brought into the ledger.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Finds the job again across runs: the row's `id`, else a hash of request and occurrence.
    pub key: String,
    /// What will be sent.
    pub request: Request,
    /// The local files the request refers to.
    pub media: Vec<MediaFile>,
    /// The template of its file names; `None` is the contract's default.
    pub output: Option<String>,
    /// Template variables beside the parameters (`var.NAME` columns, matrix axes).
    pub vars: Map<String, Value>,
    /// Higher goes first; 0 unless given.
    pub priority: i64,
    /// A price the manifest itself states.
    pub price: Option<Micros>,
    /// Number of the row in its manifest, counted from 1, after matrix and count.
    pub row: u64,
    /// Where the row stands.
    pub position: Position,
    /// What the schema of its model has against it, each with its place. It matters only for what
    /// would still be submitted: schemas change, and what is paid for is paid for.
    pub faults: Vec<Diagnostic>,
}

/// The API's name of a prediction: opaque, percent-encoded wherever it enters a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct PredictionId(String);

impl PredictionId {
    /// An id of sane form: 1–200 printable ASCII characters without blanks, quotes or slashes.
    /// Anything else is no id (reliability.md, fault 13).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sane = (1..=200).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"/\\\"'<>`".contains(&b))
            && text != "."
            && text != "..";
        sane.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PredictionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_ids() {
        assert!(PredictionId::parse("6fca0bd30a").is_some());
        assert!(PredictionId::parse("pred_1-a.b:c").is_some());
        for wrong in ["", "../x", "a b", "a\n", "é", "..", &"x".repeat(201)] {
            assert!(PredictionId::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
