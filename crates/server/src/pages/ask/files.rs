//! Files of a chat: attached, listed with their progress, removed.

use askama::Template;
use axum::Router;
use axum::extract::multipart::Multipart;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use chat::chats::{self, ChatId};
use chat::files::{self, ChatFile, ChatFileStatus, FileId, MAX_FILES};
use uuid::Uuid;

use super::choices::Selection;
use super::conversation;
use crate::app::{chat_files, uploads};
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::multipart::{self, invalid_form, text};
use crate::http::problem::{self, Problem};
use crate::pages::error::PageResult;
use crate::pages::forms::{self, SubmittedForm};
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// Files of a chat, as a part of its page.
#[derive(Template)]
#[template(path = "ask_files.html")]
pub(crate) struct FileList<'page> {
    pub(crate) frame: &'page Frame,
    pub(crate) chat: ChatId,
    pub(crate) files: &'page [ChatFile],
}

impl FileList<'_> {
    fn is_reading(&self) -> bool {
        self.files.iter().any(|file| file.status == ChatFileStatus::Processing)
    }
}

/// Routes of files.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/ask/{chat}/files", get(show)).route("/ask/{chat}/files/remove", post(remove))
}

/// Routes whose time depends on the size of an upload.
pub(super) fn upload_routes() -> Router<AppState> {
    Router::new()
        .route("/ask/files", post(attach_to_new_chat))
        .route("/ask/{chat}/files", post(attach_to_chat))
}

/// Shows the files of a chat, with their progress.
async fn show(State(state): State<AppState>, frame: Frame, Path(chat): Path<Uuid>) -> PageResult {
    frame.require_sign_in()?;
    if !frame.is_partial() {
        return Ok(see_other(&format!("/ask/{chat}")));
    }
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let files = files::list(&mut connection, &frame.actor, ChatId(chat)).await?;
    drop(connection);
    Ok(frame.page(StatusCode::OK, &FileList { frame: &frame, chat: ChatId(chat), files: &files }))
}

/// Creates a chat with files.
async fn attach_to_new_chat(State(state): State<AppState>, request: Request) -> PageResult {
    attach(&state, None, request).await
}

/// Attaches files to a chat.
async fn attach_to_chat(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    request: Request,
) -> PageResult {
    attach(&state, Some(ChatId(chat)), request).await
}

async fn attach(state: &AppState, chat: Option<ChatId>, request: Request) -> PageResult {
    let (frame, request) = authenticate(state, request).await?;
    match store_files(state, &frame, chat, request).await {
        Ok(Some(chat)) => Ok(see_other(&format!("/ask/{chat}"))),
        Ok(None) => Err(forms::refuse_cross_site(&frame)),
        Err(problem) => {
            let frame = frame.at(&chat.map_or_else(|| "/ask".to_owned(), |chat| format!("/ask/{chat}")));
            let error = FormError::from_problem(&frame, problem)?;
            conversation::refused(state, &frame, chat, &error).await
        }
    }
}

/// Stores the files of a form in a chat, which is created if there is none; `None` if the form's token is wrong.
async fn store_files(
    state: &AppState,
    frame: &Frame,
    chat: Option<ChatId>,
    request: Request,
) -> problem::Result<Option<ChatId>> {
    if let Some(chat) = chat {
        chat_files::require_capacity(&state.app, &frame.actor, chat).await?;
    }
    let allowance = state.app.staging.begin(&frame.actor)?;
    let mut parts = multipart::open(state, request).await?;
    if !read_token(frame, &mut parts).await? {
        return Ok(None);
    }
    let selection = read_selection(&mut parts).await?;
    let staged = multipart::stage_files(state, &mut parts, MAX_FILES, &allowance).await?;
    let target = match chat {
        Some(chat) => chat,
        // Only now, so that a refused form leaves no empty chat behind.
        None => match create_chat(state, frame, &selection).await {
            Ok(chat) => chat,
            Err(problem) => {
                uploads::discard(&state.app, staged).await?;
                return Err(problem);
            }
        },
    };
    let attached = chat_files::attach(&state.app, &frame.actor, target, staged).await;
    if attached.is_err() && chat.is_none() {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        chats::delete(&mut connection, &frame.actor, target).await?;
    }
    attached?;
    Ok(Some(target))
}

async fn create_chat(state: &AppState, frame: &Frame, selection: &Selection) -> problem::Result<ChatId> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(chats::create(&mut connection, &frame.actor, &selection.to_chat()).await?.id)
}

/// Authenticates the sender of a form before its body is read.
pub(super) async fn authenticate(state: &AppState, request: Request) -> PageResult<(Frame, Request)> {
    let (frame, request) = forms::authenticate(state, request).await?;
    frame.require_sign_in()?;
    Ok((frame, request))
}

/// Reads the fields before the files: the options of a new chat.
async fn read_selection(parts: &mut Multipart) -> problem::Result<Selection> {
    let mut fields = [("scope", String::new()), ("focus", String::new()), ("model", String::new())];
    for (name, value) in &mut fields {
        let field =
            parts.next_field().await.map_err(invalid_form)?.filter(|field| field.name() == Some(*name));
        *value = text(field.ok_or_else(|| Problem::invalid("the form cannot be read"))?).await?;
    }
    let [(_, scope), (_, focus), (_, model)] = &fields;
    Selection::parse(scope, focus, model)
}

/// Reads the first field of a form; returns whether it is a valid token.
pub(super) async fn read_token(frame: &Frame, parts: &mut Multipart) -> problem::Result<bool> {
    let Some(field) = parts.next_field().await.map_err(invalid_form)? else { return Ok(false) };
    if field.name() != Some(forms::FIELD) {
        return Ok(false);
    }
    Ok(forms::has_valid_token(frame, &text(field).await?))
}

/// Removes a file from a chat.
async fn remove(State(state): State<AppState>, Path(chat): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let file = form.field("file").parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    files::remove(&mut transaction, &form.frame.actor, ChatId(chat), FileId(file)).await?;
    transaction.commit().await?;
    Ok(see_other(&format!("/ask/{chat}")))
}
