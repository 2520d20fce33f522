//! `completions` and `man`: made from the same clap types that parse.

use clap::CommandFactory as _;

use super::Failure;
use crate::cli::Cli;
use crate::exit::Exit;

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "nightreel", &mut script);
    print(&script)
}

/// Prints the manual page.
pub(super) fn man() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(anyhow::Error::from)?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<Exit, Failure> {
    super::stdio::stdout().write_all(bytes).map_err(anyhow::Error::from)?;
    Ok(Exit::Done)
}
