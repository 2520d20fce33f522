//! What an operator asks of the run while it goes on, by way of the ledger: pause, resume, another
//! concurrency or budget.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::domain::{EventKind, text};
use crate::ledger::{Control, Error, Live};

/// How often the run looks.
const LOOK: Duration = Duration::from_millis(500);

/// What was asked of an earlier run is not asked of this one.
pub(super) async fn begin(shared: &Shared) -> Result<(), Error> {
    for (asked, _) in shared.ledger.asked().await? {
        shared.ledger.answer(asked, "the run it was meant for has ended").await?;
    }
    shared.ledger.show_live(live(shared)).await
}

/// Carries out what is asked until the run is to end.
pub(super) async fn lane(shared: Arc<Shared>) -> Result<(), Error> {
    let mut shown = live(&shared);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shared.gate.leaving() => return Ok(()),
        }
        for (asked, control) in shared.ledger.asked().await? {
            let said = carry_out(&shared, control).await?;
            tracing::info!(?control, said, "asked by the operator");
            shared.ledger.answer(asked, &said).await?;
        }
        let now = live(&shared);
        if now != shown {
            shared.ledger.show_live(now).await?;
            shown = now;
        }
    }
}

fn live(shared: &Shared) -> Live {
    let (_, concurrency) = shared.slots.figures();
    let (run, allowed) = (shared.run, shared.slots.allowed());
    Live { run, paused: shared.gate.is_paused(), concurrency, allowed }
}

async fn carry_out(shared: &Shared, control: Control) -> Result<String, Error> {
    Ok(match control {
        Control::Pause => {
            shared.gate.pause();
            let reason = "paused by the operator; what is paid is still collected".to_owned();
            shared.tell(EventKind::RunPaused { reason }).await;
            "paused: nothing more is submitted, what is paid is still collected".to_owned()
        }
        Control::Resume if !shared.gate.is_open() => {
            "submitting has stopped for good; run the same command again".to_owned()
        }
        Control::Resume => {
            shared.gate.resume();
            tell_limit(shared, "submitting", 1, "resumed by the operator").await;
            shared.wake_all();
            "resumed".to_owned()
        }
        Control::Concurrency(most) => {
            shared.slots.allow(most.into());
            tell_limit(shared, "concurrency", most.into(), "set by the operator").await;
            format!("{} in flight at most", text::count(most.into(), "prediction"))
        }
        Control::Budget(batch, cap) => {
            shared.ledger.set_budget(batch, cap).await?;
            shared.resync().await?;
            shared.unblock(batch);
            shared.wake_all();
            cap.map_or_else(|| "no budget".to_owned(), |cap| format!("a budget of {}", cap.human()))
        }
        Control::Look => {
            shared.resync().await?;
            shared.wake_all();
            "looked".to_owned()
        }
    })
}

async fn tell_limit(shared: &Shared, limit: &str, value: u64, reason: &str) {
    let (limit, reason) = (limit.to_owned(), reason.to_owned());
    shared.tell(EventKind::LimitChanged { limit, value, reason }).await;
}
