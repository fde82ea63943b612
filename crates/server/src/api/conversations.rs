//! `/api/v1/conversations`: direct messages between two people or a small group. Only their members reach them, in person.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use kernel::page::Cursor;
use serde::{Deserialize, Serialize};
use social::conversations::{self, Conversation};
use social::ids::{ConversationId, MessageId};
use social::messages::{self, DeletionScope, Message};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::{ConversationMembers, ConversationTitle, DirectMessageText, MessageNumber};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, start))
            .routes(routes!(show, leave))
            .routes(routes!(messages, send)),
    )
    .merge(bounded(OpenApiRouter::new().routes(routes!(mark_read)).routes(routes!(delete_message))))
}

/// A page of conversations.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationPage {
    items: Vec<Conversation>,
    /// Number of all conversations with unread messages.
    unread: i64,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// A page of messages, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DirectMessagePage {
    items: Vec<Message>,
    /// Cursor of the messages before these.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Conversation to start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationNew {
    /// User names of the other members.
    #[schema(value_type = ConversationMembers)]
    members: Vec<String>,
    /// Title of a group.
    #[serde(default)]
    #[schema(value_type = ConversationTitle, required = false)]
    title: String,
}

/// Message to send.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectMessageNew {
    /// Text as Markdown.
    #[schema(value_type = DirectMessageText)]
    text: String,
}

/// Mark of what was read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadMark {
    /// Number of the newest message that was read.
    #[schema(value_type = MessageNumber)]
    number: i64,
}

/// Extent of a deletion.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeletionParams {
    /// For whom the message is deleted: `me` by default; `all` within ten minutes, by its sender.
    #[serde(rename = "for")]
    #[param(inline)]
    scope: Option<DeletionScope>,
}

/// Lists the caller's conversations, that of the newest message first.
#[utoipa::path(get, path = "/api/v1/conversations", tag = "community", params(Paging),
    responses((status = 200, body = ConversationPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<ConversationPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = conversations::list(&mut connection, &actor, cursor.as_ref(), limit).await?;
    let unread = conversations::unread(&mut connection, &actor).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), ConversationPage { items: page.items, unread, next }))
}

/// Starts a conversation. With one other person, it is the one that exists, if there is one.
#[utoipa::path(post, path = "/api/v1/conversations", tag = "community", request_body = ConversationNew,
    responses((status = 201, body = Conversation), (status = 404)))]
pub(crate) async fn start(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<ConversationNew>,
) -> Result<(StatusCode, Json<Conversation>)> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let conversation = conversations::start(&mut transaction, &actor, &body.members, &body.title).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(conversation)))
}

/// Returns a conversation of the caller.
#[utoipa::path(get, path = "/api/v1/conversations/{id}", tag = "community",
    params(("id" = Uuid, Path, description = "Conversation")), responses((status = 200, body = Conversation)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<ConversationId>,
) -> Result<Json<Conversation>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let conversation = conversations::find(&mut connection, &actor, id).await?;
    Ok(Json(conversation.ok_or_else(|| Problem::not_found("conversation not found among yours"))?))
}

/// Leaves a group.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}", tag = "community",
    params(("id" = Uuid, Path, description = "Conversation")), responses((status = 204)))]
pub(crate) async fn leave(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<ConversationId>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    conversations::leave(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the messages of a conversation, the newest first.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", tag = "community",
    params(("id" = Uuid, Path, description = "Conversation"), Paging), responses((status = 200, body = DirectMessagePage)))]
pub(crate) async fn messages(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<ConversationId>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<DirectMessagePage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = messages::list(&mut connection, &actor, id, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), DirectMessagePage { items: page.items, next }))
}

/// Sends a message.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", tag = "community", request_body = DirectMessageNew,
    params(("id" = Uuid, Path, description = "Conversation")), responses((status = 201, body = Message)))]
pub(crate) async fn send(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<ConversationId>,
    Body(body): Body<DirectMessageNew>,
) -> Result<(StatusCode, Json<Message>)> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let message = messages::send(&mut transaction, &actor, id, &body.text).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(message)))
}

/// Marks the messages up to a number as read. A mark never goes back.
#[utoipa::path(put, path = "/api/v1/conversations/{id}/read", tag = "community", request_body = ReadMark,
    params(("id" = Uuid, Path, description = "Conversation")), responses((status = 200, body = Conversation)))]
pub(crate) async fn mark_read(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<ConversationId>,
    Body(body): Body<ReadMark>,
) -> Result<Json<Conversation>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let conversation = conversations::mark_read(&mut transaction, &actor, id, body.number).await?;
    transaction.commit().await?;
    Ok(Json(conversation))
}

/// Deletes a message for the caller, or for all.
#[utoipa::path(delete, path = "/api/v1/conversations/{id}/messages/{message}", tag = "community",
    params(("id" = Uuid, Path, description = "Conversation"), ("message" = Uuid, Path, description = "Message"), DeletionParams),
    responses((status = 204)))]
pub(crate) async fn delete_message(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, message)): Path<(ConversationId, MessageId)>,
    Query(params): Query<DeletionParams>,
) -> Result<StatusCode> {
    let scope = params.scope.unwrap_or(DeletionScope::Me);
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    messages::delete(&mut transaction, &actor, id, message, scope).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
