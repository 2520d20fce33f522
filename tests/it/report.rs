//! The page that a run ends with: where it is, what is in it, and what never gets into it.

use std::fs;

use serde_json::Value;

use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u{202e}gpj.exe";

fn page(story: &Story, batch: &str) -> String {
    fs::read_to_string(story.path("outputs").join(batch).join("index.html")).unwrap()
}

/// The page's data, as its script reads it.
fn data(page: &str) -> Value {
    let (_, after) = page.split_once("<script id=\"data\" type=\"application/json\">").unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

fn story_of(prompts: &[&str]) -> Story {
    let story = Story::new();
    let row = |(at, prompt): (usize, &&str)| {
        format!("r{at},minimax/hailuo-02/t2v-standard,\"{prompt}\",night-{at}\n")
    };
    let rows: String = prompts.iter().enumerate().map(row).collect();
    story.file("night.csv", format!("id,model,prompt,var.mood\n{rows}"));
    story
}

#[test]
fn a_run_ends_with_a_page_that_tells_what_the_ledger_knows() {
    let story = story_of(&["a calm sea", "forbidden fruit", "a lost balloon"]);
    story.file(
        "scenario.toml",
        format!(
            "{QUICK}[history]\nmode = \"absent\"\n[[fault]]\non = \"submit\"\nkind = \"moderation\"\n\
             match = \"forbidden\"\n[[fault]]\non = \"submit\"\nkind = \"charged_then_reset\"\n\
             match = \"lost\"\n"
        ),
    );
    let ran = story
        .nightreel(["run", "night.csv", "--simulate", "scenario.toml", "--budget", "5"])
        .with(["--absence-wait", "50ms"])
        .end();
    assert!(ran.out.contains("the report is outputs/night/index.html"), "{ran}");
    let data = data(&page(&story, "night"));
    assert_eq!(data["batch"]["jobs"]["done"], 1);
    assert_eq!(data["batch"]["money"]["budget"], "5.000000");
    let jobs = data["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[0]["files"][0]["path"], "r0.mp4");
    assert_eq!(jobs[0]["files"][0]["sidecar"], "r0.json");
    assert_eq!(jobs[0]["vars"]["mood"], "night-0");
    assert!(jobs[0]["ms"].is_u64(), "{}", jobs[0]);
    let commands: Vec<&str> = data["trouble"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|cause| cause["steps"].as_array().unwrap())
        .flat_map(|step| step["commands"].as_array().unwrap())
        .map(|command| command.as_str().unwrap())
        .collect();
    for wanted in [
        "nightreel requeue --failed night",
        "nightreel run --changed rerun --budget 5.00 night.csv --simulate",
        "nightreel resolve night --simulate",
        "nightreel resolve --absent=night/r2",
    ] {
        assert!(commands.contains(&wanted), "{wanted}: {commands:#?}");
    }
    let night = data["night"]["bins"].as_array().unwrap();
    let sum = |column: usize| night.iter().map(|bin| bin[column].as_i64().unwrap()).sum::<i64>();
    assert_eq!([sum(1), sum(2), sum(3)], [2, 2, 1], "accepted, ended, done: {night:?}");
    let spent = story.status()["money"]["committed"].clone();
    let unknown = story.status()["money"]["unknown"].clone();
    let of = |value: &Value| value.as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    assert_eq!(of(&night.last().unwrap()[4]), of(&spent) + of(&unknown), "{night:?}");
}

#[test]
fn nothing_that_was_written_elsewhere_is_read_as_html() {
    let story = story_of(&[EVIL]);
    story.file("quick.toml", QUICK);
    assert_eq!(story.nightreel(["run", "night.csv", "--simulate", "quick.toml"]).end().code(), 0);
    let page = page(&story, "night");
    assert_eq!(page.matches("</script").count(), 2, "its own two");
    assert!(!page.contains("<img") && !page.contains('\u{202e}'));
    let shown = data(&page)["jobs"][0]["prompt"].as_str().unwrap().to_owned();
    assert_eq!(shown, EVIL.replace('\u{202e}', "\\u{202e}"));
}

#[test]
fn report_writes_the_page_again_and_leaves_what_it_did_not_write() {
    let story = story_of(&["a calm sea"]);
    story.file("quick.toml", QUICK);
    assert_eq!(story.nightreel(["run", "night.csv", "--simulate", "quick.toml"]).end().code(), 0);
    let first = page(&story, "night");
    let at = story.path("outputs").join("night/index.html");
    fs::remove_file(&at).unwrap();
    let told = story.nightreel(["report", "night", "--format", "json"]).end();
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["reports"][0]["path"], "outputs/night/index.html");
    assert_eq!(page(&story, "night"), first, "the same ledger makes the same page");
    assert_eq!(story.nightreel(["report"]).end().code(), 0);

    story.file("outputs/night/index.html", "my own page");
    let refused = story.nightreel(["report"]).end();
    assert_eq!(refused.code(), 1, "{refused}");
    assert!(refused.err.contains("stands where the report belongs"), "{refused}");
    let again = story.nightreel(["run", "night.csv", "--simulate", "quick.toml"]).end();
    assert_eq!(again.code(), 0, "a page that is missing takes nothing from the run: {again}");
    assert_eq!(fs::read_to_string(&at).unwrap(), "my own page");
    let unknown = story.nightreel(["report", "nihgt"]).end();
    assert!(unknown.err.contains("did you mean `night`?"), "{unknown}");
}
