//! Submitted forms, and their protection against cross-site request forgery.
//!
//! A form is accepted only from pages of this server. The browser states the origin of a request, which the guard has checked;
//! and each form contains a token that is also in a cookie, which a page of another site can neither read nor send.

use std::collections::HashMap;

use axum::extract::{Form, FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode};
use kernel::secret::{RandomnessError, Token};

use super::error::{PageError, PageResult};
use super::frame::Frame;
use crate::http::AppState;
use crate::http::problem::Problem;

/// Field of the form token.
pub(crate) const FIELD: &str = "form_token";

/// Form submitted by a page of this server.
pub(crate) struct SubmittedForm {
    pub(crate) frame: Frame,
    fields: HashMap<String, String>,
}

impl FromRequest<AppState> for SubmittedForm {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &AppState) -> PageResult<Self> {
        let (mut parts, body) = request.into_parts();
        let frame = Frame::from_request_parts(&mut parts, state).await?;
        let is_same_site = is_same_site(&parts.headers);
        let request = Request::from_parts(parts, body);
        let fields = Form::<HashMap<String, String>>::from_request(request, state).await;
        let Ok(Form(fields)) = fields else {
            return Err(Problem::invalid("the form cannot be read").into());
        };
        if !is_same_site || !has_valid_token(&frame, fields.get(FIELD).map_or("", String::as_str)) {
            return Err(refuse_cross_site(&frame));
        }
        // Browsers send a line break as CR LF, but `maxlength` counts it as one character (HTML, 4.10.21.4).
        let fields = fields.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect();
        Ok(Self { frame, fields })
    }
}

/// Whether the browser states that a form comes from a page of this site, or states nothing.
pub(crate) fn is_same_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether a form's token matches the browser's cookie.
pub(crate) fn has_valid_token(frame: &Frame, token: &str) -> bool {
    let token = unmask(token).map(|token| token.hash());
    !frame.is_new() && token == Some(frame.token().hash())
}

/// Authenticates the sender of a form with files before its body is read. The token is a field of the form and is checked later.
///
/// # Errors
///
/// If the form comes from another site.
pub(crate) async fn authenticate(state: &AppState, request: Request) -> PageResult<(Frame, Request)> {
    let (mut parts, body) = request.into_parts();
    let frame = Frame::from_request_parts(&mut parts, state).await?;
    if !is_same_site(&parts.headers) {
        return Err(refuse_cross_site(&frame));
    }
    Ok((frame, Request::from_parts(parts, body)))
}

/// Refuses a form that no page of this server has sent.
pub(crate) fn refuse_cross_site(frame: &Frame) -> PageError {
    PageError::Response(Box::new(frame.message(StatusCode::FORBIDDEN, &frame.t("form-foreign"))))
}

impl SubmittedForm {
    /// Sets the address of the page that contains the form.
    #[must_use]
    pub(crate) fn at(self, here: &str) -> Self {
        Self { frame: self.frame.at(here), ..self }
    }

    /// Returns the value of a field; empty if it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Returns the names of the fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Returns the suffixes of fields with a prefix, sorted: the ticked checkboxes of a group.
    pub(crate) fn ticked(&self, prefix: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.fields.keys().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// Whether a checkbox was ticked or a button pressed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }
}

/// Masks a token for a form: a random mask, then the token combined with it by XOR. A secret that differs in every response cannot be guessed
/// from the length of compressed responses ([BREACH](https://www.breachattack.com/)).
pub(crate) fn mask(token: &Token) -> Result<String, RandomnessError> {
    let mask = Token::generate("")?;
    Ok(format!("{}{}", mask.reveal(), xor_hex(mask.reveal(), token.reveal()).unwrap_or_default()))
}

/// Recovers the token from its masked form.
fn unmask(text: &str) -> Option<Token> {
    let (mask, masked) = text.split_at_checked(text.len() / 2)?;
    Some(Token::from_text(&xor_hex(mask, masked)?))
}

/// Combines two hexadecimal texts of equal length by XOR.
fn xor_hex(left: &str, right: &str) -> Option<String> {
    let (left, right) = (hex::decode(left).ok()?, hex::decode(right).ok()?);
    let bytes: Vec<u8> = left.iter().zip(&right).map(|(left, right)| left ^ right).collect();
    (left.len() == right.len()).then(|| hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_tokens_differ_and_unmask_to_the_same_token() {
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
