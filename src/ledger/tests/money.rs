//! Whatever happens, in whatever order: the money adds up, the cap holds, and the figures in memory
//! are those of the file (M1, M4, M6).

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use sqlx::Row as _;

use super::*;
use crate::domain::AttemptState;

/// Jobs in play.
const JOBS: usize = 4;
/// The budget, in prices: less than all jobs could spend.
const CAP: u64 = 5;

/// One thing that may happen to one job; often it is illegal then, and must change nothing.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Accept,
    Refuse(bool),
    LoseSight,
    Adopt,
    ProveAbsent,
    AssumeCharged,
    Complete(Option<i64>),
    FailPrediction(bool),
    LosePrediction,
    Store,
    Finish,
    SetAside(JobState),
    PollAgain,
    Requeue(JobState),
    Rewrite,
    Recover,
}

fn step() -> impl Strategy<Value = Step> {
    let charge = prop::option::of(0..=PRICE.0);
    let state = prop::sample::select(JobState::ALL.to_vec());
    prop_oneof![
        4 => Just(Step::Begin),
        4 => Just(Step::Accept),
        1 => any::<bool>().prop_map(Step::Refuse),
        2 => Just(Step::LoseSight),
        1 => Just(Step::Adopt),
        1 => Just(Step::ProveAbsent),
        1 => Just(Step::AssumeCharged),
        3 => charge.prop_map(Step::Complete),
        1 => any::<bool>().prop_map(Step::FailPrediction),
        1 => Just(Step::LosePrediction),
        3 => Just(Step::Store),
        3 => Just(Step::Finish),
        1 => state.clone().prop_map(Step::SetAside),
        1 => Just(Step::PollAgain),
        2 => state.prop_map(Step::Requeue),
        1 => Just(Step::Rewrite),
        1 => Just(Step::Recover),
    ]
}

struct Play {
    desk: Desk,
    jobs: [JobId; JOBS],
    intents: Vec<Option<Intent>>,
    moves: u64,
}

impl Play {
    async fn open() -> Self {
        let desk = Desk::with_budget(Some(PRICE.times(CAP))).await;
        desk.ledger.watch(&[]).await.unwrap();
        let jobs = desk.jobs(["a", "b", "c", "d"]).await;
        Self { desk, jobs, intents: (0..JOBS).map(|_| None).collect(), moves: 0 }
    }

    async fn step(&mut self, at: usize, step: Step) -> Result<()> {
        self.moves += 1;
        let (ledger, job) = (&self.desk.ledger, self.jobs[at]);
        if matches!(step, Step::Begin) {
            if let Begun::Intent(intent) = ledger.begin_attempt(self.desk.attempt(job)).await? {
                self.intents[at] = Some(intent);
            }
            return Ok(());
        }
        if matches!(step, Step::Recover) {
            return ledger.recover().await.map(|_| ());
        }
        let Some(intent) = &self.intents[at] else { return Ok(()) };
        let (attempt, id) = (intent.attempt(), format!("p{}", self.moves));
        let next = |failed| if failed { Next::Failed } else { at_once(true) };
        let outputs = ["https://cdn.example/1.mp4".to_owned()];
        let how = AttemptState::Rejected;
        let said = trouble("x");
        match step {
            Step::Begin | Step::Recover => Ok(()),
            Step::Accept => ledger.accept(intent, &prediction(&id), None, None).await,
            Step::Refuse(failed) => ledger.refuse(intent, how, said, next(failed)).await,
            Step::LoseSight => ledger.lose_sight(intent, said).await,
            Step::Adopt => ledger.adopt(attempt, &prediction(&id), "history").await,
            Step::ProveAbsent => ledger.prove_absent(attempt, "looks", clock::now()).await,
            Step::AssumeCharged => ledger.assume_charged(attempt).await,
            Step::Complete(charge) => ledger.complete(attempt, &outputs, charge.map(Micros)).await,
            Step::FailPrediction(failed) => {
                ledger.fail_prediction(attempt, said, next(failed)).await
            }
            Step::LosePrediction => ledger.lose_prediction(attempt, None, said).await,
            Step::Store => ledger.store(job, attempt, vec![file(1, &id)]).await,
            Step::Finish => ledger.finish(job, attempt).await,
            Step::SetAside(to) => ledger.set_aside(job, to, said).await,
            Step::PollAgain => ledger.poll_again(job).await,
            Step::Requeue(from) => {
                ledger.move_all(None, vec![job], from, JobState::Pending).await.map(|_| ())
            }
            Step::Rewrite => ledger.rewrite(job, new_job("new")).await,
        }
    }

    async fn check(&self, raw: &mut SqliteConnection) -> TestCaseResult {
        let tally = self.desk.view().await.tally;
        prop_assert_eq!(self.desk.ledger.tally(self.desk.batch), tally);
        prop_assert!(tally.spent() <= PRICE.times(CAP), "{:?}", tally.money);
        let row = sqlx::query(SUMS).fetch_one(&mut *raw).await.unwrap();
        let entered = ["reserved", "committed", "unknown", "released"].map(|c| Micros(row.get(c)));
        prop_assert_eq!(tally.money, entered, "the entries say otherwise");
        prop_assert_eq!(number(raw, MISPLACED).await, 0, "money stands where its attempt is not");
        prop_assert_eq!(number(raw, OPEN).await, 0, "a job has two open attempts");
        prop_assert_eq!(number(raw, LEFT_OPEN).await, 0, "a job is done with too early");
        Ok(())
    }
}

const SUMS: &str = "SELECT \
    coalesce(sum(((target = 'reserved') - (source = 'reserved')) * micros), 0) AS reserved, \
    coalesce(sum(((target = 'committed') - (source = 'committed')) * micros), 0) AS committed, \
    coalesce(sum(((target = 'unknown') - (source = 'unknown')) * micros), 0) AS unknown, \
    coalesce(sum((target = 'released') * micros), 0) AS released FROM entries";

/// Attempts whose entries do not add up to what their state and charge say is spent or held.
const MISPLACED: &str = "SELECT count(*) FROM attempts a WHERE CASE \
    WHEN a.state IN ('not_sent', 'rejected', 'absent', 'api_failed') THEN 0 \
    ELSE coalesce(a.charged, a.reserved) END <> (SELECT sum(micros * ((target = CASE a.state \
    WHEN 'intent' THEN 'reserved' WHEN 'unknown' THEN 'unknown' ELSE 'committed' END) \
    - (source = CASE a.state WHEN 'intent' THEN 'reserved' WHEN 'unknown' THEN 'unknown' \
    ELSE 'committed' END))) FROM entries e WHERE e.attempt_id = a.id)";

const OPEN: &str = "SELECT count(*) FROM (SELECT job_id FROM attempts \
    WHERE state IN ('intent', 'unknown', 'accepted') GROUP BY job_id HAVING count(*) > 1)";

const LEFT_OPEN: &str = "SELECT count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id \
    WHERE a.state IN ('intent', 'unknown', 'accepted') \
    AND j.state IN ('pending', 'failed', 'canceled', 'done', 'invalid')";

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_money_together(
        steps in prop::collection::vec((0..JOBS, step()), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut play = Play::open().await;
            let mut raw = play.desk.raw().await;
            for (at, step) in steps {
                let made = play.step(at, step).await;
                prop_assert!(made.is_ok() || is_illegal(&made), "{step:?}: {made:?}");
                play.check(&mut raw).await?;
            }
            Ok(())
        })?;
    }
}
