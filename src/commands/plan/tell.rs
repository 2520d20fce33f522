//! A plan, told: to people and as JSON.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::table::Table;
use super::{Planned, Plans};
use crate::catalog::BUILTIN_DATE;
use crate::domain::{Micros, clock, text};
use crate::plan::{Action, Fate};
use crate::settings::Settings;

/// All plans for people, with what holds for them together.
pub(super) fn write_all(
    out: &mut dyn Write,
    plans: &mut Plans,
    settings: &Settings,
) -> std::io::Result<()> {
    for plan in &mut plans.batches {
        plan.lines.write(out)?;
    }
    write_human(out, plans, settings)
}

/// What is to be said of results in the output folder that the ledger does not know.
pub(in super::super) fn unclaimed_warnings<'a>(
    plans: &'a Plans,
    settings: &'a Settings,
) -> impl Iterator<Item = String> + 'a {
    plans.batches.iter().filter(|plan| plan.unclaimed > 0).map(|plan| {
        format!(
            "{} of a batch {} in {}, and the ledger in {} does not know {}: what is planned may be \
             paid for again. Is --state-dir right, and no older copy?",
            text::count(plan.unclaimed as u64, "result"),
            text::visible(&plan.batch),
            settings.output_dir.display(),
            settings.state_dir.display(),
            if plan.unclaimed == 1 { "it" } else { "them" },
        )
    })
}

/// All plans for people, without their rows.
pub(in super::super) fn write_human(
    out: &mut dyn Write,
    plans: &Plans,
    settings: &Settings,
) -> std::io::Result<()> {
    for plan in &plans.batches {
        write_one(out, plan, settings)?;
    }
    for warning in unclaimed_warnings(plans, settings) {
        writeln!(out, "  WARNING: {warning}")?;
    }
    if plans.quotes_wait() {
        writeln!(out, "  the API is not asked for prices while there are mistakes")?;
    }
    for trouble in plans.prices.troubles() {
        writeln!(out, "  no quote, the next best price holds: {}", text::visible(&trouble))?;
    }
    write_balance(out, plans)?;
    let submits = plans.batches.iter().any(|plan| plan.summary.submissions() > 0);
    if submits {
        writeln!(
            out,
            "  this plan is {}; `run … --plan {0}` refuses to do anything else",
            plans.hash()
        )?;
    }
    Ok(())
}

fn write_balance(out: &mut dyn Write, plans: &Plans) -> std::io::Result<()> {
    let Some(balance) = plans.balance else { return Ok(()) };
    let total =
        plans.batches.iter().fold(Micros::ZERO, |sum, p| sum.saturating_add(p.summary.total()));
    let word = if total > balance { ": TOO LITTLE FOR ALL OF IT" } else { ", enough" };
    writeln!(out, "  balance {}{word}", balance.human())
}

fn estimate(plan: &Planned, settings: &Settings) -> Duration {
    let rpm = settings.rpm.map(std::num::NonZeroU32::get);
    plan.summary.duration((settings.concurrency.get(), rpm), &plan.latencies)
}

/// All plans as JSON (contract section 7). What has no end is written as it is read.
pub(super) fn write_json(
    out: &mut dyn Write,
    whole: &mut Plans,
    settings: &Settings,
) -> std::io::Result<()> {
    let errors: Vec<Value> =
        whole.batches.iter().flat_map(|plan| &plan.summary.mistakes).map(|m| json!(m)).collect();
    let (hash, troubles) = (whole.hash(), whole.prices.troubles());
    write!(out, "{{\"balance\":{},\"batches\":[", json!(whole.balance))?;
    for (number, plan) in whole.batches.iter_mut().enumerate() {
        let batch = batch_json(plan, settings).to_string();
        let comma = if number > 0 { "," } else { "" };
        if plan.lines.are_wanted() {
            write!(out, "{comma}{},\"jobs\":[", batch.strip_suffix('}').unwrap_or(&batch))?;
            plan.lines.write_json(out)?;
            write!(out, "]}}")?;
        } else {
            write!(out, "{comma}{batch}")?;
        }
    }
    let (errors, hash, troubles) = (json!(errors), json!(hash), json!(troubles));
    writeln!(out, "],\"errors\":{errors},\"hash\":{hash},\"troubles\":{troubles}}}")
}

