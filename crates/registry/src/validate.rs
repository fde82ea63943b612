//! Validation of the fields of a registered server. Names, endpoints and API keys in general: [`store::credentials`].

use reqwest::Url;
use reqwest::header::HeaderName;
use store::credentials;

use crate::Error;

/// Maximum length of a server's description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 500;
/// Maximum length of the name of the header that carries the API key, in bytes.
pub const MAX_HEADER_BYTES: usize = 60;
/// Maximum length of the name of a tool or of its argument, in characters.
pub const MAX_TOOL_NAME_CHARS: usize = 128;
/// Pattern of the name of a tool or of its argument.
pub const TOOL_NAME_PATTERN: &str = r"^[^ \u0000-\u001f\u007f-\u009f]+$";

/// Headers that cannot carry a credential, because HTTP or MCP sets them.
const RESERVED_HEADERS: [&str; 11] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

/// Checks the length of a description, and that PostgreSQL can store it.
pub(crate) fn check_description(text: &str) -> Result<(), Error> {
    if text.chars().count() > MAX_DESCRIPTION_CHARS || text.contains('\0') {
        return Err(Error::Invalid(format!(
            "invalid description: use at most {MAX_DESCRIPTION_CHARS} characters"
        )));
    }
    Ok(())
}

/// Parses an endpoint. A fragment is dropped: it is never sent.
pub(crate) fn parse_endpoint(text: &str) -> Result<Url, Error> {
    let mut url = credentials::parse_endpoint(text, "https://tools.example.org/mcp")?;
    url.set_fragment(None);
    Ok(url)
}

/// Parses the name of the header that carries the API key.
pub(crate) fn parse_header(text: &str) -> Result<HeaderName, Error> {
    let name: Result<HeaderName, _> = text.parse();
    let name = name.ok().filter(|name| {
        let is_plain = name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_plain && name.as_str().len() <= MAX_HEADER_BYTES && !RESERVED_HEADERS.contains(&name.as_str())
    });
    name.ok_or_else(|| {
        Error::Invalid(
            "invalid header: use the name of an HTTP header such as X-Api-Key, but none that HTTP or MCP sets"
                .to_owned(),
        )
    })
}

/// Checks the name of the tool that is called with questions, and of its argument.
pub(crate) fn check_tool(tool: Option<&str>, argument: &str) -> Result<(), Error> {
    let is_name = |text: &str| {
        (1..=MAX_TOOL_NAME_CHARS).contains(&text.chars().count())
            && !text.chars().any(|character| character.is_control() || character == ' ')
    };
    if tool.is_none_or(is_name) && is_name(argument) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "invalid tool or argument: use the name from the server's own list of tools, 1 to {MAX_TOOL_NAME_CHARS} characters \
         without spaces"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls_without_secrets() {
        assert_eq!(
            parse_endpoint(" HTTPS://Tools.example/mcp#x ").unwrap().as_str(),
            "https://tools.example/mcp"
        );
        assert_eq!(
            parse_endpoint("http://10.0.0.7:3000/mcp?team=a").unwrap().as_str(),
            "http://10.0.0.7:3000/mcp?team=a"
        );
        for bad in [
            "",
            "tools.example",
            "ftp://tools.example",
            "file:///etc/passwd",
            "https://",
            "https://a:b@tools.example",
        ] {
            assert!(parse_endpoint(bad).is_err(), "{bad}");
        }
        assert!(parse_endpoint(&format!("https://tools.example/{}", "a".repeat(2000))).is_err());
    }

    #[test]
    fn headers_and_tools_have_bounds() {
        assert_eq!(parse_header("X-Api-Key").unwrap().as_str(), "x-api-key");
        for bad in ["", "a b", "Host", "Mcp-Session-Id", "a:b", "a_b"] {
            assert!(parse_header(bad).is_err(), "{bad}");
        }
        assert!(check_tool(None, "query").is_ok() && check_tool(Some("search_code"), "q").is_ok());
        for bad in ["", "a b", "a\nb", &"a".repeat(129)] {
            assert!(check_tool(Some(bad), "query").is_err() && check_tool(None, bad).is_err(), "{bad}");
        }
    }
}
