//! `/api/v1/chats`: the caller's questions and answers. Asking is in [`super::ask`].

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderName, StatusCode, header};
use chat::chats::{self, Change, Chat, ChatFilter, ChatId, MessageId, NewChat};
use chat::focus::Focus;
use chat::history::{self, HistoryHit};
use chat::messages::Verdict;
use chat::messages::{self, Message};
use kernel::page::Cursor;
use kernel::update::FieldUpdate;
use library::label::VersionRequest;
use library::names::LibraryName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::Result;
use crate::http::router::{bounded, tagged, unhurried};
use crate::http::schema::{ChatTitle, SearchQuery, ServiceName, VerdictText};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, create))
            .routes(routes!(show, change, delete))
            .routes(routes!(message)),
    )
    .merge(bounded(
        OpenApiRouter::new()
            .routes(routes!(restore))
            .routes(routes!(set_verdict, delete_verdict))
            .routes(routes!(search)),
    ))
    .merge(unhurried(OpenApiRouter::new().routes(routes!(messages))))
}

/// A page of chats.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatPage {
    items: Vec<Chat>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// A page of messages, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessagePage {
    items: Vec<Message>,
    /// Cursor of the next page: of a branch, the messages before these.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// A chat and the newest messages of its current branch.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedChat {
    #[serde(flatten)]
    chat: Chat,
    /// Messages, oldest first.
    messages: Vec<Message>,
    /// Cursor of the messages before these.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Results of a search in the history.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryPage {
    items: Vec<HistoryHit>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Filter of chats.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChatListFilter {
    /// State of the chats; deleted ones are listed for thirty days.
    #[param(inline)]
    which: Option<ChatState>,
}

/// State of a chat.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChatState {
    #[default]
    Open,
    Archived,
    Deleted,
}

/// Chat to create.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatNew {
    /// Title; derived from the first question by default.
    #[schema(value_type = Option<ChatTitle>)]
    title: Option<String>,
    /// Focus mode.
    #[schema(value_type = Option<Focus>)]
    focus_mode: Option<String>,
    /// Library to search; all by default.
    #[schema(value_type = Option<LibraryName>)]
    library: Option<String>,
    /// Version to search, with a library; its active version by default.
    #[schema(value_type = Option<VersionRequest>)]
    version: Option<String>,
    /// Language model that answers.
    #[schema(value_type = Option<ServiceName>)]
    model: Option<String>,
}

/// Changes of a chat. Absent fields are kept; null clears library, version and model.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChatChange {
    /// Title.
    #[schema(value_type = Option<ChatTitle>)]
    title: Option<String>,
    /// Focus mode.
    #[schema(value_type = Option<Focus>)]
    focus_mode: Option<String>,
    /// Library to search.
    #[serde(default)]
    #[schema(value_type = Option<LibraryName>)]
    library: FieldUpdate<String>,
    /// Version to search.
    #[serde(default)]
    #[schema(value_type = Option<VersionRequest>)]
    version: FieldUpdate<String>,
    /// Language model that answers.
    #[serde(default)]
    #[schema(value_type = Option<ServiceName>)]
    model: FieldUpdate<String>,
    /// Whether the chat is listed before the others.
    pinned: Option<bool>,
    /// Whether the chat is archived.
    archived: Option<bool>,
    /// Message that the current branch contains.
    current: Option<Uuid>,
}

/// Verdict on an answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerdictNew {
    verdict: VerdictKind,
    /// Reason for the verdict.
    #[serde(default)]
    #[schema(value_type = VerdictText, required = false)]
    reason: String,
    /// Correct answer.
    #[serde(default)]
    #[schema(value_type = VerdictText, required = false)]
    correction: String,
}

/// Verdict.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VerdictKind {
    Good,
    Wrong,
}

impl From<VerdictNew> for Verdict {
    fn from(new: VerdictNew) -> Self {
        let verdict = match new.verdict {
            VerdictKind::Good => "good",
            VerdictKind::Wrong => "wrong",
        };
        Self { verdict: verdict.to_owned(), reason: new.reason, correction: new.correction }
    }
}

/// Selection of a chat's messages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Branch {
    /// Last message of the branch; by default that of the current branch.
    until: Option<Uuid>,
    /// Whether the messages of all branches are listed, oldest first.
    all: Option<bool>,
}

/// Query of a search in the history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistorySearch {
    /// Words; a message must contain all of them.
    #[param(value_type = SearchQuery, inline)]
    q: String,
}

/// Lists the caller's chats: pinned ones first, then by their newest message.
#[utoipa::path(get, path = "/api/v1/chats", tag = "chats", params(ChatListFilter, Paging),
    responses((status = 200, body = ChatPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(filter): Query<ChatListFilter>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<ChatPage>> {
    let which = match filter.which.unwrap_or_default() {
        ChatState::Open => ChatFilter::Open,
        ChatState::Archived => ChatFilter::Archived,
        ChatState::Deleted => ChatFilter::Deleted,
    };
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = chats::list(&mut connection, &actor, which, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), ChatPage { items: page.items, next }))
}

