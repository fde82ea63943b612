//! `/v1`: the library as a language model, so that any chat client can ask it (OpenAI's Chat Completions and Models).
//!
//! Each library is a model, and so is each of its versions: `fastify`, `fastify@5.2.1`; `wenyuan` is all libraries. Options that
//! steer a model (temperature, system messages, tools) are ignored where the answer is still what the client requested; others are
//! refused. Sources are listed below the answer with their URLs, for clients that show text alone, and as `sources` beside it.

mod request;
mod wire;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use chat::answer::stream::{AnswerStream, Event, Outcome, StopOnDrop, StreamPosition};
use chat::answer::{AnswerOptions, StatelessQuestion};
use chat::messages::MessageStatus;
use chat::models::client::Usage;
use futures::stream::{self, Stream, StreamExt as _};
use kernel::actor::Actor;
use library::budget;
use library::catalogue::{Catalogue, Library};
use serde_json::Value;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Path};
use crate::http::problem::{Format, Problem, Result};
use crate::http::router::{bounded, unhurried};
use crate::http::schema::described;
use request::Question;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::Heading;
pub(crate) use wire::{Completion, Failure, Model, Models};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    bounded(OpenApiRouter::new().routes(routes!(models)).route("/v1/models/{*id}", get(model)))
        .merge(unhurried(OpenApiRouter::new().routes(routes!(complete))))
}

/// Form of this API's error responses.
pub(crate) const ERRORS: Format = Format {
    applies_to: |path| path.starts_with("/v1/"),
    render: wire::failure,
    schema: Some("OpenAiFailure"),
};
described! {
    /// Id of a model.
    ModelId = kernel::schema::text(
        1..=request::MAX_MODEL_CHARS,
        "^[A-Za-z0-9][A-Za-z0-9._-]{0,40}(/[A-Za-z0-9][A-Za-z0-9._-]{0,40})?(@[A-Za-z0-9][A-Za-z0-9._+-]{0,60})?$",
    );
}

/// Name of the model that is all libraries.
const ALL: &str = "wenyuan";
/// Models in a list: clients know no pages.
const MAX_MODELS: usize = 5000;
/// Interval of comments on a silent stream: proxies close silent connections.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Separator between an answer and its sources.
const SOURCES: &str = "\n\n---\nSources:\n";

/// Lists the models: all libraries, each library, and each of its versions.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, body = Models)))]
pub(crate) async fn models(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Models>> {
    require_signed_in(&actor)?;
    let catalogue = state.app.engine.catalogue().await?;
    let mut all = vec![Model::new(ALL.to_owned(), 0)];
    for library in catalogue.libraries(&actor) {
        all.extend(of_library(library));
        if all.len() >= MAX_MODELS {
            break;
        }
    }
    all.truncate(MAX_MODELS);
    Ok(Json(Models::of(all)))
}

/// Returns a model.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "openai",
    params(("id" = inline(ModelId), Path, description = "`wenyuan`, a library, or a library and a version: `fastify@5.2.1`")),
    responses((status = 200, body = Model)))]
pub(crate) async fn model(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Model>> {
    require_signed_in(&actor)?;
    if id == ALL {
        return Ok(Json(Model::new(id, 0)));
    }
    let catalogue = state.app.engine.catalogue().await?;
    let created = created(&catalogue, &actor, &options_of(&id))?;
    Ok(Json(Model::new(id, created)))
}

/// Answers a question from the library.
///
/// With `stream` the answer is sent as events that end with `[DONE]`. Disconnecting stops the answer. Nothing is stored.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = wire::Request,
    responses((status = 200, content((Completion = "application/json"), (String = "text/event-stream"))), (status = 404), (status = 502)))]
