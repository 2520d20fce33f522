//! Signals at each phase: the first ends in order, the second at once, and both are safe.

use rustix::process::Signal;

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;

const JOBS: usize = 12;

/// Each phase is made long by a fault, so that a signal finds it under way.
const PHASES: [(&str, &str, &str); 4] = [
    (
        "a POST under way",
        "attempt_submitted",
        "[[fault]]\non = \"submit\"\nkind = \"slow\"\nfor = \"300ms\"\n",
    ),
    ("polling", "prediction_accepted", ""),
    (
        "a download under way",
        "artifact_saved",
        "[[fault]]\non = \"download\"\nkind = \"slow\"\nfor = \"200ms\"\n",
    ),
    (
        "reconciling",
        "outcome_unknown",
        "[[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nper = \"job\"\ntimes = 1\n[[fault]]\non = \"history\"\nkind = \"slow\"\nfor = \"300ms\"\n",
    ),
];

#[test]
fn a_signal_at_any_phase_ends_in_order_and_a_second_one_at_once() {
    let mut figures = Figures::default();
    for (phase, event, fault) in PHASES {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            for twice in [false, true] {
                let story = Story::of_jobs(JOBS);
                let scenario = format!("[latency]\nkind = \"fixed\"\nlength = \"150ms\"\n{fault}");
                let api = Api::start(&story, &scenario);
                let run =
                    || story.run(&api).with(["--concurrency", "3", "--absence-wait", "400ms"]);
                let mut running = run().start();
                assert!(running.until(|| story.count_events(event) >= 2), "{phase}");
                running.signal(signal);
                if twice {
                    let err = running.err_path();
                    let heard = || std::fs::read_to_string(&err).unwrap().contains("second signal");
                    running.until(heard);
                    running.signal(signal);
                }
                let ended = running.end();
                assert_eq!(ended.code(), code, "{phase}, twice: {twice}: {ended}");
                for line in story.events() {
                    assert!(line["kind"].is_string(), "no half event");
                }
                let ended = run().end();
                assert_eq!(ended.code(), 0, "{phase}, twice: {twice}: {ended}");
                let judged = Figures::judge(&story, &api.book(), JOBS, None);
                assert!(judged.is_clean(), "{phase}, twice: {twice}: {judged}");
                figures.add(judged);
            }
        }
    }
    println!("signals: {figures}");
}
