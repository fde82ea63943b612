//! `/api/v1/chats/{id}/files`: files attached to a chat. Their bytes are streamed to the object store, as documents' are.

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::Multipart;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State as Given};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chat::chats::ChatId;
use chat::files::{self, ChatFile, FileId, MOST_FILES};
use futures::StreamExt as _;
use kernel::actor::Actor;
use library::sweep;
use store::objects;
use utoipa::ToSchema;
use uuid::Uuid;

use super::State;
use super::authenticate::Caller;
use super::documents::attachment;
use super::input::Path;
use super::problem::{Problem, Result};
use super::upload::broken;

/// The form. Several files may be sent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct ChatFileForm {
    /// The bytes: of any type that documents have.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Attaches files to a chat. They are read behind the answer, and then the chat can be asked about them.
#[utoipa::path(post, path = "/api/v1/chats/{id}/files", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")),
    request_body(content = ChatFileForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Taken, to be read", body = Vec<ChatFile>)))]
pub(crate) async fn attach(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path(chat): Path<Uuid>,
    request: Request,
) -> Result<(StatusCode, Json<Vec<ChatFile>>)> {
    let chat = ChatId(chat);
    require_room(&state, &actor, chat).await?;
    let mut parts = parts(&state, request).await?;
    let staged = stage(&state, &mut parts).await?;
    let attached = keep(&state, &actor, chat, staged).await?;
    Ok((StatusCode::ACCEPTED, Json(attached)))
}

/// Refuses what could not be attached to a chat, before any byte is taken.
pub(crate) async fn require_room(state: &State, actor: &Actor, chat: ChatId) -> Result<()> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(files::require_room(&mut connection, actor, chat, 1).await?)
}

/// The parts of a form that brings files. The limit is on each file, and is the object store's to keep.
pub(crate) async fn parts(state: &State, mut request: Request) -> Result<Multipart> {
    DefaultBodyLimit::apply(DefaultBodyLimit::disable(), &mut request);
    Multipart::from_request(request, state).await.map_err(|rejection| {
        Problem::invalid(format!("a file is sent as multipart/form-data: {}", rejection.body_text()))
    })
}

/// Files whose bytes have come, each with its name.
pub(crate) struct Staged(Vec<(String, objects::Staged)>);

/// Takes the bytes of the files that are left in a form: at least one. Whatever is refused, no staged bytes are left behind.
pub(crate) async fn stage(state: &State, parts: &mut Multipart) -> Result<Staged> {
    let mut staged = Vec::new();
    match read(state, parts, &mut staged).await {
        Ok(()) if staged.is_empty() => Err(Problem::invalid("the field file is missing")),
        Ok(()) => Ok(Staged(staged)),
        Err(problem) => {
            discard(state, Staged(staged)).await?;
            Err(problem)
        }
    }
}

/// Takes away bytes that have come for nothing.
pub(crate) async fn discard(state: &State, Staged(staged): Staged) -> Result<()> {
    for (_, staged) in staged {
        state.app.objects.discard(staged).await?;
    }
    Ok(())
}

/// Attaches files whose bytes have come. Where they are refused, these are not left behind.
pub(crate) async fn keep(
    state: &State,
    actor: &Actor,
    chat: ChatId,
    Staged(staged): Staged,
) -> Result<Vec<ChatFile>> {
    let may = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok::<_, Problem>(files::require_room(&mut connection, actor, chat, staged.len()).await?)
    };
    if let Err(problem) = may.await {
        discard(state, Staged(staged)).await?;
        return Err(problem);
    }
    let touched: Vec<_> = staged.iter().map(|(_, staged)| (staged.stored.hash, staged.stored.size)).collect();
    sweep::touch(state.app.pool(), &touched).await?;
    let mut kept = Vec::with_capacity(staged.len());
    for (name, staged) in staged {
        kept.push((name, state.app.objects.keep(staged).await?));
    }
    state.app.objects.flush().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let attached = files::attach(&mut transaction, actor, chat, &kept).await?;
    transaction.commit().await?;
    Ok(attached)
}

async fn read(
    state: &State,
    parts: &mut Multipart,
    staged: &mut Vec<(String, objects::Staged)>,
) -> Result<()> {
    let limit = state.app.settings.max_document_bytes() as u64;
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            // A form in which no file was chosen sends one without a name.
            "file" | "files" if field.file_name() == Some("") => {}
            "file" | "files" if staged.len() < MOST_FILES => {
                let name = field.file_name().unwrap_or_default().to_owned();
                staged.push((name, state.app.objects.stage(field.boxed(), limit).await?));
            }
            "file" | "files" => {
                return Err(Problem::too_large(format!("a request brings at most {MOST_FILES} files")));
            }
            other => return Err(Problem::invalid(format!("there is no field {other:?} in this form"))),
        }
    }
    Ok(())
}

/// The files of a chat, in the order they were attached.
#[utoipa::path(get, path = "/api/v1/chats/{id}/files", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat")), responses((status = 200, body = Vec<ChatFile>)))]
pub(crate) async fn list(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path(chat): Path<Uuid>,
) -> Result<Json<Vec<ChatFile>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(files::list(&mut connection, &actor, ChatId(chat)).await?))
}

/// A file of a chat, and how far its reading is.
#[utoipa::path(get, path = "/api/v1/chats/{id}/files/{file_id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("file_id" = Uuid, Path, description = "The file")),
    responses((status = 200, body = ChatFile)))]
pub(crate) async fn show(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((chat, file)): Path<(Uuid, Uuid)>,
) -> Result<Json<ChatFile>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(files::find(&mut connection, &actor, ChatId(chat), FileId(file)).await?))
}

/// Removes a file from a chat. What answers have quoted of it stays in them.
#[utoipa::path(delete, path = "/api/v1/chats/{id}/files/{file_id}", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("file_id" = Uuid, Path, description = "The file")),
    responses((status = 204)))]
pub(crate) async fn delete(
    Given(state): Given<State>,
    Caller(actor): Caller,
    Path((chat, file)): Path<(Uuid, Uuid)>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    files::remove(&mut transaction, &actor, ChatId(chat), FileId(file)).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The bytes of a file of a chat, to be saved.
#[utoipa::path(get, path = "/api/v1/chats/{id}/files/{file_id}/content", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), ("file_id" = Uuid, Path, description = "The file")),
    responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn content(
    Given(state): Given<State>,
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
    // What a file holds is never run: it is saved.
    let safe = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CONTENT_SECURITY_POLICY, "sandbox")];
    Ok((headers, safe, Body::from_stream(bytes)).into_response())
}
