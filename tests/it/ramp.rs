//! A systematic mistake costs little: a new shape is proved on one job, then ten; and when too many
//! paid generations fail, nothing more is sent.

use serde_json::Value;

use crate::api::Api;
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
