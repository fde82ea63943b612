//! Credentials of external services: MCP servers and language models that an administrator registers.
//!
//! The domain crates keep such services in tables of their own. This module owns what those tables have in common: the
//! bounds of names, endpoints and API keys, and the sealed column that holds the key ([`ApiKeyColumn`]).
//!
//! A key that is stored is sent only to the origin (scheme, host, port) that it was entered for, and is never shown:
//! otherwise an administrator could have another's key sent to a host of their choice. [`ApiKeyColumn::update`] holds that.
//! See [`crate::secrets`] for the encryption, and [`crate::sealed`] for changing the key that seals.

use kernel::update::FieldUpdate;
use sqlx::PgConnection;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::sealed::{self, ResealReport};
use crate::secrets::{self, Sealer};

/// Maximum length of a service's name, in bytes.
pub const MAX_NAME_BYTES: usize = 60;
/// Pattern of a service's name.
pub const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9._-]*$";
/// Maximum length of an endpoint, in bytes.
pub const MAX_ENDPOINT_BYTES: usize = 2000;
/// Maximum length of an API key, in bytes.
pub const MAX_API_KEY_BYTES: usize = 8192;
/// Pattern of an API key: ASCII, not blank.
pub const API_KEY_PATTERN: &str = "^ *[!-~][ -~]*$";

/// Error of a name, an endpoint or an API key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is out of bounds; the text says what is allowed.
    #[error("{0}")]
    Invalid(String),
    /// The API key cannot be sealed or opened.
    #[error("the API key of an external service cannot be used")]
    Secrets(#[from] secrets::Error),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// A table's column of sealed API keys. Each key is bound to its row.
#[derive(Debug, Clone, Copy)]
pub struct ApiKeyColumn {
    /// Schema, table and column: the part of the associated data that all rows share. Changing it makes stored keys unreadable.
    path: &'static str,
    /// Kind of service, for messages: `MCP server`.
    service: &'static str,
}

/// Key and endpoint of a row before an update.
#[derive(Debug)]
pub struct StoredKey {
    /// The sealed key, if there is one.
    pub sealed: Option<Vec<u8>>,
    /// Endpoint that the key was entered for.
    pub endpoint: Url,
}

/// Sealed key of a row, with the name of the service for messages.
#[derive(Debug)]
pub struct SealedKey {
    /// Id of the row.
    pub id: Uuid,
    /// Name of the service.
    pub name: String,
    /// The sealed key.
    pub sealed: Vec<u8>,
}

/// Keys sealed again, as two columns of equal length and order for one `update … from unnest(…)`.
#[derive(Debug, Default)]
pub struct ResealedKeys {
    /// Ids of the rows.
    pub ids: Vec<Uuid>,
    /// Keys sealed with the newest master key.
    pub sealed: Vec<Vec<u8>>,
    /// Counts, and the keys that could not be opened.
    pub report: ResealReport,
}

impl ApiKeyColumn {
    /// Column `path` (`schema.table/column`) of a kind of service such as `MCP server`.
    pub const fn new(path: &'static str, service: &'static str) -> Self {
        Self { path, service }
    }

    /// Checks and seals the key of a new row. Takes the lock of [`sealed::lock_keys_shared`] for the rest of the transaction.
    ///
    /// # Errors
    ///
    /// If the key cannot be sent in a header, or cannot be sealed.
    pub async fn seal(
        self,
        connection: &mut PgConnection,
        sealer: &Sealer,
        id: Uuid,
        api_key: Option<&str>,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(api_key) = api_key else { return Ok(None) };
        check_api_key(api_key)?;
        sealed::lock_keys_shared(connection).await?;
        Ok(Some(sealer.seal(&self.context(id), api_key.as_bytes())?))
    }

    /// Returns the sealed key to write when a row is updated to `endpoint`.
    ///
    /// # Errors
    ///
    /// If a stored key would be kept for another origin, or a new key is invalid or cannot be sealed.
    pub async fn update(
        self,
        connection: &mut PgConnection,
        sealer: &Sealer,
        id: Uuid,
        stored: StoredKey,
        endpoint: &Url,
        update: FieldUpdate<Zeroizing<String>>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match update {
            FieldUpdate::Keep => keep(stored, endpoint),
            FieldUpdate::Clear => Ok(None),
            FieldUpdate::Set(api_key) => self.seal(connection, sealer, id, Some(&api_key)).await,
        }
    }

    /// Opens the key of a row.
    ///
    /// # Errors
    ///
    /// If the key was sealed for another row, or with a master key that is not known.
    pub fn open(
        self,
        sealer: &Sealer,
        id: Uuid,
        sealed: Option<&[u8]>,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        let Some(sealed) = sealed else { return Ok(None) };
        let plain = sealer.open_sealed(&self.context(id), sealed)?;
        Ok(Some(Zeroizing::new(String::from_utf8_lossy(&plain).into_owned())))
    }

    /// Seals with the newest master key what is sealed with an older one. The caller holds the rows' locks and writes the
    /// result.
    ///
    /// # Errors
    ///
    /// If a key cannot be sealed. One that cannot be opened stays as it is and is reported.
    pub fn reseal(self, sealer: &Sealer, rows: Vec<SealedKey>) -> Result<ResealedKeys, Error> {
        let mut resealed = ResealedKeys::default();
        for row in rows.into_iter().filter(|row| !sealer.is_current(&row.sealed)) {
            let context = self.context(row.id);
            let Ok(plain) = sealer.open_sealed(&context, &row.sealed) else {
                resealed.report.unreadable.push(format!("the API key of the {} {}", self.service, row.name));
                continue;
            };
            resealed.sealed.push(sealer.seal(&context, &plain)?);
            resealed.ids.push(row.id);
            resealed.report.resealed += 1;
        }
        Ok(resealed)
    }

    /// Associated data of a row's key.
    fn context(self, id: Uuid) -> String {
        format!("{}/{id}", self.path)
    }
}

/// The stored key, if it may be sent to `endpoint`.
fn keep(stored: StoredKey, endpoint: &Url) -> Result<Option<Vec<u8>>, Error> {
    let (old, new) = (stored.endpoint.origin(), endpoint.origin());
    if stored.sealed.is_some() && old != new {
        return Err(Error::Invalid(format!(
            "the API key was entered for {}: enter it again for {}, or null to remove it",
            old.ascii_serialization(),
            new.ascii_serialization()
        )));
    }
    Ok(stored.sealed)
}

/// Checks the name of a service.
///
/// # Errors
///
/// If the name is not 1 to 60 lower-case letters, digits, `.`, `_` and `-`, starting with a letter or digit.
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && name.len() <= MAX_NAME_BYTES && name.bytes().all(is_allowed) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "invalid name: use 1 to {MAX_NAME_BYTES} lower-case letters, digits, '.', '_' and '-', starting with a letter or digit"
    )))
}

