//! `[redis]`: the Redis server that several nodes share as a cache.

use clap::Args;

use super::{Group, Secret};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis")]
pub(crate) struct RedisSettings {
    /// URL of a Redis server that several nodes share as a cache (redis://, rediss:// with TLS, unix://)
    #[arg(id = "redis.url", long = "redis-url", env = "WENYUAN_REDIS_URL", value_name = "URL")]
    url: Option<Secret>,
}

impl RedisSettings {
    /// No Redis server.
    pub(super) fn none() -> Self {
        Self { url: None }
    }

    /// URL of the Redis server, if one is used.
    pub(crate) fn url(&self) -> Option<String> {
        Secret::reveal(self.url.as_ref())
    }
}

impl Group for RedisSettings {}
