//! `status`: counts by state and money of each batch, from the ledger alone, beside a running run.

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::Context;
use super::table::Table;
use crate::domain::state::Account;
use crate::domain::{JobState, clock, text};
use crate::exit::Exit;
use crate::ledger::{BatchView, Charged};
use crate::runner::Signals;

/// How often `--watch` tells.
const AGAIN: Duration = Duration::from_secs(2);

/// Prints the figures of the named batches, or of all.
pub(super) async fn status(cx: &mut Context, batches: &[String]) -> anyhow::Result<Exit> {
    let Some(ledger) = cx.read_ledger().await? else {
        return cx.no_ledger(&json!({ "batches": [] }));
    };
    for name in batches {
        cx.batch(&ledger, name).await?;
    }
    let views = ledger.batches(batches).await?;
    if cx.json() {
        let line = json!({ "batches": views.iter().map(batch_json).collect::<Vec<_>>() });
        writeln!(cx.out, "{line}")?;
    } else {
        write_human(&mut cx.out, &views)?;
    }
    Ok(Exit::Done)
}

/// The same again and again, until a signal comes. On a terminal each time in the place of the last.
pub(super) async fn watch(cx: &mut Context, batches: &[String]) -> anyhow::Result<Exit> {
    let mut signals = Signals::listen()?;
    let clears = !cx.json() && std::io::stdout().is_terminal();
    loop {
        if clears {
            // To the upper left corner, and nothing below it (ECMA-48: CUP, ED).
            write!(cx.out, "\x1b[H\x1b[J")?;
        }
        status(cx, batches).await?;
        cx.out.flush()?;
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            _ = signals.next() => return Ok(Exit::Done),
        }
    }
}

/// A batch in the contract's JSON (section 7).
#[must_use]
pub(super) fn batch_json(view: &BatchView) -> Value {
    let mut jobs = serde_json::Map::new();
    jobs.insert("total".to_owned(), view.tally.total().into());
    for state in JobState::ALL {
        jobs.insert(state.as_str().to_owned(), view.tally.count(state).into());
    }
    let money = |account| view.tally.account(account);
    json!({
        "batch": view.name,
        "manifest": view.manifest,
        "jobs": jobs,
        "money": {
            "currency": "usd",
            "committed": money(Account::Committed),
            "reserved": money(Account::Reserved),
            "unknown": money(Account::Unknown),
            "released": money(Account::Released),
            "budget": view.tally.budget,
        },
        "charged": view.charged.iter().map(charged_json).collect::<Vec<_>>(),
        "paid_again": { "decisions": view.paid_again.1, "at_most": view.paid_again.0 },
        "attempts": view.attempts,
        "artifacts": { "files": view.files, "bytes": view.bytes },
        "first_at": view.first_at.map(clock::utc),
        "last_at": view.last_at.map(clock::utc),
    })
}

fn charged_json(charged: &Charged) -> Value {
    json!({
        "model": charged.model, "stated": charged.stated, "unstated": charged.unstated,
        "reserved": charged.reserved, "charged": charged.charged,
    })
}

/// The same for people.
pub(super) fn write_human(out: &mut dyn Write, views: &[BatchView]) -> std::io::Result<()> {
    for (index, view) in views.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_batch(out, view)?;
    }
    if views.is_empty() {
        writeln!(out, "no batches yet; start with `nightreel run MANIFEST`")?;
    }
    Ok(())
}

fn write_batch(out: &mut dyn Write, view: &BatchView) -> std::io::Result<()> {
    let tally = &view.tally;
    writeln!(
        out,
        "{} ({}): {} of {} done",
        text::visible(&view.name),
        text::visible(&view.manifest),
        tally.count(JobState::Done),
        text::count(tally.total(), "job"),
    )?;
    let mut table = Table::default();
    for state in JobState::ALL.into_iter().filter(|state| tally.count(*state) > 0) {
        table.row([
            state.as_str().to_owned(),
            tally.count(state).to_string(),
            meaning(state).to_owned(),
        ]);
    }
    table.write(out, "  ")?;
    write_money(out, view)?;
    if let (most, count @ 1..) = view.paid_again {
        let decisions = text::count(count, "decision");
        writeln!(out, "  {decisions} to pay again, {} of that perhaps paid twice", most.human())?;
    }
    for charged in &view.charged {
        write_drift(out, charged)?;
    }
    if let (Some(first), Some(last)) = (view.first_at, view.last_at) {
        writeln!(
            out,
            "  {} in {}, first submission {}, last change {}",
            text::count(view.files, "file"),
            text::bytes(view.bytes),
            clock::local(first),
            clock::local(last)
        )?;
    }
    Ok(())
}

fn write_money(out: &mut dyn Write, view: &BatchView) -> std::io::Result<()> {
    let tally = &view.tally;
    let money = |account| tally.account(account).human();
    write!(out, "  {} spent", tally.spent().human())?;
    if let Some(budget) = tally.budget {
        write!(out, " of {}", budget.human())?;
    }
    writeln!(
        out,
        ": {} committed, {} reserved, {} unknown; {} released; {}",
        money(Account::Committed),
        money(Account::Reserved),
        money(Account::Unknown),
        money(Account::Released),
        text::count(view.attempts, "attempt"),
    )
}

/// What was reserved is no news; what was charged otherwise is.
fn write_drift(out: &mut dyn Write, charged: &Charged) -> std::io::Result<()> {
    if charged.reserved == charged.charged {
        return Ok(());
    }
    writeln!(
        out,
        "  {}: {} reserved, {} charged for {}: THE PRICE IS ANOTHER ONE",
        text::visible(&charged.model),
        charged.reserved.human(),
        charged.charged.human(),
        text::count(charged.stated, "generation"),
    )
}

/// What a state means to the person who reads it.
#[must_use]
pub(super) fn meaning(state: JobState) -> &'static str {
    match state {
        JobState::Pending => "waits to be submitted",
        JobState::Submitting => "is being sent",
        JobState::Submitted => "is generated at the API",
        JobState::Ready => "is generated, to be downloaded",
        JobState::Storing => "is being stored",
        JobState::Done => "files are in place",
        JobState::Failed => "refused or failed for good; `nightreel requeue` tries again",
        JobState::Unknown => "may have been paid; `nightreel resolve`",
        JobState::LostOutput => "paid, but its output cannot be fetched; `nightreel resolve`",
        JobState::Quarantined => "set aside: too long, or odd answers; `nightreel resolve`",
        JobState::Canceled => "canceled before it was submitted",
        JobState::Invalid => "its row has a mistake",
    }
}
