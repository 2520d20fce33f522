//! How generations end, as the ramp and the breaker see it.

use super::gate::Stop;
use super::ramp::{MANY, Step};
use super::shared::Shared;
use super::stop;
use crate::domain::shape::Texts;
use crate::domain::{EventKind, Request};
use crate::ledger::Error;

impl Shared {
    /// Finds the shapes that are to be proved before they go at full speed.
    pub(super) async fn begin_ramp(&self) -> Result<(), Error> {
        if !self.limits.ramp {
            return Ok(());
        }
        for (batch, _) in &self.batches {
            for (shape, model, jobs) in self.ledger.unproved(*batch, &self.origin, MANY).await? {
                self.ramp.prove(shape);
                let reason = format!(
                    "{jobs} jobs of {model} wait whose parameters were never seen to succeed: one goes first"
                );
                self.tell_ramp(1, reason).await;
            }
        }
        Ok(())
    }

    /// A paid generation brought outputs.
    pub(super) async fn generation_succeeded(&self, request: &Request) -> Result<(), Error> {
        self.breaker.note(true);
        let (value, reason) = match self.ramp.succeeded(request) {
            None => return Ok(()),
            Some(Step::Few(few)) => {
                let shape = request.shape(Texts::Alike);
                self.ledger.prove(&self.origin, shape, &request.model).await?;
                (u64::from(few), "the first one succeeded".to_owned())
            }
            Some(Step::Proved) => {
                (self.slots.figures().1, format!("{} is proved: full speed", request.model))
            }
        };
        self.tell_ramp(value, reason).await;
        Ok(())
    }

    /// A paid generation brought nothing, and not for the row's own content.
    pub(super) async fn generation_failed(&self, said: &str) {
        if let Some(share) = self.breaker.note(false) {
            stop(self, Stop::Failures(format!("{share}, the last one with: {said}"))).await;
        }
    }

    async fn tell_ramp(&self, value: u64, reason: String) {
        self.tell(EventKind::LimitChanged { limit: "ramp".to_owned(), value, reason }).await;
    }
}
