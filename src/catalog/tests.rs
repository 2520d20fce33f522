//! The table, and what is kept in the state folder. The rest is tested with an API: tests/catalog.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::*;
use crate::domain::Micros;

fn told(model: &str, params: &Value) -> String {
    let schema = builtin(model).unwrap().schema().unwrap();
    let faults = schema.check(model, params.as_object().unwrap());
    faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
}

#[test]
fn only_prices_that_were_seen_are_in_the_table() {
    let price = |model: &str| builtin(model).and_then(|facts| facts.price);
    assert_eq!(price("minimax/hailuo-02/fast"), Some(Micros(100_000)));
    assert_eq!(price("minimax/hailuo-02/standard"), Some(Micros(230_000)));
    assert_eq!(price("minimax/hailuo-2.3/i2v-standard"), Some(Micros(280_000)));
    assert_eq!(price("minimax/hailuo-02/pro"), None);
    assert_eq!(price("somebody/else"), None);
}

#[test]
fn every_variant_takes_what_it_needs_and_nothing_strange() {
    for facts in builtins() {
        let schema = facts.schema().unwrap();
        let mut whole = json!({});
        for param in schema.params() {
            whole[&param.name] = match param.name.as_str() {
                "image" => json!("https://example.com/a.png"),
                "prompt" => json!("a train"),
                _ => param.default().unwrap().clone(),
            };
        }
        assert_eq!(told(facts.id, &whole), "", "{}", facts.id);
        assert!(told(facts.id, &json!({})).starts_with(&format!("{} needs `", facts.id)));
        for (name, value) in [("fps", json!(24)), ("enable_prompt_expansion", json!("maybe"))] {
            let mut wrong = whole.clone();
            wrong[name] = value;
            assert_ne!(told(facts.id, &wrong), "", "{}: {name}", facts.id);
        }
    }
}

#[test]
fn each_variant_has_its_own_rules() {
    let image = "https://example.com/a.png";
    let cases = [
        ("02/fast", json!({ "image": image, "duration": 10, "go_fast": false }), ""),
        ("02/fast", json!({ "prompt": "x" }), "M needs `image`"),
        ("02/standard", json!({}), "M needs `image` and `prompt`"),
        ("02/pro", json!({ "prompt": "x", "duration": 10 }), "`duration` is 10; M takes 6"),
        ("02/pro", json!({ "prompt": "x".repeat(2000), "image": image }), ""),
        (
            "02/t2v-pro",
            json!({ "prompt": "x".repeat(2001) }),
            "`prompt` is a text of 2001 characters; M takes a text of at most 2000 characters",
        ),
        (
            "02/t2v-standard",
            json!({ "prompt": "x", "image": image }),
            "unknown parameter `image`; M takes prompt, duration, enable_prompt_expansion",
        ),
        ("02/i2v-standard", json!({ "image": image }), "M needs `prompt`"),
        (
            "02/i2v-pro",
            json!({ "image": image, "prompt": "x", "duration": 6 }),
            "unknown parameter `duration`; M takes image, prompt, enable_prompt_expansion",
        ),
        (
            "2.3/fast",
            json!({ "image": image, "duration": 7 }),
            "`duration` is 7; M takes one of 6, 10",
        ),
        ("2.3/i2v-standard", json!({ "image": image }), ""),
        ("2.3/i2v-pro", json!({ "prompt": "x" }), "M needs `image`"),
        ("2.3/t2v-standard", json!({ "image": image, "prompt": "x" }), "unknown parameter `image`"),
        ("2.3/t2v-pro", json!({ "prompt": "x", "duration": 10 }), ""),
    ];
    for (variant, params, message) in cases {
        let model = format!("minimax/hailuo-{variant}");
        let told = told(&model, &params);
        let message = message.replace('M', &model);
        assert!(told.starts_with(&message) && told.is_empty() == message.is_empty(), "{told}");
    }
}

fn store(state: &Path, base: &str) -> Store {
    Store::new(state, &url::Url::parse(base).unwrap())
}

#[test]
fn what_is_kept_belongs_to_one_api_and_to_its_owner() {
    let state = tempfile::tempdir().unwrap();
    let one = store(state.path(), "https://api.example");
    let listing = one.listing(Vec::new(), clock::now());
    one.write_listing(&listing).unwrap();
    assert_eq!(one.read_listing(), Some(listing));
    for other in ["https://api.example:8443", "https://api-example", "http://127.0.0.1:4000"] {
        assert_eq!(store(state.path(), other).read_listing(), None, "{other}");
    }
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&one.listing_path()), 0o600);
    assert_eq!(mode(&state.path().join("catalog")), 0o700);
    let files = std::fs::read_dir(state.path().join("catalog")).unwrap().count();
    assert_eq!(files, 1, "nothing temporary is left");
}

#[test]
fn simulators_of_other_ports_are_other_apis() {
    let state = tempfile::tempdir().unwrap();
    let one = store(state.path(), "http://127.0.0.1:4000");
    one.write_listing(&one.listing(Vec::new(), clock::now())).unwrap();
    assert!(one.read_listing().is_some());
    assert_eq!(store(state.path(), "http://127.0.0.1:4001").read_listing(), None);
}

#[test]
fn a_damaged_file_is_as_good_as_none_and_looking_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let absent = store(&folder.path().join("state"), "https://api.example");
    absent.write_listing(&absent.listing(Vec::new(), clock::now())).unwrap();
    assert!(!folder.path().join("state").exists());
    let store = store(folder.path(), "https://api.example");
    let kept = store.schema("https://x/y", json!({ "a": 1 }), clock::now());
    store.write_schema("m/x", &kept).unwrap();
    assert_eq!(store.read_schema("m/x").unwrap().document, json!({ "a": 1 }));
    assert!(store.read_schema("m/y").is_none());
    store.write_listing(&store.listing(Vec::new(), clock::now())).unwrap();
    std::fs::OpenOptions::new().write(true).truncate(true).open(store.listing_path()).unwrap();
    assert_eq!(store.read_listing(), None);
}
