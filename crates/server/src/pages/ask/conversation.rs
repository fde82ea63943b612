//! The room itself: where a question is begun, and a chat with the branch that is shown.

use std::borrow::Cow;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chat::answer::ChatQuestion;
use chat::chats::{self, Change, Chat, ChatId, MessageId};
use chat::files::{self, ChatFile};
use chat::messages::{self, QuestionAction};
use kernel::page::Cursor;
use kernel::update::FieldUpdate;
use serde::Deserialize;
use uuid::Uuid;

use super::choices::{Choices, Chosen};
use super::files::Attached;
use super::history::Recent;
use super::view::MessageView;
use crate::http::AppState;
use crate::http::input::{Path, Query, cursor};
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// Messages that a page shows.
const PAGE: usize = 30;

/// Query: a question filled in beforehand.
#[derive(Default, Deserialize)]
pub(crate) struct Prefilled {
    #[serde(default)]
    q: String,
    #[serde(default)]
    library: String,
    #[serde(default)]
    version: String,
    /// A chat that was deleted a moment ago.
    deleted: Option<Uuid>,
}

/// Which part of a chat.
#[derive(Default, Deserialize)]
pub(crate) struct Part {
    /// Text of the question field.
    #[serde(default)]
    q: String,
    /// The page before.
    before: Option<String>,
    /// The servers that are ticked.
    #[serde(skip)]
    servers: Vec<String>,
}

#[derive(Template)]
#[template(path = "ask.html")]
struct Page<'page> {
    frame: &'page Frame,
    recent: Recent,
    choices: Choices,
    /// Text of the field.
    question: String,
    fault: Option<&'page FormError>,
    chat: Option<Opened>,
    /// A chat that can be brought back.
    deleted: Option<Chat>,
}

/// A chat that is open.
struct Opened {
    chat: Chat,
    messages: Vec<MessageView>,
    files: Vec<ChatFile>,
    /// Leads to the messages before these.
    earlier: Option<Cursor>,
    /// Whether these are not the newest.
    is_earlier: bool,
}

impl Opened {
    fn is_answering(&self) -> bool {
        self.messages.last().is_some_and(MessageView::is_answering)
    }

    fn is_deleted(&self) -> bool {
        self.chat.deleted_at.is_some()
    }

    /// The part of the page that shows the files.
    fn attached<'page>(&'page self, frame: &'page Frame) -> Attached<'page> {
        Attached { frame, chat: self.chat.id, files: &self.files }
    }

    fn last(&self) -> Option<Uuid> {
        self.messages.last().map(MessageView::id)
    }
}

impl Page<'_> {
    fn is_answering(&self) -> bool {
        self.chat.as_ref().is_some_and(Opened::is_answering)
    }

    fn examples(&self) -> [Cow<'static, str>; 3] {
        [self.frame.t("ask-example-one"), self.frame.t("ask-example-two"), self.frame.t("ask-example-three")]
    }

    /// Whether this chat of the list is the one that is open.
    fn is_open(&self, id: &ChatId) -> bool {
        self.chat.as_ref().is_some_and(|opened| opened.chat.id == *id)
    }
}

/// Where a question is begun.
pub(crate) async fn begin(
    State(state): State<AppState>,
    frame: Frame,
    Query(prefilled): Query<Prefilled>,
) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    let chosen = Chosen::named(&prefilled.library, &prefilled.version);
    new_page(&state, &frame, chosen, prefilled.q, prefilled.deleted, None).await
}

async fn new_page(
    state: &AppState,
    frame: &Frame,
    chosen: Chosen,
    question: String,
    deleted: Option<Uuid>,
    fault: Option<&FormError>,
) -> Response {
    let read = async {
        let catalogue = state.app.engine.catalogue().await?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let choices = Choices::read(state, &mut connection, &catalogue, &frame.actor, chosen).await?;
        let recent = Recent::read(&mut connection, &frame.actor).await?;
        let deleted = match deleted {
            Some(id) => chats::find(&mut connection, &frame.actor, ChatId(id)).await.ok(),
            None => None,
        };
        let deleted = deleted.filter(|chat| chat.deleted_at.is_some());
        Ok::<_, Problem>(Page { frame, recent, choices, question, fault, chat: None, deleted })
    };
    match read.await {
        Ok(page) => answered(frame, &page),
        Err(problem) => problem.into_response(),
    }
}

