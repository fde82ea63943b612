//! `/admin/search-endpoints`: embedding and re-ranking endpoints, and the state of the vectors. API keys are write-only.

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use library::embed::{self, EmbeddingStatus};
use library::endpoints::{
    self, EndpointUpdate, Limits, NewEndpoint, Purpose, SearchEndpoint, SearchEndpointTest,
};

use super::{FlashMessage, ListQuery, credential, require_administrator};
use crate::app::search_endpoints;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{self, Problem};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/search-endpoints";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(show))
        .route("/admin/search-endpoints/{purpose}", post(set))
        .route("/admin/search-endpoints/{purpose}/test", post(test))
        .route("/admin/search-endpoints/{purpose}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "admin_search_endpoints.html")]
struct Page<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    rooms: [Room; 2],
    status: EmbeddingStatus,
}

/// A purpose, with its endpoint if there is one.
struct Room {
    purpose: &'static str,
    is_embedding: bool,
    endpoint: Option<SearchEndpoint>,
    result: Option<SearchEndpointTest>,
}

/// Result of a test, as a part of the open page.
#[derive(Template)]
#[template(path = "admin_endpoint_result.html")]
struct Outcome<'page> {
    frame: &'page Frame,
    room: Room,
}

impl Room {
    /// Returns the stored value of a field; empty if there is none.
    fn stored(&self, name: &str) -> String {
        let Some(endpoint) = &self.endpoint else { return String::new() };
        match name {
            "endpoint" => endpoint.endpoint.clone(),
            "model" => endpoint.model.clone(),
            "dimensions" => endpoint.dimensions.map(|number| number.to_string()).unwrap_or_default(),
            "query_prefix" => endpoint.query_prefix.clone(),
            "passage_prefix" => endpoint.passage_prefix.clone(),
            "input_tokens" => endpoint.input_tokens.to_string(),
            "batch_size" => endpoint.batch_size.to_string(),
            "timeout_milliseconds" => endpoint.timeout_milliseconds.to_string(),
            _ => String::new(),
        }
    }

    fn has_api_key(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.has_api_key)
    }

    /// Returns the names of the limits.
    fn limits(&self) -> &'static [&'static str] {
        if self.is_embedding {
            &["query_prefix", "passage_prefix", "input_tokens", "batch_size", "timeout_milliseconds"]
        } else {
            &["input_tokens", "timeout_milliseconds"]
        }
    }
}

impl Page<'_> {
    /// Whether passages are embedded for another model than the one that answers.
    fn is_changing(&self) -> bool {
        self.status.target.is_some() && self.status.target != self.status.answering
    }

    /// Returns the name of the vectors that passages are to have.
    fn target(&self) -> &str {
        self.status.target.as_deref().unwrap_or_default()
    }

    /// Returns the number of passages that have them.
    fn made(&self) -> i64 {
        self.status.passages - self.status.missing
    }

    fn progress(&self) -> Cow<'static, str> {
        let values = [("made", self.made().into()), ("all", self.status.passages.into())];
        self.frame.t_all("admin-vectors-made", &values)
    }

    fn cost(&self) -> Cow<'static, str> {
        let values = [("passages", self.status.passages.into()), ("tokens", self.status.tokens.into())];
        self.frame.t_all("admin-vectors-cost", &values)
    }
}

/// Shows the endpoints.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    page(&state, &frame, flash, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    flash: FlashMessage<'_>,
    tested: Option<(Purpose, SearchEndpointTest)>,
) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let endpoints = endpoints::list(&mut connection, &frame.actor).await?;
    drop(connection);
    let status = embed::status(&state.app.engine, &frame.actor).await?;
    let room = |purpose: Purpose| Room {
        purpose: purpose.as_str(),
        is_embedding: purpose == Purpose::Embedding,
        endpoint: endpoints.iter().find(|endpoint| endpoint.purpose == purpose).cloned(),
        result: tested.as_ref().filter(|(of, _)| *of == purpose).map(|(_, result)| result.clone()),
    };
    let rooms = [room(Purpose::Embedding), room(Purpose::Reranking)];
    let page = Page { frame, flash, rooms, status };
    Ok(page.flash.page(frame, &page))
}

