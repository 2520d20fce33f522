//! What the plan promises is what the simulator's book says after the run, to the micro-dollar: for
//! every manifest of `jobs/` and `examples/`, and for one with every model that makes media.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nightreel::domain::Micros;
use serde_json::Value;

use crate::book::Book;
use crate::process::Ended;
use crate::rows::png;
use crate::story::Story;

/// No faults, and prices that no table holds: whoever does not ask is wrong.
const DEAR: &str = r#"
[latency]
kind = "fixed"
length = "20ms"

[prices]
"minimax/hailuo-02/fast" = "0.123457"
"minimax/hailuo-02/standard" = "0.230001"
"minimax/hailuo-02/t2v-standard" = "0.000003"
"minimax/hailuo-2.3/i2v-standard" = "1.999999"
"lumen/still-1/text-to-image" = "0.033333"
"sonora/voice-1/text-to-speech" = "0.000001"
"#;

/// A manifest with every model of the simulator that is on offer and makes media.
const ALL_MODELS: &str = r#"
[[job]]
model = "minimax/hailuo-02/fast"
prompt = "night falls"
image = "frame.png"
duration = 10
count = 3
[[job]]
model = "minimax/hailuo-02/fast"
prompt = "night falls"
image = "https://example.com/a.png"
[[job]]
model = "minimax/hailuo-02/standard"
prompt = "night falls"
image = "frame.png"
[[job]]
model = "minimax/hailuo-02/pro"
prompt = "night falls"
[[job]]
model = "minimax/hailuo-02/t2v-standard"
prompt = "night falls"
duration = 10
[[job]]
model = "minimax/hailuo-02/t2v-pro"
prompt = "night falls"
[[job]]
model = "minimax/hailuo-02/i2v-standard"
prompt = "night falls"
image = "frame.png"
[[job]]
model = "minimax/hailuo-02/i2v-pro"
prompt = "night falls"
image = "frame.png"
[[job]]
model = "minimax/hailuo-2.3/fast"
prompt = "night falls"
image = "frame.png"
[[job]]
model = "minimax/hailuo-2.3/i2v-standard"
prompt = "night falls"
image = "frame.png"
[[job]]
model = "minimax/hailuo-2.3/i2v-pro"
prompt = "night falls"
image = "frame.png"
[[job]]
model = "minimax/hailuo-2.3/t2v-standard"
prompt = "night falls"
[[job]]
model = "minimax/hailuo-2.3/t2v-pro"
prompt = "night falls"
[[job]]
model = "lumen/still-1/text-to-image"
prompt = "night falls"
count = 2
[[job]]
model = "lumen/still-1/edit"
prompt = "night falls"
images = ["frame.png", "https://example.com/b.png"]
[[job]]
model = "sonora/song-1/music"
prompt = "night falls"

[[job]]
model = "sonora/voice-1/text-to-speech"
text = "good night"
[[job]]
model = "sonora/scribe-1/speech-to-text"
audio = "https://example.com/a.mp3"
"#;

/// What was charged and not given back.
fn kept(book: &Book) -> Micros {
    let refunds = book.refunds();
    let kept = book.charges().filter(|charge| !refunds.contains(&*charge.prediction));
    kept.fold(Micros::ZERO, |sum, charge| sum.saturating_add(charge.price))
}

fn total(planned: &Value) -> Micros {
    let batches = planned["batches"].as_array().unwrap().iter();
    let totals = batches.map(|batch| {
        assert_eq!(batch["cost"]["unpriced"], 0, "{planned:#}");
        Micros::parse(batch["cost"]["total"].as_str().unwrap()).unwrap()
    });
    totals.fold(Micros::ZERO, Micros::saturating_add)
}

fn plan(story: &Story, manifest: &str, scenario: &str, flags: &[&str]) -> Ended {
    let args = ["plan", manifest, "--simulate", scenario, "--quote", "--format", "json"];
    story.nightreel(args).with(flags).end()
}

/// Plans and runs; what the run added to the book is what the plan said, and the ledger says so too.
/// A manifest that `plan` refuses is refused by `run`, and costs nothing.
#[track_caller]
fn assert_kept_promise(story: &Story, manifest: &str, scenario: &str, flags: &[&str]) {
    let before = kept(&story.book());
    let planned = plan(story, manifest, scenario, flags);
    assert_eq!(kept(&story.book()), before, "{manifest}: planning cost something");
    let args = ["run", manifest, "--simulate", scenario, "--format", "json", "--concurrency", "16"];
    let ran = story.nightreel(args).with(flags).end();
    let spent = kept(&story.book()).0 - before.0;
    if planned.code() == 2 {
        assert_eq!((ran.code(), spent), (2, 0), "{manifest}: {ran}");
        return;
    }
    assert_eq!((planned.code(), ran.code()), (0, 0), "{manifest}: {planned}\n{ran}");
    let promised = total(&planned.json());
    assert_eq!(promised, Micros(spent), "{manifest} with {scenario}: {planned}");
    assert!(promised > Micros::ZERO, "{manifest}: nothing to compare");
    let committed = ran.json()["batches"][0]["money"]["committed"].clone();
    assert_eq!(committed, kept(&story.book()).to_string(), "{manifest}: {ran}");
}

