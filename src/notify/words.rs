//! What is said, in the shape that its reader wants.

use serde_json::{Value, json};

use crate::domain::{Event, EventKind, JobState, text};
use crate::settings::{Moment, Shape};

/// Bytes of what an API or a system said.
const REASON: usize = 300;
/// Bytes of the names of batches.
const NAMES: usize = 100;
/// The most characters Discord takes (discord.com/developers/docs, "Execute Webhook").
const DISCORD: usize = 2000;

/// One word to somebody who is not there.
#[derive(Clone, Debug)]
pub struct Word {
    /// What it is about.
    pub moment: Moment,
    /// In a line or two, for people.
    pub text: String,
    /// Everything, for programs.
    pub whole: Value,
}

impl Word {
    /// Says what happened and how the run stands then.
    #[must_use]
    pub fn of(moment: Moment, event: &Event, said: &str, batches: &[String]) -> Self {
        let totals = &event.totals;
        let (total, done) = (totals.total(), totals.count(JobState::Done));
        let said = text::cut(&text::visible(said), REASON);
        let names = text::cut(&text::visible(&batches.join(", ")), NAMES);
        let head = match moment {
            Moment::End => "ended",
            Moment::Stop => "stopped submitting",
            Moment::Trouble => "has first trouble",
        };
        let spent = match totals.budget {
            Some(budget) => format!("{} of {}", totals.spent.human(), budget.human()),
            None => totals.spent.human(),
        };
        let exit = match &event.kind {
            EventKind::RunFinished { exit, .. } => Some(*exit),
            _ => None,
        };
        let jobs: serde_json::Map<String, Value> = JobState::ALL
            .iter()
            .map(|state| (state.as_str().to_owned(), totals.count(*state).into()))
            .collect();
        let whole = json!({
            "program": "nightreel", "moment": moment.as_str(), "at": event.at, "run": event.run,
            "batches": batches, "exit": exit, "reason": said, "jobs": jobs, "total": total,
            "spent": totals.spent, "budget": totals.budget,
        });
        let text =
            format!("nightreel {names} {head}: {done} of {total} done, {spent} spent\n{said}");
        Self { moment, text, whole }
    }

    /// The body of a POST and its content type.
    #[must_use]
    pub fn body(&self, shape: Shape) -> (String, &'static str) {
        let json = "application/json";
        match shape {
            Shape::Json => {
                let mut whole = self.whole.clone();
                whole["text"] = self.text.clone().into();
                (whole.to_string(), json)
            }
            Shape::Slack => (json!({ "text": for_slack(&self.text) }).to_string(), json),
            Shape::Discord => {
                let content: String = self.text.chars().take(DISCORD).collect();
                let none: [&str; 0] = [];
                let body = json!({ "content": content, "allowed_mentions": { "parse": none } });
                (body.to_string(), json)
            }
            Shape::Ntfy => (self.text.clone(), "text/plain; charset=utf-8"),
        }
    }
}

/// Slack reads three characters as its own (docs.slack.dev, "Escaping text").
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Totals, clock};

    fn word_of(said: &str) -> Word {
        let mut totals = Totals::default();
        totals.jobs[JobState::Done.index()] = 3;
        totals.jobs[JobState::Failed.index()] = 1;
        let kind = EventKind::RunFinished { exit: 3, reason: said.to_owned() };
        let event = Event { at: clock::now(), run: "r".to_owned(), kind, totals };
        Word::of(Moment::End, &event, said, &["night".to_owned()])
    }

    #[test]
    fn each_reader_gets_its_shape_and_nothing_commands_it() {
        let word = word_of("<!channel> & \u{1b}[31m @everyone");
        let (slack, _) = word.body(Shape::Slack);
        assert!(slack.contains("&lt;!channel&gt; &amp;") && !slack.contains('\u{1b}'), "{slack}");
        let (discord, _) = word.body(Shape::Discord);
        assert!(discord.contains(r#""allowed_mentions":{"parse":[]}"#), "{discord}");
        let (plain, kind) = word.body(Shape::Ntfy);
        assert!(plain.starts_with("nightreel night ended: 3 of 4 done, $0.00 spent\n"), "{plain}");
        assert!(kind.starts_with("text/plain"));
        let (json, _) = word.body(Shape::Json);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["exit"], &json["jobs"]["failed"]), (&3.into(), &1.into()));
    }

    #[test]
    fn what_others_said_is_cut() {
        let word = word_of(&"x".repeat(5000));
        assert!(word.body(Shape::Json).0.len() < 1500);
    }
}
