//! What the simulator's book says about money.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nightreel::simulator::book::{self, Charge, Entry, Fact};

/// All entries of a book.
pub(crate) struct Book(Vec<Entry>);

impl Book {
    /// Reads a book; one that does not exist yet has no entries.
    pub(crate) fn read(path: &Path) -> Self {
        if !path.exists() {
            return Self(Vec::new());
        }
        Self(book::read(path).unwrap())
    }

    pub(crate) fn charges(&self) -> impl Iterator<Item = &Charge> {
        self.0.iter().filter_map(Entry::charge)
    }

    pub(crate) fn refunds(&self) -> BTreeSet<&str> {
        let refunded = self.0.iter().filter_map(|entry| match &entry.fact {
            Fact::Refunded { prediction, .. } => Some(prediction.as_str()),
            _ => None,
        });
        refunded.collect()
    }

    pub(crate) fn uploads(&self) -> usize {
        self.0.iter().filter(|entry| matches!(entry.fact, Fact::Uploaded(_))).count()
    }

    /// How many charges of each prompt were kept, refunds left out.
    pub(crate) fn kept(&self) -> BTreeMap<String, usize> {
        let refunds = self.refunds();
        let mut kept = BTreeMap::new();
        for charge in self.charges().filter(|charge| !refunds.contains(&*charge.prediction)) {
            let body: serde_json::Value = serde_json::from_str(&charge.body).unwrap();
            *kept.entry(body["prompt"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        kept
    }

    /// Asserts that exactly `jobs` prompts were paid for, each of them once.
    pub(crate) fn assert_paid_once(&self, jobs: usize) {
        let kept = self.kept();
        let twice: Vec<_> = kept.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "paid more than once: {twice:?}");
        assert_eq!(kept.len(), jobs, "jobs paid for");
        assert_eq!(self.charges().count(), self.refunds().len() + jobs, "charges");
    }
}
