//! `/start`: the first steps with a new server, ticked as they are done. The home page shows them too while the reader has no
//! documents but the guide.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use library::catalogue::Catalogue;

use super::error::PageResult;
use super::frame::Frame;
use crate::app::guide;
use crate::http::AppState;
use crate::http::problem;

/// Routes of the page.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/start", get(show))
}

/// First steps. Those that only an administrator can take are `None` for others.
pub(super) struct Steps {
    /// Whether a library other than the guide has documents.
    pub(super) has_documents: bool,
    /// Whether an agent has a key.
    pub(super) has_agent: bool,
    /// Whether a language model is set up.
    pub(super) has_model: Option<bool>,
    /// Whether there is another account.
    pub(super) has_people: Option<bool>,
}

impl Steps {
    /// Reads which steps are done, for a reader who is signed in.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub(super) async fn read(
        state: &AppState,
        frame: &Frame,
        catalogue: &Catalogue,
    ) -> problem::Result<Self> {
        let actor = &frame.actor;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        // Administrators see the keys of others too.
        let keys = identity::keys::list(&mut connection, actor).await?;
        let has_agent = keys.iter().any(|key| key.user.as_deref() == frame.user());
        let (mut has_model, mut has_people) = (None, None);
        if frame.is_administrator() {
            has_model = Some(!chat::models::choices(&mut connection, actor).await?.is_empty());
            has_people = Some(identity::users::list(&mut connection, actor, None, 2).await?.items.len() > 1);
        }
        Ok(Self { has_documents: has_documents(frame, catalogue), has_agent, has_model, has_people })
    }

    /// Returns each step as its name in translations, its address, and whether it is done.
    pub(super) fn list(&self) -> Vec<(&'static str, &'static str, bool)> {
        let steps = [
            ("documents", "/add", Some(self.has_documents)),
            ("agent", "/connect", Some(self.has_agent)),
            ("model", "/admin/models", self.has_model),
            ("people", "/admin/users", self.has_people),
        ];
        steps.into_iter().filter_map(|(name, link, done)| Some((name, link, done?))).collect()
    }
}

/// Whether the reader has documents other than the guide.
pub(super) fn has_documents(frame: &Frame, catalogue: &Catalogue) -> bool {
    let libraries = catalogue.libraries(&frame.actor);
    libraries.iter().any(|library| library.name.as_str() != guide::LIBRARY && library.active.is_some())
}

#[derive(Template)]
#[template(path = "start.html")]
struct Page<'page> {
    frame: &'page Frame,
    steps: Steps,
}

/// Shows the steps.
async fn show(State(state): State<AppState>, frame: Frame) -> PageResult {
    frame.require_sign_in()?;
    let catalogue = state.app.engine.catalogue().await?;
    let steps = Steps::read(&state, &frame, &catalogue).await?;
    Ok(frame.page(StatusCode::OK, &Page { frame: &frame, steps }))
}
