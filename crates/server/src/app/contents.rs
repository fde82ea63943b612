//! Contents of versions, cached: trees of folders, and what to read before and after a document.

use std::sync::{Arc, LazyLock};

use kernel::actor::Actor;
use library::access::Level;
use library::catalogue::{Library, Version};
use library::changes::{self, Sequence};
use library::documents::contents::{self, Contents, ContentsState};
use library::{Error, ids::VersionId};
use moka::sync::Cache;
use sqlx::PgConnection;

use crate::app::App;

/// Size of the cache.
const CACHE_BYTES: u64 = 32 << 20;

/// Contents of a version as they were last read.
#[derive(Clone)]
struct Cached {
    /// Change up to which they are known to hold.
    sequence: Sequence,
    state: ContentsState,
    contents: Arc<Contents>,
}

static CONTENTS: LazyLock<Cache<VersionId, Cached>> = LazyLock::new(|| {
    let weigh =
        |_: &VersionId, cached: &Cached| u32::try_from(cached.contents.weight() + 200).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build()
});

/// Returns the contents of a version.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub(crate) async fn of_version(
    app: &App,
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
) -> Result<Arc<Contents>, Error> {
    library.require(actor, Level::Read)?;
    // Read first: what changes meanwhile is noticed the next time.
    let sequence = changes::sequence(&mut *connection).await?;
    let known = CONTENTS.get(&version.id);
    if let Some(known) = known.as_ref().filter(|known| known.sequence == sequence) {
        return Ok(Arc::clone(&known.contents));
    }
    let state = contents::state(&mut *connection, actor, library, version).await?;
    // A change of another version leaves the contents as they are.
    let contents = match known.filter(|known| known.state == state) {
        Some(known) => known.contents,
        None => Arc::new(contents::read(connection, &app.objects, actor, library, version).await?),
    };
    CONTENTS.insert(version.id, Cached { sequence, state, contents: Arc::clone(&contents) });
    Ok(contents)
}
