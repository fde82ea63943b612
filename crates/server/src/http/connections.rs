//! Connections: accepted within bounds, and ended when the other side only holds them open.
//!
//! A connection costs a descriptor and some memory, so their number is bounded in all and by address, and each must keep moving:
//! a request's head arrives within [`HEAD_TIMEOUT`] (which also ends idle connections) and a response's bytes are taken within
//! [`WRITE_TIMEOUT`]. [`super::pace`] does the same for the bodies of requests.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::bare_errors::WithProblems;

/// Time within which the head of a request arrives, counted from the connection or from the response before it.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for which a response's bytes can wait to be taken.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// Maximum number of connections; less where the system allows fewer descriptors.
const MAX_CONNECTIONS: usize = 10_000;
/// Maximum number of connections of one address. Proxies that are trusted, and this machine, have many clients and no such bound.
const MAX_CONNECTIONS_BY_ADDRESS: usize = 256;
/// Descriptors for everything but connections: the database, the index, uploads, child processes.
const RESERVED_DESCRIPTORS: usize = 512;
/// Time for which a killed server's port can still be taken.
const BIND_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause after a failed accept, which is for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens on an address. One that is taken is tried again for [`BIND_TIMEOUT`], since the port of a killed server is free only a
/// moment later.
///
/// # Errors
///
/// Fails when the address is taken by a running program, or is none of this machine.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + BIND_TIMEOUT;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                sleep(ACCEPT_PAUSE).await;
            }
            bound => return bound,
        }
    }
}

/// Serves connections until `stopped`, then finishes the requests in progress.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    trusted_proxies: Vec<IpNet>,
    stopped: impl Future<Output = ()>,
) {
    let connections = Connections::new(trusted_proxies);
    let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
    let mut stopped = pin!(stopped);
    loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            () = &mut stopped => break,
            accepted = connections.accept(&listener) => accepted,
        };
        let router = router.clone();
        let place = HeldPlace(Arc::new(place));
        let held = place.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(held.clone());
            let router = router.clone();
            async move {
                Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {}))
            }
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let stream = WithProblems::new(Box::pin(stream));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stopping = stopping.clone();
        tasks.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::trace!(client.address = %peer.ip(), %error, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Number of connections of each address.
type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The bounds on connections.
struct Connections {
    places: Arc<Semaphore>,
    by_address: Counts,
    trusted_proxies: Vec<IpNet>,
}

/// Place of a connection, in the extensions of its requests: whoever goes on with the connection after its last request keeps it.
#[derive(Clone)]
pub(crate) struct HeldPlace(#[expect(dead_code, reason = "held until it is dropped")] Arc<Place>);

/// Place of a connection, free again when this is dropped.
struct Place {
    _permit: OwnedSemaphorePermit,
    counted: Option<(IpAddr, Counts)>,
}

impl Connections {
    fn new(trusted_proxies: Vec<IpNet>) -> Self {
        // The soft limit is often 1,024, for programs that use `select`; this one does not.
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let maximum = descriptors.saturating_sub(RESERVED_DESCRIPTORS).clamp(64, MAX_CONNECTIONS);
        tracing::debug!(maximum, "bound on connections");
        Self { places: Arc::new(Semaphore::new(maximum)), by_address: Arc::default(), trusted_proxies }
    }

    /// Accepts the next connection that has a place. While all are taken, new ones wait in the listener's queue; one of an address
    /// that has its share is closed at once.
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, Place) {
        loop {
            let Ok(permit) = Arc::clone(&self.places).acquire_owned().await else {
                std::future::pending().await
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Ok(counted) = self.count(peer.ip().to_canonical()) {
                        // Small responses are sent at once.
                        let _unsupported = stream.set_nodelay(true);
                        return (stream, peer, Place { _permit: permit, counted });
                    }
                    metrics::counter!("wenyuan_connections_refused_total").increment(1);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "failed to accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Counts a connection of an address, if it is bounded; fails when the address has its share.
    fn count(&self, address: IpAddr) -> Result<Option<(IpAddr, Counts)>, ()> {
        if address.is_loopback() || self.trusted_proxies.iter().any(|network| network.contains(&address)) {
            return Ok(None);
        }
        let mut counts = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= MAX_CONNECTIONS_BY_ADDRESS {
            return Err(());
        }
        *count += 1;
        Ok(Some((address, Arc::clone(&self.by_address))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, counts)) = self.counted.take() else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// Whether an accept failed for the connection alone, which was gone already.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_a_proxy_has_more() {
        let connections = Connections::new(vec!["10.0.0.0/24".parse().unwrap()]);
        let place = |address: &str| connections.count(address.parse().unwrap());
        let permit = || Arc::clone(&connections.places).try_acquire_owned().expect("a place");
        let taken: Vec<Place> = (0..MAX_CONNECTIONS_BY_ADDRESS)
            .map(|_| Place { _permit: permit(), counted: place("192.0.2.1").expect("a share") })
            .collect();
        assert!(place("192.0.2.1").is_err());
        assert!(place("192.0.2.2").is_ok_and(|counted| counted.is_some()));
        for unbounded in ["127.0.0.1", "::1", "10.0.0.7"] {
            assert!(place(unbounded).is_ok_and(|counted| counted.is_none()), "{unbounded}");
        }
        drop(taken);
        assert!(place("192.0.2.1").is_ok());
        assert_eq!(connections.by_address.lock().unwrap().get(&"192.0.2.1".parse().unwrap()), Some(&1));
    }
}
