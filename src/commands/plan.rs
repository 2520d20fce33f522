//! `plan`: the dry run. Sends nothing, creates nothing.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use super::manifests::{self, Opened};
use super::table::Table;
use crate::catalog::BUILTIN_DATE;
use crate::domain::{Micros, clock, text};
use crate::exit::Exit;
use crate::ledger::Ledger;
use crate::plan::{self, Action, PlannedRow, Summary};
use crate::settings::Settings;

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
    /// The rows, where they were asked for.
    pub(super) rows: Vec<RowLine>,
}

/// A row of the plan, as it is told.
pub(super) struct RowLine {
    key: String,
    action: Action,
    reason: String,
    price: Option<Micros>,
}

/// Prints the plan of every manifest.
pub(super) async fn plan(cx: &mut Context, opened: &[Opened], rows: bool) -> anyhow::Result<Exit> {
    let ledger = cx.read_ledger().await?;
    let mut plans = Vec::new();
    for manifest in opened {
        plans.push(make(manifest, cx, ledger.as_ref(), rows).await?);
    }
    if cx.json() {
        writeln!(cx.out, "{}", to_json(&plans, &cx.settings, rows))?;
    } else {
        for plan in &plans {
            write_rows(cx, plan)?;
            write_human(&mut cx.out, plan, &cx.settings)?;
            let summary = &plan.summary;
            for line in manifests::mistake_lines(&summary.mistakes, summary.mistake_count) {
                writeln!(cx.err, "{line}")?;
            }
        }
    }
    let mistakes = plans.iter().any(|plan| plan.summary.mistake_count > 0);
    Ok(if mistakes && !cx.settings.skip_invalid { Exit::Usage } else { Exit::Done })
}

/// Walks one manifest beside the ledger.
pub(super) async fn make(
    opened: &Opened,
    cx: &Context,
    ledger: Option<&Ledger>,
    rows: bool,
) -> anyhow::Result<Planned> {
    let name = opened.manifest.batch().to_owned();
    let mut spent = Micros::ZERO;
    let mut known = None;
    if let Some(ledger) = ledger
        && let Some(view) = ledger.batches(std::slice::from_ref(&name)).await?.first()
    {
        manifests::check_origin(view, cx)?;
        spent = view.tally.spent();
        known = Some((ledger, view.id));
    }
    let mut summary = Summary::default();
    let mut lines = Vec::new();
    let on_change = manifests::on_change(&cx.settings);
    plan::walk(&opened.manifest, known, on_change, async |mut chunk| {
        for walked in &mut chunk {
            manifests::check_name(&name, walked);
            summary.add(walked);
            if let (true, Ok(row)) = (rows, walked) {
                lines.push(line(row));
            }
        }
        Ok(())
    })
    .await
    .map_err(manifests::explain)?;
    let budget = cx.settings.budget.or(opened.manifest.budget());
    Ok(Planned { batch: name, summary, spent, budget, rows: lines })
}

fn line(row: &PlannedRow) -> RowLine {
    RowLine {
        key: row.spec.key.clone(),
        action: row.action,
        reason: row.reason.clone(),
        price: row.costs.then_some(row.price).flatten(),
    }
}

fn estimate(plan: &Planned, settings: &Settings) -> Duration {
    let rpm = settings.rpm.map(std::num::NonZeroU32::get);
    plan.summary.duration(settings.concurrency.get(), rpm)
}

fn to_json(plans: &[Planned], settings: &Settings, rows: bool) -> Value {
    let batches: Vec<Value> = plans.iter().map(|plan| batch_json(plan, settings, rows)).collect();
    let errors: Vec<Value> =
        plans.iter().flat_map(|plan| &plan.summary.mistakes).map(|m| json!(m)).collect();
    json!({ "batches": batches, "errors": errors })
}

fn batch_json(plan: &Planned, settings: &Settings, rows: bool) -> Value {
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
    let mut batch = json!({
        "batch": plan.batch,
        "rows": {
            "total": plan.summary.rows.total(), "new": count(Action::New),
            "changed": count(Action::Changed), "done": count(Action::Done),
            "in_flight": count(Action::InFlight), "retry": count(Action::Retry),
            "unknown": count(Action::Unknown), "invalid": count(Action::Invalid),
            "failed": count(Action::Failed), "set_aside": count(Action::SetAside),
            "canceled": count(Action::Canceled),
        },
        "cost": {
            "currency": "usd", "total": plan.summary.total(), "by_model": by_model,
            "unpriced": plan.summary.unpriced(), "spent": plan.spent,
        },
        "duration_seconds": estimate(plan, settings).as_secs(),
    });
    if rows {
        batch["jobs"] = plan.rows.iter().map(|row| {
            json!({ "key": row.key, "action": row.action, "reason": row.reason, "price": row.price })
        }).collect();
    }
    batch
}

fn write_rows(cx: &mut Context, plan: &Planned) -> anyhow::Result<()> {
    let mut table = Table::default();
    for row in &plan.rows {
        table.row([
            text::visible(&row.key),
            row.action.as_str().to_owned(),
            row.price.map_or_else(|| "-".to_owned(), Micros::human),
            text::cut(&text::visible(&row.reason), 120),
        ]);
    }
    Ok(table.write(&mut cx.out, "")?)
}

/// The plan of one manifest for people.
pub(super) fn write_human(
    out: &mut dyn Write,
    plan: &Planned,
    settings: &Settings,
) -> std::io::Result<()> {
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
    write_totals(out, plan, settings)
}

fn source(source: &str) -> String {
    match source {
        "built-in" => format!("built-in price of {BUILTIN_DATE}"),
        "manifest" => "price from the manifest".to_owned(),
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
        if total > left {
            write!(out, ": THE BUDGET ENDS FIRST")?;
        }
    }
    writeln!(out)?;
    if summary.submissions() > 0 {
        let uploads = &summary.media;
        let bytes: u64 = uploads.values().sum();
        writeln!(
            out,
            "  about {} at concurrency {} (90 s a generation assumed), {} ({}) at most",
            clock::human(estimate(plan, settings)),
            settings.concurrency,
            text::count(uploads.len() as u64, "upload"),
            text::bytes(bytes),
        )?;
    }
    Ok(())
}

/// What each action means, in the order it is told.
const MEANINGS: [(Action, &str); 10] = [
    (Action::New, "will be submitted"),
    (Action::Retry, "will be submitted again"),
    (Action::Changed, "differ from the ledger's jobs of the same ids"),
    (Action::InFlight, "are paid for and will be collected"),
    (Action::Done, "are done"),
    (Action::Failed, "failed for good; `nightreel requeue` gives them another chance"),
    (Action::Unknown, "may have been paid; looked up during the run"),
    (Action::SetAside, "were set aside; asked about again, for free"),
    (Action::Canceled, "are canceled"),
    (Action::Invalid, "have mistakes"),
];
