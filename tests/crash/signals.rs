//! Signals at each phase: the first ends in order, the second at once, and both are safe.

use std::sync::Mutex;

use rustix::process::Signal;

use crate::api::Api;
use crate::figures::Figures;
use crate::points::{each, picture};
use crate::story::Story;

const JOBS: usize = 12;

/// A moment of a run, made long by a fault so that a signal finds it under way.
struct Phase {
    name: &'static str,
    has_begun: fn(&Story, &Api) -> bool,
    /// Whether something may have been sent, and paid, before it.
    is_paid: bool,
    fault: &'static str,
}

const PHASES: [Phase; 5] = [
    Phase {
        name: "before the first POST",
        has_begun: |_, api| api.figures().endpoints.contains_key("uploadMedia"),
        is_paid: false,
        fault: "[[fault]]\non = \"upload\"\nkind = \"slow\"\nfor = \"1s\"\n",
    },
    Phase {
        name: "a POST under way",
        has_begun: |story, _| story.count_events("attempt_submitted") >= 2,
        is_paid: true,
        fault: "[[fault]]\non = \"submit\"\nkind = \"slow\"\nfor = \"300ms\"\n",
    },
    Phase {
        name: "polling",
        has_begun: |story, _| story.count_events("prediction_accepted") >= 2,
        is_paid: true,
        fault: "",
    },
    Phase {
        name: "a download under way",
        has_begun: |_, api| {
            api.figures().faults.get("slow").is_some_and(|downloads| *downloads >= 3)
        },
        is_paid: true,
        fault: "[[fault]]\non = \"download\"\nkind = \"slow\"\nfor = \"200ms\"\n",
    },
    Phase {
        name: "reconciling",
        has_begun: |story, _| story.count_events("outcome_unknown") >= 2,
        is_paid: true,
        fault: "[[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nper = \"job\"\ntimes = 1\n\
                [[fault]]\non = \"history\"\nkind = \"slow\"\nfor = \"300ms\"\n",
    },
];

/// Jobs that all need one picture: nothing can be sent before it is uploaded.
fn story() -> Story {
    let story = Story::of_jobs(JOBS);
    story.file("town.jpg", picture());
    let rows = (1..=JOBS).map(|n| format!("{n},minimax/hailuo-02/fast,scene {n},town.jpg\n"));
    story.file("m.csv", format!("id,model,prompt,image\n{}", rows.collect::<String>()));
    story
}

fn survive(phase: &Phase, signal: Signal, code: i32, twice: bool) -> Figures {
    let what = format!("{}, code {code}, twice: {twice}", phase.name);
    let story = story();
    let scenario = format!("[latency]\nkind = \"fixed\"\nlength = \"150ms\"\n{}", phase.fault);
    let api = Api::start(&story, &scenario);
    let run = || story.run(&api).with(["--concurrency", "3", "--absence-wait", "400ms"]);
    let mut running = run().start();
    assert!(running.until(|| (phase.has_begun)(&story, &api)), "{what}");
    running.signal(signal);
    if twice {
        let err = running.err_path();
        let heard = || std::fs::read_to_string(&err).unwrap().contains("second signal");
        running.until(heard);
        running.signal(signal);
    }
    let ended = running.end();
    assert_eq!(ended.code(), code, "{what}: {ended}");
    let is_paid = api.book().charges().count() > 0;
    assert!(!is_paid || phase.is_paid, "{what}: something was sent after the signal");
    let text = std::fs::read_to_string(story.path("events.jsonl")).unwrap();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["kind"].is_string(), "{what}: {line}");
    }
    let ended = run().end();
    assert_eq!(ended.code(), 0, "{what}: {ended}");
    let judged = Figures::judge(&story, &api.book(), JOBS, None);
    assert!(judged.is_clean(), "{what}: {judged}");
    judged
}

#[test]
fn a_signal_at_any_phase_ends_in_order_and_a_second_one_at_once() {
    let mut cases = Vec::new();
    for phase in &PHASES {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            cases.extend([false, true].map(|twice| (phase, signal, code, twice)));
        }
    }
    let figures = Mutex::new(Figures::default());
    each(&cases, |(phase, signal, code, twice)| {
        let judged = survive(phase, *signal, *code, *twice);
        figures.lock().unwrap().add(judged);
    });
    println!("signals: {}", figures.into_inner().unwrap());
}