/// A page of this room, with what is wrong with a form on it.
fn answered(frame: &Frame, page: &Page<'_>) -> Response {
    match page.fault {
        Some(fault) => fault.written_to(frame.page(fault.status, page)),
        None => frame.reading_page(StatusCode::OK, page),
    }
}

/// Asks the first question of a new chat.
pub(crate) async fn ask_first(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let posted = posted.at("/ask");
    if let Err(response) = posted.frame.require_person() {
        return response;
    }
    let question = posted.field("content").to_owned();
    let chosen = match Chosen::said(&posted) {
        Ok(chosen) => chosen,
        Err(problem) => return problem.into_response(),
    };
    match first(&state, &posted.frame, &chosen, &question).await {
        Ok(chat) => see_other(&format!("/ask/{chat}")),
        Err(problem) => match FormError::of_problem(&posted.frame, problem) {
            Ok(fault) => new_page(&state, &posted.frame, chosen, question, None, Some(&fault)).await,
            Err(response) => response,
        },
    }
}

async fn first(state: &AppState, frame: &Frame, chosen: &Chosen, question: &str) -> Result<ChatId> {
    let actor = &frame.actor;
    let content = messages::validate_question(question)?;
    let means = chosen.means();
    // What cannot be answered as it is asked leaves no empty chat behind.
    state.app.answers.check(actor, &means, &content).await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::create(&mut connection, actor, &chosen.begun()).await?;
    drop(connection);
    let asking = ChatQuestion {
        action: QuestionAction::Ask { content, after: None },
        message_id: None,
        options: means,
    };
    if let Err(error) = state.app.answers.ask(actor, chat.id, asking).await {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        chats::delete(&mut connection, actor, chat.id).await?;
        return Err(error.into());
    }
    Ok(chat.id)
}

/// A chat.
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(chat): Path<Uuid>,
    Query(part): Query<Part>,
) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    page(&state, &frame, ChatId(chat), &part, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: ChatId,
    part: &Part,
    fault: Option<&FormError>,
) -> Response {
    let read = async {
        let before = part.before.as_deref().map(cursor).transpose()?;
        let actor = &frame.actor;
        let catalogue = state.app.engine.catalogue().await?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let chat = chats::find(&mut connection, actor, id).await?;
        let branch = messages::branch(&mut connection, actor, chat.id, None, before.as_ref(), PAGE).await?;
        let files = if chat.deleted_at.is_some() {
            Vec::new()
        } else {
            files::list(&mut connection, actor, id).await?
        };
        let chosen = Chosen { servers: part.servers.clone(), ..Chosen::of(&chat) };
        let choices = Choices::read(state, &mut connection, &catalogue, actor, chosen).await?;
        let recent = Recent::read(&mut connection, actor).await?;
        let shown = branch.items.into_iter().map(|mut message| {
            state.app.answers.refresh(&mut message);
            MessageView::of(id, message)
        });
        let opened = Opened {
            messages: shown.collect(),
            earlier: branch.next,
            is_earlier: before.is_some(),
            chat,
            files,
        };
        Ok::<_, Problem>(Page {
            frame,
            recent,
            choices,
            question: part.q.clone(),
            fault,
            chat: Some(opened),
            deleted: None,
        })
    };
    match read.await {
        Ok(page) => answered(frame, &page),
        Err(problem) => problem.into_response(),
    }
}

