//! What names come out of templates, and that none of them is dangerous.

use proptest::prelude::*;
use serde_json::json;

use crate::domain::clock;

use super::*;

const FREE: &dyn Fn(&RelPath) -> bool = &|_| false;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn named(template: Option<&str>, key: &str, prompt: &str) -> Result<String, NamingError> {
    let (vars, params) = (
        map(json!({"scene": "one/two", "seed": 1})),
        map(json!({"seed": 7, "duration": 5, "image": "https://x/y.png"})),
    );
    let naming = Naming {
        template,
        batch: "demo",
        key,
        model: "minimax/hailuo-02/fast",
        prompt: Some(prompt),
        row: 3,
        created_at: clock::from_millis(0),
        vars: &vars,
        params: &params,
        index: 1,
        outputs: 1,
        extension: "mp4",
    };
    naming.name(FREE).map(|path| path.to_string())
}

fn of_template(template: &str) -> Result<String, NamingError> {
    named(Some(template), "cat", "A cat, 24/7!")
}

#[test]
fn templates_name_files() {
    for (template, expected) in [
        ("{{ batch }}/{{ key }}.{{ ext }}", "demo/cat.mp4"),
        ("{{ date }}/{{ row }}-{{ prompt_slug }}", "1970-01-01/3-a-cat-24-7.mp4"),
        ("{{ model_slug }}/{{ id }}", "minimax-hailuo-02-fast/cat.mp4"),
        ("{{ model }}/{{ id }}", "minimax/hailuo-02/fast/cat.mp4"),
        ("{{ prompt }}", "A cat, 24_7!.mp4"),
        ("{{ scene }}/{{ var.scene }}/{{ vars.seed }}{{ seed }}", "one/two/one/two/11.mp4"),
        ("{{ duration }}s {{ params.image }}", "5s https___x_y.png.mp4"),
        ("{{ key }}.MP4", "cat.MP4"),
        ("{{ key }}.png", "cat.png.mp4"),
        ("fixed", "fixed.mp4"),
    ] {
        assert_eq!(of_template(template).as_deref(), Ok(expected), "{template}");
    }
    assert_eq!(named(None, "cat", "").as_deref(), Ok("demo/cat.mp4"));
}

#[test]
fn every_name_the_manifest_allows_in_templates_is_there() {
    for variable in template::OUTPUT_VARIABLES {
        let template = format!("x{{{{ {variable} }}}}");
        assert!(of_template(&template).is_ok(), "{variable}");
    }
}

#[test]
fn dangerous_keys_are_contained() {
    for (key, expected) in [
        ("C:\\x", "demo/C__x.mp4"),
        ("x.", "demo/x_.mp4"),
        ("-rf", "demo/_rf.mp4"),
        (".hidden", "demo/_hidden.mp4"),
        ("...", "demo/___.mp4"),
        ("CON", "demo/CON_.mp4"),
        ("com¹.tar", "demo/com¹_.tar.mp4"),
        ("nul/x ", "demo/nul_/x_.mp4"),
        ("a\nb\u{202e}c\0", "demo/a_b_c_.mp4"),
        ("cafe\u{301}", "demo/caf\u{e9}.mp4"),
        ("what? \"yes\" <a|b>*", "demo/what_ _yes_ _a_b__.mp4"),
    ] {
        assert_eq!(named(None, key, "").as_deref(), Ok(expected), "{key:?}");
    }
    for key in ["../../etc/x", "/abs", "a/../b", "a//b", "a/./b", "../x"] {
        let refused = named(None, key, "");
        assert!(matches!(refused, Err(NamingError::Leaves(_))), "{key} {refused:?}");
    }
    for template in ["", "/", "a/", "..", ".", "/etc/{{ key }}"] {
        let refused = of_template(template);
        assert!(matches!(refused, Err(NamingError::Leaves(_))), "{template} {refused:?}");
    }
}

#[test]
fn long_names_are_cut_and_keep_their_extension() {
    let path = named(None, &"é".repeat(300), "").unwrap();
    assert!(path.len() <= 5 + relpath::COMPONENT_LIMIT, "{path}");
    assert_eq!(relpath::split_extension(&path).1, ".mp4");
    let deep = named(None, &"x/".repeat(600), "");
    assert!(matches!(deep, Err(NamingError::Leaves(_))), "{deep:?}");
}

#[test]
fn a_taken_name_is_made_distinct_by_the_jobs_identity() {
    let (vars, params) = (Map::new(), Map::new());
    let naming = Naming {
        template: Some("same"),
        batch: "b",
        key: "k",
        model: "m",
        prompt: None,
        row: 1,
        created_at: clock::from_millis(0),
        vars: &vars,
        params: &params,
        index: 1,
        outputs: 1,
        extension: "mp4",
    };
    let first = naming.name(FREE).unwrap();
    let second = naming.name(&|path| *path == first).unwrap();
    assert_eq!(second, naming.name(&|path| *path == first).unwrap());
    assert_ne!(second.folded(), first.folded());
    let other = Naming { key: "k2", ..naming };
    assert_ne!(other.name(&|path| *path == first), Ok(second));
    assert!(matches!(naming.name(&|_| true), Err(NamingError::Taken(_))));
}

#[test]
fn a_mistake_in_a_template_is_told() {
    let error = of_template("{{ kye }}").unwrap_err().to_string();
    assert!(error.contains("did you mean `key`"), "{error}");
}

proptest! {
    #[test]
    fn whatever_the_key_the_name_is_safe(key in "\\PC{0,300}|[./\\\\ a-cCONUL:~\0-\x1f]{0,40}") {
        if let Ok(path) = named(None, &key, &key) {
            prop_assert!(path.starts_with("demo/"));
            // `RelPath::parse` refuses all that is not below the folder, reserved or too long.
            let parsed = RelPath::parse(&path);
            prop_assert!(parsed.is_ok(), "{parsed:?}");
            for component in path.split('/') {
                prop_assert!(!component.starts_with(['.', ' ', '-']), "{component:?}");
                prop_assert!(!component.ends_with(['.', ' ']), "{component:?}");
            }
            let suffixed = parsed.unwrap().with_suffix("0123456789abcdef");
            prop_assert!(RelPath::parse(suffixed.as_str()).is_ok(), "{suffixed}");
            prop_assert!(RelPath::parse(suffixed.sidecar().as_str()).is_ok());
        }
    }

    #[test]
    fn whatever_the_template_the_name_is_safe(template in "[./a{} |%key\\\\-]{0,30}") {
        if let Ok(path) = of_template(&template) {
            prop_assert!(RelPath::parse(&path).is_ok(), "{path}");
        }
    }
}
