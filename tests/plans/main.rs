//! Plan, then run: for random manifests and ledgers `run` submits exactly the rows that the plan called
//! new, retry or, under `--changed rerun`, changed; each of them once, and nothing else.
//!
//! A night is five manifests in one ledger, planned and run twice: the ledger is in a random state
//! first, and each manifest is edited at random before each plan. 500 manifests are planned and run,
//! in two halves; `NIGHTREEL_PLANS=5000 cargo test --test plans` does more. Each night follows from
//! its seed, which is told where it fails: `NIGHTREEL_PLANS_SEED=SEED` begins with that night, and
//! seeds that failed once stand in [`KEPT`].
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "each suite prints its figures")]

#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/api.rs"]
mod api;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/book.rs"]
mod book;
mod desk;
mod made;
mod past;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;

use std::cell::Cell;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::desk::Desk;
use crate::made::{BATCHES, ROUNDS, Seen};

/// Manifests planned and run by default.
const MANIFESTS: u64 = 500;
/// Seeds of nights that were not as planned once.
const KEPT: &[u64] = &[1, 16];

/// Plays the night of a seed, and tells the smallest one that fails with it.
fn play(seed: u64) -> Seen {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config =
        Config { cases: 1, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let last = Cell::new(Seen::default());
    let result = TestRunner::new_with_rng(config, rng).run(&made::nights(), |night| {
        last.set(Desk::new().play(&night)?);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("the night of NIGHTREEL_PLANS_SEED={seed} is not as planned: {failure}");
    }
    last.get()
}

#[expect(clippy::disallowed_methods, reason = "a switch of this suite, and no setting")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Plays one half of the nights.
fn half(which: u64) {
    let manifests = number("NIGHTREEL_PLANS").unwrap_or(MANIFESTS);
    let nights = manifests.div_ceil((BATCHES * ROUNDS) as u64);
    let first = number("NIGHTREEL_PLANS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 40));
    let seeds = (first..first + nights).filter(|seed| seed % 2 == which);
    let mut seen = Seen::default();
    let mut played = 0;
    for seed in seeds {
        seen.add(play(seed));
        played += BATCHES * ROUNDS;
    }
    println!("{played} manifests of seeds from {first}: {seen:?}, all as planned");
    assert!(played < 100 || seen.is_broad(), "the manifests are too alike: {seen:?}");
}

#[test]
fn nights_that_failed_once_go_as_planned() {
    for seed in KEPT {
        play(*seed);
    }
}

#[test]
fn every_even_night_goes_as_planned() {
    half(0);
}

#[test]
fn every_odd_night_goes_as_planned() {
    half(1);
}