pub(crate) async fn complete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<Value>,
) -> Result<Response> {
    require_signed_in(&actor)?;
    let question = Question::parse(&body)?;
    let options = options_of(&question.model);
    let id = kernel::id::new();
    let heading = Heading {
        id: format!("chatcmpl-{id}"),
        created: created_at(id),
        model: question.model,
        includes_usage: question.includes_usage,
    };
    // Without a model the prompt is the conversation as the client sent it.
    let texts = question.history.iter().map(|(_, text)| text.as_str()).chain([question.text.as_str()]);
    let conversation = Usage::estimate(texts, "");
    let stateless = StatelessQuestion { question: question.text, history: question.history, options };
    let answer = state.app.answers.ask_stateless(&actor, stateless).await?;
    let stop_on_drop = StopOnDrop(Arc::clone(&answer));
    if question.streams {
        let chunks = chunks(answer, heading, Arc::clone(&state.address), conversation);
        let events = chunks.map(move |chunk| {
            let _held = &stop_on_drop;
            Ok::<_, Infallible>(Sent::default().data(chunk))
        });
        let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
        // nginx buffers responses otherwise.
        let headers = response.headers_mut();
        headers.insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
        return Ok(response);
    }
    let outcome = answer.ended().await;
    drop(stop_on_drop);
    if let Some(problem) = failure_of(&outcome) {
        return Err(problem);
    }
    let text = format!("{}{}", outcome.text, footer(&outcome, &state.address));
    Ok(Json(heading.completion(text, &outcome, usage(&outcome, conversation))).into_response())
}

/// Returns the chunks of an answer, to its end.
fn chunks(
    answer: Arc<AnswerStream>,
    heading: Heading,
    address: Arc<str>,
    conversation: Usage,
) -> impl Stream<Item = String> + Send + 'static {
    let first = stream::once({
        let first = heading.first();
        async move { vec![first] }
    });
    let rest = stream::unfold(Some((answer, StreamPosition::default())), move |state| {
        let (heading, address) = (heading.clone(), Arc::clone(&address));
        async move {
            let (answer, mut position) = state?;
            let chunks = match answer.next(&mut position).await {
                // Which sources are cited is known at the end.
                Event::Sources(_) => Vec::new(),
                Event::Text(text) => vec![heading.text(&text)],
                Event::End(outcome) => {
                    return Some((end(&heading, &outcome, &address, conversation), None));
                }
            };
            Some((chunks, Some((answer, position))))
        }
    });
    first.chain(rest).flat_map(stream::iter)
}

fn end(heading: &Heading, outcome: &Outcome, address: &str, conversation: Usage) -> Vec<String> {
    if let Some(problem) = failure_of(outcome) {
        return vec![String::from_utf8_lossy(&wire::failure(&problem)).into_owned()];
    }
    let mut events = Vec::new();
    let footer = footer(outcome, address);
    if !footer.is_empty() {
        events.push(heading.text(&footer));
    }
    events.push(heading.last(outcome));
    if heading.includes_usage {
        events.push(heading.usage(usage(outcome, conversation)));
    }
    events.push("[DONE]".to_owned());
    events
}

/// Returns the usage of an answer. One that no model wrote is estimated, with the conversation as its prompt.
fn usage(outcome: &Outcome, conversation: Usage) -> Usage {
    let passages = || Usage { completion_tokens: budget::tokens(&outcome.text) as u64, ..conversation };
    outcome.usage.unwrap_or_else(passages)
}

/// Returns the failure of an answer that is incomplete or empty.
fn failure_of(outcome: &Outcome) -> Option<Problem> {
    let is_complete = match outcome.status {
        MessageStatus::Complete | MessageStatus::Answering => true,
        MessageStatus::Stopped | MessageStatus::Interrupted | MessageStatus::Failed => false,
    };
    match &outcome.failure {
        Some(failure) if !is_complete || outcome.text.is_empty() => Some(failure.clone().into()),
        _ if is_complete => None,
        _ => Some(Problem::unavailable("the answer is incomplete: ask again")),
    }
}

