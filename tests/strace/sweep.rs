//! SIGKILL, EIO and ENOSPC at the Nth system call of a run of 20 jobs, then the same command again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nightreel::domain::Micros;

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;
use crate::trace::{lines, only, step, strace};

const JOBS: usize = 20;
/// Exactly what the twenty jobs cost: one charge too many is over it.
const BUDGET: &str = "4.60";
/// What a shell says of a process that SIGKILL ended.
const KILLED: i32 = 128 + 9;
const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
/// What writes, syncs, renames and sends. A `write` fails only where it is to a result on its way: a
/// pipe of the runtime that fails is no fault of a disk.
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

/// A run without faults.
struct Sound {
    /// How often one thread makes each call: strace counts for each thread.
    calls: BTreeMap<&'static str, usize>,
    /// The names of results on their way, the same in each story.
    parts: BTreeSet<String>,
    /// How often one thread writes to them.
    writes: usize,
}

fn counted() -> Sound {
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, QUICK);
    let calls = format!("trace={}", CALLS.join(","));
    assert_eq!(strace(&story, &api, BUDGET, &["-y", "-e", &calls, "-o", "trace"]), 0);
    let bytes = std::fs::read(story.path("trace")).unwrap();
    let trace = String::from_utf8_lossy(&bytes);
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut parts, mut writes) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
    for line in lines(&trace) {
        if let Some(call) = CALLS.iter().find(|call| line.call.starts_with(&format!("{call}("))) {
            *counts.entry((line.thread, *call)).or_default() += 1;
        }
        if let Some(part) = written(line.call) {
            parts.insert(part.to_owned());
            *writes.entry(line.thread).or_default() += 1;
        }
    }
    let most = |call| counts.iter().filter(|((_, c), _)| *c == call).map(|(_, n)| *n).max();
    Sound {
        calls: CALLS.into_iter().map(|call| (call, most(call).unwrap_or(0))).collect(),
        parts,
        writes: writes.into_values().max().unwrap_or(0),
    }
}

/// The name of a result on its way that is written to.
fn written(call: &str) -> Option<&str> {
    let (path, _) = call.strip_prefix("write(")?.split_once('<')?.1.split_once('>')?;
    let name = path.rsplit('/').next()?;
    name.strip_prefix(".nightreel-")?.strip_suffix(".part")?;
    Some(name)
}

/// One fault at the Nth call.
struct Case {
    call: &'static str,
    fault: (&'static str, &'static str),
    nth: usize,
}

impl Case {
    /// Whether writing to results fails.
    fn fails_files(&self) -> bool {
        self.call == "write" && self.fault.0 != "signal=KILL"
    }
}

/// One fault at one call, the same command again until it ends, and the judge. Returns also whether
/// the fault came about: how calls fall to threads differs from run to run.
fn survive(case: &Case, parts: &BTreeSet<String>) -> (bool, Figures) {
    let Case { call, fault: (fault, on), nth } = *case;
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, QUICK);
    let inject = format!("inject={call}:{fault}:when={nth}{on}");
    let trace = format!("trace={call}");
    let folder = std::fs::canonicalize(story.path("")).unwrap().join("outputs/m");
    let parts = parts.iter().map(|name| format!("{}/{name}", folder.display()));
    let mut options = ["-e", &trace, "-e", &inject, "-o", "trace"].map(str::to_owned).to_vec();
    if case.fails_files() {
        options.extend(parts.flat_map(|part| ["-P".to_owned(), part]));
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let code = strace(&story, &api, BUDGET, &options);
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
    let Sound { calls, parts, writes } = counted();
    for call in ["pwrite64", "renameat2"] {
        assert!(calls[call] >= JOBS, "{call} is made {} times", calls[call]);
    }
    assert!(calls["fsync"] + calls["fdatasync"] >= JOBS, "{calls:?}");
    assert!(calls["sendto"] + calls["writev"] >= JOBS, "{calls:?}");
    assert!(parts.len() >= JOBS, "{parts:?}");
    let mut cases = Vec::new();
    let only = only();
    for (call, most) in calls {
        if only.as_ref().is_some_and(|only| only != call) {
            continue;
        }
        println!("{call}: at most {most} in one thread");
        for fault in FAULTS {
            let most = if (Case { call, fault, nth: 0 }).fails_files() { writes } else { most };
            let step = step.min((most / LEAST).max(1));
            cases.extend((1..=most).step_by(step).map(|nth| Case { call, fault, nth }));
        }
    }
    let (next, fired) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let figures = Mutex::new(Figures::default());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (came, judged) = survive(case, &parts);
                    fired.fetch_add(usize::from(came), Ordering::Relaxed);
                    figures.lock().unwrap().add(judged);
                }
            });
        }
    });
    let fired = fired.into_inner();
    println!("{fired} of {} faults came about: {}", cases.len(), figures.into_inner().unwrap());
    assert!(fired * 4 >= cases.len() * 3, "too few faults came about");
}
