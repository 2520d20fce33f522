//! The data of the page: one JSON object, written as it is read, job by job.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::commands::Commands;
use super::inert::{self, shown, shown_value};
use super::{Error, Folders, night, trouble};
use crate::domain::state::Account;
use crate::domain::{JobState, Micros, Request, clock, text};
use crate::ledger::{BatchView, JobId, Ledger, PageFile, PageJob};

/// Jobs read at a time.
const PAGE: u32 = 500;
/// Jobs on a page at most: beyond these a browser has more to read than a person has patience for.
const MOST: usize = 20_000;
/// The number of this data's shape, for scripts that read it.
const SHAPE: u32 = 1;

/// How files are named from the page.
pub struct Links<'a> {
    /// The page's folder, relative to the output folder, with `/`.
    pub folder: &'a str,
    /// The sidecar of an artifact, both relative to the output folder.
    pub sidecar: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl Links<'_> {
    /// `path` as seen from the page: not escaped, which is the page's part.
    fn seen_from_here(&self, path: &str) -> String {
        let mut here: Vec<&str> = self.folder.split('/').collect();
        let mut there: Vec<&str> = path.split('/').collect();
        while there.len() > 1 && here.first() == there.first() {
            here.remove(0);
            there.remove(0);
        }
        let up = here.iter().map(|_| "..");
        up.chain(there.iter().copied()).collect::<Vec<_>>().join("/")
    }
}

/// A job as the page has it.
#[derive(Serialize)]
struct Shown {
    id: i64,
    key: String,
    state: JobState,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    vars: Map<String, Value>,
    cost: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    attempts: i64,
    row: i64,
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<(String, String)>,
    at: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Value>,
}

/// Writes the whole object but for its brace at the beginning, which may have more in it.
pub(super) async fn write(
    ledger: &Ledger,
    batch: &BatchView,
    folders: &Folders,
    links: &Links<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), Error> {
    out.write_all(b"\"batch\":")?;
    inert::write_json(out, &figures(batch))?;
    let (night, trouble) = whole(ledger, batch, folders).await?;
    out.write_all(b",\n\"night\":")?;
    inert::write_json(out, &night)?;
    out.write_all(b",\n\"trouble\":")?;
    inert::write_json(out, &trouble)?;
    out.write_all(b",\n\"jobs\":[")?;
    let (mut after, mut index) = (JobId(0), 0);
    while index < MOST {
        let page = ledger.page_jobs(batch.id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for job in page {
            separate(out, index)?;
            inert::write_json(out, &row(job, links))?;
            index += 1;
        }
    }
    Ok(out.write_all(b"]}")?)
}

/// How the night went, and what is left to do by cause.
pub async fn whole(
    ledger: &Ledger,
    batch: &BatchView,
    folders: &Folders,
) -> crate::ledger::Result<(Value, Value)> {
    let night = night::of(ledger, batch).await?;
    let commands = Commands::new(batch, folders);
    let mut causes = Vec::new();
    for cause in ledger.causes(batch.id).await? {
        causes.push(trouble::of(ledger, batch, &commands, &cause).await?);
    }
    Ok((night.unwrap_or_default(), causes.into()))
}

fn separate(out: &mut dyn Write, index: usize) -> io::Result<()> {
    out.write_all(if index > 0 { b",\n" } else { b"\n" })
}

/// The figures of a batch.
#[must_use]
pub fn figures(batch: &BatchView) -> Value {
    let states = JobState::ALL.into_iter().map(|state| (state, batch.tally.count(state)));
    let jobs: Map<String, Value> = states
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| (state.as_str().to_owned(), count.into()))
        .collect();
    let money = |account| batch.tally.account(account);
    json!({
        "shape": SHAPE,
        "id": batch.id.0,
        "nightreel": env!("CARGO_PKG_VERSION"),
        "name": text::visible(&batch.name),
        "manifest": text::visible(&batch.manifest),
        "api": batch.origin.as_str(),
        "simulated": batch.origin.is_loopback(),
        "total": batch.tally.total(),
        "jobs": jobs,
        "money": {
            "committed": money(Account::Committed),
            "reserved": money(Account::Reserved),
            "unknown": money(Account::Unknown),
            "released": money(Account::Released),
            "budget": batch.tally.budget,
        },
        "attempts": batch.attempts,
        "files": batch.files,
        "bytes": batch.bytes,
        "first_at": batch.first_at.map(clock::utc),
        "last_at": batch.last_at.map(clock::utc),
    })
}

/// A job as the page has it.
#[must_use]
pub fn job(job: PageJob, links: &Links<'_>) -> Value {
    // What it is made of are texts, numbers and JSON: it cannot fail.
    serde_json::to_value(row(job, links)).unwrap_or_default()
}

fn row(job: PageJob, links: &Links<'_>) -> Shown {
    let request = Request::from_canonical(&job.request);
    let (model, params) = request.map_or_else(Default::default, |it| (it.model, it.params));
    let prompt = params.get("prompt").and_then(Value::as_str).map(shown);
    let others = params.iter().filter(|(name, _)| *name != "prompt");
    let vars: Option<Map<String, Value>> =
        job.vars.as_deref().and_then(|vars| serde_json::from_str(vars).ok());
    let is_done = job.state == JobState::Done;
    Shown {
        id: job.id.0,
        key: text::visible(&job.key),
        state: job.state,
        model: text::visible(&model),
        prompt,
        params: others.map(|(name, value)| (text::visible(name), shown_value(value))).collect(),
        vars: vars
            .unwrap_or_default()
            .iter()
            .map(|(name, value)| (text::visible(name), shown_value(value)))
            .collect(),
        cost: job.cost,
        price: job.price,
        ms: job.took.map(night::millis),
        attempts: job.attempts,
        row: job.row,
        place: text::visible(&job.place),
        prediction: job.prediction.as_deref().map(text::visible),
        error: job.error.filter(|_| !is_done).map(|(class, said)| (shown(&class), shown(&said))),
        at: job.updated_at.as_millisecond(),
        files: job.files.iter().map(|file| file_json(file, links)).collect(),
    }
}

fn file_json(file: &PageFile, links: &Links<'_>) -> Value {
    let media: Value = serde_json::from_str(&file.media).unwrap_or_default();
    let mut json = json!({
        "path": links.seen_from_here(&file.path),
        "bytes": file.bytes,
        "type": media["type"],
        "width": media["width"],
        "height": media["height"],
        "seconds": media["duration_seconds"],
    });
    if let Some(sidecar) = (links.sidecar)(&file.path) {
        json["sidecar"] = links.seen_from_here(&sidecar).into();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_from_the_pages_folder() {
        let links = |folder: &'static str| Links { folder, sidecar: &|_| None };
        assert_eq!(links("demo").seen_from_here("demo/a b.mp4"), "a b.mp4");
        assert_eq!(links("demo").seen_from_here("demo/x/a.mp4"), "x/a.mp4");
        assert_eq!(links("demo").seen_from_here("other/a.mp4"), "../other/a.mp4");
        assert_eq!(links("demo").seen_from_here("a.mp4"), "../a.mp4");
        assert_eq!(links("a/b").seen_from_here("a/c/x.mp4"), "../c/x.mp4");
        assert_eq!(links("a/b").seen_from_here("a/b"), "../b");
    }
}
