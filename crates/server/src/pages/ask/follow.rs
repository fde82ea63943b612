//! A single answer: shown so far, followed to its end, stopped, rated, copied as Markdown, compared with its sources.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::routing::{get, post};
use chat::answer::AnswerFollower;
use chat::answer::stream::{Event, StreamPosition};
use chat::chats::{ChatId, MessageId};
use chat::messages::Verdict;
use chat::messages::{self, Message};
use chat::source::Staleness;
use chat::stale::{self, SourceChange};
use chat::transfer::markdown;
use futures::StreamExt as _;
use futures::stream;
use serde_json::json;
use uuid::Uuid;

use super::view::{MessageView, render};
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::problem::{Problem, Result};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// Interval of comments that keep a silent stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Minimum time between two renderings of an answer.
const MIN_RENDER_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Template)]
#[template(path = "ask_message.html")]
struct MessagePart<'page> {
    frame: &'page Frame,
    view: &'page MessageView,
}

#[derive(Template)]
#[template(path = "ask_sources.html")]
struct Sources<'page> {
    frame: &'page Frame,
    view: &'page MessageView,
}

/// Routes of answers.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ask/messages/{message}", get(show))
        .route("/ask/messages/{message}/events", get(events))
        .route("/ask/messages/{message}/markdown", get(markdown))
        .route("/ask/messages/{message}/changes", get(changes))
        .route("/ask/messages/{message}/stop", post(stop))
        .route("/ask/messages/{message}/verdict", post(rate))
}

/// Sends a message as a part of a page, or redirects to it in its chat.
async fn show(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> PageResult {
    frame.require_sign_in()?;
    let (chat, message) = find(&state, &frame, id).await?;
    if frame.is_partial() {
        let view = MessageView::of(chat, message);
        return Ok(frame.reading_page(StatusCode::OK, &MessagePart { frame: &frame, view: &view }));
    }
    Ok(see_other(&format!("/ask/{chat}#m-{id}")))
}

async fn find(state: &AppState, frame: &Frame, id: Uuid) -> Result<(ChatId, Message)> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (chat, mut message) = messages::find(&mut connection, &frame.actor, MessageId(id)).await?;
    state.app.answers.refresh(&mut message);
    Ok((chat, message))
}

/// State of an event stream.
struct FollowedAnswer {
    state: AppState,
    frame: Frame,
    chat: ChatId,
    message: Message,
    follower: AnswerFollower,
    position: StreamPosition,
    has_ended: bool,
}

