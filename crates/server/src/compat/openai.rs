//! `/v1`: the library as a language model, so that any chat client can ask it (OpenAI's Chat Completions and Models).
//!
//! Each library is a model, and so is each of its versions: `fastify`, `fastify@5.2.1`; `wenyuan` is all of them. What a client
//! sends along to steer a model (temperature, its own rules, tools) is taken, and without effect where an answer without it is
//! still the one that was asked for; the rest is refused. Clients that show text alone show the sources too: they stand below the
//! answer, with their addresses, and beside it as `sources`.

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
use futures::stream::{self, Stream, StreamExt as _};
use kernel::actor::Actor;
use library::catalogue::{Catalogue, Library};
use serde_json::Value;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Path};
use crate::http::problem::{Format, Problem, Result};
use crate::http::router::{bounded, unhurried};
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
    described_as: Some(("Error in the format of OpenAI", "OpenAiFailure")),
};
/// The model that is all libraries.
const ALL: &str = "wenyuan";
/// The most models that are listed: their clients know no pages.
const MAX_MODELS: usize = 5000;
/// How often a silent stream says that it is alive.
const ALIVE: Duration = Duration::from_secs(15);
/// Separator of an answer and its sources.
const SOURCES: &str = "\n\n---\nSources:\n";

/// Lists the models: all libraries, each library, and each of its versions.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, body = Models)))]
pub(crate) async fn models(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Models>> {
    signed_in(&actor)?;
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

/// One of them.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "openai",
    params(("id" = String, Path, description = "`wenyuan`, a library, or a library and a version: `fastify@5.2.1`")),
    responses((status = 200, body = Model)))]
pub(crate) async fn model(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<String>,
) -> Result<Json<Model>> {
    signed_in(&actor)?;
    if id == ALL {
        return Ok(Json(Model::new(id, 0)));
    }
    let catalogue = state.app.engine.catalogue().await?;
    let created = created(&catalogue, &actor, &means(&id))?;
    Ok(Json(Model::new(id, created)))
}

/// Asks. With `stream` the answer comes as events that end with `[DONE]`; who goes away stops it. Nothing is kept.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = wire::Request,
    responses((status = 200, content((Completion = "application/json"), (String = "text/event-stream")))))]
pub(crate) async fn complete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(body): Body<Value>,
) -> Result<Response> {
    signed_in(&actor)?;
    let question = Question::read(&body)?;
    let means = means(&question.model);
    let id = kernel::id::new();
    let heading = Heading { id: format!("chatcmpl-{id}"), created: made_at(id), model: question.model };
    let once = StatelessQuestion { question: question.text, history: question.history, options: means };
    let running = state.app.answers.ask_stateless(&actor, once).await?;
    let attended = StopOnDrop(Arc::clone(&running));
    if question.streams {
        let pieces = pieces(running, heading, Arc::clone(&state.address), question.wants_usage);
        let events = pieces.map(move |piece| {
            let _attended = &attended;
            Ok::<_, Infallible>(Sent::default().data(piece))
        });
        let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)).into_response();
        // nginx holds answers back unless it is told not to.
        let headers = response.headers_mut();
        headers.insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
        return Ok(response);
    }
    let outcome = running.ended().await;
    drop(attended);
    if let Some(problem) = broken(&outcome) {
        return Err(problem);
    }
    let text = format!("{}{}", outcome.text, footer(&outcome, &state.address));
    Ok(Json(heading.completion(text, &outcome)).into_response())
}

/// The events of an answer.
fn pieces(
    running: Arc<AnswerStream>,
    heading: Heading,
    address: Arc<str>,
    wants_usage: bool,
) -> impl Stream<Item = String> + Send + 'static {
    let first = stream::once({
        let first = heading.first();
        async move { vec![first] }
    });
    let rest = stream::unfold(Some((running, StreamPosition::default())), move |following| {
        let (heading, address) = (heading.clone(), Arc::clone(&address));
        async move {
            let (running, mut seen) = following?;
            let sent = match running.next(&mut seen).await {
                // What is cited is known at the end.
                Event::Sources(_) => Vec::new(),
                Event::Text(text) => vec![heading.piece(&text)],
                Event::End(outcome) => {
                    return Some((end(&heading, &outcome, &address, wants_usage), None));
                }
            };
            Some((sent, Some((running, seen))))
        }
    });
    first.chain(rest).flat_map(stream::iter)
}

