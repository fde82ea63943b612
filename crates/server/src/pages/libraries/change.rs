//! Forms that change a library or a version; each returns to its page.

use axum::extract::State;
use library::access::Visibility;
use library::ids::DocumentId;
use library::label::VersionRequest;
use library::libraries::LibraryDetails;
use library::names::LibraryName;
use library::{Error, documents, grants, libraries};

use super::version::{self, VersionQuery};
use crate::app::{address, community};
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::FormError;
use crate::pages::see_other;

/// Changes or deletes a library.
pub(super) async fn library(
    State(state): State<AppState>,
    Path(part): Path<String>,
    form: SubmittedForm,
) -> PageResult {
    let name = address::library(&part).map_err(Error::from)?;
    let here = address::of_library(&name);
    let form = form.at(&here);
    form.frame.require_sign_in()?;
    let problem = match change_library(&state, &form, &name).await {
        Ok("deleted") => return Ok(see_other("/libraries")),
        Ok(done) => return Ok(see_other(&format!("{here}?done={done}"))),
        Err(problem) => problem,
    };
    let mut error = FormError::from_problem(&form.frame, problem)?;
    if form.field("action") == "delete" && !is_confirmed(&form, &name) {
        (error.text, error.detail) = (form.frame.t("libraries-delete-name").into_owned(), Vec::new());
    }
    super::page(&state, &form.frame, &part, None, Some((&form, &error))).await
}

/// Whether the form repeats the name of the library to delete.
fn is_confirmed(form: &SubmittedForm, name: &LibraryName) -> bool {
    form.field("name").trim() == name.as_str()
}

async fn change_library(state: &AppState, form: &SubmittedForm, name: &LibraryName) -> Result<&'static str> {
    let actor = &form.frame.actor;
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let library = libraries::lock(&mut transaction, actor, catalogue.library(actor, name)?).await?;
    let done = match form.field("action") {
        "describe" => {
            let title = form.field("title").trim();
            let title = if title.is_empty() { name.as_str() } else { title };
            let description = form.field("description").trim();
            let details = LibraryDetails {
                title: Some(title),
                description: Some(description),
                link_base: Some(form.field("link_base")),
            };
            libraries::describe(&mut transaction, actor, &library, details).await?;
            let visibility = match form.field("visibility") {
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
        "delete" if is_confirmed(form, name) => {
            community::delete_library(&mut transaction, actor, &library).await?;
            "deleted"
        }
        "delete" => return Err(Problem::invalid("the name does not match; nothing was deleted")),
        _ => return Err(Problem::invalid("the form cannot be read")),
    };
    transaction.commit().await?;
    Ok(done)
}

/// Activates or deletes a version, deletes a document, or retries failed documents.
pub(super) async fn version(
    State(state): State<AppState>,
    Path((library, label)): Path<(String, String)>,
    Query(query): Query<VersionQuery>,
    form: SubmittedForm,
) -> PageResult {
    let (library, label) = names(&library, &label)?;
    let here = address::of_version(&library, &label);
    let form = form.at(&here);
    form.frame.require_sign_in()?;
    let problem = match change_version(&state, &form, &library, &label).await {
        Ok(done) if done == "version-deleted" => {
            return Ok(see_other(&format!("{}?done={done}", address::of_library(&library))));
        }
        Ok(done) => return Ok(see_other(&query.link(&here, "done", done))),
        Err(problem) => problem,
    };
    let error = FormError::from_problem(&form.frame, problem)?;
    let (library, version) = version::find(&state, &form.frame, library.as_str(), label.as_str()).await?;
    version::page(&state, &form.frame, &library, &version, &query, Some(&error)).await
}

fn names(library: &str, label: &str) -> Result<(LibraryName, library::label::Label)> {
    Ok((address::library(library).map_err(Error::from)?, input::label(label)?))
}

async fn change_version(
    state: &AppState,
    form: &SubmittedForm,
    name: &LibraryName,
    label: &library::label::Label,
) -> Result<&'static str> {
    let actor = &form.frame.actor;
    let catalogue = state.app.engine.catalogue().await?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let library = &libraries::lock(&mut transaction, actor, catalogue.library(actor, name)?).await?;
    let version = library.resolve(&VersionRequest::Exact(label.clone()))?;
    let done = match form.field("action") {
        "activate" => {
            libraries::activate_version(&mut transaction, actor, library, version.id).await?;
            "activated"
        }
        "delete" => {
            libraries::delete_version(&mut transaction, actor, library, version).await?;
            "version-deleted"
        }
        "delete-document" => {
            let document = form.field("document").parse().map_err(|_invalid| Error::NoDocument)?;
            documents::delete(&mut transaction, actor, document).await?;
            "document-deleted"
        }
        "retry" => {
            let document: Option<DocumentId> = match form.field("document") {
                "" => None,
                id => Some(id.parse().map_err(|_invalid| Error::NoDocument)?),
            };
            documents::retry(&mut transaction, actor, library, version, document).await?;
            "retried"
        }
        _ => return Err(Problem::invalid("the form cannot be read")),
    };
    transaction.commit().await?;
    Ok(done)
}
