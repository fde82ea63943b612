//! Notifications of the database (`LISTEN`, `NOTIFY`) for the tasks of this process and its caches.

use std::time::Duration;

use kernel::chain::Chain;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor as _, PgPool};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cache::{self, Caches};

/// Pause before listening again after the connection failed.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);
/// Silence after which the connection is pinged, and time within which it has to answer.
const PING: Duration = Duration::from_secs(5);

/// Wakes its subscribers when a channel of the database is notified.
#[derive(Debug, Clone)]
pub struct Notifier(watch::Sender<u64>);

/// Subscription to a [`Notifier`]. A notification that comes while nobody waits is kept.
#[derive(Debug)]
pub struct Subscription(watch::Receiver<u64>);

impl Default for Notifier {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Notifier {
    /// Wakes all subscribers.
    pub fn notify(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Subscribes from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }
}

impl Subscription {
    /// Waits for a notification, at most for `timeout`, and returns whether there was one. Returns at once if one came since the
    /// last wait.
    pub async fn wait(&mut self, timeout: Duration) -> bool {
        matches!(tokio::time::timeout(timeout, self.0.changed()).await, Ok(Ok(())))
    }
}

/// Listens until aborted: wakes the notifiers of these channels, and applies invalidations to the caches.
pub fn spawn_listener(
    pool: PgPool,
    notifiers: Vec<(&'static str, Notifier)>,
    caches: Caches,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let guard = DisconnectOnDrop(caches);
        loop {
            let interrupted = listen(&pool, &notifiers, &guard.0).await;
            guard.0.disconnected();
            if let Err(error) = interrupted {
                tracing::debug!(error = %Chain(&error), "connection of the database listener failed");
                sleep(RECONNECT_PAUSE).await;
            }
            if pool.is_closed() {
                return;
            }
        }
    })
}

/// Tells the caches that nothing is heard any more, also when the listener is aborted.
struct DisconnectOnDrop(Caches);

impl Drop for DisconnectOnDrop {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}

/// Listens until the connection is lost.
async fn listen(
    pool: &PgPool,
    notifiers: &[(&'static str, Notifier)],
    caches: &Caches,
) -> Result<(), sqlx::Error> {
    // A connection of its own: one taken from the pool for ever would be one less for requests.
    let own = PgPoolOptions::new().max_connections(1).connect_lazy_with((*pool.connect_options()).clone());
    let mut listener = PgListener::connect_with(&own).await?;
    // The loss must be known at once: until there is another connection nothing is heard.
    listener.eager_reconnect(false);
    let channels = notifiers.iter().map(|(channel, _)| *channel);
    listener.listen_all(channels.chain([cache::CHANNEL])).await?;
    // Notifications may have been missed before.
    caches.connected();
    for (_, notifier) in notifiers {
        notifier.notify();
    }
    loop {
        let notification = match timeout(PING, listener.try_recv()).await {
            Ok(notification) => notification?,
            // A dead connection looks like a silent one.
            Err(_silence) => {
                let answer = timeout(PING, listener.execute("select 1")).await;
                answer.map_err(|_elapsed| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
                continue;
            }
        };
        let Some(notification) = notification else { return Ok(()) };
        if notification.channel() == cache::CHANNEL {
            caches.notified(notification.payload());
        }
        for (channel, notifier) in notifiers {
            if notification.channel() == *channel {
                notifier.notify();
            }
        }
    }
}
