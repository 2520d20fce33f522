//! One look at the API's history for attempts whose outcome nobody knows, and what it proves.
//!
//! Exactly matching tasks are adopted. Absence is proved by two looks at a history that was read to its
//! end and demonstrably works, the second not before the absence wait. Anything else is left as it is.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::matching::{Group, SKEW, groups};
use crate::atlas::{Api, HistoryItem, HistoryQuery, PAGE_SIZE_LIMIT};
use crate::domain::{Digest, PredictionId, Request, Timestamp, clock, kill_point};
use crate::ledger::{BatchId, Error, Ledger, UnknownAttempt};

/// Unknown outcomes looked at in one go.
const AT_A_TIME: u32 = 500;
/// Pages of history read in one look at most.
const PAGES: u32 = 200;

/// Where to look.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    /// The unknown outcomes, and what they become.
    pub ledger: &'a Ledger,
    /// Whose history.
    pub api: &'a Api,
    /// Before "not in the history" counts as proof.
    pub absence_wait: Duration,
    /// Only this batch's outcomes.
    pub batch: Option<BatchId>,
}

/// How an unknown outcome was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Its prediction was found, and is polled like any other.
    Adopted,
    /// It is proved never to have arrived, and is pending again.
    Absent,
}

impl Settled {
    /// The word used in events and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Absent => "absent",
        }
    }
}

/// Whether the history could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// It was read, or there was no reason to.
    Yes,
    /// This API has none.
    Never(String),
    /// Not this time.
    NotNow(String),
}

/// What one look brought.
#[derive(Debug)]
pub struct Looked {
    /// Outcomes that are settled now; the ledger has it.
    pub settled: Vec<(UnknownAttempt, Settled)>,
    /// Outcomes the history does not show, with the moment a later look may prove their absence.
    pub missing: Vec<(UnknownAttempt, Timestamp)>,
    /// Outcomes that no look can settle: more or fewer tasks match than are missing, or the history
    /// does not show enough. With the tasks that match, for the operator to choose from.
    pub unclear: Vec<(UnknownAttempt, Vec<PredictionId>)>,
    /// Whether the history could be read.
    pub readable: Readable,
}

/// The part of the history the unknowns may stand in.
#[derive(Default)]
struct History {
    /// Tasks the ledger does not hold, by the hash of their request, oldest first.
    strangers: HashMap<Digest, Vec<HistoryItem>>,
    /// The hash of a request with its numbers as they are told, as earlier versions sent them, to the
    /// hash it has now.
    as_told: HashMap<Digest, Digest>,
    /// Whether something in it cannot be told, or may not have been shown: then nothing is absent.
    opaque: bool,
    /// Whether a task the ledger does hold was seen, as it was sent: proof that the listing works.
    works: bool,
}