/// Parses the endpoint of a service; `example` is shown when the text is not a URL.
///
/// # Errors
///
/// If the text is not an http or https URL of at most 2000 bytes, or holds a user name or password.
pub fn parse_endpoint(text: &str, example: &str) -> Result<Url, Error> {
    let invalid = || {
        Error::Invalid(format!(
            "invalid endpoint: use an http or https URL such as {example}, at most {MAX_ENDPOINT_BYTES} characters long"
        ))
    };
    let url = Url::parse(text.trim()).map_err(|_not_a_url| invalid())?;
    if !matches!(url.scheme(), "http" | "https")
        || url.host_str().is_none()
        || url.as_str().len() > MAX_ENDPOINT_BYTES
    {
        return Err(invalid());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Invalid(
            "invalid endpoint: it is shown to users, so it holds no user name and password: set the secret as api_key"
                .to_owned(),
        ));
    }
    Ok(url)
}

/// Shortens a name from a request for an error message, and drops its control characters.
pub fn name_for_message(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(MAX_NAME_BYTES).collect()
}

/// Checks that a key can be sent in an HTTP header.
fn check_api_key(api_key: &str) -> Result<(), Error> {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if api_key.trim().is_empty() || api_key.len() > MAX_API_KEY_BYTES || !api_key.bytes().all(is_allowed) {
        return Err(Error::Invalid(format!(
            "invalid API key: use 1 to {MAX_API_KEY_BYTES} visible ASCII characters"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        parse_endpoint(text, "https://example.org").unwrap()
    }

    #[test]
    fn a_stored_key_is_kept_for_its_own_origin_only() {
        let keep_for = |endpoint: &str| {
            let stored = StoredKey { sealed: Some(vec![7]), endpoint: url("https://tools.example/mcp") };
            keep(stored, &url(endpoint))
        };
        for same in
            ["https://tools.example/mcp", "https://tools.example:443/v2?team=a", "https://TOOLS.example"]
        {
            assert_eq!(keep_for(same).unwrap(), Some(vec![7]), "{same}");
        }
        for other in [
            "http://tools.example/mcp",
            "https://tools.example:8443/mcp",
            "https://tools.example.org/mcp",
            "https://other.tools.example/mcp",
            "https://10.0.0.7/mcp",
        ] {
            let error = keep_for(other).unwrap_err().to_string();
            assert!(error.contains("https://tools.example"), "{error}");
        }
    }

    #[test]
    fn without_a_key_the_endpoint_can_change_freely() {
        let stored = StoredKey { sealed: None, endpoint: url("https://tools.example/mcp") };
        assert_eq!(keep(stored, &url("http://elsewhere.example")).unwrap(), None);
    }

    #[test]
    fn names_have_bounds() {
        for good in ["a", "7", "github-tools.2", "gpt-5.2_mini", &"a".repeat(60)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Git", "-a", "a b", "文", &"a".repeat(61)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert_eq!(name_for_message(&"a\nb".repeat(60)).len(), 60);
    }

    #[test]
    fn endpoints_are_urls_without_secrets() {
        assert_eq!(url(" HTTPS://Tools.example/mcp ").as_str(), "https://tools.example/mcp");
        assert_eq!(url("http://10.0.0.7:3000/mcp?team=a").as_str(), "http://10.0.0.7:3000/mcp?team=a");
        let long = format!("https://tools.example/{}", "a".repeat(2000));
        for bad in [
            "",
            "tools.example",
            "ftp://tools.example",
            "file:///etc/passwd",
            "https://",
            "https://a:b@c",
            &long,
        ] {
            assert!(parse_endpoint(bad, "https://example.org").is_err(), "{bad}");
        }
    }

    #[test]
    fn api_keys_fit_into_a_header() {
        assert!(check_api_key("Basic abc=").is_ok());
        for bad in ["", " ", "a\nb", "ключ", &"a".repeat(9000)] {
            assert!(check_api_key(bad).is_err(), "{bad}");
        }
    }
}
