//! What the kernel saw: each POST after the sync of its intent, each file's name after its content;
//! and what happens when the Nth system call is the last one, or fails.
//!
//! It needs `strace`, so `.ci/run` installs that and sets `NIGHTREEL_STRACE=ci`; `NIGHTREEL_STRACE=long`
//! tries every N instead of every tenth, `NIGHTREEL_SWEEP=write` only faults of that call. Elsewhere the suite says that it was skipped.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "each suite prints its figures")]

#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/api.rs"]
mod api;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/book.rs"]
mod book;
#[path = "../common/figures.rs"]
mod figures;
mod order;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;
mod sweep;
mod trace;
