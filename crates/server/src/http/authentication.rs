//! Authentication: from the headers of a request to an [`Actor`], once for all APIs.
//!
//! An invalid credential is refused and never treated as anonymous, so that an expired key is noticed. Only an expired session
//! cookie makes a request anonymous; pages then ask to sign in.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use identity::{Authentication, Authenticator, Credential, Preferences};
use kernel::actor::Actor;

use super::AppState;
use super::cookies::cookie;
use super::problem::Problem;

/// Returns the name of the session cookie. Over TLS it binds the cookie to this host (RFC 6265bis, section 4.1.3.2): no other host
/// of the domain can set it.
pub(crate) fn session_cookie(secure: bool) -> &'static str {
    if secure { "__Host-wenyuan_session" } else { "wenyuan_session" }
}

/// Returns the name of the cookie by which a browser is known that somebody has signed in with before.
pub(crate) fn device_cookie(secure: bool) -> &'static str {
    if secure { "__Host-wenyuan_device" } else { "wenyuan_device" }
}

/// Headers in which clients send API keys, besides `Authorization`.
const KEY_HEADERS: [&str; 4] = ["context7-api-key", "x-api-key", "context7_api_key", "x_api_key"];

/// Extractor of the actor.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Actor>().cloned().unwrap_or_else(Actor::anonymous)))
    }
}

/// Marks a response to an anonymous request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToAnonymous;

/// Middleware that authenticates requests and enforces the rate limits of keys.
pub(crate) async fn authenticate(
    State(state): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    let server = &state.app.settings.server;
    let name = session_cookie(server.secure_cookies());
    let verified = match (bearer(request.headers()), cookie(request.headers(), name)) {
        (Some(text), _) => match state.app.authenticator.authenticate(Credential::Bearer(text)).await {
            Ok(verified) => Some(verified),
            Err(error) => return Problem::from(error).into_response(),
        },
        (None, Some(text)) => match state.app.authenticator.authenticate(Credential::Cookie(text)).await {
            Ok(verified) if is_of_a_page(&request, server.secure_cookies(), server.origins()) => {
                Some(verified)
            }
            Ok(_) => {
                return Problem::forbidden(
                    "a change authorised by a cookie must come from a page of this server: send an access token or an API key \
                     in the header Authorization",
                )
                .into_response();
            }
            Err(identity::Error::InvalidCredential(_)) => None,
            Err(error) => return Problem::from(error).into_response(),
        },
        (None, None) => None,
    };
    let limit = verified.as_ref().and_then(|verified| verified.limit);
    let (actor, preferences) = verified.map_or_else(
        || (Actor::anonymous(), Preferences::default()),
        |verified| (verified.actor, verified.preferences),
    );
    let rate_limit = limit.map(|limit| state.limits.count(limit));
    if let Some(rate_limit) = rate_limit.filter(|rate_limit| rate_limit.exceeded) {
        let problem = Problem::too_many(
            rate_limit.reset,
            format!(
                "this API key is limited to {} requests per minute: wait {} seconds",
                rate_limit.limit, rate_limit.reset
            ),
        );
        return rate_limit.add_headers(problem.into_response());
    }
    let is_anonymous = actor.is_anonymous();
    request.extensions_mut().insert(actor);
    request.extensions_mut().insert(preferences);
    if let Some(limit) = limit {
        request.extensions_mut().insert(limit);
    }
    let mut response = next.run(request).await;
    if is_anonymous {
        response.extensions_mut().insert(ToAnonymous);
    }
    match rate_limit {
        Some(rate_limit) => rate_limit.add_headers(response),
        None => response,
    }
}

/// Credential of a request that is checked again while its response goes on.
#[derive(Clone)]
pub(crate) enum LastingCredential {
    /// API key or access token.
    Bearer(String),
    /// Session cookie.
    Cookie(String),
}

impl LastingCredential {
    /// Returns the credential of a request; `None` without one.
    pub(crate) fn of(headers: &HeaderMap, is_secure: bool) -> Option<Self> {
        match bearer(headers) {
            Some(text) => Some(Self::Bearer(text.to_owned())),
            None => cookie(headers, session_cookie(is_secure)).map(|text| Self::Cookie(text.to_owned())),
        }
    }

    /// Returns whom it authenticates now.
    ///
    /// # Errors
    ///
    /// Fails if it does no longer.
    pub(crate) async fn check(
        &self,
        authenticator: &Authenticator,
    ) -> Result<Authentication, identity::Error> {
        let credential = match self {
            Self::Bearer(text) => Credential::Bearer(text),
            Self::Cookie(text) => Credential::Cookie(text),
        };
        authenticator.authenticate(credential).await
    }
}

