//! API keys: creating, disabling and deleting them, effective at once on every node.

use std::collections::BTreeSet;

use identity::keys::{self, Key, NewKey};
use kernel::actor::{Actor, KeyId};
use kernel::secret::Token;
use library::names::LibraryName;

use super::App;
use super::error::Result;
use super::sessions::require_person;

/// Creates a key of the actor's own and returns it with its secret, which is not stored.
///
/// # Errors
/// Fails for anonymous actors and API keys, and if a library does not exist for the actor: a misspelt name would create a key that
/// reaches nothing.
pub(crate) async fn create(app: &App, actor: &Actor, mut new: NewKey) -> Result<(Key, Token)> {
    let user = require_person(actor)?;
    if let Some(libraries) = new.libraries.take() {
        let catalogue = app.engine.catalogue().await?;
        let mut names = BTreeSet::new();
        for name in libraries {
            let name: LibraryName = name.parse().map_err(library::Error::from)?;
            names.insert(catalogue.library(actor, &name)?.name.to_string());
        }
        new.libraries = Some(names);
    }
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let created = keys::create(&mut transaction, actor, Some(user), new).await?;
    transaction.commit().await?;
    Ok(created)
}

/// Enables or disables a key.
pub(crate) async fn set_enabled(app: &App, actor: &Actor, id: KeyId, enabled: bool) -> Result<Key> {
    let mut transaction = app.begin().await?;
    let key = keys::enable(&mut transaction, actor, id, enabled).await?;
    transaction.commit().await?;
    Ok(key)
}

/// Deletes a key.
pub(crate) async fn delete(app: &App, actor: &Actor, id: KeyId) -> Result<()> {
    let mut transaction = app.begin().await?;
    keys::delete(&mut transaction, actor, id).await?;
    transaction.commit().await?;
    Ok(())
}
