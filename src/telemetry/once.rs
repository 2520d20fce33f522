//! What another crate warns of is told once from each place in its code: three hundred certificates that
//! cannot be read are one trouble.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// Lets warnings that come by the `log` facade pass once; nightreel's own always do.
#[derive(Debug, Default)]
pub(super) struct Once(Mutex<HashSet<Place>>);

/// Where in its code another crate logs something.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Place {
    target: String,
    line: u64,
}

impl<S> Filter<S> for Once {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        if *event.metadata().level() > Level::WARN {
            return true;
        }
        let mut place = Place::default();
        event.record(&mut place);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.target.is_empty() || told.insert(place)
    }
}

impl Visit for Place {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            value.clone_into(&mut self.target);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "log.line" {
            self.line = value;
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
