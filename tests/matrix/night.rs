//! A short night: a manifest, a simulator with faults, runs, and the judge.

use std::future::Future;
use std::time::Duration;

use nightreel::domain::Micros;
use serde_json::Value;

use crate::api::Api;
use crate::figures::Figures;
use crate::process::{Ended, Run};
use crate::story::Story;

/// Generations of no time at all.
const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// A story with its simulator.
pub(crate) struct Night {
    pub(crate) story: Story,
    pub(crate) api: Api,
    rows: usize,
    budget: Option<Micros>,
}

/// One `[[fault]]`; `more` are further lines of it.
pub(crate) fn fault(on: &str, kind: &str, more: &str) -> String {
    format!("[[fault]]\non = \"{on}\"\nkind = \"{kind}\"\n{more}\n")
}

/// A fault that meets each job's first such request.
pub(crate) fn once(on: &str, kind: &str) -> String {
    fault(on, kind, "per = \"job\"\ntimes = 1")
}

/// The first kind meets the first job, the second one the second, and so on.
pub(crate) fn one_each(on: &str, kinds: &[&str], more: &str) -> String {
    let kinds = kinds.iter().enumerate();
    kinds.map(|(n, kind)| of_job(n + 1, on, kind, more)).collect()
}

/// A fault of the job of that number.
pub(crate) fn of_job(number: usize, on: &str, kind: &str, more: &str) -> String {
    fault(on, kind, &format!("match = \"number {number:04}\"\n{more}"))
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Night {
    /// `rows` rows, and a simulator with that scenario.
    pub(crate) fn new(rows: usize, scenario: &str) -> Self {
        Self::of(Story::of_jobs(rows), rows, scenario)
    }

    /// A story of one's own, of that many rows.
    pub(crate) fn of(story: Story, rows: usize, scenario: &str) -> Self {
        let api = Api::start(&story, &scenario_of(scenario));
        Self { story, api, rows, budget: None }
    }

    /// Says what may be spent at most.
    pub(crate) fn within(mut self, budget: Micros) -> Self {
        self.budget = Some(budget);
        self
    }

    /// A run that is not started yet.
    pub(crate) fn run(&self, flags: &[&str]) -> Run {
        let run = self.story.run(&self.api).with(["--no-ramp"]).with(flags);
        if flags.contains(&"--absence-wait") { run } else { run.with(["--absence-wait", "200ms"]) }
    }

    /// A run against what stands between it and the simulator.
    pub(crate) fn run_at(&self, url: &str, flags: &[&str]) -> Run {
        self.story
            .nightreel(["run", "m.csv", "--events", "events.jsonl", "--no-ramp"])
            .with(["--absence-wait", "200ms", "--base-url", url])
            .with(flags)
            .env("ATLASCLOUD_API_KEY", "apikey-of-the-tests")
    }

    /// Runs to the end, which must have this code.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, flags: &[&str]) -> Ended {
        let ended = self.run(flags).end();
        assert_eq!(ended.code(), code, "{ended}");
        ended
    }

    /// Asserts how many jobs there are in these states.
    #[track_caller]
    pub(crate) fn has(&self, states: &[(&str, usize)]) {
        let told = self.story.status();
        for (state, count) in states {
            assert_eq!(told["jobs"][*state], *count, "{state}: {told}");
        }
    }

    /// One figure of the batch's money.
    pub(crate) fn money(&self, which: &str) -> String {
        self.story.status()["money"][which].as_str().unwrap().to_owned()
    }

    /// The error of the job of that number, as `CLASS: MESSAGE`.
    pub(crate) fn error(&self, number: usize) -> String {
        let key = format!("job-{number:04}");
        let job = self.story.list().into_iter().find(|job| job["key"] == key.as_str()).unwrap();
        format!("{}: {}", text(&job["error"]["class"]), text(&job["error"]["message"]))
    }

    pub(crate) fn charges(&self) -> usize {
        self.api.book().charges().count()
    }

    pub(crate) fn submits(&self) -> u64 {
        self.api.figures().submits
    }

    /// Asserts that each of these faults acted.
    #[track_caller]
    pub(crate) fn acted(&self, kinds: &[&str]) {
        let figures = self.api.figures();
        let missing: Vec<_> =
            kinds.iter().filter(|kind| !figures.faults.contains_key(**kind)).collect();
        assert!(missing.is_empty(), "{missing:?} did not act: {figures:?}");
    }

    pub(crate) fn judge(&self) -> Figures {
        Figures::judge(&self.story, &self.api.book(), self.rows, self.budget)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// With short latencies where it says nothing of them.
pub(crate) fn scenario_of(scenario: &str) -> String {
    if scenario.contains("[latency]") {
        scenario.to_owned()
    } else {
        format!("{scenario}\n{QUICK}")
    }
}

/// The time between two events' moments.
pub(crate) fn between(from: &Value, to: &Value) -> Duration {
    let at = |event: &Value| event["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    Duration::try_from(at(to).duration_since(at(from))).unwrap_or_default()
}
