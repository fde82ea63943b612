//! The part of HTTP that all APIs share: the state of handlers, the layers around every route, authentication, input, paging,
//! errors. It knows no API: each API exports its routes and its format of errors, and `routes` joins them.

pub(crate) mod accept;
pub(crate) mod authentication;
mod bare_errors;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod cookies;
pub(crate) mod etag;
#[cfg(test)]
mod fuzz;
pub(crate) mod guard;
pub(crate) mod health;
mod idempotency;
pub(crate) mod input;
pub(crate) mod language;
pub(crate) mod lenient;
pub(crate) mod limits;
pub(crate) mod markdown;
pub(crate) mod multipart;
mod observe;
pub(crate) mod openapi;
mod pace;
pub(crate) mod paging;
pub(crate) mod problem;
pub(crate) mod problem_types;
mod retry;
pub(crate) mod router;
pub(crate) mod schema;
pub(crate) mod spool;

use std::sync::Arc;

use axum::http::{HeaderName, header};
use kernel::secret::Token;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::app::{App, address};

/// Header of a response with a secret: no cache stores it.
pub(crate) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// State of all handlers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) app: App,
    metrics: PrometheusHandle,
    pub(crate) limits: limits::Limits,
    /// Public address of the server, without a trailing slash; links begin with it. It comes from the settings and never from a
    /// request, which can name any host.
    pub(crate) address: Arc<str>,
}

impl AppState {
    pub(crate) fn new(app: App, metrics: PrometheusHandle, address: Arc<str>) -> Self {
        let limits = limits::Limits::new(app.settings.limits.rate_limit());
        Self { app, metrics, limits, address }
    }

    /// Whether the server can send mail, and so password links.
    pub(crate) fn sends_mail(&self) -> bool {
        self.app.settings.mail.server_and_sender().is_ok_and(|mail| mail.is_some())
    }

    /// Returns the address of a share link.
    pub(crate) fn share_url(&self, token: &Token) -> String {
        address::of_share(&self.address, token)
    }
}

/// Returns the value of `Content-Disposition` that saves a file under the last part of its path (RFC 6266, RFC 8187).
pub(crate) fn attachment(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename*=UTF-8''{encoded}")
}
