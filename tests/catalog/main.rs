//! What is known of models before anything is spent: the catalogue and what is kept of it, and rows
//! checked by schemas. Each test runs the real program against a simulator or a server of its own.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../common/api.rs"]
#[expect(dead_code, reason = "not every suite needs every helper")]
mod api;
#[path = "../common/book.rs"]
#[expect(dead_code, reason = "not every suite needs every helper")]
mod book;
mod kept;
mod listed;
#[path = "../common/process.rs"]
#[expect(dead_code, reason = "not every suite needs every helper")]
mod process;
mod rows;
mod schemas;
mod server;
mod starters;
#[path = "../common/story.rs"]
#[expect(dead_code, reason = "not every suite needs every helper")]
mod story;
mod totals;

/// A simulator whose generations are short.
const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"30ms\"\n";
