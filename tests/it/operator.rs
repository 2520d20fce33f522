//! What an operator decides and looks at: resolve, cancel, status, list, show, verify.

use std::fs;

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"30ms\"\n";

/// Three jobs, the outcome of each unknown, and a history that cannot settle them.
fn three_unknowns() -> (Story, Api) {
    let story = Story::of_jobs(3);
    let scenario = format!(
        "{QUICK}[history]\nmode = \"absent\"\n\
         [[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nnth = [1, 2]\n\
         [[fault]]\non = \"submit\"\nkind = \"reset\"\nnth = [3]\n"
    );
    let api = Api::start(&story, &scenario);
    let ended = story.run(&api).with(["--concurrency", "1"]).end();
    assert_eq!(ended.code(), 4, "{ended}");
    assert_eq!(story.status()["jobs"]["unknown"], 3, "{ended}");
    (story, api)
}

#[test]
fn unknown_outcomes_are_settled_by_the_operator_s_word() {
    let (story, api) = three_unknowns();
    let key = |charge: &nightreel::simulator::book::Charge| {
        let body: serde_json::Value = serde_json::from_str(&charge.body).unwrap();
        body["prompt"].as_str().unwrap().replace("scene number ", "job-")
    };
    let charged: Vec<_> = api.book().charges().map(|c| (key(c), c.prediction.clone())).collect();
    let lost = ["job-0001", "job-0002", "job-0003"]
        .into_iter()
        .find(|job| charged.iter().all(|(key, _)| key != job))
        .unwrap();
    let adopt = format!("m/{}={}", charged[0].0, charged[0].1);
    let resolved = story
        .nightreel(["resolve", "--adopt", &adopt, "--absent", lost, "--charged", &charged[1].0])
        .at(&api)
        .end();
    assert!([0, 4].contains(&resolved.code()), "{resolved}");
    let ended = story.run(&api).end();
    let jobs = story.status()["jobs"].clone();
    assert_eq!(jobs["done"], 2, "{ended}\n{jobs}");
    assert_eq!(jobs["unknown"], 0, "{jobs}");
    let kept = api.book().kept();
    assert_eq!(kept.values().sum::<usize>(), 3, "one of each: {kept:?}");
    story.verify();
}

#[test]
fn a_wrong_word_changes_nothing() {
    let (story, api) = three_unknowns();
    let resolve = |args: &[&str]| story.nightreel(["resolve"]).with(args).at(&api).end();
    for (args, said) in [
        (&["--adopt", "job-0001"][..], "has no `=`"),
        (&["--absent", "no-such-job"], "there is no job"),
        (&["--adopt", "job-0001=../../models"], "no prediction id"),
        (&["--absent", "job-0001", "--adopt", "job-0002=nobody-knows-it"], "does not know it"),
        (&["--absent", "job-0001", "--charged", "m/job-0001"], "named twice"),
        (&["--adopt", "job-0001=x", "--adopt", "job-0002=x"], "given to two jobs"),
    ] {
        let ended = resolve(args);
        assert_eq!(ended.code(), 2, "{args:?}: {ended}");
        assert!(ended.err.contains(said), "{args:?}: {ended}");
    }
    assert_eq!(story.status()["jobs"]["unknown"], 3);
}

#[test]
fn a_prediction_of_another_job_is_not_adopted_where_the_history_tells() {
    let story = Story::of_jobs(2);
    let lost = "[[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\n\
                [[fault]]\non = \"history\"\nkind = \"status_500\"\ntimes = 15\n";
    let api = Api::start(&story, &format!("{QUICK}{lost}"));
    assert_eq!(story.run(&api).end().code(), 4);
    let of = |job: &str| {
        let scene = job.replace("job-", "scene number ");
        api.book().charges().find(|charge| charge.body.contains(&scene)).unwrap().prediction.clone()
    };
    let resolve = |job: &str, id: &str, more: &[&str]| {
        let adopt = format!("{job}={id}");
        story.nightreel(["resolve", "--adopt", &adopt]).with(more).at(&api).end()
    };
    let mut swapped = resolve("job-0001", &of("job-0002"), &[]);
    // The history fails a few times more before it can be asked.
    while swapped.err.contains("could not be compared") && swapped.code() != 0 {
        swapped = resolve("job-0001", &of("job-0002"), &[]);
    }
    assert_eq!(swapped.code(), 2, "{swapped}");
    assert!(swapped.err.contains("another request") && swapped.err.contains("scene number 0002"));
    let right = resolve("job-0001", &of("job-0001"), &[]);
    assert_eq!((right.code(), right.err.as_str()), (0, ""), "{right}");
    let again = resolve("job-0002", &of("job-0001"), &[]);
    assert!(again.err.contains("another job has this prediction"), "{again}");
    let unchecked = resolve("job-0002", &of("job-0002"), &["--unchecked"]);
    assert_eq!(unchecked.code(), 0, "{unchecked}");
    assert_eq!(story.run(&api).end().code(), 0);
    api.book().assert_paid_once(2);
}

