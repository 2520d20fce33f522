//! The program killed at every named point and at random moments, resumed, and judged by the
//! simulator's book. `cargo test --release --test crash -- --ignored` is the long part.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "each suite prints its figures")]

#[path = "../common/api.rs"]
mod api;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/book.rs"]
mod book;
mod fence;
#[path = "../common/figures.rs"]
mod figures;
mod journal;
mod pairs;
mod points;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
mod random;
mod signals;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;
