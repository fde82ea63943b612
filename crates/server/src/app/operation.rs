//! Server as administrators see it: its settings, jobs and schedules.

use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use ops::authority::require_reader;
use store::jobs::inspect::{self, Job, JobFilter};
use store::schedules::{self, ScheduleStatus};
use uuid::Uuid;

use crate::app::App;
use crate::app::error::{Error, Result};
use crate::settings::effective::EffectiveSetting;

/// Maximum length of the name of a kind of jobs, in characters.
pub(crate) const MAX_KIND_CHARS: usize = 100;

/// Returns a page of jobs, the newest first.
///
/// # Errors
///
/// Fails if the actor is no administrator, or the cursor is invalid.
pub(crate) async fn jobs(
    app: &App,
    actor: &Actor,
    filter: JobFilter<'_>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Job>> {
    require_reader(actor)?;
    let after: Option<Uuid> = after
        .map(Cursor::decode)
        .transpose()
        .map_err(|error: kernel::page::InvalidCursor| Error::Invalid(error.to_string()))?;
    // One more than the page holds tells whether there is another page.
    let rows = inspect::page(app.pool(), filter, after, i64::try_from(limit + 1).unwrap_or(i64::MAX)).await?;
    Ok(Page::from_rows(rows, limit, |job| Cursor::encode(&job.id)))
}

/// Returns the schedules of periodic work, with the outcome of the last run and the time of the next.
///
/// # Errors
///
/// Fails if the actor is no administrator.
pub(crate) async fn schedules(app: &App, actor: &Actor) -> Result<Vec<ScheduleStatus>> {
    require_reader(actor)?;
    Ok(schedules::list(app.pool()).await?)
}

/// Returns the settings with their sources. Secrets have no value.
///
/// # Errors
///
/// Fails if the actor is no administrator.
pub(crate) fn settings<'app>(app: &'app App, actor: &Actor) -> Result<&'app [EffectiveSetting]> {
    require_reader(actor)?;
    Ok(app.settings.effective())
}
