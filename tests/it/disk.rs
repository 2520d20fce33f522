//! A disk that fills up: found before the first payment where it can be, and never the loss of a result.

use std::process::Command;

use rustix::process::Signal;

use crate::api::Api;
use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// A small disk as the output folder; unmounted when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// `None`, said loudly, where this user may not mount.
    fn mount(story: &Story, kilobytes: u32) -> Option<Self> {
        let path = story.path("outputs");
        std::fs::create_dir(&path).unwrap();
        let size = format!("size={kilobytes}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "none"])
            .arg(&path)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            std::io::Write::write_all(
                &mut std::io::stderr(),
                b"!!! SKIPPED: this user may not mount a small disk; the disk guard was NOT tested !!!\n",
            )
            .unwrap();
            return None;
        }
        Some(Self(path))
    }

    fn grow(&self, kilobytes: u32) {
        let size = format!("remount,size={kilobytes}k");
        let grown = Command::new("mount").args(["-o", &size]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

#[test]
fn a_full_disk_is_found_before_anything_is_paid() {
    let story = Story::of_jobs(3);
    let Some(_disk) = SmallDisk::mount(&story, 8 << 10) else { return };
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 1, "{ended}");
    assert!(ended.err.contains("make room and run the same command again"), "{ended}");
    assert_eq!(api.book().charges().count(), 0);
}

#[test]
fn a_disk_that_fills_up_stops_submitting_and_loses_nothing() {
    let story = Story::of_jobs(40);
    let Some(disk) = SmallDisk::mount(&story, (16 << 10) + 100) else { return };
    let api = Api::start(&story, QUICK);
    let ended = story.run(&api).with(["--concurrency", "4"]).end();
    assert_eq!(ended.code(), 1, "{ended}");
    assert!(ended.out.contains("make room and run the same command again"), "{ended}");
    let charged = api.book().charges().count();
    assert!((1..40).contains(&charged), "{charged} charged before submitting stopped");
    disk.grow(64 << 10);
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    api.book().assert_paid_once(40);
    story.verify();
}

/// Moved to another machine without its ledger, or given another state folder by mistake.
#[test]
fn results_that_the_ledger_does_not_know_are_told_before_they_are_paid_again() {
    let story = Story::of_jobs(2);
    let api = crate::api::Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"10ms\"\n");
    assert_eq!(story.run(&api).end().code(), 0);
    let known = story.nightreel(["plan", "m.csv"]).end();
    assert!(!known.out.contains("WARNING"), "{known}");
    let elsewhere = story.nightreel(["plan", "m.csv", "--state-dir", "other"]).end();
    assert!(elsewhere.out.contains("WARNING: 2 results of a batch m in outputs"), "{elsewhere}");
    let json = story.nightreel(["plan", "m.csv", "--state-dir", "other", "--format", "json"]);
    assert_eq!(json.end().json()["batches"][0]["unclaimed_results"], 2);
    let refused = story.run(&api).with(["--state-dir", "other"]).end();
    assert_eq!(refused.code(), 2, "{refused}");
    assert!(refused.err.contains("2 results") && refused.err.contains("--yes"), "{refused}");
    api.book().assert_paid_once(2);
}

#[test]
fn a_ledger_restored_from_an_older_copy_pays_nothing_again_unasked() {
    let story = Story::of_jobs(3);
    let quick = "[latency]\nkind = \"fixed\"\nlength = \"10ms\"\n";
    let once = "[[fault]]\non = \"submit\"\nkind = \"status_402\"\nnth = [2]\n";
    let api = crate::api::Api::start(&story, &format!("{quick}{once}"));
    assert_eq!(story.run(&api).with(["--concurrency", "1"]).end().code(), 6);
    copy(&story, "state", "backup");
    assert_eq!(story.run(&api).end().code(), 0);
    put_back(&story);
    forget_mark(&story);
    let refused = story.run(&api).end();
    assert_eq!(refused.code(), 2, "{refused}");
    assert!(refused.err.contains("2 results") && refused.err.contains("older copy"), "{refused}");
    api.book().assert_paid_once(3);
}

fn copy(story: &Story, from: &str, to: &str) {
    let (from, to) = (story.path(from), story.path(to));
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.unwrap().success());
}

fn put_back(story: &Story) {
    std::fs::remove_dir_all(story.path("state")).unwrap();
    copy(story, "backup", "state");
}