/// Whether a request that relies on a cookie and opens a connection comes from a page of this server.
pub(crate) fn may_connect(headers: &HeaderMap, is_secure: bool, origins: &[String]) -> bool {
    bearer(headers).is_some()
        || cookie(headers, session_cookie(is_secure)).is_none()
        || is_of_own_page(headers, None, is_secure, origins)
}

/// Returns the API key or access token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bare = authorization.map(|text| match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => text.trim(),
    });
    let others = || KEY_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok().map(str::trim));
    bare.or_else(others).filter(|text| !text.is_empty())
}

/// Whether a request that relies on a cookie changes nothing, or comes from a page of this server. Browsers send a host's cookies from
/// pages of its other ports and schemes, too, so scheme, host and port count: by `Sec-Fetch-Site`, which pages cannot forge, or by
/// `Origin` where a browser sends no such header (over plain HTTP).
fn is_of_a_page(request: &Request, is_secure: bool, origins: &[String]) -> bool {
    request.method().is_safe()
        || is_of_own_page(
            request.headers(),
            request.uri().authority().map(Authority::as_str),
            is_secure,
            origins,
        )
}

fn is_of_own_page(headers: &HeaderMap, host: Option<&str>, is_secure: bool, origins: &[String]) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(&header::ORIGIN);
    let is_listed = origin.is_some_and(|origin| {
        origins.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin))
    });
    if is_listed {
        return true;
    }
    if let Some(site) = text(&HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let host = host.or_else(|| text(&header::HOST));
    let scheme = if is_secure { "https" } else { "http" };
    origin.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_key_is_found_wherever_agents_put_it() {
        for pairs in [
            &[("authorization", "Bearer wy_1")][..],
            &[("authorization", "bearer  wy_1")],
            &[("authorization", "wy_1")],
            &[("context7-api-key", "wy_1")],
            &[("x-api-key", "wy_1")],
            &[("context7_api_key", "wy_1")],
            &[("x_api_key", " wy_1")],
            &[("x-api-key", "wy_2"), ("authorization", "Bearer wy_1")],
        ] {
            assert_eq!(bearer(&headers(pairs)), Some("wy_1"), "{pairs:?}");
        }
        assert_eq!(bearer(&headers(&[("authorization", "")])), None);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(
            cookie(&headers(&[("cookie", "a=b; wenyuan_session=ws_1; c=d")]), session_cookie(false)),
            Some("ws_1")
        );
        assert_eq!(cookie(&headers(&[("cookie", "xwenyuan_session=ws_1")]), session_cookie(false)), None);
    }

    #[test]
    fn a_cookie_counts_from_pages_of_the_same_scheme_host_and_port() {
        let origins = ["https://tools.example/".to_owned()];
        let allowed = |is_secure: bool, pairs: &[(&'static str, &'static str)]| {
            let mut request = Request::post("/").body(Body::empty()).unwrap();
            *request.headers_mut() = headers(pairs);
            is_of_a_page(&request, is_secure, &origins)
        };
        let host = ("host", "docs.example:8080");
        for (is_secure, pairs) in [
            (false, &[host, ("origin", "http://docs.example:8080")][..]),
            (true, &[host, ("origin", "https://docs.example:8080")]),
            (true, &[host, ("sec-fetch-site", "same-origin")]),
            (false, &[host, ("sec-fetch-site", "same-origin"), ("origin", "https://docs.example:8080")]),
            (false, &[host, ("sec-fetch-site", "same-site"), ("origin", "https://tools.example")]),
        ] {
            assert!(allowed(is_secure, pairs), "{pairs:?}");
        }
        for (is_secure, pairs) in [
            (false, &[host][..]),
            (false, &[host, ("origin", "null")]),
            (false, &[host, ("origin", "http://docs.example:3000")]),
            (false, &[host, ("origin", "https://docs.example:8080")]),
            (true, &[host, ("origin", "http://docs.example:8080")]),
            (false, &[host, ("origin", "http://docs.example")]),
            // A page of another port of the same host is of the same site.
            (true, &[host, ("sec-fetch-site", "same-site"), ("origin", "https://docs.example:8080")]),
            (true, &[host, ("sec-fetch-site", "cross-site")]),
            (true, &[host, ("sec-fetch-site", "none")]),
        ] {
            assert!(!allowed(is_secure, pairs), "{pairs:?}");
        }
    }
}
