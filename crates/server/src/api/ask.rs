//! Asking: as server-sent events (sources, then text, then the end) or as one JSON answer, whichever is accepted. An answer in a
//! chat is kept, goes on without its asker, and can be followed from where they were; a question that belongs to no chat is
//! answered as long as somebody listens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chat::answer::stream::{Event, Outcome, StopOnDrop, StreamPosition};
use chat::answer::{AnswerFollower, AnswerOptions, ChatQuestion, StartedAnswer, StatelessQuestion};
use chat::chats::{ChatId, MessageId};
use chat::messages::{self, Message, QuestionAction};
use chat::messages::{MessageRole, MessageStatus};
use chat::source::Source;
use futures::Stream;
use futures::stream::{self, StreamExt as _};
use kernel::actor::Actor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Path};
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, unhurried};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(OpenApiRouter::new().routes(routes!(stop))).merge(unhurried(
        OpenApiRouter::new().routes(routes!(ask)).routes(routes!(events)).routes(routes!(ask_once)),
    ))
}

/// How often a silent stream says that it is alive: proxies close what is silent for long.
const ALIVE: Duration = Duration::from_secs(15);
/// The most that was said before.
const MAX_HISTORY: usize = 100;

/// A question in a chat: `content`, or `again`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Question {
    /// The question.
    #[schema(max_length = 16000, example = "How long does the gateway wait for a service?")]
    content: Option<String>,
    /// The message it follows; the last of the branch that is shown where none is named.
    after: Option<Uuid>,
    /// The earlier question that it puts in other words: both stay, side by side.
    edit: Option<Uuid>,
    /// An earlier answer (or question) that is to be answered again, in place of `content`.
    again: Option<Uuid>,
    /// The question's id, where the asker has one.
    message_id: Option<Uuid>,
    #[serde(flatten)]
    means: HowAnswered,
}

/// How a question is to be answered; what is left out is as the chat has it.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct HowAnswered {
    /// Focus: librarySearch, writingAssistant, webSearch …
    focus_mode: Option<String>,
    /// The library.
    library: Option<String>,
    /// The version: a label, a range or `latest`.
    version: Option<String>,
    /// The language model, by name.
    model: Option<String>,
    /// MCP servers of others that are asked as well, by name.
    #[serde(default)]
    #[schema(max_items = 5)]
    servers: Vec<String>,
}

impl HowAnswered {
    fn means(self) -> Result<AnswerOptions> {
        Ok(AnswerOptions {
            focus: self.focus_mode.as_deref().map(str::parse).transpose()?,
            library: self.library,
            version: self.version,
            model: self.model,
            servers: self.servers,
        })
    }
}

/// A question that is not kept.
#[derive(Deserialize, ToSchema)]
pub(crate) struct QuestionOnce {
    /// The question.
    #[schema(max_length = 16000)]
    question: String,
    /// Earlier messages, oldest first.
    #[serde(default)]
    #[schema(max_items = 100)]
    history: Vec<Said>,
    #[serde(flatten)]
    means: HowAnswered,
}

/// Something that was said before.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Said {
    /// Role of the author.
    role: MessageRole,
    /// Text of the message.
    content: String,
}

/// A question and its answer, as they are kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answered {
    /// The question's id.
    question_id: Uuid,
    /// The answer.
    answer: Message,
}

/// An answer that is not kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnsweredOnce {
    /// The answer, as Markdown.
    content: String,
    /// How far it came.
    status: MessageStatus,
    /// Its sources, numbered as it cites them.
    sources: Vec<Source>,
    /// How it came about.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// Asks in a chat. With `Accept: text/event-stream` the answer streams: events `begun` (ids of question and answer), `sources`,
/// `text` (pieces), and `end` (the whole answer, or `error`); their ids let a broken stream be taken up again at
/// `/api/v1/messages/{id}/events`. Otherwise one JSON object comes when the answer is whole.
#[utoipa::path(post, path = "/api/v1/chats/{id}/messages", tag = "chats", request_body = Question,
    params(("id" = Uuid, Path, description = "The chat")),
    responses((status = 200, content((Answered = "application/json"), (String = "text/event-stream")))))]
pub(crate) async fn ask(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    Body(question): Body<Question>,
) -> Result<Response> {
    let put = match (question.content, question.again) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid(
                "ask something new with content, or something again with again; not both",
            ));
        }
        (None, None) => return Err(Problem::invalid("content, the question, is missing")),
        (None, Some(message)) => QuestionAction::Regenerate { message: MessageId(message) },
        (Some(content), None) => match question.edit {
            Some(message) => QuestionAction::Edit { message: MessageId(message), content },
            None => QuestionAction::Ask { content, after: question.after.map(MessageId) },
        },
    };
    let asking = ChatQuestion {
        action: put,
        message_id: question.message_id.map(MessageId),
        options: question.means.means()?,
    };
    let begun = state.app.answers.ask(&actor, ChatId(id), asking).await?;
    if streams(&headers) {
        let ids = json!({ "chat_id": id, "question_id": begun.question_id, "answer_id": begun.answer_id });
        // Without an id: who has seen no more than this has seen no sources.
        let begun_event = Sent::default().event("begun").data(ids.to_string());
        let first = stream::once(async move { begun_event });
        let rest = follow(
            AnswerFollower::Local(Arc::clone(&begun.stream)),
            StreamPosition::default(),
            Some(begun.answer_id),
        );
        return Ok(sse(first.chain(rest)));
    }
    begun.stream.ended().await;
    let message = kept(&state, &actor, &begun).await?;
    Ok(Json(Answered { question_id: begun.question_id.0, answer: message }).into_response())
}

