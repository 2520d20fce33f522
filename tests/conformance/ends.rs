//! How the client tells generations that end badly, and submissions that are refused.

use serde_json::json;

use crate::desk::{AT_ONCE, Desk, FOR_LONG, TEXT_TO_VIDEO};

/// How the generation of each prompt ends, by what fault.
const BAD_ENDS: &str = r#"
[[fault]]
on = "submit"
kind = "failed_later"
match = "fails by 200"
message = "the model crashed"
code = 2001

[[fault]]
on = "submit"
kind = "failed_later_5xx"
match = "fails by 500"
message = "the model crashed"
code = 2001

[[fault]]
on = "submit"
kind = "moderation"
match = "is refused"

[[fault]]
on = "submit"
kind = "timeout_later"
match = "takes too long"

[[fault]]
on = "poll"
kind = "nsfw"
match = "is not shown"
"#;

#[test]
fn a_failure_is_told_as_one_by_whatever_status_it_comes() {
    let Some(mut desk) = Desk::at(&format!("{AT_ONCE}{BAD_ENDS}")) else { return };
    let ends = [
        ("it fails by 200", ["- **Status**: failed", "[2001] the model crashed"]),
        ("it fails by 500", ["- **Status**: failed", "[2001] the model crashed"]),
        ("it is refused", ["- **Status**: failed", "[1039] the input was refused by moderation"]),
        ("it takes too long", ["- **Status**: timeout", "the task timed out"]),
        ("it is not shown", ["- **Status**: completed", "likely a content-safety block"]),
    ];
    for (prompt, told) in ends {
        let id = desk.video(prompt);
        let asked = desk.client.requests().len();
        let said = desk.prediction(&id);
        assert!(!said.is_error, "{prompt}: {said:?}");
        said.tells(&told);
        assert!(!said.text.contains("still in progress"), "{prompt}: {said:?}");
        let polls = desk.client.requests().split_off(asked);
        let lines: Vec<_> = polls.into_iter().map(|poll| poll.line).collect();
        assert_eq!(lines, [format!("GET /api/v1/model/prediction/{id}")], "{prompt}");
    }
    assert_eq!(desk.api.book().refunds().len(), 4);
    let failed = desk.history(&json!({ "status": "failed" }));
    failed.tells(&["Showing 3 of 3 tasks", "Result: error: the model crashed"]);
    desk.history(&json!({ "status": "timeout" })).tells(&["Showing 1 of 1 tasks"]);
    let bodies = ends
        .map(|(prompt, _)| ("generateVideo", json!({ "model": TEXT_TO_VIDEO, "prompt": prompt })));
    desk.assert_submitted(&bodies, ends.len());
}

/// Submits twice: the first is taken, the second is not.
fn second_is_refused(scenario: &str, told: &[&str]) {
    let Some(mut desk) = Desk::at(&format!("{scenario}{FOR_LONG}")) else { return };
    desk.video("the first");
    let params = json!({ "prompt": "the second" });
    let arguments = json!({ "model": TEXT_TO_VIDEO, "params": params });
    desk.client.call("atlas_generate_video", &arguments).refuses(told);
    let bodies = ["the first", "the second"]
        .map(|prompt| ("generateVideo", json!({ "model": TEXT_TO_VIDEO, "prompt": prompt })));
    desk.assert_submitted(&bodies, 1);
}

#[test]
fn an_empty_account_is_told_after_one_post() {
    second_is_refused("balance = \"0.30\"\n", &["Insufficient balance. Please top up"]);
}

#[test]
fn too_many_a_minute_are_told_after_one_post() {
    second_is_refused("[limits]\nper_minute = 1\n", &["Rate limit exceeded"]);
}

#[test]
fn too_many_at_once_are_told_after_one_post() {
    second_is_refused("[limits]\nin_flight = 1\n", &["Rate limit exceeded"]);
}

#[test]
fn a_broken_connection_is_an_error_after_one_post() {
    let fault = "[[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\nnth = [2]\n";
    let Some(mut desk) = Desk::at(&format!("{FOR_LONG}{fault}")) else { return };
    let first = desk.video("the first");
    let params = json!({ "prompt": "the second" });
    let arguments = json!({ "model": TEXT_TO_VIDEO, "params": params });
    desk.client.call("atlas_generate_video", &arguments).refuses(&["fetch failed"]);
    let bodies = ["the first", "the second"]
        .map(|prompt| ("generateVideo", json!({ "model": TEXT_TO_VIDEO, "prompt": prompt })));
    desk.assert_submitted(&bodies, 2);
    // What its history is advertised for: finding what was charged and not told.
    let listed = desk.history(&json!({}));
    listed.tells(&["Showing 2 of 2 tasks", &first]);
}
