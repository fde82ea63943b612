//! Drills: rehearsals of a disaster, judged by targets for what is lost and how long it takes, and their record.
//!
//! The server carries one out, since only it can serve a restored library and ask it.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Error;
use crate::authority::{require_administrator, require_reader};
use crate::verify::{Check, Outcome};

/// Number of drills that are kept; older ones are removed.
pub const MAX_DRILLS: i64 = 100;

/// Step of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrillStep {
    /// Name: `plan`, `restore`, `start`, `answer`, `verify`.
    pub name: String,
    /// Duration in seconds, to the millisecond.
    pub seconds: f64,
}

/// Targets of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrillTargets {
    /// Age of the last recoverable state, in seconds.
    pub rpo_seconds: f64,
    /// Time until the restored library answers, in seconds.
    pub rto_seconds: f64,
}

/// Drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Drill {
    /// Id.
    pub id: Uuid,
    /// When it began, by the clock of the machine.
    pub started_at: DateTime<Utc>,
    /// Version of the program.
    pub program: String,
    /// Id of the backup with which the restoration began; missing if none could be read.
    pub backup: Option<String>,
    /// The restored state is that of this time: the last one in the repository.
    pub state_at: Option<DateTime<Utc>>,
    /// Recovery point: age of that state when the drill began, in seconds. What was written in this time would be lost.
    pub rpo_seconds: Option<f64>,
    /// Recovery time: from the beginning until the restored library answered over HTTP, in seconds; missing if it did not.
    pub rto_seconds: Option<f64>,
    /// Targets at that time.
    pub targets: DrillTargets,
    /// Worst outcome of the checks.
    pub outcome: Outcome,
    /// Steps in their order, as far as it came.
    pub steps: Vec<DrillStep>,
    /// Checks of the restored library, and of the targets: `rpo`, `rto`. One with the name of a step says why that step failed.
    pub checks: Vec<Check>,
}

impl Drill {
    /// Begins a drill. It has failed until it is judged.
    pub fn begin(started_at: DateTime<Utc>, targets: DrillTargets) -> Self {
        Self {
            id: kernel::id::new(),
            started_at,
            program: crate::manifest::program_version().to_owned(),
            backup: None,
            state_at: None,
            rpo_seconds: None,
            rto_seconds: None,
            targets,
            outcome: Outcome::Failed,
            steps: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// Compares what was measured with the targets, and sets the outcome.
    pub fn judge(&mut self) {
        let targets = self.targets;
        for (name, measured, target) in
            [("rpo", self.rpo_seconds, targets.rpo_seconds), ("rto", self.rto_seconds, targets.rto_seconds)]
        {
            let Some(seconds) = measured else { continue };
            let outcome = if seconds <= target { Outcome::Passed } else { Outcome::Degraded };
            self.checks.push(Check::new(name, outcome, format!("{seconds:.1} s of at most {target} s")));
        }
        self.outcome = Outcome::worst(&self.checks);
    }
}

/// Records a drill. Twice is once.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, and if the database fails.
pub async fn record(connection: &mut PgConnection, actor: &Actor, drill: &Drill) -> Result<(), Error> {
    require_administrator(actor)?;
    sqlx::query!(
        "-- drills.record
         insert into ops.drills (id, started_at, report) values ($1, $2, $3) on conflict (id) do nothing",
        drill.id,
        drill.started_at,
        Json(drill) as _,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- drills.prune
         delete from ops.drills where id in (select id from ops.drills order by started_at desc, id desc offset $1)",
        MAX_DRILLS,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Lists the newest drills, newest first.
///
/// # Errors
///
/// Fails unless the actor is an administrator, in person or by a key for all libraries, and if the database fails.
pub async fn list(connection: &mut PgConnection, actor: &Actor, limit: i64) -> Result<Vec<Drill>, Error> {
    require_reader(actor)?;
    let reports = sqlx::query_scalar!(
        r#"-- drills.list
         select report as "report: Json<Drill>" from ops.drills order by started_at desc, id desc limit $1"#,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(reports.into_iter().map(|report| report.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_passes_within_its_targets_alone() {
        let targets = DrillTargets { rpo_seconds: 900.0, rto_seconds: 1800.0 };
        let outcome = |rpo, rto, check| {
            let mut drill = Drill::begin(DateTime::UNIX_EPOCH, targets);
            (drill.rpo_seconds, drill.rto_seconds) = (rpo, rto);
            drill.checks.push(Check::new("questions", check, ""));
            drill.judge();
            drill.outcome
        };
        assert_eq!(outcome(Some(900.0), Some(1800.0), Outcome::Passed), Outcome::Passed);
        assert_eq!(outcome(Some(900.1), Some(1.0), Outcome::Passed), Outcome::Degraded);
        assert_eq!(outcome(Some(0.0), Some(1800.1), Outcome::Passed), Outcome::Degraded);
        assert_eq!(outcome(Some(0.0), Some(1.0), Outcome::Degraded), Outcome::Degraded);
        assert_eq!(outcome(Some(9000.0), Some(1.0), Outcome::Failed), Outcome::Failed);
        let mut drill = Drill::begin(DateTime::UNIX_EPOCH, targets);
        drill.judge();
        assert_eq!(drill.outcome, Outcome::Failed, "nothing was checked");
    }
}
