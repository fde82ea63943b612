//! `/api/v1/notifications`: what happened that concerns the caller, and how often they are mailed about it.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use social::ids::NotificationId;
use social::mail_preferences::{self as preferences, MailPreferences, MailPreferencesUpdate};
use social::notifications::{self, Notification};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Paging, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::{MAX_NOTIFICATIONS, NotificationIds};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list))
            .routes(routes!(unread))
            .routes(routes!(mail_preferences, update_mail_preferences)),
    )
    .merge(bounded(OpenApiRouter::new().routes(routes!(mark_read))))
}

/// A page of notifications, that of the last event first.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotificationPage {
    items: Vec<Notification>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Number of unread notifications.
#[derive(Serialize, ToSchema)]
pub(crate) struct UnreadCount {
    /// Number, at most 100.
    unread: i64,
}

/// Filter of notifications.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationParams {
    /// Whether to list unread ones only.
    unread: Option<bool>,
}

/// Notifications that were read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadNotifications {
    /// Notifications; all by default.
    #[schema(value_type = Option<NotificationIds>)]
    ids: Option<Vec<NotificationId>>,
}

/// Lists the caller's notifications, that of the last event first.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "community", params(NotificationParams, Paging),
    responses((status = 200, body = NotificationPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(params): Query<NotificationParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<NotificationPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let unread = params.unread == Some(true);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = notifications::list(&mut connection, &actor, unread, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), NotificationPage { items: page.items, next }))
}

/// Returns the number of the caller's unread notifications.
#[utoipa::path(get, path = "/api/v1/notifications/unread", tag = "community", responses((status = 200, body = UnreadCount)))]
pub(crate) async fn unread(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<UnreadCount>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(UnreadCount { unread: notifications::unread(&mut connection, &actor).await? }))
}

/// Marks notifications of the caller as read.
#[utoipa::path(post, path = "/api/v1/notifications/read", tag = "community", request_body = ReadNotifications,
    responses((status = 204)))]
pub(crate) async fn mark_read(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<ReadNotifications>,
) -> Result<StatusCode> {
    if body.ids.as_ref().is_some_and(|ids| ids.len() > MAX_NOTIFICATIONS) {
        return Err(Problem::invalid(format!("give at most {MAX_NOTIFICATIONS} notifications")).about("ids"));
    }
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    notifications::mark_read(&mut transaction, &actor, body.ids.as_deref()).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns how often the caller is mailed about unread notifications of each kind, where the server sends mail and the caller has an address.
#[utoipa::path(get, path = "/api/v1/notifications/mail-preferences", tag = "community",
    responses((status = 200, body = MailPreferences)))]
pub(crate) async fn mail_preferences(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<MailPreferences>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(preferences::find(&mut connection, &actor).await?))
}

/// Changes how often the caller is mailed. Kinds that are absent stay as they are.
#[utoipa::path(patch, path = "/api/v1/notifications/mail-preferences", tag = "community",
    request_body = MailPreferencesUpdate, responses((status = 200, body = MailPreferences)))]
pub(crate) async fn update_mail_preferences(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<MailPreferencesUpdate>,
) -> Result<Json<MailPreferences>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    preferences::update(&mut transaction, &actor, body).await?;
    let updated = preferences::find(&mut transaction, &actor).await?;
    transaction.commit().await?;
    Ok(Json(updated))
}
