//! A chat with its current branch, and the page where a new one is started.

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use chat::answer::{AnswerOptions, ChatQuestion};
use chat::chats::{self, Change, Chat, ChatId, MessageId};
use chat::files::{self, ChatFile};
use chat::messages::{self, QuestionAction};
use kernel::page::Cursor;
use kernel::update::FieldUpdate;
use serde::Deserialize;
use uuid::Uuid;

use super::choices::{Choices, Selection};
use super::files::FileList;
use super::history::Recent;
use super::view::MessageView;
use crate::http::AppState;
use crate::http::input::{Path, Query, cursor};
use crate::http::problem::{Problem, Result};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

/// Messages on a page.
const PAGE: usize = 30;

/// Routes of chats.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ask", get(show_new).post(ask_first))
        .route("/ask/{chat}", get(show).post(ask))
        .route("/ask/{chat}/change", post(change))
}

/// Query of a new chat: values of the form.
#[derive(Default, Deserialize)]
struct NewChatQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    library: String,
    #[serde(default)]
    version: String,
    /// Chat that has just been deleted.
    deleted: Option<Uuid>,
}

/// Query of a chat: the part to show, and values of the form.
#[derive(Default, Deserialize)]
struct ChatQuery {
    /// Text of the question field.
    #[serde(default)]
    q: String,
    /// Cursor of an earlier page.
    before: Option<String>,
    /// Selected servers.
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
    error: Option<&'page FormError>,
    chat: Option<OpenChat>,
    /// Deleted chat that can be restored.
    deleted: Option<Chat>,
}

/// Chat on the page.
struct OpenChat {
    chat: Chat,
    messages: Vec<MessageView>,
    files: Vec<ChatFile>,
    /// Cursor of the messages before these.
    earlier: Option<Cursor>,
    /// Whether newer messages exist.
    is_earlier: bool,
}

impl OpenChat {
    fn is_answering(&self) -> bool {
        self.messages.last().is_some_and(MessageView::is_answering)
    }

    fn is_deleted(&self) -> bool {
        self.chat.deleted_at.is_some()
    }

    /// Returns the list of files.
    fn file_list<'page>(&'page self, frame: &'page Frame) -> FileList<'page> {
        FileList { frame, chat: self.chat.id, files: &self.files }
    }

    fn last(&self) -> Option<Uuid> {
        self.messages.last().map(MessageView::id)
    }
}

impl Page<'_> {
    fn is_answering(&self) -> bool {
        self.chat.as_ref().is_some_and(OpenChat::is_answering)
    }

    fn examples(&self) -> [Cow<'static, str>; 3] {
        [self.frame.t("ask-example-one"), self.frame.t("ask-example-two"), self.frame.t("ask-example-three")]
    }

    /// Whether this chat is the one on the page.
    fn is_open(&self, id: &ChatId) -> bool {
        self.chat.as_ref().is_some_and(|opened| opened.chat.id == *id)
    }
}

/// Shows the form for a new chat.
async fn show_new(
    State(state): State<AppState>,
    frame: Frame,
    Query(query): Query<NewChatQuery>,
) -> PageResult {
    frame.require_sign_in()?;
    let selection = Selection::of_query(&query.library, &query.version);
    new_page(&state, &frame, selection, query.q, query.deleted, None).await
}

async fn new_page(
    state: &AppState,
    frame: &Frame,
    selection: Selection,
    question: String,
    deleted: Option<Uuid>,
    error: Option<&FormError>,
) -> PageResult {
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let choices = Choices::read(state, &mut connection, &catalogue, &frame.actor, selection).await?;
    let recent = Recent::read(&mut connection, &frame.actor).await?;
    let deleted = match deleted {
        Some(id) => chats::find(&mut connection, &frame.actor, ChatId(id)).await.ok(),
        None => None,
    };
    drop(connection);
    let deleted = deleted.filter(|chat| chat.deleted_at.is_some());
    let page = Page { frame, recent, choices, question, error, chat: None, deleted };
    Ok(respond(frame, &page))
}

/// Renders a page, with the error of a form.
fn respond(frame: &Frame, page: &Page<'_>) -> Response {
    match page.error {
        Some(_) => frame.form_page(page.error, page),
        None => frame.reading_page(StatusCode::OK, page),
    }
}

/// Asks the first question of a new chat.
async fn ask_first(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/ask");
    let frame = &form.frame;
    frame.require_sign_in()?;
    let question = form.field("content").to_owned();
    let selection = Selection::of_form(&form)?;
    match create_chat(&state, frame, &selection, &question).await {
        Ok(chat) => Ok(see_other(&format!("/ask/{chat}"))),
        Err(problem) => {
            let error = FormError::from_problem(frame, problem)?;
            new_page(&state, frame, selection, question, None, Some(&error)).await
        }
    }
}

async fn create_chat(
    state: &AppState,
    frame: &Frame,
    selection: &Selection,
    question: &str,
) -> Result<ChatId> {
    let actor = &frame.actor;
    let content = messages::validate_question(question)?;
    let options = selection.to_answer_options();
    // Checked first, so that a refused question leaves no empty chat behind.
    state.app.answers.check(actor, &options, &content).await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::create(&mut connection, actor, &selection.to_chat()).await?;
    drop(connection);
    let action = QuestionAction::Ask { content, after: None };
    let question = ChatQuestion { action, message_id: None, options };
    if let Err(error) = state.app.answers.ask(actor, chat.id, question).await {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        chats::delete(&mut connection, actor, chat.id).await?;
        return Err(error.into());
    }
    Ok(chat.id)
}

