//! Transactions that invalidate caches when they commit.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Deref, DerefMut};

use futures::future::join_all;
use sqlx::{PgConnection, Postgres};

use super::{ALL, Caches, Namespace, normalize};

/// A database transaction with the invalidations that it causes.
///
/// A function whose write outdates cached values takes one in place of a connection and registers the invalidation beside
/// its statement. [`commit`](Self::commit) applies them; there is no other way to, so a caller cannot forget it. A connection
/// or a plain transaction is not accepted:
///
/// ```compile_fail
/// # use store::cache::{Namespace, Transaction};
/// const THEMES: Namespace = Namespace::new("themes");
///
/// async fn set_theme(transaction: &mut Transaction, user: &str) -> Result<(), sqlx::Error> {
///     // … update … set theme …
///     transaction.invalidate(THEMES, user);
///     Ok(())
/// }
///
/// # async fn caller(pool: &sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut transaction = store::postgres::begin(pool).await?;
/// set_theme(&mut transaction, "ada").await?; // does not compile
/// # Ok(())
/// # }
/// ```
///
/// Dropping it rolls it back, with its invalidations.
#[must_use = "it is rolled back unless committed"]
pub struct Transaction {
    inner: sqlx::Transaction<'static, Postgres>,
    caches: Caches,
    invalidations: BTreeSet<Invalidation>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Invalidation {
    namespace: &'static str,
    /// A normalized key; `None` for all.
    key: Option<String>,
}

impl Transaction {
    pub(super) fn new(inner: sqlx::Transaction<'static, Postgres>, caches: Caches) -> Self {
        Self { inner, caches, invalidations: BTreeSet::new() }
    }

    /// Invalidates a key of a cache when the transaction commits.
    pub fn invalidate(&mut self, namespace: Namespace, key: &str) {
        let key = Some(normalize(key).into_owned());
        self.invalidations.insert(Invalidation { namespace: namespace.0, key });
    }

    /// Invalidates all keys of a cache when the transaction commits. For a change whose keys cannot be listed: every node loads
    /// every value of the namespace anew.
    pub fn invalidate_all(&mut self, namespace: Namespace) {
        self.invalidations.insert(Invalidation { namespace: namespace.0, key: None });
    }

    /// Commits, notifies all nodes, and applies the invalidations to this one.
    ///
    /// # Errors
    /// When the commit fails. The invalidations are applied to this node even then: a connection that breaks does not tell
    /// whether the commit took effect.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        if !self.invalidations.is_empty() {
            let payloads: Vec<String> = self.invalidations.iter().map(Invalidation::payload).collect();
            sqlx::query!(
                "-- cache.invalidate
                 select pg_notify('wenyuan_cache', payload) from unnest($1::text[]) as payload",
                &payloads,
            )
            .execute(&mut *self.inner)
            .await?;
        }
        let committed = self.inner.commit().await;
        let in_redis = self.invalidations.into_iter().filter_map(|invalidation| {
            let shared = &self.caches.shared;
            match invalidation.key {
                // Tasks of their own: done even if the caller is cancelled.
                Some(key) => shared.invalidate_key(invalidation.namespace, &key).map(tokio::spawn),
                None => shared.invalidate_namespace(invalidation.namespace).map(tokio::spawn),
            }
        });
        let _done = join_all(in_redis).await;
        committed
    }
}

impl Invalidation {
    fn payload(&self) -> String {
        format!("{}:{}", self.namespace, self.key.as_deref().unwrap_or(ALL))
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transaction")
            .field("invalidations", &self.invalidations)
            .finish_non_exhaustive()
    }
}
