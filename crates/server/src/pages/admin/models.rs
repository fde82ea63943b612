//! `/admin/models`: language models that answer. A key goes in and never comes out again.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use chat::models::{self, Limits, Model, ModelTest, ModelUpdate, NewModel};

use super::{FlashMessage, ListQuery, credential, require};
use crate::app::language_models::TEST_TIMEOUT;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/models";

#[derive(Template)]
#[template(path = "admin_models.html")]
struct List<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    models: Vec<Model>,
}

#[derive(Template)]
#[template(path = "admin_model.html")]
struct One<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    model: Model,
    tried: Option<ModelTest>,
}

/// Result of a test, as a part of the open page.
#[derive(Template)]
#[template(path = "admin_model.html", block = "result")]
struct Outcome<'page> {
    frame: &'page Frame,
    tried: Option<ModelTest>,
}

impl One<'_> {
    /// The limits, by the name of their field.
    fn limits(&self) -> [(&'static str, String); 5] {
        let model = &self.model;
        [
            ("context_tokens", model.context_tokens),
            ("answer_tokens", model.answer_tokens),
            ("first_seconds", model.first_seconds),
            ("idle_seconds", model.idle_seconds),
            ("concurrency", model.concurrency),
        ]
        .map(|(name, number)| (name, number.to_string()))
    }
}

/// All of them.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let told = FlashMessage::done(&frame, &asked.done);
    Ok(list(&state, &frame, told).await)
}

async fn list(state: &AppState, frame: &Frame, told: FlashMessage<'_>) -> Response {
    let read = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok::<_, Problem>(models::list(&mut connection, &frame.actor).await?)
    };
    match read.await {
        Ok(models) => {
            let page = List { frame, told, models };
            page.told.page(frame, &page)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Adds one.
pub(super) async fn create(
    State(state): State<AppState>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(HERE);
    let frame = &posted.frame;
    require(frame)?;
    let key = posted.field("api_key").trim();
    let made = async {
        let new = NewModel {
            name: posted.field("name").trim().to_owned(),
            endpoint: posted.field("endpoint").to_owned(),
            model: posted.field("model").trim().to_owned(),
            api_key: (!key.is_empty()).then(|| key.to_owned().into()),
            limits: limits(&posted)?,
            enabled: true,
            is_default: posted.has("is_default"),
        };
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let model = models::create(&mut transaction, &state.app.secrets, &frame.actor, new).await?;
        transaction.commit().await?;
        Ok::<_, Problem>(model.id)
    };
    match made.await {
        Ok(id) => Ok(see_other(&format!("{HERE}/{id}?done=model"))),
        Err(problem) => {
            let told = FlashMessage::refused("new", FormError::of_problem(frame, problem)?, &posted);
            Ok(list(&state, frame, told).await)
        }
    }
}

/// One of them.
pub(super) async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let told = FlashMessage::done(&frame, &asked.done);
    Ok(page(&state, &frame, &id, told, None).await)
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: &str,
    told: FlashMessage<'_>,
    tried: Option<ModelTest>,
) -> Response {
    let read = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok::<_, Problem>(models::find(&mut connection, &frame.actor, id).await?)
    };
    match read.await {
        Ok(model) => {
            let page = One { frame, told, model, tried };
            page.told.page(frame, &page)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Changes one.
pub(super) async fn change(
    State(state): State<AppState>,
    Path(id): Path<String>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    require(&posted.frame)?;
    let changed = async {
        let change = ModelUpdate {
            name: Some(posted.field("name").trim().to_owned()),
            endpoint: Some(posted.field("endpoint").to_owned()),
            model: Some(posted.field("model").trim().to_owned()),
            api_key: credential(&posted),
            limits: limits(&posted)?,
            enabled: Some(posted.has("enabled")),
            is_default: Some(posted.has("is_default")),
        };
        written(&state, &posted, &id, change).await
    };
    match changed.await {
        Ok(()) => Ok(see_other(&format!("{HERE}/{id}?done=model-changed"))),
        Err(problem) => {
            let told =
                FlashMessage::refused("change", FormError::of_problem(&posted.frame, problem)?, &posted);
            Ok(page(&state, &posted.frame, &id, told, None).await)
        }
    }
}

async fn written(
    state: &AppState,
    posted: &SubmittedForm,
    id: &str,
    change: ModelUpdate,
) -> Result<(), Problem> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    models::update(&mut transaction, &state.app.secrets, &posted.frame.actor, id, change).await?;
    Ok(transaction.commit().await?)
}

/// Asks it for a word, and shows what came of it.
pub(super) async fn test(
    State(state): State<AppState>,
    Path(id): Path<String>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    let frame = &posted.frame;
    require(frame)?;
    let tried = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let target = models::target(&mut connection, &state.app.secrets, &frame.actor, &id).await?;
        // Nothing of the database is held while the model is asked.
        drop(connection);
        Ok::<_, Problem>(models::test(&state.app.models, &target, TEST_TIMEOUT).await)
    };
    let tried = tried.await.map_err(Problem::into_response)?;
    if frame.is_partial() {
        let page = Outcome { frame, tried: Some(tried) };
        return Ok(FlashMessage::default().page(frame, &page));
    }
    Ok(page(&state, frame, &id, FlashMessage::default(), Some(tried)).await)
}

/// Enables, disables or deletes one, or lets it answer where none is named.
pub(super) async fn act(
    State(state): State<AppState>,
    Path(id): Path<String>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    require(&posted.frame)?;
    let done = async {
        let change = match posted.field("action") {
            "enable" => ModelUpdate { enabled: Some(true), ..ModelUpdate::default() },
            "disable" => ModelUpdate { enabled: Some(false), ..ModelUpdate::default() },
            "default" => ModelUpdate { is_default: Some(true), ..ModelUpdate::default() },
            "delete" => {
                let mut transaction = store::postgres::begin(state.app.pool()).await?;
                models::delete(&mut transaction, &posted.frame.actor, &id).await?;
                transaction.commit().await?;
                return Ok("model-deleted");
            }
            _ => return Err(Problem::invalid("the form cannot be read")),
        };
        written(&state, &posted, &id, change).await?;
        Ok("model-changed")
    };
    let done = done.await.map_err(Problem::into_response)?;
    Ok(see_other(&format!("{HERE}?done={done}")))
}

/// The limits that were written; what is empty is as it was, or as usual.
fn limits(posted: &SubmittedForm) -> Result<Limits, Problem> {
    let number = |name: &str| match posted.field(name).trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_none| Problem::invalid(format!("{name} is a number"))),
    };
    Ok(Limits {
        context_tokens: number("context_tokens")?,
        answer_tokens: number("answer_tokens")?,
        first_seconds: number("first_seconds")?,
        idle_seconds: number("idle_seconds")?,
        concurrency: number("concurrency")?,
    })
}
