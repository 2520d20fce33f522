//! The state of the simulated server: predictions, money, limits.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::domain::{Endpoint, Micros, Timestamp, clock};

use super::book::{Book, Charge, Entry, Fact, Fate};
use super::catalog::{Catalog, Model};
use super::clock::Clock;
use super::fault::{Effect, Fated, Rule};
use super::figures::Figures;
use super::pick::{Faults, Turn};
use super::prediction::Prediction;
use super::scenario::Scenario;
use super::uploads::Uploads;
use super::writer::{Durable, NotWritten};

/// The code of a refusal by moderation (atlas-api.md section 2).
const MODERATION_CODE: u64 = 1039;
/// What a rate limit counts within, before scaling.
const MINUTE: Duration = Duration::from_mins(1);

/// Everything behind the routes.
pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) catalog: Catalog,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    pub(super) book: Book,
    pub(super) uploads: Uploads,
    /// Scheme, host and port, without a slash at the end.
    pub(super) base: String,
    /// The only key that is let in; `None` for any.
    pub(super) key: Option<String>,
    /// What goes on when a request is gone.
    pub(super) tasks: TaskTracker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_id: HashMap<String, Arc<Prediction>>,
    /// In the order of their submission.
    all: Vec<Arc<Prediction>>,
    running: BinaryHeap<Reverse<Running>>,
    /// Predictions that never end.
    endless: u64,
    /// When the submissions of the last minute came in.
    window: VecDeque<Timestamp>,
    figures: Figures,
}

/// A prediction by its end, the next one first.
struct Running(Timestamp, Arc<Prediction>);

/// A valid submission.
pub(super) struct Order {
    pub(super) model: String,
    pub(super) price: Micros,
    pub(super) endpoint: Endpoint,
    pub(super) body: Arc<str>,
    pub(super) body_sha256: String,
    pub(super) body_sent: Option<Arc<str>>,
    pub(super) key_hash: String,
    pub(super) request_id: String,
    pub(super) turn: Turn,
    pub(super) fault: Option<Arc<Rule>>,
    pub(super) object_hours: Option<u64>,
    pub(super) record_hours: Option<u64>,
    /// An upload that the body refers to and that is not there.
    pub(super) missing_media: Option<String>,
}

/// Why a valid submission was not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("too many requests: {0} submissions a minute are allowed")]
    Rate(u64),
    #[error("too many requests: {0} tasks may be in progress")]
    InFlight(u64),
    #[error("insufficient balance")]
    Balance,
    #[error(transparent)]
    Book(#[from] NotWritten),
}

impl World {
    /// The world as the book tells it.
    pub(super) fn new(scenario: Scenario, catalog: Catalog, book: Book, base: String) -> Self {
        let world = Self {
            clock: Clock::new(scenario.time_scale),
            faults: Faults::new(scenario.seed, &scenario.faults),
            uploads: Uploads::new(book.uploads_folder()),
            scenario,
            catalog,
            book,
            base,
            key: None,
            tasks: TaskTracker::new(),
            state: Mutex::default(),
        };
        world.restore();
        world
    }

    /// Accepts a submission, and comes back when its charge is on disk. Goes on when dropped: what
    /// was charged must be found again by polls and in the history.
    pub(super) async fn place(self: &Arc<Self>, order: Order) -> Result<Arc<Prediction>, Denied> {
        let (prediction, durable) = self.admit(order)?;
        let world = Arc::clone(self);
        let written = self.tasks.spawn(async move {
            durable.wait().await?;
            world.state().add(&prediction);
            Ok(prediction)
        });
        written.await.unwrap_or(Err(Denied::Book(NotWritten)))
    }

    /// The prediction with this id, made with this key.
    pub(super) fn prediction(&self, id: &str, key_hash: &str) -> Option<Arc<Prediction>> {
        self.settle();
        let found = self.state().by_id.get(id).cloned()?;
        (found.charge.key_hash == key_hash).then_some(found)
    }

    /// The prediction with this id, whoever made it.
    pub(super) fn any_prediction(&self, id: &str) -> Option<Arc<Prediction>> {
        self.state().by_id.get(id).cloned()
    }

    /// All predictions of a key, newest first, as far as `wanted`.
    pub(super) fn predictions(
        &self,
        key_hash: &str,
        wanted: impl Fn(&Prediction) -> bool,
    ) -> Vec<Arc<Prediction>> {
        self.settle();
        let state = self.state();
        let own = |prediction: &&Arc<Prediction>| prediction.charge.key_hash == key_hash;
        let found = state.all.iter().rev().filter(own).filter(|one| wanted(one));
        found.cloned().collect()
    }

