//! Flags of `new`.

use std::path::PathBuf;

use clap::Args;

use super::ApiArgs;

/// What to begin with.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// The manifest to write, with or without `.toml`; a file that is there is never touched
    #[arg(value_name = "NAME")]
    pub name: PathBuf,
    /// The model it is for
    #[arg(long, value_name = "MODEL", default_value = "minimax/hailuo-02/fast")]
    pub model: String,
    /// The API.
    #[command(flatten)]
    pub api: ApiArgs,
}