/// Deletes the mark in the output folder, as the refusal says; returns its name.
fn forget_mark(story: &Story) -> String {
    let mut marks = std::fs::read_dir(story.path("outputs")).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with(".nightreel-last-").then_some(name)
    });
    let mark = marks.next().unwrap();
    assert_eq!(marks.next(), None, "one ledger, one mark");
    std::fs::remove_file(story.path("outputs").join(&mark)).unwrap();
    mark
}

/// Nothing of what the older copy forgot is a result yet: only the mark in the output folder tells.
#[test]
fn a_state_folder_that_went_back_whole_is_refused_while_what_it_forgot_is_in_flight() {
    let story = Story::of_jobs(6);
    let slow = "[latency]\nkind = \"fixed\"\nlength = \"1h\"\n";
    let api = Api::start(&story, slow);
    let charges = || api.book().charges().count();
    let kill_at = |wanted: usize, concurrency: &str| {
        let mut running = story.run(&api).with(["--concurrency", concurrency]).start();
        assert!(running.until(|| charges() >= wanted));
        running.signal(Signal::KILL);
        running.end();
    };
    kill_at(1, "1");
    copy(&story, "state", "backup");
    kill_at(6, "6");
    put_back(&story);
    for refused in [story.run(&api).end(), story.nightreel(["plan", "m.csv"]).end()] {
        assert_ne!(refused.code(), 0, "{refused}");
        assert!(
            refused.err.contains("is behind") && refused.err.contains("older copy"),
            "{refused}"
        );
        assert!(refused.err.contains(".nightreel-last-"), "{refused}");
    }
    assert_eq!(charges(), 6, "nothing is paid for before somebody says so");
    let mark = forget_mark(&story);
    kill_at(7, "6");
    assert!(story.path("outputs").join(mark).is_file(), "the ledger's mark is kept again");
}

#[test]
fn a_run_that_could_not_open_its_files_does_not_begin() {
    let story = Story::of_jobs(2);
    let program = env!("CARGO_BIN_EXE_nightreel");
    let run = |limit: u32| {
        let line = format!("ulimit -n {limit}; exec {program} run m.csv --simulate");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).current_dir(story.path("")).env_clear().output().unwrap()
    };
    let refused = run(40);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("may open 40 files only") && said.contains("ulimit -n"), "{said}");
    assert_eq!(run(128).status.code(), Some(0), "what is asked for is enough");
}

#[test]
fn what_has_the_place_of_an_output_folder_is_found_before_anything_is_paid() {
    let story = Story::of_jobs(1);
    let api = crate::api::Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"10ms\"\n");
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, story.path(at)).unwrap();
    let refused = |said: &str| {
        let ended = story.run(&api).end();
        assert_eq!(ended.code(), 1, "{said}: {ended}");
        assert!(ended.err.contains(said), "{said}: {ended}");
    };
    link("/nowhere/at/all", "outputs");
    refused("`outputs` is a link that leads nowhere, where a folder is needed");
    std::fs::remove_file(story.path("outputs")).unwrap();
    story.file("outputs", "mine");
    refused("`outputs` is a file, where a folder is needed");
    std::fs::remove_file(story.path("outputs")).unwrap();
    story.file("outputs/m", "mine");
    refused("/outputs/m` is a file, where a folder is needed");
    std::fs::remove_file(story.path("outputs/m")).unwrap();
    link("/tmp", "outputs/m");
    refused("/outputs/m` is a symbolic link");
    assert_eq!(api.figures().submits, 0);
}

#[test]
fn a_plan_says_how_much_room_its_files_will_need() {
    let story = Story::of_jobs(2);
    let api = Api::start(&story, "[latency]\nkind = \"fixed\"\nlength = \"5ms\"\n");
    let ended = story.run(&api).end();
    assert_eq!(ended.code(), 0, "{ended}");
    let before = std::fs::read_to_string(story.path("m.csv")).unwrap();
    let row = before.lines().last().unwrap().replace("job-0002", "job-0003");
    story.file("m.csv", format!("{before}{row}\n"));
    let planned = story.nightreel(["plan", "m.csv", "--format", "json"]).at(&api).end().json();
    let disk = &planned["batches"][0]["disk"];
    let size = |key| std::fs::metadata(story.path(&format!("outputs/m/{key}.mp4"))).unwrap().len();
    let size = u64::midpoint(size("job-0001"), size("job-0002"));
    assert_eq!((&disk["bytes"], &disk["measured"]), (&size.into(), &2.into()), "{planned}");
    assert!(disk["free"].as_u64().unwrap() > size, "{planned}");
    let told = story.nightreel(["plan", "m.csv"]).at(&api).end();
    assert!(told.out.contains("of files (of 2 jobs measured), "), "{told}");
}