impl Lookup<'_> {
    /// Looks once, and commits what it proves.
    pub async fn look(&self) -> Result<Looked, Error> {
        let mut unknowns = self.ledger.unknowns(AT_A_TIME).await?;
        let origin = self.api.origin();
        unknowns.retain(|unknown| {
            unknown.origin == origin && self.batch.is_none_or(|batch| batch == unknown.batch)
        });
        let mut looked = Looked {
            settled: Vec::new(),
            missing: Vec::new(),
            unclear: Vec::new(),
            readable: Readable::Yes,
        };
        let Some(oldest) = unknowns.iter().map(|unknown| unknown.intent_at).min() else {
            return Ok(looked);
        };
        let started = clock::now();
        match self.read(oldest).await? {
            Ok(history) => self.settle(unknowns, &history, started, &mut looked).await?,
            Err(why) => {
                looked.readable = why;
                looked.unclear =
                    unknowns.into_iter().map(|unknown| (unknown, Vec::new())).collect();
            }
        }
        Ok(looked)
    }

    async fn read(&self, oldest: Timestamp) -> Result<Result<History, Readable>, Error> {
        let skew = i64::try_from(SKEW.as_millis()).unwrap_or(0);
        let since = clock::from_millis(oldest.as_millisecond() - skew);
        let mut history = History::default();
        let (mut seen, mut total, mut whole) = (HashSet::new(), None, false);
        for page in 1..=PAGES {
            let query = HistoryQuery { page, size: PAGE_SIZE_LIMIT, model: None, session: None };
            let page = match self.api.history(&query).await {
                Ok(page) => page,
                Err(error) if error.is_absent() => {
                    return Ok(Err(Readable::Never(error.to_string())));
                }
                Err(error) => return Ok(Err(Readable::NotNow(error.to_string()))),
            };
            history.opaque |= page.unreadable > 0;
            // Tasks that arrive while it is read come on top: the first page's figure must be reached.
            let total = *total.get_or_insert(page.total.unwrap_or(0));
            let empty = page.items.is_empty();
            let past = page.items.iter().any(|item| item.created_at.is_some_and(|at| at < since));
            for item in page.items {
                // Tasks that arrive meanwhile push others to the next page: those come twice.
                if seen.insert(item.id.clone()) {
                    self.sort_in(&mut history, item, since).await?;
                }
            }
            if past || empty {
                whole = past || seen.len() as u64 >= total;
                break;
            }
        }
        if !whole {
            tracing::warn!(
                tasks = seen.len(),
                "the history does not show all tasks; none is absent"
            );
            history.opaque = true;
        }
        for strangers in history.strangers.values_mut() {
            strangers.sort_by_key(|item| item.created_at);
        }
        Ok(Ok(history))
    }

    async fn sort_in(
        &self,
        history: &mut History,
        item: HistoryItem,
        since: Timestamp,
    ) -> Result<(), Error> {
        let held = self.ledger.held(&self.api.origin(), &item.id).await?;
        let shown = item.request.as_ref().map(Request::sent_digest);
        let told = item.request.as_ref().map(Request::digest);
        if let Some(held) = held {
            // Adopted tasks say nothing about how requests are shown: they were chosen by it.
            let as_sent = [shown, told].contains(&Some(held.body_sha256));
            history.works |= as_sent;
            history.opaque |= !as_sent && !held.adopted;
        } else if item.created_at.is_none_or(|at| at >= since) {
            match shown {
                Some(body) if item.created_at.is_some() => {
                    history.as_told.extend(told.map(|told| (told, body)));
                    history.strangers.entry(body).or_default().push(item);
                }
                _ => history.opaque = true,
            }
        }
        Ok(())
    }

    /// Matches unknowns and strangers body by body, and time by time.
    async fn settle(
        &self,
        unknowns: Vec<UnknownAttempt>,
        history: &History,
        started: Timestamp,
        looked: &mut Looked,
    ) -> Result<(), Error> {
        let mut by_body: HashMap<Digest, Vec<UnknownAttempt>> = HashMap::new();
        for unknown in unknowns {
            let sent = unknown.body_sha256;
            let body = history.as_told.get(&sent).copied().unwrap_or(sent);
            by_body.entry(body).or_default().push(unknown);
        }
        let works = history.works || !self.ledger.has_predictions(&self.api.origin()).await?;
        for (body, unknowns) in by_body {
            let strangers = history.strangers.get(&body).map_or(&[][..], Vec::as_slice);
            for group in groups(unknowns, strangers, self.absence_wait) {
                if !group.found.is_empty() || !group.later.is_empty() {
                    self.match_up(group, started, looked).await?;
                    continue;
                }
                for unknown in group.unknowns {
                    if works && !history.opaque {
                        self.miss(unknown, started, looked).await?;
                    } else if !history.opaque && self.may_be_late(&unknown, started) {
                        let again = clock::after(started, self.absence_wait / 5);
                        looked.missing.push((unknown, again));
                    } else {
                        looked.unclear.push((unknown, Vec::new()));
                    }
                }
            }
        }
        Ok(())
    }

    /// As many tasks as outcomes: each has its own. More, or fewer when all should have shown up: which
    /// is whose is the operator's to say.
    async fn match_up(
        &self,
        group: Group,
        started: Timestamp,
        looked: &mut Looked,
    ) -> Result<(), Error> {
        let Group { unknowns, found, later } = group;
        if found.len() == unknowns.len() {
            for (unknown, id) in unknowns.into_iter().zip(found) {
                kill_point("adopt_due");
                self.ledger.adopt(unknown.attempt, &id, "history").await?;
                kill_point("adopted");
                looked.settled.push((unknown, Settled::Adopted));
            }
            return Ok(());
        }
        let ripe =
            unknowns.iter().map(|unknown| clock::after(unknown.intent_at, self.absence_wait));
        let ripe = ripe.max().unwrap_or(started);
        let waits = found.len() < unknowns.len() && started < ripe;
        let ids: Vec<_> = found.into_iter().chain(later).collect();
        for unknown in unknowns {
            if waits {
                looked.missing.push((unknown, ripe));
            } else {
                looked.unclear.push((unknown, ids.clone()));
            }
        }
        Ok(())
    }

    /// A history that shows none of our tasks may only be slow to show them: worth another look for
    /// as long as absence could still be proved.
    fn may_be_late(&self, unknown: &UnknownAttempt, now: Timestamp) -> bool {
        now < clock::after(unknown.intent_at, self.absence_wait.saturating_mul(2))
    }

    /// The history does not show it. Once is a hint; twice, with the wait between, is proof.
    async fn miss(
        &self,
        unknown: UnknownAttempt,
        started: Timestamp,
        looked: &mut Looked,
    ) -> Result<(), Error> {
        let first = unknown.looked_at.unwrap_or(started);
        // The two looks are apart even where the first one came long after the intent.
        let ripe = clock::after(unknown.intent_at, self.absence_wait)
            .max(clock::after(first, self.absence_wait / 5));
        if unknown.looked_at.is_none() || started < ripe {
            self.ledger.note_look(unknown.attempt, started).await?;
            kill_point("absence_noted");
            looked.missing.push((unknown, ripe));
            return Ok(());
        }
        let (first, second) = (clock::utc(first), clock::utc(started));
        let evidence = format!("not in the history at {first} and at {second}");
        self.ledger.prove_absent(unknown.attempt, &evidence, clock::now()).await?;
        kill_point("absent");
        looked.settled.push((unknown, Settled::Absent));
        Ok(())
    }
}
