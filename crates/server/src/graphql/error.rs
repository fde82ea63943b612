//! Errors: what a client can act on is a result ([`Refusal`]), everything else an error with a code.

use std::sync::Arc;

use async_graphql::{Error, ErrorExtensions as _, Interface, Response, SimpleObject};
use axum::http::StatusCode;

use crate::http::problem::Problem;

/// Declares the reasons for which a change is not made, and the interface that they share.
macro_rules! refusals {
    ($($(#[doc = $about:literal])* $name:ident { $($(#[doc = $field_about:literal])* $field:ident: $type:ty = $value:expr),* $(,)? })*) => {
        $(
            $(#[doc = $about])*
            #[derive(Debug, Clone, SimpleObject)]
            pub(crate) struct $name {
                /// Kind of the reason, as the last part of the type of REST's problem.
                code: String,
                /// Message: what is wrong and what to do.
                message: String,
                $($(#[doc = $field_about])* $field: $type),*
            }

            impl From<&Problem> for $name {
                fn from(problem: &Problem) -> Self {
                    $(let $field: fn(&Problem) -> $type = $value;)*
                    Self { code: problem.kind().to_owned(), message: problem.detail().to_owned(), $($field: $field(problem)),* }
                }
            }
        )*

        /// Why a change was not made, for a client to act on.
        #[derive(Debug, Clone, Interface)]
        #[graphql(
            field(name = "code", ty = "&String", desc = "Kind of the reason, as the last part of the type of REST's problem."),
            field(name = "message", ty = "&String", desc = "Message: what is wrong and what to do.")
        )]
        pub(crate) enum Refusal {
            $($(#[doc = $about])* $name($name)),*
        }
    };
}

refusals! {
    /// It does not exist, or not for the caller.
    NotFound {
        /// Name like the one that was given, if there is one.
        nearest: Option<String> = |problem| problem.members().get("nearest")?.as_str().map(str::to_owned),
    }
    /// Only a signed-in person, or a key, may do it.
    SignInNeeded {}
    /// The caller may not do it.
    Forbidden {}
    /// A value is malformed or out of bounds.
    Invalid {}
    /// The state of things does not allow it: a name is taken, or something changed since it was read.
    Conflict {}
    /// Too many or too much for now.
    LimitReached {
        /// Seconds after which a retry makes sense.
        retry_after: Option<i32> = |problem| problem.retry_after().and_then(|seconds| i32::try_from(seconds).ok()),
    }
}

impl From<&Problem> for Refusal {
    fn from(problem: &Problem) -> Self {
        match problem.status() {
            StatusCode::UNAUTHORIZED => Self::SignInNeeded(problem.into()),
            StatusCode::FORBIDDEN => Self::Forbidden(problem.into()),
            StatusCode::NOT_FOUND => Self::NotFound(problem.into()),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Self::Conflict(problem.into()),
            StatusCode::TOO_MANY_REQUESTS => Self::LimitReached(problem.into()),
            _ => Self::Invalid(problem.into()),
        }
    }
}

/// Outcome of a change: the result, or why it was not made. The server's own failures are errors.
pub(super) type Outcome<T> = Result<Result<T, Refusal>, Error>;

/// Sorts a failure: a fault of the server is an error, everything else a refusal.
pub(super) fn outcome<T, E: Into<Problem>>(result: Result<T, E>) -> Outcome<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => {
            let problem: Problem = error.into();
            if problem.is_fault() {
                return Err(failed(problem));
            }
            Ok(Err(Refusal::from(&problem)))
        }
    }
}

/// Turns a problem into an error. A fault of the server reveals nothing; its cause is logged.
pub(super) fn failed(problem: impl Into<Problem>) -> Error {
    let problem: Problem = problem.into();
    let error = Error { source: Some(Arc::new(problem.clone())), ..Error::new(problem.user_message()) };
    error.extend_with(|_, extensions| {
        extensions.set("code", problem.kind());
        if let Some(seconds) = problem.retry_after() {
            extensions.set("retryAfter", seconds);
        }
        if let Some(parameter) = problem.parameter() {
            extensions.set("argument", parameter);
        }
    })
}

/// Returns what went wrong with the server in a response, for those who run a request again or keep its response.
pub(super) fn fault_in(response: &Response) -> Option<&Problem> {
    let problems = response.errors.iter().filter_map(|error| error.source::<Problem>());
    problems.rev().find(|problem| problem.is_fault())
}

/// Turns the absence of something into `None`.
pub(super) fn if_present<T, E: Into<Problem>>(result: Result<T, E>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            let problem: Problem = error.into();
            if problem.status() == StatusCode::NOT_FOUND { Ok(None) } else { Err(failed(problem)) }
        }
    }
}

/// Turns what the caller may not read into nothing: it does not exist for them.
pub(super) fn if_allowed<T, E: Into<Problem>>(found: Result<Vec<T>, E>) -> Result<Vec<T>, Error> {
    found.or_else(|error| {
        let problem: Problem = error.into();
        match problem.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(Vec::new()),
            _ => Err(failed(problem)),
        }
    })
}
