//! API of Perplexica, for its clients: chats, questions in two stream formats, stateless questions.
//!
//! Chats and messages have the ids that clients assign, or else ours. A message that is sent again under its id becomes a sibling
//! of the earlier one, which is kept; responses have the current branch only. Errors have the form `{"message": …}`.

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
use crate::http::input::{MAX_PAGE, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Format, Problem, RawResponse, Result};
use crate::http::router::{bounded, unhurried};
use crate::http::schema::{MessageText, described};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::{
    Answer, Chat, ChatWithMessages, Chats, File, MessageBody, Question, Search, StreamFormat, Writer,
};

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

described! {
    /// Id of a chat in a path.
    PathId = kernel::schema::text(1..=external_ids::MAX_ID_CHARS, "^[A-Za-z0-9][A-Za-z0-9._-]*$");
    /// Earlier messages of a stateless question: pairs of author and text.
    PerplexicaHistory = kernel::schema::list::<PerplexicaTurn>(0..=MAX_HISTORY);
    /// Earlier message: `["human" | "assistant", text]`.
    PerplexicaTurn = kernel::schema::list::<MessageText>(2..=2);
}

/// Name of the only provider of models.
const PROVIDER: &str = "wenyuan";
/// Size of a request body.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Earlier messages of a stateless question.
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
    schema: Some("PerplexicaMessageBody"),
};

/// Lists the caller's chats, newest first.
#[utoipa::path(get, path = "/api/chats", tag = "perplexica", params(Paging),
    responses((status = 200, body = Chats)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<Chats>> {
    // Clients of Perplexica know no pages: by default the largest page is sent.
    let (cursor, limit) = (paging.cursor()?, paging.limit_or(MAX_PAGE)?);
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

/// Returns a chat with the messages of its current branch, by the client's id or ours.
#[utoipa::path(get, path = "/api/chats/{id}", tag = "perplexica",
    params(("id" = inline(PathId), Path, description = "Id of the chat")), responses((status = 200, body = ChatWithMessages)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<ChatWithMessages>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let id = external_ids::find(&mut connection, &actor, &name).await?.ok_or_else(absent)?;
    let exported = export::chat(&mut connection, &actor, id).await?;
    let chat_id = exported.external_id.clone().unwrap_or_else(|| exported.id.to_string());
    let messages = (1..)
        .zip(exported.shown())
        .map(|(number, message)| wire::row(number, &chat_id, message, &state.address))
        .collect();
    let chat = Chat {
        id: chat_id,
        title: exported.title.clone(),
        created_at: crate::app::passages::time(exported.created_at),
        focus_mode: exported.focus_mode.clone(),
        files: exported
            .files
            .iter()
            .map(|file| File { name: file.name.clone(), file_id: file.file_id.simple().to_string() })
            .collect(),
    };
    Ok(Json(ChatWithMessages { chat, messages }))
}

/// Deletes a chat. It can be restored for thirty days.
#[utoipa::path(delete, path = "/api/chats/{id}", tag = "perplexica",
    params(("id" = inline(PathId), Path, description = "Id of the chat")), responses((status = 200, body = MessageBody)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(name): Path<String>,
) -> Result<Json<MessageBody>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let id = external_ids::find(&mut connection, &actor, &name).await?.ok_or_else(absent)?;
    chats::delete(&mut connection, &actor, id).await?;
    Ok(Json(MessageBody { message: "Chat deleted successfully".to_owned() }))
}

/// Asks a question in a chat, which is created if it does not exist.
///
/// The answer streams as lines of JSON: `sources`, `message`, `messageEnd` for older clients, or `block` and `updateBlock` for
/// those that send `sources`.
#[utoipa::path(post, path = "/api/chat", tag = "perplexica", request_body = Question,
    responses((status = 200, body = String, content_type = "text/event-stream"), (status = 404), (status = 502)))]
