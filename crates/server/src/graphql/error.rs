//! Errors: what a client can act on is a result ([`Refusal`]), everything else an error with a code.

use std::sync::Arc;

use async_graphql::{Error, ErrorExtensions as _, Response, SimpleObject};

use axum::http::StatusCode;

use crate::http::problem::Problem;

/// Why a change was not made, for a client to act on.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct Refusal {
    /// Kind of the reason, as the last part of the type of REST's problem: `not-found`, `forbidden`, `invalid` …
    code: String,
    /// Message: what is wrong and what to do.
    message: String,
    /// Seconds after which a retry makes sense.
    retry_after: Option<i32>,
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
            Ok(Err(Refusal {
                code: problem.kind().to_owned(),
                message: problem.detail().to_owned(),
                retry_after: problem.retry_after().and_then(|seconds| i32::try_from(seconds).ok()),
            }))
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
