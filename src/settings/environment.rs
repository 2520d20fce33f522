//! The environment, read here and nowhere else. Every variable's name stands in this file.

use secrecy::SecretString;

use super::file::{self, Said};
use super::key::{self, KeyError};
use super::{Partial, key_from_file};
use crate::domain::Position;

/// The API key. No program that is started inherits it.
pub const KEY_VARIABLE: &str = "ATLASCLOUD_API_KEY";
/// The filter of logs, as `tracing` writes it.
const LOG: &str = "NIGHTREEL_LOG";
/// No colours, whatever its value (no-color.org).
const NO_COLOR: &str = "NO_COLOR";
/// Variables that stand for a setting.
const SETTINGS: [(&str, &str); 5] = [
    ("NIGHTREEL_STATE_DIR", "state_dir"),
    ("NIGHTREEL_OUTPUT_DIR", "output_dir"),
    ("ATLASCLOUD_BASE_URL", "base_url"),
    ("NIGHTREEL_CONCURRENCY", "concurrency"),
    ("NIGHTREEL_RPM", "rpm"),
];

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a test wants to be killed, to fail or to panic; no release has this.
#[cfg(feature = "kill-points")]
pub fn arm_kill_points() {
    let kill = variable("NIGHTREEL_KILL_AT");
    let fail = variable("NIGHTREEL_FAIL_AT");
    let panic = variable("NIGHTREEL_PANIC_AT");
    crate::domain::kill::arm(kill.as_deref(), fail.as_deref(), panic.as_deref());
}

/// What the environment says.
pub fn environment() -> Result<Partial, Vec<String>> {
    let mut partial = Partial::default();
    let mut wrong = Vec::new();
    for (name, setting) in SETTINGS {
        let Some(text) = variable(name) else { continue };
        if let Err(message) = file::set(&mut partial, setting, &Said::Text(text)) {
            wrong.push(format!("{}: {message}", Position::new(&name.into(), 0, 0)));
        }
    }
    if wrong.is_empty() { Ok(partial) } else { Err(wrong) }
}

/// The key: from the file a flag names, else from the environment, else from the file that the
/// settings name.
pub fn api_key(
    flag: Option<&std::path::Path>,
    settings: Option<&std::path::Path>,
) -> Result<Option<SecretString>, KeyError> {
    if let Some(path) = flag {
        return key_from_file(path).map(Some);
    }
    if let Some(text) = variable(KEY_VARIABLE) {
        return key::checked(&text, KEY_VARIABLE).map(Some);
    }
    settings.map(key_from_file).transpose()
}

/// The filter of logs, where one is set.
#[must_use]
pub fn log_filter() -> Option<String> {
    variable(LOG)
}

/// Whether colours are unwanted.
#[must_use]
pub fn no_color() -> bool {
    variable(NO_COLOR).is_some()
}
