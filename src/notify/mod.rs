//! Events → somebody who is not there: a word by webhook or command at the end of a run, when submitting
//! stops, and at the first trouble. It reads events only, and nothing waits for it but the end.

mod send;
mod words;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::domain::{Event, EventKind, JobState};
use crate::settings::{Moment, Notify};

pub use words::Word;

/// Attempts in a row that did not reach the API before that is trouble.
const UNREACHED: u32 = 10;

/// Tells `notify` of what is worth it, until the events end and everything is told.
pub async fn listen(
    mut events: mpsc::UnboundedReceiver<Event>,
    notify: Notify,
    batches: Vec<String>,
) {
    let mut watch = Watch::default();
    let mut telling = JoinSet::new();
    while let Some(event) = events.recv().await {
        let Some((moment, said)) = watch.of(&event) else { continue };
        if !notify.on.contains(&moment) {
            continue;
        }
        let word = Word::of(moment, &event, &said, &batches);
        telling.spawn(send::tell(notify.clone(), word));
    }
    while telling.join_next().await.is_some() {}
}

/// What was told already.
#[derive(Default)]
struct Watch {
    troubled: bool,
    stopped: bool,
    unreached: u32,
}

impl Watch {
    /// What this event is worth telling, and what there is to say.
    fn of(&mut self, event: &Event) -> Option<(Moment, String)> {
        if let EventKind::AttemptFailed { class, .. } = &event.kind {
            self.unreached = if class == "not_sent" { self.unreached + 1 } else { 0 };
        }
        match &event.kind {
            EventKind::RunFinished { reason, .. } => Some((Moment::End, reason.clone())),
            EventKind::RunPaused { reason } if !std::mem::replace(&mut self.stopped, true) => {
                Some((Moment::Stop, reason.clone()))
            }
            EventKind::JobFailed { batch, job, state, class, message } => {
                let is = if *state == JobState::Failed { "failed" } else { state.as_str() };
                self.first(format!("{batch}/{job} {is} ({class}: {message})"))
            }
            EventKind::OutcomeUnknown { batch, job, class, message, .. } => self.first(format!(
                "nobody knows whether {batch}/{job} was charged ({class}: {message})"
            )),
            EventKind::AttemptFailed { message, .. } if self.unreached >= UNREACHED => {
                self.first(format!("the API cannot be reached ({message})"))
            }
            _ => None,
        }
    }

    fn first(&mut self, said: String) -> Option<(Moment, String)> {
        (!std::mem::replace(&mut self.troubled, true)).then_some((Moment::Trouble, said))
    }
}