fn batch_json(plan: &Planned, settings: &Settings) -> Value {
    let count = |action| plan.summary.rows.of(action);
    let by_model: Vec<Value> = plan
        .summary
        .by_model()
        .iter()
        .map(|cost| {
            json!({
                "model": cost.model, "jobs": cost.jobs, "unit_price": cost.unit_price,
                "total": cost.total, "source": cost.source,
            })
        })
        .collect();
    json!({
        "batch": plan.batch,
        "rows": {
            "total": plan.summary.rows.total(), "new": count(Action::New),
            "changed": count(Action::Changed), "done": count(Action::Done),
            "in_flight": count(Action::InFlight), "retry": count(Action::Retry),
            "unknown": count(Action::Unknown), "invalid": count(Action::Invalid),
            "failed": count(Action::Failed), "set_aside": count(Action::SetAside),
            "canceled": count(Action::Canceled), "over_budget": count(Action::OverBudget),
        },
        "cost": {
            "currency": "usd", "total": plan.summary.total(), "by_model": by_model,
            "over_budget": plan.summary.over_budget, "unpriced": plan.summary.unpriced(), "spent": plan.spent, "budget": plan.budget,
            "budget_ends": plan.summary.budget_ends.as_ref().map(|(row, key)| json!({ "row": row, "key": key })),
        },
        "unclaimed_results": plan.unclaimed,
        "removed": {
            "total": plan.removed.fates.values().sum::<u64>(), "by_fate": plan.removed.fates,
        },
        "renamed": plan.removed.renamed.iter().map(|renamed| {
            json!({ "key": renamed.key, "was": renamed.was, "state": renamed.state })
        }).collect::<Vec<_>>(),
        "disk": {
            "bytes": plan.room.bytes, "measured": plan.room.measured,
            "unmeasured": plan.room.unmeasured, "free": plan.room.free,
        },
        "duration_seconds": estimate(plan, settings).as_secs(),
    })
}

/// The plan of one manifest for people.
fn write_one(out: &mut dyn Write, plan: &Planned, settings: &Settings) -> std::io::Result<()> {
    let summary = &plan.summary;
    writeln!(out, "{}: {}", text::visible(&plan.batch), text::count(summary.rows.total(), "row"))?;
    let mut table = Table::default();
    for (action, meaning) in MEANINGS {
        let count = summary.rows.of(action);
        if count > 0 {
            table.row([action.as_str().replace('_', " "), count.to_string(), meaning.to_owned()]);
        }
    }
    table.write(out, "  ")?;
    write_removed(out, plan)?;
    let mut costs = Table::default();
    for cost in summary.by_model() {
        costs.row([
            text::visible(&cost.model),
            text::count(cost.jobs, "job"),
            cost.unit_price
                .map_or_else(|| "unpriced".to_owned(), |price| format!("× {}", price.human())),
            cost.unit_price.map_or_else(String::new, |_| format!("= {}", cost.total.human())),
            source(cost.source),
        ]);
    }
    costs.write(out, "  ")?;
    for (model, (stated, known)) in &summary.understated {
        writeln!(
            out,
            "  WARNING: the manifest says {} for {}, the built-in table of {BUILTIN_DATE} {}: the API \
             charges what it charges",
            stated.human(),
            text::visible(model),
            known.human()
        )?;
    }
    write_totals(out, plan, settings)
}

/// Renamed rows that are told one by one.
const RENAMED: usize = 10;

/// What becomes of jobs whose rows are gone, and which rows would be paid for again under another id.
fn write_removed(out: &mut dyn Write, plan: &Planned) -> std::io::Result<()> {
    let removed = &plan.removed;
    for (fate, count) in &removed.fates {
        let means = match fate {
            Fate::Canceled => "nothing was paid",
            Fate::Collected => "paid for",
            Fate::Kept => "as it is, with its files",
        };
        let (jobs, fate) = (text::count(*count, "job"), fate.as_str());
        writeln!(out, "  no longer in the manifest: {jobs} to be {fate} ({means})")?;
    }
    for renamed in removed.renamed.iter().take(RENAMED) {
        let (key, was) = (text::visible(&renamed.key), text::visible(&renamed.was));
        writeln!(
            out,
            "  WARNING: {key} asks for what {was} was, which is {} and no longer in the manifest: it \
             will be paid for again. Call it {was} to keep that",
            renamed.state
        )?;
    }
    match removed.renamed.len().saturating_sub(RENAMED) {
        0 => Ok(()),
        more => writeln!(out, "  WARNING: and {} like that", text::count(more as u64, "more row")),
    }
}

