//! Until accounts exist, whoever reaches the server is its owner; so only programs of this machine may reach it, and
//! no page of a foreign site may use a browser of this machine to do so.
//!
//! A browser tells where a request comes from (`Origin`, `Sec-Fetch-Site`) and whom it thinks it talks to (`Host`); a
//! foreign site that has its name resolve to this machine shows in the latter.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;

/// Refuses requests that are meant for another host or come from a page of another site.
pub(crate) async fn only_our_own_pages(
    State(allowed): State<Arc<[String]>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = host.or_else(|| text(request.headers(), header::HOST)).unwrap_or_default();
    if !is_allowed(&host, &allowed) {
        return Problem::forbidden(
            "this server answers under the names of this machine only (127.0.0.1, localhost)",
        )
        .into_response();
    }
    let foreign_origin = text(request.headers(), header::ORIGIN)
        .is_some_and(|origin| !origin.split_once("://").is_some_and(|(_, host)| is_allowed(host, &allowed)));
    let foreign_site = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if foreign_origin || (foreign_site && !request.method().is_safe()) {
        return Problem::forbidden("requests from pages of other sites are refused").into_response();
    }
    next.run(request).await
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whether a host, with or without a port, is one of ours.
fn is_allowed(host: &str, allowed: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn a_port_does_not_matter_and_a_name_does() {
        let allowed = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        for host in ["localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(is_allowed(host, &allowed), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "[::2]:8080"]
        {
            assert!(!is_allowed(host, &allowed), "{host}");
        }
    }
}
