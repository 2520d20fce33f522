//! The simulator is the judge of all other tests, so it is judged here: over real HTTP, and where
//! HTTP is broken on purpose, byte by byte.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod book;
mod downloads;
mod limits;
mod polls;
mod routes;
mod scenarios;
mod submits;
mod support;
