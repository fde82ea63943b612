//! `/api/v1/chats`: one's own questions and answers. Asking stands in [`super::ask`].

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderName, StatusCode, header};
use chat::chats::{self, Change, Chat, ChatFilter, ChatId, MessageId, NewChat};
use chat::history::{self, HistoryHit};
use chat::messages::Verdict;
use chat::messages::{self, Message};
use kernel::update::FieldUpdate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::Result;
use crate::http::router::{bounded, tagged, unhurried};
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
        OpenApiRouter::new().routes(routes!(restore)).routes(routes!(judge, unjudge)).routes(routes!(search)),
    ))
    .merge(unhurried(OpenApiRouter::new().routes(routes!(messages))))
}

/// A page of chats.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatPage {
    items: Vec<Chat>,
    /// Where the next page begins.
    next: Option<String>,
}

/// A page of messages, the oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessagePage {
    items: Vec<Message>,
    /// Where the next page begins: of the branch, the messages before these.
    next: Option<String>,
}

/// A chat and the newest messages of the branch that is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedChat {
    #[serde(flatten)]
    chat: Chat,
    /// The messages, the oldest first.
    messages: Vec<Message>,
    /// Leads to the messages before these.
    next: Option<String>,
}

/// Results of a search in the history.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryPage {
    items: Vec<HistoryHit>,
    /// Where the next page begins.
    next: Option<String>,
}

/// Which chats.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Those that are open, archived, or deleted within the last thirty days.
    #[param(inline)]
    which: Option<WhichChats>,
}

/// Which chats are listed.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WhichChats {
    #[default]
    Open,
    Archived,
    Deleted,
}

/// A chat to be begun.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct ChatNew {
    /// Its title; the first question where there is none.
    #[schema(max_length = 300)]
    title: Option<String>,
    /// Focus: librarySearch, writingAssistant, webSearch …
    #[schema(example = "librarySearch")]
    focus_mode: Option<String>,
    /// The library it asks; all where there is none.
    library: Option<String>,
    /// The version it asks: a label, a range or `latest`.
    version: Option<String>,
    /// The language model that answers, by name.
    model: Option<String>,
}

/// Changes of a chat; absent fields are kept, null clears.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ChatChange {
    /// Its title.
    #[schema(max_length = 300)]
    title: Option<String>,
    /// Focus.
    focus_mode: Option<String>,
    /// The library it asks.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    library: FieldUpdate<String>,
    /// The version it asks.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    version: FieldUpdate<String>,
    /// The model that answers.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    model: FieldUpdate<String>,
    /// Whether it stands before the others.
    pinned: Option<bool>,
    /// Whether it is put away.
    archived: Option<bool>,
    /// The message whose branch is shown.
    current: Option<Uuid>,
}

/// Which messages of a chat.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Branch {
    /// The branch that ends with this message; the one that is shown where none is named.
    until: Option<Uuid>,
    /// All branches, in the order of writing.
    all: Option<bool>,
}

/// Query of a search in the history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Words {
    /// Words, all of which a message must hold.
    #[param(max_length = 2000)]
    q: String,
}

/// Your chats: pinned ones first, then by their newest message.
#[utoipa::path(get, path = "/api/v1/chats", tag = "chats", params(HistoryQuery, Paging),
    responses((status = 200, body = ChatPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(asked): Query<HistoryQuery>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<ChatPage>> {
    let which = match asked.which.unwrap_or_default() {
        WhichChats::Open => ChatFilter::Open,
        WhichChats::Archived => ChatFilter::Archived,
        WhichChats::Deleted => ChatFilter::Deleted,
    };
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = chats::list(&mut connection, &actor, which, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), ChatPage { items: page.items, next }))
}

/// Begins a chat.
#[utoipa::path(post, path = "/api/v1/chats", tag = "chats", request_body = ChatNew,
    responses((status = 201, body = Chat, headers(("location" = String, description = "The chat")))))]
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
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::create(&mut connection, &actor, &new).await?;
    let location = format!("/api/v1/chats/{}", chat.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(chat)))
}

/// A chat, with the newest messages of the branch that is shown.
#[utoipa::path(get, path = "/api/v1/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), Paging), responses((status = 200, body = OpenedChat)))]
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

/// The messages of a chat: of the branch that is shown, of another, or all.
#[utoipa::path(get, path = "/api/v1/chats/{id}/messages", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), Branch, Paging), responses((status = 200, body = MessagePage)))]
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

/// Renames, pins or archives a chat, changes what it asks, or chooses the branch that is shown.
#[utoipa::path(patch, path = "/api/v1/chats/{id}", tag = "chats", request_body = ChatChange,
    params(("id" = Uuid, Path, description = "The chat")), responses((status = 200, body = Chat)))]
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

/// Deletes a chat. For thirty days it can be brought back.
#[utoipa::path(delete, path = "/api/v1/chats/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    chats::delete(&mut connection, &actor, ChatId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Brings a deleted chat back.
#[utoipa::path(post, path = "/api/v1/chats/{id}/restore", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")), responses((status = 200, body = Chat)))]
pub(crate) async fn restore(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Chat>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(chats::restore(&mut connection, &actor, ChatId(id)).await?))
}

/// A message of yours, with its sources.
#[utoipa::path(get, path = "/api/v1/messages/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The message")), responses((status = 200, body = Message)))]
pub(crate) async fn message(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Message>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(messages::find(&mut connection, &actor, MessageId(id)).await?.1))
}

/// Says that an answer is good or wrong, why, and what would have been right.
#[utoipa::path(put, path = "/api/v1/messages/{id}/verdict", tag = "chats", request_body = Verdict,
    params(("id" = Uuid, Path, description = "The answer")), responses((status = 200, body = Message)))]
pub(crate) async fn judge(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Body(verdict): Body<Verdict>,
) -> Result<Json<Message>> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let message =
        messages::set_verdict(&mut transaction, &catalogue, &actor, MessageId(id), Some(&verdict)).await?;
    transaction.commit().await?;
    Ok(Json(message))
}

/// Takes back what was said of an answer.
#[utoipa::path(delete, path = "/api/v1/messages/{id}/verdict", tag = "chats",
    params(("id" = Uuid, Path, description = "The answer")), responses((status = 204)))]
pub(crate) async fn unjudge(
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

/// Searches your questions and answers, the newest first.
#[utoipa::path(get, path = "/api/v1/history/search", tag = "chats", params(Words, Paging),
    responses((status = 200, body = HistoryPage)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(words): Query<Words>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<HistoryPage>> {
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = history::search(&mut connection, &actor, &words.q, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), HistoryPage { items: page.items, next }))
}
