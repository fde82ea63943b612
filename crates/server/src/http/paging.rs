//! Pages of a list: the address of the next stands in the header `Link` (RFC 8288), so that a client can walk any list
//! without knowing its body.

use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A page on its way out.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    body: T,
    next: Option<HeaderValue>,
}

impl<T> Paged<T> {
    /// `address` is the one that was asked (`OriginalUri`), `next` where the next page begins.
    pub(crate) fn new(address: &Uri, next: Option<impl AsRef<str>>, body: T) -> Self {
        Self { body, next: next.and_then(|cursor| link(address, cursor.as_ref())) }
    }
}

impl<T: Serialize> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        if let Some(next) = self.next {
            response.headers_mut().insert(header::LINK, next);
        }
        response
    }
}

/// The same address with another cursor. Relative to the server, which need not know its own name.
fn link(address: &Uri, cursor: &str) -> Option<HeaderValue> {
    let mut target = address.path().to_owned();
    target.push('?');
    for pair in address.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        if pair.split('=').next() != Some("cursor") {
            target.push_str(pair);
            target.push('&');
        }
    }
    target.push_str("cursor=");
    target.push_str(cursor);
    let mut line = String::from("<");
    for byte in target.bytes() {
        // What an address may hold as it is (RFC 3986); the rest came unencoded and is encoded here.
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte) {
            line.push(char::from(byte));
        } else {
            line.push_str(&format!("%{byte:02X}"));
        }
    }
    line.push_str(">; rel=\"next\"");
    HeaderValue::from_str(&line).ok()
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        for (address, next) in [
            ("/api/v1/documents", "</api/v1/documents?cursor=abc>; rel=\"next\""),
            (
                "/api/v1/documents?limit=2&cursor=old&tag=a,b",
                "</api/v1/documents?limit=2&tag=a,b&cursor=abc>; rel=\"next\"",
            ),
            (
                "/api/v1/search?q=%E6%B5%81+x&&limit=1",
                "</api/v1/search?q=%E6%B5%81+x&limit=1&cursor=abc>; rel=\"next\"",
            ),
            ("/api/v1/documents?metadata={}", "</api/v1/documents?metadata=%7B%7D&cursor=abc>; rel=\"next\""),
        ] {
            assert_eq!(link(&address.parse().unwrap(), "abc").unwrap(), next);
        }
    }
}
