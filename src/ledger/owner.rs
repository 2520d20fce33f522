//! One owner: a lock file beside the ledger, and a fence in it.
//!
//! The lock is on a file of its own: closing any descriptor of the database file would drop
//! SQLite's own locks (sqlite.org/howtocorrupt.html, 2.2).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Error, Result};
use super::{Ledger, RunId};
use crate::domain::{clock, kill_point};

/// How often a new owner's name is looked for, 10 ms apart.
const LOOKS: u32 = 100;

/// Held as long as this process owns the ledger; the system frees it when the process ends, however.
#[derive(Debug)]
pub struct Ownership {
    file: File,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // A name that stays means an owner that did not end by itself. Where it cannot be removed,
        // nothing worse than a question may follow.
        let _ = self.file.set_len(0);
    }
}

impl Ownership {
    /// Takes the lock of the ledger in `state_dir`, or says who has it. A dead owner of this machine is
    /// taken over at once. An owner of another machine, of which nobody knows whether it is dead, may be
    /// at work on the original of this folder: that is refused.
    pub fn take(state_dir: &Path) -> Result<Self> {
        let path = lock_path(state_dir);
        let io = |doing| {
            let path = path.clone();
            move |source| Error::Io { doing, path, source }
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Owned { owner: read_owner(&mut file), path });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
        }
        let mut left = String::new();
        Read::by_ref(&mut file).take(500).read_to_string(&mut left).ok();
        if is_of_another_machine(&left, &describe()) {
            let owner = crate::domain::text::visible(left.trim());
            return Err(Error::Elsewhere { owner, path });
        }
        file.set_len(0).map_err(io("write"))?;
        file.rewind().map_err(io("write"))?;
        file.write_all(describe().as_bytes()).map_err(io("write"))?;
        kill_point("lock_taken");
        Ok(Self { file })
    }

    /// The error that names the owner of the ledger in `state_dir`, where another process is it.
    #[must_use]
    pub fn of_another(state_dir: &Path) -> Option<Error> {
        let owner = running(state_dir)?;
        let is_ours = owner.starts_with(&format!("{},", name()));
        (!is_ours).then(|| Error::Owned { owner, path: lock_path(state_dir) })
    }
}

fn lock_path(state_dir: &Path) -> PathBuf {
    state_dir.join("owner.lock")
}

/// Who owns the ledger in `state_dir` and is alive on this machine, in words. This takes no lock: a run
/// that is just starting must find it free.
#[must_use]
pub fn running(state_dir: &Path) -> Option<String> {
    let mut left = String::new();
    let file = File::open(lock_path(state_dir)).ok()?;
    file.take(500).read_to_string(&mut left).ok()?;
    let pid: i32 = left.strip_prefix("pid ")?.split(' ').next()?.parse().ok()?;
    let same = !is_of_another_machine(&left, &describe());
    (same && is_alive(pid)).then(|| crate::domain::text::visible(left.trim()))
}

#[cfg(unix)]
fn is_alive(pid: i32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};
    // Not permitted means that it is there.
    Pid::from_raw(pid).is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

#[cfg(not(unix))]
fn is_alive(_: i32) -> bool {
    true
}

fn describe() -> String {
    let boot = boot_id().map_or_else(String::new, |boot| format!(", boot {boot}"));
    format!("{}, started {}{boot}\n", name(), clock::local(clock::now()))
}

fn name() -> String {
    let (pid, host) = identity();
    format!("pid {pid} on {host}")
}

/// Which start of this machine it is: a pid means nothing beyond it (proc(5)).
fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let id = text.trim();
    (id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
        .then(|| id.to_owned())
}

/// Whether what an owner left names another machine: both its host and its boot. A container that is
/// made anew has another host and the same boot, a machine started again the reverse.
fn is_of_another_machine(left: &str, own: &str) -> bool {
    let of = |text: &str| {
        let (_, after) = text.trim().split_once(" on ")?;
        let (host, after) = after.split_once(", started ")?;
        let (_, boot) = after.split_once(", boot ")?;
        Some((host.to_owned(), boot.to_owned()))
    };
    of(left).zip(of(own)).is_some_and(|(left, own)| left.0 != own.0 && left.1 != own.1)
}

/// Between taking the lock and writing its name an owner needs a moment.
fn read_owner(file: &mut File) -> String {
    for _ in 0..LOOKS {
        let mut text = String::new();
        let read =
            file.rewind().and_then(|()| Read::by_ref(file).take(500).read_to_string(&mut text));
        if read.is_ok() && text.ends_with('\n') {
            return crate::domain::text::visible(text.trim());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    "a process that has not said who it is yet".to_owned()
}

/// This process's id and this machine's name.
#[must_use]
pub fn identity() -> (u32, String) {
    (std::process::id(), host())
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    "this machine".to_owned()
}

impl Ledger {
    /// Begins a run: from here on only this run commits.
    pub async fn begin_run(&self, name: &str) -> Result<RunId> {
        let name = name.to_owned();
        let (pid, host) = identity();
        let id: i64 = self
            .write(move |tx| {
                Box::pin(async move {
                    let id: i64 = sqlx::query_scalar(
                        "INSERT INTO runs (name, started_at, pid, host) VALUES (?1, ?2, ?3, ?4) \
                         RETURNING id",
                    )
                    .bind(name)
                    .bind(tx.millis())
                    .bind(i64::from(pid))
                    .bind(host)
                    .fetch_one(&mut *tx.connection)
                    .await
                    .map_err(Error::on("beginning the run"))?;
                    sqlx::query("UPDATE owner SET fence = ?1")
                        .bind(id)
                        .execute(&mut *tx.connection)
                        .await
                        .map_err(Error::on("raising the fence"))?;
                    Ok(id)
                })
            })
            .await?;
        self.raise_fence(id);
        kill_point("run_begun");
        Ok(RunId(id))
    }

    /// Ends a run with its exit code and reason.
    pub async fn end_run(&self, run: RunId, exit: u8, reason: &str) -> Result<()> {
        let reason = reason.to_owned();
        self.write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE runs SET finished_at = ?1, exit = ?2, reason = ?3 WHERE id = ?4",
                )
                .bind(tx.millis())
                .bind(i64::from(exit))
                .bind(reason)
                .bind(run.0)
                .execute(&mut *tx.connection)
                .await
                .map_err(Error::on("ending the run"))?;
                Ok(())
            })
        })
        .await
    }
}

/// Where the ledger of a state folder is.
#[must_use]
pub fn ledger_path(state_dir: &Path) -> PathBuf {
    state_dir.join("ledger.db")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_with_another_host_and_another_boot_is_of_another_machine() {
        let own = "pid 7 on desk, started 2026-11-23 22:00:00 +01:00, boot aa";
        let left = |host: &str, boot: &str| {
            format!("pid 9 on {host}, started 2026-11-22 22:00:00 +01:00, boot {boot}\n")
        };
        assert!(is_of_another_machine(&left("laptop", "bb"), own));
        assert!(!is_of_another_machine(&left("laptop", "aa"), own), "a container made anew");
        assert!(!is_of_another_machine(&left("desk", "bb"), own), "a machine started again");
        assert!(!is_of_another_machine("", own), "an owner that ended by itself");
        assert!(!is_of_another_machine("nonsense", own));
    }
}
