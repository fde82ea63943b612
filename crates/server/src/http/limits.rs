//! Requests of each key, counted on this node; the answer's headers say how it stands.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use identity::Limit;
use kernel::actor::KeyId;
use moka::sync::Cache;

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// A bucket for each key that was used lately.
#[derive(Clone)]
pub(crate) struct Limits {
    usual: NonZeroU32,
    buckets: Cache<(KeyId, u32), Arc<Bucket>>,
}

/// How a key stands with its limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Whether this request is one too many.
    pub(crate) exceeded: bool,
    /// Requests a minute.
    pub(crate) limit: u32,
    remaining: u32,
    /// Seconds until the limit is whole again, or, when it is exceeded, until there is one more.
    pub(crate) reset: u32,
}

impl Limits {
    /// `usual` requests a minute for keys that have no limit of their own.
    pub(crate) fn new(usual: u32) -> Self {
        // A bucket that was not used for two minutes is full again: nothing is lost with it.
        let buckets = Cache::builder().max_capacity(100_000).time_to_idle(Duration::from_mins(2)).build();
        Self { usual: NonZeroU32::new(usual).unwrap_or(NonZeroU32::MIN), buckets }
    }

    /// Counts a request.
    pub(crate) fn count(&self, limit: Limit) -> Standing {
        let own = limit.per_minute.and_then(|number| NonZeroU32::new(number.unsigned_abs()));
        let per_minute = own.unwrap_or(self.usual);
        let bucket = self.buckets.get_with((limit.key, per_minute.get()), || {
            let bucket = RateLimiter::direct(Quota::per_minute(per_minute));
            Arc::new(bucket.with_middleware::<StateInformationMiddleware>())
        });
        let limit = per_minute.get();
        match bucket.check() {
            Ok(left) => {
                let remaining = left.remaining_burst_capacity();
                let reset = u64::from(limit.saturating_sub(remaining)) * 60 / u64::from(limit);
                Standing { exceeded: false, limit, remaining, reset: u32::try_from(reset).unwrap_or(60) }
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now()).as_secs_f64().ceil();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a minute at most"
                )]
                let reset = wait.clamp(1.0, 60.0) as u32;
                Standing { exceeded: true, limit, remaining: 0, reset }
            }
        }
    }
}

impl Standing {
    /// Says so in the headers that rivals' clients read, too.
    pub(crate) fn written_to(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        for (name, value) in [
            ("ratelimit-limit", self.limit),
            ("ratelimit-remaining", self.remaining),
            ("ratelimit-reset", self.reset),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_what_it_may_and_then_waits() {
        let limits = Limits::new(600);
        let limit = Limit { key: KeyId::new(), per_minute: Some(3) };
        let seen: Vec<_> =
            (0..5).map(|_| limits.count(limit)).map(|now| (now.exceeded, now.remaining)).collect();
        assert_eq!(seen, [(false, 2), (false, 1), (false, 0), (true, 0), (true, 0)]);
        assert!((1..=20).contains(&limits.count(limit).reset));
        // Another key is not touched by it.
        let other = limits.count(Limit { key: KeyId::new(), per_minute: None });
        assert!(!other.exceeded && other.limit == 600 && other.remaining == 599);
    }
}
