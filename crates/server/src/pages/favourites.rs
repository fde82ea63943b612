//! `/favourites`: makes a document a favourite of the reader, or not one any more. The home page lists them.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use library::favourites;
use library::ids::DocumentId;
use uuid::Uuid;

use super::error::PageResult;
use super::forms::SubmittedForm;
use super::{local, see_other};
use crate::http::AppState;
use crate::http::problem::Problem;

/// Routes of favourites.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/favourites", post(set))
}

/// Adds or removes a favourite, and returns to the document.
async fn set(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let back = local(form.field("back")).unwrap_or("/").to_owned();
    let form = form.at(&back);
    form.frame.require_sign_in()?;
    let document: Uuid =
        form.field("document").parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))?;
    let is_favourite = form.field("favourite") == "yes";
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    favourites::set(&mut transaction, &form.frame.actor, DocumentId(document), is_favourite).await?;
    transaction.commit().await?;
    Ok(see_other(&back))
}
