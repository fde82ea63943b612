//! One answer: as far as it has come, followed to its end, stopped, judged, copied.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
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

use super::view::{MessageView, rendered};
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// How often a silent stream says that it is alive.
const ALIVE: Duration = Duration::from_secs(15);
/// The least time between two renderings of one answer.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Template)]
#[template(path = "ask_message.html")]
struct Part<'page> {
    frame: &'page Frame,
    shown: &'page MessageView,
}

#[derive(Template)]
#[template(path = "ask_sources.html")]
struct Sources<'page> {
    frame: &'page Frame,
    shown: &'page MessageView,
}

/// A message by itself, as a part of a page; who opens its address is led to its chat.
pub(crate) async fn show(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    match found(&state, &frame, id).await {
        Ok((chat, message)) if frame.is_partial() => {
            let shown = MessageView::of(chat, message);
            frame.reading_page(StatusCode::OK, &Part { frame: &frame, shown: &shown })
        }
        Ok((chat, _)) => see_other(&format!("/ask/{chat}#m-{id}")),
        Err(problem) => problem.into_response(),
    }
}

async fn found(state: &AppState, frame: &Frame, id: Uuid) -> Result<(ChatId, Message)> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let (chat, mut message) = messages::find(&mut connection, &frame.actor, MessageId(id)).await?;
    state.app.answers.refresh(&mut message);
    Ok((chat, message))
}

/// An answer that is followed by a page.
struct Following {
    state: AppState,
    frame: Frame,
    chat: ChatId,
    message: Message,
    followed: AnswerFollower,
    seen: StreamPosition,
    is_over: bool,
}

/// Follows an answer to its end: `sources` and `text` as they come, each whole and rendered, and `end`, the message as the page
/// shows it from then on. Each event holds all there is, so a stream that breaks is simply opened again.
pub(crate) async fn events(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> Response {
    let begun = async {
        let (chat, message) = found(&state, &frame, id).await?;
        let followed = state.app.answers.follow(&frame.actor, MessageId(id)).await?;
        Ok::<_, Problem>((chat, message, followed))
    };
    let (chat, mut message, followed) = match begun.await {
        Ok(begun) => begun,
        Err(problem) => return problem.into_response(),
    };
    // What was written before comes again, as the first event.
    message.content.clear();
    message.sources.clear();
    let following =
        Following { state, frame, chat, message, followed, seen: StreamPosition::default(), is_over: false };
    let events = stream::unfold(following, |mut following| async move {
        let sent = following.next().await?;
        Some((Ok::<_, Infallible>(sent), following))
    });
    let mut response = Sse::new(events.fuse()).keep_alive(KeepAlive::new().interval(ALIVE)).into_response();
    // nginx holds answers back unless it is told not to.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Following {
    async fn next(&mut self) -> Option<Sent> {
        if self.is_over {
            return None;
        }
        let sent = match self.followed.next(&mut self.seen).await {
            Ok(Event::Sources(sources)) => {
                self.message.sources = sources.to_vec();
                let shown = MessageView::of(self.chat, self.message.clone());
                self.part("sources", &Sources { frame: &self.frame, shown: &shown })
            }
            Ok(Event::Text(text)) => {
                self.message.content.push_str(&text);
                // A long answer takes longer to render: what comes meanwhile is rendered together.
                tokio::time::sleep(PAUSE + Duration::from_micros(self.message.content.len() as u64 * 10))
                    .await;
                Ok(event("text", &rendered(&self.message)))
            }
            Ok(Event::End(_)) => {
                self.is_over = true;
                self.end().await
            }
            Err(error) => Err(error.into()),
        };
        Some(sent.unwrap_or_else(|problem| {
            self.is_over = true;
            Sent::default().event("failed").data(json!({ "detail": problem.user_message() }).to_string())
        }))
    }

    async fn end(&self) -> Result<Sent> {
        let (chat, message) = found(&self.state, &self.frame, self.message.message_id).await?;
        let shown = MessageView::of(chat, message);
        self.part("end", &Part { frame: &self.frame, shown: &shown })
    }

    fn part(&self, name: &str, part: &impl Template) -> Result<Sent> {
        let html = part.render().map_err(|error| Problem::internal(error.to_string()))?;
        Ok(event(name, &html))
    }
}

fn event(name: &str, html: &str) -> Sent {
    Sent::default().event(name).data(json!({ "html": html }).to_string())
}

/// An answer as it is written, with its sources, to be copied.
pub(crate) async fn markdown(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> Response {
    match found(&state, &frame, id).await {
        Ok((_, message)) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, markdown::render_answer(&message.content, &message.sources)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Stops an answer. What there is of it is kept.
pub(crate) async fn stop(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    let stopped = async {
        state.app.answers.stop(&posted.frame.actor, MessageId(id)).await?;
        // A moment later it has ended, and the page shows it so.
        if let Ok(mut followed) = state.app.answers.follow(&posted.frame.actor, MessageId(id)).await {
            let end = async {
                let mut seen = StreamPosition::default();
                while !matches!(followed.next(&mut seen).await, Ok(Event::End(_)) | Err(_)) {}
            };
            let _in_time = tokio::time::timeout(Duration::from_secs(2), end).await;
        }
        found(&state, &posted.frame, id).await
    };
    after(stopped.await, id)
}

/// Says that an answer is good or wrong, or takes that back.
pub(crate) async fn judge(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    let verdict = posted.field("verdict");
    let verdict = (!verdict.is_empty()).then(|| Verdict {
        verdict: verdict.to_owned(),
        reason: posted.field("reason").to_owned(),
        correction: posted.field("correction").to_owned(),
    });
    let judged = async {
        let catalogue = state.app.engine.catalogue().await?;
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let actor = &posted.frame.actor;
        messages::set_verdict(&mut transaction, &catalogue, actor, MessageId(id), verdict.as_ref()).await?;
        transaction.commit().await?;
        found(&state, &posted.frame, id).await
    };
    after(judged.await, id)
}

fn after(done: Result<(ChatId, Message)>, id: Uuid) -> Response {
    match done {
        Ok((chat, _)) => see_other(&format!("/ask/{chat}#m-{id}")),
        Err(problem) => problem.into_response(),
    }
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
pub(crate) async fn changes(State(state): State<AppState>, frame: Frame, Path(id): Path<Uuid>) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    let read = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let (chat, _) = messages::find(&mut connection, &frame.actor, MessageId(id)).await?;
        let changes = stale::source_changes(&mut connection, &frame.actor, MessageId(id)).await?;
        Ok::<_, Problem>((chat, changes))
    };
    match read.await {
        Ok((chat, mut changes)) => {
            changes.retain(|change| change.stale.is_some());
            frame.reading_page(StatusCode::OK, &Changes { frame: &frame, chat, message: id, changes })
        }
        Err(problem) => problem.into_response(),
    }
}

/// The name of what became of a source.
fn became(change: &SourceChange) -> &'static str {
    match change.stale {
        Some(Staleness::Gone) => "gone",
        _ => "changed",
    }
}