/// Returns the list of cited sources below an answer. If it cites none, the list says so and has all that the model was given.
fn footer(outcome: &Outcome, address: &str) -> String {
    let is_uncited = outcome.metadata["uncited"] == true;
    let mut lines = String::new();
    if is_uncited {
        lines += "\nThe answer cites none of the sources that the model was given:  ";
    }
    for source in outcome.sources.iter().filter(|source| source.cited || is_uncited) {
        let version = match (&source.library, &source.version) {
            (Some(library), Some(version)) => format!(" ({library} {version})"),
            _ => String::new(),
        };
        let url = match source.url.as_deref() {
            Some(path) if path.starts_with('/') => format!(": {address}{path}"),
            Some(url) => format!(": {url}"),
            None => String::new(),
        };
        let title: String = source
            .title
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .take(200)
            .collect();
        lines += &format!("\n[{}] {title}{version}{url}  ", source.number);
    }
    if lines.is_empty() { lines } else { format!("{SOURCES}{}", lines.trim_end()) }
}

/// Returns the options that the id of a model stands for.
fn options_of(id: &str) -> AnswerOptions {
    let (library, version) = match id.rsplit_once('@') {
        Some((library, version)) if !library.is_empty() => (library, Some(version.to_owned())),
        _ => (id, None),
    };
    let library = Some(library.to_owned()).filter(|_| id != ALL);
    AnswerOptions { library, version, ..AnswerOptions::default() }
}

/// Returns the creation time of a library's version, in seconds since 1970.
///
/// # Errors
/// Fails if it does not exist for the actor.
fn created(catalogue: &Catalogue, actor: &Actor, options: &AnswerOptions) -> Result<i64> {
    let name = options.library.as_deref().unwrap_or_default().parse().map_err(library::Error::from)?;
    let request = options.version.as_deref().unwrap_or_default().parse().map_err(library::Error::from)?;
    let library = catalogue.library(actor, &name)?;
    Ok(library.resolve(&request)?.created_at.timestamp())
}

fn of_library(library: &Arc<Library>) -> Vec<Model> {
    let name = library.name.as_str();
    // The library of the guide has the name of the model of all libraries: only its versions are models.
    let active = library
        .active
        .filter(|_| name != ALL)
        .map(|_| Model::new(name.to_owned(), library.created_at.timestamp()));
    let versions = library
        .versions
        .iter()
        .map(|version| Model::new(format!("{name}@{}", version.label), version.created_at.timestamp()));
    active.into_iter().chain(versions).collect()
}

/// Returns the creation time of an id, in seconds since 1970.
fn created_at(id: Uuid) -> i64 {
    id.get_timestamp().map_or(0, |time| i64::try_from(time.to_unix().0).unwrap_or_default())
}

fn require_signed_in(actor: &Actor) -> Result<()> {
    if actor.is_anonymous() {
        return Err(Problem::unauthorized("API key required: send Authorization: Bearer wy_…"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chat::source::Source;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_is_a_library_and_perhaps_a_version() {
        let of = |id: &str| {
            let options = options_of(id);
            (options.library, options.version)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of("wenyuan"), (None, None));
        assert_eq!(of("example/ops"), (text("example/ops"), None));
        assert_eq!(of("fastify@5.2.1"), (text("fastify"), text("5.2.1")));
        assert_eq!(of("wenyuan@1"), (text("wenyuan"), text("1")));
        assert_eq!(of("@1"), (text("@1"), None));
    }

    #[test]
    fn cited_sources_are_listed_below_an_answer() {
        let source = |number, cited| Source {
            number,
            cited,
            title: "Stop\nit".to_owned(),
            url: Some("/api/v1/passages/1".to_owned()),
            ..Source::default()
        };
        let outcome = |sources: Vec<Source>, metadata| Outcome {
            text: String::new(),
            status: MessageStatus::Complete,
            metadata,
            sources: sources.into(),
            usage: None,
            finish_reason: None,
            failure: None,
        };
        assert_eq!(footer(&outcome(vec![source(1, false)], json!({})), "http://a"), "");
        let list = footer(&outcome(vec![source(1, false), source(2, true)], json!({})), "http://a");
        let uncited = footer(&outcome(vec![source(1, false)], json!({ "uncited": true })), "http://a");
        assert!(uncited.contains("cites none") && uncited.contains("[1]"), "{uncited}");
        assert!(list.ends_with("[2] Stop it: http://a/api/v1/passages/1") && !list.contains("[1]"), "{list}");
    }
}
