//! What can be typed is what is written down: the help of every command, and the documents.

use std::fs;
use std::path::Path;

use clap::{CommandFactory as _, Parser as _};

use nightreel::cli::Cli;

use crate::story::Story;

#[test]
fn the_flags_fit_together() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_of_every_command_is_this() {
    let story = Story::new();
    let mut names = vec![String::new()];
    names.extend(Cli::command().get_subcommands().map(|command| command.get_name().to_owned()));
    for name in names {
        let command = (!name.is_empty()).then_some(name.as_str());
        let help = story.nightreel(command).with(["--help"]).end();
        assert_eq!(help.code(), 0, "{help}");
        let name = if name.is_empty() { "nightreel".to_owned() } else { name };
        insta::assert_snapshot!(format!("help_{name}"), help.out);
    }
}

/// The arguments of a line of a document that calls nightreel, its prompt and variables left out.
fn called(line: &str) -> Option<Vec<&str>> {
    let words = line.trim().trim_start_matches("$ ").split_whitespace();
    let mut words = words.skip_while(|word| {
        word.split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    });
    let program = words.next()?;
    let words: Vec<_> = if program == "cargo" {
        (words.next() == Some("run"))
            .then(|| words.skip_while(|word| *word != "--").skip(1))?
            .collect()
    } else {
        (program == "nightreel" || program.ends_with("/nightreel")).then(|| words.collect())?
    };
    let ends = |word: &&&str| !["|", ">", "2>", "&&", ";", "&", "#", "\\", "||"].contains(*word);
    Some(words.iter().take_while(ends).copied().collect())
}

#[test]
fn every_command_in_the_documents_can_be_typed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut typed = 0;
    for document in ["README.md", "docs/ARCHITECTURE.md", "examples/README.md"] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let mut in_block = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                in_block = !in_block;
                continue;
            }
            let Some(arguments) = called(line).filter(|_| in_block) else { continue };
            if let Err(error) = Cli::try_parse_from([&["nightreel"], &*arguments].concat()) {
                assert_eq!(error.exit_code(), 0, "{document}: {line}\n{error}");
            }
            typed += 1;
        }
    }
    assert!(typed >= 5, "{typed} commands were found");
}
