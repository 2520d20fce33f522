//! The exit codes of the contract, section 6: each of them brought about, and resumed from.

use crate::api::Api;
use crate::process::Ended;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"50ms\"\n";

fn with_fault(fault: &str) -> String {
    format!("{QUICK}[[fault]]\n{fault}\n")
}

/// The only batch's jobs by state, as `run --format json` told them at its end.
fn jobs(ended: &Ended) -> impl Fn(&str) -> u64 + use<> {
    let jobs = ended.json()["batches"][0]["jobs"].clone();
    move |state| jobs[state].as_u64().unwrap()
}

#[track_caller]
fn assert_exit(ended: &Ended, code: i32) {
    assert_eq!(ended.code(), code, "{ended}");
    assert_eq!(ended.json()["exit"], code, "{ended}");
    assert!(!ended.json()["reason"].as_str().unwrap().is_empty(), "{ended}");
}

#[track_caller]
fn assert_resumes(story: &Story, api: &Api, total: usize) {
    let ended = story.run(api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(total);
    story.verify();
}

#[test]
fn zero_means_every_job_is_done() {
    let story = Story::of_jobs(3);
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--format", "json"]).end();
    assert_exit(&ended, 0);
    assert_eq!(jobs(&ended)("done"), 3);
}

#[test]
fn three_means_that_some_jobs_failed_and_requeue_gives_them_another_chance() {
    let story = Story::of_jobs(5);
    let fault = "on = \"submit\"\nkind = \"status_422\"\nmatch = \"number 0002\"\ntimes = 1";
    let api = Api::start(&story, &with_fault(fault));
    let ended = story.run(&api).with(["--format", "json"]).end();
    assert_exit(&ended, 3);
    assert_eq!((jobs(&ended)("failed"), jobs(&ended)("done")), (1, 4));
    let again = story.run(&api).with(["--format", "json"]).end();
    assert_exit(&again, 3);
    assert_eq!(story.nightreel(["requeue", "--failed"]).end().code(), 0);
    assert_resumes(&story, &api, 5);
}

#[test]
fn three_also_means_rows_left_out_for_their_mistakes() {
    let story = Story::of_jobs(2);
    let text = std::fs::read_to_string(story.path("m.csv")).unwrap();
    story.file("m.csv", format!("{text}bad,minimax/hailuo-02/t2v-standard,\n"));
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--format", "json", "--skip-invalid"]).end();
    assert_exit(&ended, 3);
    assert_eq!((jobs(&ended)("invalid"), jobs(&ended)("done")), (1, 2));
}

#[test]
fn four_means_that_a_job_needs_a_decision() {
    let story = Story::of_jobs(3);
    let fault = "on = \"submit\"\nkind = \"never_finishes\"\nnth = [1]";
    let api = Api::start(&story, &with_fault(fault));
    let ended = story.run(&api).with(["--format", "json", "--job-timeout", "400ms"]).end();
    assert_exit(&ended, 4);
    assert_eq!((jobs(&ended)("quarantined"), jobs(&ended)("done")), (1, 2));
    assert_eq!(api.book().charges().count(), 3, "nothing is bought again");
}

#[test]
fn five_means_the_budget_and_all_that_is_paid_is_collected() {
    let story = Story::new();
    let rows =
        (0..12).map(|n| format!("b{n},minimax/hailuo-02/fast,b {n},https://example.com/a.png\n"));
    story.file("m.csv", format!("id,model,prompt,image\n{}", rows.collect::<String>()));
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--format", "json", "--budget", "0.55"]).end();
    assert_exit(&ended, 5);
    assert_eq!((jobs(&ended)("done"), jobs(&ended)("pending")), (5, 7));
    assert_eq!(ended.json()["batches"][0]["money"]["committed"], "0.500000");
    api.book().assert_paid_once(5);
    let more = story.run(&api).with(["--format", "json", "--budget", "1.20"]).end();
    assert_exit(&more, 0);
    let done = story.run(&api).with(["--format", "json", "--budget", "9"]).end();
    assert_eq!(done.json()["batches"][0]["money"]["budget"], "9.000000", "{done}");
    api.book().assert_paid_once(12);
}

#[test]
fn a_budget_holds_while_outcomes_are_unknown() {
    let story = Story::new();
    let rows =
        (0..12).map(|n| format!("b{n},minimax/hailuo-02/fast,b {n},https://example.com/a.png\n"));
    story.file("m.csv", format!("id,model,prompt,image\n{}", rows.collect::<String>()));
    let fault = "on = \"submit\"\nkind = \"charged_then_reset\"\nprobability = 0.5\n";
    let api = Api::start(&story, &format!("{}[history]\nmode = \"absent\"\n", with_fault(fault)));
    let ended = story.run(&api).with(["--format", "json", "--budget", "0.75"]).end();
    assert_exit(&ended, 5);
    assert_eq!(api.book().charges().count(), 7, "{ended}");
}

#[test]
fn six_means_the_account_and_nothing_is_held_against_the_jobs() {
    for status in ["status_401", "status_402"] {
        let story = Story::of_jobs(20);
        let fault = format!("on = \"submit\"\nkind = \"{status}\"\nnth = [9, 10, 11, 12]");
        let api = Api::start(&story, &with_fault(&fault));
        let ended = story.run(&api).with(["--format", "json", "--concurrency", "4"]).end();
        assert_exit(&ended, 6);
        let jobs = jobs(&ended);
        assert_eq!((jobs("failed"), jobs("submitted"), jobs("ready")), (0, 0, 0), "{ended}");
        assert_eq!(jobs("done"), 8, "what was in flight is collected");
        assert_eq!(jobs("pending"), 12);
        // Of the four refusals planned, those not met yet are met by the next runs.
        let resumed = (0..4).map(|_| story.run(&api).end()).find(|ended| ended.code() == 0);
        assert!(resumed.is_some(), "{:?}", story.status());
        api.book().assert_paid_once(20);
    }
}

#[test]
fn seven_means_another_process_and_names_it() {
    let story = Story::of_jobs(4);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"3s\"\n");
    let mut first = story.run(&api).start();
    assert!(first.until(|| story.count_events("prediction_accepted") == 4));
    let second = story.run(&api).end();
    assert_eq!(second.code(), 7, "{second}");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let owner = format!("pid {} on {host}", first.pid());
    assert!(second.err.contains(&owner), "{owner}: {second}");
    assert_eq!(first.end().code(), 0);
    api.book().assert_paid_once(4);
}

#[test]
fn seven_also_means_a_run_that_has_the_simulator() {
    let story = Story::of_jobs(1);
    let mut first = story.simulated("[latency]\nkind = \"fixed\"\nlength = \"30s\"\n").start();
    assert!(first.until(|| story.count_events("prediction_accepted") == 1));
    let second = story.nightreel(["resolve", "--simulate"]).end();
    assert_eq!(second.code(), 7, "{second}");
    assert!(second.err.contains(&format!("pid {} on ", first.pid())), "{second}");
}

#[test]
fn eight_means_the_time_is_over_and_what_is_paid_is_collected() {
    let story = Story::of_jobs(60);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"250ms\"\n");
    let ended =
        story.run(&api).with(["--format", "json", "--for", "400ms", "--concurrency", "4"]).end();
    assert_exit(&ended, 8);
    let jobs = jobs(&ended);
    assert!(jobs("pending") > 0 && jobs("done") > 0, "{ended}");
    assert_eq!(jobs("pending") + jobs("done"), 60, "{ended}");
    api.book().assert_paid_once(usize::try_from(jobs("done")).unwrap());
    assert_resumes(&story, &api, 60);
}
