//! The pages in a real browser: headless Chromium, driven through chromedriver.
//!
//! It needs Chromium and chromedriver, so `.ci/run` installs them and sets `NIGHTREEL_BROWSER=must`.
//! Elsewhere the suite says that it was skipped. `NIGHTREEL_PICTURES=docs/pictures` takes the
//! pictures of the documents anew.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "what was skipped or measured is said")]

#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/api.rs"]
mod api;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/book.rs"]
mod book;
mod chrome;
mod gallery;
mod live;
mod many;
mod pictures;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
mod shown;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;
