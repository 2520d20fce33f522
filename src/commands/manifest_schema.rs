//! `manifest-schema`: the JSON Schema of a TOML manifest, for editors.

use super::Failure;
use crate::exit::Exit;
use crate::{manifest, settings};

/// Prints it.
pub(super) fn manifest_schema() -> Result<Exit, Failure> {
    let run = settings::KEYS.map(|key| (key, settings::value_schema(key)));
    let schema = manifest::json_schema(&run);
    let text = format!("{schema:#}\n");
    super::stdio::stdout().write_all(text.as_bytes()).map_err(anyhow::Error::from)?;
    Ok(Exit::Done)
}
