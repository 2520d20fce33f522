//! `kill -9` at every stage, the same command again: nothing is lost, and nothing is paid for twice.

use rustix::process::Signal;

use crate::api::Api;
use crate::process::Run;
use crate::story::Story;

const JOBS: usize = 30;

/// A seeded night of quick generations with the faults that leave outcomes unknown.
fn night(seed: u64, more: &str) -> String {
    format!(
        "seed = {seed}\n[latency]\nkind = \"uniform\"\nfrom = \"20ms\"\nto = \"200ms\"\n{more}\n\
         [[fault]]\non = \"submit\"\nkind = \"slow\"\nfor = \"30ms\"\nprobability = 0.3\n\
         [[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nprobability = 0.05\n\
         [[fault]]\non = \"download\"\nkind = \"slow\"\nfor = \"60ms\"\nprobability = 0.3\n"
    )
}

/// Where a run is killed: right after the how-manieth event of a kind.
const MOMENTS: [(&str, usize); 5] = [
    ("attempt_submitted", 1),
    ("attempt_submitted", 11),
    ("prediction_accepted", 9),
    ("artifact_saved", 1),
    ("artifact_saved", 12),
];

/// Kills a run at each moment in turn, counted from where the run before left off. Returns how many
/// were killed before they ended.
fn killed_again_and_again(story: &Story, run: impl Fn() -> Run) -> usize {
    let mut killed = 0;
    for (kind, more) in MOMENTS {
        let before = story.count_events(kind);
        let mut running = run().with(["--concurrency", "6"]).start();
        let reached = running.until(|| story.count_events(kind) >= before + more);
        running.signal(Signal::KILL);
        let ended = running.end();
        assert!(ended.code() == -1 || !reached || ended.code() == 0, "{ended}");
        killed += usize::from(ended.code() == -1);
    }
    killed
}

fn assert_whole(story: &Story, run: Run) {
    let ended = run.with(["--concurrency", "6"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(story.status()["jobs"]["done"], JOBS, "{ended}");
    let left: Vec<_> =
        story.files("outputs").into_iter().filter(|f| !f.starts_with("m/job-")).collect();
    assert_eq!(left, Vec::<String>::new(), "nothing but the jobs' files is left behind");
    assert_eq!(story.files("outputs").len(), JOBS * 2);
    story.verify();
}

#[test]
fn a_killed_run_goes_on_beside_an_api_that_lives_on() {
    for seed in 1..=2 {
        let story = Story::of_jobs(JOBS);
        let api = Api::start(&story, &night(seed, ""));
        let killed = killed_again_and_again(&story, || story.run(&api));
        assert!(killed >= 4, "{killed} runs were killed in the middle");
        assert_whole(&story, story.run(&api));
        api.book().assert_paid_once(JOBS);
    }
}

#[test]
fn a_killed_run_goes_on_with_the_simulator_that_died_with_it() {
    for seed in 3..=4 {
        let story = Story::of_jobs(JOBS);
        let scenario = night(seed, "");
        let killed = killed_again_and_again(&story, || story.simulated(&scenario));
        assert!(killed >= 4, "{killed} runs were killed in the middle");
        assert_whole(&story, story.simulated(&scenario));
        story.book().assert_paid_once(JOBS);
    }
}

#[test]
fn without_a_history_what_was_lost_in_the_window_is_listed_and_never_paid_for_again() {
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, &night(5, "[history]\nmode = \"absent\"\n"));
    killed_again_and_again(&story, || story.run(&api));
    for _ in 0..2 {
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 4, "{ended}");
        let jobs = story.status()["jobs"].clone();
        let (done, unknown) = (jobs["done"].as_u64().unwrap(), jobs["unknown"].as_u64().unwrap());
        assert_eq!(done + unknown, JOBS as u64, "{jobs}");
        assert!(unknown > 0, "{jobs}");
        let listed = story.nightreel(["list", "--state", "unknown"]).end();
        assert_eq!(listed.out.lines().count() as u64, unknown, "{listed}");
        assert!(api.book().kept().values().all(|times| *times == 1), "{:?}", api.book().kept());
    }
}
