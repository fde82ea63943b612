//! How long each statement takes, by its name, without a wrapper round every call.
//!
//! A statement names itself in its first line, `-- documents.by_path`, and sqlx tells of each statement it has run
//! in a `tracing` event. [`Durations`] listens to those events and nothing else.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The target of sqlx's events; a layer with this listener must let it pass at level DEBUG.
pub const TARGET: &str = "sqlx::query";

/// Records `wenyuan_statement_seconds{statement}` for each statement.
#[derive(Debug, Default)]
pub struct Durations;

impl<S: Subscriber> Layer<S> for Durations {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut seen = Seen::default();
        event.record(&mut seen);
        let (Some(name), Some(seconds)) = (seen.name, seen.seconds) else { return };
        metrics::histogram!("wenyuan_statement_seconds", "statement" => name).record(seconds);
    }
}

#[derive(Default)]
struct Seen {
    name: Option<String>,
    seconds: Option<f64>,
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            self.name = name_of(value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.seconds = Some(value);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

/// The name in a statement's summary, which is its first words. Only names of the form `room.verb` are taken, so that
/// a statement without a name cannot flood the metrics with its text.
fn name_of(summary: &str) -> Option<String> {
    let name = summary.strip_prefix("-- ")?.split_whitespace().next()?;
    let plain = |character: char| character.is_ascii_lowercase() || character == '_' || character == '.';
    (name.contains('.') && name.len() <= 64 && name.chars().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_name_is_the_first_line_and_nothing_else() {
        assert_eq!(name_of("-- jobs.claim update store.jobs …"), Some("jobs.claim".to_owned()));
        assert_eq!(name_of("select * from …"), None);
        assert_eq!(name_of("-- Robert'); drop"), None);
    }
}
