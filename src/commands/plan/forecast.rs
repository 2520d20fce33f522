//! What a plan will take, by what the ledger measured: time of each model, and room on the disk.

use crate::artifacts::{RESERVE, free_space_at};
use crate::domain::Origin;
use crate::ledger::Ledger;
use crate::plan::{Latencies, Latency, Summary};
use crate::settings::Settings;

/// Room on the disk: what the files to come will need, and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forecast {
    /// Bytes of the files to come, as far as files of their models were measured.
    pub(super) bytes: u64,
    /// How many jobs were measured.
    pub(super) measured: u64,
    /// Jobs to come of models that were not.
    pub(super) unmeasured: u64,
    /// What the disk of the output folder has; `None` where it cannot be asked.
    pub(super) free: Option<u64>,
}

impl Forecast {
    /// Whether the files will not fit beside what the ledger needs.
    pub(super) fn is_too_much(&self) -> bool {
        self.free.is_some_and(|free| free < self.bytes.saturating_add(RESERVE))
    }
}

/// How much room the files of a plan will need.
pub(super) async fn room(
    ledger: Option<&Ledger>,
    (origin, settings): (&Origin, &Settings),
    summary: &Summary,
) -> anyhow::Result<Forecast> {
    let mut forecast = Forecast { bytes: 0, measured: 0, unmeasured: 0, free: None };
    forecast.free = free_space_at(&settings.output_dir).await;
    let Some(ledger) = ledger else { return Ok(forecast) };
    for (model, jobs) in summary.jobs_by_model() {
        match ledger.sizes(origin, model).await? {
            Some(sizes) => {
                let bytes = sizes.mean.saturating_mul(jobs);
                forecast.bytes = forecast.bytes.saturating_add(bytes);
                forecast.measured += sizes.measured;
            }
            None => forecast.unmeasured += jobs,
        }
    }
    Ok(forecast)
}

/// How long the models of a plan took so far, by the ledger.
pub(super) async fn latencies(
    ledger: Option<&Ledger>,
    origin: &Origin,
    summary: &Summary,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new();
    let Some(ledger) = ledger else { return Ok(latencies) };
    for model in summary.jobs_by_model().into_keys() {
        let mut took = ledger.latencies(origin, model).await?;
        took.sort_unstable();
        let at =
            |tenth: usize| took.get((took.len() * tenth / 10).min(took.len().saturating_sub(1)));
        if let (Some(median), Some(p90)) = (at(5), at(9)) {
            let latency = Latency { median: *median, p90: *p90, measured: took.len() as u64 };
            latencies.insert(model.to_owned(), latency);
        }
    }
    Ok(latencies)
}
