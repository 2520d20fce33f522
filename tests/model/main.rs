//! The ledger against a simple model of it: whatever the order of steps, crashes and takeovers, states
//! and money are those of the model, and no illegal step does anything.
//!
//! 2,000 sequences of up to 35 steps; `cargo test --release --test model -- --ignored` does 200,000 of 60.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "each suite prints its figures")]

mod reference;
mod subject;

use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest as _};

use crate::reference::Model;
use crate::subject::LedgerTest;

/// Runs so many sequences, each of a random length.
fn sequences(cases: u32, steps: usize) {
    // Steps that do not fit a state are drawn anew, which is no sign of anything.
    let config = Config {
        cases,
        max_shrink_iters: 2_000,
        max_local_rejects: u32::MAX,
        ..Config::with_source_file(file!())
    };
    let mut runner = TestRunner::new(config.clone());
    let result = runner.run(&Model::sequential_strategy(1..steps), |(state, steps, seen)| {
        LedgerTest::test_sequential(config.clone(), state, steps, seen);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    println!("{cases} sequences: states, attempts and money as in the model");
}

#[test]
fn a_thousand_sequences_go_as_the_model_says() {
    sequences(1_000, 35);
}

#[test]
fn another_thousand_sequences_go_as_the_model_says() {
    sequences(1_000, 35);
}

#[test]
#[ignore = "half an hour and more"]
fn a_hundred_thousand_sequences_go_as_the_model_says() {
    sequences(100_000, 60);
}

#[test]
#[ignore = "half an hour and more"]
fn another_hundred_thousand_sequences_go_as_the_model_says() {
    sequences(100_000, 60);
}