/// Asks in a chat: something new, an earlier question in other words, or an earlier one again.
pub(crate) async fn ask(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    let posted = posted.at(&format!("/ask/{chat}"));
    if let Err(response) = posted.frame.require_person() {
        return response;
    }
    let content = posted.field("content").to_owned();
    let id = |name: &str| posted.field(name).parse().ok().map(MessageId);
    let put = match (id("again"), id("edit")) {
        (Some(message), _) => QuestionAction::Regenerate { message },
        (None, Some(message)) => QuestionAction::Edit { message, content: content.clone() },
        (None, None) => QuestionAction::Ask { content: content.clone(), after: id("after") },
    };
    let servers = posted.ticked("server:");
    let means = chat::answer::AnswerOptions { servers: servers.clone(), ..Default::default() };
    let asking = ChatQuestion { action: put, message_id: None, options: means };
    match state.app.answers.ask(&posted.frame.actor, ChatId(chat), asking).await {
        Ok(begun) => see_other(&format!("/ask/{chat}#m-{}", begun.answer_id)),
        Err(error) => match FormError::of_problem(&posted.frame, error.into()) {
            Ok(fault) => {
                let part = Part { q: content, servers, ..Part::default() };
                refused_in(&state, &posted.frame, ChatId(chat), &part, &fault).await
            }
            Err(response) => response,
        },
    }
}

/// Says what is wrong with what was sent from a chat, or from where one is begun.
pub(super) async fn refused(
    state: &AppState,
    frame: &Frame,
    chat: Option<ChatId>,
    fault: &FormError,
) -> Response {
    match chat {
        Some(chat) => refused_in(state, frame, chat, &Part::default(), fault).await,
        None => new_page(state, frame, Chosen::default(), String::new(), None, Some(fault)).await,
    }
}

async fn refused_in(
    state: &AppState,
    frame: &Frame,
    chat: ChatId,
    part: &Part,
    fault: &FormError,
) -> Response {
    // What is not there is told so, and not below a form.
    if fault.status == StatusCode::NOT_FOUND {
        return Problem::not_found(fault.text.clone()).into_response();
    }
    page(state, frame, chat, part, Some(fault)).await
}

/// Renames, pins, puts away or deletes a chat, changes what it asks, or shows another branch.
pub(crate) async fn change(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    if let Err(response) = posted.frame.require_person() {
        return response;
    }
    match changed(&state, ChatId(chat), &posted).await {
        Ok(next) => see_other(&next),
        Err(problem) => problem.into_response(),
    }
}

async fn changed(state: &AppState, id: ChatId, posted: &SubmittedForm) -> Result<String> {
    let actor = &posted.frame.actor;
    let change = match posted.field("act") {
        "rename" => Change { title: Some(posted.field("title").to_owned()), ..Change::default() },
        act @ ("pin" | "unpin") => Change { pinned: Some(act == "pin"), ..Change::default() },
        act @ ("archive" | "unarchive") => Change { archived: Some(act == "archive"), ..Change::default() },
        "means" => {
            let chosen = Chosen::said(posted)?;
            let setting = |value: Option<String>| value.map_or(FieldUpdate::Clear, FieldUpdate::Set);
            Change {
                focus: Some(chosen.focus),
                library: setting(chosen.library),
                version: setting(chosen.version),
                model: setting(chosen.model),
                ..Change::default()
            }
        }
        "delete" => {
            let mut connection = store::postgres::acquire(state.app.pool()).await?;
            chats::delete(&mut connection, actor, id).await?;
            return Ok(match posted.field("back") {
                "history" => format!("/ask/history?deleted={id}"),
                _ => format!("/ask?deleted={id}"),
            });
        }
        "restore" => {
            let mut connection = store::postgres::acquire(state.app.pool()).await?;
            chats::restore(&mut connection, actor, id).await?;
            return Ok(match posted.field("back") {
                "history" => "/ask/history".to_owned(),
                _ => format!("/ask/{id}"),
            });
        }
        _ => {
            let Ok(message) = posted.field("show").parse::<Uuid>() else {
                return Err(Problem::invalid("the form cannot be read"));
            };
            Change { current: Some(message), ..Change::default() }
        }
    };
    let shown = change.current;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    chats::change(&mut transaction, actor, id, &change).await?;
    transaction.commit().await?;
    Ok(match (shown, posted.field("back")) {
        (Some(message), _) => format!("/ask/{id}#m-{message}"),
        (None, "history") => "/ask/history".to_owned(),
        (None, _) => format!("/ask/{id}"),
    })
}
