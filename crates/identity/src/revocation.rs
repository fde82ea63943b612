//! Invalidation of cached credentials after a change.

use sqlx::PgConnection;

use crate::Error;

/// Makes every node drop its cached keys and sessions when the transaction commits.
pub(crate) async fn announce(connection: &mut PgConnection) -> Result<(), Error> {
    Ok(store::cache::invalidate_all(connection).await?)
}