async fn kept(state: &AppState, actor: &Actor, begun: &StartedAnswer) -> Result<Message> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(messages::find(&mut connection, actor, begun.answer_id).await?.1)
}

/// Follows an answer: from its beginning, or with `Last-Event-ID` from where a broken stream was. The model is not asked
/// again; an answer that has ended is told as it is kept.
#[utoipa::path(get, path = "/api/v1/messages/{id}/events", tag = "chats",
    params(("id" = Uuid, Path, description = "The answer"),
        ("last-event-id" = Option<String>, Header, description = "The id of the last event that came")),
    responses((status = 200, content((String = "text/event-stream")))))]
pub(crate) async fn events(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let followed = state.app.answers.follow(&actor, MessageId(id)).await?;
    Ok(sse(follow(
        followed,
        last.map(StreamPosition::from_event_id).unwrap_or_default(),
        Some(MessageId(id)),
    )))
}

/// Stops an answer. What there is of it is kept.
#[utoipa::path(post, path = "/api/v1/messages/{id}/stop", tag = "chats",
    params(("id" = Uuid, Path, description = "The answer")), responses((status = 204)))]
pub(crate) async fn stop(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    state.app.answers.stop(&actor, MessageId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks without keeping anything: as events or as one JSON object, as in a chat. Who goes away stops the answer.
#[utoipa::path(post, path = "/api/v1/ask", tag = "chats", request_body = QuestionOnce,
    responses((status = 200, content((AnsweredOnce = "application/json"), (String = "text/event-stream")))))]
pub(crate) async fn ask_once(
    State(state): State<AppState>,
    Caller(actor): Caller,
    headers: HeaderMap,
    Body(asked): Body<QuestionOnce>,
) -> Result<Response> {
    if asked.history.len() > MAX_HISTORY {
        return Err(Problem::invalid(format!(
            "history has at most {MAX_HISTORY} messages: leave out the oldest"
        )));
    }
    let history = asked.history.into_iter().map(|said| (said.role, said.content)).collect();
    let once = StatelessQuestion { question: asked.question, history, options: asked.means.means()? };
    let running = state.app.answers.ask_stateless(&actor, once).await?;
    let attended = StopOnDrop(Arc::clone(&running));
    if streams(&headers) {
        let followed = follow(AnswerFollower::Local(running), StreamPosition::default(), None);
        return Ok(sse(followed.map(move |event| {
            let _attended = &attended;
            event
        })));
    }
    let outcome = running.ended().await;
    drop(attended);
    match &outcome.failure {
        Some(failure) if outcome.text.is_empty() => Err(chat::Error::Model(failure.clone()).into()),
        _ => Ok(Json(AnsweredOnce::from(&*outcome)).into_response()),
    }
}

impl From<&Outcome> for AnsweredOnce {
    fn from(outcome: &Outcome) -> Self {
        Self {
            content: outcome.text.clone(),
            status: outcome.status,
            sources: outcome.sources.to_vec(),
            metadata: outcome.metadata.clone(),
        }
    }
}

/// Whether the asker wants events.
fn streams(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT);
    accepted.iter().filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/event-stream"))
}

fn sse(events: impl Stream<Item = Sent> + Send + 'static) -> Response {
    let mut response = Sse::new(events.map(Ok::<_, Infallible>).fuse())
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response();
    // nginx holds answers back unless it is told not to.
    response.headers_mut().insert("x-accel-buffering", header::HeaderValue::from_static("no"));
    response
}

fn event(name: &str, data: &Value, seen: StreamPosition) -> Sent {
    Sent::default().event(name).id(seen.event_id()).data(data.to_string())
}

/// An answer as events, to its end.
fn follow(
    followed: AnswerFollower,
    seen: StreamPosition,
    message: Option<MessageId>,
) -> impl Stream<Item = Sent> + Send + 'static {
    stream::unfold(Some((followed, seen)), move |state| async move {
        let (mut followed, mut seen) = state?;
        let (sent, is_over) = match followed.next(&mut seen).await {
            Ok(Event::Sources(sources)) => (event("sources", &json!({ "sources": &*sources }), seen), false),
            Ok(Event::Text(text)) => (event("text", &json!({ "text": text }), seen), false),
            Ok(Event::End(outcome)) => {
                let mut end = serde_json::to_value(AnsweredOnce::from(&*outcome)).unwrap_or_default();
                end["message_id"] = json!(message);
                (event("end", &end, seen), true)
            }
            Err(error) => {
                let problem = Problem::from(error);
                (event("error", &json!({ "detail": problem.user_message() }), seen), true)
            }
        };
        Some((sent, (!is_over).then_some((followed, seen))))
    })
}
