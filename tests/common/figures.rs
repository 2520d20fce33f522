//! The five figures that must be nothing after any crash or fault, judged by the simulator's book.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nightreel::domain::{JobState, Micros, Request};
use nightreel::ledger::{JobFilter, Ledger};

use crate::book::Book;
use crate::story::Story;

/// What went wrong, over any number of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    double_charges: usize,
    lost_ids: usize,
    lost_rows: usize,
    overrun: i64,
    wrong_files: usize,
    runs: usize,
}

/// A job as far as the judge needs it.
struct Known {
    prompt: String,
    open: bool,
    predictions: BTreeSet<String>,
    again: usize,
}

impl Figures {
    /// Judges a story of `rows` rows after its last run.
    pub(crate) fn judge(story: &Story, book: &Book, rows: usize, budget: Option<Micros>) -> Self {
        let known = known(story);
        let by_prompt: BTreeMap<&str, &Known> =
            known.iter().map(|job| (job.prompt.as_str(), job)).collect();
        let mut double_charges = 0;
        for (prompt, kept) in book.kept() {
            let again = by_prompt.get(&*prompt).map_or(0, |job| job.again);
            double_charges += kept.saturating_sub(1 + again);
        }
        let refunds = book.refunds();
        let lost_ids = book
            .charges()
            .filter(|charge| !refunds.contains(&*charge.prediction))
            .filter(|charge| {
                let body: serde_json::Value = serde_json::from_str(&charge.body).unwrap();
                let job = by_prompt.get(body["prompt"].as_str().unwrap_or_default());
                job.is_none_or(|job| !job.open && !job.predictions.contains(&charge.prediction))
            })
            .count();
        let spent: i64 = book
            .charges()
            .filter(|charge| !refunds.contains(&*charge.prediction))
            .map(|charge| charge.price.0)
            .sum();
        Self {
            double_charges,
            lost_ids,
            lost_rows: rows.saturating_sub(known.len()),
            overrun: budget.map_or(0, |budget| (spent - budget.0).max(0)),
            wrong_files: wrong_files(story),
            runs: 1,
        }
    }

    /// Adds another story's figures.
    pub(crate) fn add(&mut self, other: Self) {
        self.double_charges += other.double_charges;
        self.lost_ids += other.lost_ids;
        self.lost_rows += other.lost_rows;
        self.overrun += other.overrun;
        self.wrong_files += other.wrong_files;
        self.runs += other.runs;
    }

    /// Whether nothing at all went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        *self == Self { runs: self.runs, ..Self::default() }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "double charges {} / lost ids {} / lost rows {} / budget overrun {} / wrong files {} ({} runs)",
            self.double_charges,
            self.lost_ids,
            self.lost_rows,
            Micros(self.overrun).human(),
            self.wrong_files,
            self.runs
        )
    }
}

/// Every job of the ledger, with its attempts.
fn known(story: &Story) -> Vec<Known> {
    let path = story.path("state/ledger.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(ledger) = Ledger::read(&path).await.unwrap() else { return Vec::new() };
        let mut known = Vec::new();
        for job in ledger.jobs(&JobFilter::default(), u32::MAX).await.unwrap() {
            let attempts = ledger.attempts(job.id).await.unwrap();
            known.push(Known {
                prompt: Request::from_canonical(&job.request)
                    .and_then(|request| request.prompt().map(str::to_owned))
                    .unwrap_or_default(),
                open: matches!(job.state, JobState::Unknown | JobState::Submitting),
                predictions: attempts
                    .iter()
                    .filter_map(|attempt| attempt.prediction.as_ref().map(ToString::to_string))
                    .collect(),
                again: attempts.iter().filter(|attempt| attempt.pays_again).count(),
            });
        }
        ledger.close().await;
        known
    })
}

/// Files of done jobs that are not as recorded, and files under final names that nobody recorded.
fn wrong_files(story: &Story) -> usize {
    let verified = story.nightreel(["verify", "--format", "json"]).end();
    let last = verified.out.lines().last().unwrap_or("{}");
    let bad = serde_json::from_str::<serde_json::Value>(last).unwrap()["bad"].as_u64().unwrap_or(0);
    let done: BTreeSet<String> = story
        .list()
        .iter()
        .flat_map(|job| job["artifacts"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file["path"].as_str().map(str::to_owned))
        .collect();
    let stray = story.files("outputs").into_iter().filter(|name| {
        let hidden = name.rsplit('/').next().is_some_and(|file| file.starts_with('.'));
        !hidden
            && Path::new(name).extension().is_none_or(|it| it != "json" && it != "suspect")
            && !done.contains(name)
    });
    usize::try_from(bad).unwrap() + stray.count()
}
