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
    for args in [
        &["--adopt", "job-0001"][..],
        &["--absent", "no-such-job"],
        &["--adopt", "job-0001=../../models"],
    ] {
        let ended = resolve(args);
        assert!([1, 2].contains(&ended.code()), "{args:?}: {ended}");
    }
    assert_eq!(story.status()["jobs"]["unknown"], 3);
}

#[test]
fn canceled_jobs_are_not_submitted() {
    let story = Story::of_jobs(6);
    let fault = "[[fault]]\non = \"submit\"\nkind = \"status_402\"\nnth = [1]\n";
    let api = Api::start(&story, &format!("{QUICK}{fault}"));
    assert_eq!(story.run(&api).with(["--concurrency", "1"]).end().code(), 6);
    let canceled = story.nightreel(["cancel", "job-0002", "m/job-0003"]).end();
    assert_eq!(canceled.code(), 0, "{canceled}");
    story.run(&api).end();
    let jobs = story.status()["jobs"].clone();
    assert_eq!((&jobs["done"], &jobs["canceled"]), (&4.into(), &2.into()), "{jobs}");
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
