//! `plan`: the dry run. Sends nothing that costs, creates nothing but the cache of quotes.

mod forecast;
mod lines;
mod tell;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use self::forecast::Forecast;
use self::lines::{Line, Lines};
use super::Context;
use super::context::Wrong;
use super::manifests::{self, Opened};
use super::simulate::{self, Simulation};
use super::sink;
use crate::artifacts::results_of;
use crate::catalog::Prices;
use crate::domain::{Digest, Micros};
use crate::exit::Exit;
use crate::ledger::{BatchId, JobView, Ledger};
use crate::plan::{self, Action, Fate, Latencies, Renamed, Renames, Room, Summary, Walked};

pub(super) use tell::{unclaimed_warnings, write_human};

/// Asking for prices and the balance may take so long; what is not answered then is not known.
const PATIENCE: Duration = Duration::from_secs(20);
/// Hex digits of a plan's hash that are shown.
const HASH_DIGITS: usize = 16;
/// Fewer digits could be those of another plan.
const SHORTEST_HASH: usize = 8;

/// What a plan found for one manifest.
pub(super) struct Planned {
    /// The batch's name.
    pub(super) batch: String,
    /// The figures.
    pub(super) summary: Summary,
    /// What the batch has spent so far.
    pub(super) spent: Micros,
    /// The cap that will hold.
    pub(super) budget: Option<Micros>,
    /// Results in the output folder that the ledger knows nothing of, where anything is to be submitted.
    unclaimed: usize,
    /// Jobs whose rows are no longer there.
    pub(super) removed: Removed,
    /// How long generations took so far.
    latencies: Latencies,
    /// Room that the files will need.
    room: Forecast,
    /// The rows and the jobs whose rows are gone, where they were asked for.
    lines: Lines,
}

/// Jobs of the ledger whose rows are no longer in the manifest.
#[derive(Default)]
pub(super) struct Removed {
    /// How many, by what becomes of them.
    fates: BTreeMap<Fate, u64>,
    /// New rows that ask for what these were paid for.
    renamed: Vec<Renamed>,
}

impl Removed {
    /// Whether there are jobs to cancel or to collect.
    pub(super) fn wants_a_run(&self) -> bool {
        self.fates.keys().any(|fate| *fate != Fate::Kept)
    }
}

/// How a plan is made.
#[derive(Default)]
pub(super) struct Asked {
    /// The simulator that stands in for the API.
    pub(super) simulation: Option<Simulation>,
    /// Ask for prices even without a key.
    pub(super) quote: bool,
    /// Keep every row.
    pub(super) rows: bool,
}

/// The plans of all manifests, and the prices they were made with.
pub(super) struct Plans {
    /// One for each manifest, in order.
    pub(super) batches: Vec<Planned>,
    /// The prices.
    pub(super) prices: Prices,
    /// What the account may still spend, where it was asked and said.
    pub(super) balance: Option<Micros>,
}

impl Plans {
    /// The hash over all of it, as it is shown.
    pub(super) fn hash(&self) -> String {
        let whole: Vec<u8> = self
            .batches
            .iter()
            .flat_map(|plan| plan.summary.hash(&plan.batch, plan.budget).0)
            .collect();
        Digest::of(&whole).hex()[..HASH_DIGITS].to_owned()
    }

    /// Whether the API was not asked for prices yet, as the manifests have mistakes.
    fn quotes_wait(&self) -> bool {
        self.prices.wants() && self.batches.iter().any(|plan| plan.summary.mistake_count > 0)
    }

    /// Refuses where the plan is no longer the one of this hash.
    pub(super) fn check(&self, wanted: Option<&str>) -> Result<(), Wrong> {
        let Some(wanted) = wanted else { return Ok(()) };
        let (now, wanted) = (self.hash(), wanted.trim());
        if wanted.len() < SHORTEST_HASH {
            return Err(Wrong(format!(
                "--plan takes at least {SHORTEST_HASH} digits of the hash that `nightreel plan` shows"
            )));
        }
        if now.starts_with(&wanted.to_ascii_lowercase()) {
            return Ok(());
        }
        Err(Wrong(format!(
            "the plan is another one now ({now}, not {wanted}): the manifest, the ledger, the budget or a \
             price has changed. Look at `nightreel plan` again"
        )))
    }
}

