//! Links to what a chat is now: made, listed, ended. What they show to others is said before.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chat::chats::{self, Chat, ChatId};
use chat::transfer::shares::{self, Share};
use uuid::Uuid;

use crate::app;
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;
use crate::settings::ShareLinks;

#[derive(Template)]
#[template(path = "ask_share.html")]
struct Page<'page> {
    frame: &'page Frame,
    chat: Chat,
    shares: Vec<Share>,
    /// The address that was made a moment ago, and is not to be had again.
    made: Option<&'page str>,
    fault: Option<&'page FormError>,
    allowed: ShareLinks,
}

impl Page<'_> {
    fn is_off(&self) -> bool {
        self.allowed == ShareLinks::Off
    }

    /// Whether somebody without an account can open a link.
    fn is_for_anyone(&self) -> bool {
        self.allowed == ShareLinks::Anyone
    }
}

/// The links of a chat.
pub(crate) async fn show(State(state): State<AppState>, frame: Frame, Path(chat): Path<Uuid>) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    page(&state, &frame, ChatId(chat), None, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: ChatId,
    made: Option<&str>,
    fault: Option<&FormError>,
) -> Response {
    let read = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let chat = chats::find(&mut connection, &frame.actor, id).await?;
        let shares = shares::list(&mut connection, &frame.actor, id).await?;
        let allowed = state.app.settings.chat.share_links();
        Ok::<_, Problem>(Page { frame, chat, shares, made, fault, allowed })
    };
    match read.await {
        Ok(page) => match fault {
            Some(fault) => fault.written_to(frame.page(fault.status, &page)),
            None => frame.page(if made.is_some() { StatusCode::CREATED } else { StatusCode::OK }, &page),
        },
        Err(problem) => problem.into_response(),
    }
}

/// Makes a link and shows it this once.
pub(crate) async fn share(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    let posted = posted.at(&format!("/ask/{chat}/share"));
    let (frame, id) = (&posted.frame, ChatId(chat));
    if let Err(response) = frame.require_person() {
        return response;
    }
    match app::shares::create(&state.app, &frame.actor, id, posted.field("hours").parse().ok())
        .await
        .map_err(Problem::from)
    {
        Ok((_share, token)) => page(&state, frame, id, Some(&state.share_url(&token)), None).await,
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => problem.into_response(),
        Err(problem) => match FormError::of_problem(frame, problem) {
            Ok(fault) => page(&state, frame, id, None, Some(&fault)).await,
            Err(response) => response,
        },
    }
}

/// Ends a link.
pub(crate) async fn end(
    State(state): State<AppState>,
    Path(chat): Path<Uuid>,
    posted: SubmittedForm,
) -> Response {
    match ended(&state, &posted).await {
        Ok(()) => see_other(&format!("/ask/{chat}/share")),
        Err(problem) => problem.into_response(),
    }
}

async fn ended(state: &AppState, posted: &SubmittedForm) -> Result<()> {
    let id = posted.field("id").parse().map_err(|_none| Problem::invalid("the form cannot be read"))?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(shares::revoke(&mut connection, &posted.frame.actor, shares::ShareId(id)).await?)
}
