//! The fields of a log line, inert: what an API or a manifest said stays one line, and cannot speak
//! to the terminal.

use std::error::Error;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use crate::domain::text;

/// Writes `message name=value …`, every control character made visible.
pub(super) struct InertFields;

impl<'w> FormatFields<'w> for InertFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, empty: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'w> {
    writer: Writer<'w>,
    empty: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    /// Where in its code another crate logged something is nobody's business here.
    fn put(&mut self, field: &Field, value: &str) {
        if field.name().starts_with("log.") {
            return;
        }
        let gap = if self.empty { "" } else { " " };
        let (name, sign) = match field.name() {
            "message" => ("", ""),
            name => (name, "="),
        };
        let written = write!(self.writer, "{gap}{name}{sign}{}", text::visible(value));
        self.result = self.result.and(written);
        self.empty = false;
    }
}

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, &value.to_string());
    }
}
