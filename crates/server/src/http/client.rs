//! Client address of a request: the peer's, or, behind a trusted proxy, the one in `X-Forwarded-For`.
//!
//! Anyone can send `X-Forwarded-For`. It is read from its end, and only while each hop is a trusted proxy: one on this machine, or
//! one listed in the settings.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use identity::sign_in::ClientInfo;
use ipnet::IpNet;
use kernel::secret::Token;

use super::AppState;
use super::authentication::device_cookie;
use super::cookies::cookie;

/// Headers that proxies add to forwarded requests.
const FORWARDING: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Extractor of the client's address and user agent.
#[derive(Debug)]
pub(crate) struct Client(pub(crate) ClientInfo);

/// Extractor: whether a request comes from this machine and was not forwarded by a proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsLocal(pub(crate) bool);

impl FromRequestParts<AppState> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let server = &state.app.settings.server;
        let ip_address =
            peer(parts).map(|peer| address(peer, &parts.headers, server.trusted_proxies()).to_string());
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        // PostgreSQL stores no NUL, and a page should show no control characters.
        let user_agent =
            agent.map(|agent| agent.chars().filter(|character| !character.is_control()).collect());
        let device_token =
            cookie(&parts.headers, device_cookie(server.secure_cookies())).map(Token::from_text);
        Ok(Self(ClientInfo { ip_address, user_agent, device_token }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IsLocal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let is_forwarded = FORWARDING.iter().any(|name| parts.headers.contains_key(*name));
        Ok(Self(!is_forwarded && peer(parts).is_some_and(|peer| peer.is_loopback())))
    }
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical())
}

/// Returns the nearest address that is not a trusted proxy's.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted =
        |address: IpAddr| address.is_loopback() || trusted.iter().any(|network| network.contains(&address));
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let mut nearest = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(nearest) {
            break;
        }
        let Some(before) = hop_address(hop.trim()) else { break };
        nearest = before;
    }
    nearest
}

/// Parses a hop; some proxies include the port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(seen("192.0.2.1", &[], &[]), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(seen("127.0.0.1", &["198.51.100.7"], &[]), "198.51.100.7");
        // The client's own entries come before the one the proxy added.
        assert_eq!(seen("127.0.0.1", &["10.9.9.9, 198.51.100.7"], &[]), "198.51.100.7");
        assert_eq!(seen("127.0.0.1", &["10.9.9.9", "198.51.100.7"], &[]), "198.51.100.7");
        assert_eq!(seen("10.0.0.2", &["198.51.100.7, 10.0.0.3"], &["10.0.0.0/24"]), "198.51.100.7");
        assert_eq!(seen("10.0.0.2", &["198.51.100.7, 10.0.1.3"], &["10.0.0.0/24"]), "10.0.1.3");
        assert_eq!(seen("::1", &["2001:db8::7"], &[]), "2001:db8::7");
        assert_eq!(seen("127.0.0.1", &["198.51.100.7:4711"], &[]), "198.51.100.7");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::7]:4711"], &[]), "2001:db8::7");
        assert_eq!(seen("127.0.0.1", &["unknown"], &[]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["::ffff:192.0.2.9"], &[]), "192.0.2.9");
    }
}
