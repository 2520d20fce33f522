//! A systematic mistake costs little: a new shape is proved on one job, then ten; and when too many
//! paid generations fail, nothing more is sent.

use serde_json::Value;

use crate::api::Api;
use crate::sql::execute;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"60ms\"\n";
const ALL_FAIL: &str =
    "[[fault]]\non = \"submit\"\nkind = \"failed_later\"\nmessage = \"bad duration\"\n";

/// The values and order of the ramp's steps.
fn steps(story: &Story) -> Vec<u64> {
    let ramp = |event: &&Value| event["kind"] == "limit_changed" && event["limit"] == "ramp";
    story.events().iter().filter(ramp).map(|event| event["value"].as_u64().unwrap()).collect()
}

#[test]
fn an_api_that_charges_and_fails_everything_is_paid_eleven_times_at_most() {
    let story = Story::of_jobs(200);
    let api = Api::start(&story, &format!("{QUICK}{ALL_FAIL}"));
    let ended = story.run(&api).with(["--concurrency", "32"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    let charges = api.book().charges().count();
    assert!(charges <= 11, "{charges} charges");
    assert!(ended.out.contains("too many generations failed"), "{ended}");
    assert!(ended.out.contains("bad duration"), "{ended}");
    assert_eq!(api.figures().max_in_flight, 1, "one at a time");
    let jobs = story.status()["jobs"].clone();
    assert_eq!(jobs["total"], 200, "{jobs}");
}

#[test]
fn a_new_shape_is_proved_on_one_job_then_ten_and_never_again() {
    let story = Story::of_jobs(80);
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--concurrency", "32"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(steps(&story), [1, 10, 32]);
    assert_eq!(submitted_before(&story, 10), 1, "the first one goes alone");
    assert!(submitted_before(&story, 32) <= 1 + 10 + 10, "then ten at a time");

    let rows = (1..=80).map(|n| format!("minimax/hailuo-02/t2v-standard,other {n}\n"));
    story.file("other.csv", format!("model,prompt\n{}", rows.collect::<String>()));
    let again = story
        .nightreel(["run", "other.csv", "--events", "events.jsonl", "--concurrency", "32"])
        .at(&api)
        .end();
    assert_eq!(again.code(), 0, "{again}");
    assert_eq!(steps(&story), [1, 10, 32], "another batch of the shape needs no proof");
}

/// Submissions before the ramp's step to a value.
fn submitted_before(story: &Story, value: u64) -> usize {
    let events = story.events();
    let step = |event: &Value| event["limit"] == "ramp" && event["value"] == value;
    let before = events.iter().take_while(|event| !step(event));
    before.filter(|event| event["kind"] == "attempt_submitted").count()
}

#[test]
fn few_jobs_or_no_ramp_go_at_full_speed() {
    for (jobs, flag) in [(40, "--yes"), (80, "--no-ramp")] {
        let story = Story::of_jobs(jobs);
        let api = Api::start(&story, QUICK);
        let ended = story.run(&api).with(["--concurrency", "32", flag]).end();
        assert_eq!(ended.code(), 0, "{ended}");
        assert_eq!(steps(&story), Vec::<u64>::new());
    }
}

#[test]
fn a_shape_on_trial_holds_up_no_other() {
    let story = Story::new();
    let slow = (1..=60).map(|n| format!("slow {n},10\n"));
    let quick = (1..=40).map(|n| format!("quick {n},6\n"));
    let rows: String = slow.chain(quick).collect();
    let rows = rows.replace("slow", "minimax/hailuo-02/t2v-standard,slow");
    let rows = rows.replace("quick", "minimax/hailuo-02/t2v-standard,quick");
    story.file("m.csv", format!("model,prompt,duration\n{rows}"));
    let never =
        format!("{QUICK}[[fault]]\non = \"submit\"\nmatch = \"slow\"\nkind = \"never_finishes\"\n");
    let api = Api::start(&story, &never);
    let mut running = story.run(&api).with(["--concurrency", "32"]).start();
    assert!(running.until(|| story.count_events("job_done") == 40));
    assert_eq!(api.book().charges().filter(|charge| charge.body.contains("slow")).count(), 1);
}

#[test]
fn batches_of_one_run_are_counted_together() {
    let story = Story::of_jobs(40);
    let rows = (1..=40).map(|n| format!("minimax/hailuo-02/t2v-standard,other {n}\n"));
    story.file("other.csv", format!("model,prompt\n{}", rows.collect::<String>()));
    let api = Api::start(&story, &format!("{QUICK}{ALL_FAIL}"));
    let ended = story.run(&api).with(["other.csv", "--concurrency", "32"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    let charges = api.book().charges().count();
    assert!(charges <= 11, "{charges} charges");
}

#[test]
fn an_api_that_charges_and_says_nothing_is_paid_ten_times_at_most() {
    let story = Story::of_jobs(80);
    let silent = "[[fault]]\non = \"submit\"\nkind = \"charged_then_close\"\n";
    let api = Api::start(&story, &format!("{QUICK}{silent}[history]\nmode = \"absent\"\n"));
    let ended = story.run(&api).with(["--concurrency", "32"]).end();
    assert_eq!(ended.code(), 4, "{ended}");
    assert!(ended.out.contains("which never succeeded"), "{ended}");
    let charges = api.book().charges().count();
    assert!(charges <= 10, "{charges} charges");
}

#[test]
fn rows_refused_for_their_words_stop_nobody_else() {
    let story = Story::of_jobs(60);
    let refused = "[[fault]]\non = \"submit\"\nkind = \"moderation\"\n";
    let api = Api::start(&story, &format!("{QUICK}{refused}"));
    let ended = story.run(&api).with(["--concurrency", "32", "--no-ramp"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    assert!(!ended.out.contains("too many generations failed"), "{ended}");
    assert_eq!(story.status()["jobs"]["failed"], 60, "{ended}");
}

#[test]
fn what_is_paid_is_collected_after_too_many_failures() {
    let story = Story::new();
    let bad = (1..=40).map(|n| format!("minimax/hailuo-02/t2v-standard,bad {n}\n"));
    let good = (1..=4).map(|n| format!("minimax/hailuo-02/t2v-standard,good {n}\n"));
    let rows: String = good.chain(bad).collect();
    story.file("m.csv", format!("model,prompt\n{rows}"));
    let fails = ALL_FAIL.replace("kind", "match = \"bad\"\nkind");
    let slow =
        "[[fault]]\non = \"poll\"\nmatch = \"good\"\nkind = \"unknown_status\"\ntimes = 40\n";
    let api = Api::start(&story, &format!("{QUICK}{fails}{slow}"));
    let ended = story.run(&api).with(["--concurrency", "8"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    assert!(ended.out.contains("too many generations failed"), "{ended}");
    assert_eq!(story.status()["jobs"]["done"], 4, "{ended}");
    let (stopped, done) = (place(&story, "run_paused"), place(&story, "job_done"));
    assert!(stopped < done, "the good ones were still at the API: {stopped} {done}");
}

/// The place of the first event of a kind.
fn place(story: &Story, kind: &str) -> usize {
    story.events().iter().position(|event| event["kind"] == kind).unwrap()
}

#[test]
fn a_proved_shape_goes_at_full_speed_beside_one_on_trial() {
    let story = Story::of_jobs(80);
    let api = Api::start(&story, QUICK);
    assert_eq!(story.run(&api).with(["--concurrency", "32"]).end().code(), 0);
    let row = |n: u32, length: u32| format!("minimax/hailuo-02/t2v-standard,now {n},{length}\n");
    let rows: String = (1..=60).map(|n| row(n, 10)).chain((1..=60).map(|n| row(n, 6))).collect();
    let rows = rows.replace(",6\n", ",\n");
    story.file("n.csv", format!("model,prompt,duration\n{rows}"));
    let ended = story
        .nightreel(["run", "n.csv", "--events", "events.jsonl", "--concurrency", "32"])
        .at(&api)
        .end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(steps(&story), [1, 10, 32, 1, 10, 32], "the new shape only");
    assert!(api.figures().max_in_flight > 20, "the other did not wait for it");
}

#[test]
fn jobs_of_a_time_before_shapes_are_held_by_none() {
    let story = Story::of_jobs(120);
    let never = "[[fault]]\non = \"submit\"\nkind = \"never_finishes\"\ntimes = 1\n";
    let api = Api::start(&story, &format!("{QUICK}{never}"));
    let mut running = story.run(&api).with(["--concurrency", "32"]).start();
    assert!(running.until(|| story.count_events("prediction_accepted") == 1));
    running.signal(rustix::process::Signal::KILL);
    running.end();
    execute(
        &story.path("state/ledger.db"),
        "UPDATE jobs SET shape = NULL WHERE row BETWEEN 2 AND 61",
    );
    let mut running = story.run(&api).with(["--concurrency", "32"]).start();
    assert!(running.until(|| story.count_events("job_done") >= 60));
    running.signal(rustix::process::Signal::INT);
    running.end();
    assert_eq!(story.count_events("job_done"), 60, "the others wait for the first");
}
