//! How many files this process may have open: enough for what it is to do, or a word before it begins.

use super::context::Wrong;
use crate::settings::Settings;

/// The ledger with its readers, logs, the lock, the journal, the terminal, the runtime, and some room.
const ALWAYS: u64 = 48;
/// More than this is of no use, and some systems count every one.
const MOST: u64 = 65_536;

/// What a run wants at once: a connection for each submission, poll and download, and two files for
/// each download. The simulator has the other ends of the connections.
fn wanted(settings: &Settings, simulated: bool) -> u64 {
    let (jobs, downloads) =
        (u64::from(settings.concurrency.get()), u64::from(settings.downloads.get()));
    let connections = 2 * jobs + downloads;
    ALWAYS + connections * if simulated { 2 } else { 1 } + 2 * downloads
}

/// Raises the limit as far as the system lets us, and refuses to begin below what is wanted: a run
/// that cannot open its files would be dead by morning.
#[cfg(unix)]
pub(super) fn require(settings: &Settings, simulated: bool) -> Result<(), Wrong> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(MOST, |maximum| maximum.min(MOST));
    let mut now = limit.current.unwrap_or(u64::MAX);
    if now < most {
        let raised = Rlimit { current: Some(most), maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            now = most;
        }
    }
    let wanted = wanted(settings, simulated);
    if now >= wanted {
        return Ok(());
    }
    Err(Wrong(format!(
        "this process may open {now} files only, and --concurrency {} with --downloads {} wants \
         {wanted}; raise the limit (`ulimit -n {wanted}`), or lower those",
        settings.concurrency, settings.downloads
    )))
}

#[cfg(not(unix))]
pub(super) fn require(_: &Settings, _: bool) -> Result<(), Wrong> {
    Ok(())
}
