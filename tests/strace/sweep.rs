//! SIGKILL, EIO and ENOSPC at the Nth system call of a run of 20 jobs, then the same command again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;
use crate::trace::{lines, step, strace};

const JOBS: usize = 20;
const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
/// What writes, syncs, renames and sends. `write` is killed only: a pipe of the runtime that fails is
/// no fault of a disk.
const CALLS: [&str; 5] = ["pwrite64", "fsync", "renameat2", "writev", "write"];
/// What happens, and whether it goes on happening from there.
const FAULTS: [(&str, &str); 5] = [
    ("signal=KILL", ""),
    ("error=EIO", ""),
    ("error=ENOSPC", ""),
    ("error=EIO", "+"),
    ("error=ENOSPC", "+"),
];

/// How often one thread makes each call in a run without faults: strace counts for each thread.
fn counted() -> BTreeMap<&'static str, usize> {
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, QUICK);
    let calls = format!("trace={}", CALLS.join(","));
    assert_eq!(strace(&story, &api, &["-e", &calls, "-o", "trace"]), 0);
    let bytes = std::fs::read(story.path("trace")).unwrap();
    let trace = String::from_utf8_lossy(&bytes);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in lines(&trace) {
        if let Some(call) = CALLS.iter().find(|call| line.call.starts_with(&format!("{call}("))) {
            *counts.entry((line.thread, *call)).or_default() += 1;
        }
    }
    let most = |call| counts.iter().filter(|((_, c), _)| *c == call).map(|(_, n)| *n).max();
    CALLS.into_iter().map(|call| (call, most(call).unwrap_or(0))).collect()
}

/// One fault at one call, the same command again until it ends, and the judge.
fn survive(call: &str, (fault, on): (&str, &str), nth: usize) -> Figures {
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, QUICK);
    let inject = format!("inject={call}:{fault}:when={nth}{on}");
    let trace = format!("trace={call}");
    strace(&story, &api, &["-e", &trace, "-e", &inject, "-o", "/dev/null"]);
    let mut ended = story.run(&api).with(["--absence-wait", "200ms"]).end();
    if ended.code() != 0 {
        ended = story.run(&api).with(["--absence-wait", "200ms"]).end();
    }
    assert_eq!(ended.code(), 0, "{inject}: {ended}");
    let judged = Figures::judge(&story, &api.book(), JOBS, None);
    assert!(judged.is_clean(), "{inject}: {judged}");
    judged
}

#[test]
fn a_kill_or_an_error_at_the_nth_call_loses_nothing_and_pays_nothing_twice() {
    let Some(step) = step() else { return };
    let mut cases = Vec::new();
    for (call, most) in counted() {
        println!("{call}: at most {most} in one thread, every {step}th is tried");
        for fault in FAULTS {
            if !(call.starts_with("writev") || call == "write") || fault.0 == "signal=KILL" {
                cases.extend((1..=most).step_by(step).map(|nth| (call, fault, nth)));
            }
        }
    }
    let (next, figures) = (AtomicUsize::new(0), Mutex::new(Figures::default()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((call, fault, nth)) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let judged = survive(call, *fault, *nth);
                    figures.lock().unwrap().add(judged);
                }
            });
        }
    });
    println!("{} faults injected: {}", cases.len(), figures.into_inner().unwrap());
}
