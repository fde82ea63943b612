//! Verification: a backup counts only after a copy restored from it has been checked and has answered.
//!
//! [`run`] restores into a folder of its own, as [`restore`] does, starts the database there, and checks it: every piece
//! and every object by its hash, every file by PostgreSQL's own manifest, indexes and tables by `pg_amcheck`, the number of rows of every
//! table, foreign keys. The caller asks the copy what only it can ask. The report is kept in the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use store::postgres::Cluster;

use crate::manifest::{Manifest, Piece, program_version};
use crate::progress::{Progress, Step};
use crate::repository::{Listed, Repository};
use crate::restore::{self, Request};
use crate::wal::{Archive, Gap, Layout, shown};
use crate::{Error, tables};

/// Differences that a report names one by one.
const MAX_NAMED: usize = 20;

/// State of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BackupState)]
pub enum State {
    /// It was never restored.
    Unverified,
    /// A restored copy passed every check.
    Verified,
    /// A restored copy works, and something about it is not as it should be.
    Degraded,
    /// It cannot be restored, or the copy lacks something.
    Failed,
}

impl State {
    /// Name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verified => "verified",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// Outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BackupCheckOutcome)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be, and nothing is lost.
    Degraded,
    /// Something is lost or wrong.
    Failed,
}

impl Outcome {
    /// Name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }

    /// Returns the worst outcome of some checks. Without any check nothing has passed.
    pub(crate) fn worst(checks: &[Check]) -> Self {
        checks.iter().map(|check| check.outcome).max().unwrap_or(Self::Failed)
    }
}

/// One check of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupCheck)]
pub struct Check {
    /// Name: `files`, `recovery`, `structure`, `rows`, `foreign_keys`, `objects`, `log` and those of the caller.
    pub name: String,
    /// Outcome.
    pub outcome: Outcome,
    /// Facts that were checked, or the fault.
    pub detail: String,
}

impl Check {
    /// Creates a check.
    pub fn new(name: &str, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), outcome, detail: detail.into() }
    }
}

/// Report of a verification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupReport)]
pub struct Report {
    /// Id of the backup.
    pub backup: String,
    /// State of the backup.
    pub state: State,
    /// When it was checked, by the clock of the restored database; missing if it did not start.
    pub checked_at: Option<DateTime<Utc>>,
    /// Version of the program that checked it.
    pub program: String,
    /// Duration in seconds, to the millisecond.
    pub seconds: f64,
    /// Checks in their order; a failed restoration ends the list.
    pub checks: Vec<Check>,
}

/// Questions that the caller asks a restored library.
pub trait Questions {
    /// Asks the library in `folder`, whose database runs. `extras` is what the caller had saved with the backup.
    fn ask(
        &self,
        folder: &Path,
        extras: &BTreeMap<String, Vec<u8>>,
    ) -> impl Future<Output = Vec<Check>> + Send;
}

