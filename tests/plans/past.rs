//! What happened before the first plan, written by the ledger itself. What counts as sent is really sent.

use nightreel::atlas::{Api, SubmitOutcome};
use nightreel::domain::{
    AttemptState, Digest, Endpoint, JobSpec, JobState, Micros, PredictionId, clock,
};
use nightreel::ledger::{
    Begun, Intent, JobId, Ledger, NewArtifact, NewAttempt, NewBatch, NewJob, Next, RunId, Trouble,
};

use crate::made::{Fate, MODELS};

/// What the simulator charges.
fn price(spec: &JobSpec) -> Micros {
    Micros(if spec.request.model == MODELS[0] { 230_000 } else { 490_000 })
}

/// A ledger with a past, while it is written.
pub(crate) struct Past<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) api: &'a Api,
    pub(crate) run: RunId,
}

fn trouble() -> Trouble {
    Trouble { class: "a test".to_owned(), message: "so it went".to_owned(), ..Trouble::default() }
}

impl Past<'_> {
    /// Brings a batch in and takes each of its jobs to where its fate wants it.
    pub(crate) async fn batch(&self, name: &str, file: &str, specs: Vec<JobSpec>, fates: &[Fate]) {
        let new = NewBatch {
            name: name.to_owned(),
            manifest: file.to_owned(),
            origin: self.api.origin(),
            budget: None,
        };
        let batch = self.ledger.open_batch(new).await.unwrap();
        let jobs = specs.into_iter().zip(fates.iter().copied().cycle());
        let jobs: Vec<_> = jobs.filter(|(_, fate)| !matches!(fate, Fate::Absent)).collect();
        let keys: Vec<String> = jobs.iter().map(|(spec, _)| spec.key.clone()).collect();
        let new =
            |spec: &JobSpec| NewJob { spec: spec.clone(), price: Some(price(spec)), invalid: None };
        let fresh = jobs.iter().map(|(spec, _)| new(spec)).collect();
        self.ledger.enqueue(batch, fresh).await.unwrap();
        let known = self.ledger.known(batch, &keys).await.unwrap();
        for (spec, fate) in jobs {
            self.job(known[&spec.key].id, &spec, fate).await;
        }
    }

    async fn job(&self, job: JobId, spec: &JobSpec, fate: Fate) {
        let ledger = self.ledger;
        match fate {
            Fate::Absent | Fate::Pending => return,
            Fate::Canceled => {
                let (from, to) = (JobState::Pending, JobState::Canceled);
                assert_eq!(ledger.move_all(None, vec![job], from, to).await.unwrap(), 1);
                return;
            }
            _ => {}
        }
        let (intent, body) = self.intend(job, spec).await;
        match fate {
            Fate::Tried | Fate::Failed => {
                let again = Next::Again { not_before: clock::now(), counted: true };
                let next = if matches!(fate, Fate::Tried) { again } else { Next::Failed };
                let rejected = AttemptState::Rejected;
                return ledger.refuse(&intent, rejected, trouble(), next).await.unwrap();
            }
            _ => {}
        }
        let prediction = self.send(body).await;
        match fate {
            Fate::Interrupted => return,
            Fate::Unknown => return ledger.lose_sight(&intent, trouble()).await.unwrap(),
            _ => ledger.accept(&intent, &prediction, Some(200), None).await.unwrap(),
        }
        match fate {
            Fate::Done => self.finish(&intent, job).await,
            Fate::Quarantined => {
                ledger.set_aside(job, JobState::Quarantined, trouble()).await.unwrap();
            }
            Fate::LostOutput => {
                ledger.set_aside(job, JobState::LostOutput, trouble()).await.unwrap();
            }
            _ => {}
        }
    }

    async fn intend(&self, job: JobId, spec: &JobSpec) -> (Intent, String) {
        let body = spec.request.body(&std::collections::HashMap::new()).unwrap();
        let new = NewAttempt {
            job,
            run: self.run,
            origin: self.api.origin(),
            model: spec.request.model.clone(),
            body_sha256: Digest::of(body.as_bytes()),
            price: price(spec),
        };
        match self.ledger.begin_attempt(new).await.unwrap() {
            Begun::Intent(intent) => (intent, body),
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, body: String) -> PredictionId {
        match self.api.submit(Endpoint::Video, body).await.outcome {
            SubmitOutcome::Accepted { id } => id,
            other => panic!("{other:?}"),
        }
    }

    async fn finish(&self, intent: &Intent, job: JobId) {
        let outputs = ["https://cdn.example/1.mp4".to_owned()];
        self.ledger.complete(intent.attempt(), &outputs, None).await.unwrap();
        let path = format!("{}.mp4", job.0);
        let file = NewArtifact {
            number: 1,
            folded: path.clone(),
            temp: format!(".{path}.partial"),
            bytes: 4075,
            sha256: Digest::of(path.as_bytes()),
            path,
            media: r#"{"type":"video/mp4"}"#.to_owned(),
            source_host: Some("cdn.example".to_owned()),
        };
        self.ledger.store(job, intent.attempt(), vec![file]).await.unwrap();
        self.ledger.finish(job, intent.attempt()).await.unwrap();
    }
}
