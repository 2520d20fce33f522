//! `requeue` and `cancel`: what the operator does to jobs that are not at the API.

use super::Context;
use super::context::Wrong;
use crate::domain::{JobState, Micros, text};
use crate::exit::Exit;
use crate::ledger::{BatchId, JobView, Ledger, PaidAgain};

/// Failed and canceled jobs back to `pending`, with all their tries again.
///
/// Whole batches only with `--failed`: a slip of the finger shall not buy a batch again.
pub(super) async fn requeue(
    cx: &mut Context,
    names: &[String],
    (failed, pay_again): (bool, bool),
) -> anyhow::Result<Exit> {
    if !failed && names.is_empty() {
        return Err(Wrong("name jobs, or give --failed for all failed ones".to_owned()).into());
    }
    let ledger = cx.write_ledger().await?;
    let mut tally = Tally::default();
    if failed && names.is_empty() {
        tally.all_failed(&ledger, None).await?;
    }
    for chosen in choose(cx, &ledger, names).await? {
        match chosen {
            Chosen::Batch(batch) if failed => tally.all_failed(&ledger, Some(batch)).await?,
            Chosen::Batch(_) => {
                return Err(Wrong("a whole batch needs --failed as well".to_owned()).into());
            }
            Chosen::Job(job) => match back(cx, &ledger, &job, pay_again).await? {
                Moved::Yes => tally.moved += 1,
                Moved::Already => {}
                Moved::Refused(why) => tally.refuse(cx, &job, &why)?,
            },
        }
    }
    ledger.close().await;
    tally.tell_json(cx, JobState::Pending)?;
    if tally.charged > 0 {
        let noun = text::count(tally.charged, "failed job");
        writeln!(
            cx.err,
            "{noun} left alone: its submission counts as charged. `nightreel list --failed` names \
             it, `nightreel requeue JOB --pay-again` makes it anew and pays again"
        )?;
    }
    let noun = text::count(tally.moved, "job");
    match tally.moved {
        0 => writeln!(cx.err, "no job to requeue; done, running and unknown ones are left alone")?,
        _ => writeln!(cx.err, "{noun} back to pending; `nightreel run MANIFEST` submits them")?,
    }
    Ok(tally.exit())
}

/// What became of all that was named.
#[derive(Default)]
struct Tally {
    moved: u64,
    /// Failed jobs left alone, as their submission counts as charged.
    charged: u64,
    refused: Vec<String>,
}

impl Tally {
    async fn all_failed(&mut self, ledger: &Ledger, batch: Option<BatchId>) -> anyhow::Result<()> {
        let (from, to) = (JobState::Failed, JobState::Pending);
        self.moved += ledger.move_all(batch, Vec::new(), from, to).await?;
        self.charged += ledger.failed_as_charged(batch).await?;
        Ok(())
    }

    fn refuse(&mut self, cx: &mut Context, job: &JobView, why: &str) -> anyhow::Result<()> {
        let name = name(job);
        writeln!(cx.err, "{name}: {why}")?;
        self.refused.push(name);
        Ok(())
    }

    fn tell_json(&self, cx: &mut Context, to: JobState) -> anyhow::Result<()> {
        if cx.json() {
            let told = serde_json::json!({
                "moved": self.moved, "to": to, "refused": self.refused,
            });
            writeln!(cx.out, "{told}")?;
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        if self.refused.is_empty() { Exit::Done } else { Exit::Usage }
    }
}

/// What became of one job that was named.
enum Moved {
    Yes,
    /// It is where it was to go.
    Already,
    Refused(String),
}

async fn back(
    cx: &mut Context,
    ledger: &Ledger,
    job: &JobView,
    pay_again: bool,
) -> anyhow::Result<Moved> {
    match job.state {
        JobState::Pending => Ok(Moved::Already),
        JobState::Failed | JobState::Canceled => {
            if let Some(charged) = ledger.counted_as_charged(job.id).await? {
                let why = "its submission counts as charged";
                return paying_again(cx, ledger, job, (charged, why, pay_again)).await;
            }
            let moved = ledger.move_all(None, vec![job.id], job.state, JobState::Pending).await?;
            Ok(if moved == 0 { Moved::Already } else { Moved::Yes })
        }
        JobState::Quarantined | JobState::LostOutput => {
            let Some(paid) = ledger.paid_job(job.id).await? else {
                return Ok(Moved::Refused(format!("is {}, and nothing was paid", job.state)));
            };
            let why = "`nightreel resolve` asks for its output again, for free";
            paying_again(cx, ledger, job, (paid.reserved, why, pay_again)).await
        }
        state => Ok(Moved::Refused(format!("is {state}; only failed and canceled jobs go back"))),
    }
}

/// Making anew what was paid, or may have been, needs the operator's word.
async fn paying_again(
    cx: &mut Context,
    ledger: &Ledger,
    job: &JobView,
    (paid, why, pay_again): (Micros, &str, bool),
) -> anyhow::Result<Moved> {
    let paid = paid.human();
    if !pay_again {
        return Ok(Moved::Refused(format!(
            "is {} and was paid {paid}; {why}. To make it anew and pay again, add --pay-again",
            job.state
        )));
    }
    if ledger.pay_again(job.id).await? != PaidAgain::Yes {
        return Ok(Moved::Already);
    }
    writeln!(cx.err, "paying again for {}: {paid} is given up", name(job))?;
    Ok(Moved::Yes)
}

/// Pending jobs to `canceled`. What was submitted cannot be canceled at the API.
pub(super) async fn cancel(cx: &mut Context, names: &[String]) -> anyhow::Result<Exit> {
    let ledger = cx.write_ledger().await?;
    let mut tally = Tally::default();
    let (from, to) = (JobState::Pending, JobState::Canceled);
    for chosen in choose(cx, &ledger, names).await? {
        match chosen {
            Chosen::Batch(batch) => {
                tally.moved += ledger.move_all(Some(batch), Vec::new(), from, to).await?;
            }
            Chosen::Job(job) => {
                let moved = ledger.move_all(None, vec![job.id], from, to).await?;
                tally.moved += moved;
                if moved == 0 && job.state != to {
                    let why = format!("is {}; only pending jobs can be canceled", job.state);
                    tally.refuse(cx, &job, &why)?;
                }
            }
        }
    }
    ledger.close().await;
    tally.tell_json(cx, to)?;
    let noun = text::count(tally.moved, "job");
    match tally.moved {
        0 => writeln!(
            cx.err,
            "no pending job to cancel; the API has no way to cancel what was submitted"
        )?,
        _ => writeln!(cx.err, "{noun} canceled; `nightreel requeue JOB…` brings one back")?,
    }
    Ok(tally.exit())
}

/// What a name on the command line means.
enum Chosen {
    /// All of a batch.
    Batch(BatchId),
    /// One job.
    Job(Box<JobView>),
}

/// A batch's name means the batch; anything else is a job.
async fn choose(cx: &Context, ledger: &Ledger, names: &[String]) -> anyhow::Result<Vec<Chosen>> {
    let mut chosen = Vec::new();
    for name in names {
        let batch = ledger.batches(std::slice::from_ref(name)).await?;
        chosen.push(match batch.first() {
            Some(view) => Chosen::Batch(view.id),
            None => Chosen::Job(Box::new(cx.job(ledger, name).await?)),
        });
    }
    Ok(chosen)
}

fn name(job: &JobView) -> String {
    format!("{}/{}", text::visible(&job.batch), text::visible(&job.key))
}
