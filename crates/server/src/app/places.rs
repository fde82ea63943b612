//! Addresses of the form `/l/{library}/{version}/…`: which version one means.

use std::sync::Arc;

use kernel::actor::Actor;
use library::catalogue::{Library, Version};
use library::label::{InvalidLabel, VersionRequest};
use library::{Error, names};

use super::{App, address};

/// Meaning of an address.
pub(crate) enum Place {
    /// It names a version by its label.
    Exact(VersionPlace),
    /// It names a version otherwise (`latest`, `5.x`, `active`): the address of that version.
    Redirect(String),
}

/// A version of a library that is visible to the actor.
pub(crate) struct VersionPlace {
    pub(crate) library: Arc<Library>,
    pub(crate) version: Version,
}

/// Resolves the library and version of an address.
///
/// # Errors
/// Fails where either is absent or not visible to the actor.
pub(crate) async fn resolve(app: &App, actor: &Actor, library: &str, version: &str) -> Result<Place, Error> {
    let catalogue = app.engine.catalogue().await?;
    let name = address::library(library).map_err(|error: names::InvalidName| Error::from(error))?;
    let library = catalogue.library(actor, &name)?;
    // A label that exists is meant, whatever else the word stands for.
    let exact = library.versions.iter().find(|held| held.label.as_str() == version);
    if let Some(version) = exact {
        return Ok(Place::Exact(VersionPlace { library: Arc::clone(library), version: version.clone() }));
    }
    let request: VersionRequest = if version == "active" {
        VersionRequest::Active
    } else {
        version.parse().map_err(|error: InvalidLabel| Error::from(error))?
    };
    let meant = library.resolve(&request)?;
    Ok(Place::Redirect(address::of_version(&library.name, &meant.label)))
}
