//! Resolution of addresses of the form `/l/{library}/{version}/…` to a version.

use std::sync::Arc;

use kernel::actor::Actor;
use library::catalogue::{Library, Version};
use library::label::{InvalidLabel, VersionRequest};
use library::{Error, names};

use super::{App, address};

/// Resolved address.
pub(crate) enum Place {
    /// It names a version by its label.
    Exact(VersionPlace),
    /// It names a version by a request (`latest`, `5.x`, `active`): the address of the resolved version.
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
    // A label that exists has precedence over a request of the same name.
    let exact = library.versions.iter().find(|held| held.label.as_str() == version);
    if let Some(version) = exact {
        return Ok(Place::Exact(VersionPlace { library: Arc::clone(library), version: version.clone() }));
    }
    let request: VersionRequest = if version == "active" {
        VersionRequest::Active
    } else {
        version.parse().map_err(|error: InvalidLabel| Error::from(error))?
    };
    let version = library.resolve(&request)?;
    Ok(Place::Redirect(address::of_version(&library.name, &version.label)))
}
