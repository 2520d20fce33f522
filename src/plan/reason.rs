//! Why a row gets its action, in words: bounded, and nothing in them moves the cursor.

use serde_json::Value;

use super::{Action, OnChange};
use crate::domain::{JobState, MediaKey, Request, clock, text};
use crate::ledger::{Known, Past};

/// Fields that are told in full; of more only the number is told.
const FIELDS: usize = 3;
/// Bytes of a value that are shown.
const VALUE: usize = 40;
/// Characters two long values share that are still shown before they part.
const LEAD: usize = 10;

/// A job of the ledger, with what its row's reason needs.
pub(super) struct Standing<'a> {
    /// The job.
    pub(super) known: &'a Known,
    /// What it asks for, where its row asks for something else.
    pub(super) request: Option<&'a Request>,
    /// What became of it.
    pub(super) past: Option<&'a Past>,
}

impl Standing<'_> {
    /// What a row comes to whose request is not the ledger's.
    pub(super) fn changed(&self, now: &Request, on_change: OnChange) -> (Action, String) {
        let state = self.known.state;
        let held = state.is_in_flight() || state == JobState::Unknown || self.known.open;
        let fields = self.request.map_or_else(|| "its request".to_owned(), |old| differ(old, now));
        let reason = match on_change {
            OnChange::Rerun if held => {
                // What is paid for is collected first; the change is carried out by a later run.
                let action = if self.known.open { Action::SetAside } else { Action::InFlight };
                let reason = format!("paid for with its old request, {state}; changed: {fields}");
                return (action, reason);
            }
            OnChange::Refuse => format!("changed: {fields}; {state} since {}", self.moment()),
            OnChange::Rerun => format!("changed: {fields}; will be made anew, was {state}"),
            OnChange::Keep if state == JobState::Pending => {
                let (action, reason) = self.unchanged();
                return (action, format!("changed: {fields}; sent with its old request, {reason}"));
            }
            OnChange::Keep => format!("changed: {fields}; kept as it is, {state}"),
        };
        (Action::Changed, reason)
    }

    /// What a row comes to by the state of its job.
    pub(super) fn unchanged(&self) -> (Action, String) {
        let known = self.known;
        match known.state {
            JobState::Pending if known.trouble.is_some() => {
                (Action::Retry, format!("{}, will retry: {}", self.times(), self.trouble()))
            }
            JobState::Pending => (Action::New, "in the ledger, not submitted yet".to_owned()),
            JobState::Done => (Action::Done, self.files()),
            JobState::Submitting => (Action::InFlight, format!("being sent since {}", self.sent())),
            JobState::Submitted => {
                (Action::InFlight, format!("running at the API since {}", self.sent()))
            }
            JobState::Ready | JobState::Storing => {
                (Action::InFlight, format!("completed, to be downloaded since {}", self.moment()))
            }
            JobState::Failed => {
                let (times, why) = (self.times(), self.trouble());
                let reason =
                    format!("{times}, will not retry: {why}; `nightreel requeue` tries again");
                (Action::Failed, reason)
            }
            JobState::Unknown => {
                let reason = format!("counted as spent, sent {}, {}", self.sent(), self.trouble());
                (Action::Unknown, reason)
            }
            JobState::LostOutput | JobState::Quarantined => {
                (Action::SetAside, format!("{}, {}", known.state, self.trouble()))
            }
            JobState::Canceled => (Action::Canceled, format!("canceled {}", self.moment())),
            JobState::Invalid => (Action::New, "was invalid, is right now".to_owned()),
        }
    }

    fn moment(&self) -> String {
        clock::local(clock::from_millis(self.known.updated_at))
    }

    fn sent(&self) -> String {
        let sent = self.past.and_then(|past| past.sent_at).unwrap_or(self.known.updated_at);
        clock::local(clock::from_millis(sent))
    }

    fn times(&self) -> String {
        match self.known.tries {
            ..=0 => "not counted as a failure".to_owned(),
            1 => "failed once".to_owned(),
            tries => format!("failed {tries} times"),
        }
    }

    fn trouble(&self) -> String {
        let known = self.known.trouble.as_ref();
        known.map_or_else(
            || "no reason is recorded".to_owned(),
            |(class, message)| text::visible(&format!("{class}: {message}")),
        )
    }

    fn files(&self) -> String {
        let file = self.past.and_then(|past| past.file.as_deref()).map(text::visible);
        match (file, self.past.map_or(0, |past| past.files)) {
            (None, _) => format!("done {}", self.moment()),
            (Some(file), ..=1) => format!("done {}: {file}", self.moment()),
            (Some(file), files) => {
                let more = text::count(files - 1, "more file");
                format!("done {}: {file} and {more}", self.moment())
            }
        }
    }
}

