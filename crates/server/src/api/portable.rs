//! Export and import of chats, and share links: one chat as a file, all chats as one stream, imports from other products, and
//! read-only copies of a chat.

use axum::Json;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chat::chats::{self, ChatId};
use chat::transfer::shares::{self, Share, ShareId};
use chat::transfer::{ImportReport, MAX_IMPORT_BYTES, export, html, markdown, ndjson};
use futures::{StreamExt as _, stream};
use kernel::chain::Chain;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::{self, history as app_history};
use crate::http::authentication::Caller;
use crate::http::input::{Json as Input, Path, Query};
use crate::http::language::Language;
use crate::http::multipart::{self, invalid_form};
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::ShareHours;
use crate::http::spool;
use crate::http::{AppState, NO_STORE};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(one)).routes(routes!(list_shares, share)))
        .merge(bounded(OpenApiRouter::new().routes(routes!(revoke)).routes(routes!(export_all))))
        .merge(OpenApiRouter::new().routes(routes!(import_all)))
}

/// Chunks of an export that wait for a slow reader.
const CHUNKS: usize = 4;

/// Format of an exported chat.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportFormat {
    /// `markdown` and `html` contain the current branch; `json` contains everything, and can be imported.
    #[param(inline)]
    format: Option<ChatFormat>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChatFormat {
    #[default]
    Markdown,
    Html,
    Json,
}

/// Upload of a history.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct ImportForm {
    /// Exported file. Other fields are ignored.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Share link to create.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShareNew {
    /// Lifetime in hours.
    #[schema(value_type = Option<ShareHours>)]
    hours: Option<u64>,
}

/// Created share link with its URL, which is not shown again.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShareCreated {
    #[serde(flatten)]
    share: Share,
    /// URL to pass on.
    pub(crate) url: String,
}

/// Exports a chat as a file: Markdown, a self-contained HTML page, or JSON.
#[utoipa::path(get, path = "/api/v1/chats/{id}/export", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat"), ExportFormat,
        ("accept-language" = inline(Option<String>), Header, description = "Preferred language of the HTML page: English or Chinese")),
    responses((status = 200, description = "File",
        content((String = "text/markdown"), (String = "text/html"), (serde_json::Value = "application/json")))))]
pub(crate) async fn one(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Query(parameters): Query<ExportFormat>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = export::chat(&mut connection, &actor, ChatId(id)).await?;
    drop(connection);
    let (content_type, extension, text) = match parameters.format.unwrap_or_default() {
        ChatFormat::Markdown => {
            ("text/markdown; charset=utf-8", "md", markdown::render(&chat, &state.address))
        }
        ChatFormat::Html => {
            let language = Language::of(&headers, None).of_chats();
            ("text/html; charset=utf-8", "html", html::render(&chat, &state.address, language))
        }
        ChatFormat::Json => {
            let text =
                serde_json::to_string_pretty(&chat).map_err(|error| Problem::internal(error.to_string()))?;
            ("application/json", "json", text)
        }
    };
    let headers = [
        (header::CONTENT_TYPE, content_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"chat-{id}.{extension}\"")),
        (header::CONTENT_SECURITY_POLICY, html::content_security_policy()),
    ];
    Ok((headers, text).into_response())
}

/// Exports all of the caller's chats, with sources and files, as a stream of NDJSON that can be imported.
#[utoipa::path(get, path = "/api/v1/history/export", tag = "chats",
    responses((status = 200, description = "Chats", body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export_all(State(state): State<AppState>, Caller(actor): Caller) -> Result<Response> {
    chats::owner_id(&actor)?;
    let (sender, chunks) = mpsc::channel::<Bytes>(CHUNKS);
    let app = state.app.clone();
    let exporting = tokio::spawn(async move {
        let done = export::history(app.pool(), &app.objects, &actor, sender, |_tally| {}).await;
        done.map_err(|error| std::io::Error::other(Chain(&error).to_string()))
    });
    // An error breaks the response off; the chunks before it then lack their last line, too.
    let body = stream::unfold((chunks, Some(exporting)), |(mut chunks, exporting)| async move {
        if let Some(chunk) = chunks.recv().await {
            return Some((Ok(chunk), (chunks, exporting)));
        }
        match exporting?.await {
            Ok(Ok(_tally)) => None,
            Ok(Err(error)) => {
                tracing::error!(%error, "failed to export a history");
                Some((Err(error), (chunks, None)))
            }
            Err(panicked) => {
                tracing::error!(error = %panicked, "failed to export a history");
                Some((Err(std::io::Error::other(panicked)), (chunks, None)))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, ndjson::CONTENT_TYPE),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"wenyuan-history.ndjson\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    // Fused: the compression layer polls once more after the end.
    Ok((headers, Body::from_stream(body.fuse())).into_response())
}

/// Imports chats of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT.
///
/// The format is detected. The file is the body, or the field `file` of a form. Duplicates are skipped; the response counts what
/// was added, and lists what was not and why.
#[utoipa::path(post, path = "/api/v1/history/import", tag = "chats",
    request_body(content((Vec<u8> = "application/octet-stream"), (ImportForm = "multipart/form-data"))),
    responses((status = 200, body = ImportReport)))]
pub(crate) async fn import_all(
    State(state): State<AppState>,
    Caller(actor): Caller,
    mut request: Request,
) -> Result<Json<ImportReport>> {
    let allowance = app_history::begin_import(&state.app, &actor)?;
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let file = if content_type.starts_with(b"multipart/form-data") {
        let mut parts = multipart::open(&state, request).await?;
        loop {
            let field = parts.next_field().await.map_err(invalid_form)?;
            let field = field.ok_or_else(|| Problem::invalid("missing field file"))?;
            if field.name() == Some("file") {
                break multipart::spool_field(&state, field, MAX_IMPORT_BYTES, &allowance).await?;
            }
        }
    } else {
        DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
        let body = request.into_body().into_data_stream();
        let chunks = body.map(|chunk| chunk.map_err(|error| error.to_string()));
        spool::write(&state.app.objects, chunks, MAX_IMPORT_BYTES, &allowance).await?
    };
    Ok(Json(app_history::import(&state.app, &actor, &allowance, file).await?))
}

/// Creates a share link: a read-only copy of the chat as it is now.
#[utoipa::path(post, path = "/api/v1/chats/{id}/shares", tag = "chats", request_body = ShareNew,
    params(("id" = Uuid, Path, description = "Id of the chat")), responses((status = 201, body = ShareCreated)))]
pub(crate) async fn share(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Input(new): Input<ShareNew>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<ShareCreated>)> {
    let (share, token) = app::shares::create(&state.app, &actor, ChatId(id), new.hours).await?;
    let created = ShareCreated { share, url: state.share_url(&token) };
    Ok((StatusCode::CREATED, NO_STORE, Json(created)))
}

/// Lists the share links of a chat that have not expired.
#[utoipa::path(get, path = "/api/v1/chats/{id}/shares", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the chat")), responses((status = 200, body = Vec<Share>)))]
pub(crate) async fn list_shares(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<Share>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(shares::list(&mut connection, &actor, ChatId(id)).await?))
}

/// Revokes a share link.
#[utoipa::path(delete, path = "/api/v1/shares/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "Id of the share link")), responses((status = 204)))]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    shares::revoke(&mut connection, &actor, ShareId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
