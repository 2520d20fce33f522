//! What people and scripts see, driven through the channel with a paused clock.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::domain::{EventKind, JobState, Micros, Timestamp};

/// A screen the test can read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A pipe nobody reads.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn totals(done: u64) -> Totals {
    let mut totals = Totals {
        retrying: 2,
        in_flight: 64,
        concurrency: 64,
        downloading: 3,
        spent: Micros(41_200_000),
        budget: Some(Micros(250_000_000)),
        ..Totals::default()
    };
    totals.jobs[JobState::Done.index()] = done;
    totals.jobs[JobState::Submitted.index()] = 64;
    totals.jobs[JobState::Failed.index()] = 1;
    totals.jobs[JobState::Pending.index()] = 2000 - 65 - done;
    totals
}

fn event(kind: EventKind, done: u64) -> Event {
    Event { at: Timestamp::UNIX_EPOCH, run: "r".into(), kind, totals: totals(done) }
}

fn done(job: &str, count: u64) -> Event {
    let (batch, job) = ("night".to_owned(), job.to_owned());
    event(EventKind::JobDone { batch, job, seconds: 90, cost: None }, count)
}

fn failed(message: &str) -> Event {
    let kind = EventKind::JobFailed {
        batch: "night".into(),
        job: "cat".into(),
        state: JobState::Failed,
        class: "moderation".into(),
        message: message.into(),
    };
    event(kind, 400)
}

async fn shown(events: Vec<(Event, Duration)>, sink: Option<Box<dyn Write + Send>>) -> String {
    let paper = Paper::default();
    let (sender, receiver) = mpsc::channel(8);
    let sinks =
        Sinks { mode: Mode::Plain, screen: Box::new(paper.clone()), events: sink, bars: None };
    let display = tokio::spawn(show(receiver, sinks));
    for (event, pause) in events {
        sender.send(event).await.unwrap();
        tokio::time::sleep(pause).await;
    }
    drop(sender);
    display.await.unwrap();
    paper.text()
}

/// The wall clock's time at a line's beginning is not the test's business.
fn without_times(text: &str) -> String {
    let cut = |line: &str| match line.get(..9) {
        Some(head) if head.as_bytes()[2] == b':' => line[9..].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(cut).collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_plain_line_every_thirty_seconds_says_how_the_night_goes() {
    // No event falls on a tick: which of two that are due comes first is nobody's promise.
    let (first, second) = (Duration::from_secs(65), Duration::from_secs(16));
    let text = shown(vec![(done("a", 400), first), (done("b", 431), second)], None).await;
    insta::assert_snapshot!(without_times(&text), @r"
    400/2000 done, 64 generating, 3 downloading, 2 retrying, 1533 waiting, 1 failed, $41.20 of $250.00 spent
    431/2000 done, 64 generating, 3 downloading, 2 retrying, 1502 waiting, 1 failed, $41.20 of $250.00 spent, 22/min, about 1h 08m left
    ");
}

#[tokio::test(start_paused = true)]
async fn hostile_text_is_inert_and_repeats_are_bounded() {
    let events = (0..30).map(|_| (failed("\u{1b}[2J\nforged line"), Duration::ZERO)).collect();
    let text = shown(events, None).await;
    assert!(!text.contains('\u{1b}') && !text.contains("\nforged"), "{text}");
    assert_eq!(text.matches("moderation").count(), 20);
    assert_eq!(text.matches("more like this").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn events_are_json_lines_in_the_contract_s_form() {
    let paper = Paper::default();
    shown(vec![(done("a", 1), Duration::ZERO)], Some(Box::new(paper.clone()))).await;
    insta::assert_snapshot!(paper.text(), @r#"{"at":"1970-01-01T00:00:00Z","run":"r","kind":"job_done","batch":"night","job":"a","seconds":90,"cost":null}"#);
}

#[tokio::test(start_paused = true)]
async fn a_closed_events_pipe_does_not_stop_the_display() {
    let events = vec![(done("a", 1), Duration::ZERO), (failed("no"), Duration::ZERO)];
    let text = shown(events, Some(Box::new(Gone))).await;
    assert!(text.contains("night/cat failed: moderation: no"), "{text}");
}
