//! Language models: limits that REST and pages share.

use std::time::Duration;

/// Duration of a test request over HTTP, at most; below the timeout of responses.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(50);
