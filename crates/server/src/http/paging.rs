//! Paged lists: the next page is linked in the header `Link` (RFC 8288), so that clients can walk any list alike.

use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Response of one page.
#[derive(Debug)]
pub(crate) struct Paged<T> {
    body: T,
    next: Option<HeaderValue>,
}

impl<T> Paged<T> {
    /// Creates a page from the request's address (`OriginalUri`), the cursor of the next page, and the body.
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

/// Returns the address with another cursor, relative to the server.
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
        // Characters that RFC 3986 allows unencoded.
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
    fn the_next_page_keeps_the_parameters() {
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
