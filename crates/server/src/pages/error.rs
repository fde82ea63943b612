//! Error of page handlers: a problem, which becomes a page of its own, or a response in place of the page.

use axum::response::{IntoResponse, Response};

use super::see_other;
use crate::http::problem::Problem;

/// Result of a page's handler.
pub(crate) type PageResult<T = Response> = Result<T, PageError>;

/// Error of a page's handler.
#[derive(Debug)]
pub(crate) enum PageError {
    /// Rendered in the reader's language by the middleware that finishes all errors.
    Problem(Problem),
    /// Sent in place of the page, such as a redirect to the sign-in form.
    Response(Box<Response>),
}

impl PageError {
    /// Redirects to the sign-in form, which leads on to `next`.
    pub(crate) fn sign_in(next: &str) -> Self {
        Self::Response(Box::new(see_other(&format!("/sign-in?next={next}"))))
    }

    /// Redirects to the sign-in form if that is what the problem asks for.
    pub(crate) fn or_sign_in(problem: Problem, next: &str) -> Self {
        match problem.status() {
            axum::http::StatusCode::UNAUTHORIZED => Self::sign_in(next),
            _ => Self::Problem(problem),
        }
    }
}

impl<E> From<E> for PageError
where
    Problem: From<E>,
{
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Response(response) => *response,
        }
    }
}
