//! Pace of request bodies: one that stalls or trickles is ended with 408, so that nobody holds a connection, a file or a permit
//! by sending a byte now and then. What is left of a body that was refused is read for a moment, so that its sender reads the answer
//! rather than that the connection is broken.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::problem::Problem;

/// Time that can pass without a byte, and by which a body can be late altogether.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Least rate at which a body arrives. Only time that the server waits for the sender counts.
const MIN_BYTES_PER_SECOND: u64 = 1024;

/// Largest rest of a refused body that is read, in bytes, and the time for it.
const MAX_REST_BYTES: usize = 8 << 20;
const MAX_REST_TIME: Duration = Duration::from_secs(1);

/// Middleware that ends bodies that arrive too slowly.
pub(crate) async fn keep(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Who asks first has not sent the body yet.
    let asks_first = request.headers().contains_key(header::EXPECT);
    let too_slow = Arc::new(AtomicBool::new(false));
    let reading = Arc::new(Mutex::new(None));
    let request = request.map(|body| {
        let first = Reading { body: body.into_data_stream(), received: 0, waited: Duration::ZERO };
        put(&reading, first);
        Body::from_stream(paced(Arc::clone(&reading), Arc::clone(&too_slow)))
    });
    let response = next.run(request).await;
    // Whatever a handler makes of a body that broke off: this is why.
    if !too_slow.load(Ordering::Relaxed) {
        let status = response.status();
        if (status.is_client_error() || status.is_server_error())
            && !asks_first
            && let Some(rest) = take(&reading)
        {
            discard(rest.body).await;
        }
        return response;
    }
    let detail = "the request's body arrived too slowly: send it again over a faster connection";
    let mut response = Problem::request_timeout(detail).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// State of a body that is being read.
struct Reading {
    body: BodyDataStream,
    received: u64,
    waited: Duration,
}

impl Reading {
    /// Returns how long to wait for the next bytes.
    fn patience(&self) -> Duration {
        let allowed = STALL_TIMEOUT + Duration::from_secs(self.received / MIN_BYTES_PER_SECOND);
        allowed.saturating_sub(self.waited).min(STALL_TIMEOUT)
    }
}

/// Body that is read by a handler, and whose rest is left here.
type SharedReading = Arc<Mutex<Option<Reading>>>;

fn take(shared: &SharedReading) -> Option<Reading> {
    shared.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn put(shared: &SharedReading, reading: Reading) {
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
}

fn paced(shared: SharedReading, too_slow: Arc<AtomicBool>) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    stream::unfold((), move |()| {
        let (shared, too_slow) = (Arc::clone(&shared), Arc::clone(&too_slow));
        async move {
            let mut reading = take(&shared)?;
            let start = Instant::now();
            let Ok(next) = timeout(reading.patience(), reading.body.next()).await else {
                too_slow.store(true, Ordering::Relaxed);
                return Some((Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut))), ()));
            };
            let bytes = next?;
            reading.waited += start.elapsed();
            reading.received += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            put(&shared, reading);
            Some((bytes, ()))
        }
    })
}

/// Reads what is left of a body, for a moment.
async fn discard(mut body: BodyDataStream) {
    let read = async {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
            if bytes > MAX_REST_BYTES {
                break;
            }
        }
    };
    // Whether it ends in time makes no difference to the answer.
    timeout(MAX_REST_TIME, read).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a body whose parts arrive after these pauses (in milliseconds), and returns the bytes read and whether it was too slow.
    async fn read(parts: Vec<(u64, usize)>) -> (usize, bool) {
        let parts = stream::iter(parts).then(|(milliseconds, length)| async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok::<_, io::Error>(Bytes::from(vec![b'x'; length]))
        });
        let too_slow = Arc::new(AtomicBool::new(false));
        let body = Body::from_stream(parts).into_data_stream();
        let reading = Arc::new(Mutex::new(Some(Reading { body, received: 0, waited: Duration::ZERO })));
        let paced = paced(reading, Arc::clone(&too_slow));
        let bytes = paced.filter_map(async |part| part.ok()).map(|part| part.len()).collect::<Vec<_>>().await;
        (bytes.iter().sum(), too_slow.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn steady_bodies_arrive_and_trickling_ones_are_ended() {
        assert_eq!(read(vec![(0, 10), (19_000, 10)]).await, (20, false));
        // A pause that is too long.
        assert_eq!(read(vec![(0, 1 << 20), (21_000, 10)]).await, (1 << 20, true));
        // A byte a second, and two kilobytes a second.
        assert_eq!(read(vec![(1000, 1); 60]).await, (20, true));
        assert_eq!(read(vec![(1000, 2048); 60]).await, (60 * 2048, false));
    }
}
