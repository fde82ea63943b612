//! `/connect`: the exact lines that connect an agent, with a key made on the spot. The key is shown this once, within them.

use std::collections::BTreeSet;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use identity::keys::NewKey;
use kernel::actor::Scope;
use serde::Deserialize;

use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::see_other;
use crate::app;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;

/// Placeholder for the key.
const NO_KEY: &str = "wy_…";

/// How long a key lives where nothing else is chosen.
const USUAL_DAYS: &str = "90";

/// The routes of this room.
pub(super) fn router() -> Router<AppState> {
    Router::new().route("/connect", get(show).post(make))
}

/// From where one comes.
#[derive(Deserialize)]
struct Place {
    /// The library that the key is to be confined to.
    #[serde(default)]
    library: String,
}

#[derive(Template)]
#[template(path = "connect.html")]
struct Page<'page> {
    frame: &'page Frame,
    libraries: Vec<String>,
    /// The one that is chosen; empty for all.
    library: &'page str,
    name: &'page str,
    /// Ticked scopes besides reading.
    notes: bool,
    chats: bool,
    /// How long the key lives; empty where for good.
    days: &'page str,
    /// The key, in the answer that made it.
    key: Option<&'page str>,
    address: &'page str,
    fault: Option<&'page FormError>,
}

/// How a program is told of the library.
struct Client {
    id: &'static str,
    name: &'static str,
    /// Where the lines go: a key of the catalogue.
    place: &'static str,
    lines: String,
}

impl Page<'_> {
    fn shown_key(&self) -> &str {
        self.key.unwrap_or(NO_KEY)
    }

    fn clients(&self) -> [Client; 4] {
        let (address, key) = (self.address, self.shown_key());
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

/// Asks what the key is for, and shows the lines.
async fn show(State(state): State<AppState>, frame: Frame, Query(place): Query<Place>) -> Response {
    if let Err(sign_in) = frame.require_person() {
        return sign_in;
    }
    let form = Form { name: "", library: &place.library, notes: true, chats: false, days: USUAL_DAYS };
    page(&state, &frame, &form, StatusCode::OK, None, None).await
}

/// Values of the form.
struct Form<'form> {
    name: &'form str,
    library: &'form str,
    notes: bool,
    chats: bool,
    days: &'form str,
}

async fn page(
    state: &AppState,
    frame: &Frame,
    form: &Form<'_>,
    status: StatusCode,
    key: Option<&str>,
    fault: Option<&FormError>,
) -> Response {
    let catalogue = match state.app.engine.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return Problem::from(error).into_response(),
    };
    let libraries =
        catalogue.libraries(&frame.actor).iter().map(|library| library.name.to_string()).collect();
    let page = Page {
        frame,
        libraries,
        library: form.library,
        name: form.name,
        notes: form.notes,
        chats: form.chats,
        days: form.days,
        key,
        address: &state.address,
        fault,
    };
    frame.page(status, &page)
}

/// Makes the key, and shows the lines with it.
async fn make(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let posted = posted.at("/connect");
    let frame = &posted.frame;
    let form = Form {
        name: posted.field("name"),
        library: posted.field("library"),
        notes: posted.has("notes"),
        chats: posted.has("chats"),
        days: posted.field("days"),
    };
    let mut scopes = BTreeSet::from([Scope::Read]);
    scopes.extend(form.notes.then_some(Scope::Notes));
    scopes.extend(form.chats.then_some(Scope::Chats));
    let new = NewKey {
        name: form.name.to_owned(),
        scopes,
        libraries: (!form.library.is_empty()).then(|| BTreeSet::from([form.library.to_owned()])),
        rate_limit: None,
        seconds: form.days.parse::<u16>().ok().map(|days| i64::from(days) * 86_400),
    };
    let made = if form.chats && !form.library.is_empty() {
        Err(Problem::invalid(
            "a key for one library reaches no questions and answers: leave these out, or choose all libraries",
        ))
    } else {
        app::keys::create(&state.app, &frame.actor, new).await.map_err(Problem::from)
    };
    match made {
        Ok((_key, secret)) => {
            page(&state, frame, &form, StatusCode::CREATED, Some(secret.reveal()), None).await
        }
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => see_other("/sign-in?next=/connect"),
        Err(problem) => match FormError::of_problem(frame, problem) {
            Ok(fault) => page(&state, frame, &form, fault.status, None, Some(&fault)).await,
            Err(answer) => answer,
        },
    }
}