/// Verifies a backup in the folder of the request, which is removed afterwards, and stores the report.
///
/// # Errors
///
/// Fails when the backup could not be tried: no space, no key, another version, a folder that is in use. A backup that was tried and is
/// bad is no error: the report says so.
pub async fn run(
    request: &Request<'_>,
    questions: &impl Questions,
    progress: &Progress,
) -> Result<Report, Error> {
    let begun = Instant::now();
    restore::discard_leftover(&request.data, &request.programs).await?;
    let manifest = &request.manifest;
    let (mut checks, mut checked_at) = (Vec::new(), None);
    let planned = match restore::plan(request, false, progress).await {
        Ok(_) => Ok(()),
        Err(error) => Err(fault(error)?),
    };
    let prepared = match planned {
        Ok(()) => match restore::prepare(request, progress).await {
            Ok(prepared) => Ok(prepared),
            Err(error) => Err(fault(error)?),
        },
        Err(check) => Err(check),
    };
    match prepared {
        Err(check) => checks.push(check),
        Ok(prepared) => {
            let pieces = manifest.database.len() + manifest.wal.segments.len() + manifest.extras.len();
            let detail = format!("{pieces} pieces and the files in them have their SHA-256");
            checks.push(Check::new("files", Outcome::Passed, detail));
            let detail = format!("reached the restore point at {}", manifest.wal.end_lsn);
            checks.push(Check::new("recovery", Outcome::Passed, detail));
            progress.begin(Step::Checking, 0);
            let checked = check_copy(request, questions, &prepared, &mut checks).await;
            match checked {
                Ok(time) => checked_at = Some(time),
                Err(error) => checks.push(fault(error)?),
            }
            prepared.discard(&request.programs).await?;
        }
    }
    restore::discard_leftover(&request.data, &request.programs).await?;
    // Only if nothing else is in it.
    let _kept = std::fs::remove_dir(&request.data);
    let report = Report {
        backup: manifest.id.clone(),
        state: state_of(&checks),
        checked_at,
        program: program_version().to_owned(),
        seconds: (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        checks,
    };
    if let Err(error) = request.repository.put_report(&manifest.id, &report).await {
        tracing::warn!(error = %kernel::chain::Chain(&error), "failed to keep the report in the repository");
    }
    tracing::info!(backup.id = report.backup, state = report.state.as_str(), "backup checked");
    Ok(report)
}

/// Returns the check that an error fails, or the error itself if it is none of the backup's.
fn fault(error: Error) -> Result<Check, Error> {
    use store::postgres::cluster::Error as ClusterError;
    let name = match &error {
        Error::Damaged { .. } | Error::Program { program: "pg_verifybackup", .. } => "files",
        Error::Unrecovered(_)
        | Error::Cluster(ClusterError::Program { .. } | ClusterError::Unresponsive { .. }) => "recovery",
        Error::Database(_) => "structure",
        _ => return Err(error),
    };
    Ok(Check::new(name, Outcome::Failed, kernel::chain::Chain(&error).to_string()))
}

fn state_of(checks: &[Check]) -> State {
    match Outcome::worst(checks) {
        Outcome::Passed => State::Verified,
        Outcome::Degraded => State::Degraded,
        Outcome::Failed => State::Failed,
    }
}

async fn check_copy(
    request: &Request<'_>,
    questions: &impl Questions,
    prepared: &restore::Prepared,
    checks: &mut Vec<Check>,
) -> Result<DateTime<Utc>, Error> {
    let folder: PathBuf = prepared.folder().to_owned();
    let config = store::postgres::ClusterConfig::new(folder.join("postgres"), request.programs.clone());
    let cluster = Cluster::open(&config).await?;
    let checked = check_running(&cluster, questions, prepared, &folder, request, checks).await;
    cluster.close().await;
    checked
}

async fn check_running(
    cluster: &Cluster,
    questions: &impl Questions,
    prepared: &restore::Prepared,
    folder: &Path,
    request: &Request<'_>,
    checks: &mut Vec<Check>,
) -> Result<DateTime<Utc>, Error> {
    let (repository, manifest) = (request.repository, &request.manifest);
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await?;
    let time: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await?;
    // Rows first: the extension that the next check installs adds none, but what it finds says less than a missing table.
    checks.push(check_rows(manifest, &tables::count(&mut connection).await?));
    checks.push(check_foreign_keys(&mut connection).await?);
    connection.close().await?;
    checks.push(check_structure(cluster).await);
    checks.push(check_objects(manifest));
    checks.push(check_log(repository, manifest).await?);
    checks.extend(questions.ask(folder, &prepared.extras).await);
    Ok(time)
}

/// Checks the tables, foreign keys and indexes of a restored database that is in use, or newer than the backup: how many rows it has says
/// little.
///
/// # Errors
///
/// Fails when the database does.
pub async fn inspect(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<Check>, Error> {
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await?;
    let tables = check_tables(manifest, &tables::count(&mut connection).await?);
    let foreign_keys = check_foreign_keys(&mut connection).await?;
    connection.close().await?;
    Ok(vec![tables, foreign_keys, check_structure(cluster).await])
}

fn check_tables(manifest: &Manifest, found: &BTreeMap<String, i64>) -> Check {
    // A newer program has migrated it, and may have removed some.
    let is_same_schema = manifest.schema == store::migrations::newest();
    let missing: Vec<String> =
        manifest.tables.keys().filter(|name| is_same_schema && !found.contains_key(*name)).cloned().collect();
    if !missing.is_empty() {
        return Check::new("tables", Outcome::Failed, format!("missing: {}", named(&missing)));
    }
    let rows: i64 = found.values().sum();
    if rows == 0 && manifest.rows() > 0 {
        return Check::new("tables", Outcome::Failed, "the database has no rows");
    }
    let detail = format!("{rows} rows in {} tables; the backup has {}", found.len(), manifest.rows());
    Check::new("tables", Outcome::Passed, detail)
}

async fn check_foreign_keys(connection: &mut PgConnection) -> Result<Check, Error> {
    let (keys, violated) = tables::violated_keys(connection).await?;
    Ok(if violated.is_empty() {
        Check::new("foreign_keys", Outcome::Passed, format!("{keys} foreign keys hold"))
    } else {
        Check::new("foreign_keys", Outcome::Failed, named(&violated))
    })
}

/// Reads every table and index of the library's database.
async fn check_structure(cluster: &Cluster) -> Check {
    let mut command = cluster.client("pg_amcheck");
    command.args(["--no-password", "--install-missing", "--heapallindexed", "--jobs=2", "--database"]);
    command.arg(cluster.database_name()).kill_on_drop(true);
    match restore::run_program("pg_amcheck", command).await {
        Ok(()) => Check::new("structure", Outcome::Passed, "tables and indexes are sound (pg_amcheck)"),
        Err(error) => Check::new("structure", Outcome::Failed, error.to_string()),
    }
}

fn check_rows(manifest: &Manifest, found: &BTreeMap<String, i64>) -> Check {
    let expected = &manifest.tables;
    if found.is_empty() || expected.is_empty() {
        return Check::new("rows", Outcome::Failed, "the database has no tables");
    }
    let names: Vec<&String> =
        expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name))).collect();
    let (mut lost, mut different) = (Vec::new(), Vec::new());
    for name in names {
        match (expected.get(name), found.get(name)) {
            (Some(expected), Some(found)) if expected == found => {}
            (Some(expected), Some(found)) => {
                let text = format!("{name} has {found} rows instead of {expected}");
                let is_lost = manifest.tables_are_exact || (*found == 0 && *expected > 0);
                if is_lost { lost.push(text) } else { different.push(text) }
            }
            (Some(expected), None) => lost.push(format!("{name} is missing, with {expected} rows")),
            (None, _) => lost.push(format!("{name} is not in the backup's list")),
        }
    }
    match (lost.is_empty(), different.is_empty()) {
        (false, _) => Check::new("rows", Outcome::Failed, named(&lost)),
        (true, false) => Check::new(
            "rows",
            Outcome::Degraded,
            format!("they were counted while others wrote, and differ: {}", named(&different)),
        ),
        (true, true) => {
            let detail =
                format!("{} rows in {} tables, as in the backup's list", manifest.rows(), expected.len());
            Check::new("rows", Outcome::Passed, detail)
        }
    }
}

