//! Reading cookies.

use axum::http::{HeaderMap, header};

/// Returns the value of a cookie (RFC 6265bis, section 5.6).
pub(crate) fn cookie<'request>(headers: &'request HeaderMap, name: &str) -> Option<&'request str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(other, value)| (other == name).then_some(value))
}
