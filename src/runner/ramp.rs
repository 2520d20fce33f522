//! The ramp: a shape of requests that was never seen to succeed, with many jobs waiting, is tried on
//! one job, then on ten, before it goes at full speed (reliability.md M10). Other shapes are not held up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::shape::Texts;
use crate::domain::{Digest, Request};

/// More jobs of a shape than this must wait for it to be proved.
pub(super) const MANY: u64 = 50;
/// In flight at a time after the first success.
const SECOND: u32 = 10;

/// The shapes being proved.
#[derive(Default)]
pub(super) struct Ramp {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    shapes: Mutex<HashMap<Digest, Stage>>,
    freed: Notify,
}

/// How far a shape is.
struct Stage {
    limit: u32,
    held: u32,
    succeeded: u32,
}

/// A job of an unproved shape in flight; it is over when this is dropped.
pub struct Trial {
    inner: Arc<Inner>,
    shape: Digest,
}

/// Whether a job may go.
pub(super) enum Admission {
    /// It may; its shape is proved, or few.
    Free,
    /// It may, as one of few.
    Trial(Trial),
    /// Others of its shape go first.
    Held,
}

/// A shape's next stage.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The first one succeeded: so many at a time now.
    Few(u32),
    /// It is proved.
    Proved,
}

impl Ramp {
    /// Begins to prove a shape.
    pub(super) fn prove(&self, shape: Digest) {
        self.lock().insert(shape, Stage { limit: 1, held: 0, succeeded: 0 });
    }

    /// Asks for a job that is due.
    pub(super) fn admit(&self, request: &Request) -> Admission {
        let mut shapes = self.lock();
        if shapes.is_empty() {
            return Admission::Free;
        }
        let shape = request.shape(Texts::Alike);
        match shapes.get_mut(&shape) {
            None => Admission::Free,
            Some(stage) if stage.held >= stage.limit => Admission::Held,
            Some(stage) => Admission::Trial(self.trial(stage, shape)),
        }
    }

    /// Counts a prediction that is in flight already, whatever the stage says.
    pub(super) fn occupy(&self, request: &Request) -> Option<Trial> {
        let mut shapes = self.lock();
        let shape = request.shape(Texts::Alike);
        shapes.get_mut(&shape).map(|stage| self.trial(stage, shape))
    }

    fn trial(&self, stage: &mut Stage, shape: Digest) -> Trial {
        stage.held += 1;
        Trial { inner: Arc::clone(&self.inner), shape }
    }

    /// Notes a success. Returns the step it leads to, if it leads to one.
    pub(super) fn succeeded(&self, request: &Request) -> Option<Step> {
        let mut shapes = self.lock();
        if shapes.is_empty() {
            return None;
        }
        let shape = request.shape(Texts::Alike);
        let stage = shapes.get_mut(&shape)?;
        stage.succeeded += 1;
        let step = match stage.succeeded {
            1 => {
                stage.limit = SECOND;
                Step::Few(SECOND)
            }
            more if more > SECOND => {
                shapes.remove(&shape);
                Step::Proved
            }
            _ => return None,
        };
        drop(shapes);
        self.inner.freed.notify_one();
        Some(step)
    }

    /// The shapes whose jobs cannot go now.
    pub(super) fn full(&self) -> Vec<Digest> {
        let shapes = self.lock();
        shapes
            .iter()
            .filter(|(_, stage)| stage.held >= stage.limit)
            .map(|(shape, _)| *shape)
            .collect()
    }

    /// Resolves when a held job may go.
    pub(super) async fn freed(&self) {
        self.inner.freed.notified().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Stage>> {
        self.inner.shapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let mut shapes = self.inner.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = shapes.get_mut(&self.shape) {
            stage.held -= 1;
        }
        drop(shapes);
        self.inner.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(prompt: &str) -> Request {
        Request::from_canonical(&format!(r#"{{"model":"m","prompt":"{prompt}"}}"#)).unwrap()
    }

    #[test]
    fn one_then_ten_then_all() {
        let ramp = Ramp::default();
        ramp.prove(request("any").shape(Texts::Alike));
        let Admission::Trial(first) = ramp.admit(&request("a")) else { panic!("the first goes") };
        assert!(matches!(ramp.admit(&request("b")), Admission::Held));
        assert_eq!(ramp.full().len(), 1);
        assert_eq!(ramp.succeeded(&request("a")), Some(Step::Few(10)));
        drop(first);
        let few: Vec<_> = (0..10).map(|n| ramp.admit(&request(&n.to_string()))).collect();
        assert!(few.iter().all(|admission| matches!(admission, Admission::Trial(_))));
        assert!(matches!(ramp.admit(&request("c")), Admission::Held));
        let steps: Vec<_> = (0..10).filter_map(|_| ramp.succeeded(&request("d"))).collect();
        assert_eq!(steps, [Step::Proved]);
        assert!(matches!(ramp.admit(&request("e")), Admission::Free));
        drop(few);
    }

    #[test]
    fn a_failure_lets_the_next_one_try() {
        let ramp = Ramp::default();
        ramp.prove(request("any").shape(Texts::Alike));
        for _ in 0..3 {
            let Admission::Trial(trial) = ramp.admit(&request("a")) else { panic!("one goes") };
            assert!(matches!(ramp.admit(&request("b")), Admission::Held));
            drop(trial);
        }
    }
}
