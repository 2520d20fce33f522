//! Layers, places of mistakes, and the embedded file that must say what the program does.

use std::sync::Arc;

use super::file::{KEYS, parse};
use super::*;

fn file() -> Arc<str> {
    "nightreel.toml".into()
}

#[test]
fn a_higher_layer_stands_before_a_lower_one() {
    let layer = |n: u32| Partial { concurrency: NonZeroU32::new(n), ..Partial::default() };
    let mut layers = Layers { file: layer(1), ..Layers::default() };
    let held = |layers: &Layers| layers.resolve().unwrap().concurrency.get();
    assert_eq!(held(&layers), 1);
    layers.manifest = layer(2);
    assert_eq!(held(&layers), 2);
    layers.environment = layer(3);
    assert_eq!(held(&layers), 3);
    layers.flags = layer(4);
    assert_eq!(held(&layers), 4);
    assert_eq!(held(&Layers::default()), 8);
}

#[test]
fn the_embedded_file_says_the_defaults_and_names_every_setting() {
    let partial = parse(&file(), DEFAULT_CONFIG).unwrap();
    assert_eq!(partial.resolve(), Settings::default());
    for key in KEYS {
        let named = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        assert!(DEFAULT_CONFIG.lines().any(named), "{key} is not in default-config.toml");
    }
    let all = DEFAULT_CONFIG.lines().map(|line| match line.strip_prefix("# ") {
        Some(rest) if rest.contains(" = ") && KEYS.iter().any(|k| rest.starts_with(k)) => rest,
        _ => line,
    });
    let text = all.collect::<Vec<_>>().join("\n");
    parse(&file(), &text).unwrap();
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let text = "concurrency = 0\nconcurency = 8\npoll_min = 5\nyes = \"please\"\nchanged = \"x\"\n";
    let said: Vec<String> =
        parse(&file(), text).unwrap_err().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    nightreel.toml:1:1: expected a whole number from 1 to 10000, found `0`
    nightreel.toml:2:1: unknown setting `concurency`; did you mean `concurrency`?
    nightreel.toml:3:1: `5` is not a duration; write for example 250ms, 30s, 5m or 8h
    nightreel.toml:4:1: expected true or false
    nightreel.toml:5:1: expected `rerun` or `keep`, found `x`
    ");
}

#[test]
fn plain_http_is_allowed_to_this_machine_only() {
    let layers = |url: &str| Layers {
        flags: Partial { base_url: Some(Url::parse(url).unwrap()), ..Partial::default() },
        ..Layers::default()
    };
    assert!(layers("http://127.0.0.1:4000").resolve().is_ok());
    let said = layers("http://api.example").resolve().unwrap_err();
    assert!(said[0].contains("not https"), "{said:?}");
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_refused() {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"apikey-canary\n").unwrap();
    assert!(key_from_file(file.path()).is_ok());
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(file.path(), open).unwrap();
    let error = key_from_file(file.path()).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    assert!(!error.contains("canary"));
}
