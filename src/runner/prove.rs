//! How generations end, as the ramp and the breaker see it.

use super::gate::Stop;
use super::ramp::{MANY, Step, Trial};
use super::shared::Shared;
use super::stop;
use std::collections::BTreeMap;

use crate::domain::EventKind;
use crate::ledger::{Error, Job};

impl Shared {
    /// Finds the shapes that are to be proved before they go at full speed.
    pub(super) async fn begin_ramp(&self) -> Result<(), Error> {
        if !self.limits.ramp {
            return Ok(());
        }
        // Of all batches together: a mistake of one is likely the mistake of the others.
        let mut unproved = BTreeMap::new();
        for (batch, _) in &self.batches {
            for (shape, model, jobs) in self.ledger.unproved(*batch, &self.origin).await? {
                unproved.entry(shape.0).or_insert((shape, model, 0)).2 += jobs;
            }
        }
        for (shape, model, jobs) in unproved.into_values().filter(|(.., jobs)| *jobs > MANY) {
            self.ramp.prove(shape);
            let reason = format!(
                "{jobs} jobs of {model} wait whose parameters were never seen to succeed: one goes first"
            );
            self.tell_ramp(1, reason).await;
        }
        Ok(())
    }

    /// A paid generation brought outputs.
    pub(super) async fn generation_succeeded(&self, job: &Job) -> Result<(), Error> {
        self.breaker.note(true);
        let model = &job.request.model;
        let (value, reason) = match self.ramp.succeeded(job.shape) {
            None => return Ok(()),
            Some(Step::Few(few)) => {
                if let Some(shape) = job.shape {
                    self.ledger.prove(&self.origin, shape, model).await?;
                }
                (u64::from(few), "the first one succeeded".to_owned())
            }
            Some(Step::Proved) => {
                (self.slots.figures().1, format!("{model} is proved: full speed"))
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

    /// Nobody will know what became of a submission on trial. It may be paid for like all before it,
    /// so a shape that never succeeded is not tried for ever.
    pub(super) async fn trial_lost(&self, trial: &Trial, model: &str) {
        if let Some(lost) = self.ramp.lost(trial) {
            let said = format!("{lost} of {model}, which never succeeded");
            stop(self, Stop::Unclear(said)).await;
        }
    }

    async fn tell_ramp(&self, value: u64, reason: String) {
        self.tell(EventKind::LimitChanged { limit: "ramp".to_owned(), value, reason }).await;
    }
}
