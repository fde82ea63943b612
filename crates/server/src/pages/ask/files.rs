//! Files that are attached to a chat: chosen, shown with how far their reading is, removed.

use askama::Template;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequestParts as _, Request, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chat::chats::{self, ChatId, NewChat};
use chat::files::{self, ChatFile, FileId, Status};
use uuid::Uuid;

use super::choices::scope;
use crate::api::State;
use crate::api::chat_files;
use crate::api::input::Path;
use crate::api::problem::{Problem, Result};
use crate::api::upload::broken;
use crate::pages::forms::{self, Posted};
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// The longest field before the files, in bytes: a question.
const LONGEST_FIELD: usize = 64 << 10;

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
        self.files.iter().any(|file| file.status == Status::Processing)
    }
}

/// How far the reading of each file is.
pub(crate) async fn show(Given(state): Given<State>, frame: Frame, Path(chat): Path<Uuid>) -> Response {
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

/// What stands in a form before its files.
#[derive(Default)]
struct Before {
    question: String,
    scope: String,
}

/// Begins a chat with files.
pub(crate) async fn attach_first(Given(state): Given<State>, request: Request) -> Response {
    attached(&state, None, request).await
}

/// Attaches files to a chat.
pub(crate) async fn attach(Given(state): Given<State>, Path(chat): Path<Uuid>, request: Request) -> Response {
    attached(&state, Some(ChatId(chat)), request).await
}

async fn attached(state: &State, chat: Option<ChatId>, request: Request) -> Response {
    let (frame, request) = match framed(state, request).await {
        Ok(framed) => framed,
        Err(response) => return response,
    };
    let taken = async {
        if let Some(chat) = chat {
            chat_files::require_room(state, &frame.actor, chat).await?;
        }
        let mut parts = chat_files::parts(state, request).await?;
        let Some(before) = before(&frame, &mut parts).await? else { return Ok(None) };
        let chat = match chat {
            Some(chat) => chat,
            None => begun(state, &frame, &before).await?,
        };
        chat_files::take(state, &frame.actor, chat, &mut parts).await?;
        Ok::<_, Problem>(Some((chat, before.question)))
    };
    match taken.await {
        Ok(Some((chat, question))) => {
            let question =
                percent_encoding::utf8_percent_encode(&question, percent_encoding::NON_ALPHANUMERIC);
            let next = format!("/ask/{chat}?q={question}");
            // What is too long for an address is written once more.
            see_other(if next.len() < 2000 { &next } else { &next[..next.find('?').unwrap_or(0)] })
        }
        Ok(None) => Posted::foreign(&frame),
        Err(problem) => problem.into_response(),
    }
}

async fn begun(state: &State, frame: &Frame, before: &Before) -> Result<ChatId> {
    let (library, version) = scope(&before.scope);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let new = NewChat { library, version, ..NewChat::default() };
    Ok(chats::create(&mut connection, &frame.actor, &new).await?.id)
}

/// Who sends a form, before its bytes are taken.
pub(super) async fn framed(
    state: &State,
    request: Request,
) -> std::result::Result<(Frame, Request), Response> {
    let (mut parts, body) = request.into_parts();
    let frame = Frame::from_request_parts(&mut parts, state).await.map_err(Problem::into_response)?;
    if !forms::is_of_this_site(&parts.headers) {
        return Err(Posted::foreign(&frame));
    }
    frame.require_person()?;
    Ok((frame, Request::from_parts(parts, body)))
}

/// Reads the fields before the files; `None` where the form is not one of ours.
async fn before(frame: &Frame, parts: &mut Multipart) -> Result<Option<Before>> {
    let mut before = Before::default();
    if !is_ours(frame, parts).await? {
        return Ok(None);
    }
    for _ in 0..2 {
        let field = parts.next_field().await.map_err(broken)?;
        let Some(field) = field else { return Err(Problem::invalid("the form cannot be read")) };
        let name = field.name().unwrap_or_default().to_owned();
        let text = field.text().await.map_err(broken)?;
        match name.as_str() {
            "q" if text.len() <= LONGEST_FIELD => before.question = text,
            "scope" if text.len() <= LONGEST_FIELD => before.scope = text,
            _ => return Err(Problem::invalid("the form cannot be read")),
        }
    }
    Ok(Some(before))
}

/// Whether the first field of a form is the token of the browser it comes from.
pub(super) async fn is_ours(frame: &Frame, parts: &mut Multipart) -> Result<bool> {
    let Some(field) = parts.next_field().await.map_err(broken)? else { return Ok(false) };
    if field.name() != Some(forms::FIELD) {
        return Ok(false);
    }
    Ok(forms::is_ours(frame, &field.text().await.map_err(broken)?))
}

/// Removes a file from a chat.
pub(crate) async fn remove(Given(state): Given<State>, Path(chat): Path<Uuid>, posted: Posted) -> Response {
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
