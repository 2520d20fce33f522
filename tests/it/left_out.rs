//! Rows with mistakes under `--skip-invalid`, and the hash that a plan is known by: what `run` does is
//! what `plan` said, also for jobs that came into the ledger when their rows were right.

use serde_json::Value;

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"5ms\"\n";
const PRO: &str = "minimax/hailuo-02/t2v-pro";

fn write(story: &Story, rows: &[&str]) {
    let rows = rows.join("\n");
    story.file("m.csv", format!("id,model,prompt,duration,price,output\n{rows}\n"));
}

/// One row done, the others pending: the budget ends after the first.
fn begun(api: &Api, story: &Story, rows: usize) {
    let rows: Vec<String> = (1..=rows).map(|n| format!("r{n},{PRO},scene {n},,,")).collect();
    write(story, &rows.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = story.run(api).with(["--budget", "0.49"]).end();
    assert_eq!(ended.code(), 5, "{ended}");
}

fn plan(story: &Story, api: &Api, flags: &[&str]) -> Value {
    let planned = story.nightreel(["plan", "m.csv", "--rows", "--format", "json"]).with(flags);
    let planned = planned.at(api).end();
    assert_eq!(planned.code(), 0, "{planned}");
    planned.json()
}

/// The actions of rows, by key.
fn actions(plan: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let jobs = plan["batches"][0]["jobs"].as_array().unwrap();
    jobs.iter().map(|job| (word(&job["key"]), word(&job["action"]))).collect()
}

fn states(story: &Story) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    story.list().iter().map(|job| (word(&job["key"]), word(&job["state"]))).collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, what)| ((*key).to_owned(), (*what).to_owned())).collect()
}

#[test]
fn a_pending_job_whose_row_gets_a_mistake_is_not_sent() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    begun(&api, &story, 6);
    write(
        &story,
        &[
            &format!("r1,{PRO},scene 1,,,"),
            &format!("r2,{PRO},scene 2,,-1,"),
            &format!("r3,{PRO},{{{{ oops }}}},,,"),
            &format!("r4,{PRO},scene 4,7,,"),
            &format!("r5,{PRO},scene 5,,,../../x.mp4"),
            &format!("no id,{PRO},scene 6,,,"),
        ],
    );
    let planned = plan(&story, &api, &["--skip-invalid", "--changed", "rerun"]);
    let invalid = |key| (key, "invalid");
    let wanted = [("r1", "done"), invalid("r2"), invalid("r3"), invalid("r4"), invalid("r5")];
    let mut wanted = named(&wanted);
    wanted.extend(named(&[("-", "invalid"), ("r6", "removed")]));
    assert_eq!(actions(&planned), wanted);
    assert_eq!(planned["batches"][0]["cost"]["total"], "0.000000", "{planned}");
    let ended = story.run(&api).with(["--skip-invalid", "--changed", "rerun"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    assert!(ended.out.contains("5 rows left out for mistakes"), "{ended}");
    api.book().assert_paid_once(1);
    let canceled = named(&[("r6", "canceled")]);
    let mut wanted = named(&[("r1", "done")]);
    wanted.extend(named(&["r2", "r3", "r4", "r5"].map(invalid)));
    wanted.extend(canceled);
    assert_eq!(states(&story), wanted);
}

#[test]
fn it_comes_back_with_its_row_and_is_canceled_without_it() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    begun(&api, &story, 3);
    let first = format!("r1,{PRO},scene 1,,,");
    let [second, third] = [2, 3].map(|n| format!("r{n},{PRO},scene {n},7,,"));
    let fresh = format!("r4,{PRO},scene 4,7,,");
    write(&story, &[&first, &second, &third, &fresh]);
    let ended = story.run(&api).with(["--skip-invalid", "--changed", "rerun"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    assert_eq!(story.status()["jobs"]["invalid"], 3, "{ended}");
    // Nothing is left to do, and the figures are the same.
    let ended = story.run(&api).with(["--skip-invalid", "--format", "json"]).end();
    assert_eq!((ended.code(), &ended.json()["batches"][0]["jobs"]["invalid"]), (3, &3.into()));
    // Put right, with another prompt: no change of anything that was paid for.
    write(&story, &[&first, &format!("r2,{PRO},another scene,,,")]);
    let planned = plan(&story, &api, &[]);
    let wanted = [("r1", "done"), ("r2", "new"), ("r3", "removed"), ("r4", "removed")];
    assert_eq!(actions(&planned), named(&wanted), "{planned}");
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(2);
    assert!(api.book().charges().last().unwrap().body.contains("another scene"));
    let wanted = [("r1", "done"), ("r2", "done"), ("r3", "canceled"), ("r4", "canceled")];
    assert_eq!(states(&story), named(&wanted));
}

#[test]
fn a_changed_row_that_is_refused_is_left_out_too() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    begun(&api, &story, 2);
    write(&story, &[&format!("r1,{PRO},other,,,"), &format!("r2,{PRO},other too,,,")]);
    let ended = story.run(&api).with(["--skip-invalid"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    assert!(!ended.out.contains("every job is done"), "{ended}");
    api.book().assert_paid_once(1);
}

#[test]
fn a_kept_job_is_sent_to_its_old_model_at_its_old_price() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    begun(&api, &story, 2);
    let cheap = "minimax/hailuo-02/t2v-standard";
    write(&story, &[&format!("r1,{cheap},scene 1,,,"), &format!("r2,{cheap},scene 2,,,")]);
    let planned = plan(&story, &api, &["--changed", "keep"]);
    let model = &planned["batches"][0]["cost"]["by_model"][0];
    assert_eq!((&model["model"], &model["total"]), (&PRO.into(), &"0.490000".into()), "{planned}");
    let ended = story.run(&api).with(["--changed", "keep"]).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert!(api.book().charges().last().unwrap().body.contains(PRO));
}

#[test]
fn a_plan_is_known_by_what_it_makes_of_changes_names_and_order() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    let row = |prompt: &str, output: &str| format!("r1,{PRO},{prompt},,0.49,{output}");
    write(&story, &[&row("scene", "")]);
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let hash = |flags: &[&str]| plan(&story, &api, flags)["hash"].as_str().unwrap().to_owned();
    write(&story, &[&row("another scene", "")]);
    let (kept, made_anew) = (hash(&["--changed", "keep"]), hash(&["--changed", "rerun"]));
    assert_ne!(kept, made_anew);
    let ended = story.run(&api).with(["--changed", "rerun", "--plan", &kept]).end();
    assert_eq!(ended.code(), 2, "{ended}");
    write(&story, &[&row("another scene", "elsewhere.mp4")]);
    assert_ne!(hash(&["--changed", "rerun"]), made_anew);
    api.book().assert_paid_once(1);
    write(&story, &[&row("another scene", "")]);
    let pasted = format!(" {} ", made_anew.to_uppercase());
    let ended = story.run(&api).with(["--changed", "rerun", "--plan", &pasted]).end();
    assert_eq!(ended.code(), 0, "{ended}");
}
