//! The addresses of Perplexica's clients: chats, asking in two shapes, searching. A client of its is a client of this library.
//!
//! Ids of chats and messages are the client's own; what it did not name has ours. A message that is sent again under its id
//! stands beside the earlier one, which is kept; only the branch that is shown is told here. Failures have the form
//! `{"message": …}`.

mod wire;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chat::answer::stream::{AnswerStream, Event, StopOnDrop, StreamPosition};
use chat::answer::{AnswerFollower, AnswerOptions, ChatQuestion, StatelessQuestion};
use chat::chats::{self, MessageId};
use chat::messages::MessageRole;
use chat::messages::QuestionAction;
use chat::models;
use chat::transfer::{export, external_ids};
use futures::{Stream, StreamExt as _, stream};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Format, Problem, RawResponse, Result};
use crate::http::router::{bounded, unhurried};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::{Answer, Chat, Chats, File, Message, Opened, Question, Search, Shape, Writer};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(
        OpenApiRouter::new()
            .routes(routes!(list))
            .routes(routes!(show, delete))
            .routes(routes!(models))
            .routes(routes!(providers)),
    )
    .merge(unhurried(
        OpenApiRouter::new().routes(routes!(ask)).routes(routes!(reconnect)).routes(routes!(search)),
    ))
}

/// Name of the only provider of models.
const PROVIDER: &str = "wenyuan";
/// The longest request.
const MAX_BODY_BYTES: usize = 1 << 20;
/// The most that was said before.
const MAX_HISTORY: usize = 100;

