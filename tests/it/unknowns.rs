//! Unknown outcomes: settled by evidence, and paid again only where that was asked for, within its cap.

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// Every job's first submission is charged, and its answer lost.
fn all_lost(history: &str) -> String {
    format!(
        "{QUICK}[history]\nmode = \"{history}\"\n\
         [[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nper = \"job\"\ntimes = 1\n"
    )
}

#[test]
fn without_a_cap_nothing_is_submitted_again() {
    let story = Story::of_jobs(2);
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--on-unknown", "resubmit"]).end();
    assert_eq!(ended.code(), 2, "{ended}");
    assert!(ended.err.contains("--max-double"), "{ended}");
    assert_eq!(api.book().charges().count(), 0);
}

#[test]
fn paying_again_stops_at_its_cap_also_over_several_runs() {
    let story = Story::of_jobs(5);
    let api = Api::start(&story, &all_lost("absent"));
    // Two of $0.23 fit.
    let flags = ["--on-unknown", "resubmit", "--max-double", "0.50"];
    for _ in 0..2 {
        let ended = story.run(&api).with(flags).end();
        assert_eq!(ended.code(), 4, "{ended}");
        let status = story.status();
        assert_eq!(status["jobs"]["done"], 2, "{status}");
        assert_eq!(status["jobs"]["unknown"], 3, "{status}");
        assert_eq!(status["paid_again"]["decisions"], 2, "{status}");
        assert_eq!(status["paid_again"]["at_most"], "0.460000", "{status}");
        assert_eq!(api.book().charges().count(), 5 + 2);
        assert_eq!(status["money"]["committed"], "0.920000", "{status}");
    }
    let told = story.events();
    let again = told.iter().filter(|event| event["how"] == "pay_again");
    assert_eq!(again.count(), 2);
}

#[test]
fn what_the_history_shows_is_adopted_and_not_paid_again() {
    let story = Story::of_jobs(5);
    let api = Api::start(&story, &all_lost("full"));
    let flags = ["--on-unknown", "resubmit", "--max-double", "5"];
    let ended = story.run(&api).with(flags).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(5);
}

#[test]
fn a_paid_job_is_made_anew_only_by_an_explicit_word() {
    let story = Story::of_jobs(1);
    let api = Api::start(
        &story,
        &format!(
            "{QUICK}[[fault]]\non = \"submit\"\nkind = \"never_finishes\"\nper = \"job\"\ntimes = 1\n"
        ),
    );
    let ended = story.run(&api).with(["--job-timeout", "200ms"]).end();
    assert_eq!(ended.code(), 4, "{ended}");
    let refused = story.nightreel(["requeue", "m/job-0001"]).end();
    assert_eq!(refused.code(), 2, "{refused}");
    assert!(refused.err.contains("--pay-again"), "{refused}");
    let requeued = story.nightreel(["requeue", "m/job-0001", "--pay-again"]).end();
    assert_eq!(requeued.code(), 0, "{requeued}");
    assert!(requeued.err.contains("paying again"), "{requeued}");
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(api.book().charges().count(), 2);
    assert_eq!(story.status()["paid_again"]["decisions"], 1);
}

#[test]
fn a_charge_before_a_server_error_is_adopted_and_none_is_proved_absent() {
    for (kind, charges) in [("charged_then_500", 1), ("status_502", 1), ("charged_then_504", 1)] {
        let story = Story::of_jobs(1);
        let fault = format!(
            "{QUICK}[[fault]]\non = \"submit\"\nkind = \"{kind}\"\nper = \"job\"\ntimes = 1\n"
        );
        let api = Api::start(&story, &fault);
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 0, "{kind}: {ended}");
        assert_eq!(api.book().charges().count(), charges, "{kind}");
    }
}

