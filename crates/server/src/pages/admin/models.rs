//! `/admin/models`: language models. Their API keys are write-only.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chat::models::{self, Limits, Model, ModelTest, ModelUpdate, NewModel};

use super::{FlashMessage, ListQuery, credential, require_administrator};
use crate::app::language_models::TEST_TIMEOUT;
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{self, Problem};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/models";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(show).post(create))
        .route("/admin/models/{id}", get(one).post(change))
        .route("/admin/models/{id}/test", post(test))
        .route("/admin/models/{id}/act", post(act))
}

#[derive(Template)]
#[template(path = "admin_models.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    models: Vec<Model>,
}

#[derive(Template)]
#[template(path = "admin_model.html")]
struct One<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    model: Model,
    result: Option<ModelTest>,
}

/// Result of a test, as a part of the open page.
#[derive(Template)]
#[template(path = "admin_model.html", block = "result")]
struct Outcome<'page> {
    frame: &'page Frame,
    result: Option<ModelTest>,
}

impl One<'_> {
    /// Returns the limits by the names of their fields.
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

/// Lists the models.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    list(&state, &frame, flash).await
}

async fn list(state: &AppState, frame: &Frame, flash: FlashMessage<'_>) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let models = models::list(&mut connection, &frame.actor).await?;
    drop(connection);
    let page = List { frame, flash, models };
    Ok(page.flash.page(frame, &page))
}

/// Adds a model.
async fn create(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at(HERE);
    let frame = &form.frame;
    require_administrator(frame)?;
    match create_model(&state, &form).await {
        Ok(model) => Ok(see_other(&format!("{HERE}/{}?done=model", model.id))),
        Err(problem) => {
            let flash = FlashMessage::refused("new", FormError::from_problem(frame, problem)?, &form);
            list(&state, frame, flash).await
        }
    }
}

async fn create_model(state: &AppState, form: &SubmittedForm) -> problem::Result<Model> {
    let key = form.field("api_key").trim();
    let new = NewModel {
        name: form.field("name").trim().to_owned(),
        endpoint: form.field("endpoint").to_owned(),
        model: form.field("model").trim().to_owned(),
        api_key: (!key.is_empty()).then(|| key.to_owned().into()),
        limits: limits(form)?,
        enabled: true,
        is_default: form.has("is_default"),
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let model = models::create(&mut transaction, &state.app.secrets, &form.frame.actor, new).await?;
    transaction.commit().await?;
    Ok(model)
}

/// Shows a model.
async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    page(&state, &frame, &id, flash, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: &str,
    flash: FlashMessage<'_>,
    result: Option<ModelTest>,
) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let model = models::find(&mut connection, &frame.actor, id).await?;
    drop(connection);
    let page = One { frame, flash, model, result };
    Ok(page.flash.page(frame, &page))
}

/// Changes a model.
async fn change(State(state): State<AppState>, Path(id): Path<String>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    let updated = match limits(&form) {
        Ok(limits) => {
            let update = ModelUpdate {
                name: Some(form.field("name").trim().to_owned()),
                endpoint: Some(form.field("endpoint").to_owned()),
                model: Some(form.field("model").trim().to_owned()),
                api_key: credential(&form),
                limits,
                enabled: Some(form.has("enabled")),
                is_default: Some(form.has("is_default")),
            };
            update_model(&state, frame, &id, update).await
        }
        Err(problem) => Err(problem),
    };
    match updated {
        Ok(()) => Ok(see_other(&format!("{HERE}/{id}?done=model-changed"))),
        Err(problem) => {
            let flash = FlashMessage::refused("change", FormError::from_problem(frame, problem)?, &form);
            page(&state, frame, &id, flash, None).await
        }
    }
}

async fn update_model(state: &AppState, frame: &Frame, id: &str, update: ModelUpdate) -> problem::Result<()> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    models::update(&mut transaction, &state.app.secrets, &frame.actor, id, update).await?;
    Ok(transaction.commit().await?)
}

/// Sends a test request to a model, and shows the result.
async fn test(State(state): State<AppState>, Path(id): Path<String>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = models::target(&mut connection, &state.app.secrets, &frame.actor, &id).await?;
    // No connection is held during the request.
    drop(connection);
    let result = Some(models::test(&state.app.models, &target, TEST_TIMEOUT).await);
    if frame.is_partial() {
        return Ok(FlashMessage::default().page(frame, &Outcome { frame, result }));
    }
    page(&state, frame, &id, FlashMessage::default(), result).await
}

/// Enables, disables or deletes a model, or makes it the default.
async fn act(State(state): State<AppState>, Path(id): Path<String>, form: SubmittedForm) -> PageResult {
    let frame = &form.frame;
    require_administrator(frame)?;
    let update = match form.field("action") {
        "enable" => ModelUpdate { enabled: Some(true), ..ModelUpdate::default() },
        "disable" => ModelUpdate { enabled: Some(false), ..ModelUpdate::default() },
        "default" => ModelUpdate { is_default: Some(true), ..ModelUpdate::default() },
        "delete" => {
            let mut transaction = store::postgres::begin(state.app.pool()).await?;
            models::delete(&mut transaction, &frame.actor, &id).await?;
            transaction.commit().await?;
            return Ok(see_other(&format!("{HERE}?done=model-deleted")));
        }
        _ => return Err(Problem::invalid("the form cannot be read").into()),
    };
    update_model(&state, frame, &id, update).await?;
    Ok(see_other(&format!("{HERE}?done=model-changed")))
}

/// Parses the limits; an empty one keeps its value, or the default.
fn limits(form: &SubmittedForm) -> problem::Result<Limits> {
    let number = |name: &str| match form.field(name).trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_invalid| Problem::invalid(format!("{name} is a number"))),
    };
    Ok(Limits {
        context_tokens: number("context_tokens")?,
        answer_tokens: number("answer_tokens")?,
        first_seconds: number("first_seconds")?,
        idle_seconds: number("idle_seconds")?,
        concurrency: number("concurrency")?,
    })
}