/// A folder of the repository as a story; what a run left there stays behind.
fn copy_of(folder: &Path) -> Story {
    let story = Story::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            if path.is_file() {
                story.file(name, std::fs::read(&path).unwrap());
            } else if !["state", "outputs"].contains(&name) {
                folders.push(path);
            }
        }
    }
    story.file("fault-free.toml", DEAR);
    story
}

fn below(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn manifest_name(path: &Path) -> Option<String> {
    let is_table = path.extension().is_some_and(|end| end == "toml" || end == "csv");
    is_table.then(|| path.file_name().unwrap().to_str().unwrap().to_owned())
}

/// The manifests of `examples/`, with their folders.
fn examples() -> Vec<(PathBuf, String)> {
    let folders = below("examples").into_iter().filter(|path| path.is_dir());
    let all = folders.flat_map(|folder| {
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let names = names.filter_map(|path| manifest_name(&path));
        let names: BTreeSet<String> = names.filter(|name| name.starts_with("manifest")).collect();
        names.into_iter().map(move |name| (folder.clone(), name)).collect::<Vec<_>>()
    });
    all.collect()
}

#[test]
fn the_plan_of_every_job_file_is_what_is_charged() {
    let manifests: Vec<_> = below("jobs").iter().filter_map(|path| manifest_name(path)).collect();
    assert!(manifests.len() >= 2, "{manifests:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    for name in manifests {
        assert_kept_promise(&copy_of(&folder), &name, "fault-free.toml", &[]);
    }
}

#[test]
fn the_plan_of_every_example_is_what_is_charged() {
    let all = examples();
    assert!(all.len() >= 10, "{all:?}");
    for (folder, name) in all {
        assert_kept_promise(&copy_of(&folder), &name, "fault-free.toml", &[]);
    }
}

#[test]
fn the_plan_of_every_example_is_what_is_kept_of_the_charges_under_its_own_troubles() {
    for (folder, name) in examples() {
        assert_kept_promise(&copy_of(&folder), &name, "scenario.toml", &[]);
    }
}

#[test]
fn the_plan_of_an_edited_manifest_is_what_the_edit_costs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/edit-and-rerun");
    let story = copy_of(&folder);
    assert_kept_promise(&story, "manifest.toml", "fault-free.toml", &[]);
    let flags = ["--changed", "rerun"];
    assert_kept_promise(&story, "manifest-edited.toml", "fault-free.toml", &flags);
}

#[test]
fn the_plan_of_every_model_is_what_is_charged() {
    let story = Story::new();
    story.file("all.toml", ALL_MODELS);
    story.file("frame.png", png(512, 512));
    story.file("fault-free.toml", DEAR);
    let listed = story.nightreel(["models", "--simulate", "--format", "json"]).end().json();
    let by_type = listed["models"].as_array().unwrap().iter().map(|model| {
        let word = |name: &str| model[name].as_str().unwrap().to_owned();
        (word("id"), word("type"))
    });
    let by_type: BTreeMap<String, String> = by_type.collect();
    let kinds: BTreeSet<String> = by_type.values().map(|kind| kind.to_lowercase()).collect();
    assert!(by_type.len() >= 12, "{by_type:?}");
    assert_eq!(kinds, ["audio", "image", "text", "video"].map(str::to_owned).into());

    let planned = plan(&story, "all.toml", "fault-free.toml", &[]).json();
    let costs = planned["batches"][0]["cost"]["by_model"].as_array().unwrap().clone();
    assert!(costs.iter().all(|cost| cost["source"] == "quote"), "{planned:#}");
    let mut covered = costs.iter().map(|cost| cost["model"].as_str().unwrap());
    let media = by_type.iter().filter(|(_, kind)| !kind.eq_ignore_ascii_case("text"));
    assert!(media.map(|(model, _)| model.as_str()).eq(covered.by_ref()), "{planned:#}");
    assert_kept_promise(&story, "all.toml", "fault-free.toml", &[]);
}
