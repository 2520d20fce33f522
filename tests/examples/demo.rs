//! The demo does what the README says of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::repository;
use super::story::{Stage, has_extension};

/// The fields of a sidecar (contract section 8).
const SIDECAR: [&str; 14] = [
    "key",
    "batch",
    "model",
    "request",
    "prediction_id",
    "cost",
    "created_at",
    "completed_at",
    "seconds",
    "source_url_host",
    "bytes",
    "sha256",
    "media",
    "nightreel",
];

#[test]
fn the_demo_makes_twelve_videos_and_a_second_run_makes_none() {
    let stage = Stage::copy_of(&repository().join("jobs"));
    let since = Instant::now();
    let first = stage.json("run demo.toml --simulate");
    assert!(since.elapsed() < Duration::from_secs(30), "took {:?}", since.elapsed());
    assert_eq!(first["exit"], 0, "{first:#}");
    let batch = &first["batches"][0];
    assert_eq!(batch["batch"], "demo");
    assert_eq!(batch["jobs"]["done"], 12);
    assert_eq!(batch["attempts"], 13, "one job fails once");
    assert_eq!(batch["money"]["committed"], "1.200000");
    assert_eq!(stage.uploads(), 4, "an image is sent once, whoever uses it");
    assert_eq!(stage.paid_results().len(), 12);
    assert_twelve_videos(&stage);
    #[cfg(unix)]
    assert_private(&stage.path("state"));

    let charges = stage.charges();
    let since = Instant::now();
    let second = stage.json("run demo.toml --simulate");
    assert!(since.elapsed() < Duration::from_secs(1), "took {:?}", since.elapsed());
    assert_eq!(second["exit"], 0);
    assert_eq!(second["batches"][0]["attempts"], 13);
    assert_eq!(stage.charges(), charges);
}

fn assert_twelve_videos(stage: &Stage) {
    let files = stage.files();
    assert_eq!(files.len(), 24, "{files:?}");
    for video in files.iter().filter(|file| has_extension(file, "mp4")) {
        let bytes = std::fs::read(stage.path("outputs").join(video)).unwrap();
        let mp4 = re_mp4::Mp4::read_bytes(&bytes).unwrap();
        let track = mp4.tracks().values().next().unwrap();
        assert!(track.codec_string(&mp4).unwrap().starts_with("avc1"), "{video} is no H.264");

        let sidecar = stage.path("outputs").join(video.replace(".mp4", ".json"));
        let sidecar: Value = serde_json::from_slice(&std::fs::read(sidecar).unwrap()).unwrap();
        for field in SIDECAR {
            assert!(!sidecar[field].is_null(), "{video}: the sidecar has no {field}");
        }
        assert_eq!(sidecar["bytes"], bytes.len());
        assert_eq!(sidecar["media"]["type"], "video");
    }
}

/// What is kept is for its owner only (contract section 8).
#[cfg(unix)]
fn assert_private(path: &std::path::Path) {
    let metadata = path.metadata().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    let wanted = if path.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(mode, wanted, "{} has mode {mode:o}", path.display());
    if path.is_dir() {
        for entry in path.read_dir().unwrap() {
            assert_private(&entry.unwrap().path());
        }
    }
}