/// Adds or changes an endpoint.
async fn set(State(state): State<AppState>, Path(purpose): Path<String>, form: SubmittedForm) -> PageResult {
    let purpose = parse(&purpose)?;
    let form = form.at(HERE);
    let frame = &form.frame;
    require_administrator(frame)?;
    match set_endpoint(&state, &form, purpose).await {
        Ok(()) => Ok(see_other(&format!("{HERE}?done=endpoint"))),
        Err(problem) => {
            let error = FormError::from_problem(frame, problem)?;
            page(&state, frame, FlashMessage::refused(purpose.as_str(), error, &form), None).await
        }
    }
}

async fn set_endpoint(state: &AppState, form: &SubmittedForm, purpose: Purpose) -> problem::Result<()> {
    let actor = &form.frame.actor;
    let number = |name: &str| match form.field(name).trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_invalid| Problem::invalid(format!("{name} is a number"))),
    };
    let limits = Limits {
        input_tokens: number("input_tokens")?,
        batch_size: number("batch_size")?,
        timeout_milliseconds: number("timeout_milliseconds")?,
    };
    let dimensions = number("dimensions")?;
    let (endpoint, model) = (form.field("endpoint").to_owned(), form.field("model").trim().to_owned());
    // Prefixes end with a space: it is part of them.
    let (query_prefix, passage_prefix) =
        (form.field("query_prefix").to_owned(), form.field("passage_prefix").to_owned());
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let known = endpoints::list(&mut transaction, actor).await?;
    if known.iter().any(|endpoint| endpoint.purpose == purpose) {
        let update = EndpointUpdate {
            endpoint: Some(endpoint),
            model: Some(model),
            api_key: credential(form),
            dimensions,
            query_prefix: Some(query_prefix),
            passage_prefix: Some(passage_prefix),
            limits,
        };
        endpoints::update(&mut transaction, &state.app.secrets, actor, purpose, update).await?;
        return Ok(transaction.commit().await?);
    }
    // No connection is held while the endpoint is asked for its dimensions.
    drop(transaction);
    let key = form.field("api_key").trim();
    let new = NewEndpoint {
        endpoint,
        model,
        api_key: (!key.is_empty()).then(|| key.to_owned().into()),
        dimensions,
        query_prefix,
        passage_prefix,
        limits,
    };
    search_endpoints::create(&state.app, actor, purpose, new).await?;
    Ok(())
}

/// Sends a test request to an endpoint, and shows the result.
async fn test(State(state): State<AppState>, Path(purpose): Path<String>, form: SubmittedForm) -> PageResult {
    let purpose = parse(&purpose)?;
    let form = form.at(HERE);
    let frame = &form.frame;
    require_administrator(frame)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = endpoints::target(&mut connection, &state.app.secrets, &frame.actor, purpose).await?;
    // No connection is held during the request.
    drop(connection);
    let result = endpoints::test(purpose, target).await;
    if frame.is_partial() {
        let room = Room {
            purpose: purpose.as_str(),
            is_embedding: purpose == Purpose::Embedding,
            endpoint: None,
            result: Some(result),
        };
        return Ok(FlashMessage::default().page(frame, &Outcome { frame, room }));
    }
    page(&state, frame, FlashMessage::default(), Some((purpose, result))).await
}

/// Deletes an endpoint.
async fn delete(
    State(state): State<AppState>,
    Path(purpose): Path<String>,
    form: SubmittedForm,
) -> PageResult {
    let purpose = parse(&purpose)?;
    let frame = &form.frame;
    require_administrator(frame)?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    endpoints::delete(&mut transaction, &frame.actor, purpose).await?;
    transaction.commit().await?;
    Ok(see_other(&format!("{HERE}?done=endpoint-deleted")))
}

fn parse(purpose: &str) -> problem::Result<Purpose> {
    Purpose::parse(purpose).ok_or_else(|| Problem::not_found("there is no such purpose"))
}
