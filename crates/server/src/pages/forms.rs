//! Forms that pages send, and cookies.
//!
//! A form is taken from our own pages alone. Browsers say where it comes from, which the guard has compared; and each form
//! holds a token that is also in a cookie, which no page of another site can read or send along.

use std::collections::HashMap;

use axum::extract::{Form, FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use kernel::secret::{RandomnessError, Token};

use super::frame::Frame;
use crate::http::AppState;
use crate::http::problem::Problem;

/// The field that holds the form's token.
pub(crate) const FIELD: &str = "form_token";

/// A form that one of our pages has sent.
pub(crate) struct SubmittedForm {
    pub(crate) frame: Frame,
    fields: HashMap<String, String>,
}

impl FromRequest<AppState> for SubmittedForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let frame =
            Frame::from_request_parts(&mut parts, state).await.map_err(IntoResponse::into_response)?;
        let is_own = is_of_this_site(&parts.headers);
        let request = Request::from_parts(parts, body);
        let fields = Form::<HashMap<String, String>>::from_request(request, state).await;
        let Ok(Form(fields)) = fields else {
            return Err(Problem::invalid("the form cannot be read").into_response());
        };
        if !is_own {
            return Err(Self::foreign(&frame));
        }
        require_token(&frame, fields.get(FIELD).map_or("", String::as_str))?;
        // Browsers send two characters for a line's end, and count one where a field says how many it takes (HTML, 4.10.21.4).
        let fields = fields.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect();
        Ok(Self { frame, fields })
    }
}

/// Whether the browser says that a form comes from a page of this site, or says nothing.
pub(crate) fn is_of_this_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Refuses a form that does not hold the token of the browser it comes from.
#[expect(clippy::result_large_err, reason = "what goes out in its place")]
pub(crate) fn require_token(frame: &Frame, shown: &str) -> Result<(), Response> {
    if is_ours(frame, shown) { Ok(()) } else { Err(SubmittedForm::foreign(frame)) }
}

/// Whether a form's token is that of the browser's cookie.
pub(crate) fn is_ours(frame: &Frame, shown: &str) -> bool {
    let shown = unmask(shown).map(|token| token.hash());
    !frame.is_new() && shown == Some(frame.token().hash())
}

impl SubmittedForm {
    /// Refuses a form that no page of ours has sent.
    pub(crate) fn foreign(frame: &Frame) -> Response {
        frame.message(StatusCode::FORBIDDEN, &frame.t("form-foreign"))
    }

    /// Says at which address the page that holds the form is shown.
    #[must_use]
    pub(crate) fn at(self, here: &str) -> Self {
        Self { frame: self.frame.at(here), ..self }
    }

    /// Returns the value of a field; empty if it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The names of the fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Returns the suffixes of fields with a prefix: the ticked boxes of a group.
    pub(crate) fn ticked(&self, prefix: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.fields.keys().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// Whether a box was ticked, or a button pressed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }
}

/// A token as a form holds it: a mask, and the token under it. Texts that are compressed together with what a stranger chose tell
/// of secrets by their length only where these stay the same (BREACH).
pub(crate) fn mask(token: &Token) -> Result<String, RandomnessError> {
    let mask = Token::generate("")?;
    Ok(format!("{}{}", mask.reveal(), combined(mask.reveal(), token.reveal()).unwrap_or_default()))
}

/// The token that a form holds.
fn unmask(text: &str) -> Option<Token> {
    let (mask, masked) = text.split_at_checked(text.len() / 2)?;
    Some(Token::from_text(&combined(mask, masked)?))
}

/// Two texts of hexadecimal digits, one over the other.
fn combined(left: &str, right: &str) -> Option<String> {
    let (left, right) = (hex::decode(left).ok()?, hex::decode(right).ok()?);
    let both: Vec<u8> = left.iter().zip(&right).map(|(left, right)| left ^ right).collect();
    (left.len() == right.len()).then(|| hex::encode(both))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_looks_different_each_time_and_is_the_same() {
        let token = Token::generate("").unwrap();
        let (one, other) = (mask(&token).unwrap(), mask(&token).unwrap());
        assert_ne!(one, other);
        for masked in [one, other] {
            assert_eq!(unmask(&masked).map(|shown| shown.hash()), Some(token.hash()));
        }
        for bad in ["", "a", "ab", "zz", "文文", &"0".repeat(97)] {
            assert_ne!(unmask(bad).map(|shown| shown.hash()), Some(token.hash()), "{bad}");
        }
    }
}
