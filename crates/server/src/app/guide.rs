//! The guides and the reference of this release (`docs/`): embedded, and the first documents of the library, so that a search
//! finds something at once.

use bytes::Bytes;
use kernel::actor::Actor;
use kernel::chain::Chain;
use library::access::Visibility;
use library::documents::Target;
use library::label::Label;
use library::libraries::LibraryDetails;
use library::names::LibraryName;
use library::uploads::{self, Upload};
use library::{Error, catalogue, grants, libraries};
use rust_embed::RustEmbed;

use crate::app::App;

#[derive(RustEmbed)]
#[folder = "../../docs"]
#[include = "*.md"]
#[include = "components.html"]
struct Guide;

/// Library of the guide.
pub(crate) const LIBRARY: &str = "wenyuan";
const TITLE: &str = "Wenyuan (文渊)";
const DESCRIPTION: &str = "The guide of Wenyuan: how to use it and how to run it.";

/// Returns a file of the guides by its path in `docs/`: `guide/asking.md`.
pub(crate) fn file(name: &str) -> Option<Bytes> {
    Guide::get(name).map(|file| Bytes::from(file.data.into_owned()))
}

/// Adds the guide of this release as a version of the library `wenyuan`, and activates it. A failure is logged.
pub(crate) async fn add(app: &App) {
    if let Err(error) = try_add(app).await {
        tracing::warn!(error = %Chain(&error), "failed to add the guide");
    }
}

async fn try_add(app: &App) -> Result<(), Error> {
    let owner = Actor::owner();
    let library: LibraryName = LIBRARY.parse()?;
    let version: Label = env!("CARGO_PKG_VERSION").parse()?;
    let mut guide = Vec::new();
    for path in Guide::iter().filter(|path| path.ends_with(".md")) {
        let Some(file) = Guide::get(&path) else { continue };
        guide.push(Upload::from_bytes(path.parse()?, Bytes::from(file.data.into_owned())));
    }
    let target = Target::new(library.clone(), version.clone());
    uploads::add(app.pool(), &app.objects, &owner, &target, guide).await?;
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let catalogue = catalogue::read(&mut transaction).await?;
    let library = catalogue.library(&owner, &library)?;
    if let Some(added) = library.versions.iter().find(|candidate| candidate.label == version)
        && library.active != Some(added.id)
    {
        libraries::activate_version(&mut transaction, &owner, library, added.id).await?;
    }
    if library.title == LIBRARY {
        let details = LibraryDetails {
            title: Some(TITLE),
            description: Some(DESCRIPTION),
            ..LibraryDetails::default()
        };
        libraries::describe(&mut transaction, &owner, library, details).await?;
        // People without an account read here how to get one.
        grants::set_visibility(&mut transaction, &owner, library, Visibility::Public).await?;
    }
    transaction.commit().await?;
    Ok(())
}
