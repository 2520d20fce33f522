//! A case: one row of the matrix, what must happen, and what was seen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::night::Night;

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) row: u8,
    pub(crate) name: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) run: fn(&mut Seen),
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Holds,
    /// Another suite does it; its test is named.
    Elsewhere,
    NotCovered,
    /// It does not hold, and everybody is told.
    Fails,
}

/// What a case notes while it runs.
#[derive(Default)]
pub(crate) struct Seen {
    said: Vec<String>,
    figures: Figures,
    verdict: Option<Verdict>,
}

/// A case that ran.
pub(crate) struct Ran {
    pub(crate) row: u8,
    pub(crate) name: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) seen: String,
    pub(crate) verdict: Verdict,
    pub(crate) figures: Figures,
    pub(crate) took: Duration,
}

impl Case {
    /// Runs it; a panic is a verdict.
    pub(crate) fn play(&self) -> Ran {
        let mut seen = Seen::default();
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| (self.run)(&mut seen)));
        let verdict = match &ended {
            Ok(()) => seen.verdict.unwrap_or(Verdict::Holds),
            Err(panic) => {
                seen.said.push(told(panic.as_ref()));
                Verdict::Fails
            }
        };
        Ran {
            row: self.row,
            name: self.name,
            expected: self.expected,
            seen: seen.said.join("; "),
            verdict,
            figures: seen.figures,
            took: begun.elapsed(),
        }
    }
}

impl Seen {
    /// Notes what was seen.
    pub(crate) fn says(&mut self, what: impl Into<String>) {
        self.said.push(what.into());
    }

    /// Judges a night by the simulator's book; it must be clean.
    #[track_caller]
    pub(crate) fn judge(&mut self, night: &Night) {
        let judged = night.judge();
        self.figures.add(judged);
        assert!(judged.is_clean(), "{judged}");
    }

    /// Another suite does more than a case could: its test must be there.
    #[track_caller]
    pub(crate) fn elsewhere(&mut self, file: &str, test: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let source = std::fs::read_to_string(path).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        self.said.push(format!("{file}: {test}"));
        self.verdict.get_or_insert(Verdict::Elsewhere);
    }

    /// What this case saw itself counts more than what others do.
    pub(crate) fn holds_here(&mut self) {
        self.verdict = Some(Verdict::Holds);
    }

    pub(crate) fn not_covered(&mut self, why: &str) {
        self.said.push(format!("not covered: {why}"));
        self.verdict = Some(Verdict::NotCovered);
    }
}

fn told(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
