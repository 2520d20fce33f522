//! `models` as people see it, against the simulator's catalogue.

use crate::api::Api;
use crate::process::Ended;
use crate::story::Story;

fn models(story: &Story, api: &Api, words: &[&str]) -> Ended {
    story.nightreel(["models", "--base-url", api.url()]).with(words).end()
}

#[test]
fn every_kind_of_model_is_listed_with_its_price() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let told = models(&story, &api, &[]);
    assert_eq!(told.code(), 0, "{told}");
    for words in ["video", "image", "audio", "text", "$0.10 a generation", "$0.03 a image"] {
        assert!(told.out.contains(words), "{words}: {told}");
    }
    assert!(!told.out.contains("lumen/still-0/internal"), "internal models are not on offer");
    assert!(told.out.lines().count() > 12);
}

#[test]
fn words_find_models_by_all_that_is_known_of_them() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let told = models(&story, &api, &["TEXT-to-speech"]);
    assert!(told.out.contains("sonora/voice-1/text-to-speech"), "{told}");
    assert!(told.out.contains("1 model\n"), "{told}");
    let both = models(&story, &api, &["2.3", "fast"]);
    assert!(both.out.starts_with("minimax/hailuo-2.3/fast"), "{both}");
    assert!(models(&story, &api, &["zebra"]).out.starts_with("0 models"));
}

#[test]
fn one_model_is_shown_with_its_inputs_as_a_table() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let told = models(&story, &api, &["show", "sonora/voice-1/text-to-speech"]);
    assert_eq!(told.code(), 0, "{told}");
    let row = |name: &str| {
        let mut lines = told.out.lines().filter(|line| line.trim_start().starts_with(name));
        lines.next().unwrap_or_else(|| panic!("{name}: {told}")).to_owned()
    };
    assert!(row("text ").contains("required") && row("text ").contains("at most 5000 characters"));
    assert!(row("voice ").contains("alba, bruno, celia"), "{told}");
    assert!(row("speed ").contains("from 0.5 to 2"), "{told}");
    assert!(told.out.contains("schema of 20"), "where it is from: {told}");
}

#[test]
fn a_built_in_model_is_shown_without_a_network() {
    let story = Story::new();
    let shown = ["models", "show", "minimax/hailuo-02/pro", "--base-url", "http://127.0.0.1:9"];
    let told = story.nightreel(shown).with(["--format", "json"]).end();
    assert_eq!(told.code(), 0, "{told}");
    let inputs = told.json()["model"]["inputs"].clone();
    assert_eq!(inputs[0]["name"], "prompt");
    assert_eq!((&inputs[0]["required"], &inputs[1]["required"]), (&true.into(), &false.into()));
    assert_eq!(inputs[2]["allowed"], serde_json::json!([6]));
}

#[test]
fn what_is_built_in_is_dated_once_and_looking_at_it_leaves_nothing() {
    let story = Story::new();
    let nowhere = ["--base-url", "http://127.0.0.1:9"];
    let told = story.nightreel(["models", "show", "minimax/hailuo-02/pro"]).with(nowhere).end();
    assert_eq!(told.out.matches("built-in table of").count(), 1, "{told}");
    assert_eq!(story.nightreel(["models", "--refresh"]).with(nowhere).end().code(), 0);
    assert!(!story.path("state").exists(), "there is nothing to keep");
}

#[test]
fn a_slip_is_told_from_what_is_known_without_asking() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let asked = |api: &Api| api.figures().endpoints.contains_key("models");
    let told = models(&story, &api, &["show", "minimax/hailuo-02/fsat"]);
    assert_eq!(told.code(), 2, "{told}");
    assert!(told.err.contains("did you mean `minimax/hailuo-02/fast`?"), "{told}");
    assert!(told.err.contains("--refresh` asks the API"), "{told}");
    assert!(!asked(&api), "{:?}", api.figures().endpoints);
    let told = models(&story, &api, &["show", "minimax/hailuo-02/fsat", "--refresh"]);
    assert_eq!(told.code(), 2, "{told}");
    assert!(asked(&api), "{:?}", api.figures().endpoints);
}

#[test]
fn a_wrong_name_brings_the_nearest_right_one() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    for (wrong, right) in [
        ("minimax/hailuo-02/fsat", "minimax/hailuo-02/fast"),
        ("voice-1/text-to-speech", "sonora/voice-1/text-to-speech"),
        ("LUMEN/still-1/edit", "lumen/still-1/edit"),
    ] {
        let told = models(&story, &api, &["show", wrong]);
        assert_eq!(told.code(), 2, "{told}");
        assert!(told.err.contains(&format!("did you mean `{right}`?")), "{told}");
    }
}

#[test]
fn the_embedded_simulator_has_a_catalogue_too() {
    let story = Story::new();
    let told = story.nightreel(["models", "sonora", "--simulate"]).end();
    assert_eq!(told.code(), 0, "{told}");
    assert!(told.out.contains("sonora/song-1/music"), "{told}");
    assert!(!story.path("state").exists(), "what a simulator says is not kept");
}
