//! Histories that come and go: one chat as a file, all chats as one stream, what others exported taken in, and links to what a
//! chat was.

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
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Input, Path, Query};
use crate::http::language::Language;
use crate::http::multipart::{self, invalid_form};
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::spool;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(one)).routes(routes!(list_shares, share)))
        .merge(bounded(OpenApiRouter::new().routes(routes!(revoke)).routes(routes!(export_all))))
        .merge(OpenApiRouter::new().routes(routes!(import_all)))
}

/// Pieces of an export that wait for a slow reader.
const PIECES: usize = 4;

/// In which form a chat is exported.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportForm {
    /// `markdown` and `html` show the branch that is shown; `json` holds everything, and can be imported.
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

/// A link to be made.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct ShareNew {
    /// How many hours it lives: 1 to 8784, a year.
    #[schema(minimum = 1, maximum = 8784, default = 720)]
    hours: Option<u64>,
}

/// A link that was made. Its address is not to be had again.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShareMade {
    #[serde(flatten)]
    share: Share,
    /// The address to be passed on.
    pub(crate) url: String,
}

/// One chat as a file: Markdown, a page that stands by itself, or JSON.
#[utoipa::path(get, path = "/api/v1/chats/{id}/export", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ExportForm),
    responses((status = 200, description = "The file",
        content((String = "text/markdown"), (String = "text/html"), (serde_json::Value = "application/json")))))]
pub(crate) async fn one(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Query(form): Query<ExportForm>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = export::chat(&mut connection, &actor, ChatId(id)).await?;
    drop(connection);
    let (kind, ending, text) = match form.format.unwrap_or_default() {
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
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"chat-{id}.{ending}\"")),
        (header::CONTENT_SECURITY_POLICY, html::content_security_policy()),
    ];
    Ok((headers, text).into_response())
}

/// All your chats, with their sources and files, as one file that any Wenyuan takes in: NDJSON, which streams.
#[utoipa::path(get, path = "/api/v1/history/export", tag = "chats",
    responses((status = 200, description = "The history", body = String, content_type = "application/x-ndjson")))]
pub(crate) async fn export_all(State(state): State<AppState>, Caller(actor): Caller) -> Result<Response> {
    chats::owner_id(&actor)?;
    let (sender, pieces) = mpsc::channel::<Bytes>(PIECES);
    let app = state.app.clone();
    let exporting = tokio::spawn(async move {
        let done = export::history(app.pool(), &app.objects, &actor, sender, |_tally| {}).await;
        done.map_err(|error| std::io::Error::other(Chain(&error).to_string()))
    });
    // A fault in the middle breaks the answer off; what came is then without its last line, too.
    let body = stream::unfold((pieces, Some(exporting)), |(mut pieces, exporting)| async move {
        if let Some(piece) = pieces.recv().await {
            return Some((Ok(piece), (pieces, exporting)));
        }
        match exporting?.await {
            Ok(Ok(_tally)) => None,
            Ok(Err(error)) => {
                tracing::error!(%error, "an export broke off");
                Some((Err(error), (pieces, None)))
            }
            Err(panicked) => {
                tracing::error!(error = %panicked, "an export broke off");
                Some((Err(std::io::Error::other(panicked)), (pieces, None)))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, ndjson::CONTENT_TYPE),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"wenyuan-history.ndjson\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    // Fused: whoever compresses asks once more after the end.
    Ok((headers, Body::from_stream(body.fuse())).into_response())
}

/// Takes in a history: of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT, told by its content; as the body, or as the
/// file of a form. Nothing is taken twice. The answer says what was added, and what was not and why.
#[utoipa::path(post, path = "/api/v1/history/import", tag = "chats",
    request_body(content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "multipart/form-data"))),
    responses((status = 200, body = ImportReport)))]
pub(crate) async fn import_all(
    State(state): State<AppState>,
    Caller(actor): Caller,
    mut request: Request,
) -> Result<Json<ImportReport>> {
    // Before any byte is taken: what waits for its turn would fill the disk.
    chats::owner_id(&actor)?;
    let _permit = app_history::reserve_import()?;
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let file = if kind.starts_with(b"multipart/form-data") {
        let mut parts = multipart::open(&state, request).await?;
        loop {
            let field = parts.next_field().await.map_err(invalid_form)?;
            let field = field.ok_or_else(|| Problem::invalid("the field file is missing"))?;
            if field.name() == Some("file") {
                break multipart::spool_field(&state, field, MAX_IMPORT_BYTES).await?;
            }
        }
    } else {
        DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
        let body = request.into_body().into_data_stream();
        let pieces = body.map(|piece| piece.map_err(|error| error.to_string()));
        spool::write(&state.app.objects, pieces, MAX_IMPORT_BYTES).await?
    };
    Ok(Json(app_history::import(&state.app, &actor, file).await?))
}

/// Makes a link that shows the chat as it is now, read-only, until it ends.
#[utoipa::path(post, path = "/api/v1/chats/{id}/shares", tag = "chats", request_body = ShareNew,
    params(("id" = Uuid, Path, description = "The chat")), responses((status = 201, body = ShareMade)))]
pub(crate) async fn share(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Input(new): Input<ShareNew>,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<ShareMade>)> {
    let (share, token) = app::shares::create(&state.app, &actor, ChatId(id), new.hours).await?;
    let made = ShareMade { share, url: state.share_url(&token) };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)))
}

/// The links to a chat of yours that have not ended.
#[utoipa::path(get, path = "/api/v1/chats/{id}/shares", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")), responses((status = 200, body = Vec<Share>)))]
pub(crate) async fn list_shares(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<Share>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(shares::list(&mut connection, &actor, ChatId(id)).await?))
}

/// Ends a link of yours.
#[utoipa::path(delete, path = "/api/v1/shares/{id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The link")), responses((status = 204)))]
pub(crate) async fn revoke(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    shares::revoke(&mut connection, &actor, ShareId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
