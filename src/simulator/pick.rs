//! Decides which fault a request meets: by counting, and by the seed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::digest::Hasher;

use super::fault::{Gate, Rule};

/// A request, as far as faults care.
pub(super) struct Subject<'a> {
    /// What identifies the job: the hash of its body. Empty where there is none.
    pub(super) job: &'a str,
    /// What `match` looks into, any of them.
    pub(super) texts: &'a [&'a str],
}

/// The how-manieth request this is, from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) overall: u64,
    pub(super) of_job: u64,
}

/// The rules of a scenario and what they have seen so far.
#[derive(Debug)]
pub(super) struct Faults {
    seed: u64,
    rules: Vec<Arc<Rule>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    overall: HashMap<Gate, u64>,
    jobs: HashMap<(Gate, String), u64>,
    /// By the rule's place in the scenario, and the job where it counts by job.
    fired: HashMap<(usize, String), u64>,
    kinds: BTreeMap<String, u64>,
}

impl Faults {
    pub(super) fn new(seed: u64, rules: &[Arc<Rule>]) -> Self {
        Self { seed, rules: rules.to_vec(), seen: Mutex::default() }
    }

    /// Counts a request and tells the fault it meets.
    pub(super) fn pick(&self, gate: Gate, subject: &Subject<'_>) -> (Turn, Option<Arc<Rule>>) {
        let mut seen = self.seen();
        let turn = seen.count(gate, subject.job);
        let fired = self.rules.iter().enumerate().find(|(place, rule)| {
            rule.gate == gate && self.holds(&seen, (*place, rule), subject, turn)
        });
        let rule = fired.map(|(place, rule)| {
            seen.note(place, rule, subject.job);
            Arc::clone(rule)
        });
        (turn, rule)
    }

    /// The fault that breaks this connection before the body is read. Counts only if there is one.
    pub(super) fn pick_unread(&self, gate: Gate) -> Option<Arc<Rule>> {
        let mut seen = self.seen();
        let turn = Turn { overall: seen.overall.get(&gate).copied().unwrap_or(0) + 1, of_job: 1 };
        let subject = Subject { job: "", texts: &[] };
        let (place, rule) = self.rules.iter().enumerate().find(|(place, rule)| {
            let concerned = rule.gate == gate && rule.acts_unread();
            concerned && self.holds(&seen, (*place, rule), &subject, turn)
        })?;
        seen.note(place, rule, "");
        seen.overall.insert(gate, turn.overall);
        Some(Arc::clone(rule))
    }

    /// Whether any rule is about `gate`: where none is, nothing need be counted.
    pub(super) fn concern(&self, gate: Gate) -> bool {
        self.rules.iter().any(|rule| rule.gate == gate)
    }

    /// Takes up the count of submissions where an earlier process left it.
    pub(super) fn resume(&self, job: &str, turn: Turn) {
        let mut seen = self.seen();
        let overall = seen.overall.entry(Gate::Submit).or_default();
        *overall = (*overall).max(turn.overall);
        let of_job = seen.jobs.entry((Gate::Submit, job.to_owned())).or_default();
        *of_job = (*of_job).max(turn.of_job);
    }

    /// How often each kind acted.
    pub(super) fn fired(&self) -> BTreeMap<String, u64> {
        self.seen().kinds.clone()
    }

    /// Random numbers that follow from the seed and `about` alone.
    pub(super) fn random(&self, about: &[&str]) -> fastrand::Rng {
        let mut hasher = Hasher::default();
        hasher.update(&self.seed.to_le_bytes());
        for part in about {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        let digest = hasher.finish().0;
        let seed = digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        fastrand::Rng::with_seed(seed)
    }

    fn holds(
        &self,
        seen: &Seen,
        (place, rule): (usize, &Rule),
        subject: &Subject<'_>,
        turn: Turn,
    ) -> bool {
        let select = &rule.select;
        let matches = |wanted: &String| {
            let mut texts = subject.texts.iter();
            texts.any(|text| text.contains(wanted.as_str()))
        };
        let count = if select.per_job { turn.of_job } else { turn.overall };
        let fired = || {
            let key = (place, rule.counts_for(subject.job));
            seen.fired.get(&key).copied().unwrap_or(0)
        };
        select.matches.as_ref().is_none_or(matches)
            && select.nth.as_ref().is_none_or(|nth| nth.contains(&count))
            && select.times.is_none_or(|times| fired() < times)
            && select
                .probability
                .is_none_or(|share| self.draw(place, rule, subject.job, turn) < share)
    }

    fn draw(&self, place: usize, rule: &Rule, job: &str, turn: Turn) -> f64 {
        let occurrence = match (rule.select.per_job, job) {
            (true, _) => 0,
            (false, "") => turn.overall,
            (false, _) => turn.of_job,
        };
        let about = [&place.to_string(), job, &occurrence.to_string()];
        self.random(&about).f64()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    /// The job `times` is counted for; empty where it is counted for all together.
    fn counts_for(&self, job: &str) -> String {
        if self.select.per_job { job.to_owned() } else { String::new() }
    }
}

impl Seen {
    fn count(&mut self, gate: Gate, job: &str) -> Turn {
        let overall = self.overall.entry(gate).or_default();
        *overall += 1;
        let of_job = self.jobs.entry((gate, job.to_owned())).or_default();
        *of_job += 1;
        Turn { overall: *overall, of_job: *of_job }
    }

    fn note(&mut self, place: usize, rule: &Rule, job: &str) {
        *self.fired.entry((place, rule.counts_for(job))).or_default() += 1;
        *self.kinds.entry(rule.kind.clone()).or_default() += 1;
    }
}
