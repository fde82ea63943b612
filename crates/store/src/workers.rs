//! Workers: loops that lease jobs, hand them to whoever knows their kind, and sleep until there are more.

use std::future::Future;
use std::time::Duration;

use kernel::chain::Chain;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor as _, PgPool};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::cache::{self, Caches};
use crate::jobs::{self, Leased, Turn};

/// How long a lease lasts without a heartbeat.
const LEASE: Duration = Duration::from_secs(30);
/// How often a waiting worker looks by itself: for jobs whose time comes, and for calls lost with a connection.
const LOOK: Duration = Duration::from_secs(2);
/// How long the listening connection may be silent before it is asked whether it lives, and how long it may take to say so.
const PING: Duration = Duration::from_secs(5);

/// Who does jobs of some kinds.
pub trait Handler: Send {
    /// The kinds it does.
    fn kinds(&self) -> &[&'static str];

    /// Which of equally urgent jobs it takes first.
    fn turn(&self) -> Turn {
        Turn::OldestFirst
    }

    /// How many it takes at once.
    fn batch(&self) -> i64;

    /// Does leased jobs, of one kind, and completes those that are done. Those it returns are tried again.
    fn run(
        &mut self,
        worker: Uuid,
        jobs: &[Leased],
    ) -> impl Future<Output = Result<Vec<(Uuid, String)>, String>> + Send;

    /// Told that a job has failed for good, so that what waits for it can be told too.
    fn gave_up(&mut self, _job: &Leased, _error: &str) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Told when there is nothing to do.
    fn rest(&mut self) {}
}

/// Wakes whoever listens to a channel of the database.
#[derive(Debug, Clone)]
pub struct Bell(watch::Sender<u64>);

/// Hears a bell, also when it rang while nobody waited.
#[derive(Debug)]
pub struct Ear(watch::Receiver<u64>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Bell {
    /// Wakes all who listen.
    pub fn ring(&self) {
        self.0.send_modify(|rung| *rung += 1);
    }

    /// Listens from now on.
    pub fn listen(&self) -> Ear {
        Ear(self.0.subscribe())
    }
}

impl Ear {
    /// Waits until the bell rings, or for so long, and says whether it rang. Returns at once if it has rung since the last
    /// wait.
    pub async fn wait(&mut self, longest: Duration) -> bool {
        matches!(tokio::time::timeout(longest, self.0.changed()).await, Ok(Ok(())))
    }
}

/// Rings the bells of these channels when the database calls them, and tells the caches what they must forget, until
/// aborted.
pub fn spawn_listener(pool: PgPool, bells: Vec<(&'static str, Bell)>, caches: Caches) -> JoinHandle<()> {
    tokio::spawn(async move {
        let line = Line(caches);
        loop {
            let interrupted = listen(&pool, &bells, &line.0).await;
            line.0.is_deaf();
            if let Err(error) = interrupted {
                tracing::debug!(error = %Chain(&error), "listening was interrupted");
                sleep(LOOK).await;
            }
            if pool.is_closed() {
                return;
            }
        }
    })
}

/// Tells the caches that they are deaf, also when the listener is aborted.
struct Line(Caches);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.is_deaf();
    }
}

/// Listens until the connection is lost.
async fn listen(pool: &PgPool, bells: &[(&'static str, Bell)], caches: &Caches) -> Result<(), sqlx::Error> {
    // A connection of its own: one taken from the pool for ever would be one less for requests.
    let own = PgPoolOptions::new().max_connections(1).connect_lazy_with((*pool.connect_options()).clone());
    let mut listener = PgListener::connect_with(&own).await?;
    // The loss must be known at once: until there is another connection nothing is heard.
    listener.eager_reconnect(false);
    let channels = bells.iter().map(|(channel, _)| *channel);
    listener.listen_all(channels.chain([cache::CHANNEL])).await?;
    // Calls may have been missed before.
    caches.hears();
    for (_, bell) in bells {
        bell.ring();
    }
    loop {
        let call = match timeout(PING, listener.try_recv()).await {
            Ok(call) => call?,
            // A connection that nobody answers on any more looks like one on which there is nothing to say.
            Err(_silence) => {
                let answer = timeout(PING, listener.execute("select 1")).await;
                answer.map_err(|_elapsed| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
                continue;
            }
        };
        let Some(call) = call else { return Ok(()) };
        if call.channel() == cache::CHANNEL {
            caches.called(call.payload());
        }
        for (channel, bell) in bells {
            if call.channel() == *channel {
                bell.ring();
            }
        }
    }
}

/// Works until `stop` is true, then finishes what it is at.
pub async fn work(pool: PgPool, mut handler: impl Handler, mut bell: Ear, mut stop: watch::Receiver<bool>) {
    let worker = kernel::id::new();
    let kinds: Vec<String> = handler.kinds().iter().map(|kind| (*kind).to_owned()).collect();
    let mut rested = false;
    while !*stop.borrow() {
        let leased = match jobs::claim(&pool, worker, &kinds, handler.turn(), handler.batch(), LEASE).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "no jobs can be leased");
                sleep(LOOK).await;
                continue;
            }
        };
        if leased.is_empty() {
            if !rested {
                handler.rest();
                rested = true;
            }
            tokio::select! {
                _ = bell.wait(LOOK) => {}
                _ = stop.changed() => {}
            }
            continue;
        }
        rested = false;
        for kind in &kinds {
            let of_kind: Vec<Leased> = leased.iter().filter(|job| job.kind == *kind).cloned().collect();
            if !of_kind.is_empty() {
                run(&pool, &mut handler, worker, &of_kind).await;
            }
        }
    }
    if let Err(error) = jobs::release(&pool, worker).await {
        tracing::warn!(error = %Chain(&error), "leases could not be given back; they run out by themselves");
    }
}

async fn run(pool: &PgPool, handler: &mut impl Handler, worker: Uuid, leased: &[Leased]) {
    let failed = {
        let work = handler.run(worker, leased);
        let heartbeat = async {
            loop {
                sleep(LEASE / 3).await;
                if let Err(error) = jobs::heartbeat(pool, worker, LEASE).await {
                    tracing::warn!(error = %Chain(&error), "a lease could not be prolonged");
                }
            }
        };
        tokio::select! {
            done = work => done.unwrap_or_else(|error| {
                leased.iter().map(|job| (job.id, error.clone())).collect()
            }),
            () = heartbeat => Vec::new(),
        }
    };
    for (id, error) in failed {
        let Some(job) = leased.iter().find(|job| job.id == id) else { continue };
        let kind = job.kind.as_str();
        match jobs::fail(pool, worker, id, &error).await {
            Ok(true) => {
                tracing::error!(job.id = %id, job.kind = kind, error, "a job failed for good");
                handler.gave_up(job, &error).await;
            }
            Ok(false) => {
                tracing::warn!(job.id = %id, job.kind = kind, error, "a job failed and is tried again");
            }
            Err(fault) => {
                tracing::warn!(job.id = %id, error = %Chain(&fault), "a failure could not be noted");
            }
        }
    }
}
