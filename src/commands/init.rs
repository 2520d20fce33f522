//! `init`: a settings file with every setting at its default, explained.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use super::context::{Failure, Wrong};
use super::stdio;
use crate::exit::Exit;
use crate::settings::DEFAULT_CONFIG;

/// What the file is called where settings are looked for.
const NAME: &str = "nightreel.toml";

/// Makes the file in the working folder, and never touches one that is there.
pub(super) fn init() -> Result<Exit, Failure> {
    write(Path::new(NAME)).map_err(anyhow::Error::from)?;
    let said = format!(
        "{NAME} has every setting at its default; what you change holds for runs in this folder\n"
    );
    stdio::stdout().write_all(said.as_bytes()).map_err(anyhow::Error::from)?;
    Ok(Exit::Done)
}

fn write(path: &Path) -> Result<(), Wrong> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = made.and_then(|mut file| file.write_all(DEFAULT_CONFIG.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Wrong(format!("{NAME} is there already and is left as it is")),
        _ => Wrong(format!("cannot write {NAME}: {error}")),
    })
}
