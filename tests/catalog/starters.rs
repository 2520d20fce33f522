//! `new`: what it writes is a manifest that `plan` takes, for every model there is.

use serde_json::Value;

use crate::story::Story;

const PICTURE: &[u8] = include_bytes!("../../jobs/images/town.jpg");

/// Media models of the simulator's catalogue.
fn models(story: &Story) -> Vec<String> {
    let listed = story.nightreel(["models", "--simulate", "--format", "json"]).end().json();
    let models = listed["models"].as_array().unwrap().iter();
    let media =
        models.filter(|model| !model["type"].as_str().unwrap().eq_ignore_ascii_case("text"));
    media.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_starter_for_any_model_is_planned_as_it_is() {
    let story = Story::new();
    let models = models(&story);
    assert!(models.len() >= 12, "{models:?}");
    let mut names = Vec::new();
    for (at, model) in models.iter().enumerate() {
        let name = format!("starters/s{at}");
        let made = story
            .nightreel(["new", &name, "--model", model, "--simulate", "--format", "json"])
            .end();
        assert_eq!(made.code(), 0, "{model}: {made}");
        for file in made.json()["files"].as_array().unwrap() {
            let bytes = if file.as_str().unwrap().ends_with("jpg") { PICTURE } else { b"media" };
            story.file(&format!("starters/{}", file.as_str().unwrap()), bytes);
        }
        names.push(format!("{name}.toml"));
    }
    let mut words = vec!["plan", "--simulate", "--format", "json"];
    words.extend(names.iter().map(String::as_str));
    let planned = story.nightreel(&words).end();
    assert_eq!(planned.code(), 0, "{planned}");
    for (batch, model) in planned.json()["batches"].as_array().unwrap().iter().zip(&models) {
        assert_eq!(batch["rows"]["new"], 2, "{model}: {batch:#}");
    }
}

#[test]
fn a_starter_works_offline_names_what_it_wants_and_touches_nothing_that_is_there() {
    let story = Story::new();
    let at_nobody = ["--base-url", "http://127.0.0.1:9"];
    let made = story.nightreel(["new", "tonight"]).with(at_nobody).end();
    assert_eq!(made.code(), 0, "{made}");
    assert!(made.out.contains("put images/first.jpg beside it"), "{made}");
    let planned = story.nightreel(["plan", "tonight.toml"]).end();
    assert_eq!(planned.code(), 2, "{planned}");
    assert!(planned.err.contains("the file `images/first.jpg` does not exist"), "{planned}");
    story.file("images/first.jpg", PICTURE);
    let planned: Value = story.nightreel(["plan", "tonight.toml", "--format", "json"]).end().json();
    assert_eq!(planned["batches"][0]["cost"]["total"], "0.200000", "{planned:#}");

    let again = story.nightreel(["new", "tonight.toml"]).with(at_nobody).end();
    assert_eq!(again.code(), 2, "{again}");
    assert!(again.err.contains("is there already"), "{again}");
    let wrong = story.nightreel(["new", "x", "--model", "minimax/hailuo-2/fast"]).with(at_nobody);
    let wrong = wrong.end();
    assert!(wrong.err.contains("did you mean `minimax/hailuo-02/fast`?"), "{wrong}");
    assert!(!story.path("x.toml").exists());
}
