//! The thin shell: parse, do the command, end with its exit code.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use nightreel::cli::Cli;
use nightreel::commands::{Failure, execute};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return tell(&answer),
    };
    // A second installation only says that there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match execute(cli) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => fail(&failure),
    }
}

/// Prints help, the version, or what is wrong with the words typed.
fn tell(answer: &clap::Error) -> ExitCode {
    match answer.print() {
        Err(error) if !answer.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            fail(&Failure::unwritten(error))
        }
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)),
    }
}

/// Prints what is wrong. That stderr is gone changes nothing about the exit code.
fn fail(failure: &Failure) -> ExitCode {
    let mut err = std::io::stderr().lock();
    for (index, line) in failure.lines.iter().enumerate() {
        let head = if index == 0 && failure.lines.len() == 1 { "error: " } else { "" };
        let _ = writeln!(err, "{head}{line}");
    }
    if failure.lines.len() > 1 {
        let _ = writeln!(err, "error: {} mistakes, nothing was sent", failure.lines.len());
    }
    ExitCode::from(failure.exit.code())
}
