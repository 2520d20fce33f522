//! Signals: the first one asks politely, the second one ends the process.

use tokio_util::sync::CancellationToken;

use super::gate::Stop;

/// Hears SIGINT (Ctrl-C), SIGTERM and SIGHUP, from now on.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen; from here on a signal no longer ends the process by itself.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The next signal.
    #[cfg(unix)]
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.terminate.recv() => Stop::Terminated,
            // A closed terminal ends an overnight run as gently as a service manager does.
            _ = self.hangup.recv() => Stop::Terminated,
        }
    }

    /// The next signal.
    #[cfg(not(unix))]
    pub async fn next(&mut self) -> Stop {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Stop::Interrupted,
            Err(_) => std::future::pending().await,
        }
    }

    /// Hands the first signal to `first`, and cancels `now` at the second.
    pub async fn watch(mut self, first: impl FnOnce(Stop) + Send, now: CancellationToken) {
        first(self.next().await);
        self.next().await;
        now.cancel();
    }
}
