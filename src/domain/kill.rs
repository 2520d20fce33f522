//! Named points at which a test can have the process killed, or a step fail. Without the feature
//! `kill-points`, which no release has, they are nothing at all.

/// Kills the process here where a test asked for it.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub fn kill_point(_name: &'static str) {}

/// Whether a test wants the step of this name to fail.
#[cfg(not(feature = "kill-points"))]
#[inline]
#[must_use]
pub fn fails(_name: &'static str) -> bool {
    false
}

#[cfg(feature = "kill-points")]
pub use armed::{POINTS, arm, fails, kill_point};

#[cfg(feature = "kill-points")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Every point there is; a test holds this list and the code together.
    pub const POINTS: &[&str] = &[
        "absence_noted",
        "absent",
        "accept_begun",
        "accepted",
        "adopt_due",
        "adopted",
        "answer_in",
        "chunk_due",
        "completed",
        "completion_due",
        "done",
        "download_begun",
        "enqueued",
        "failed_at_the_api",
        "file_synced",
        "files_due",
        "files_recorded",
        "folder_synced",
        "group_begun",
        "group_committed",
        "intent_begun",
        "intent_durable",
        "intent_recovered",
        "ledger_marked",
        "ledger_migrated",
        "lock_taken",
        "loss_due",
        "names_given",
        "outcome_unknown",
        "post_due",
        "recovered",
        "refusal_due",
        "refused",
        "renamed",
        "run_begun",
        "run_ended",
        "sidecars_written",
        "upload_done",
        "upload_due",
        "upload_recorded",
    ];

    /// Where to act, and at which passing.
    struct Wish {
        name: String,
        left: AtomicU64,
    }

    static KILL: OnceLock<Wish> = OnceLock::new();
    static FAIL: OnceLock<Wish> = OnceLock::new();
    static PANIC: OnceLock<Wish> = OnceLock::new();

    /// Notes what a test asks for: `NAME` or `NAME:N`, the point and its how-manieth passing.
    pub fn arm(kill: Option<&str>, fail: Option<&str>, panic: Option<&str>) {
        for (slot, wish) in [(&KILL, kill), (&FAIL, fail), (&PANIC, panic)] {
            let Some(wish) = wish else { continue };
            let (name, passing) = wish.split_once(':').unwrap_or((wish, "1"));
            let left = AtomicU64::new(passing.parse().unwrap_or(1));
            let _ = slot.set(Wish { name: name.to_owned(), left });
        }
    }

    impl Wish {
        fn is_due(&self, name: &str) -> bool {
            self.name == name && self.left.fetch_sub(1, Ordering::SeqCst) == 1
        }
    }

    /// Kills the process here where a test asked for it.
    ///
    /// # Panics
    ///
    /// Where a test asked for that instead.
    pub fn kill_point(name: &'static str) {
        let panics = PANIC.get().is_some_and(|wish| wish.is_due(name));
        assert!(!panics, "a test wants a panic at {name}");
        if KILL.get().is_some_and(|wish| wish.is_due(name)) {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }

    /// Whether a test wants the step of this name to fail: from that passing on, for good.
    #[must_use]
    pub fn fails(name: &'static str) -> bool {
        let Some(wish) = FAIL.get().filter(|wish| wish.name == name) else { return false };
        let left = wish.left.load(Ordering::SeqCst);
        if left > 1 {
            wish.left.fetch_sub(1, Ordering::SeqCst);
        }
        left <= 1
    }
}