fn source(source: &str) -> String {
    match source {
        "built-in" => format!("built-in price of {BUILTIN_DATE}"),
        "manifest" => "price from the manifest".to_owned(),
        "quote" => "the API's quote".to_owned(),
        "ledger" => "the price they came in with".to_owned(),
        "charged" => "what the API charged of late, more than it was said to cost".to_owned(),
        _ => "nobody knows its price; the API decides".to_owned(),
    }
}

fn write_totals(out: &mut dyn Write, plan: &Planned, settings: &Settings) -> std::io::Result<()> {
    let summary = &plan.summary;
    let total = summary.total();
    write!(out, "  total {}", total.human())?;
    if summary.unpriced() > 0 {
        write!(out, " and {} WITHOUT A KNOWN PRICE", text::count(summary.unpriced(), "job"))?;
    }
    write!(out, ", {} spent so far", plan.spent.human())?;
    if let Some(budget) = plan.budget {
        let left = Micros((budget.0 - plan.spent.0).max(0));
        write!(out, ", {} of {} left", left.human(), budget.human())?;
        if let Some((row, key)) = &summary.budget_ends {
            let over = summary.over_budget.human();
            write!(
                out,
                ": THE BUDGET ENDS BEFORE ROW {row} ({}), {over} more does not fit",
                text::visible(key)
            )?;
        }
    }
    writeln!(out)?;
    if summary.submissions() > 0 {
        let uploads = &summary.media;
        let bytes: u64 = uploads.values().sum();
        writeln!(
            out,
            "  about {} at concurrency {} ({}), {} ({}) at most",
            clock::human(estimate(plan, settings)),
            settings.concurrency,
            measured(plan),
            text::count(uploads.len() as u64, "upload"),
            text::bytes(bytes),
        )?;
        write_room(out, plan)?;
    }
    Ok(())
}

/// What the files will need, as far as it was measured.
fn write_room(out: &mut dyn Write, plan: &Planned) -> std::io::Result<()> {
    let room = &plan.room;
    let Some(free) = room.free.filter(|_| room.measured > 0) else { return Ok(()) };
    let (bytes, free) = (text::bytes(room.bytes), text::bytes(free));
    write!(out, "  about {bytes} of files (of {} measured", text::count(room.measured, "job"))?;
    if room.unmeasured > 0 {
        write!(out, "; {} of other models not counted", text::count(room.unmeasured, "job"))?;
    }
    let much = if room.is_too_much() { ": THE DISK WILL BE FULL BEFORE THE END" } else { "" };
    writeln!(out, "), {free} free{much}")
}

/// What the estimate is from.
fn measured(plan: &Planned) -> String {
    let count: u64 = plan.latencies.values().map(|latency| latency.measured).sum();
    let slowest = plan.latencies.values().max_by_key(|latency| latency.median);
    match slowest {
        Some(latency) => format!(
            "of {count} measured: median {}, 90 % within {}",
            clock::human(latency.median),
            clock::human(latency.p90)
        ),
        None => "90 s a generation assumed".to_owned(),
    }
}

/// What each action means, in the order it is told.
const MEANINGS: [(Action, &str); 11] = [
    (Action::New, "will be submitted"),
    (Action::Retry, "will be submitted again"),
    (Action::Changed, "differ from the ledger's jobs of the same ids"),
    (Action::InFlight, "are paid for and will be collected"),
    (Action::Done, "are done"),
    (Action::OverBudget, "wait for a larger budget"),
    (Action::Failed, "failed for good; `nightreel requeue` gives them another chance"),
    (Action::Unknown, "may have been paid; looked up during the run"),
    (Action::SetAside, "were set aside; asked about again, for free"),
    (Action::Canceled, "are canceled"),
    (Action::Invalid, "have mistakes"),
];
