//! Rows of the manifests into the ledger: new ones come in, changed ones are rewritten where that was
//! asked for, and pending jobs whose rows are gone are taken out. What is paid for is never touched.

use super::context::Context;
use super::manifests::{self, Opened};
use super::plan::Planned;
use crate::catalog::Prices;
use crate::domain::{JobState, Origin, kill_point, text};
use crate::ledger::{BatchId, BatchView, JobId, JobView, Ledger, NewBatch, NewJob};
use crate::plan::{Action, PlannedRow, UNSENT, WalkError, Walked, each_removed, is_listed, walk};

/// Jobs looked at in one go.
const PAGE: u32 = 500;

/// The batches of a run with their names, and how many jobs came into each.
pub(super) type Enqueued = (Vec<(BatchId, String)>, Vec<(String, u64)>);

/// Brings every manifest's rows in.
pub(super) async fn all(
    cx: &mut Context,
    ledger: &Ledger,
    origin: &Origin,
    (opened, plans, prices): (&[Opened], &[Planned], &mut Prices),
) -> anyhow::Result<Enqueued> {
    let mut batches = Vec::new();
    let mut news = Vec::new();
    for (opened, plan) in opened.iter().zip(plans) {
        let new = NewBatch {
            name: plan.batch.clone(),
            manifest: opened.manifest.file().to_owned(),
            origin: origin.clone(),
            budget: plan.budget,
        };
        let id = ledger.open_batch(new).await?;
        let (enqueued, wanted) = bring_in(cx, ledger, (id, opened), prices).await?;
        // Before anything of it is sent: half of another manifest may have come in.
        let changed = |mistakes| manifests::explain(WalkError::Manifest(mistakes));
        opened.manifest.require_unchanged().map_err(changed)?;
        if enqueued > 0 {
            news.push((plan.batch.clone(), enqueued));
        }
        if unsent(ledger, &plan.batch).await? > wanted {
            take_out_removed(cx, ledger, (id, opened)).await?;
        }
        revive(ledger, id).await?;
        batches.push((id, plan.batch.clone()));
    }
    Ok((batches, news))
}

async fn unsent(ledger: &Ledger, batch: &str) -> anyhow::Result<u64> {
    let views = ledger.batches(&[batch.to_owned()]).await?;
    let of = |view: &BatchView| UNSENT.map(|state| view.tally.count(state)).iter().sum::<u64>();
    Ok(views.iter().map(of).sum())
}

/// Rows of a chunk that have mistakes.
#[derive(Default)]
struct LeftOut {
    /// Of those the ledger has the job, not sent yet.
    pending: Vec<(JobId, String)>,
    /// Those it does not know, as far as they can be read.
    fresh: Vec<NewJob>,
    /// How many are in the ledger as `invalid` then.
    listed: u64,
}

impl LeftOut {
    /// Keeps a row that has mistakes, and gives back one that has none.
    fn take(&mut self, row: Walked) -> Option<PlannedRow> {
        let (known, mistakes, spec) = match row {
            Ok(row) if row.mistakes.is_empty() => return Some(*row),
            Ok(row) => (row.known, row.mistakes, Some(row.spec)),
            Err(bad) => (bad.known, bad.unread.mistakes, None),
        };
        let why = mistakes.first().map(ToString::to_string).unwrap_or_default();
        self.listed += u64::from(is_listed(known.as_ref(), spec.is_some()));
        match (known, spec) {
            (None, Some(spec)) => {
                self.fresh.push(NewJob { spec, price: None, invalid: Some(why) });
            }
            (Some(known), _) if known.state == JobState::Pending => {
                self.pending.push((known.id, why));
            }
            _ => {}
        }
        None
    }
}

/// Returns how many jobs are new, and how many of those not sent yet have a row.
async fn bring_in(
    cx: &Context,
    ledger: &Ledger,
    (batch, opened): (BatchId, &Opened),
    prices: &mut Prices,
) -> anyhow::Result<(u64, u64)> {
    let on_change = manifests::on_change(&cx.settings);
    let (mut enqueued, mut wanted) = (0, 0);
    let known = Some((ledger, batch));
    let mut reading = cx.reading(&opened.manifest);
    walk(&opened.manifest, known, (on_change, prices), async |mut chunk| {
        reading.add(chunk.len() as u64);
        let (mut fresh, mut dearer, mut left_out) = (Vec::new(), Vec::new(), LeftOut::default());
        for row in &mut chunk {
            manifests::check_name(opened.manifest.batch(), row);
        }
        for row in chunk.into_iter().filter_map(|row| left_out.take(row)) {
            wanted += u64::from(row.costs);
            if !row.costs {
                continue;
            }
            let job = NewJob { spec: row.spec, price: row.price, invalid: None };
            match row.known {
                None => fresh.push(job),
                Some(known) if row.action == Action::Changed || known.follows_its_row() => {
                    ledger.rewrite(known.id, job).await?;
                }
                Some(known) => {
                    let other = job.price.filter(|price| known.price != Some(*price));
                    dearer.extend(other.map(|price| (known.id, price)));
                }
            }
        }
        if !dearer.is_empty() {
            ledger.reprice(dearer).await?;
        }
        enqueued += fresh.len() as u64;
        wanted += left_out.listed;
        if !left_out.pending.is_empty() {
            ledger.invalidate(left_out.pending).await?;
        }
        fresh.extend(left_out.fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        kill_point("chunk_due");
        ledger.enqueue(batch, fresh).await?;
        kill_point("enqueued");
        Ok(())
    })
    .await
    .map_err(manifests::explain)?;
    Ok((enqueued, wanted))
}

/// A row that is no longer in the manifest is no longer wanted: its job is canceled if nothing was
/// paid for it, and kept otherwise.
async fn take_out_removed(
    cx: &mut Context,
    ledger: &Ledger,
    (batch, opened): (BatchId, &Opened),
) -> anyhow::Result<()> {
    let mut removed = Vec::new();
    let mut reading = cx.reading(&opened.manifest);
    let (read, visit) = (|rows| reading.add(rows), |job: &JobView| removed.push(job.id));
    each_removed(&opened.manifest, (ledger, batch), &UNSENT, read, visit)
        .await
        .map_err(manifests::explain)?;
    drop(reading);
    if removed.is_empty() {
        return Ok(());
    }
    let mut canceled = 0;
    for some in removed.chunks(PAGE as usize) {
        canceled += ledger.take_out(some.to_vec()).await?;
    }
    writeln!(
        cx.err,
        "{}: {} whose rows are no longer in the manifest canceled before submission",
        text::visible(opened.manifest.batch()),
        text::count(canceled, "unsent job")
    )?;
    Ok(())
}

/// What was set aside is asked about once more: it is paid for, and asking is free.
async fn revive(ledger: &Ledger, batch: BatchId) -> anyhow::Result<()> {
    for state in [JobState::Quarantined, JobState::LostOutput] {
        let mut after = JobId(0);
        loop {
            let page = ledger.paid(state, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.job.id;
            for paid in page.iter().filter(|paid| paid.job.batch == batch) {
                ledger.poll_again(paid.job.id).await?;
            }
        }
    }
    Ok(())
}
