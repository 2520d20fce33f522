//! Artifacts against real sockets and real files: what a hostile or broken server may do, and what
//! a crash may leave.

#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod address;
mod broken;
mod fetch;
mod media;
mod resume;
mod server;
mod store;

use std::path::Path;
use std::time::Duration;

use nightreel::artifacts::{
    Artifacts, Expect, FetchError, FetchSettings, Fetched, RelPath, Wanted,
};
use nightreel::domain::Output;

/// Settings for a server on this machine.
pub(crate) fn local() -> FetchSettings {
    FetchSettings {
        allow_loopback: true,
        min_speed: (1, Duration::from_secs(20)),
        ..FetchSettings::default()
    }
}

pub(crate) fn open(root: &Path, settings: FetchSettings) -> Artifacts {
    // Another test may have installed it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    Artifacts::open(root, settings).unwrap()
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// Fetches a video to the folder `demo`.
pub(crate) async fn fetch(artifacts: &Artifacts, url: &str) -> Result<Fetched, FetchError> {
    let output = Output::parse(url);
    let folder = path("demo");
    let wanted = Wanted { output: &output, folder: &folder, stem: "7-1", expect: Expect::Video };
    artifacts.fetch(&wanted).await
}

/// Every file below `folder`, temporary ones included.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