/// Streams an answer to its end: the events `sources` and `text` as they come, each complete and rendered, and `end` with the final
/// message. Since each event is complete, a client whose stream breaks simply opens it again.
async fn events(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> PageResult {
    let (chat, mut message) = find(&state, &frame, id).await?;
    let follower = state.app.answers.follow(&frame.actor, MessageId(id)).await?;
    // The first event repeats what was written before.
    message.content.clear();
    message.sources.clear();
    let position = StreamPosition::default();
    let answer = FollowedAnswer { state, frame, chat, message, follower, position, has_ended: false };
    let events = stream::unfold(answer, |mut answer| async move {
        let event = answer.next().await?;
        Some((Ok::<_, Infallible>(event), answer))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(events.fuse()).keep_alive(keep_alive).into_response();
    // nginx buffers responses unless told otherwise.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl FollowedAnswer {
    async fn next(&mut self) -> Option<SseEvent> {
        if self.has_ended {
            return None;
        }
        let event = match self.follower.next(&mut self.position).await {
            Ok(Event::Sources(sources)) => {
                self.message.sources = sources.to_vec();
                let view = MessageView::of(self.chat, self.message.clone());
                self.part("sources", &Sources { frame: &self.frame, view: &view })
            }
            Ok(Event::Text(text)) => {
                self.message.content.push_str(&text);
                // A long answer takes longer to render; text that arrives meanwhile is rendered with it.
                tokio::time::sleep(
                    MIN_RENDER_INTERVAL + Duration::from_micros(self.message.content.len() as u64 * 10),
                )
                .await;
                Ok(event("text", &render(&self.message)))
            }
            Ok(Event::End(_)) => {
                self.has_ended = true;
                self.end().await
            }
            Err(error) => Err(error.into()),
        };
        Some(event.unwrap_or_else(|problem| {
            self.has_ended = true;
            SseEvent::default().event("failed").data(json!({ "detail": problem.user_message() }).to_string())
        }))
    }

    async fn end(&self) -> Result<SseEvent> {
        let (chat, message) = find(&self.state, &self.frame, self.message.message_id).await?;
        let view = MessageView::of(chat, message);
        self.part("end", &MessagePart { frame: &self.frame, view: &view })
    }

    fn part(&self, name: &str, part: &impl Template) -> Result<SseEvent> {
        let html = part.render().map_err(|error| Problem::internal(error.to_string()))?;
        Ok(event(name, &html))
    }
}

fn event(name: &str, html: &str) -> SseEvent {
    SseEvent::default().event(name).data(json!({ "html": html }).to_string())
}

/// Sends the Markdown of an answer with its sources, to be copied.
async fn markdown(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> PageResult {
    let (_, message) = find(&state, &frame, id).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, markdown::render_answer(&message.content, &message.sources)).into_response())
}

/// Stops an answer; the text so far is kept.
async fn stop(State(state): State<AppState>, Path(id): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let actor = &form.frame.actor;
    state.app.answers.stop(actor, MessageId(id)).await?;
    // Waits a moment for the end, so that the page shows the stopped answer.
    if let Ok(mut follower) = state.app.answers.follow(actor, MessageId(id)).await {
        let end = async {
            let mut position = StreamPosition::default();
            while !matches!(follower.next(&mut position).await, Ok(Event::End(_)) | Err(_)) {}
        };
        let _ended = tokio::time::timeout(Duration::from_secs(2), end).await;
    }
    redirect_to_message(&state, &form.frame, id).await
}

/// Rates an answer as good or wrong, or clears the rating.
async fn rate(State(state): State<AppState>, Path(id): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let verdict = form.field("verdict");
    let verdict = (!verdict.is_empty()).then(|| Verdict {
        verdict: verdict.to_owned(),
        reason: form.field("reason").to_owned(),
        correction: form.field("correction").to_owned(),
    });
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let (actor, message) = (&form.frame.actor, MessageId(id));
    messages::set_verdict(&mut transaction, &catalogue, actor, message, verdict.as_ref()).await?;
    transaction.commit().await?;
    redirect_to_message(&state, &form.frame, id).await
}

async fn redirect_to_message(state: &AppState, frame: &Frame, id: Uuid) -> PageResult {
    let (chat, _) = find(state, frame, id).await?;
    Ok(see_other(&format!("/ask/{chat}#m-{id}")))
}

#[derive(Template)]
#[template(path = "ask_changes.html")]
struct Changes<'page> {
    frame: &'page Frame,
    chat: ChatId,
    message: Uuid,
    changes: Vec<SourceChange>,
}

/// Shows how the cited passages of an answer have changed.
async fn changes(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> PageResult {
    frame.require_sign_in()?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (chat, _) = messages::find(&mut connection, &frame.actor, MessageId(id)).await?;
    let mut changes = stale::source_changes(&mut connection, &frame.actor, MessageId(id)).await?;
    drop(connection);
    changes.retain(|change| change.stale.is_some());
    Ok(frame.reading_page(StatusCode::OK, &Changes { frame: &frame, chat, message: id, changes }))
}

/// Returns the name of a source's change in translations.
fn change_name(change: &SourceChange) -> &'static str {
    match change.stale {
        Some(Staleness::Gone) => "gone",
        _ => "changed",
    }
}
