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
    assert_eq!(story.status()["artifacts"]["files"], 3, "a lost file is none");
    assert_eq!(api.book().charges().count(), charges);
}

#[test]
fn sound_files_need_no_repair_and_no_key() {
    let (story, _api) = finished(QUICK);
    let repaired = story.nightreel(["verify", "--repair"]).end();
    assert_eq!(repaired.code(), 0, "{repaired}");
}

#[test]
fn what_is_no_file_is_named_left_alone_and_keeps_nobody_from_the_others() {
    let (story, api) = finished(QUICK);
    let at = |name: &str| story.path(&format!("outputs/m/{name}"));
    fs::remove_file(at("job-0001.mp4")).unwrap();
    fs::create_dir(at("job-0001.mp4")).unwrap();
    fs::remove_file(at("job-0002.mp4")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at("job-0002.mp4")).unwrap();
    fs::remove_file(at("job-0003.mp4")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(at("job-0003.mp4")).status().unwrap();
    assert!(fifo.success());
    fs::remove_file(at("job-0004.mp4")).unwrap();
    let found = story.nightreel(["verify"]).end();
    assert_eq!(found.code(), 4, "{found}");
    for key in [
        "job-0001.mp4 cannot",
        "job-0002.mp4 cannot",
        "job-0003.mp4 cannot",
        "job-0004.mp4 missing",
    ] {
        assert!(found.out.contains(key), "{key}: {found}");
    }
    assert!(found.out.contains("next: nightreel verify --repair "), "{found}");
    let repaired = story.nightreel(["verify", "--repair"]).at(&api).end();
    assert_eq!(repaired.code(), 4, "{repaired}");
    assert!(repaired.out.contains("1 file sound, 3 missing or altered"), "{repaired}");
    assert!(at("job-0001.mp4").is_dir() && at("job-0002.mp4").is_symlink(), "they are the user's");
    api.book().assert_paid_once(4);
}

#[test]
fn sidecars_are_written_again_from_the_ledger_without_asking_anybody() {
    let (story, _api) = finished(QUICK);
    let at = |name: &str| story.path(&format!("outputs/m/{name}"));
    let was = fs::read(at("job-0001.json")).unwrap();
    fs::remove_file(at("job-0001.json")).unwrap();
    fs::copy(at("job-0003.json"), at("job-0002.json")).unwrap();
    write(&story, "outputs/m/job-0004.json", b"my own notes");
    let found = story.nightreel(["verify"]).end();
    assert_eq!(found.code(), 4, "{found}");
    for said in [
        "job-0001.json the sidecar is missing",
        "job-0002.json is the sidecar of another file",
        "job-0004.json stands where a sidecar belongs",
    ] {
        assert!(found.out.contains(said), "{said}: {found}");
    }
    let repaired = story.nightreel(["verify", "--repair"]).end();
    assert_eq!(repaired.code(), 4, "the notes are the user's: {repaired}");
    assert_eq!(fs::read(at("job-0001.json")).unwrap(), was);
    assert_eq!(fs::read(at("job-0004.json")).unwrap(), b"my own notes");
    fs::remove_file(at("job-0004.json")).unwrap();
    assert_eq!(story.nightreel(["verify", "--repair"]).end().code(), 0);
    story.verify();
}

#[test]
fn a_run_notices_files_that_are_gone() {
    let (story, api) = finished(QUICK);
    fs::remove_file(story.path("outputs/m/job-0001.mp4")).unwrap();
    write(&story, "outputs/m/job-0002.mp4", b"short");
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert!(ended.out.contains("WARNING: 2 files of done jobs"), "{ended}");
    assert!(ended.out.contains("next: nightreel verify --repair"), "{ended}");
    let json = story.run(&api).with(["--format", "json"]).end().json();
    assert_eq!(json["missing_files"], 2, "{json}");
    api.book().assert_paid_once(4);
}
