//! Share links of a chat: created, listed, revoked. The page says beforehand what a link shows.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use chat::chats::{self, Chat, ChatId};
use chat::transfer::shares::{self, Share};
use uuid::Uuid;

use crate::app;
use crate::http::AppState;
use crate::http::input::Path;
use crate::http::problem::Problem;
use crate::pages::error::PageResult;
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
    /// Address of the link that was just created, which is not shown again.
    created: Option<&'page str>,
    error: Option<&'page FormError>,
    allowed: ShareLinks,
}

impl Page<'_> {
    fn is_off(&self) -> bool {
        self.allowed == ShareLinks::Off
    }

    /// Whether readers without an account can open a link.
    fn is_for_anyone(&self) -> bool {
        self.allowed == ShareLinks::Anyone
    }
}

/// Routes of share links.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ask/{chat}/share", get(show).post(create))
        .route("/ask/{chat}/share/end", post(revoke))
}

/// Shows the links of a chat.
async fn show(State(state): State<AppState>, frame: Frame, Path(chat): Path<Uuid>) -> PageResult {
    frame.require_sign_in()?;
    page(&state, &frame, ChatId(chat), None, None).await
}

async fn page(
    state: &AppState,
    frame: &Frame,
    id: ChatId,
    created: Option<&str>,
    error: Option<&FormError>,
) -> PageResult {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let chat = chats::find(&mut connection, &frame.actor, id).await?;
    let shares = shares::list(&mut connection, &frame.actor, id).await?;
    drop(connection);
    let allowed = state.app.settings.chat.share_links();
    let page = Page { frame, chat, shares, created, error, allowed };
    Ok(match created {
        Some(_) => frame.page(StatusCode::CREATED, &page),
        None => frame.form_page(error, &page),
    })
}

/// Creates a link, and shows it once.
async fn create(State(state): State<AppState>, Path(chat): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("/ask/{chat}/share"));
    let (frame, id) = (&form.frame, ChatId(chat));
    frame.require_sign_in()?;
    let hours = form.field("hours").parse().ok();
    match app::shares::create(&state.app, &frame.actor, id, hours).await.map_err(Problem::from) {
        Ok((_share, token)) => page(&state, frame, id, Some(&state.share_url(&token)), None).await,
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => Err(problem.into()),
        Err(problem) => {
            let error = FormError::from_problem(frame, problem)?;
            page(&state, frame, id, None, Some(&error)).await
        }
    }
}

/// Revokes a link.
async fn revoke(State(state): State<AppState>, Path(chat): Path<Uuid>, form: SubmittedForm) -> PageResult {
    let id = form.field("id").parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    shares::revoke(&mut connection, &form.frame.actor, shares::ShareId(id)).await?;
    Ok(see_other(&format!("/ask/{chat}/share")))
}
