//! A state folder that cannot be looked into, or written to, is neither an empty one nor a riddle.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";
/// The user and group of nobody.
const NOBODY: u32 = 65_534;

/// What a user whom permissions bind is told: exit code, standard output and standard error. `None`,
/// said loudly, where this user can become nobody else.
fn as_nobody(story: &Story, args: &str) -> Option<(i32, String, String)> {
    let program = env!("CARGO_BIN_EXE_nightreel");
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).arg("--clear-groups").args(["timeout", "60"]);
    command.arg(program).current_dir(story.path("")).env_clear();
    let said = command.args(args.split(' ')).output().ok();
    let said = said.filter(|said| matches!(said.status.code(), Some(0..=2)));
    if said.is_none() {
        let words =
            b"!!! SKIPPED: this user cannot become nobody; permissions were NOT tested !!!\n";
        std::io::Write::write_all(&mut std::io::stderr(), words).unwrap();
    }
    let said = said?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some((said.status.code()?, text(said.stdout), text(said.stderr)))
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Everything below a folder: nobody may write to it, and everybody may read it.
fn seal(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { seal(&path) } else { allow(&path, 0o444) }
    }
    allow(folder, 0o555);
}

fn unseal(folder: &Path) {
    allow(folder, 0o755);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            unseal(&path);
        }
    }
}

#[test]
fn a_ledger_that_nobody_may_look_for_is_not_taken_for_none() {
    let story = Story::of_jobs(1);
    for command in ["status", "list", "show job-0001", "verify", "requeue --failed", "plan m.csv"] {
        let args = command.split(' ').chain(["--state-dir", "m.csv/state"]);
        let ended = story.nightreel(args).end();
        assert_eq!(ended.code(), 1, "{command}: {ended}");
        let told = "cannot look for m.csv/state/ledger.db: Not a directory";
        assert!(ended.err.contains(told), "{command}: {ended}");
    }
    let none = story.nightreel(["status"]).end();
    assert_eq!(none.code(), 0, "{none}");
    assert!(none.out.contains("there is no ledger at state/ledger.db"), "{none}");
}

#[test]
fn a_closed_state_folder_is_said_to_be_closed() {
    let story = Story::of_jobs(1);
    assert_eq!(story.simulated(QUICK).end().code(), 0);
    allow(&story.path(""), 0o755);
    allow(&story.path("state"), 0);
    let told = as_nobody(&story, "status");
    allow(&story.path("state"), 0o755);
    allow(&story.path("state/ledger.db"), 0);
    let unreadable = as_nobody(&story, "status");
    let Some((code, _, err)) = told else { return };
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("cannot look for state/ledger.db: Permission denied"), "{err}");
    let (code, _, err) = unreadable.unwrap();
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("cannot read state/ledger.db: Permission denied"), "{err}");
}

#[test]
fn a_ledger_is_read_where_nothing_can_be_written() {
    let story = Story::of_jobs(1);
    assert_eq!(story.simulated(QUICK).end().code(), 0);
    allow(&story.path(""), 0o755);
    seal(&story.path("state"));
    let says = |args: &str| as_nobody(&story, args);
    let told = ["status", "list", "show job-0001", "plan m.csv --simulate"].map(says);
    let refused = says("requeue --failed");
    allow(&story.path("state/ledger.db"), 0o666);
    let closed = says("requeue --failed");
    unseal(&story.path("state"));
    allow(&story.path("state/ledger.db"), 0o644);
    story.file("state/ledger.db-wal", "left by somebody");
    seal(&story.path("state"));
    let sealed = says("status");
    unseal(&story.path("state"));
    for told in told {
        let Some((code, out, err)) = told else { return };
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("done"), "{out}");
    }
    let (code, _, err) = refused.unwrap();
    assert_eq!(code, 1, "{err}");
    assert_eq!(err, "error: cannot write to state/ledger.db: Permission denied (os error 13)\n");
    let (code, _, err) = closed.unwrap();
    assert_eq!(code, 1, "{err}");
    assert_eq!(err, "error: cannot write to state: Permission denied (os error 13)\n");
    let (code, _, err) = sealed.unwrap();
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("copy the folder to where you may"), "{err}");
}
