//! The fault matrix of reliability.md, section 4: each row a named case, one table at the end.
//!
//! A case runs the real program against the simulator or a server of raw TCP, and the simulator's book
//! judges the money. Where a row is a matter of one function, the case asks that function; where another
//! suite does more than a case could, the case names its test and looks that it is still there. What is
//! not covered says why and is counted apart. `NIGHTREEL_MATRIX=12,39 cargo test --test matrix` runs
//! single rows. Random pairs of faults are in `tests/crash/pairs.rs`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../atlas/server.rs"]
mod answers;
#[path = "../common/api.rs"]
mod api;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/book.rs"]
mod book;
mod case;
mod download;
#[path = "../common/figures.rs"]
mod figures;
mod ledger;
mod line;
mod manifests;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../artifacts/media.rs"]
mod media;
mod night;
mod polling;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
mod process_rows;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../artifacts/server.rs"]
mod server;
#[path = "../common/sql.rs"]
mod sql;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;
mod submit;
mod table;
mod tls;
mod transport;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::case::{Case, Ran};

/// Cases under way at a time: most of the time each waits for something.
const AT_A_TIME: usize = 6;

/// Every row of the matrix, in order.
fn cases() -> Vec<Case> {
    let sections: [&[Case]; 7] = [
        submit::CASES,
        polling::CASES,
        download::CASES,
        transport::CASES,
        process_rows::CASES,
        ledger::CASES,
        manifests::CASES,
    ];
    let mut cases = sections.concat();
    cases.push(Case {
        row: 70,
        name: "the dashboard asked by strangers",
        expected: "403 or inert; 0 state change",
        run: |seen| {
            let file = "tests/it/dashboard.rs";
            seen.elsewhere(file, "nobody_without_the_token_or_from_another_page_is_answered");
            seen.elsewhere(file, "only_results_are_served_and_nothing_that_runs");
        },
    });
    cases
}

/// The rows that were asked for; all of them where none was.
fn wanted() -> impl Fn(u8) -> bool {
    let named = std::env::var_os("NIGHTREEL_MATRIX").map(|named| {
        let named = named.into_string().unwrap();
        named.split(',').map(|row| row.trim().parse().unwrap()).collect::<Vec<u8>>()
    });
    move |row| named.as_ref().is_none_or(|named| named.contains(&row))
}

/// Runs the cases by a few threads; in the order of their rows again.
fn run(cases: &[Case]) -> Vec<Ran> {
    let next = AtomicUsize::new(0);
    let ran = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let done = case.play();
                    ran.lock().unwrap().push(done);
                }
            });
        }
    });
    let mut ran = ran.into_inner().unwrap();
    ran.sort_by_key(|ran| ran.row);
    ran
}

#[test]
fn every_row_of_the_fault_matrix_ends_as_it_must() {
    let all = cases();
    let rows: Vec<u8> = all.iter().map(|case| case.row).collect();
    assert_eq!(rows, (1..=70).collect::<Vec<u8>>(), "one case a row, in order");
    let wanted = wanted();
    let cases: Vec<Case> = all.into_iter().filter(|case| wanted(case.row)).collect();
    let ran = run(&cases);
    let failed = table::print(&ran);
    assert!(failed.is_empty(), "rows that failed: {failed:?}");
}