/// Form of this API's error responses.
pub(crate) const ERRORS: Format = Format {
    applies_to: |path| {
        ["/api/chats", "/api/chat", "/api/search", "/api/models", "/api/providers", "/api/reconnect"]
            .iter()
            .any(|known| {
                path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    },
    render: |problem| json!({ "message": problem.detail() }).to_string().into_bytes(),
    described_as: Some(("Error in the format of Perplexica", "PerplexicaTold")),
};

/// Your chats as Perplexica lists them, the one begun last first.
#[utoipa::path(get, path = "/api/chats", tag = "perplexica", params(Paging),
    responses((status = 200, body = Chats)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<Chats>> {
    // Its clients know no pages: the most that one holds, and the way to more for those who look.
    let (cursor, limit) = (paging.cursor()?, paging.limit_or(200)?);
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = external_ids::list(&mut connection, &actor, cursor.as_ref(), limit).await?;
    let chats = page.items.into_iter().map(|listed| Chat {
        id: listed.external_id.unwrap_or_else(|| listed.id.to_string()),
        title: listed.title,
        created_at: crate::app::passages::time(listed.created_at),
        focus_mode: listed.focus_mode,
        files: listed
            .files
            .into_iter()
            .map(|(id, name)| File { name, file_id: id.simple().to_string() })
            .collect(),
    });
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next, Chats { chats: chats.collect() }))
}

/// One of your chats with the messages of the branch that is shown, by the client's id or ours.
#[utoipa::path(get, path = "/api/chats/{id}", tag = "perplexica",
    params(("id" = String, Path, description = "The chat")), responses((status = 200, body = Opened)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<Opened>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let id = external_ids::find(&mut connection, &actor, &name).await?.ok_or_else(absent)?;
    let whole = export::chat(&mut connection, &actor, id).await?;
    let own = whole.external_id.clone().unwrap_or_else(|| whole.id.to_string());
    let messages = (1..)
        .zip(whole.shown())
        .map(|(number, message)| wire::row(number, &own, message, &state.address))
        .collect();
    let chat = Chat {
        id: own,
        title: whole.title.clone(),
        created_at: crate::app::passages::time(whole.created_at),
        focus_mode: whole.focus_mode.clone(),
        files: whole
            .files
            .iter()
            .map(|file| File { name: file.name.clone(), file_id: file.file_id.simple().to_string() })
            .collect(),
    };
    Ok(Json(Opened { chat, messages }))
}

/// Deletes one of your chats. For thirty days it can be brought back.
#[utoipa::path(delete, path = "/api/chats/{id}", tag = "perplexica",
    params(("id" = String, Path, description = "The chat")), responses((status = 200, body = Message)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<Message>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let id = external_ids::find(&mut connection, &actor, &name).await?.ok_or_else(absent)?;
    chats::delete(&mut connection, &actor, id).await?;
    Ok(Json(Message { message: "Chat deleted successfully".to_owned() }))
}

/// Asks in a chat, begun where it is missing. The answer streams as lines of JSON: `sources`, `message`, `messageEnd` for older
/// clients, or `block` and `updateBlock` for those that send `sources`.
#[utoipa::path(post, path = "/api/chat", tag = "perplexica", request_body = Question,
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn ask(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<Response> {
    chats::owner_id(&actor)?;
    let question: Question = match read(request).await? {
        Ok(question) => question,
        Err(refused) => return Ok(refused),
    };
    let asked = question.message.filter(|asked| !asked.content.trim().is_empty());
    let Some(asked) = asked else {
        return Err(Problem::invalid("Please provide a message to process"));
    };
    let shape = if question.focus_mode.is_none() && question.sources.is_some() {
        Shape::Blocks
    } else {
        Shape::Lines
    };
    let focus = wire::focus(question.focus_mode.as_deref(), question.sources.as_deref());
    let focus = focus.ok_or_else(|| Problem::invalid("Invalid focus mode"))?;
    let chat = if asked.chat_id.is_empty() { kernel::id::new().to_string() } else { asked.chat_id };
    let means = AnswerOptions {
        focus: Some(focus),
        model: wire::model(question.chat_model.as_ref()),
        ..AnswerOptions::default()
    };
    // A question that is refused leaves no empty chat behind.
    state.app.answers.check(&actor, &means, &asked.content).await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let id = external_ids::find_or_create(&mut transaction, &actor, &chat, focus).await?;
    let earlier = match asked.message_id.as_str() {
        "" => None,
        name => external_ids::find_question(&mut transaction, &actor, id, name).await?,
    };
    transaction.commit().await?;
    // Sent again under its id, a question takes the place of the earlier one, which stays beside it.
    let put = match earlier {
        Some((message, content)) if content == asked.content.trim() => QuestionAction::Regenerate { message },
        Some((message, _)) => QuestionAction::Edit { message, content: asked.content },
        None => QuestionAction::Ask { content: asked.content, after: None },
    };
    let begun = state
        .app
        .answers
        .ask(&actor, id, ChatQuestion { action: put, message_id: None, options: means })
        .await?;
    // Two people's clients may call two questions the same: the name is kept beside the id.
    if !asked.message_id.is_empty() {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        external_ids::set_external_id(&mut connection, &actor, id, begun.question_id, &asked.message_id)
            .await?;
    }
    let writer = writer(&state, shape, begun.answer_id.to_string());
    Ok(lines(followed(AnswerFollower::Local(begun.stream), writer)))
}

/// Follows an answer whose stream broke off, from its beginning, in the newer shape.
#[utoipa::path(post, path = "/api/reconnect/{id}", tag = "perplexica",
    params(("id" = Uuid, Path, description = "The answer")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn reconnect(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response> {
    chats::owner_id(&actor)?;
    let absent = || Problem::not_found("Session not found");
    let id: Uuid = id.parse().map_err(|_no_id| absent())?;
    let found = state.app.answers.follow(&actor, MessageId(id)).await.map_err(|error| match error {
        chat::Error::NotFound(_) | chat::Error::Invalid(_) => absent(),
        error => error.into(),
    })?;
    Ok(lines(followed(found, writer(&state, Shape::Blocks, id.to_string()))))
}

/// Asks without keeping anything; whole, or with `stream` as lines: `init`, `sources`, `response`, `done`.
#[utoipa::path(post, path = "/api/search", tag = "perplexica", request_body = Search,
    responses((status = 200, body = Answer)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<Response> {
    if actor.is_anonymous() {
        return Err(chat::Error::SignIn.into());
    }
    let asked: Search = match read(request).await? {
        Ok(asked) => asked,
        Err(refused) => return Ok(refused),
    };
    let query = asked.query.filter(|query| !query.trim().is_empty());
    let Some(question) = query else { return Err(Problem::invalid("Missing focus mode or query")) };
    let focus = wire::focus(asked.focus_mode.as_deref(), asked.sources.as_deref());
    let focus = focus.ok_or_else(|| Problem::invalid("Invalid focus mode"))?;
    if asked.history.len() > MAX_HISTORY {
        return Err(Problem::invalid(format!("history has at most {MAX_HISTORY} messages")));
    }
    let history = asked.history.into_iter().map(|(who, text)| {
        (
            if matches!(who.as_str(), "human" | "user") { MessageRole::User } else { MessageRole::Assistant },
            text,
        )
    });
    let once = StatelessQuestion {
        question,
        history: history.collect(),
        options: AnswerOptions {
            focus: Some(focus),
            model: wire::model(asked.chat_model.as_ref()),
            ..AnswerOptions::default()
        },
    };
    let running = state.app.answers.ask_stateless(&actor, once).await?;
    let attended = StopOnDrop(Arc::clone(&running));
    if asked.stream {
        let first = stream::once(async { Ok("{\"type\":\"init\",\"data\":\"Stream connected\"}\n".into()) });
        let rest = followed(AnswerFollower::Local(running), writer(&state, Shape::Search, String::new()));
        return Ok(lines(first.chain(rest).map(move |line| {
            let _attended = &attended;
            line
        })));
    }
    let outcome = AnswerStream::ended(&running).await;
    drop(attended);
    match &outcome.failure {
        Some(failure) if outcome.text.is_empty() => Err(chat::Error::Model(failure.clone()).into()),
        _ => {
            let sources = wire::sources(&outcome.sources, &state.address);
            Ok(Json(Answer { message: outcome.text.clone(), sources }).into_response())
        }
    }
}

/// Language models, as Perplexica's older clients list them.
#[utoipa::path(get, path = "/api/models", tag = "perplexica",
    responses((status = 200, body = Value)))]
pub(crate) async fn models(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Value>> {
    let models: Vec<Value> = choices(&state, &actor)
        .await?
        .into_iter()
        .map(|name| json!({ "name": name, "displayName": name }))
        .collect();
    Ok(Json(
        json!({ "chatModelProviders": { PROVIDER: models }, "embeddingModelProviders": { PROVIDER: [] } }),
    ))
}

/// Language models, as Perplexica's newer clients list them.
#[utoipa::path(get, path = "/api/providers", tag = "perplexica",
    responses((status = 200, body = Value)))]
pub(crate) async fn providers(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Value>> {
    let models: Vec<Value> =
        choices(&state, &actor).await?.into_iter().map(|name| json!({ "key": name, "name": name })).collect();
    let provider = json!({ "id": PROVIDER, "name": "Wenyuan", "chatModels": models, "embeddingModels": [] });
    Ok(Json(json!({ "providers": [provider] })))
}

async fn choices(state: &AppState, actor: &kernel::actor::Actor) -> Result<Vec<String>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let choices = models::choices(&mut connection, actor).await?;
    Ok(choices.into_iter().map(|choice| choice.name).collect())
}

fn absent() -> Problem {
    Problem::not_found("Chat not found")
}

fn writer(state: &AppState, shape: Shape, id: String) -> Writer {
    Writer { shape, id, address: Arc::clone(&state.address), text: String::new(), has_text: false }
}

/// A body, or the answer that says what is wrong with it in Perplexica's newer form.
async fn read<T: DeserializeOwned>(request: Request) -> Result<std::result::Result<T, Response>> {
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
    let body = body.map_err(|_longer| Problem::too_large("the body is too large"))?;
    Ok(match serde_json::from_slice(&body) {
        Ok(read) => Ok(read),
        Err(error) => {
            let fault = json!([{ "path": "", "message": error.to_string() }]);
            let told = json!({ "message": "Invalid request body", "error": fault });
            let mut response = (StatusCode::BAD_REQUEST, Json(told)).into_response();
            response.extensions_mut().insert(RawResponse);
            Err(response)
        }
    })
}

type Piece = std::result::Result<Bytes, Infallible>;

/// An answer as lines, to its end.
fn followed(followed: AnswerFollower, writer: Writer) -> impl Stream<Item = Piece> + Send + 'static {
    stream::unfold(Some((followed, writer, StreamPosition::default())), |state| async move {
        let (mut followed, mut writer, mut seen) = state?;
        let (values, is_over) = match followed.next(&mut seen).await {
            Ok(event) => (writer.lines(&event), matches!(event, Event::End(_))),
            Err(error) => {
                (vec![json!({ "type": "error", "data": Problem::from(error).user_message() })], true)
            }
        };
        let mut text = String::new();
        for value in values {
            text.push_str(&value.to_string());
            text.push('\n');
        }
        Some((Ok(text.into()), (!is_over).then_some((followed, writer, seen))))
    })
}

fn lines(lines: impl Stream<Item = Piece> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // nginx holds answers back unless it is told not to.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(lines)).into_response()
}
