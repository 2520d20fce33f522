//! What changes in a batch, sent to the page as it happens (Server-Sent Events, HTML 9.2): the figures,
//! and every job that is not what it was. The ledger is read only when its files have changed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Desk;
use super::pages::{Refused, broken, no_batch};
use crate::domain::{Timestamp, clock};
use crate::ledger::{BatchView, Changed, Error, JobId, running};
use crate::report::{self, Links};

/// The least time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// A look may take this part of the time at most: large ledgers are looked at less often.
const SHARE: u32 = 20;
/// Causes and pictures are sent anew this often at most.
const WHOLE: Duration = Duration::from_secs(4);
/// Jobs in one message at most.
const PAGE: u32 = 500;
/// A change is committed a little after the moment it bears: so far back is looked again.
const OVERLAP: Duration = Duration::from_secs(5);

/// Which batch is watched, and since when.
#[derive(Deserialize)]
pub(super) struct Wanted {
    batch: i64,
    /// Unix milliseconds: when the page was made.
    since: i64,
}

/// The stream of a batch's changes.
pub(super) async fn stream(
    State(desk): State<Arc<Desk>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refused> {
    let Ok(permit) = Arc::clone(&desk.watchers).try_acquire_owned() else {
        return Err((StatusCode::SERVICE_UNAVAILABLE, "nightreel: too many pages\n".to_owned()));
    };
    let all = desk.options.ledger.batch_names().await.map_err(|error| broken(&error))?;
    let Some((_, name)) = all.into_iter().find(|(id, _)| id.0 == wanted.batch) else {
        return Err(no_batch());
    };
    // A browser that comes back says what it heard last.
    let heard = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let watch = Watch {
        since: back(clock::from_millis(heard.unwrap_or(wanted.since))),
        name,
        sent: HashMap::new(),
        seen: None,
        stale: false,
        state: String::new(),
        whole_at: None,
        rest: Duration::ZERO,
        stop: desk.stop.clone(),
        desk,
        _permit: permit,
    };
    let changes = stream::unfold(watch, |mut watch| async move {
        let events = watch.next().await?;
        Some((stream::iter(events.into_iter().map(Ok)), watch))
    });
    Ok(Sse::new(changes.flatten()).keep_alive(KeepAlive::default()))
}

/// One page that watches.
struct Watch {
    desk: Arc<Desk>,
    name: String,
    /// Changes before this were sent.
    since: Timestamp,
    /// What was sent of the time that is looked at again.
    sent: HashMap<JobId, Timestamp>,
    /// The ledger's files and the owner, as of the last look.
    seen: Option<(Stamp, Option<String>)>,
    /// Whether causes and pictures are older than the ledger.
    stale: bool,
    state: String,
    whole_at: Option<Instant>,
    rest: Duration,
    stop: tokio_util::sync::CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// What is new after a while; `None` once the dashboard ends.
    async fn next(&mut self) -> Option<Vec<Event>> {
        tokio::select! {
            () = tokio::time::sleep(self.rest) => {}
            () = self.stop.cancelled() => return None,
        }
        let begun = Instant::now();
        let events = self.look().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the dashboard cannot read the ledger");
            Vec::new()
        });
        self.rest = LOOK.max(begun.elapsed() * SHARE);
        Some(events)
    }

    async fn look(&mut self) -> Result<Vec<Event>, Error> {
        let Desk { options, .. } = &*self.desk;
        let now = Some((Stamp::of(&options.ledger_path), running(&options.state_dir)));
        let news = now != self.seen;
        self.stale |= news;
        let whole = self.stale && self.whole_at.is_none_or(|at| at.elapsed() >= WHOLE);
        if !news && !whole {
            return Ok(Vec::new());
        }
        let batches = self.desk.options.ledger.batches(std::slice::from_ref(&self.name)).await?;
        let Some(batch) = batches.into_iter().next() else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        if news {
            events = self.jobs(&batch).await?;
            self.seen = now;
        }
        let state = self.state(&batch, whole).await?;
        let text = state.to_string();
        if text != self.state {
            events.push(Event::default().event("state").data(&text));
            self.state = text;
        }
        if whole {
            self.whole_at = Some(Instant::now());
            self.stale = false;
        }
        let heard = self.since.as_millisecond().to_string();
        let last = events.pop().map(|event| event.id(heard));
        events.extend(last);
        Ok(events)
    }

    /// Jobs that changed, in messages of at most [`PAGE`].
    async fn jobs(&mut self, batch: &BatchView) -> Result<Vec<Event>, Error> {
        let Desk { options, .. } = &*self.desk;
        let folder = (options.names.folder)(&batch.name).unwrap_or_default();
        let links = Links { folder: &folder, sidecar: &options.names.sidecar };
        let now = clock::now();
        let mut changed = Changed { since: self.since, after: JobId(0) };
        let mut events = Vec::new();
        loop {
            let page = options.ledger.changed_jobs(batch.id, changed, PAGE).await?;
            let Some(last) = page.last() else { break };
            changed = Changed { since: last.updated_at, after: last.id };
            let is_whole = page.len() < PAGE as usize;
            let news = page
                .into_iter()
                .filter(|job| self.sent.insert(job.id, job.updated_at) != Some(job.updated_at));
            let shown: Vec<Value> = news.map(|job| report::job(job, &links)).collect();
            if !shown.is_empty() {
                let text = Value::Array(shown).to_string();
                events.push(Event::default().event("jobs").data(text));
            }
            if is_whole {
                break;
            }
        }
        self.since = back(now).max(self.since);
        self.sent.retain(|_, at| *at >= self.since);
        Ok(events)
    }

    /// Figures and how the run stands; now and then also causes and pictures.
    async fn state(&self, batch: &BatchView, whole: bool) -> Result<Value, Error> {
        let Desk { options, .. } = &*self.desk;
        let owner = self.seen.as_ref().and_then(|(_, owner)| owner.clone());
        let live = if owner.is_some() { options.ledger.live().await? } else { None };
        let others = options.ledger.batch_names().await?;
        let address = |(_, name): &(_, String)| Some(json!([name, self.desk.address(name)?]));
        let mut state = json!({
            "batch": report::figures(batch),
            "batches": others.iter().rev().filter_map(address).collect::<Vec<_>>(),
            "owner": owner,
            "run": live.map(|live| json!({
                "paused": live.paused,
                "concurrency": live.concurrency,
                "allowed": live.allowed,
            })),
        });
        if whole {
            let (night, trouble) = report::whole(&options.ledger, batch, &options.folders).await?;
            state["night"] = night;
            state["trouble"] = trouble;
        }
        Ok(state)
    }
}

/// A moment from which on nothing can have been missed at this one.
fn back(at: Timestamp) -> Timestamp {
    let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or(0);
    clock::from_millis(at.as_millisecond().saturating_sub(overlap))
}

/// What changes with every commit: the size and time of the ledger's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([Option<(u64, SystemTime)>; 2]);

impl Stamp {
    fn of(ledger: &Path) -> Self {
        let mut log = ledger.as_os_str().to_owned();
        log.push("-wal");
        let of = |path: &Path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.len(), meta.modified().ok()?))
        };
        Self([of(ledger), of(Path::new(&log))])
    }
}
