//! Files: planned, in place, superseded; and no name twice.

use super::*;

#[tokio::test]
async fn files_are_planned_before_they_are_in_place() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.ready(job, "p1").await;
    let plan = vec![file(1, "films/a-1.mp4"), file(2, "films/a-2.mp4")];
    desk.ledger.store(job, attempt, plan.clone()).await.unwrap();
    assert_eq!(desk.state(job).await, JobState::Storing);
    let files = desk.ledger.artifacts_of(job).await.unwrap();
    let seen = files.iter().map(|f| (f.number, f.state.as_str(), f.path.as_str()));
    assert!(seen.eq([(1, "storing", "films/a-1.mp4"), (2, "storing", "films/a-2.mp4")]));
    assert!(desk.ledger.artifacts(None, JobId(0), 9).await.unwrap().is_empty());
    desk.ledger.finish(job, attempt).await.unwrap();
    let stored = desk.ledger.artifacts(None, JobId(0), 9).await.unwrap();
    assert_eq!(stored.len(), 2);
    assert_eq!((stored[0].attempt, stored[0].bytes), (attempt, plan[0].bytes));
    assert_eq!((stored[0].sha256, &stored[0].temp), (plan[0].sha256, &plan[0].temp));
    assert_eq!(stored[0].name, ("films".to_owned(), "a".to_owned()));
    assert_eq!(stored[0].source_host.as_deref(), Some("cdn.example"));
    assert_eq!(stored[0].media, plan[0].media);
    assert_eq!((desk.view().await.files, desk.view().await.bytes), (2, 2 * 4075));
}

#[tokio::test]
async fn a_plan_may_be_made_again_after_a_crash() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let attempt = desk.ready(job, "p1").await;
    desk.ledger.store(job, attempt, vec![file(1, "one.mp4"), file(2, "two.mp4")]).await.unwrap();
    desk.ledger.set_aside(job, JobState::Ready, Trouble::default()).await.unwrap();
    desk.ledger.store(job, attempt, vec![file(1, "one.mp4")]).await.unwrap();
    assert_eq!(desk.ledger.artifacts_of(job).await.unwrap().len(), 1);
    let [other] = desk.jobs(["b"]).await;
    let next = desk.ready(other, "p2").await;
    assert!(desk.ledger.name_is_free("two.mp4", next).await.unwrap(), "it was given back");
}

#[tokio::test]
async fn a_name_belongs_to_one_attempt_whatever_its_case() {
    let desk = Desk::open().await;
    let [one, two] = desk.jobs(["a", "b"]).await;
    let first = desk.ready(one, "p1").await;
    let second = desk.ready(two, "p2").await;
    desk.ledger.store(one, first, vec![file(1, "Film.mp4")]).await.unwrap();
    assert!(desk.ledger.name_is_free("film.mp4", first).await.unwrap(), "it is its own");
    assert!(!desk.ledger.name_is_free("film.mp4", second).await.unwrap());
    let taken = desk.ledger.store(two, second, vec![file(1, "FILM.mp4")]).await;
    assert!(matches!(&taken, Err(error @ Error::NameTaken { .. }) if !error.is_fatal()));
    assert_eq!(desk.state(two).await, JobState::Ready);
}

#[tokio::test]
async fn a_new_attempts_files_supersede_the_old_ones() {
    let desk = Desk::open().await;
    let [job] = desk.jobs(["a"]).await;
    let old = desk.done(job, "p1").await;
    let done = JobState::Done;
    desk.ledger.move_all(Some(desk.batch), vec![job], done, JobState::Pending).await.unwrap();
    let new = desk.ready(job, "p2").await;
    assert!(new > old);
    desk.ledger.store(job, new, vec![file(1, "again.mp4")]).await.unwrap();
    desk.ledger.finish(job, new).await.unwrap();
    let files = desk.ledger.artifacts_of(job).await.unwrap();
    assert_eq!(files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["again.mp4"]);
    assert!(!desk.ledger.name_is_free("p1.mp4", new).await.unwrap(), "the old file is still there");
    assert_eq!(desk.view().await.files, 1);
    assert_eq!(desk.money().await, [0, 2 * PRICE.0, 0, 0]);
}

#[tokio::test]
async fn done_files_are_listed_page_by_page_in_whole_jobs() {
    let desk = Desk::open().await;
    let jobs = desk.jobs(["a", "b", "c"]).await;
    for (job, id) in jobs.into_iter().zip(["p1", "p2", "p3"]) {
        let attempt = desk.ready(job, id).await;
        let files = [1, 2].map(|n| file(n, &format!("{id}-{n}.mp4")));
        desk.ledger.store(job, attempt, files.to_vec()).await.unwrap();
        desk.ledger.finish(job, attempt).await.unwrap();
    }
    let page = async |after| {
        let files = desk.ledger.artifacts(Some(desk.batch), after, 2).await.unwrap();
        files.into_iter().map(|f| f.job).collect::<Vec<_>>()
    };
    assert_eq!(page(JobId(0)).await, [jobs[0], jobs[0], jobs[1], jobs[1]]);
    assert_eq!(page(jobs[1]).await, [jobs[2], jobs[2]]);
    assert!(page(jobs[2]).await.is_empty());
    let other = desk.ledger.artifacts(Some(BatchId(9)), JobId(0), 9).await.unwrap();
    assert!(other.is_empty());
}
