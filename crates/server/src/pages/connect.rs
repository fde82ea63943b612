//! `/connect`: copy-paste configuration that connects an agent over MCP, with a new API key filled in. The key is shown once.

use std::collections::BTreeSet;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use identity::keys::NewKey;
use kernel::actor::Scope;
use serde::Deserialize;

use super::error::{PageError, PageResult};
use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use crate::app;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;

/// Placeholder for the key.
const NO_KEY: &str = "wy_…";

/// Days until a key expires, unless another value is chosen.
const DEFAULT_DAYS: &str = "90";

/// Routes of the page.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/connect", get(show).post(create_key))
}

/// Query: a preselected library.
#[derive(Deserialize)]
struct ConnectQuery {
    /// Library that the key is limited to.
    #[serde(default)]
    library: String,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct Page<'page> {
    frame: &'page Frame,
    libraries: Vec<String>,
    /// Selected library; empty for all.
    library: &'page str,
    name: &'page str,
    /// Ticked scopes besides reading.
    notes: bool,
    chats: bool,
    /// Days until the key expires; empty if it does not.
    days: &'page str,
    /// Secret of the key, right after it was created.
    key: Option<&'page str>,
    address: &'page str,
    error: Option<&'page FormError>,
}

/// Configuration of a client program.
struct Client {
    id: &'static str,
    name: &'static str,
    /// Place of the configuration: a value of the enumeration `connect-place`.
    place: &'static str,
    lines: String,
}

impl Page<'_> {
    fn key_or_placeholder(&self) -> &str {
        self.key.unwrap_or(NO_KEY)
    }

    fn clients(&self) -> [Client; 4] {
        let (address, key) = (self.address, self.key_or_placeholder());
        let headers = format!("{{\n        \"Authorization\": \"Bearer {key}\"\n      }}");
        [
            Client {
                id: "claude-code",
                name: "Claude Code",
                place: "terminal",
                lines: format!(
                    "claude mcp add --transport http wenyuan {address}/mcp \\\n  --header \"Authorization: Bearer {key}\""
                ),
            },
            Client {
                id: "cursor",
                name: "Cursor",
                place: "cursor",
                lines: format!(
                    "{{\n  \"mcpServers\": {{\n    \"wenyuan\": {{\n      \"url\": \"{address}/mcp\",\n      \"headers\": {headers}\n    }}\n  }}\n}}"
                ),
            },
            Client {
                id: "vs-code",
                name: "VS Code",
                place: "vscode",
                lines: format!(
                    "{{\n  \"servers\": {{\n    \"wenyuan\": {{\n      \"type\": \"http\",\n      \"url\": \"{address}/mcp\",\n      \"headers\": {headers}\n    }}\n  }}\n}}"
                ),
            },
            Client {
                id: "curl",
                name: "curl",
                place: "terminal",
                lines: format!(
                    "curl -G {address}/api/v1/search \\\n  -H \"Authorization: Bearer {key}\" \\\n  --data-urlencode q=timeout"
                ),
            },
        ]
    }
}

/// Shows the form for a key, and the configurations with a placeholder.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ConnectQuery>) -> PageResult {
    frame.require_sign_in()?;
    let values =
        NewKeyForm { name: "", library: &query.library, notes: true, chats: false, days: DEFAULT_DAYS };
    page(&state, &frame, &values, None, None).await
}

/// Values of the form.
struct NewKeyForm<'form> {
    name: &'form str,
    library: &'form str,
    notes: bool,
    chats: bool,
    days: &'form str,
}

async fn page(
    state: &AppState,
    frame: &Frame,
    values: &NewKeyForm<'_>,
    key: Option<&str>,
    error: Option<&FormError>,
) -> PageResult {
    let catalogue = state.app.engine.catalogue().await?;
    let libraries =
        catalogue.libraries(&frame.actor).iter().map(|library| library.name.to_string()).collect();
    let page = Page {
        frame,
        libraries,
        library: values.library,
        name: values.name,
        notes: values.notes,
        chats: values.chats,
        days: values.days,
        key,
        address: &state.address,
        error,
    };
    Ok(match key {
        Some(_) => frame.page(StatusCode::CREATED, &page),
        None => frame.form_page(error, &page),
    })
}

/// Creates a key, and shows the configurations with it.
async fn create_key(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/connect");
    let frame = &form.frame;
    let values = NewKeyForm {
        name: form.field("name"),
        library: form.field("library"),
        notes: form.has("notes"),
        chats: form.has("chats"),
        days: form.field("days"),
    };
    let mut scopes = BTreeSet::from([Scope::Read]);
    scopes.extend(values.notes.then_some(Scope::Notes));
    scopes.extend(values.chats.then_some(Scope::Chats));
    let new = NewKey {
        name: values.name.to_owned(),
        scopes,
        libraries: (!values.library.is_empty()).then(|| BTreeSet::from([values.library.to_owned()])),
        rate_limit: None,
        seconds: values.days.parse::<u16>().ok().map(|days| i64::from(days) * 86_400),
    };
    let created = if values.chats && !values.library.is_empty() {
        Err(Problem::invalid(
            "a key for one library cannot access questions and answers: leave these out, or choose all libraries",
        ))
    } else {
        app::keys::create(&state.app, &frame.actor, new).await.map_err(Problem::from)
    };
    match created {
        Ok((_key, secret)) => page(&state, frame, &values, Some(secret.reveal()), None).await,
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Err(PageError::sign_in("/connect")),
        Err(problem) => {
            let error = FormError::from_problem(frame, problem)?;
            page(&state, frame, &values, None, Some(&error)).await
        }
    }
}
