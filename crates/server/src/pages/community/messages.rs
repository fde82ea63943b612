//! `/messages`: the reader's conversations and their messages.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use social::conversations::{self, Conversation};
use social::ids::{ConversationId, MessageId};
use social::messages::{self, DeletionScope, Message};

use super::card::render;
use super::refused;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// Conversations, and messages, on a page.
const PAGE: usize = 30;

/// Routes of conversations.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/messages", get(list).post(start))
        .route("/messages/{conversation}", get(show).post(change))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MessagesQuery {
    cursor: String,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct List<'page> {
    frame: &'page Frame,
    conversations: Vec<Conversation>,
    next: Option<String>,
}

impl List<'_> {
    fn name(&self, conversation: &Conversation) -> String {
        name(self.frame, conversation)
    }
}

/// Lists the conversations, that of the newest message first.
async fn list(State(state): State<AppState>, frame: Frame, Query(query): Query<MessagesQuery>) -> PageResult {
    frame.require_sign_in()?;
    let after = cursor(&query.cursor)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = conversations::list(&mut connection, &frame.actor, after.as_ref(), PAGE).await?;
    drop(connection);
    let next = page.next.map(|cursor| next("/messages", &[], &cursor));
    Ok(frame.page(StatusCode::OK, &List { frame: &frame, conversations: page.items, next }))
}

/// Starts a conversation, or opens the one that exists.
async fn start(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/messages");
    form.frame.require_sign_in()?;
    match start_with(&state, &form).await {
        Ok(id) => Ok(see_other(&format!("/messages/{id}"))),
        Err(problem) => refused::respond(&form, "/messages", problem),
    }
}

/// `text` holds the title, so that a refused form shows it again; `members` the user names.
async fn start_with(state: &AppState, form: &SubmittedForm) -> Result<ConversationId> {
    let members: Vec<String> = form
        .field("members")
        .split([',', ' ', '，', '、'])
        .map(|name| name.trim().trim_start_matches('@').to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let conversation =
        conversations::start(&mut transaction, &form.frame.actor, &members, form.field("text")).await?;
    transaction.commit().await?;
    Ok(conversation.id)
}

#[derive(Template)]
#[template(path = "conversation.html")]
struct Page<'page> {
    frame: &'page Frame,
    conversation: &'page Conversation,
    /// The oldest first.
    messages: Vec<Message>,
    older: Option<String>,
}

impl Page<'_> {
    fn name(&self) -> String {
        name(self.frame, self.conversation)
    }

    fn address(&self) -> String {
        format!("/messages/{}", self.conversation.id)
    }

    fn is_reader(&self, message: &Message) -> bool {
        self.frame.is_reader(message.sender.as_ref())
    }

    fn text(&self, message: &Message) -> String {
        render(&message.text)
    }
}

/// Shows a conversation, which is read by that.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<ConversationId>,
    Query(query): Query<MessagesQuery>,
) -> PageResult {
    frame.require_sign_in()?;
    let after = cursor(&query.cursor)?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let conversation = conversations::find(&mut transaction, &frame.actor, id).await?;
    let conversation = conversation.ok_or_else(|| Problem::not_found("there is no such conversation"))?;
    let page = messages::list(&mut transaction, &frame.actor, id, after.as_ref(), PAGE).await?;
    // Also when the mark stands there already, for the notification.
    conversations::mark_read(&mut transaction, &frame.actor, id, conversation.last_number).await?;
    transaction.commit().await?;
    let here = format!("/messages/{id}");
    let page = Page {
        frame: &frame,
        conversation: &conversation,
        messages: page.items.into_iter().rev().collect(),
        older: page.next.map(|cursor| next(&here, &[], &cursor)),
    };
    Ok(frame.page(StatusCode::OK, &page))
}

/// Sends or deletes a message, or leaves the conversation: `action` says which.
async fn change(
    State(state): State<AppState>,
    Path(id): Path<ConversationId>,
    form: SubmittedForm,
) -> PageResult {
    let here = format!("/messages/{id}");
    let form = form.at(&here);
    form.frame.require_sign_in()?;
    match change_conversation(&state, &form, id).await {
        Ok(()) if form.field("action") == "leave" => Ok(see_other("/messages")),
        Ok(()) => Ok(see_other(&format!("{here}#write"))),
        Err(problem) => refused::respond(&form, &here, problem),
    }
}

async fn change_conversation(state: &AppState, form: &SubmittedForm, id: ConversationId) -> Result<()> {
    let actor = &form.frame.actor;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    match form.field("action") {
        "leave" => conversations::leave(&mut transaction, actor, id).await?,
        action @ ("delete-me" | "delete-all") => {
            let message: MessageId = form
                .field("message")
                .parse()
                .map_err(|_invalid| Problem::invalid("the form cannot be read"))?;
            let scope = if action == "delete-all" { DeletionScope::All } else { DeletionScope::Me };
            messages::delete(&mut transaction, actor, id, message, scope).await?;
        }
        _ => drop(messages::send(&mut transaction, actor, id, form.field("text")).await?),
    }
    transaction.commit().await?;
    Ok(())
}

/// Returns the title of a conversation: its own, or the names of the other members.
fn name(frame: &Frame, conversation: &Conversation) -> String {
    if !conversation.title.is_empty() {
        return conversation.title.clone();
    }
    let others = conversation.members.iter().filter(|member| !frame.is_reader(Some(member)));
    let names: Vec<&str> = others.map(|member| member.name.as_str()).collect();
    if names.is_empty() { frame.t("post-nobody").into_owned() } else { names.join(", ") }
}