/// The fields in which two requests differ, old → new.
fn differ(old: &Request, now: &Request) -> String {
    let mut told = Vec::new();
    if old.model != now.model {
        told.push(format!("model {} → {}", shown_text(&old.model), shown_text(&now.model)));
    }
    let mut names: Vec<&String> = old.params.keys().chain(now.params.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (was, is) = (old.params.get(name), now.params.get(name));
        if was != is {
            told.push(format!("{} {}", text::cut(&text::visible(name), VALUE), change(was, is)));
        }
    }
    let more = told.len().saturating_sub(FIELDS);
    told.truncate(FIELDS);
    if more > 0 {
        told.push(text::count(more as u64, "more field"));
    }
    told.join(", ")
}

fn change(was: Option<&Value>, is: Option<&Value>) -> String {
    let (Some(Value::String(old)), Some(Value::String(new))) = (was, is) else {
        return format!("{} → {}", shown(was), shown(is));
    };
    let is_file = |text: &String| MediaKey::parse(text).is_some();
    if is_file(old) || is_file(new) {
        return format!("{} → {}", shown(was), shown(is));
    }
    // Long prompts mostly begin alike: what is the same is left out, so that the difference shows.
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let skip = if same > 2 * LEAD { same - LEAD } else { 0 };
    let tail = |text: &str| {
        let tail: String = text.chars().skip(skip).collect();
        shown_text(&if skip > 0 { format!("…{tail}") } else { tail })
    };
    format!("{} → {}", tail(old), tail(new))
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => MediaKey::parse(text).map_or_else(
            || shown_text(text),
            |file| format!("file {}.{}", &file.sha256.short()[..8], text::visible(&file.extension)),
        ),
        Some(value) => text::cut(&text::visible(&value.to_string()), VALUE),
    }
}

fn shown_text(value: &str) -> String {
    format!("`{}`", text::cut(&text::visible(value), VALUE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(old: &str, now: &str) -> String {
        differ(&Request::from_canonical(old).unwrap(), &Request::from_canonical(now).unwrap())
    }

    #[test]
    fn the_fields_that_changed_are_named_with_what_they_were_and_are() {
        let told = differs(
            r#"{"model":"m","duration":6,"prompt":"a red fox"}"#,
            r#"{"model":"m","duration":10,"prompt":"a blue fox"}"#,
        );
        assert_eq!(told, "duration 6 → 10, prompt `a red fox` → `a blue fox`");
        let told = differs(r#"{"model":"m","go_fast":true}"#, r#"{"model":"n","seed":1}"#);
        assert_eq!(told, "model `m` → `n`, go_fast true → none, seed none → 1");
    }

    #[test]
    fn long_prompts_are_told_from_where_they_part() {
        let lead = "word ".repeat(100);
        let request = |end: &str| format!(r#"{{"model":"m","prompt":"{lead}{end}"}}"#);
        let told = differs(&request("dawn"), &request("noon"));
        assert_eq!(told, "prompt `…word word dawn` → `…word word noon`");
    }

    #[test]
    fn what_is_told_is_bounded_and_moves_no_cursor() {
        let request = |n: u32| {
            let params: Vec<String> =
                (0..50).map(|i| format!(r#""p{i}":"\u001b[2J{n}{}""#, "é".repeat(900))).collect();
            format!(r#"{{"model":"m",{}}}"#, params.join(","))
        };
        let told = differs(&request(1), &request(2));
        assert!(told.len() < 400 && !told.contains('\x1b'), "{told}");
        assert!(told.ends_with(", 47 more fields"), "{told}");
    }

    #[test]
    fn another_file_is_told_by_its_hash() {
        let file = |hex: &str| {
            let sha256 = hex.repeat(32);
            format!(r#"{{"model":"m","image":"upload:sha256-{sha256}.jpg"}}"#)
        };
        assert_eq!(
            differs(&file("ab"), &file("cd")),
            "image file abababab.jpg → file cdcdcdcd.jpg"
        );
    }
}
