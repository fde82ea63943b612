//! Form errors, shown above the form in the reader's language.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::error::PageResult;
use super::frame::Frame;
use super::language::Language;
use super::reason::{self, Piece};
use crate::http::problem::Problem;

/// Types of problems whose translated title says all that the English detail says.
const SELF_EXPLANATORY: [&str; 8] = [
    "busy",
    "internal",
    "method-not-allowed",
    "name-taken",
    "no-library",
    "not-found",
    "sign-in",
    "too-many-requests",
];

/// Error of a submitted form.
#[derive(Debug)]
pub(crate) struct FormError {
    pub(crate) status: StatusCode,
    /// In the language of the page.
    pub(crate) text: String,
    /// Details after the text.
    pub(crate) detail: Vec<Piece>,
    retry_after: Option<u32>,
}

impl FormError {
    /// Creates a form error from an error of accounts.
    ///
    /// # Errors
    ///
    /// If it is not the client's error; then it is shown on a page of its own.
    pub(crate) fn from_identity(frame: &Frame, error: identity::Error) -> PageResult<Self> {
        let translated = translated(frame, &error).map(Cow::into_owned);
        let is_wrong_password = matches!(error, identity::Error::WrongPassword);
        let mut form_error = Self::from_problem(frame, error.into())?;
        if is_wrong_password {
            // A 401 would make the browser ask for a password itself.
            form_error.status = StatusCode::FORBIDDEN;
        }
        if let Some(text) = translated {
            (form_error.text, form_error.detail) = (text, Vec::new());
        }
        Ok(form_error)
    }

    /// Creates a form error from a problem.
    ///
    /// # Errors
    ///
    /// If it is not the client's error; then it is shown on a page of its own.
    pub(crate) fn from_problem(frame: &Frame, problem: Problem) -> PageResult<Self> {
        if !problem.status().is_client_error() {
            return Err(problem.into());
        }
        let (status, retry_after) = (problem.status(), problem.retry_after());
        let detail = detail(frame.language(), &problem);
        let (text, detail) = match frame.language() {
            Language::English => (sentence(problem.detail()), Vec::new()),
            // A translated detail says more than the title.
            Language::Chinese if detail.first().is_some_and(|piece| !piece.is_english) => {
                (String::new(), detail)
            }
            Language::Chinese => (format!("{}。", frame.t_enum("problem", problem.kind())), detail),
        };
        Ok(Self { status, text, detail, retry_after })
    }

    /// Adds `Retry-After` to the response.
    pub(super) fn add_headers(&self, response: &mut Response) {
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

/// Returns the detail of a problem beside its title, translated if possible; empty if the translated title says all.
pub(super) fn detail(language: Language, problem: &Problem) -> Vec<Piece> {
    let pieces = reason::pieces(language, problem.detail());
    let is_translated = pieces.first().is_some_and(|piece| !piece.is_english);
    if language != Language::English && !is_translated && SELF_EXPLANATORY.contains(&problem.kind()) {
        return Vec::new();
    }
    let as_sentence = |piece: Piece| Piece { text: sentence(&piece.text), ..piece };
    pieces
        .into_iter()
        .map(
            |piece| {
                if language == Language::English || piece.is_english { as_sentence(piece) } else { piece }
            },
        )
        .collect()
}

/// Turns an error text, which is lower case without a full stop, into a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let mut sentence: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(characters.as_str());
    if !sentence.ends_with(['.', '。', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

/// Translates an error of accounts.
fn translated(frame: &Frame, error: &identity::Error) -> Option<Cow<'static, str>> {
    use identity::{Error, InvalidName, PasswordPolicyError};
    Some(match error {
        Error::WrongPassword => frame.t("form-error-wrong-password"),
        Error::TooManyAttempts { seconds } => {
            frame.t_with("form-error-too-many-attempts", "seconds", seconds)
        }
        Error::InvalidLink => frame.t("form-error-invalid-link"),
        Error::SignIn => frame.t("form-error-sign-in"),
        Error::NoUser => frame.t("form-error-no-user"),
        Error::NoSession => frame.t("form-error-no-session"),
        Error::NoKey => frame.t("form-error-no-key"),
        Error::UsernameTaken => frame.t("form-error-username-taken"),
        Error::EmailTaken => frame.t("form-error-email-taken"),
        Error::KeyNameTaken => frame.t("form-error-key-name-taken"),
        Error::LastAdministrator => frame.t("form-error-last-administrator"),
        Error::InvalidName(InvalidName::Username(_)) => frame.t("form-error-invalid-username"),
        Error::InvalidName(InvalidName::Email(_)) => frame.t("form-error-invalid-email"),
        Error::PasswordPolicy(PasswordPolicyError::TooShort { min }) => {
            frame.t_with("form-error-password-too-short", "min", min)
        }
        Error::PasswordPolicy(PasswordPolicyError::TooLong { max }) => {
            frame.t_with("form-error-password-too-long", "max", max)
        }
        Error::PasswordPolicy(PasswordPolicyError::TooCommon) => frame.t("form-error-password-too-common"),
        _ => return None,
    })
}
