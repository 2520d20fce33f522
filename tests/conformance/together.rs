//! nightreel and the vendor's client at one simulator, with one key: each reads what the other submitted.

use serde_json::{Value, json};

use crate::desk::{AT_ONCE, Desk, assert_plays};
use crate::story::Story;

/// The prompt of the only job of [`Story::of_jobs`].
const PROMPT: &str = "scene number 0001";

/// The prediction of nightreel's jobs, by key.
fn predictions(story: &Story) -> Vec<(String, String)> {
    let text = |job: &Value, name: &str| job[name].as_str().unwrap().to_owned();
    story.list().iter().map(|job| (text(job, "key"), text(job, "prediction_id"))).collect()
}

#[test]
fn what_nightreel_submitted_the_client_reads_and_lists() {
    let Some(mut desk) = Desk::with(Story::of_jobs(3), AT_ONCE) else { return };
    let ended = desk.story.run(&desk.api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let listed = desk.history(&json!({}));
    listed.tells(&["Showing 3 of 3 tasks"]);
    for (key, id) in predictions(&desk.story) {
        listed.tells(&[&format!("`{id}` — **completed**")]);
        let said = desk.prediction(&id);
        said.tells(&["- **Status**: completed", "- **Cost**: $0.23"]);
        let file = std::fs::read(desk.story.path(&format!("outputs/m/{key}.mp4"))).unwrap();
        assert_eq!(desk.fetch(&said, "video"), file, "{key}");
    }
    assert_eq!(desk.client.submissions(), []);
    desk.api.book().assert_paid_once(3);
}

#[test]
fn both_call_a_failure_by_200_and_one_by_500_a_failure() {
    let faults = "[[fault]]\non = \"submit\"\nkind = \"failed_later\"\nmatch = \"0001\"\n\
                  [[fault]]\non = \"submit\"\nkind = \"failed_later_5xx\"\nmatch = \"0002\"\n";
    let scenario = format!("{AT_ONCE}{faults}");
    let Some(mut desk) = Desk::with(Story::of_jobs(2), &scenario) else { return };
    let ended = desk.story.run(&desk.api).with(["--max-attempts", "1"]).end();
    assert_eq!(ended.code(), 3, "{ended}");
    assert_eq!(desk.story.status()["jobs"]["failed"], 2, "{ended}");
    for (_, id) in predictions(&desk.story) {
        desk.prediction(&id).tells(&["- **Status**: failed", "generation failed"]);
    }
    assert_eq!(desk.api.book().refunds().len(), 2);
}

/// One job whose submission was lost before it reached the API, and the same task made by the client.
fn lost_and_made(history: &str) -> Option<(Desk, String)> {
    let lost = "[[fault]]\non = \"submit\"\nkind = \"reset\"\nnth = [1]\n";
    let scenario = format!("{AT_ONCE}{lost}{history}");
    let mut desk = Desk::with(Story::of_jobs(1), &scenario)?;
    let ended = desk.story.run(&desk.api).end();
    assert_eq!(ended.code(), 4, "{ended}");
    assert_eq!(desk.story.status()["jobs"]["unknown"], 1, "{ended}");
    assert_eq!(desk.api.book().charges().count(), 0);
    let id = desk.video(PROMPT);
    Some((desk, id))
}

/// Asserts that nightreel has the client's task, and that it was paid for once.
fn assert_taken(desk: &Desk, id: &str) {
    let ended = desk.story.run(&desk.api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(predictions(&desk.story), [("job-0001".to_owned(), id.to_owned())]);
    assert_plays(&std::fs::read(desk.story.path("outputs/m/job-0001.mp4")).unwrap());
    desk.story.verify();
    desk.api.book().assert_paid_once(1);
    // nightreel's lost one, and the client's.
    assert_eq!(desk.api.figures().submits, 2);
    assert_eq!(desk.client.submissions().len(), 1);
    let show = desk.story.nightreel(["show", "m/job-0001", "--format", "json"]).end().json();
    assert_eq!(show["attempt_history"][0]["adopted"], true, "{show}");
}

#[test]
fn what_the_client_made_is_adopted_by_an_operator_s_word_and_collected() {
    let Some((desk, id)) = lost_and_made("[history]\nmode = \"absent\"\n") else { return };
    let adopt = format!("m/job-0001={id}");
    let resolved = desk.story.nightreel(["resolve", "--adopt", &adopt]).at(&desk.api).end();
    assert_eq!(resolved.code(), 0, "{resolved}");
    assert_taken(&desk, &id);
}

#[test]
fn what_the_client_made_is_adopted_from_the_history_and_collected() {
    // No history for as long as the first run looks.
    let history = "[[fault]]\non = \"history\"\nkind = \"status_500\"\ntimes = 15\n";
    let Some((desk, id)) = lost_and_made(history) else { return };
    assert_taken(&desk, &id);
}