fn end(heading: &Heading, outcome: &Outcome, address: &str, wants_usage: bool) -> Vec<String> {
    if let Some(problem) = broken(outcome) {
        return vec![String::from_utf8_lossy(&wire::failure(&problem)).into_owned()];
    }
    let mut events = Vec::new();
    let footer = footer(outcome, address);
    if !footer.is_empty() {
        events.push(heading.piece(&footer));
    }
    events.push(heading.last(outcome));
    if wants_usage {
        events.push(heading.usage(outcome));
    }
    events.push("[DONE]".to_owned());
    events
}

/// Why an answer is none.
fn broken(outcome: &Outcome) -> Option<Problem> {
    let is_whole = match outcome.status {
        MessageStatus::Complete | MessageStatus::Answering => true,
        MessageStatus::Stopped | MessageStatus::Interrupted | MessageStatus::Failed => false,
    };
    match &outcome.failure {
        Some(failure) if !is_whole || outcome.text.is_empty() => Some(failure.clone().into()),
        _ if is_whole => None,
        _ => Some(Problem::unavailable("the answer broke off: ask again")),
    }
}

/// The sources that an answer cites, below it; where it cites none, that, and all that the model was given.
fn footer(outcome: &Outcome, address: &str) -> String {
    let is_uncited = outcome.metadata["uncited"] == true;
    let mut lines = String::new();
    if is_uncited {
        lines += "\nThe answer cites nothing of what the model was given; look it up there:  ";
    }
    for source in outcome.sources.iter().filter(|source| source.cited || is_uncited) {
        let of = match (&source.library, &source.version) {
            (Some(library), Some(version)) => format!(" ({library} {version})"),
            _ => String::new(),
        };
        let at = match source.url.as_deref() {
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
        lines += &format!("\n[{}] {title}{of}{at}  ", source.number);
    }
    if lines.is_empty() { lines } else { format!("{SOURCES}{}", lines.trim_end()) }
}

/// Parses a model's id.
fn means(id: &str) -> AnswerOptions {
    let (library, version) = match id.rsplit_once('@') {
        Some((library, version)) if !library.is_empty() => (library, Some(version.to_owned())),
        _ => (id, None),
    };
    let library = Some(library.to_owned()).filter(|_| id != ALL);
    AnswerOptions { library, version, ..AnswerOptions::default() }
}

/// When what is asked of was made, in seconds; refused where it does not exist for the actor.
fn created(catalogue: &Catalogue, actor: &Actor, means: &AnswerOptions) -> Result<i64> {
    let name = means.library.as_deref().unwrap_or_default().parse().map_err(library::Error::from)?;
    let request = means.version.as_deref().unwrap_or_default().parse().map_err(library::Error::from)?;
    let library = catalogue.library(actor, &name)?;
    Ok(library.resolve(&request)?.created_at.timestamp())
}

fn of_library(library: &Arc<Library>) -> Vec<Model> {
    let name = library.name.as_str();
    // The guide's library has the name of all of them: it is asked by its version.
    let itself = library
        .active
        .filter(|_| name != ALL)
        .map(|_| Model::new(name.to_owned(), library.created_at.timestamp()));
    let versions = library
        .versions
        .iter()
        .map(|version| Model::new(format!("{name}@{}", version.label), version.created_at.timestamp()));
    itself.into_iter().chain(versions).collect()
}

/// The second in which an id was made.
fn made_at(id: Uuid) -> i64 {
    id.get_timestamp().map_or(0, |time| i64::try_from(time.to_unix().0).unwrap_or_default())
}

fn signed_in(actor: &Actor) -> Result<()> {
    if actor.is_anonymous() {
        return Err(Problem::unauthorized("give an API key of this library: Authorization: Bearer wy_…"));
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
            let means = means(id);
            (means.library, means.version)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of("wenyuan"), (None, None));
        assert_eq!(of("example/ops"), (text("example/ops"), None));
        assert_eq!(of("fastify@5.2.1"), (text("fastify"), text("5.2.1")));
        assert_eq!(of("wenyuan@1"), (text("wenyuan"), text("1")));
        assert_eq!(of("@1"), (text("@1"), None));
    }

    #[test]
    fn only_what_is_cited_stands_below_an_answer() {
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
        let below = footer(&outcome(vec![source(1, false), source(2, true)], json!({})), "http://a");
        // What cites nothing says so, and where to look.
        let nothing = footer(&outcome(vec![source(1, false)], json!({ "uncited": true })), "http://a");
        assert!(nothing.contains("cites nothing") && nothing.contains("[1]"), "{nothing}");
        assert!(
            below.ends_with("[2] Stop it: http://a/api/v1/passages/1") && !below.contains("[1]"),
            "{below}"
        );
    }
}
