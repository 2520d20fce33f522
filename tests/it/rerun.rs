//! The same command again: what is done stays done, and only what changed is asked about.

use std::time::Duration;

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"30ms\"\n";
const MODEL: &str = "minimax/hailuo-02/t2v-standard";
/// A PNG of one pixel, whose header says that it is large enough to be a first frame.
const PIXEL: [u8; 70] = [
    0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 2, 0, 0, 0,
    2, 0, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 13, b'I', b'D', b'A', b'T', 0x78, 0xda,
    0x63, 0x64, 0xf8, 0xcf, 0x50, 0x0f, 0, 0x03, 0x86, 0x01, 0x80, 0x5a, 0x34, 0x7d, 0x6b, 0, 0, 0,
    0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

#[track_caller]
fn run(story: &Story, api: &Api, flags: &[&str]) {
    let ended = story.run(api).with(flags).end();
    assert_eq!(ended.code(), 0, "{ended}");
}

#[test]
fn the_same_command_does_nothing_in_less_than_a_second() {
    let story = Story::of_jobs(40);
    let api = Api::start(&story, QUICK);
    run(&story, &api, &["--concurrency", "40"]);
    let requests = || {
        let mut seen = api.figures().endpoints;
        seen.remove("__figures");
        seen
    };
    let seen = requests();
    let again = story.run(&api).end();
    assert_eq!(again.code(), 0, "{again}");
    assert!(again.took < Duration::from_secs(1), "{:?}", again.took);
    assert!(again.out.contains("every job is done; 0 submissions"), "{again}");
    assert_eq!(requests(), seen, "not a single request");
}

#[test]
fn moved_and_inserted_rows_run_nothing_again() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    // Keys are given to some, and follow from the request for others; two requests are equal.
    let rows = [format!("a,{MODEL},one"), format!(",{MODEL},two"), format!(",{MODEL},two")];
    story.file("m.csv", format!("id,model,prompt\n{}\n", rows.join("\n")));
    run(&story, &api, &[]);
    let [a, b, c] = &rows;
    story.file(
        "m.csv",
        format!("prompt,model,id\nnew,{MODEL},\ntwo,{MODEL},\none,{MODEL},a\ntwo,{MODEL},\n"),
    );
    run(&story, &api, &[]);
    assert_eq!(api.book().charges().count(), 4, "only the new row was submitted");
    story.file("m.csv", format!("id,model,prompt\n{c}\n,{MODEL},new\n{b}\n{a}\n"));
    run(&story, &api, &[]);
    assert_eq!(api.book().charges().count(), 4);
}

#[test]
fn a_changed_row_is_refused_kept_or_run_again_as_the_user_says() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    story.file("m.csv", format!("id,model,prompt\na,{MODEL},one\nb,{MODEL},two\n"));
    run(&story, &api, &[]);
    story.file("m.csv", format!("id,model,prompt\na,{MODEL},another\nb,{MODEL},two\n"));
    let refused = story.run(&api).end();
    assert_eq!(refused.code(), 2, "{refused}");
    assert!(refused.err.contains("m.csv:2") && refused.err.contains("--changed"), "{refused}");
    run(&story, &api, &["--changed", "keep"]);
    assert_eq!(api.book().charges().count(), 2);
    run(&story, &api, &["--changed", "rerun"]);
    let kept = api.book().kept();
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["another", "one", "two"]);
    assert!(kept.values().all(|times| *times == 1), "{kept:?}");
    assert_eq!(story.files("outputs").len(), 6, "the file of the old request stays");
    run(&story, &api, &[]);
    assert_eq!(api.book().charges().count(), 3);
    story.verify();
}

#[test]
fn a_row_that_changes_while_its_job_is_at_the_api_is_made_anew_by_the_next_run() {
    let story = Story::new();
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"1s\"\n");
    story.file("m.csv", format!("id,model,prompt\na,{MODEL},one\n"));
    let mut running = story.run(&api).start();
    assert!(running.until(|| story.count_events("prediction_accepted") == 1));
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.end().code(), 130);
    story.file("m.csv", format!("id,model,prompt\na,{MODEL},another\n"));
    let first = story.run(&api).with(["--changed", "rerun"]).end();
    assert_eq!(first.code(), 4, "its result is not the row's: {first}");
    assert!(first.out.contains("1 row changed while the job was at the API"), "{first}");
    run(&story, &api, &["--changed", "rerun"]);
    let kept = api.book().kept();
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), [("another".into(), 1), ("one".into(), 1)]);
    run(&story, &api, &[]);
}

#[test]
fn a_manifest_may_come_from_standard_input() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    let text = format!("id,model,prompt\na,{MODEL},from afar\n");
    for _ in 0..2 {
        let ended =
            story.nightreel(["run", "-", "--input-format", "csv"]).at(&api).stdin(&text).end();
        assert_eq!(ended.code(), 0, "{ended}");
    }
    let toml =
        format!("[batch]\nname = \"t\"\n[[job]]\nmodel = \"{MODEL}\"\nprompt = \"as toml\"\n");
    let ended = story.nightreel(["run", "-", "--input-format", "toml"]).at(&api).stdin(&toml).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(2);
}

#[test]
fn a_file_is_uploaded_once_for_its_content_over_rows_runs_and_batches() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    story.file("pictures/a.png", PIXEL);
    story.file("pictures/copy.png", PIXEL);
    let rows = |names: &[&str]| {
        let rows = names.iter().enumerate().map(|(n, name)| {
            format!("r{n},minimax/hailuo-02/fast,{name} {n},pictures/{name}.png\n")
        });
        format!("id,model,prompt,image\n{}", rows.collect::<String>())
    };
    story.file("m.csv", rows(&["a", "copy", "a", "copy", "a", "a"]));
    run(&story, &api, &["--concurrency", "6"]);
    assert_eq!((api.book().uploads(), api.figures().uploads), (1, 1));
    story.file("m.csv", rows(&["a", "copy", "a", "copy", "a", "a", "a"]));
    run(&story, &api, &[]);
    story.file("other.csv", rows(&["copy"]));
    let other = story.nightreel(["run", "other.csv"]).at(&api).end();
    assert_eq!(other.code(), 0, "{other}");
    assert_eq!((api.book().uploads(), api.figures().uploads), (1, 1));
    assert_eq!(api.book().charges().count(), 8);
}
