//! Form errors, shown in the form in the reader's language.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::frame::Frame;
use super::language::Language;
use crate::http::problem::Problem;

/// Kinds of problems whose name says all that their words do.
const PLAIN: [&str; 8] = [
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
    /// Details in English, if the page is in another language.
    pub(crate) detail: Option<String>,
    retry_after: Option<u32>,
}

impl FormError {
    /// Tells it; what is nobody's fault is a problem that is shown and logged as such.
    #[expect(clippy::result_large_err, reason = "what goes out in its place, once a failure")]
    pub(crate) fn of(frame: &Frame, error: identity::Error) -> Result<Self, Response> {
        let known = known(frame, &error).map(Cow::into_owned);
        // No address is waiting to be signed in to: a browser would ask in its own way after a 401.
        let is_wrong = matches!(error, identity::Error::WrongPassword);
        let mut fault = Self::of_problem(frame, error.into())?;
        if is_wrong {
            fault.status = StatusCode::FORBIDDEN;
        }
        if let Some(text) = known {
            (fault.text, fault.detail) = (text, None);
        }
        Ok(fault)
    }

    /// Creates a form error from a problem.
    #[expect(clippy::result_large_err, reason = "what goes out in its place, once a failure")]
    pub(crate) fn of_problem(frame: &Frame, problem: Problem) -> Result<Self, Response> {
        if !problem.status().is_client_error() {
            return Err(problem.into_response());
        }
        let (status, retry_after) = (problem.status(), problem.retry_after());
        let (text, detail) = match frame.language() {
            Language::English => (sentence(problem.detail()), None),
            Language::Chinese => {
                let title = frame.t_enum("problem", problem.kind());
                (sentence_of(frame.language(), &title), in_english(frame.language(), &problem))
            }
        };
        Ok(Self { status, text, detail, retry_after })
    }

    /// Adds to a page what machines read of it.
    pub(crate) fn written_to(&self, mut response: Response) -> Response {
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The words of a problem, which the API has in English alone, where they are needed beside its name in another language.
pub(super) fn in_english(language: Language, problem: &Problem) -> Option<String> {
    let says_more = !PLAIN.contains(&problem.kind()) && language != Language::English;
    says_more.then(|| sentence(problem.detail()))
}

/// As it stands by itself on a page: errors are written to follow something.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let mut sentence: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(characters.as_str());
    if !sentence.ends_with(['.', '。', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

fn sentence_of(language: Language, text: &str) -> String {
    match language {
        Language::English => sentence(text),
        Language::Chinese => format!("{text}。"),
    }
}

/// Translates an error.
fn known(frame: &Frame, error: &identity::Error) -> Option<Cow<'static, str>> {
    use identity::{Error, InvalidName, PasswordPolicyError};
    Some(match error {
        Error::WrongPassword => frame.t("fault-bad-password"),
        Error::TooManyAttempts { seconds } => frame.t_with("fault-too-many-attempts", "seconds", seconds),
        Error::InvalidLink => frame.t("fault-bad-link"),
        Error::SignIn => frame.t("fault-sign-in"),
        Error::NoUser => frame.t("fault-no-user"),
        Error::NoSession => frame.t("fault-no-session"),
        Error::NoKey => frame.t("fault-no-key"),
        Error::UsernameTaken => frame.t("fault-username-taken"),
        Error::EmailTaken => frame.t("fault-email-taken"),
        Error::KeyNameTaken => frame.t("fault-key-name-taken"),
        Error::LastAdministrator => frame.t("fault-last-administrator"),
        Error::InvalidName(InvalidName::Username(_)) => frame.t("fault-bad-username"),
        Error::InvalidName(InvalidName::Email(_)) => frame.t("fault-bad-email"),
        Error::PasswordPolicy(PasswordPolicyError::TooShort { min }) => {
            frame.t_with("fault-password-short", "least", min)
        }
        Error::PasswordPolicy(PasswordPolicyError::TooLong { max }) => {
            frame.t_with("fault-password-long", "most", max)
        }
        Error::PasswordPolicy(PasswordPolicyError::TooCommon) => frame.t("fault-password-common"),
        _ => return None,
    })
}
