//! Watchers of news: notifications, conversations, comments. One statement of this node looks for all that is watched, as long as
//! anything is, so that who waits holds no connection of the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use social::Error;
use social::positions::{Watched, positions};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Maximum number of watchers on this node.
const MAX_WATCHERS: usize = 10_000;

/// The watchers of this node. Clones are cheap.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    watched: Mutex<HashMap<Watched, watch::Sender<String>>>,
    /// Told when there is something to look for.
    begun: Notify,
}

/// Tells when something has changed that is watched.
pub(crate) struct Watcher(watch::Receiver<String>);

impl Watcher {
    /// Waits for a change, and returns whether there was one; not if this node stops. The first call returns at the first look.
    pub(crate) async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

impl Watchers {
    /// Begins to watch.
    ///
    /// # Errors
    ///
    /// Fails if this node has too many watchers.
    pub(crate) fn watch(&self, what: Watched) -> Result<Watcher, Error> {
        let mut watched = self.lock();
        let count: usize = watched.values().map(watch::Sender::receiver_count).sum();
        if count >= MAX_WATCHERS {
            return Err(Error::Exhausted);
        }
        let sender = watched.entry(what).or_insert_with(|| watch::Sender::new(String::new()));
        let mut receiver = sender.subscribe();
        // What is there is read at once.
        receiver.mark_changed();
        drop(watched);
        self.0.begun.notify_one();
        Ok(Watcher(receiver))
    }

    /// Looks for changes until aborted.
    pub(crate) async fn run(self, pool: PgPool) {
        loop {
            let watched: Vec<Watched> = {
                let mut watched = self.lock();
                watched.retain(|_, sender| sender.receiver_count() > 0);
                watched.keys().copied().collect()
            };
            if watched.is_empty() {
                self.0.begun.notified().await;
                continue;
            }
            match Self::look(&pool, &watched).await {
                Ok(found) => self.tell(found),
                // It is looked for again; who waits need not know.
                Err(error) => tracing::debug!(%error, "failed to look for news"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn look(pool: &PgPool, watched: &[Watched]) -> Result<HashMap<Watched, String>, Error> {
        let mut connection = store::postgres::acquire(pool).await?;
        positions(&mut connection, watched).await
    }

    fn tell(&self, found: HashMap<Watched, String>) {
        let watched = self.lock();
        for (what, position) in found {
            if let Some(sender) = watched.get(&what) {
                sender.send_if_modified(|known| {
                    let is_new = *known != position;
                    *known = position;
                    is_new
                });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Watched, watch::Sender<String>>> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
