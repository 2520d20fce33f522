//! A power cut: everything that was written and not synced is gone. A shim between the program and the
//! system (shim.c, built here with `cc`) keeps what is durable and stops the process at the Nth sync;
//! the disk is then rebuilt from that alone, and the same command goes on.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]
#![expect(clippy::print_stdout, reason = "each suite prints its figures")]

#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/api.rs"]
mod api;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/book.rs"]
mod book;
#[path = "../common/figures.rs"]
mod figures;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/process.rs"]
mod process;
#[expect(dead_code, reason = "not every suite needs every helper")]
#[path = "../common/story.rs"]
mod story;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nightreel::domain::Micros;

use crate::api::Api;
use crate::figures::Figures;
use crate::story::Story;

const JOBS: usize = 12;
/// Exactly what the twelve jobs cost: one charge too many is over it.
const BUDGET: &str = "2.76";
const NIGHT: &str = "[latency]\nkind = \"uniform\"\nfrom = \"5ms\"\nto = \"60ms\"\n\
    [[fault]]\non = \"submit\"\nkind = \"failed_later\"\nprobability = 0.1\nper = \"job\"\ntimes = 1\n";

/// Builds the shim once for each process of tests.
fn shim(folder: &Path) -> PathBuf {
    let (source, library) =
        (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/power/shim.c"), folder.join("shim.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .args([source, "-ldl", "-lpthread"])
        .status()
        .unwrap();
    assert!(built.success(), "the shim does not build");
    library
}

/// What the log of syncs says is on the disk, by the strictest reading of POSIX: a file's own sync keeps
/// its content, and only its folder's sync keeps its name. The last word about each folder counts.
fn durable(log: &str) -> BTreeMap<PathBuf, String> {
    let mut places = BTreeMap::<PathBuf, String>::new();
    let mut folder = PathBuf::new();
    for line in log.lines() {
        if let Some(path) = line.strip_prefix("D ") {
            folder = PathBuf::from(path);
            // What the folder's sync no longer names is gone from it.
            places.retain(|place, _| place.parent() != Some(&folder));
        } else if let Some((key, name)) = line.strip_prefix("N ").and_then(|it| it.split_once(' '))
            && !matches!(name, "." | "..")
        {
            places.insert(folder.join(name), key.to_owned());
        }
    }
    places
}

/// Replaces the story's folders by what was durable. A file whose folder's name was not kept is lost.
fn cut_power(story: &Story, shadow: &Path) {
    let log = fs::read_to_string(shadow.join("log")).unwrap_or_default();
    let root = fs::canonicalize(story.path("")).unwrap();
    let places = durable(&log);
    for folder in ["state", "outputs"].map(|name| root.join(name)) {
        fs::remove_dir_all(&folder).ok();
        for (place, key) in places.iter().filter(|(place, _)| place.starts_with(&folder)) {
            let above = place.ancestors().skip(1).take_while(|above| *above != root);
            let content = shadow.join(key);
            if content.exists() && above.into_iter().all(|above| places.contains_key(above)) {
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::copy(content, place).unwrap();
            }
        }
    }
}

/// One run whose power is cut at its Nth sync, and the runs after it. Returns whether it came to that.
fn survive(nth: u64, library: &Path) -> Option<Figures> {
    let story = Story::of_jobs(JOBS);
    let api = Api::start(&story, NIGHT);
    let shadow = story.path("shadow");
    fs::create_dir(&shadow).unwrap();
    let flags = ["--concurrency", "4", "--absence-wait", "200ms", "--budget", BUDGET];
    let run = || story.run(&api).with(flags);
    let ended = run()
        .env("LD_PRELOAD", library.to_str().unwrap())
        .env("SHADOW", shadow.to_str().unwrap())
        .env("POWER_CUT", &nth.to_string())
        .end();
    if ended.code() != -1 {
        return None;
    }
    cut_power(&story, &shadow);
    for _ in 0..2 {
        let ended = run().end();
        assert_eq!(ended.code(), 0, "power cut at sync {nth}: {ended}");
    }
    let judged = Figures::judge(&story, &api.book(), JOBS, Some(Micros::parse(BUDGET).unwrap()));
    assert!(judged.is_clean(), "power cut at sync {nth}: {judged}");
    Some(judged)
}

fn survive_all(points: impl Iterator<Item = u64>, least: usize) {
    let folder = tempfile::tempdir().unwrap();
    let library = shim(folder.path());
    let mut figures = Figures::default();
    let mut cuts = 0;
    for nth in points {
        let Some(judged) = survive(nth, &library) else { break };
        figures.add(judged);
        cuts += 1;
    }
    assert!(cuts >= least, "only {cuts} power cuts");
    println!("{cuts} power cuts: {figures}");
}

#[test]
fn a_power_cut_at_any_sync_loses_nothing_that_was_promised() {
    survive_all((1..).step_by(7), 8);
}

#[test]
#[ignore = "some minutes"]
fn a_power_cut_at_every_sync_loses_nothing_that_was_promised() {
    survive_all(1.., 60);
}
