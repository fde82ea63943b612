//! `/admin/servers`: MCP servers of others that the library may use. A credential goes in and never comes out again.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use registry::client::{self, TestReport};
use registry::servers::{self, NewServer, Server, ServerId, ServerUpdate};

use super::{FlashMessage, ListQuery, credential, require, setting};
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/servers";

#[derive(Template)]
#[template(path = "admin_servers.html")]
struct List<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    servers: Vec<Server>,
}

#[derive(Template)]
#[template(path = "admin_server.html")]
struct One<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    server: Server,
    found: Option<TestReport>,
}

/// Result of a test, as a part of the open page.
#[derive(Template)]
#[template(path = "admin_server.html", block = "result")]
struct Outcome<'page> {
    frame: &'page Frame,
    found: Option<TestReport>,
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
        Ok::<_, Problem>(servers::list(&mut connection, &frame.actor).await?)
    };
    match read.await {
        Ok(servers) => {
            let page = List { frame, told, servers };
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
    let given = |name: &str| Some(posted.field(name).trim().to_owned()).filter(|text| !text.is_empty());
    let made = async {
        let new = NewServer {
            name: posted.field("name").trim().to_owned(),
            description: posted.field("description").trim().to_owned(),
            endpoint: posted.field("endpoint").to_owned(),
            api_key: given("api_key").map(Into::into),
            header: given("header"),
            enabled: true,
        };
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let server = servers::create(&mut transaction, &state.app.secrets, &frame.actor, new).await?;
        transaction.commit().await?;
        Ok::<_, Problem>(server.id)
    };
    match made.await {
        Ok(id) => Ok(see_other(&format!("{HERE}/{id}?done=server"))),
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
    Path(id): Path<ServerId>,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let told = FlashMessage::done(&frame, &asked.done);
    Ok(page(&state, &frame, id, told, None).await)
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: ServerId,
    told: FlashMessage<'_>,
    found: Option<TestReport>,
) -> Response {
    let read = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok::<_, Problem>(servers::find(&mut connection, &frame.actor, id).await?)
    };
    match read.await {
        Ok(server) => {
            let page = One { frame, told, server, found };
            page.told.page(frame, &page)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Changes one.
pub(super) async fn change(
    State(state): State<AppState>,
    Path(id): Path<ServerId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    require(&posted.frame)?;
    let change = ServerUpdate {
        name: Some(posted.field("name").trim().to_owned()),
        description: Some(posted.field("description").trim().to_owned()),
        endpoint: Some(posted.field("endpoint").to_owned()),
        api_key: credential(&posted),
        header: setting(posted.field("header")),
        enabled: Some(posted.has("enabled")),
        ask_tool: setting(posted.field("ask_tool")),
        ask_argument: Some(posted.field("ask_argument").trim().to_owned()).filter(|text| !text.is_empty()),
    };
    match written(&state, &posted, id, change).await {
        Ok(()) => Ok(see_other(&format!("{HERE}/{id}?done=server-changed"))),
        Err(problem) => {
            let told =
                FlashMessage::refused("change", FormError::of_problem(&posted.frame, problem)?, &posted);
            Ok(page(&state, &posted.frame, id, told, None).await)
        }
    }
}

async fn written(
    state: &AppState,
    posted: &SubmittedForm,
    id: ServerId,
    change: ServerUpdate,
) -> Result<(), Problem> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    servers::update(&mut transaction, &state.app.secrets, &posted.frame.actor, id, change).await?;
    Ok(transaction.commit().await?)
}

/// Connects to it, and shows what was found.
pub(super) async fn test(
    State(state): State<AppState>,
    Path(id): Path<ServerId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    let frame = &posted.frame;
    require(frame)?;
    let found = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let target = servers::target(&mut connection, &state.app.secrets, &frame.actor, id).await?;
        // Nothing of the database is held while another server is asked.
        drop(connection);
        Ok::<_, Problem>(client::test(&target).await)
    };
    let found = found.await.map_err(Problem::into_response)?;
    if frame.is_partial() {
        let page = Outcome { frame, found: Some(found) };
        return Ok(FlashMessage::default().page(frame, &page));
    }
    Ok(page(&state, frame, id, FlashMessage::default(), Some(found)).await)
}

/// Enables, disables or deletes one.
pub(super) async fn act(
    State(state): State<AppState>,
    Path(id): Path<ServerId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    require(&posted.frame)?;
    let done = async {
        let enabled = match posted.field("action") {
            "enable" => true,
            "disable" => false,
            "delete" => {
                let mut transaction = store::postgres::begin(state.app.pool()).await?;
                servers::delete(&mut transaction, &posted.frame.actor, id).await?;
                transaction.commit().await?;
                return Ok("server-deleted");
            }
            _ => return Err(Problem::invalid("the form cannot be read")),
        };
        written(&state, &posted, id, ServerUpdate { enabled: Some(enabled), ..ServerUpdate::default() })
            .await?;
        Ok("server-changed")
    };
    let done = done.await.map_err(Problem::into_response)?;
    Ok(see_other(&format!("{HERE}?done={done}")))
}
