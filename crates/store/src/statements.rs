//! Durations of database statements by name, without a wrapper round every call.
//!
//! A statement names itself in its first line, `-- documents.by_path`, and sqlx emits a `tracing` event for each statement it has
//! run. [`StatementDurations`] records those events and nothing else.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Target of sqlx's events; the layer's filter has to let it pass at level DEBUG.
pub const TARGET: &str = "sqlx::query";

/// Layer that records `wenyuan_statement_seconds{statement}` for each statement.
#[derive(Debug, Default)]
pub struct StatementDurations;

impl<S: Subscriber> Layer<S> for StatementDurations {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let Some(Statement { name, duration }) = Statement::read(event) else { return };
        // Outside of a scope nobody counts.
        let _outside = COUNTS.try_with(|counts| counts.add(&name));
        metrics::histogram!("wenyuan_statement_seconds", "statement" => name).record(duration.as_secs_f64());
    }
}

tokio::task_local! {
    static COUNTS: StatementCounts;
}

/// Number of runs by place and name.
type Counts = HashMap<(Option<Arc<str>>, String), u32>;

/// Statements that a piece of work has run, by name and by place in the work. [`StatementDurations`] counts them.
#[derive(Debug, Clone, Default)]
pub struct StatementCounts {
    place: Option<Arc<str>>,
    counts: Arc<Mutex<Counts>>,
}

/// A statement that was run again and again at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedStatement {
    /// Place.
    pub place: Arc<str>,
    /// Name of the statement.
    pub statement: String,
    /// How often it was run.
    pub times: u32,
}

impl StatementCounts {
    /// Returns the counts of the same work at a place in it.
    #[must_use]
    pub fn at(&self, place: Arc<str>) -> Self {
        Self { place: Some(place), counts: Arc::clone(&self.counts) }
    }

    /// Runs `work`, whose statements are counted here. What it spawns is not, unless that is scoped too.
    pub fn scope<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        COUNTS.scope(self.clone(), work)
    }

    /// Returns the number of statements so far.
    pub fn total(&self) -> u32 {
        self.lock().values().sum()
    }

    /// Returns the statements that were run more than `times` times at one place.
    pub fn repeated(&self, times: u32) -> Vec<RepeatedStatement> {
        let counts = self.lock();
        let repeated = counts.iter().filter(|(_, count)| **count > times);
        repeated
            .filter_map(|((place, statement), count)| {
                let place = Arc::clone(place.as_ref()?);
                Some(RepeatedStatement { place, statement: statement.clone(), times: *count })
            })
            .collect()
    }

    fn add(&self, name: &str) {
        *self.lock().entry((self.place.clone(), name.to_owned())).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A named statement that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Name, `thing.verb`.
    pub name: String,
    /// Time until its result was complete.
    pub duration: Duration,
}

impl Statement {
    /// Reads an event of sqlx; `None` if it is another event, or the statement has no name.
    pub fn read(event: &Event<'_>) -> Option<Self> {
        if event.metadata().target() != TARGET {
            return None;
        }
        let mut fields = StatementFields::default();
        event.record(&mut fields);
        Some(Self { name: fields.name?, duration: Duration::try_from_secs_f64(fields.seconds?).ok()? })
    }
}

/// Fields of an event that are recorded.
#[derive(Default)]
struct StatementFields {
    name: Option<String>,
    seconds: Option<f64>,
}

impl Visit for StatementFields {
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

/// Returns the name in a statement's summary, which is its first words. Only names of the form `thing.verb` are accepted, so that a
/// statement without a name cannot flood the metrics with its text.
fn name_of(summary: &str) -> Option<String> {
    let name = summary.strip_prefix("-- ")?.split_whitespace().next()?;
    let is_plain = |character: char| character.is_ascii_lowercase() || character == '_' || character == '.';
    (name.contains('.') && name.len() <= 64 && name.chars().all(is_plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn only_the_first_line_is_a_name() {
        assert_eq!(name_of("-- jobs.claim update store.jobs …"), Some("jobs.claim".to_owned()));
        assert_eq!(name_of("select * from …"), None);
        assert_eq!(name_of("-- Robert'); drop"), None);
    }
}
