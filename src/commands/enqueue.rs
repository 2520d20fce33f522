//! Rows of the manifests into the ledger: new ones come in, changed ones are rewritten where that was
//! asked for, and pending jobs whose rows are gone are taken out. What is paid for is never touched.

use super::context::Context;
use super::manifests::{self, Opened};
use super::plan::Planned;
use crate::catalog::Prices;
use crate::domain::{JobState, Origin, kill_point, text};
use crate::ledger::{BatchId, JobId, JobView, Ledger, NewBatch, NewJob};
use crate::plan::{Action, WalkError, each_removed, walk};

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
        let whole = plan.summary.rows.of(Action::Invalid) == 0;
        if whole && pending(ledger, &plan.batch).await? > wanted {
            take_out_removed(cx, ledger, (id, opened)).await?;
        }
        revive(ledger, id).await?;
        batches.push((id, plan.batch.clone()));
    }
    Ok((batches, news))
}

async fn pending(ledger: &Ledger, batch: &str) -> anyhow::Result<u64> {
    let views = ledger.batches(&[batch.to_owned()]).await?;
    Ok(views.iter().map(|view| view.tally.count(JobState::Pending)).sum())
}

/// Returns how many jobs are new, and how many pending ones the manifest wants.
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
        let (mut fresh, mut dearer) = (Vec::new(), Vec::new());
        for row in &mut chunk {
            manifests::check_name(opened.manifest.batch(), row);
        }
        for row in chunk.into_iter().flatten() {
            let is_pending = row.known.as_ref().is_some_and(|k| k.state == JobState::Pending);
            wanted += u64::from(is_pending || row.costs);
            if !row.costs || !row.mistakes.is_empty() {
                continue;
            }
            let row = *row;
            let job = NewJob { spec: row.spec, price: row.price, invalid: None };
            match row.known {
                None => fresh.push(job),
                Some(known)
                    if row.action == Action::Changed
                        || matches!(known.state, JobState::Invalid | JobState::Canceled) =>
                {
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
    each_removed(&opened.manifest, (ledger, batch), &[JobState::Pending], read, visit)
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
        text::count(canceled, "pending job")
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
