//! What is not done, by cause, with what to do about each: the words and the exact commands.

use serde_json::{Value, json};

use super::commands::{Commands, KEYS};
use super::inert::shown;
use crate::domain::JobState;
use crate::ledger::{BatchView, Cause, JobId, Ledger, Result};

/// What was said of one cause that is shown; the rest is counted.
const MESSAGES: u32 = 5;
/// Jobs that need a decision each and are shown with the commands for it; the rest is listed.
const DECISIONS: u32 = 50;
/// Commands that name jobs, for one cause.
const COMMANDS: usize = 25;

/// Classes of trouble that the same request would meet again.
const HOPELESS: [&str; 6] =
    ["invalid_request", "moderation", "not_found", "not_permitted", "region_blocked", "too_large"];

/// One thing to do.
struct Step {
    says: &'static str,
    commands: Vec<String>,
}

impl Step {
    fn new(says: &'static str, commands: impl IntoIterator<Item = String>) -> Self {
        Self { says, commands: commands.into_iter().collect() }
    }
}

/// A cause as the page shows it.
pub(super) async fn of(
    ledger: &Ledger,
    batch: &BatchView,
    commands: &Commands<'_>,
    cause: &Cause,
) -> Result<Value> {
    let messages = match cause.state {
        JobState::Pending => Vec::new(),
        _ => ledger.messages(batch.id, cause, MESSAGES).await?,
    };
    let keys = Keys { ledger, batch, cause };
    let steps = match cause.state {
        JobState::Failed => failed(&keys, commands).await?,
        JobState::Unknown => unknown(&keys, commands).await?,
        JobState::Quarantined | JobState::LostOutput => set_aside(&keys, commands).await?,
        JobState::Invalid => invalid(commands),
        _ => vec![Step::new("They go on where they stopped:", commands.run(&[]))],
    };
    let steps: Vec<Value> =
        steps.iter().map(|step| json!({ "says": step.says, "commands": step.commands })).collect();
    Ok(json!({
        "state": cause.state,
        "class": cause.class.as_deref().map(shown),
        "jobs": cause.jobs,
        "messages": messages.iter().map(|(said, jobs)| json!([shown(said), jobs])).collect::<Vec<_>>(),
        "steps": steps,
    }))
}

/// The keys of a cause's jobs.
struct Keys<'a> {
    ledger: &'a Ledger,
    batch: &'a BatchView,
    cause: &'a Cause,
}

impl Keys<'_> {
    async fn page(&self, after: JobId, limit: u32) -> Result<Vec<(JobId, String)>> {
        self.ledger.keys(self.batch.id, self.cause, after, limit).await
    }

    /// Whether no other job of the batch is in this state.
    fn are_all(&self) -> bool {
        self.batch.tally.count(self.cause.state) == self.cause.jobs
    }

    /// `make` of all keys, in portions; `None` where that would be too many to paste.
    async fn portions(&self, make: impl Fn(&[String]) -> String) -> Result<Option<Vec<String>>> {
        let (mut portions, mut after) = (Vec::new(), JobId(0));
        loop {
            let page = self.page(after, KEYS).await?;
            let Some((last, _)) = page.last() else { return Ok(Some(portions)) };
            if portions.len() == COMMANDS {
                return Ok(None);
            }
            after = *last;
            let keys: Vec<String> = page.into_iter().map(|(_, key)| key).collect();
            portions.push(make(&keys));
        }
    }
}

async fn failed(keys: &Keys<'_>, commands: &Commands<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    if keys.cause.class.as_deref().is_some_and(|class| HOPELESS.contains(&class)) {
        let says = "The same request would be refused again: change these rows in the manifest, \
             then run it. Rows that keep their id are made anew:";
        steps.push(Step::new(says, commands.run(&["--changed", "rerun"])));
        let says = "Or, if it was not the rows, give them another chance as they are:";
        steps.push(Step::new(says, requeue(keys, commands).await?));
        return Ok(steps);
    }
    let says = "Give them another chance; nothing is sent yet:";
    steps.push(Step::new(says, requeue(keys, commands).await?));
    steps.push(Step::new("Then submit them:", commands.run(&[])));
    Ok(steps)
}

async fn requeue(keys: &Keys<'_>, commands: &Commands<'_>) -> Result<Vec<String>> {
    if keys.are_all() {
        return Ok(vec![commands.requeue_failed()]);
    }
    let portions = keys.portions(|some| commands.requeue(some, false)).await?;
    Ok(portions.unwrap_or_else(|| vec![commands.requeue_failed()]))
}

async fn unknown(keys: &Keys<'_>, commands: &Commands<'_>) -> Result<Vec<Step>> {
    let mut steps = vec![Step::new(
        "Nobody knows whether these were paid. Ask the API's history again, for free:",
        [commands.ask_again()],
    )];
    let shown = keys.page(JobId(0), DECISIONS).await?;
    let decide = |flag: &'static str, end: &str| {
        let each = shown.iter().map(|(_, key)| commands.decide(flag, &(commands.job(key) + end)));
        each.collect::<Vec<_>>()
    };
    steps.push(Step::new(
        "If you find the task in your account, name its id, and its result is fetched:",
        decide("--adopt", "=PREDICTION_ID"),
    ));
    steps
        .push(Step::new("If it never arrived, it may be submitted again:", decide("--absent", "")));
    steps.push(Step::new(
        "If it was charged and is gone, its money counts as spent:",
        decide("--charged", ""),
    ));
    if keys.cause.jobs > u64::from(DECISIONS) {
        let says = "These are the first ones only; all of them:";
        steps.push(Step::new(says, [commands.list("unknown")]));
    }
    Ok(steps)
}

async fn set_aside(keys: &Keys<'_>, commands: &Commands<'_>) -> Result<Vec<Step>> {
    let mut steps = vec![
        Step::new("These are paid. Ask for their results again, for free:", [commands.ask_again()]),
        Step::new("What was found is fetched by the next run:", commands.run(&[])),
    ];
    if let Some(again) = keys.portions(|some| commands.requeue(some, true)).await? {
        steps.push(Step::new("Or give them up and pay again for new ones:", again));
    }
    Ok(steps)
}

fn invalid(commands: &Commands<'_>) -> Vec<Step> {
    vec![
        Step::new("These rows have mistakes; all of them are told by:", commands.plan()),
        Step::new("Correct them, then:", commands.run(&["--changed", "rerun"])),
    ]
}