/// Shows a chat.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(chat): Path<Uuid>,
    Query(query): Query<ChatQuery>,
) -> PageResult {
    frame.require_sign_in()?;
    page(&state, &frame, ChatId(chat), &query, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: ChatId,
    query: &ChatQuery,
    error: Option<&FormError>,
) -> PageResult {
    let before = query.before.as_deref().map(cursor).transpose()?;
    let actor = &frame.actor;
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::find(&mut connection, actor, id).await?;
    let branch = messages::branch(&mut connection, actor, chat.id, None, before.as_ref(), PAGE).await?;
    let files =
        if chat.deleted_at.is_some() { Vec::new() } else { files::list(&mut connection, actor, id).await? };
    let selection = Selection { servers: query.servers.clone(), ..Selection::of_chat(&chat) };
    let choices = Choices::read(state, &mut connection, &catalogue, actor, selection).await?;
    let recent = Recent::read(&mut connection, actor).await?;
    drop(connection);
    let messages = branch.items.into_iter().map(|mut message| {
        state.app.answers.refresh(&mut message);
        MessageView::of(id, message)
    });
    let chat = OpenChat {
        messages: messages.collect(),
        earlier: branch.next,
        is_earlier: before.is_some(),
        chat,
        files,
    };
    let question = query.q.clone();
    let page = Page { frame, recent, choices, question, error, chat: Some(chat), deleted: None };
    Ok(respond(frame, &page))
}

/// Asks a question in a chat: a new one, an edited earlier one, or an earlier one again.
async fn ask(State(state): State<AppState>, Path(chat): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("/ask/{chat}"));
    let frame = &form.frame;
    frame.require_sign_in()?;
    let content = form.field("content").to_owned();
    let id = |name: &str| form.field(name).parse().ok().map(MessageId);
    let action = match (id("again"), id("edit")) {
        (Some(message), _) => QuestionAction::Regenerate { message },
        (None, Some(message)) => QuestionAction::Edit { message, content: content.clone() },
        (None, None) => QuestionAction::Ask { content: content.clone(), after: id("after") },
    };
    let servers = form.ticked("server:");
    let options = AnswerOptions { servers: servers.clone(), ..AnswerOptions::default() };
    let question = ChatQuestion { action, message_id: None, options };
    match state.app.answers.ask(&frame.actor, ChatId(chat), question).await {
        // At the question, so that it is in view with the beginning of its answer.
        Ok(started) => Ok(see_other(&format!("/ask/{chat}#m-{}", started.question_id))),
        Err(error) => {
            let error = FormError::from_problem(frame, error.into())?;
            let query = ChatQuery { q: content, servers, ..ChatQuery::default() };
            refused_in(&state, frame, ChatId(chat), &query, &error).await
        }
    }
}

/// Shows the error of a form on the page of its chat, or of a new one.
pub(super) async fn refused(
    state: &AppState,
    frame: &Frame,
    chat: Option<ChatId>,
    error: &FormError,
) -> PageResult {
    match chat {
        Some(chat) => refused_in(state, frame, chat, &ChatQuery::default(), error).await,
        None => new_page(state, frame, Selection::default(), String::new(), None, Some(error)).await,
    }
}

async fn refused_in(
    state: &AppState,
    frame: &Frame,
    chat: ChatId,
    query: &ChatQuery,
    error: &FormError,
) -> PageResult {
    // An absent chat has no page to show the error on.
    if error.status == StatusCode::NOT_FOUND {
        return Err(Problem::not_found(error.text.clone()).into());
    }
    page(state, frame, chat, query, Some(error)).await
}

/// Renames, pins, archives, deletes or restores a chat, changes its options, or shows another branch.
async fn change(State(state): State<AppState>, Path(chat): Path<Uuid>, form: SubmittedForm) -> PageResult {
    form.frame.require_sign_in()?;
    Ok(see_other(&change_chat(&state, ChatId(chat), &form).await?))
}

/// Changes a chat, and returns the address to go to.
async fn change_chat(state: &AppState, id: ChatId, form: &SubmittedForm) -> Result<String> {
    let actor = &form.frame.actor;
    let is_from_history = form.field("back") == "history";
    let change = match form.field("act") {
        "rename" => Change { title: Some(form.field("title").to_owned()), ..Change::default() },
        act @ ("pin" | "unpin") => Change { pinned: Some(act == "pin"), ..Change::default() },
        act @ ("archive" | "unarchive") => Change { archived: Some(act == "archive"), ..Change::default() },
        "options" => {
            let selection = Selection::of_form(form)?;
            let update = |value: Option<String>| value.map_or(FieldUpdate::Clear, FieldUpdate::Set);
            Change {
                focus: Some(selection.focus),
                library: update(selection.library),
                version: update(selection.version),
                model: update(selection.model),
                ..Change::default()
            }
        }
        "delete" => {
            let mut connection = store::postgres::acquire(state.app.pool()).await?;
            chats::delete(&mut connection, actor, id).await?;
            let page = if is_from_history { "/ask/history" } else { "/ask" };
            return Ok(format!("{page}?deleted={id}"));
        }
        "restore" => {
            let mut connection = store::postgres::acquire(state.app.pool()).await?;
            chats::restore(&mut connection, actor, id).await?;
            return Ok(if is_from_history { "/ask/history".to_owned() } else { format!("/ask/{id}") });
        }
        _ => {
            let Ok(message) = form.field("show").parse::<Uuid>() else {
                return Err(Problem::invalid("the form cannot be read"));
            };
            Change { current: Some(message), ..Change::default() }
        }
    };
    let current = change.current;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    chats::change(&mut transaction, actor, id, &change).await?;
    transaction.commit().await?;
    Ok(match current {
        Some(message) => format!("/ask/{id}#m-{message}"),
        None if is_from_history => "/ask/history".to_owned(),
        None => format!("/ask/{id}"),
    })
}
