//! The ramp: a shape of requests that was never seen to succeed, with many jobs waiting, is tried on
//! one job, then on ten, before it goes at full speed (reliability.md M10). Other shapes are not held up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::domain::Digest;

/// More jobs of a shape than this must wait for it to be proved.
pub(super) const MANY: u64 = 50;
/// In flight at a time after the first success.
const SECOND: u32 = 10;
/// So many submissions that nobody knows the outcome of, without one success, end the trial.
const LOST: u32 = 10;

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
    lost: u32,
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
        self.lock().insert(shape, Stage { limit: 1, held: 0, succeeded: 0, lost: 0 });
    }

    /// Asks for a job that is due. One without a shape is of a time before shapes were kept: no query
    /// can leave it out, so it is never held.
    pub(super) fn admit(&self, shape: Option<Digest>) -> Admission {
        let Some(shape) = shape else { return Admission::Free };
        match self.lock().get_mut(&shape) {
            None => Admission::Free,
            Some(stage) if stage.held >= stage.limit => Admission::Held,
            Some(stage) => Admission::Trial(self.trial(stage, shape)),
        }
    }

    /// Counts a prediction that is in flight already, whatever the stage says.
    pub(super) fn occupy(&self, shape: Option<Digest>) -> Option<Trial> {
        let shape = shape?;
        self.lock().get_mut(&shape).map(|stage| self.trial(stage, shape))
    }

    fn trial(&self, stage: &mut Stage, shape: Digest) -> Trial {
        stage.held += 1;
        Trial { inner: Arc::clone(&self.inner), shape }
    }

    /// Notes a success. Returns the step it leads to, if it leads to one.
    pub(super) fn succeeded(&self, shape: Option<Digest>) -> Option<Step> {
        let shape = shape?;
        let mut shapes = self.lock();
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

    /// Notes that nobody will know what became of a trial: it may well be paid for. Returns how many
    /// of its shape are so, where that is too many for a shape that never succeeded.
    pub(super) fn lost(&self, trial: &Trial) -> Option<u32> {
        let mut shapes = self.lock();
        let stage = shapes.get_mut(&trial.shape)?;
        stage.lost += 1;
        (stage.succeeded == 0 && stage.lost >= LOST).then_some(stage.lost)
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

    const SHAPE: Option<Digest> = Some(Digest([7; 32]));

    /// A ramp that proves one shape.
    fn ramp() -> Ramp {
        let ramp = Ramp::default();
        ramp.prove(SHAPE.unwrap());
        ramp
    }

    #[test]
    fn one_then_ten_then_all() {
        let ramp = ramp();
        let Admission::Trial(first) = ramp.admit(SHAPE) else { panic!("the first goes") };
        assert!(matches!(ramp.admit(SHAPE), Admission::Held));
        assert_eq!(ramp.full().len(), 1);
        assert_eq!(ramp.succeeded(SHAPE), Some(Step::Few(10)));
        drop(first);
        let few: Vec<_> = (0..10).map(|_| ramp.admit(SHAPE)).collect();
        assert!(few.iter().all(|admission| matches!(admission, Admission::Trial(_))));
        assert!(matches!(ramp.admit(SHAPE), Admission::Held));
        let steps: Vec<_> = (0..10).filter_map(|_| ramp.succeeded(SHAPE)).collect();
        assert_eq!(steps, [Step::Proved]);
        assert!(matches!(ramp.admit(SHAPE), Admission::Free));
        drop(few);
    }

    #[test]
    fn a_failure_lets_the_next_one_try() {
        let ramp = ramp();
        for _ in 0..3 {
            let Admission::Trial(trial) = ramp.admit(SHAPE) else { panic!("one goes") };
            assert!(matches!(ramp.admit(SHAPE), Admission::Held));
            drop(trial);
        }
    }

    #[test]
    fn ten_lost_trials_are_enough_unless_one_succeeded() {
        for succeeds in [false, true] {
            let ramp = ramp();
            if succeeds {
                ramp.succeeded(SHAPE);
            }
            let lose = || match ramp.admit(SHAPE) {
                Admission::Trial(trial) => ramp.lost(&trial),
                _ => panic!("one goes"),
            };
            assert!((0..9).all(|_| lose().is_none()));
            assert_eq!(lose(), (!succeeds).then_some(10));
        }
    }

    #[test]
    fn a_job_without_a_shape_is_never_held() {
        assert!(matches!(ramp().admit(None), Admission::Free));
    }
}
