//! `[server]`: the listening address, the names the server answers under, and the proxies it trusts.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, ensure};
use axum::http::Uri;
use clap::Args;
use ipnet::IpNet;

use super::{Group, Problems};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerSettings {
    /// Address and port to listen on. Beyond this machine, put a proxy with TLS in front
    #[arg(
        id = "server.listen",
        long = "listen",
        env = "WENYUAN_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT"
    )]
    listen: SocketAddr,

    /// Public URL of the server (`https://docs.example.org`), used in links and accepted as a host name. With
    /// https, cookies are sent over TLS only
    #[arg(id = "server.public_url", long = "public-url", env = "WENYUAN_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// Additional host names that the server answers under, separated by commas
    #[arg(
        id = "server.hosts",
        long = "hosts",
        env = "WENYUAN_HOSTS",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    hosts: Vec<String>,

    /// Origins of other sites whose pages can call the server (`https://tools.example.org`), separated by
    /// commas
    #[arg(
        id = "server.origins",
        long = "origins",
        env = "WENYUAN_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    origins: Vec<String>,

    /// Proxies whose X-Forwarded-For header is trusted, besides those on this machine: addresses or networks
    /// (10.0.0.0/8), separated by commas
    #[arg(
        id = "server.trusted_proxies",
        long = "trusted-proxies",
        env = "WENYUAN_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "NETWORK",
        value_parser = network
    )]
    trusted_proxies: Vec<IpNet>,
}

impl ServerSettings {
    /// Address and port to listen on.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Public URL of the server, without a trailing slash.
    ///
    /// # Errors
    ///
    /// If it is not an absolute http or https URL.
    pub(crate) fn public_url(&self) -> anyhow::Result<Option<Uri>> {
        let Some(text) = self.public_url.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let url: Uri = text
            .trim_end_matches('/')
            .parse()
            .with_context(|| format!("invalid public URL {text:?} (WENYUAN_PUBLIC_URL)"))?;
        let is_absolute = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
        ensure!(
            is_absolute,
            "invalid public URL {text:?} (WENYUAN_PUBLIC_URL): write it as https://docs.example.org"
        );
        Ok(Some(url))
    }

    /// Host names that the server answers under, besides those of this machine.
    ///
    /// # Errors
    ///
    /// If the public URL is invalid.
    pub(crate) fn hosts(&self) -> anyhow::Result<Vec<String>> {
        let mut hosts = self.hosts.clone();
        hosts.extend(self.public_url()?.and_then(|url| url.host().map(str::to_owned)));
        Ok(hosts)
    }

    /// Origins of other sites whose pages can call the server.
    pub(crate) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Proxies whose X-Forwarded-For header is trusted, besides those on this machine.
    pub(crate) fn trusted_proxies(&self) -> &[IpNet] {
        &self.trusted_proxies
    }

    /// Whether cookies are marked `Secure`: the public URL is https.
    pub(crate) fn secure_cookies(&self) -> bool {
        let start = self.public_url.as_deref().and_then(|url| url.trim_start().get(..8));
        start.is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }
}

impl Group for ServerSettings {
    fn check(&self, problems: &mut Problems) {
        problems.note("server.public_url", self.public_url());
    }
}

/// Parses a network, or an address as a network of one host.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_no_network| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_neither| "neither an address nor a network: write 10.0.0.7 or 10.0.0.0/8".to_owned())
}
