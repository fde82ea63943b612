//! What an administrator gives of another's server, looked at before it is kept: its name here, its address, its key.

use reqwest::Url;

use crate::Error;

/// The longest key, in bytes.
const LONGEST_KEY: usize = 8192;

/// Refuses what is no name here.
pub fn check_name(name: &str) -> Result<(), Error> {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= 60 && name.bytes().all(is_good) {
        return Ok(());
    }
    Err(Error::Invalid(
        "a name has 1 to 60 lower-case letters, digits, dots, underscores and dashes, and begins with a letter or digit"
            .to_owned(),
    ))
}

/// Refuses a key that no header can hold.
pub fn check_key(api_key: Option<&str>) -> Result<(), Error> {
    let is_good = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    match api_key {
        Some(text) if text.trim().is_empty() || text.len() > LONGEST_KEY || !text.bytes().all(is_good) => {
            Err(Error::Invalid(format!("an API key has 1 to {LONGEST_KEY} visible ASCII characters")))
        }
        _ => Ok(()),
    }
}

/// Reads an address with http or https, of at most 2000 characters and without a secret in it; `example` is shown where it is none.
pub fn address(text: &str, example: &str) -> Result<Url, Error> {
    let wrong = || {
        Error::Invalid(format!(
            "an endpoint is an address such as {example}, with http or https and at most 2000 characters"
        ))
    };
    let url = Url::parse(text.trim()).map_err(|_unreadable| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || url.as_str().len() > 2000 {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Invalid(
            "an endpoint is shown, so it holds no name and password: give the secret as api_key".to_owned(),
        ));
    }
    Ok(url)
}
