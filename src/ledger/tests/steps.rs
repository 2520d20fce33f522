//! Every step from every state to every state: the table's are made, all others refused, by the
//! code and, behind it, by the database itself.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::super::transition::{AttemptPatch, move_attempt};
use super::*;
use crate::domain::AttemptState;

const MIGRATION: &str = include_str!("../../../migrations/0001_create_ledger.sql");
/// It made the newest trigger of jobs.
const STEPS_OF_JOBS: &str = include_str!("../../../migrations/0004_invalidate_pending.sql");

/// A job put into `state` past every rule; inserting is not a step.
async fn plant_job(connection: &mut SqliteConnection, state: JobState) -> JobId {
    let key = number(connection, "SELECT count(*) FROM jobs").await;
    let id = sqlx::query_scalar(AssertSqlSafe(format!(
        "INSERT INTO jobs (batch_id, key, state, row, file, line, model, request, request_sha256, \
         created_at, updated_at) VALUES (1, 'planted-{key}', '{state}', 1, 'f', 1, 'm', '{{}}', \
         zeroblob(32), 0, 0) RETURNING id"
    )));
    JobId(id.fetch_one(connection).await.unwrap())
}

async fn plant_attempt(
    connection: &mut SqliteConnection,
    job: JobId,
    state: AttemptState,
) -> AttemptId {
    let id = sqlx::query_scalar(AssertSqlSafe(format!(
        "INSERT INTO attempts (job_id, number, state, run_id, origin, model, body_sha256, \
         reserved, prediction_id, intent_at) VALUES ({0}, 1, '{state}', 1, 'o', 'm', \
         zeroblob(32), 0, 'planted-{0}', 0) RETURNING id",
        job.0
    )));
    AttemptId(id.fetch_one(connection).await.unwrap())
}

#[tokio::test]
async fn a_job_takes_the_steps_of_the_table_and_no_other() {
    let desk = Desk::open().await;
    let mut raw = desk.raw().await;
    for from in JobState::ALL {
        for to in JobState::ALL {
            let job = plant_job(&mut raw, from).await;
            plant_attempt(&mut raw, job, AttemptState::Settled).await;
            let made = desk.ledger.set_aside(job, to, Trouble::default()).await;
            assert_eq!(made.is_ok(), from.may_become(to), "{from} to {to}");
            assert!(made.is_ok() || is_illegal(&made), "{from} to {to}");
            let expected = if made.is_ok() { to } else { from };
            assert_eq!(desk.state(job).await, expected, "{from} to {to}");
        }
    }
}

#[tokio::test]
async fn an_attempt_takes_the_steps_of_the_table_and_no_other() {
    let desk = Desk::open().await;
    let mut raw = desk.raw().await;
    for from in AttemptState::ALL {
        for to in AttemptState::ALL {
            let job = plant_job(&mut raw, JobState::Submitted).await;
            let attempt = plant_attempt(&mut raw, job, from).await;
            let change = desk.ledger.write(move |tx| {
                Box::pin(async move {
                    move_attempt(tx, attempt, to, AttemptPatch::default()).await.map(|_| ())
                })
            });
            let made = change.await;
            assert_eq!(made.is_ok(), from.may_become(to), "{from} to {to}");
            assert!(made.is_ok() || is_illegal(&made), "{from} to {to}");
            let expected = if made.is_ok() { to } else { from };
            assert_eq!(desk.ledger.attempts(job).await.unwrap()[0].state, expected);
        }
    }
}

#[tokio::test]
async fn the_database_itself_refuses_what_the_tables_do_not_have() {
    let desk = Desk::open().await;
    let mut raw = desk.raw().await;
    for from in JobState::ALL {
        for to in JobState::ALL {
            let job = plant_job(&mut raw, from).await;
            let sql = format!("UPDATE jobs SET state = '{to}' WHERE id = {}", job.0);
            let legal = from == to || from.may_become(to);
            assert_eq!(run(&mut raw, &sql).await.is_ok(), legal, "{from} to {to}");
        }
    }
    for from in AttemptState::ALL {
        for to in AttemptState::ALL {
            let job = plant_job(&mut raw, JobState::Submitted).await;
            let attempt = plant_attempt(&mut raw, job, from).await;
            let sql = format!("UPDATE attempts SET state = '{to}' WHERE id = {}", attempt.0);
            let legal = from == to || from.may_become(to);
            assert_eq!(run(&mut raw, &sql).await.is_ok(), legal, "{from} to {to}");
        }
    }
}

/// The trigger of a table, from the states, their words and their next ones.
fn trigger(table: &str, what: &str, steps: &[(&str, Vec<&str>)]) -> String {
    let steps = steps.iter().filter(|(_, next)| !next.is_empty()).map(|(from, next)| {
        let list = quoted(next.iter().copied());
        format!("        WHEN '{from}' THEN NEW.state IN ({list})\n")
    });
    format!(
        "CREATE TRIGGER {table}_step_legally BEFORE UPDATE OF state ON {table}\n    \
         WHEN OLD.state <> NEW.state AND NOT CASE OLD.state\n{}        ELSE FALSE END\n    \
         BEGIN SELECT RAISE (ABORT, 'no such step of {what}'); END;\n",
        steps.collect::<String>()
    )
}

fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_migration_says_what_the_tables_of_the_domain_say() {
    let jobs = JobState::ALL.map(|s| (s.as_str(), s.next().iter().map(|n| n.as_str()).collect()));
    let attempts =
        AttemptState::ALL.map(|s| (s.as_str(), s.next().iter().map(|n| n.as_str()).collect()));
    let job_words = quoted(JobState::ALL.into_iter().map(JobState::as_str));
    let attempt_words = quoted(AttemptState::ALL.into_iter().map(AttemptState::as_str));
    let expected = trigger("jobs", "a job", &jobs);
    assert!(STEPS_OF_JOBS.contains(&expected), "the migration should have:\n{expected}");
    for expected in [
        trigger("attempts", "an attempt", &attempts),
        format!("CHECK (state IN ({job_words}))"),
        format!("CHECK (state IN ({attempt_words}))"),
        "PRAGMA user_version = 1;".to_owned(),
    ] {
        assert!(MIGRATION.contains(&expected), "the migration should have:\n{expected}");
    }
}

#[tokio::test]
async fn a_job_with_an_open_attempt_is_neither_begun_again_nor_given_up() {
    let desk = Desk::open().await;
    let [slow, blind] = desk.jobs(["slow", "blind"]).await;
    desk.submitted(slow, "p1").await;
    desk.ledger.set_aside(slow, JobState::Quarantined, trouble("timeout")).await.unwrap();
    desk.lost(blind).await;
    for (job, state) in [(slow, JobState::Quarantined), (blind, JobState::Unknown)] {
        for to in [JobState::Pending, JobState::Failed] {
            let made = desk.ledger.set_aside(job, to, Trouble::default()).await;
            assert!(is_illegal(&made), "{state} to {to}");
        }
        assert!(is_illegal(&desk.ledger.rewrite(job, new_job("slow")).await));
        let moved = desk.ledger.move_all(None, vec![job], state, JobState::Pending).await;
        assert_eq!(moved.unwrap(), 0);
        assert_eq!(desk.state(job).await, state);
    }
    assert!(is_illegal(&desk.ledger.poll_again(blind).await), "there is nothing to poll");
    desk.ledger.poll_again(slow).await.unwrap();
    assert_eq!(desk.state(slow).await, JobState::Submitted);
}
