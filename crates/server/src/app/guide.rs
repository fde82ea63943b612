//! The guides and the reference of this release (`docs/`): embedded, and the first documents of the library, so that a search
//! finds something at once.

use bytes::Bytes;
use kernel::actor::Actor;
use kernel::chain::Chain;
use library::access::Visibility;
use library::documents::Target;
use library::label::Label;
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

/// The library that holds the guide.
const LIBRARY: &str = "wenyuan";

/// Returns a file of the guides by its path in `docs/`: `guide/asking.md`.
pub(crate) fn file(name: &str) -> Option<Bytes> {
    Guide::get(name).map(|file| Bytes::from(file.data.into_owned()))
}

/// Adds the guide of this release as a version of the library `wenyuan`, and lets it answer. A guide that cannot be
/// added keeps nobody from working.
pub(crate) async fn add(app: &App) {
    if let Err(error) = try_add(app).await {
        tracing::warn!(error = %Chain(&error), "the guide could not be added to the library");
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
    let held = catalogue.library(&owner, &library)?;
    if let Some(own) = held.versions.iter().find(|held| held.label == version)
        && held.active != Some(own.id)
    {
        libraries::activate_version(&mut transaction, &owner, held, own.id).await?;
    }
    if held.title == LIBRARY {
        let about = "The guide of this library: how to use it and how to run it.";
        libraries::describe(&mut transaction, &owner, held, Some("Wenyuan (文渊)"), Some(about)).await?;
        // Who has no account yet reads here how to get one.
        grants::set_visibility(&mut transaction, &owner, held, Visibility::Public).await?;
    }
    transaction.commit().await?;
    Ok(())
}
