//! What is matched with what, by counts and by time.

use super::*;
use crate::domain::{Digest, Micros, Origin};
use crate::ledger::{AttemptId, BatchId, JobId};

const WAIT: Duration = Duration::from_mins(10);

fn at(minute: i64) -> Timestamp {
    clock::from_millis(1_763_870_000_000 + minute * 60_000)
}

fn unknown(id: i64, minute: i64) -> UnknownAttempt {
    UnknownAttempt {
        attempt: AttemptId(id),
        number: 1,
        job: JobId(id),
        batch: BatchId(1),
        batch_name: "m".to_owned(),
        key: format!("job-{id}"),
        model: "m".to_owned(),
        origin: Origin::from_ledger("https://api.example".to_owned()),
        body_sha256: Digest::of(b"one body"),
        reserved: Micros(230_000),
        intent_at: at(minute),
        looked_at: None,
    }
}

fn task(id: &str, minute: Option<i64>) -> HistoryItem {
    HistoryItem {
        id: PredictionId::parse(id).unwrap(),
        created_at: minute.map(at),
        model: "m".to_owned(),
        request: None,
        status: "completed".to_owned(),
    }
}

/// Each group as its outcomes, the tasks of their time, and the later ones.
fn sorted(unknowns: &[(i64, i64)], tasks: &[(&str, i64)]) -> Vec<(Vec<i64>, String, String)> {
    let unknowns = unknowns.iter().map(|(id, minute)| unknown(*id, *minute)).collect();
    let tasks: Vec<_> = tasks.iter().map(|(id, minute)| task(id, Some(*minute))).collect();
    let ids =
        |ids: &[PredictionId]| ids.iter().map(PredictionId::as_str).collect::<Vec<_>>().join(" ");
    let groups = groups(unknowns, &tasks, WAIT).into_iter();
    groups
        .map(|group| {
            let members = group.unknowns.iter().map(|unknown| unknown.attempt.0).collect();
            (members, ids(&group.found), ids(&group.later))
        })
        .collect()
}

#[test]
fn a_task_older_than_the_intent_is_a_strangers() {
    let found = sorted(&[(1, 0)], &[("old", -6), ("skewed", -4)]);
    assert_eq!(found, [(vec![1], "skewed".to_owned(), String::new())]);
}

#[test]
fn a_task_after_the_time_of_arrival_is_told_apart() {
    let found = sorted(&[(1, 0)], &[("mine", 15), ("late", 16)]);
    assert_eq!(found, [(vec![1], "mine".to_owned(), "late".to_owned())]);
}

#[test]
fn an_old_outcome_does_not_open_the_window_of_a_new_one() {
    let found = sorted(&[(2, 600), (1, 0)], &[("first", 1), ("between", 300), ("second", 601)]);
    let first = (vec![1], "first".to_owned(), "between".to_owned());
    assert_eq!(found, [first, (vec![2], "second".to_owned(), String::new())]);
}

#[test]
fn outcomes_whose_times_overlap_share_their_tasks() {
    let found = sorted(&[(1, 0), (2, 8)], &[("a", 1), ("b", 9)]);
    assert_eq!(found, [(vec![1, 2], "a b".to_owned(), String::new())]);
}

#[test]
fn a_task_without_a_time_is_nobodys() {
    let groups = groups(vec![unknown(1, 0)], &[task("timeless", None)], WAIT);
    assert!(groups[0].found.is_empty() && groups[0].later.is_empty());
}
