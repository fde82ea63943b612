//! `/api/v1/backups`: backups of the library, for administrators. They are restored on the command line alone.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ops::manifest::Manifest;
use ops::verify::{Report, State as BackupState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::backups::{Overview, requests};
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::Path;
use crate::http::problem::Result;
use crate::http::router::tagged;
use crate::http::schema::described;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, run)).routes(routes!(show)).routes(routes!(verify)))
}

/// Length of the id of a backup.
const MAX_ID_CHARS: usize = 64;

described! {
    /// Id of a backup, its beginning, or `latest`.
    BackupId = kernel::schema::text(1..=MAX_ID_CHARS, kernel::schema::NO_CONTROL);
}

/// Backups in the repository.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupList {
    /// Whether a repository is set; without one the server writes no backups.
    repository: bool,
    /// Backups, oldest first.
    items: Vec<BackupItem>,
}

/// Backup in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupItem {
    /// Id.
    id: String,
    /// State; only `verified` counts.
    state: BackupState,
    /// The state that it restores is that of this time. Missing if the backup cannot be read.
    consistent_at: Option<chrono::DateTime<chrono::Utc>>,
    /// With it, the state at every moment from `consistent_at` to this time can be restored.
    recoverable_until: Option<chrono::DateTime<chrono::Utc>>,
    /// Whether it is encrypted.
    encrypted: bool,
    /// Number of rows.
    rows: i64,
    /// Number of objects.
    objects: u64,
    /// Bytes that it alone takes in the repository.
    own_bytes: u64,
    /// When it was verified.
    checked_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Why it cannot be read.
    fault: Option<String>,
}

impl From<Overview> for BackupItem {
    fn from(overview: Overview) -> Self {
        Self {
            id: overview.id,
            state: overview.state,
            consistent_at: overview.consistent_at,
            recoverable_until: overview.recoverable_until,
            encrypted: overview.encrypted,
            rows: overview.rows,
            objects: overview.objects,
            own_bytes: overview.own_bytes,
            checked_at: overview.checked_at,
            fault: overview.fault,
        }
    }
}

/// Backup with the report of its last verification.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackupDetails {
    manifest: Manifest,
    verification: Option<Report>,
}

/// Lists the backups in the server's repository, with their state.
#[utoipa::path(get, path = "/api/v1/backups", tag = "operation", responses((status = 200, body = BackupList)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<BackupList>> {
    let items = requests::list(&state.app, &actor).await?;
    let repository = state.app.settings.backup.repository().is_some();
    Ok(Json(BackupList { repository, items: items.into_iter().map(BackupItem::from).collect() }))
}

/// Starts a backup as a job.
#[utoipa::path(post, path = "/api/v1/backups", tag = "operation", responses((status = 202)))]
pub(crate) async fn run(State(state): State<AppState>, Caller(actor): Caller) -> Result<StatusCode> {
    requests::start(&state.app, &actor).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Shows a backup and the report of its last verification.
#[utoipa::path(get, path = "/api/v1/backups/{id}", tag = "operation",
    params(("id" = inline(BackupId), Path, description = "Backup")), responses((status = 200, body = BackupDetails)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<BackupDetails>> {
    let (manifest, verification) = requests::find(&state.app, &actor, &id).await?;
    Ok(Json(BackupDetails { manifest, verification }))
}

/// Starts the verification of a backup as a job. The server needs the key of an encrypted one (`WENYUAN_BACKUP_KEY_FILE`).
#[utoipa::path(post, path = "/api/v1/backups/{id}/verify", tag = "operation",
    params(("id" = inline(BackupId), Path, description = "Backup")), responses((status = 202)))]
pub(crate) async fn verify(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    requests::start_verification(&state.app, &actor, &id).await?;
    Ok(StatusCode::ACCEPTED)
}
