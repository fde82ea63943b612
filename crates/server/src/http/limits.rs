//! Rate limits of API keys, counted on this node, and the response headers that report them.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use identity::KeyRateLimit;
use kernel::actor::KeyId;
use moka::sync::Cache;

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Rate limiters of recently used keys (generic cell rate algorithm).
#[derive(Clone)]
pub(crate) struct Limits {
    default_per_minute: NonZeroU32,
    buckets: Cache<(KeyId, u32), Arc<Bucket>>,
}

/// State of a key's rate limit after a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimitStatus {
    /// Whether this request exceeds the limit.
    pub(crate) exceeded: bool,
    /// Requests per minute.
    pub(crate) limit: u32,
    remaining: u32,
    /// Seconds until the limit is fully available, or, when it is exceeded, until the next request is allowed.
    pub(crate) reset: u32,
}

impl Limits {
    /// Creates limits with a default, in requests per minute, for keys without one of their own.
    pub(crate) fn new(default_per_minute: u32) -> Self {
        // A bucket unused for two minutes is full again, so evicting it changes nothing.
        let buckets = Cache::builder().max_capacity(100_000).time_to_idle(Duration::from_mins(2)).build();
        Self { default_per_minute: NonZeroU32::new(default_per_minute).unwrap_or(NonZeroU32::MIN), buckets }
    }

    fn bucket(&self, limit: KeyRateLimit) -> (Arc<Bucket>, u32) {
        let own = limit.per_minute.and_then(|number| NonZeroU32::new(number.unsigned_abs()));
        let per_minute = own.unwrap_or(self.default_per_minute);
        let bucket = self.buckets.get_with((limit.key, per_minute.get()), || {
            let bucket = RateLimiter::direct(Quota::per_minute(per_minute));
            Arc::new(bucket.with_middleware::<StateInformationMiddleware>())
        });
        (bucket, per_minute.get())
    }

    /// Counts further points of a request of a key. Returns the seconds to wait if it has not enough left; a minute if it never has.
    pub(crate) fn charge(&self, limit: KeyRateLimit, points: u32) -> Option<u32> {
        let points = NonZeroU32::new(points)?;
        match self.bucket(limit).0.check_n(points) {
            Ok(Ok(_)) => None,
            Ok(Err(until)) => Some(seconds(&until)),
            Err(_more_than_a_minute_has) => Some(60),
        }
    }

    /// Counts a request of a key.
    pub(crate) fn count(&self, limit: KeyRateLimit) -> RateLimitStatus {
        let (bucket, limit) = self.bucket(limit);
        match bucket.check() {
            Ok(left) => {
                let remaining = left.remaining_burst_capacity();
                let reset = u64::from(limit.saturating_sub(remaining)) * 60 / u64::from(limit);
                RateLimitStatus {
                    exceeded: false,
                    limit,
                    remaining,
                    reset: u32::try_from(reset).unwrap_or(60),
                }
            }
            Err(until) => {
                let reset = seconds(&until);
                RateLimitStatus { exceeded: true, limit, remaining: 0, reset }
            }
        }
    }
}

/// Returns the seconds to wait, 1 to 60.
fn seconds(until: &NotUntil<QuantaInstant>) -> u32 {
    let wait = until.wait_time_from(DefaultClock::default().now()).as_secs_f64().ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a minute at most")]
    let seconds = wait.clamp(1.0, 60.0) as u32;
    seconds
}

impl RateLimitStatus {
    /// Adds the `RateLimit-*` headers to a response.
    pub(crate) fn add_headers(self, mut response: Response) -> Response {
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
    fn requests_beyond_the_limit_wait() {
        let limits = Limits::new(600);
        let limit = KeyRateLimit { key: KeyId::new(), per_minute: Some(3) };
        let seen: Vec<_> =
            (0..5).map(|_| limits.count(limit)).map(|now| (now.exceeded, now.remaining)).collect();
        assert_eq!(seen, [(false, 2), (false, 1), (false, 0), (true, 0), (true, 0)]);
        assert!((1..=20).contains(&limits.count(limit).reset));
        // A request that costs more than one point takes them at once or not at all.
        let heavy = KeyRateLimit { key: KeyId::new(), per_minute: Some(10) };
        assert_eq!((limits.charge(heavy, 0), limits.charge(heavy, 8)), (None, None));
        assert!((1..=60).contains(&limits.charge(heavy, 3).unwrap()));
        assert_eq!((limits.charge(heavy, 2), limits.charge(heavy, 11)), (None, Some(60)));
        // Other keys are unaffected.
        let other = limits.count(KeyRateLimit { key: KeyId::new(), per_minute: None });
        assert!(!other.exceeded && other.limit == 600 && other.remaining == 599);
    }
}