pub(crate) async fn ask(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<Response> {
    chats::owner_id(&actor)?;
    let question: Question = match read(request).await? {
        Ok(question) => question,
        Err(response) => return Ok(response),
    };
    let message = question.message.filter(|message| !message.content.trim().is_empty());
    let Some(message) = message else {
        return Err(Problem::invalid("Please provide a message to process"));
    };
    let format = if question.focus_mode.is_none() && question.sources.is_some() {
        StreamFormat::Blocks
    } else {
        StreamFormat::Lines
    };
    let focus = wire::focus(question.focus_mode.as_deref(), question.sources.as_deref());
    let focus = focus.ok_or_else(|| Problem::invalid("Invalid focus mode"))?;
    let chat = if message.chat_id.is_empty() { kernel::id::new().to_string() } else { message.chat_id };
    let options = AnswerOptions {
        focus: Some(focus),
        model: wire::model(question.chat_model.as_ref()),
        ..AnswerOptions::default()
    };
    // Checked first, so that a refused question leaves no empty chat behind.
    for id in [&chat, &message.message_id].into_iter().filter(|id| !id.is_empty()) {
        external_ids::check(id)?;
    }
    state.app.answers.check(&actor, &options, &message.content).await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let id = external_ids::find_or_create(&mut transaction, &actor, &chat, focus).await?;
    let earlier = match message.message_id.as_str() {
        "" => None,
        name => external_ids::find_question(&mut transaction, &actor, id, name).await?,
    };
    transaction.commit().await?;
    // A question that is sent again under its id becomes a sibling of the earlier one.
    let content = message.content;
    let action = match earlier {
        Some((message, earlier)) if earlier == content.trim() => QuestionAction::Regenerate { message },
        Some((message, _)) => QuestionAction::Edit { message, content },
        None => QuestionAction::Ask { content, after: None },
    };
    let started =
        state.app.answers.ask(&actor, id, ChatQuestion { action, message_id: None, options }).await?;
    // Not unique across users, so it is stored beside our id.
    if !message.message_id.is_empty() {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        external_ids::set_external_id(&mut connection, &actor, id, started.question_id, &message.message_id)
            .await?;
    }
    let writer = writer(&state, format, started.answer_id.to_string());
    Ok(stream_of(lines(AnswerFollower::Local(started.stream), writer)))
}

/// Follows an answer from its beginning, in the newer format, after its stream broke off.
#[utoipa::path(post, path = "/api/reconnect/{id}", tag = "perplexica",
    params(("id" = Uuid, Path, description = "Id of the answer")),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn reconnect(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Response> {
    chats::owner_id(&actor)?;
    let absent = || Problem::not_found("Session not found");
    let id: Uuid = id.parse().map_err(|_invalid| absent())?;
    let follower = state.app.answers.follow(&actor, MessageId(id)).await.map_err(|error| match error {
        chat::Error::NotFound(_) | chat::Error::Invalid(_) => absent(),
        error => error.into(),
    })?;
    Ok(stream_of(lines(follower, writer(&state, StreamFormat::Blocks, id.to_string()))))
}

/// Asks a question without storing anything.
///
/// The answer is one JSON object or, with `stream`, lines of JSON: `init`, `sources`, `response`, `done`.
#[utoipa::path(post, path = "/api/search", tag = "perplexica", request_body = Search,
    responses((status = 200, content((Answer = "application/json"), (String = "text/event-stream"))), (status = 404), (status = 502)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<Response> {
    if actor.is_anonymous() {
        return Err(chat::Error::SignIn.into());
    }
    let body: Search = match read(request).await? {
        Ok(body) => body,
        Err(response) => return Ok(response),
    };
    let query = body.query.filter(|query| !query.trim().is_empty());
    let Some(question) = query else { return Err(Problem::invalid("Missing focus mode or query")) };
    let focus = wire::focus(body.focus_mode.as_deref(), body.sources.as_deref());
    let focus = focus.ok_or_else(|| Problem::invalid("Invalid focus mode"))?;
    if body.history.len() > MAX_HISTORY {
        return Err(Problem::invalid(format!(
            "history has more than {MAX_HISTORY} messages: leave out the oldest"
        )));
    }
    let history = body.history.into_iter().map(|(author, text)| {
        let is_user = matches!(author.as_str(), "human" | "user");
        (if is_user { MessageRole::User } else { MessageRole::Assistant }, text)
    });
    let stateless = StatelessQuestion {
        question,
        history: history.collect(),
        options: AnswerOptions {
            focus: Some(focus),
            model: wire::model(body.chat_model.as_ref()),
            ..AnswerOptions::default()
        },
    };
    let answer = state.app.answers.ask_stateless(&actor, stateless).await?;
    let stop_on_drop = StopOnDrop(Arc::clone(&answer));
    if body.stream {
        let first = stream::once(async { Ok("{\"type\":\"init\",\"data\":\"Stream connected\"}\n".into()) });
        let writer = writer(&state, StreamFormat::Search, String::new());
        let rest = lines(AnswerFollower::Local(answer), writer);
        return Ok(stream_of(first.chain(rest).map(move |line| {
            let _held = &stop_on_drop;
            line
        })));
    }
    let outcome = AnswerStream::ended(&answer).await;
    drop(stop_on_drop);
    match &outcome.failure {
        Some(failure) if outcome.text.is_empty() => Err(chat::Error::Model(failure.clone()).into()),
        _ => {
            let sources = wire::sources(&outcome.sources, &state.address);
            Ok(Json(Answer { message: outcome.text.clone(), sources }).into_response())
        }
    }
}

/// Lists the language models, for older clients.
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

/// Lists the language models, for newer clients.
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

fn writer(state: &AppState, format: StreamFormat, id: String) -> Writer {
    Writer { format, id, address: Arc::clone(&state.address), text: String::new(), has_text: false }
}

/// Parses a body, or returns the error response in the format of newer clients.
async fn read<T: DeserializeOwned>(request: Request) -> Result<std::result::Result<T, Response>> {
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await;
    let body = body.map_err(|_longer| Problem::too_large("the body is too large"))?;
    Ok(match serde_json::from_slice(&body) {
        Ok(parsed) => Ok(parsed),
        Err(error) => {
            let details = json!([{ "path": "", "message": error.to_string() }]);
            let body = json!({ "message": "Invalid request body", "error": details });
            let mut response = (StatusCode::BAD_REQUEST, Json(body)).into_response();
            response.extensions_mut().insert(RawResponse);
            Err(response)
        }
    })
}

type Line = std::result::Result<Bytes, Infallible>;

/// Returns the lines of an answer, to its end.
fn lines(follower: AnswerFollower, writer: Writer) -> impl Stream<Item = Line> + Send + 'static {
    stream::unfold(Some((follower, writer, StreamPosition::default())), |state| async move {
        let (mut follower, mut writer, mut position) = state?;
        let (values, is_over) = match follower.next(&mut position).await {
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
        Some((Ok(text.into()), (!is_over).then_some((follower, writer, position))))
    })
}

fn stream_of(lines: impl Stream<Item = Line> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // nginx buffers responses otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(lines)).into_response()
}
