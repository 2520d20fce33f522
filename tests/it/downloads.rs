//! From links to files: what is paid for is fetched as often as it takes, never bought again, and
//! nothing lands where it should not or is what it should not be.

use std::collections::BTreeSet;
use std::fs;

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"30ms\"\n";
const MODEL: &str = "minimax/hailuo-02/t2v-standard";

fn faulty(on: &str, kind: &str, when: &str) -> String {
    format!("{QUICK}[[fault]]\non = \"{on}\"\nkind = \"{kind}\"\n{when}\n")
}

#[test]
fn a_link_that_is_gone_is_asked_for_again_and_nothing_is_generated_again() {
    for (on, kind) in
        [("download", "expired"), ("download", "status_403"), ("poll", "outputs_expired")]
    {
        let story = Story::of_jobs(3);
        let api = Api::start(&story, &faulty(on, kind, "nth = [1]\nper = \"job\""));
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 0, "{kind}: {ended}");
        assert_eq!(api.figures().submits, 3, "{kind}");
        assert!(api.figures().endpoints["prediction"] >= 6, "{kind}: {:?}", api.figures());
        story.verify();
    }
}

#[test]
fn an_output_that_is_lost_is_said_to_be_and_never_bought_again() {
    let story = Story::of_jobs(2);
    let always = "match = \"number 0001\"";
    let api = Api::start(&story, &faulty("poll", "outputs_expired", always));
    for _ in 0..2 {
        let ended = story.run(&api).with(["--format", "json"]).end();
        assert_eq!(ended.code(), 4, "{ended}");
        let jobs = ended.json()["batches"][0]["jobs"].clone();
        assert_eq!((&jobs["lost_output"], &jobs["done"]), (&1.into(), &1.into()), "{jobs}");
    }
    api.book().assert_paid_once(2);
}

#[test]
fn a_page_is_never_stored_as_a_video() {
    for kind in ["html", "wrong_magic", "garbage"] {
        let story = Story::of_jobs(2);
        let api = Api::start(&story, &faulty("download", kind, "match = \"number 0001\""));
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 4, "{kind}: {ended}");
        // Which of the two was submitted first is a matter of chance.
        let mut files = story.files("outputs/m");
        let suspect = files.remove(0);
        assert!(["attempt-1-1.suspect", "attempt-2-1.suspect"].contains(&&*suspect), "{suspect}");
        assert_eq!(files, ["job-0002.json", "job-0002.mp4"], "{kind}");
        api.book().assert_paid_once(2);
    }
}

#[test]
fn a_broken_download_goes_on_or_begins_anew_until_it_is_whole() {
    for kind in ["truncated", "reset", "longer", "no_length_cut", "wrong_range", "changed_etag"] {
        let story = Story::of_jobs(2);
        let scenario = format!(
            "{}[output]\nbytes = 300_000\n[[fault]]\non = \"download\"\nkind = \"truncated\"\nnth = [2]\nper = \"job\"\n",
            faulty("download", kind, "nth = [1, 3]\nper = \"job\"")
        );
        let api = Api::start(&story, &scenario);
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 0, "{kind}: {ended}");
        let whole = story.list().iter().all(|job| job["artifacts"][0]["bytes"] == 300_000);
        assert!(whole, "{kind}: {:?}", story.list());
        story.verify();
    }
}

#[test]
fn templates_cannot_leave_the_output_folder() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(story.path("outputs")).unwrap();
    std::os::unix::fs::symlink(outside.path(), story.path("outputs/linked")).unwrap();
    let absolute = outside.path().join("c.mp4");
    let templates = [
        "../up.mp4",
        "a/../../../up.mp4",
        "{{ prompt }}/x.mp4",
        absolute.to_str().unwrap(),
        "..\\..\\up.mp4",
        "~/up.mp4",
        "linked/through.mp4",
    ];
    let rows = templates.iter().map(|output| format!("{MODEL},../../..,{output}\n"));
    story.file("m.csv", format!("model,prompt,output\n{}", rows.collect::<String>()));
    let before = story.files("").into_iter().filter(|name| !name.contains('/')).count();
    let ended = story.run(&api).end();
    assert!([0, 1, 2].contains(&ended.code()), "{ended}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "nothing came in from outside");
    assert!(!story.path("../up.mp4").exists());
    let new: BTreeSet<String> = story.files("").into_iter().filter(|n| !n.contains('/')).collect();
    let videos = new.iter().filter(|name| name.contains("mp4")).count();
    assert_eq!(videos, 0, "{before} files before, now {new:?}");
}

#[test]
fn names_that_differ_in_case_only_are_two_files() {
    let story = Story::new();
    let api = Api::start(&story, QUICK);
    story.file(
        "m.csv",
        format!("id,model,prompt,output\na,{MODEL},one,Cat.mp4\nb,{MODEL},two,cat.mp4\nc,{MODEL},three,CAT.mp4\n"),
    );
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let files = story.files("outputs");
    let folded: BTreeSet<String> = files.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!((files.len(), folded.len()), (6, 6), "{files:?}");
    story.verify();
}

#[test]
fn a_file_that_somebody_else_made_is_left_alone() {
    let story = Story::of_jobs(1);
    let api = Api::start(&story, QUICK);
    let mine = story.file("outputs/m/job-0001.mp4", "my holiday");
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert_eq!(fs::read_to_string(mine).unwrap(), "my holiday");
    story.verify();
}

#[test]
fn several_outputs_are_several_files() {
    let story = Story::of_jobs(2);
    let api = Api::start(&story, &format!("{QUICK}[output]\ncount = 3\n"));
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let names: Vec<_> = (1..=3)
        .flat_map(|n| [format!("m/job-0001-{n}.json"), format!("m/job-0001-{n}.mp4")])
        .collect();
    assert_eq!(story.files("outputs")[..6], names);
    assert_eq!(story.files("outputs").len(), 12);
    api.book().assert_paid_once(2);
    story.verify();
}

#[test]
fn outputs_of_every_shape_become_files() {
    for kind in [
        "outputs_objects",
        "output_string",
        "outputs_duplicate",
        "outputs_data_uri",
        "outputs_base64",
        "outputs_text",
        "final_word",
    ] {
        let story = Story::of_jobs(1);
        let api = Api::start(&story, &faulty("poll", kind, ""));
        let ended = story.run(&api).end();
        let files = story.files("outputs");
        // Text in the place of a video is no video.
        let expected = if kind == "outputs_text" { 4 } else { 0 };
        assert_eq!(ended.code(), expected, "{kind}: {ended}");
        assert_eq!(
            files.iter().filter(|name| name.contains(".mp4")).count(),
            usize::from(expected == 0),
            "{kind}: {files:?}"
        );
        api.book().assert_paid_once(1);
        story.verify();
    }
}

#[test]
fn links_to_private_places_are_refused() {
    for url in ["http://169.254.169.254/latest", "http://10.0.0.1/x", "file:///etc/passwd"] {
        let story = Story::of_jobs(1);
        let api = Api::start(&story, &faulty("poll", "outputs_url", &format!("url = \"{url}\"")));
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 4, "{url}: {ended}");
        assert_eq!(story.status()["jobs"]["quarantined"], 1, "{url}: {ended}");
    }
}
