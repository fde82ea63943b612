//! Protection against requests from pages of other sites (CSRF) and against DNS rebinding, which MCP requires too.
//!
//! Browsers send where a request comes from (`Origin`, `Sec-Fetch-Site`) and which host they believe it goes to (`Host`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use super::problem::Problem;

/// Host names of this server, and other origins whose pages can send requests to it.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Accepted host names; empty accepts any.
    hosts: Vec<String>,
    /// Accepted origins besides its own.
    origins: Vec<String>,
}

impl Names {
    /// Creates the accepted names: on loopback those of this machine and `hosts`; elsewhere `hosts`, or any if it is empty, since
    /// callers have to authenticate there.
    pub(crate) fn new(address: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let mut accepted = hosts.to_vec();
        if address.ip().is_loopback() || !hosts.is_empty() {
            accepted.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()]);
        }
        Self {
            hosts: accepted,
            origins: origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect(),
        }
    }

    /// Returns the CORS layer (Fetch Standard): pages of accepted origins can read responses, others cannot.
    pub(crate) fn cors(&self) -> CorsLayer {
        let origins: Vec<HeaderValue> =
            self.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(Any)
            .max_age(Duration::from_hours(1))
    }

    fn allow_host(&self, host: &str) -> bool {
        let name = without_port(host);
        self.hosts.is_empty() || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }

    fn allow_origin(&self, origin: &str, host: &str) -> bool {
        let is_own = origin.split_once("://").is_some_and(|(_, from)| {
            // A proxy can change the port, so an accepted name counts with any port.
            from.eq_ignore_ascii_case(host) || (!self.hosts.is_empty() && self.allow_host(from))
        });
        is_own || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// Middleware that refuses requests for another host or from a page of another site.
pub(crate) async fn refuse_foreign_origins(
    State(names): State<Arc<Names>>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = host.or_else(|| text(request.headers(), header::HOST)).unwrap_or_default();
    if !names.allow_host(&host) {
        return Problem::forbidden(
            "unknown host name: use one of this server's own, or add this one (WENYUAN_PUBLIC_URL, WENYUAN_HOSTS)",
        )
        .into_response();
    }
    let origin = text(request.headers(), header::ORIGIN);
    let is_listed = origin.as_ref().is_some_and(|origin| names.allow_origin(origin, &host));
    let foreign_site = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if (origin.is_some() && !is_listed) || (foreign_site && !is_listed && !request.method().is_safe()) {
        return Problem::forbidden(
            "requests from pages of other sites are refused; an administrator can allow one (WENYUAN_ORIGINS)",
        )
        .into_response();
    }
    next.run(request).await
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn on_loopback_the_name_matters_and_the_port_does_not() {
        let names = Names::new(([127, 0, 0, 1], 8080).into(), &[], &[]);
        for host in ["localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(names.allow_host(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "[::2]:8080"]
        {
            assert!(!names.allow_host(host), "{host}");
        }
        assert!(names.allow_origin("http://localhost:3000", "127.0.0.1:8080"));
        assert!(!names.allow_origin("https://evil.example", "127.0.0.1:8080"));
        assert!(!names.allow_origin("null", "127.0.0.1:8080"));
    }

    #[test]
    fn elsewhere_origins_are_its_own_or_listed() {
        let any = Names::new(([0, 0, 0, 0], 80).into(), &[], &["https://tools.example/".to_owned()]);
        assert!(any.allow_host("10.0.0.7:8080") && any.allow_origin("http://10.0.0.7:8080", "10.0.0.7:8080"));
        assert!(!any.allow_origin("http://evil.example", "10.0.0.7:8080"));
        assert!(any.allow_origin("https://tools.example", "10.0.0.7"));
        let named = Names::new(([0, 0, 0, 0], 80).into(), &["docs.example".to_owned()], &[]);
        assert!(
            named.allow_host("docs.example")
                && named.allow_host("localhost")
                && !named.allow_host("10.0.0.7")
        );
        assert!(named.allow_origin("https://docs.example", "docs.example"));
    }
}
