//! `check`, `init` and `status --watch`: before the night, and a look at it.

use crate::api::Api;
use crate::story::Story;

fn found(story: &Story, flags: &[&str]) -> (i32, serde_json::Value) {
    let ended = story.nightreel(["check", "--format", "json"]).with(flags).end();
    (ended.code(), ended.json())
}

fn is<'a>(said: &'a serde_json::Value, what: &str) -> &'a str {
    let all = said["findings"].as_array().unwrap();
    let finding = all.iter().find(|it| it["what"] == what);
    finding.map_or("", |finding| finding["is"].as_str().unwrap())
}

#[test]
fn everything_that_is_ready_is_told_and_nothing_is_made() {
    let story = Story::new();
    let (code, said) = found(&story, &["--simulate"]);
    assert_eq!((code, &said["ready"]), (0, &true.into()), "{said:#}");
    for what in
        ["state folder", "output folder", "open files", "ledger", "API", "clock", "key, balance"]
    {
        assert_eq!(is(&said, what), "ok", "{what}: {said:#}");
    }
    assert!(!story.path("state").exists() && !story.path("outputs").exists());
    let human = story.nightreel(["check", "--simulate"]).end();
    assert!(human.out.lines().all(|line| line.starts_with("ok ")), "{human}");
}

#[test]
fn what_is_not_ready_is_told_with_its_remedy() {
    let story = Story::of_jobs(1);
    let api = Api::start(&story, "");
    let (code, said) = found(&story, &["--base-url", api.url()]);
    assert_eq!((code, is(&said, "key"), is(&said, "API")), (6, "FAIL", "ok"), "{said:#}");
    let (code, said) = found(&story, &["--base-url", "http://127.0.0.1:9"]);
    assert_eq!((code, is(&said, "API")), (1, "FAIL"), "{said:#}");
    story.file("outputs", "mine");
    story.file("state/ledger.db", "no ledger");
    let (code, said) = found(&story, &["--simulate"]);
    assert_eq!(
        (code, is(&said, "output folder"), is(&said, "ledger")),
        (1, "FAIL", "FAIL"),
        "{said:#}"
    );
    assert_eq!(api.figures().submits, 0);
}

#[test]
fn a_settings_file_is_made_once_and_changes_nothing_by_itself() {
    let story = Story::of_jobs(1);
    std::fs::remove_file(story.path("nightreel.toml")).unwrap();
    let plain = story.nightreel(["plan", "m.csv"]).end();
    assert_eq!(story.nightreel(["init"]).end().code(), 0);
    assert_eq!(story.nightreel(["plan", "m.csv"]).end().out, plain.out);
    let again = story.nightreel(["init"]).end();
    assert_eq!(again.code(), 2, "{again}");
    assert!(again.err.contains("is left as it is"), "{again}");
}

#[test]
fn status_is_told_again_and_again_until_a_signal() {
    let story = Story::of_jobs(2);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"10ms\"\n");
    assert_eq!(story.run(&api).end().code(), 0);
    let mut running = story.nightreel(["status", "--watch"]).start();
    let said = running.out_path();
    let times =
        || std::fs::read_to_string(&said).unwrap_or_default().matches("2 of 2 jobs done").count();
    assert!(running.until(|| times() >= 2));
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.end().code(), 0);
}
