//! `/admin/servers`: external MCP servers. Their credentials are write-only.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use registry::client::{self, TestReport};
use registry::servers::{self, NewServer, Server, ServerId, ServerUpdate};

use super::{FlashMessage, ListQuery, credential, optional_text, require_administrator};
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::{self, Problem};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/servers";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(show).post(create))
        .route("/admin/servers/{id}", get(one).post(change))
        .route("/admin/servers/{id}/test", post(test))
        .route("/admin/servers/{id}/act", post(act))
}

#[derive(Template)]
#[template(path = "admin_servers.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    servers: Vec<Server>,
}

#[derive(Template)]
#[template(path = "admin_server.html")]
struct One<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    server: Server,
    result: Option<TestReport>,
}

/// Result of a test, as a part of the open page.
#[derive(Template)]
#[template(path = "admin_server.html", block = "result")]
struct Outcome<'page> {
    frame: &'page Frame,
    result: Option<TestReport>,
}

/// Lists the servers.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    list(&state, &frame, flash).await
}

async fn list(state: &AppState, frame: &Frame, flash: FlashMessage<'_>) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let servers = servers::list(&mut connection, &frame.actor).await?;
    drop(connection);
    let page = List { frame, flash, servers };
    Ok(page.flash.page(frame, &page))
}

/// Adds a server.
async fn create(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at(HERE);
    let frame = &form.frame;
    require_administrator(frame)?;
    match create_server(&state, &form).await {
        Ok(id) => Ok(see_other(&format!("{HERE}/{id}?done=server"))),
        Err(problem) => {
            let flash = FlashMessage::refused("new", FormError::from_problem(frame, problem)?, &form);
            list(&state, frame, flash).await
        }
    }
}

async fn create_server(state: &AppState, form: &SubmittedForm) -> problem::Result<ServerId> {
    let non_empty = |name: &str| Some(form.field(name).trim().to_owned()).filter(|text| !text.is_empty());
    let new = NewServer {
        name: form.field("name").trim().to_owned(),
        description: form.field("description").trim().to_owned(),
        endpoint: form.field("endpoint").to_owned(),
        api_key: non_empty("api_key").map(Into::into),
        header: non_empty("header"),
        enabled: true,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let server = servers::create(&mut transaction, &state.app.secrets, &form.frame.actor, new).await?;
    transaction.commit().await?;
    Ok(server.id)
}

/// Shows a server.
async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<ServerId>,
    Query(query): Query<ListQuery>,
) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    page(&state, &frame, id, flash, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: ServerId,
    flash: FlashMessage<'_>,
    result: Option<TestReport>,
) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let server = servers::find(&mut connection, &frame.actor, id).await?;
    drop(connection);
    let page = One { frame, flash, server, result };
    Ok(page.flash.page(frame, &page))
}

/// Changes a server.
async fn change(State(state): State<AppState>, Path(id): Path<ServerId>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    let update = ServerUpdate {
        name: Some(form.field("name").trim().to_owned()),
        description: Some(form.field("description").trim().to_owned()),
        endpoint: Some(form.field("endpoint").to_owned()),
        api_key: credential(&form),
        header: optional_text(form.field("header")),
        enabled: Some(form.has("enabled")),
        ask_tool: optional_text(form.field("ask_tool")),
        ask_argument: Some(form.field("ask_argument").trim().to_owned()).filter(|text| !text.is_empty()),
    };
    match update_server(&state, frame, id, update).await {
        Ok(()) => Ok(see_other(&format!("{HERE}/{id}?done=server-changed"))),
        Err(problem) => {
            let flash = FlashMessage::refused("change", FormError::from_problem(frame, problem)?, &form);
            page(&state, frame, id, flash, None).await
        }
    }
}

async fn update_server(
    state: &AppState,
    frame: &Frame,
    id: ServerId,
    update: ServerUpdate,
) -> problem::Result<()> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    servers::update(&mut transaction, &state.app.secrets, &frame.actor, id, update).await?;
    Ok(transaction.commit().await?)
}

/// Connects to a server, and shows the result.
async fn test(State(state): State<AppState>, Path(id): Path<ServerId>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = servers::target(&mut connection, &state.app.secrets, &frame.actor, id).await?;
    // No connection is held during the request.
    drop(connection);
    let result = Some(client::test(&target).await);
    if frame.is_partial() {
        return Ok(FlashMessage::default().page(frame, &Outcome { frame, result }));
    }
    page(&state, frame, id, FlashMessage::default(), result).await
}

/// Enables, disables or deletes a server.
async fn act(State(state): State<AppState>, Path(id): Path<ServerId>, form: SubmittedForm) -> PageResult {
    let frame = &form.frame;
    require_administrator(frame)?;
    let enabled = match form.field("action") {
        "enable" => true,
        "disable" => false,
        "delete" => {
            let mut transaction = store::postgres::begin(state.app.pool()).await?;
            servers::delete(&mut transaction, &frame.actor, id).await?;
            transaction.commit().await?;
            return Ok(see_other(&format!("{HERE}?done=server-deleted")));
        }
        _ => return Err(Problem::invalid("the form cannot be read").into()),
    };
    update_server(&state, frame, id, ServerUpdate { enabled: Some(enabled), ..ServerUpdate::default() })
        .await?;
    Ok(see_other(&format!("{HERE}?done=server-changed")))
}
