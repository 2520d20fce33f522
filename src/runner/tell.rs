//! Events that more than one lane tells.

use super::shared::Shared;
use crate::domain::{EventKind, JobState};
use crate::ledger::{Job, Next, Trouble};

impl Shared {
    /// An attempt brought nothing; the job is tried again, or has failed.
    pub(super) async fn tell_trouble(
        &self,
        job: &Job,
        attempt: i64,
        trouble: &Trouble,
        next: Next,
    ) {
        let (batch, key) = (job.batch_name.clone(), job.key.clone());
        self.tell(EventKind::AttemptFailed {
            batch: batch.clone(),
            job: key.clone(),
            attempt,
            class: trouble.class.clone(),
            message: trouble.message.clone(),
        })
        .await;
        match next {
            Next::Again { not_before, .. } => {
                let class = trouble.class.clone();
                self.tell(EventKind::JobRetryScheduled { batch, job: key, not_before, class })
                    .await;
            }
            Next::Failed => self.tell_failed(job, JobState::Failed, trouble).await,
        }
    }

    /// A job ended in a state other than `done`.
    pub(super) async fn tell_failed(&self, job: &Job, state: JobState, trouble: &Trouble) {
        self.tell(EventKind::JobFailed {
            batch: job.batch_name.clone(),
            job: job.key.clone(),
            state,
            class: trouble.class.clone(),
            message: trouble.message.clone(),
        })
        .await;
    }
}