/// The restoration has compared the bytes of every object with its name.
fn check_objects(manifest: &Manifest) -> Check {
    let damaged = &manifest.objects.damaged;
    if damaged.is_empty() {
        let detail = format!("{} objects have their SHA-256", manifest.objects.count);
        return Check::new("objects", Outcome::Passed, detail);
    }
    let detail = format!("were damaged in the library when it was backed up: {}", named(damaged));
    Check::new("objects", Outcome::Degraded, detail)
}

/// Reads the write-ahead log and the objects behind the backup, up to the next one, with which recovery to a later moment begins. A fault in
/// them leaves the backup itself whole.
async fn check_log(repository: &Repository, manifest: &Manifest) -> Result<Check, Error> {
    let layout = Layout::of(manifest)?;
    let archive = Archive::load(repository, &manifest.system, layout.segment_bytes).await?;
    let mut log = archive.continuation(manifest)?;
    let is_next = |next: &&Manifest| {
        next.system == manifest.system
            && next.wal.timeline == manifest.wal.timeline
            && next.consistent_at > manifest.consistent_at
    };
    let backups = repository.list().await?;
    let backups = backups.iter().filter_map(|backup| match backup {
        Listed::Complete(manifest, _) => Some(&**manifest),
        Listed::Damaged { .. } => None,
    });
    if let Some(next) = backups.filter(is_next).min_by_key(|next| next.consistent_at) {
        log.cut_before(&layout.name(layout.first_of(next)?));
        log.until = log.until.min(next.consistent_at);
    }
    if log.segments.is_empty() && log.gap.is_none() {
        return Ok(Check::new("log", Outcome::Passed, "no log is stored behind it"));
    }
    let mut faults = Vec::new();
    if let Some(Gap { missing, next }) = &log.gap {
        let until = shown(log.until);
        faults.push(format!("recovery ends at {until}: from {missing} to before {next} the log is missing"));
    }
    let mut pieces: Vec<Piece> = log.segments.iter().map(|segment| segment.piece.clone()).collect();
    for list in log.lists.iter().filter(|list| list.time <= log.until) {
        match repository.read_list(&list.piece).await {
            Ok(entries) => pieces.extend(entries.into_iter().map(|entry| entry.piece)),
            Err(fault @ Error::Damaged { .. }) => faults.push(fault.to_string()),
            Err(error) => return Err(error),
        }
    }
    for piece in &pieces {
        match repository.read_stored(piece).await {
            Ok(_) => {}
            Err(fault @ Error::Damaged { .. }) => faults.push(fault.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(if faults.is_empty() {
        let detail = format!("{} segments lead up to {}", log.segments.len(), shown(log.until));
        Check::new("log", Outcome::Passed, detail)
    } else {
        Check::new("log", Outcome::Degraded, named(&faults))
    })
}

/// Joins names; of very many the first.
fn named(items: &[String]) -> String {
    let mut text = items[..items.len().min(MAX_NAMED)].join("; ");
    if items.len() > MAX_NAMED {
        text += &format!("; and {} more", items.len() - MAX_NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    fn counts(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
        pairs.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
    }

    #[test]
    fn a_copy_without_tables_or_with_fewer_rows_has_failed() {
        let mut manifest = example();
        for (found, outcome, detail) in [
            (counts(&[("library.documents", 7)]), Outcome::Passed, "7 rows in 1 tables"),
            (counts(&[("library.documents", 6)]), Outcome::Failed, "6 rows instead of 7"),
            (counts(&[("library.documents", 8)]), Outcome::Failed, "8 rows instead of 7"),
            (counts(&[("library.other", 7)]), Outcome::Failed, "is missing, with 7 rows"),
            (counts(&[]), Outcome::Failed, "no tables"),
        ] {
            let check = check_rows(&manifest, &found);
            assert!(check.outcome == outcome && check.detail.contains(detail), "{check:?}");
        }
        manifest.tables_are_exact = false;
        assert_eq!(check_rows(&manifest, &counts(&[("library.documents", 6)])).outcome, Outcome::Degraded);
        assert_eq!(check_rows(&manifest, &counts(&[("library.documents", 0)])).outcome, Outcome::Failed);
    }

    #[test]
    fn the_worst_check_decides() {
        let check = |outcome| Check::new("x", outcome, "");
        assert_eq!(state_of(&[]), State::Failed);
        assert_eq!(state_of(&[check(Outcome::Passed)]), State::Verified);
        assert_eq!(state_of(&[check(Outcome::Degraded), check(Outcome::Passed)]), State::Degraded);
        assert_eq!(state_of(&[check(Outcome::Degraded), check(Outcome::Failed)]), State::Failed);
    }
}
