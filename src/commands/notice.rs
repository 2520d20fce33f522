//! Who is told beside the screen: every event goes to both.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::domain::Event;
use crate::notify;
use crate::settings::Notify;

/// How long the display is waited for before it misses an event.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(45);

/// Those who are told, while a run goes on.
pub(super) struct Told(Option<JoinHandle<()>>);

impl Told {
    /// Passes events on to whoever is to be notified, and to the display by the channel returned.
    pub(super) fn beside(
        inbox: mpsc::Receiver<Event>,
        notify: Option<Notify>,
        batches: &[String],
    ) -> (Self, mpsc::Receiver<Event>) {
        let Some(notify) = notify else { return (Self(None), inbox) };
        let (shown, display) = mpsc::channel(inbox.max_capacity());
        let (heard, listener) = mpsc::unbounded_channel();
        tokio::spawn(pass_on(inbox, heard, shown));
        (Self(Some(tokio::spawn(notify::listen(listener, notify, batches.to_vec())))), display)
    }

    /// Waits until everybody was told, for a while.
    pub(super) async fn end(self) {
        let Some(told) = self.0 else { return };
        if tokio::time::timeout(LAST_WORDS, told).await.is_err() {
            tracing::warn!("a notification takes too long and is given up");
        }
    }
}

/// A display that takes nothing keeps nobody from being notified.
async fn pass_on(
    mut inbox: mpsc::Receiver<Event>,
    heard: mpsc::UnboundedSender<Event>,
    shown: mpsc::Sender<Event>,
) {
    while let Some(event) = inbox.recv().await {
        let _ = heard.send(event.clone());
        let _ = shown.send_timeout(event, PATIENCE).await;
    }
}
