//! `verify --repair`: the same predictions again, for free, and never a new generation.

use std::fs;

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// A finished batch.
fn finished(scenario: &str) -> (Story, Api) {
    let story = Story::of_jobs(4);
    let api = Api::start(&story, scenario);
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    (story, api)
}

fn write(story: &Story, name: &str, bytes: &[u8]) {
    story.file(name, bytes);
}

#[test]
fn deleted_cut_and_altered_files_are_fetched_again_and_nothing_is_paid() {
    let (story, api) = finished(QUICK);
    fs::remove_file(story.path("outputs/m/job-0001.mp4")).unwrap();
    let whole = fs::read(story.path("outputs/m/job-0002.mp4")).unwrap();
    write(&story, "outputs/m/job-0002.mp4", &whole[..whole.len() / 2]);
    let mut altered = fs::read(story.path("outputs/m/job-0003.mp4")).unwrap();
    altered[100] ^= 1;
    write(&story, "outputs/m/job-0003.mp4", &altered);
    let before = story.nightreel(["verify"]).end();
    assert_eq!(before.code(), 4, "{before}");
    let charges = api.book().charges().count();

    let repaired = story.nightreel(["verify", "--repair"]).at(&api).end();
    assert_eq!(repaired.code(), 0, "{repaired}");
    assert_eq!(repaired.err.matches(": repaired").count(), 3, "{repaired}");
    assert_eq!(api.book().charges().count(), charges, "nothing new was generated");
    assert_eq!(fs::read(story.path("outputs/m/job-0002.mp4")).unwrap(), whole);
    let aside = fs::read(story.path("outputs/m/job-0003-conflict.mp4")).unwrap();
    assert_eq!(aside, altered, "what stood there is kept");
    story.verify();
    assert_eq!(story.status()["jobs"]["done"], 4);
}

#[test]
fn a_prediction_that_is_gone_is_said_and_not_bought_again() {
    let (story, api) = finished(&format!(
        "{QUICK}[[fault]]\non = \"download\"\nkind = \"expired\"\nmatch = \"scene number 0001\"\n\
         per = \"job\"\nnth = [2, 3, 4, 5, 6, 7, 8, 9]\n"
    ));
    fs::remove_file(story.path("outputs/m/job-0001.mp4")).unwrap();
    let charges = api.book().charges().count();
    let repaired = story.nightreel(["verify", "--repair"]).at(&api).end();
    assert_eq!(repaired.code(), 4, "{repaired}");
    assert!(repaired.err.contains("m/job-0001: not repaired, it is lost_output"), "{repaired}");
    assert_eq!(api.book().charges().count(), charges);
}

#[test]
fn sound_files_need_no_repair_and_no_key() {
    let (story, _api) = finished(QUICK);
    let repaired = story.nightreel(["verify", "--repair"]).end();
    assert_eq!(repaired.code(), 0, "{repaired}");
}
