//! Files that are attached to a chat: chosen, shown with how far their reading is, removed.

use askama::Template;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chat::chats::{self, ChatId};
use chat::files::{self, ChatFile, ChatFileStatus, FileId, MAX_FILES};
use uuid::Uuid;

use super::choices::Chosen;
use super::conversation;
use crate::app::{chat_files, uploads};
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::multipart::{self, invalid_form, text};
use crate::http::problem::{Problem, Result};
use crate::pages::forms::{self, SubmittedForm};
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// The files of a chat, as a part of its page.
#[derive(Template)]
#[template(path = "ask_files.html")]
pub(crate) struct Attached<'page> {
    pub(crate) frame: &'page Frame,
    pub(crate) chat: ChatId,
    pub(crate) files: &'page [ChatFile],
}

impl Attached<'_> {
    fn is_reading(&self) -> bool {
        self.files.iter().any(|file| file.status == ChatFileStatus::Processing)
    }
}

/// How far the reading of each file is.
pub(crate) async fn show(State(state): State<AppState>, frame: Frame, Path(chat): Path<Uuid>) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    if !frame.is_partial() {
        return see_other(&format!("/ask/{chat}"));
    }
    let listed = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok::<_, Problem>(files::list(&mut connection, &frame.actor, ChatId(chat)).await?)
    };
    match listed.await {
        Ok(files) => {
            let part = Attached { frame: &frame, chat: ChatId(chat), files: &files };
            frame.page(StatusCode::OK, &part)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Begins a chat with files.
pub(crate) async fn attach_first(State(state): State<AppState>, request: Request) -> Response {
    attached(&state, None, request).await
}

/// Attaches files to a chat.
pub(crate) async fn attach(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    request: Request,
) -> Response {
    attached(&state, Some(ChatId(chat)), request).await
}

async fn attached(state: &AppState, chat: Option<ChatId>, request: Request) -> Response {
    let (frame, request) = match framed(state, request).await {
        Ok(framed) => framed,
        Err(response) => return response,
    };
    let taken = async {
        if let Some(chat) = chat {
            chat_files::require_room(&state.app, &frame.actor, chat).await?;
        }
        let mut parts = multipart::open(state, request).await?;
        if !is_ours(&frame, &mut parts).await? {
            return Ok(None);
        }
        let chosen = chosen(&mut parts).await?;
        let staged = multipart::stage_files(state, &mut parts, MAX_FILES).await?;
        let begun = match chat {
            Some(chat) => chat,
            // What is refused until now leaves no empty chat behind.
            None => match begin(state, &frame, chosen).await {
                Ok(begun) => begun,
                Err(problem) => {
                    uploads::discard(&state.app, staged).await?;
                    return Err(problem);
                }
            },
        };
        let kept = chat_files::attach(&state.app, &frame.actor, begun, staged).await;
        if kept.is_err() && chat.is_none() {
            let mut connection = store::postgres::acquire(state.app.pool()).await?;
            chats::delete(&mut connection, &frame.actor, begun).await?;
        }
        kept?;
        Ok::<_, Problem>(Some(begun))
    };
    match taken.await {
        Ok(Some(chat)) => see_other(&format!("/ask/{chat}")),
        Ok(None) => SubmittedForm::foreign(&frame),
        Err(problem) => {
            let frame = frame.at(&chat.map_or_else(|| "/ask".to_owned(), |chat| format!("/ask/{chat}")));
            match FormError::of_problem(&frame, problem) {
                Ok(fault) => conversation::refused(state, &frame, chat, &fault).await,
                Err(response) => response,
            }
        }
    }
}

async fn begin(state: &AppState, frame: &Frame, chosen: Chosen) -> Result<ChatId> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(chats::create(&mut connection, &frame.actor, &chosen.begun()).await?.id)
}

/// Authenticates the sender of a form before its body is read.
pub(super) async fn framed(
    state: &AppState,
    request: Request,
) -> std::result::Result<(Frame, Request), Response> {
    let (mut parts, body) = request.into_parts();
    let frame = Frame::from_request_parts(&mut parts, state).await.map_err(Problem::into_response)?;
    if !forms::is_of_this_site(&parts.headers) {
        return Err(SubmittedForm::foreign(&frame));
    }
    frame.require_person()?;
    Ok((frame, Request::from_parts(parts, body)))
}

/// Reads the fields before the files: what a chat that they begin is to ask.
async fn chosen(parts: &mut Multipart) -> Result<Chosen> {
    let mut fields = [("scope", String::new()), ("focus", String::new()), ("model", String::new())];
    for (name, value) in &mut fields {
        let field =
            parts.next_field().await.map_err(invalid_form)?.filter(|field| field.name() == Some(*name));
        *value = text(field.ok_or_else(|| Problem::invalid("the form cannot be read"))?).await?;
    }
    let [(_, scope), (_, focus), (_, model)] = &fields;
    Chosen::written(scope, focus, model)
}

/// Whether the first field of a form is the token of the browser it comes from.
pub(super) async fn is_ours(frame: &Frame, parts: &mut Multipart) -> Result<bool> {
    let Some(field) = parts.next_field().await.map_err(invalid_form)? else { return Ok(false) };
    if field.name() != Some(forms::FIELD) {
        return Ok(false);
    }
    Ok(forms::is_ours(frame, &text(field).await?))
}

/// Removes a file from a chat.
pub(crate) async fn remove(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    let removed = async {
        let file =
            posted.field("file").parse().map_err(|_none| Problem::invalid("the form cannot be read"))?;
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        files::remove(&mut transaction, &posted.frame.actor, ChatId(chat), FileId(file)).await?;
        transaction.commit().await?;
        Ok::<_, Problem>(())
    };
    match removed.await {
        Ok(()) => see_other(&format!("/ask/{chat}")),
        Err(problem) => problem.into_response(),
    }
}
