//! `/api/v1/chats/{id}/files`: files attached to a chat. Their bytes are streamed to the object store, like those of documents.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chat::chats::ChatId;
use chat::files::{self, ChatFile, FileId, MAX_FILES};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::chat_files;
use crate::http::AppState;
use crate::http::attachment;
use crate::http::authentication::Caller;
use crate::http::input::Path;
use crate::http::multipart;
use crate::http::problem::Result;
use crate::http::router::tagged;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, delete)).routes(routes!(content)))
        .merge(OpenApiRouter::new().routes(routes!(attach)))
}

/// Upload of files to a chat. Several files can be sent.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct ChatFileForm {
    /// Content of the file, of any type that documents can have.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Attaches files to a chat. They are ingested in the background; then questions in the chat search them.
#[utoipa::path(post, path = "/api/v1/chats/{id}/files", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat")),
    request_body(content = ChatFileForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Accepted", body = Vec<ChatFile>)))]
pub(crate) async fn attach(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(chat): Path<Uuid>,
    request: Request,
) -> Result<(StatusCode, Json<Vec<ChatFile>>)> {
    let chat = ChatId(chat);
    chat_files::require_capacity(&state.app, &actor, chat).await?;
    let allowance = state.app.staging.begin(&actor)?;
    let mut parts = multipart::open(&state, request).await?;
    let staged = multipart::stage_files(&state, &mut parts, MAX_FILES, &allowance).await?;
    let attached = chat_files::attach(&state.app, &actor, chat, staged).await?;
    Ok((StatusCode::ACCEPTED, Json(attached)))
}

/// Lists the files of a chat, in the order they were attached.
#[utoipa::path(get, path = "/api/v1/chats/{id}/files", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat")), responses((status = 200, body = Vec<ChatFile>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(chat): Path<Uuid>,
) -> Result<Json<Vec<ChatFile>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(files::list(&mut connection, &actor, ChatId(chat)).await?))
}

/// Returns a file of a chat, with the status of its ingestion.
#[utoipa::path(get, path = "/api/v1/chats/{id}/files/{file_id}", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat"), ("file_id" = Uuid, Path, description = "Id of the file")),
    responses((status = 200, body = ChatFile)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((chat, file)): Path<(Uuid, Uuid)>,
) -> Result<Json<ChatFile>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(files::find(&mut connection, &actor, ChatId(chat), FileId(file)).await?))
}

/// Removes a file from a chat. Answers keep what they quote of it.
#[utoipa::path(delete, path = "/api/v1/chats/{id}/files/{file_id}", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat"), ("file_id" = Uuid, Path, description = "Id of the file")),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((chat, file)): Path<(Uuid, Uuid)>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    files::remove(&mut transaction, &actor, ChatId(chat), FileId(file)).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Downloads a file of a chat.
#[utoipa::path(get, path = "/api/v1/chats/{id}/files/{file_id}/content", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat"), ("file_id" = Uuid, Path, description = "Id of the file")),
    responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn content(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((chat, file)): Path<(Uuid, Uuid)>,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let file = files::find(&mut connection, &actor, ChatId(chat), FileId(file)).await?;
    drop(connection);
    let bytes = state.app.objects.stream(file.hash()?).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, attachment(&file.name)),
        (header::CONTENT_LENGTH, file.size.to_string()),
        (header::ETAG, format!("\"{}\"", file.sha256)),
    ];
    // Browsers save the file and never run it.
    let safe = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CONTENT_SECURITY_POLICY, "sandbox")];
    Ok((headers, safe, Body::from_stream(bytes)).into_response())
}
