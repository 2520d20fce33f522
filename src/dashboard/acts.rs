//! What an operator does from the page: to jobs through the ledger, to the run by leaving word for it.
//! Nothing here pays for anything twice: that takes the command line.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use super::pages::{Refused, broken};
use crate::domain::{JobState, Micros, text};
use crate::ledger::{BatchId, Control, JobFilter, JobId, Ledger, running};

/// How long a run may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often its answer is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What may be in flight.
const MOST: std::ops::RangeInclusive<u32> = 1..=10_000;

/// What is to be done.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    /// A failed or canceled job, or all failed ones of a batch, back to pending.
    Requeue { batch: i64, job: Option<i64> },
    /// A pending job, or all of a batch, out of the run.
    Cancel { batch: i64, job: Option<i64> },
    /// The run submits nothing more for now.
    Pause,
    /// It goes on.
    Resume,
    /// So many in flight at most.
    Concurrency { value: u32 },
    /// A batch's budget; without one it may spend what it takes.
    Budget { batch: i64, value: Option<String> },
}

/// Does it, and says what came of it.
pub(super) async fn act(
    State(desk): State<Arc<Desk>>,
    Json(act): Json<Act>,
) -> Result<Json<Value>, Refused> {
    // On a thread of its own: opening a ledger may mean to read all of it.
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(carry_out(&desk, act))).await;
    done.map_err(|error| broken(&error))?.map(|said| Json(json!({ "said": said })))
}

async fn carry_out(desk: &Desk, act: Act) -> Result<String, Refused> {
    let ledger = Ledger::open(&desk.options.ledger_path).await.map_err(|error| broken(&error))?;
    let done = Hand { desk, ledger: &ledger }.act(act).await;
    ledger.close().await;
    done
}

fn refused(why: impl Into<String>) -> Refused {
    (StatusCode::CONFLICT, why.into())
}

struct Hand<'a> {
    desk: &'a Desk,
    ledger: &'a Ledger,
}

impl Hand<'_> {
    async fn act(&self, act: Act) -> Result<String, Refused> {
        match act {
            Act::Requeue { batch, job } => self.requeue(batch, job).await,
            Act::Cancel { batch, job } => self.cancel(batch, job).await,
            Act::Pause => self.ask(Control::Pause).await,
            Act::Resume => self.ask(Control::Resume).await,
            Act::Concurrency { value } if MOST.contains(&value) => {
                self.ask(Control::Concurrency(value)).await
            }
            Act::Concurrency { .. } => Err(refused("between 1 and 10000 can be in flight")),
            Act::Budget { batch, value } => self.budget(batch, value.as_deref()).await,
        }
    }

    async fn requeue(&self, batch: i64, job: Option<i64>) -> Result<String, Refused> {
        let batch = self.batch(batch).await?;
        let mut moved = 0;
        if let Some(id) = job {
            let (id, state) = self.job(batch, id).await?;
            let counted = self.ledger.counted_as_charged(id).await;
            if counted.map_err(|error| broken(&error))?.is_some() {
                return Err(refused(
                    "its submission counts as charged: `nightreel requeue JOB --pay-again` pays again",
                ));
            }
            if matches!(state, JobState::Failed | JobState::Canceled) {
                moved = self.shift(batch, vec![id], (state, JobState::Pending)).await?;
            }
        } else {
            moved = self.shift(batch, Vec::new(), (JobState::Failed, JobState::Pending)).await?;
        }
        if moved == 0 {
            return Err(refused("nothing to requeue: only failed and canceled jobs go back"));
        }
        let goes = if self.nudge().await { "" } else { "; the next run submits them" };
        Ok(format!("{} back to pending{goes}", text::count(moved, "job")))
    }

    async fn cancel(&self, batch: i64, job: Option<i64>) -> Result<String, Refused> {
        let batch = self.batch(batch).await?;
        let jobs = match job {
            Some(id) => vec![self.job(batch, id).await?.0],
            None => Vec::new(),
        };
        let moved = self.shift(batch, jobs, (JobState::Pending, JobState::Canceled)).await?;
        if moved == 0 {
            return Err(refused("nothing to cancel: what was submitted cannot be called back"));
        }
        self.nudge().await;
        Ok(format!("{} canceled", text::count(moved, "job")))
    }

    async fn budget(&self, batch: i64, value: Option<&str>) -> Result<String, Refused> {
        let batch = self.batch(batch).await?;
        let cap = match value {
            None => None,
            Some(said) => {
                let cap = Micros::typed(said.trim()).ok().filter(|cap| *cap >= Micros::ZERO);
                Some(cap.ok_or_else(|| refused("a budget is an amount in dollars, such as 12.50"))?)
            }
        };
        self.ask(Control::Budget(batch, cap)).await
    }

    async fn batch(&self, id: i64) -> Result<BatchId, Refused> {
        let all = self.ledger.batch_names().await.map_err(|error| broken(&error))?;
        let found = all.into_iter().find(|(batch, _)| batch.0 == id);
        found.map(|(batch, _)| batch).ok_or_else(|| refused("there is no such batch"))
    }

    async fn job(&self, batch: BatchId, id: i64) -> Result<(JobId, JobState), Refused> {
        let after = Some(JobId(id.saturating_sub(1)));
        let filter = JobFilter { batch: Some(batch), after, ..JobFilter::default() };
        let found = self.ledger.jobs(&filter, 1).await.map_err(|error| broken(&error))?;
        let found = found.first().filter(|job| job.id.0 == id).map(|job| (job.id, job.state));
        found.ok_or_else(|| refused("there is no such job"))
    }

    async fn shift(
        &self,
        batch: BatchId,
        jobs: Vec<JobId>,
        (from, to): (JobState, JobState),
    ) -> Result<u64, Refused> {
        let moved = self.ledger.move_all(Some(batch), jobs, from, to).await;
        moved.map_err(|error| broken(&error))
    }

    /// Tells a run that jobs were changed. Returns whether there is one.
    async fn nudge(&self) -> bool {
        self.ask(Control::Look).await.is_ok()
    }

    /// Leaves word for the run, and waits for its answer. Word that nobody takes is taken back.
    async fn ask(&self, control: Control) -> Result<String, Refused> {
        let nobody = "no run is going on; start one with `nightreel run MANIFEST`";
        if running(&self.desk.options.state_dir).is_none() {
            return Err(refused(nobody));
        }
        let asked = self.ledger.ask(control).await.map_err(|error| broken(&error))?;
        let answered = async {
            loop {
                match self.ledger.answer_to(asked).await {
                    Ok(None) => tokio::time::sleep(LOOK).await,
                    other => break other,
                }
            }
        };
        if let Ok(answer) = tokio::time::timeout(PATIENCE, answered).await {
            return answer.map(Option::unwrap_or_default).map_err(|error| broken(&error));
        }
        match self.ledger.answer(asked, "taken back: nobody answered").await {
            Ok(true) => Err(refused("the run did not answer; nothing was changed")),
            Ok(false) => Ok("done".to_owned()),
            Err(error) => Err(broken(&error)),
        }
    }
}