    /// The id of the first prediction there was.
    pub(super) fn first_id(&self) -> Option<String> {
        let state = self.state();
        state.all.first().map(|first| first.charge.prediction.clone())
    }

    /// Counts a request.
    pub(super) fn count(&self, endpoint: &str) {
        let mut state = self.state();
        let count = state.figures.endpoints.entry(endpoint.to_owned()).or_default();
        *count += 1;
    }

    /// Changes the figures.
    pub(super) fn note(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.state().figures);
    }

    /// What was seen so far.
    pub(super) fn figures(&self) -> Figures {
        self.settle();
        let state = self.state();
        let mut figures = state.figures.clone();
        figures.in_flight = state.in_flight();
        figures.faults = self.faults.fired();
        figures
    }

    /// What is left to spend, and what is held for predictions that have not ended.
    pub(super) fn balance(&self) -> (Micros, Micros) {
        self.settle();
        let state = self.state();
        let held = state
            .running
            .iter()
            .fold(Micros::ZERO, |sum, Reverse(running)| sum.saturating_add(running.1.charge.price));
        (self.available(&state), held)
    }

    /// The price told for a model.
    pub(super) fn price(&self, model: &Model) -> Micros {
        let prices = &self.scenario.prices;
        prices.get(&model.id).copied().unwrap_or(model.price)
    }

    /// Writes down every end that has come.
    pub(super) fn settle(&self) {
        self.state().settle(self.clock.now(), &self.book);
    }

    /// Checks the limits, charges, and enters the charge into the book. Only polls and the history
    /// do not know the prediction yet.
    fn admit(&self, order: Order) -> Result<(Arc<Prediction>, Durable), Denied> {
        let now = self.clock.now();
        let mut state = self.state();
        state.settle(now, &self.book);
        self.check_limits(&mut state, now)?;
        let charge = Arc::new(self.charge(order, now, state.in_flight() + 1));
        if self.available(&state) < charge.price {
            return Err(Denied::Balance);
        }
        state.window.push_back(now);
        let durable = self.book.append(now, Fact::Charged(Arc::clone(&charge)));
        let prediction = Arc::new(Prediction { charge, at: now });
        state.begin(&prediction);
        Ok((prediction, durable))
    }

    fn check_limits(&self, state: &mut State, now: Timestamp) -> Result<(), Denied> {
        let limits = self.scenario.limits;
        let minute = self.clock.scaled(MINUTE);
        while state.window.front().is_some_and(|first| clock::after(*first, minute) <= now) {
            state.window.pop_front();
        }
        let recent = u64::try_from(state.window.len()).unwrap_or(u64::MAX);
        match (limits.per_minute, limits.in_flight) {
            (Some(most), _) if recent >= most => Err(Denied::Rate(most)),
            (_, Some(most)) if state.in_flight() >= most => Err(Denied::InFlight(most)),
            _ => Ok(()),
        }
    }

    fn charge(&self, order: Order, now: Timestamp, in_flight: u64) -> Charge {
        let about = ["latency", &order.body_sha256, &order.turn.of_job.to_string()];
        let latency = self.scenario.latency.sample(&mut self.faults.random(&about));
        let fate = fate(&order);
        let ends = fate != Fate::NeverFinishes;
        Charge {
            prediction: uuid::Uuid::now_v7().simple().to_string(),
            model: order.model,
            endpoint: order.endpoint,
            price: scaled_price(order.price, self.scenario.charge_factor),
            body: order.body,
            body_sha256: order.body_sha256,
            body_sent: order.body_sent,
            key_hash: order.key_hash,
            request_id: order.request_id,
            ordinal: order.turn.overall,
            occurrence: order.turn.of_job,
            in_flight,
            ends_at: ends.then(|| clock::after(now, self.clock.scaled(latency))),
            fate,
            fault: order.fault.map(|rule| rule.kind.clone()),
            object_hours: order.object_hours,
            record_hours: order.record_hours,
        }
    }

    fn available(&self, state: &State) -> Micros {
        let spent = state.figures.charged_amount.0 - state.figures.refunded_amount.0;
        Micros(self.scenario.balance.0.saturating_sub(spent))
    }

    fn restore(&self) {
        let entries = self.book.entries();
        let ended: HashSet<&str> = entries.iter().filter_map(|entry| ended(entry)).collect();
        let mut state = self.state();
        for entry in &entries {
            match &entry.fact {
                Fact::Charged(charge) => {
                    let turn = Turn { overall: charge.ordinal, of_job: charge.occurrence };
                    self.faults.resume(&charge.body_sha256, turn);
                    let prediction =
                        Arc::new(Prediction { charge: Arc::clone(charge), at: entry.at });
                    state.pay(&prediction);
                    if !ended.contains(charge.prediction.as_str()) {
                        state.run(&prediction);
                    }
                    state.add(&prediction);
                }
                Fact::Refunded { price, .. } => state.refund(*price),
                Fact::Uploaded(upload) => self.uploads.restore(upload),
                Fact::Completed { .. } | Fact::Failed { .. } => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn in_flight(&self) -> u64 {
        u64::try_from(self.running.len()).unwrap_or(u64::MAX) + self.endless
    }

    fn begin(&mut self, prediction: &Arc<Prediction>) {
        self.pay(prediction);
        self.run(prediction);
    }

    fn pay(&mut self, prediction: &Prediction) {
        let figures = &mut self.figures;
        figures.charged += 1;
        figures.charged_amount = figures.charged_amount.saturating_add(prediction.charge.price);
    }

    fn run(&mut self, prediction: &Arc<Prediction>) {
        match prediction.charge.ends_at {
            Some(end) => self.running.push(Reverse(Running(end, Arc::clone(prediction)))),
            None => self.endless += 1,
        }
        self.figures.max_in_flight = self.figures.max_in_flight.max(self.in_flight());
    }

    fn add(&mut self, prediction: &Arc<Prediction>) {
        let id = prediction.charge.prediction.clone();
        self.by_id.insert(id, Arc::clone(prediction));
        self.all.push(Arc::clone(prediction));
    }

    fn refund(&mut self, price: Micros) {
        let figures = &mut self.figures;
        figures.refunded += 1;
        figures.refunded_amount = figures.refunded_amount.saturating_add(price);
    }

    fn settle(&mut self, now: Timestamp, book: &Book) {
        while self.running.peek().is_some_and(|Reverse(next)| next.0 <= now) {
            let Some(Reverse(Running(end, prediction))) = self.running.pop() else {
                return;
            };
            let charge = &prediction.charge;
            let id = charge.prediction.clone();
            // Nobody waits for these: they follow from the charge, should they be lost.
            if let Fate::Fails { status, .. } = &charge.fate {
                let failed = Fact::Failed { prediction: id.clone(), status: status.clone() };
                let refunded = Fact::Refunded { prediction: id, price: charge.price };
                book.append(end, failed).forget();
                book.append(end, refunded).forget();
                self.refund(charge.price);
            } else {
                book.append(end, Fact::Completed { prediction: id }).forget();
            }
        }
    }
}

impl PartialEq for Running {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Running {}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Running {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |running: &Self| (running.0, running.1.charge.ordinal);
        key(self).cmp(&key(other))
    }
}

/// The prediction a book's entry tells the end of. A failure counts once its refund is written.
fn ended(entry: &Entry) -> Option<&str> {
    match &entry.fact {
        Fact::Completed { prediction } | Fact::Refunded { prediction, .. } => Some(prediction),
        _ => None,
    }
}

fn fate(order: &Order) -> Fate {
    if let Some(missing) = &order.missing_media {
        return failure("failed", format!("image not reachable: {missing}"), None);
    }
    let Some(rule) = &order.fault else {
        return Fate::Completes;
    };
    let with = &rule.with;
    let message = |usual: &str| with.message.clone().unwrap_or_else(|| usual.to_owned());
    let word = with.word.as_deref().unwrap_or("failed");
    match rule.effect {
        Effect::Fate(Fated::Fails) => {
            failure(word, message("generation failed"), with.code.clone())
        }
        Effect::Fate(Fated::FailsBy5xx) => Fate::Fails {
            status: word.to_owned(),
            message: message("generation failed"),
            code: with.code.clone(),
            by_5xx: true,
        },
        Effect::Fate(Fated::TimesOut) => failure("timeout", message("the task timed out"), None),
        Effect::Fate(Fated::Moderated) => {
            let refused = message("the input was refused by moderation");
            failure("failed", refused, Some(MODERATION_CODE.into()))
        }
        Effect::Fate(Fated::NeverFinishes) => Fate::NeverFinishes,
        _ => Fate::Completes,
    }
}

fn failure(status: &str, message: String, code: Option<serde_json::Value>) -> Fate {
    Fate::Fails { status: status.to_owned(), message, code, by_5xx: false }
}

/// `price` times `factor`, which is in millionths, rounded down to a micro-dollar.
fn scaled_price(price: Micros, factor: Micros) -> Micros {
    let product = i128::from(price.0) * i128::from(factor.0) / 1_000_000;
    Micros(i64::try_from(product).unwrap_or(Micros::MAX.0))
}
