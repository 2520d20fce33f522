//! SIGKILL, EIO and ENOSPC at the Nth system call of a run of 20 jobs, then the same command again.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nightreel::domain::Micros;

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;
use crate::trace::{lines, step, strace};

const JOBS: usize = 20;
/// Exactly what the twenty jobs cost: one charge too many is over it.
const BUDGET: &str = "4.60";
/// What a shell says of a process that SIGKILL ended.
const KILLED: i32 = 128 + 9;
const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
/// What writes, syncs, renames and sends. `write` is killed only: a pipe of the runtime that fails is
/// no fault of a disk.
const CALLS: [&str; 7] =
    ["pwrite64", "fsync", "fdatasync", "renameat2", "sendto", "writev", "write"];
/// Fewer points of a call than this are not left, however rare it is.
const LEAST: usize = 4;
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
    assert_eq!(strace(&story, &api, BUDGET, &["-e", &calls, "-o", "trace"]), 0);
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

/// One fault at one call, the same command again until it ends, and the judge. Returns also whether
/// the fault came about: how calls fall to threads differs from run to run.
fn survive(call: &str, (fault, on): (&str, &str), nth: usize) -> (bool, Figures) {
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, QUICK);
    let inject = format!("inject={call}:{fault}:when={nth}{on}");
    let trace = format!("trace={call}");
    let code = strace(&story, &api, BUDGET, &["-e", &trace, "-e", &inject, "-o", "trace"]);
    let traced = String::from_utf8_lossy(&std::fs::read(story.path("trace")).unwrap()).into_owned();
    let fired = code == -1 || code == KILLED || traced.contains("(INJECTED)");
    let again = || story.run(&api).with(["--absence-wait", "200ms", "--budget", BUDGET]).end();
    let mut ended = again();
    if ended.code() != 0 {
        ended = again();
    }
    assert_eq!(ended.code(), 0, "{inject}: {ended}");
    let judged = Figures::judge(&story, &api.book(), JOBS, Some(Micros::parse(BUDGET).unwrap()));
    assert!(judged.is_clean(), "{inject}: {judged}");
    (fired, judged)
}

#[test]
fn a_kill_or_an_error_at_the_nth_call_loses_nothing_and_pays_nothing_twice() {
    let Some(step) = step() else { return };
    let mut cases = Vec::new();
    let counted = counted();
    for call in ["pwrite64", "renameat2"] {
        assert!(counted[call] >= JOBS, "{call} is made {} times", counted[call]);
    }
    assert!(counted["fsync"] + counted["fdatasync"] >= JOBS, "{counted:?}");
    assert!(counted["sendto"] + counted["writev"] >= JOBS, "{counted:?}");
    for (call, most) in counted {
        let step = step.min((most / LEAST).max(1));
        println!("{call}: at most {most} in one thread, every {step}th is tried");
        for fault in FAULTS {
            if call != "write" || fault.0 == "signal=KILL" {
                cases.extend((1..=most).step_by(step).map(|nth| (call, fault, nth)));
            }
        }
    }
    let (next, fired) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let figures = Mutex::new(Figures::default());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some((call, fault, nth)) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let (came, judged) = survive(call, *fault, *nth);
                    fired.fetch_add(usize::from(came), Ordering::Relaxed);
                    figures.lock().unwrap().add(judged);
                }
            });
        }
    });
    let fired = fired.into_inner();
    println!("{fired} of {} faults came about: {}", cases.len(), figures.into_inner().unwrap());
    assert!(fired * 10 >= cases.len() * 9, "too few faults came about");
}
