//! A machine that goes to sleep in the middle of the night collects nothing until the morning. Where
//! the system has a tool that keeps it awake, it is held for the length of a run.

use std::process::{Child, Command, Stdio};

use crate::settings::KEY_VARIABLE;

/// The tool with its arguments, and what it holds on to: `cat` ends when this process does, however
/// that ends, since its standard input ends then.
#[cfg(target_os = "macos")]
const TOOL: &[&str] = &["caffeinate", "-i", "cat"];
#[cfg(not(target_os = "macos"))]
const TOOL: &[&str] = &[
    "systemd-inhibit",
    "--what=sleep:idle",
    "--who=nightreel",
    "--why=a batch is being generated",
    "--mode=block",
    "cat",
];

/// Keeps the machine awake until dropped.
pub(super) struct Awake(Option<Child>);

impl Awake {
    /// Takes hold, where the tool is there. That it is not, or may not, changes nothing.
    pub(super) fn hold(wanted: bool) -> Self {
        let Some((tool, arguments)) = TOOL.split_first().filter(|_| wanted) else {
            return Self(None);
        };
        let mut command = Command::new(tool);
        // Ctrl-C is for the run, which may go on for a while.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let held = command
            .args(arguments)
            .env_remove(KEY_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match &held {
            Ok(_) => tracing::debug!(tool, "keeps this machine awake"),
            Err(error) => tracing::debug!(tool, %error, "nothing keeps this machine awake"),
        }
        Self(held.ok())
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.stdin.take());
            // It has ended by itself or is about to; a zombie is all that could be left.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
