//! Pure words and rules: what a job, an attempt, a request and a sum of money are.
//!
//! Nothing here does I/O and nothing here knows another room. Every other room may use it.

pub mod charges;
pub mod clock;
pub mod diagnostic;
pub mod digest;
pub mod event;
pub mod harmless;
pub mod job;
pub mod kill;
pub mod money;
pub mod origin;
pub mod output;
pub mod request;
pub mod schema;
pub mod shape;
pub mod state;
pub mod template;
pub mod text;
pub mod window;

pub use charges::Charges;
pub use clock::Timestamp;
pub use diagnostic::{Diagnostic, Position};
pub use digest::Digest;
pub use event::{Event, EventKind, Totals};
pub use harmless::harmless;
pub use job::{JobSpec, PredictionId};
pub use kill::kill_point;
pub use money::Micros;
pub use origin::Origin;
pub use output::Output;
pub use request::{Endpoint, MediaFile, MediaKey, Request};
pub use schema::{Inputs, Schema};
pub use state::{AttemptState, JobState};
pub use window::Windows;
