//! Every story of `examples/`, and the demo of `jobs/`, played with the real program against the
//! embedded simulator; the judge of the money is the simulator's book.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod demo;
mod schema;
mod story;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use story::{Expected, Stage, has_extension, says};

/// The repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders of `examples/`, by name.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("examples")).unwrap();
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Plays one story to its end and once more.
fn play(name: &str) {
    let folder = repository().join("examples").join(name);
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    let stage = Stage::copy_of(&folder);
    for step in &expected.steps {
        if let Some(accepted) = step.killed_after_accepted {
            stage.kill(&step.command, accepted);
        }
        if let Some(plan) = &step.plan {
            assert_eq!(&stage.plan(&step.command), plan, "{name}: `{}`", step.command);
        }
        if let Some(result) = &step.result {
            let said = stage.json(&step.command);
            assert!(says(&said, result), "{name}: `{}`\nsaid {said:#}", step.command);
        }
    }
    assert_ends_well(&stage, &expected);
    let charges = stage.charges();
    let again = stage.json(&expected.steps.last().unwrap().command);
    assert_eq!(again["exit"], 0, "{again:#}");
    assert_eq!(again["reason"], "nothing to do, every job is done");
    assert_eq!(stage.charges(), charges, "the second run paid for something");
}

/// Every file is sound and told of, and each job's result was paid for exactly once.
fn assert_ends_well(stage: &Stage, expected: &Expected) {
    let verified = stage.run("verify");
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    let files = stage.files();
    let (sidecars, artifacts): (BTreeSet<String>, BTreeSet<String>) =
        files.into_iter().partition(|file| has_extension(file, "json"));
    assert_eq!(artifacts, expected.files);
    assert_eq!(sidecars.len(), artifacts.len());
    let paid = stage.paid_results();
    assert_eq!(paid.len(), expected.paid_results, "{paid:?}");
    for job in stage.jobs() {
        let prediction = job["prediction_id"].as_str().unwrap();
        assert_eq!(paid.iter().filter(|paid| *paid == prediction).count(), 1, "{job}");
    }
}

/// A test for each story, so that one that fails is named and they run side by side.
macro_rules! stories {
    ($($test:ident: $folder:literal,)*) => {
        const STORIES: &[&str] = &[$($folder),*];
        $(
            #[test]
            fn $test() {
                play($folder);
            }
        )*
    };
}

stories! {
    a_budget_stops_a_run_and_a_larger_one_goes_on: "budget",
    a_killed_run_is_resumed_by_the_same_command: "crash-and-resume",
    an_edited_row_is_refused_until_it_is_asked_for: "edit-and-rerun",
    images_become_videos_by_csv: "image-to-video-csv",
    three_lines_of_csv_are_enough: "minimal-csv",
    the_order_of_rows_means_nothing: "moved-rows",
    a_matrix_that_grows_makes_what_is_new: "one-more-axis",
    jobs_of_removed_rows_are_canceled_or_kept_and_come_back: "removed-rows",
    another_id_would_be_paid_for_again: "renamed-ids",
    troubles_are_retried_and_not_paid_twice: "retries",
    several_models_share_a_manifest: "several-models-with-images",
    lists_are_crossed_by_a_matrix: "toml-matrix",
    rows_of_a_csv_fill_templates_of_toml: "toml-over-csv-rows",
}

#[test]
fn every_story_is_whole_told_and_played() {
    let index = std::fs::read_to_string(repository().join("examples/README.md")).unwrap();
    let mut names = Vec::new();
    for folder in folders() {
        for file in ["README.md", "expected.json", "nightreel.toml", "scenario.toml"] {
            assert!(folder.join(file).is_file(), "{} has no {file}", folder.display());
        }
        assert!(!manifests(&folder).is_empty(), "{} has no manifest", folder.display());
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(index.contains(&format!("[{name}]({name}/)")), "the index leaves {name} out");
        names.push(name);
    }
    assert_eq!(names, STORIES);
}

#[test]
fn every_manifest_of_the_repository_can_be_planned() {
    let jobs = repository().join("jobs");
    let mut all = vec![jobs.join("demo.toml"), jobs.join("overnight.csv")];
    all.extend(folders().iter().flat_map(|folder| manifests(folder)));
    for manifest in all {
        let stage = Stage::copy_of(manifest.parent().unwrap());
        let name = manifest.file_name().unwrap().to_str().unwrap();
        // Models of the simulator are in its catalogue only.
        let planned = stage.run(&format!("plan {name} --simulate"));
        let stderr = String::from_utf8_lossy(&planned.stderr);
        assert_eq!(planned.status.code(), Some(0), "{}: {stderr}", manifest.display());
        assert!(!stage.path("state").exists(), "planning {} made a ledger", manifest.display());
    }
}

/// The files of a story that can be run.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_manifest =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("manifest");
    entries.filter(is_manifest).collect()
}
