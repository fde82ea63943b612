//! Changes of a library and its versions; each form returns to the page it came from.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use library::access::Visibility;
use library::ids::DocumentId;
use library::label::VersionRequest;
use library::names::LibraryName;
use library::{Error, documents, grants, libraries};

use super::version::{self, VersionQuery};
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::FormError;
use crate::pages::see_other;

/// Changes a library, or deletes it.
pub(super) async fn library(
    State(state): State<AppState>,
    Path(part): Path<String>,
    posted: SubmittedForm,
) -> Response {
    let name = match address::library(&part) {
        Ok(name) => name,
        Err(error) => return Problem::from(Error::from(error)).into_response(),
    };
    let here = address::of_library(&name);
    let posted = posted.at(&here);
    if let Err(sign_in) = posted.frame.require_person() {
        return sign_in;
    }
    let problem = match change_library(&state, &posted, &name).await {
        Ok("deleted") => return see_other("/libraries"),
        Ok(done) => return see_other(&format!("{here}?done={done}")),
        Err(problem) => problem,
    };
    match FormError::of_problem(&posted.frame, problem) {
        Ok(mut fault) => {
            if posted.field("action") == "delete" && !is_confirmed(&posted, &name) {
                (fault.text, fault.detail) = (posted.frame.t("libraries-delete-name").into_owned(), None);
            }
            super::page(&state, &posted.frame, &part, None, Some((&posted, &fault))).await
        }
        Err(answer) => answer,
    }
}

/// Whether the name of what is to be deleted was written.
fn is_confirmed(posted: &SubmittedForm, name: &LibraryName) -> bool {
    posted.field("name").trim() == name.as_str()
}

async fn change_library(
    state: &AppState,
    posted: &SubmittedForm,
    name: &LibraryName,
) -> Result<&'static str> {
    let actor = &posted.frame.actor;
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let library = libraries::lock(&mut transaction, actor, catalogue.library(actor, name)?).await?;
    let done = match posted.field("action") {
        "describe" => {
            let title = posted.field("title").trim();
            let title = if title.is_empty() { name.as_str() } else { title };
            let description = posted.field("description").trim();
            libraries::describe(&mut transaction, actor, &library, Some(title), Some(description)).await?;
            let visibility = match posted.field("visibility") {
                "private" => Visibility::Private,
                "team" => Visibility::Team,
                "public" => Visibility::Public,
                _ => library.visibility,
            };
            if visibility != library.visibility {
                grants::set_visibility(&mut transaction, actor, &library, visibility).await?;
            }
            "changed"
        }
        "delete" if is_confirmed(posted, name) => {
            libraries::delete(&mut transaction, actor, &library).await?;
            "deleted"
        }
        "delete" => return Err(Problem::invalid("the name does not match; nothing was deleted")),
        _ => return Err(Problem::invalid("the form cannot be read")),
    };
    transaction.commit().await?;
    Ok(done)
}

/// Lets a version answer by default, reads again what failed in it, or deletes it.
pub(super) async fn version(
    State(state): State<AppState>,
    Path((library, label)): Path<(String, String)>,
    Query(wanted): Query<VersionQuery>,
    posted: SubmittedForm,
) -> Response {
    let (library, label) = match names(&library, &label) {
        Ok(names) => names,
        Err(problem) => return problem.into_response(),
    };
    let here = address::of_version(&library, &label);
    let posted = posted.at(&here);
    if let Err(sign_in) = posted.frame.require_person() {
        return sign_in;
    }
    let problem = match change_version(&state, &posted, &library, &label).await {
        Ok(done) if done == "version-deleted" => {
            return see_other(&format!("{}?done={done}", address::of_library(&library)));
        }
        Ok(done) => return see_other(&wanted.link(&here, "done", done)),
        Err(problem) => problem,
    };
    let fault = match FormError::of_problem(&posted.frame, problem) {
        Ok(fault) => fault,
        Err(answer) => return answer,
    };
    match version::place(&state, &posted.frame, library.as_str(), label.as_str()).await {
        Ok((library, found)) => {
            version::page(&state, &posted.frame, &library, &found, &wanted, Some(&fault)).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn names(library: &str, label: &str) -> Result<(LibraryName, library::label::Label)> {
    Ok((address::library(library).map_err(Error::from)?, input::label(label)?))
}

async fn change_version(
    state: &AppState,
    posted: &SubmittedForm,
    name: &LibraryName,
    label: &library::label::Label,
) -> Result<&'static str> {
    let actor = &posted.frame.actor;
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let library = &libraries::lock(&mut transaction, actor, catalogue.library(actor, name)?).await?;
    let version = library.resolve(&VersionRequest::Exact(label.clone()))?;
    let done = match posted.field("action") {
        "activate" => {
            libraries::activate_version(&mut transaction, actor, library, version.id).await?;
            "activated"
        }
        "delete" => {
            libraries::delete_version(&mut transaction, actor, library, version).await?;
            "version-deleted"
        }
        "delete-document" => {
            let document = posted.field("document").parse().map_err(|_none| Error::NoDocument)?;
            documents::delete(&mut transaction, actor, document).await?;
            "document-deleted"
        }
        "retry" => {
            let document: Option<DocumentId> = match posted.field("document") {
                "" => None,
                id => Some(id.parse().map_err(|_none| Error::NoDocument)?),
            };
            documents::retry(&mut transaction, actor, library, version, document).await?;
            "retried"
        }
        _ => return Err(Problem::invalid("the form cannot be read")),
    };
    transaction.commit().await?;
    Ok(done)
}
