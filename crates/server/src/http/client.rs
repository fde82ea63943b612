//! Where a request comes from: the peer's address, or, behind a proxy that is trusted, the one that the proxy saw.
//!
//! Anybody can write `X-Forwarded-For`. It is read from its end, and only as far as each hop is a proxy whose word is
//! taken: one on this machine, or one that the settings list.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use identity::sessions::Origin;
use ipnet::IpNet;

use super::AppState;

/// Headers by which proxies say that they pass something on.
const FORWARDING: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Where a request comes from, as handlers take it.
#[derive(Debug)]
pub(crate) struct Client(pub(crate) Origin);

/// Whether a request comes from this machine itself, and was not passed on by a proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IsLocal(pub(crate) bool);

impl FromRequestParts<AppState> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let ip_address = peer(parts).map(|peer| {
            address(peer, &parts.headers, state.app.settings.server.trusted_proxies()).to_string()
        });
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        // What the database cannot keep, and a page should not show.
        let user_agent =
            agent.map(|agent| agent.chars().filter(|character| !character.is_control()).collect());
        Ok(Self(Origin { ip_address, user_agent }))
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

/// The nearest address that is no trusted proxy's.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
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

/// Some proxies write the port too.
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
    fn the_word_of_a_trusted_proxy_is_taken_and_no_other() {
        assert_eq!(seen("192.0.2.1", &[], &[]), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(seen("127.0.0.1", &["198.51.100.7"], &[]), "198.51.100.7");
        // What the client wrote itself stands before what the proxy added.
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