/// Prints the plan of every manifest.
pub(super) async fn plan(
    cx: &mut Context,
    opened: &[Opened],
    asked: &Asked,
    file: Option<&Path>,
) -> anyhow::Result<Exit> {
    let ledger = cx.ledger_to_plan().await?;
    let mut plans = all(cx, opened, ledger.as_ref(), asked).await?;
    if cx.settings.state_dir.is_dir()
        && let Err(error) = plans.prices.save()
    {
        cx.note(&format!("the API's quotes cannot be kept: {error}"))?;
    }
    let (is_json, settings) = (cx.json(), cx.settings.clone());
    let mut write = |out: &mut dyn Write| {
        if is_json {
            tell::write_json(out, &mut plans, &settings)
        } else {
            tell::write_all(out, &mut plans, &settings)
        }
    };
    match file {
        Some(path) => sink::write_plan(path, cx, &mut write)?,
        None => write(&mut cx.out)?,
    }
    let told_in_json = cx.json();
    for summary in plans.batches.iter().map(|plan| &plan.summary).filter(|_| !told_in_json) {
        for line in manifests::mistake_lines(&summary.mistakes, summary.mistake_count) {
            writeln!(cx.err, "{line}")?;
        }
    }
    let mistakes = plans.batches.iter().any(|plan| plan.summary.mistake_count > 0);
    Ok(if mistakes && !cx.settings.skip_invalid { Exit::Usage } else { Exit::Done })
}

/// Walks every manifest; and once more where the API was asked for better prices.
pub(super) async fn all(
    cx: &Context,
    opened: &[Opened],
    ledger: Option<&Ledger>,
    asked: &Asked,
) -> anyhow::Result<Plans> {
    let origin = manifests::origin(cx);
    let mut prices = Prices::read(&cx.settings.state_dir, origin.clone());
    if let Some(ledger) = ledger {
        prices.know_charges(ledger.dearer(&origin).await?);
    }
    let mut whole = Plans { batches: Vec::new(), prices, balance: None };
    walk_all(cx, opened, ledger, (asked, &mut whole)).await?;
    let mistakes = whole.batches.iter().any(|plan| plan.summary.mistake_count > 0);
    if (mistakes && !cx.settings.skip_invalid) || !whole.prices.wants() {
        return Ok(whole);
    }
    let simulation = asked.simulation.as_ref();
    if let Some((api, simulator)) = simulate::for_questions(simulation, asked.quote, cx).await? {
        let questions = async {
            whole.prices.ask(&api).await;
            whole.balance = api.balance().await.ok();
        };
        let late = tokio::time::timeout(PATIENCE, questions).await.is_err();
        if late {
            whole.prices.give_up("the API did not answer in time");
        }
        if let Some(simulator) = simulator {
            simulator.stop().await;
        }
        walk_all(cx, opened, ledger, (asked, &mut whole)).await?;
    }
    Ok(whole)
}

async fn walk_all(
    cx: &Context,
    opened: &[Opened],
    ledger: Option<&Ledger>,
    (asked, whole): (&Asked, &mut Plans),
) -> anyhow::Result<()> {
    whole.batches.clear();
    for manifest in opened {
        let plan = make(manifest, cx, ledger, (asked.rows, &mut whole.prices)).await?;
        whole.batches.push(plan);
    }
    Ok(())
}

/// Walks one manifest beside the ledger.
async fn make(
    opened: &Opened,
    cx: &Context,
    ledger: Option<&Ledger>,
    (rows, prices): (bool, &mut Prices),
) -> anyhow::Result<Planned> {
    let name = opened.manifest.batch().to_owned();
    let mut spent = Micros::ZERO;
    let mut known = None;
    if let Some(ledger) = ledger
        && let Some(view) = ledger.batches(std::slice::from_ref(&name)).await?.first()
    {
        manifests::check_origin(view, cx)?;
        spent = view.tally.spent();
        known = Some((ledger, view.id, view.tally.total()));
    }
    let budget = cx.settings.budget.or(opened.manifest.budget());
    let room = Room::of(budget.map(|budget| Micros(budget.0 - spent.0)));
    let mut tour = Tour::of(cx, opened, known, (rows, prices, room)).await?;
    if let Some(room) = tour.room.by_priority() {
        tour = Tour::of(cx, opened, known, (rows, prices, room)).await?;
    }
    let removed = match known {
        Some((ledger, batch, jobs)) if jobs > tour.known => {
            tour.removed(cx, opened, (ledger, batch)).await?
        }
        _ => Removed::default(),
    };
    let Tour { summary, lines, .. } = tour;
    let origin = manifests::origin(cx);
    let latencies = forecast::latencies(ledger, &origin, &summary).await?;
    let room = forecast::room(ledger, (&origin, &cx.settings), &summary).await?;
    let spends = summary.submissions() > 0;
    let unclaimed = if spends { unclaimed(cx, ledger, &name).await? } else { 0 };
    let batch = name;
    Ok(Planned { batch, summary, spent, budget, unclaimed, removed, latencies, room, lines })
}

