//! The whole program, run as a process against the simulator. The judge of money is always the
//! simulator's book of charges, never the ledger.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../common/api.rs"]
mod api;
mod architecture;
#[path = "../common/book.rs"]
mod book;
mod canary;
mod check;
mod crash;
mod dashboard;
mod disk;
mod downloads;
mod exits;
mod faults;
mod folders;
mod help;
mod left_out;
mod long;
mod mistakes;
mod night;
mod notify;
mod offline;
mod operator;
#[path = "../common/process.rs"]
mod process;
mod quotes;
mod ramp;
mod repair;
mod report;
mod rerun;
mod signals;
#[path = "../common/sql.rs"]
mod sql;
#[path = "../common/story.rs"]
mod story;
mod streams;
mod unknowns;