#[test]
fn a_history_that_is_late_reorders_keys_and_pages_still_finds_each_lost_job() {
    let story = Story::of_jobs(120);
    let odd = "mode = \"late\"\ndelay = \"300ms\"\nreorder_keys = true\npage_cap = 10";
    let api = Api::start(&story, &all_lost("full").replace("mode = \"full\"", odd));
    let ended = story.run(&api).with(["--concurrency", "64", "--no-ramp"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(120);
}

/// The first submission is charged and its answer lost; no history for as long as one run looks.
fn first_lost(kind: &str, history: &str) -> String {
    format!(
        "{QUICK}[history]\n{history}\n[[fault]]\non = \"submit\"\nkind = \"{kind}\"\ntimes = 1\n\
         [[fault]]\non = \"history\"\nkind = \"status_500\"\ntimes = 15\n"
    )
}

#[test]
fn a_history_too_long_to_be_read_proves_no_absence() {
    let (story, others) = (Story::of_jobs(1), Story::of_jobs(230));
    let api = Api::start(&story, &first_lost("charged_then_reset", "page_cap = 1"));
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 4, "{ended}");
    // Its first job asks for the same: it goes early enough to be among what is not read.
    let flags = ["--concurrency", "16", "--no-ramp"];
    let ended = others.run(&api).with(flags).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let ended = story.run(&api).end();
    assert_eq!(api.book().charges().count(), 231, "{ended}");
    assert_eq!(ended.code(), 4, "{ended}");
}

#[test]
fn a_history_with_other_forms_of_numbers_still_finds_a_lost_job() {
    let story = Story::new();
    story.file("m.csv", "id,model,prompt,duration\na,minimax/hailuo-02/t2v-standard,a cat,6\n");
    let numbers = "number_forms = true\nreorder_keys = true";
    let api = Api::start(&story, &all_lost("full").replace("mode = \"full\"", numbers));
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(1);
}

/// Rows that all ask for the very same thing.
fn of_equal_jobs(jobs: usize) -> Story {
    let story = Story::new();
    let rows = (1..=jobs).map(|n| format!("same-{n},minimax/hailuo-02/t2v-standard,a cat\n"));
    story.file("m.csv", format!("id,model,prompt\n{}", rows.collect::<String>()));
    story
}

fn submit_faults(faults: &[&str]) -> String {
    let fault = |kind: &&str| format!("[[fault]]\non = \"submit\"\nkind = \"{kind}\"\ntimes = 1\n");
    format!("{QUICK}{}", faults.iter().map(fault).collect::<String>())
}

#[test]
fn equal_jobs_that_are_all_found_are_adopted_one_to_one() {
    let story = of_equal_jobs(3);
    let api = Api::start(&story, &submit_faults(&["charged_then_reset"; 3]));
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(api.book().charges().count(), 3);
}

#[test]
fn fewer_tasks_than_equal_jobs_are_left_to_the_operator() {
    let story = of_equal_jobs(2);
    let lost = ["charged_then_reset", "close_after_read"];
    // Late enough for both to be unknown before either shows.
    let history = "[history]\nmode = \"late\"\ndelay = \"500ms\"\n";
    let api = Api::start(&story, &format!("{}{history}", submit_faults(&lost)));
    let ended = story.run(&api).with(["--no-ramp"]).end();
    assert_eq!(ended.code(), 4, "{ended}");
    assert_eq!(story.status()["jobs"]["unknown"], 2);
    assert_eq!(api.book().charges().count(), 1);
    let asked = story.nightreel(["resolve"]).at(&api).end();
    assert!(asked.err.contains("resolve --adopt m/same-1="), "{asked}");
}

#[test]
fn more_tasks_than_equal_jobs_are_left_to_the_operator() {
    let (story, others) = (of_equal_jobs(1), of_equal_jobs(1));
    let api = Api::start(&story, &first_lost("charged_then_reset", "mode = \"full\""));
    assert_eq!(story.run(&api).end().code(), 4);
    let ended = others.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 4, "{ended}");
    assert_eq!(story.status()["jobs"]["unknown"], 1);
    assert_eq!(api.book().charges().count(), 2);
}

#[test]
fn a_task_that_another_attempt_owns_is_not_adopted() {
    let story = of_equal_jobs(2);
    let api = Api::start(&story, &submit_faults(&["close_after_read"]));
    let ended = story.run(&api).with(["--concurrency", "1"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(api.book().charges().count(), 2);
    let events = story.events();
    assert!(events.iter().any(|event| event["how"] == "absent"), "{events:?}");
}

#[test]
fn a_submission_that_lands_late_is_waited_for_and_adopted() {
    let story = Story::of_jobs(1);
    let late = "[[fault]]\non = \"submit\"\nkind = \"lands_late\"\nfor = \"1500ms\"\ntimes = 1\n";
    let api = Api::start(&story, &format!("{QUICK}{late}"));
    let ended = story.run(&api).with(["--absence-wait", "4s"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(1);
}

#[test]
fn paying_again_stays_within_the_budget() {
    let story = Story::of_jobs(5);
    let api = Api::start(&story, &all_lost("absent"));
    // Five of $0.23, and one of them again.
    let flags = ["--on-unknown", "resubmit", "--max-double", "5", "--budget", "1.50"];
    for _ in 0..2 {
        let ended = story.run(&api).with(flags).end();
        assert_ne!(ended.code(), 0, "{ended}");
        assert_eq!(api.book().charges().count(), 6, "{ended}");
    }
}

#[test]
fn paid_jobs_are_never_made_anew_by_the_batch() {
    let story = Story::of_jobs(1);
    let fault = submit_faults(&["never_finishes"]);
    let api = Api::start(&story, &fault);
    assert_eq!(story.run(&api).with(["--job-timeout", "200ms"]).end().code(), 4);
    for names in
        [&["requeue", "--failed", "--pay-again"][..], &["requeue", "m", "--failed", "--pay-again"]]
    {
        let ended = story.nightreel(names).end();
        assert_eq!(story.status()["jobs"]["quarantined"], 1, "{ended}");
    }
    assert_eq!(api.book().charges().count(), 1);
}