/// Creates a chat.
#[utoipa::path(post, path = "/api/v1/chats", tag = "chats", request_body = ChatNew,
    responses((status = 201, body = Chat, headers(("location" = String, description = "Path of the chat")))))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(new): Body<ChatNew>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Chat>)> {
    let new = NewChat {
        id: None,
        title: new.title,
        focus: new.focus_mode.as_deref().map(str::parse).transpose()?.unwrap_or_default(),
        library: new.library,
        version: new.version,
        model: new.model,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let chat = chats::create(&mut transaction, &actor, &new).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/chats/{}", chat.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(chat)))
}

/// Returns a chat with the newest messages of its current branch.
#[utoipa::path(get, path = "/api/v1/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat"), Paging), responses((status = 200, body = OpenedChat)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<OpenedChat>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::find(&mut connection, &actor, ChatId(id)).await?;
    let page = messages::branch(&mut connection, &actor, chat.id, None, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), OpenedChat { chat, messages: page.items, next }))
}

/// Lists the messages of a chat: of the current branch, of another one, or of all.
#[utoipa::path(get, path = "/api/v1/chats/{id}/messages", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat"), Branch, Paging), responses((status = 200, body = MessagePage)))]
pub(crate) async fn messages(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Query(branch): Query<Branch>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<MessagePage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::find(&mut connection, &actor, ChatId(id)).await?;
    let page = if branch.all == Some(true) {
        messages::list_all(&mut connection, &actor, chat.id, cursor.as_ref(), limit).await?
    } else {
        messages::branch(
            &mut connection,
            &actor,
            chat.id,
            branch.until.map(MessageId),
            cursor.as_ref(),
            limit,
        )
        .await?
    };
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), MessagePage { items: page.items, next }))
}

/// Changes a chat: its title, the scope of its questions, its place in lists, or its current branch.
#[utoipa::path(patch, path = "/api/v1/chats/{id}", tag = "chats", request_body = ChatChange,
    params(("id" = Uuid, Path, description = "Id of the chat")), responses((status = 200, body = Chat)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Body(change): Body<ChatChange>,
) -> Result<Json<Chat>> {
    let change = Change {
        title: change.title,
        focus: change.focus_mode.as_deref().map(str::parse).transpose()?,
        library: change.library,
        version: change.version,
        model: change.model,
        pinned: change.pinned,
        archived: change.archived,
        current: change.current,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let chat = chats::change(&mut transaction, &actor, ChatId(id), &change).await?;
    transaction.commit().await?;
    Ok(Json(chat))
}

/// Deletes a chat. It can be restored for thirty days.
#[utoipa::path(delete, path = "/api/v1/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    chats::delete(&mut connection, &actor, ChatId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restores a deleted chat.
#[utoipa::path(post, path = "/api/v1/chats/{id}/restore", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat")), responses((status = 200, body = Chat)))]
pub(crate) async fn restore(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Chat>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let chat = chats::restore(&mut transaction, &actor, ChatId(id)).await?;
    transaction.commit().await?;
    Ok(Json(chat))
}

/// Returns a message of the caller's, with its sources.
#[utoipa::path(get, path = "/api/v1/messages/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the message")), responses((status = 200, body = Message)))]
pub(crate) async fn message(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Message>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(messages::find(&mut connection, &actor, MessageId(id)).await?.1))
}

/// Marks an answer as good or wrong, with the reason and the correct answer.
#[utoipa::path(put, path = "/api/v1/messages/{id}/verdict", tag = "chats", request_body = VerdictNew,
    params(("id" = Uuid, Path, description = "Id of the answer")), responses((status = 200, body = Message)))]
pub(crate) async fn set_verdict(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Body(verdict): Body<VerdictNew>,
) -> Result<Json<Message>> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let message =
        messages::set_verdict(&mut transaction, &catalogue, &actor, MessageId(id), Some(&verdict.into()))
            .await?;
    transaction.commit().await?;
    Ok(Json(message))
}

/// Removes the verdict on an answer.
#[utoipa::path(delete, path = "/api/v1/messages/{id}/verdict", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the answer")), responses((status = 204)))]
pub(crate) async fn delete_verdict(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    messages::set_verdict(&mut transaction, &catalogue, &actor, MessageId(id), None).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Searches the caller's questions and answers, newest first.
#[utoipa::path(get, path = "/api/v1/history/search", tag = "chats", params(HistorySearch, Paging),
    responses((status = 200, body = HistoryPage)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(query): Query<HistorySearch>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<HistoryPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = history::search(&mut connection, &actor, &query.q, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), HistoryPage { items: page.items, next }))
}
