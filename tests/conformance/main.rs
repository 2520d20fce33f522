//! The vendor's own client, npm `atlascloud-mcp` 1.7.0, at the simulator: each of its media tools finds what it
//! expects, each submission is one POST, and nightreel and it read each other's tasks.
//!
//! It needs node 18.18 or later and npm, so `.ci/run` sees to these and sets `NIGHTREEL_CONFORMANCE`; with it,
//! whatever is missing fails the suite. Elsewhere the suite says that it was skipped.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails fails its test")]

#[path = "../common/api.rs"]
mod api;
#[path = "../common/book.rs"]
mod book;
mod client;
mod desk;
mod ends;
mod generates;
mod install;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
mod reads;
mod said;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;
mod together;