/// A batch of the ledger, with the number of its jobs.
type KnownBatch<'a> = (&'a Ledger, BatchId, u64);

/// What one walk of a manifest found.
struct Tour {
    summary: Summary,
    lines: Lines,
    room: Room,
    /// Rows whose jobs the ledger has.
    known: u64,
    renames: Renames,
}

impl Tour {
    async fn of(
        cx: &Context,
        opened: &Opened,
        known: Option<KnownBatch<'_>>,
        (rows, prices, room): (bool, &mut Prices, Room),
    ) -> anyhow::Result<Self> {
        let lines = Lines::new(rows)?;
        let (summary, renames) = (Summary::default(), Renames::default());
        let mut tour = Self { summary, lines, room, known: 0, renames };
        let on_change = manifests::on_change(&cx.settings);
        let name = opened.manifest.batch();
        let mut reading = cx.reading(&opened.manifest);
        let beside = known.map(|(ledger, batch, _)| (ledger, batch));
        plan::walk(&opened.manifest, beside, (on_change, prices), async |mut chunk| {
            reading.add(chunk.len() as u64);
            for walked in &mut chunk {
                manifests::check_name(name, walked);
                tour.add(walked);
            }
            Ok(())
        })
        .await
        .map_err(manifests::explain)?;
        Ok(tour)
    }

    fn add(&mut self, walked: &mut Walked) {
        match walked {
            Ok(row) => {
                self.room.take(row);
                match row.known {
                    Some(_) => self.known += 1,
                    None => self.renames.note_new(&row.spec.request, &row.spec.key),
                }
            }
            Err(bad) => self.known += u64::from(bad.known.is_some()),
        }
        self.summary.add(walked);
        self.lines.push(|| line(walked));
    }

    /// Jobs of the ledger whose rows are gone.
    async fn removed(
        &mut self,
        cx: &Context,
        opened: &Opened,
        beside: (&Ledger, BatchId),
    ) -> anyhow::Result<Removed> {
        let mut removed = Removed::default();
        let mut renames = std::mem::take(&mut self.renames);
        let mut reading = cx.reading(&opened.manifest);
        let visit = |job: &JobView| {
            let fate = Fate::of(job.state);
            *removed.fates.entry(fate).or_default() += 1;
            renames.note_removed(job);
            self.summary.note_removed(&job.key, fate);
            self.lines.push(|| removed_line(job, fate));
        };
        plan::each_removed(&opened.manifest, beside, &[], |rows| reading.add(rows), visit)
            .await
            .map_err(manifests::explain)?;
        removed.renamed = renames.found();
        Ok(removed)
    }
}

/// How many results in the output folder the ledger knows nothing of: it is not the one they were
/// made with, or an older copy of it.
async fn unclaimed(cx: &Context, ledger: Option<&Ledger>, batch: &str) -> anyhow::Result<usize> {
    let results = results_of(&cx.settings.output_dir, batch);
    let Some(ledger) = ledger else { return Ok(results.len()) };
    let origin = manifests::origin(cx);
    let mut unclaimed = 0;
    for prediction in &results {
        unclaimed += usize::from(ledger.held(&origin, prediction).await?.is_none());
    }
    Ok(unclaimed)
}

fn line(walked: &Walked) -> Line {
    match walked {
        Ok(row) => Line {
            key: Some(row.spec.key.clone()),
            row: Some(row.spec.row),
            action: row.action.as_str().to_owned(),
            reason: row.reason.clone(),
            price: row.costs.then_some(row.price).flatten(),
        },
        Err(bad) => {
            let messages = bad.unread.mistakes.iter().map(|mistake| mistake.message.clone());
            Line {
                key: bad.unread.key.clone(),
                row: Some(bad.unread.row),
                action: Action::Invalid.as_str().to_owned(),
                reason: messages.collect::<Vec<_>>().join("; "),
                price: None,
            }
        }
    }
}

fn removed_line(job: &JobView, fate: Fate) -> Line {
    Line {
        key: Some(job.key.clone()),
        row: None,
        action: "removed".to_owned(),
        reason: format!("no longer in the manifest, {}; {}", job.state, fate.as_str()),
        price: None,
    }
}