#[test]
fn what_counts_as_charged_is_paid_again_only_by_an_explicit_word() {
    let (story, api) = three_unknowns();
    let charged =
        ["resolve", "--charged", "job-0001", "--charged", "job-0002", "--charged", "job-0003"];
    assert_eq!(story.nightreel(charged).end().code(), 0);
    let sent = api.figures().submits;
    let all = story.nightreel(["requeue", "--failed"]).end();
    assert_eq!(all.code(), 0, "{all}");
    assert!(
        all.err.contains("3 failed jobs left alone") && all.err.contains("--pay-again"),
        "{all}"
    );
    let one = story.nightreel(["requeue", "job-0001"]).end();
    assert_eq!(one.code(), 2, "{one}");
    assert!(one.err.contains("counts as charged") && one.err.contains("--pay-again"), "{one}");
    assert_eq!(story.run(&api).end().code(), 3);
    assert_eq!(api.figures().submits, sent, "nothing was sent again");
    let again = story.nightreel(["requeue", "job-0001", "--pay-again"]).end();
    assert_eq!(again.code(), 0, "{again}");
    assert_eq!(story.run(&api).end().code(), 3);
    assert_eq!(api.figures().submits, sent + 1);
    assert_eq!(story.status()["paid_again"]["decisions"], 1);
    let done = story.nightreel(["requeue", "job-0001"]).end();
    assert_eq!(done.code(), 2, "{done}");
    assert!(done.err.contains("m/job-0001: is done"), "{done}");
}

#[test]
fn canceled_jobs_are_not_submitted() {
    let story = Story::of_jobs(6);
    let fault = "[[fault]]\non = \"submit\"\nkind = \"status_402\"\nnth = [1]\n";
    let api = Api::start(&story, &format!("{QUICK}{fault}"));
    assert_eq!(story.run(&api).with(["--concurrency", "1"]).end().code(), 6);
    let canceled = story.nightreel(["cancel", "job-0002", "m/job-0003"]).end();
    assert_eq!(canceled.code(), 0, "{canceled}");
    assert_eq!(story.run(&api).end().code(), 0);
    let jobs = story.status()["jobs"].clone();
    assert_eq!((&jobs["done"], &jobs["canceled"]), (&4.into(), &2.into()), "{jobs}");
    let again = story.run(&api).end();
    assert!(again.out.contains("every job is done but 2 canceled"), "{again}");
    api.book().assert_paid_once(4);
}

#[test]
fn status_list_show_and_verify_work_beside_a_running_run() {
    let story = Story::of_jobs(20);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"400ms\"\n");
    let mut run = story.run(&api).with(["--concurrency", "5"]).start();
    assert!(run.until(|| story.count_events("job_done") >= 2));
    let status = story.status();
    assert_eq!((&status["batch"], &status["jobs"]["total"]), (&"m".into(), &20.into()));
    assert!(status["jobs"]["done"].as_u64().unwrap() >= 2, "{status}");
    assert_eq!(story.list().len(), 20);
    let show = story.nightreel(["show", "m/job-0001", "--format", "json"]).end();
    assert_eq!((show.code(), &show.json()["key"]), (0, &"job-0001".into()), "{show}");
    story.verify();
    assert!(!run.has_ended(), "all of that was asked while the run went on");
    assert_eq!(run.end().code(), 0);
    api.book().assert_paid_once(20);
}

#[test]
fn verify_finds_what_is_missing_cut_or_altered() {
    let story = Story::of_jobs(4);
    let api = Api::start(&story, QUICK);
    assert_eq!(story.run(&api).end().code(), 0);
    story.verify();
    let video = |n: usize| story.path(&format!("outputs/m/job-{n:04}.mp4"));
    fs::remove_file(video(1)).unwrap();
    let whole = fs::read(video(2)).unwrap();
    story.file("outputs/m/job-0002.mp4", &whole[..whole.len() - 1]);
    let mut altered = fs::read(video(3)).unwrap();
    let last = altered.last_mut().unwrap();
    *last ^= 1;
    story.file("outputs/m/job-0003.mp4", altered);
    let verified = story.nightreel(["verify"]).end();
    assert_eq!(verified.code(), 4, "{verified}");
    for told in [
        "m/job-0001: m/job-0001.mp4 missing",
        &format!("m/job-0002: m/job-0002.mp4 has {} bytes instead of", whole.len() - 1),
        "m/job-0003: m/job-0003.mp4 has been altered",
        "1 file sound, 3 missing or altered",
    ] {
        assert!(verified.out.contains(told), "{told}: {verified}");
    }
}
