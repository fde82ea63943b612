//! A form that was refused: its error, and the text to correct and send again.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::StatusCode;

use crate::http::problem::Problem;
use crate::pages::error::PageResult;
use crate::pages::forms::{self, SubmittedForm};
use crate::pages::frame::{FormError, Frame};

#[derive(Template)]
#[template(path = "community_refused.html")]
struct Page<'page> {
    frame: &'page Frame,
    error: Option<&'page FormError>,
    /// Address that the form is sent to.
    action: &'page str,
    /// Text to correct; `None` for an action without one, which is not sent again.
    text: Option<&'page str>,
    /// All other fields.
    fields: BTreeMap<&'page str, &'page str>,
}

/// Shows the error of a form above its text, which is the field `text`.
///
/// # Errors
///
/// Returns the problem if there is nothing to keep: what the form is about does not exist and nothing was written, or this program
/// failed.
pub(super) fn respond(form: &SubmittedForm, action: &str, problem: impl Into<Problem>) -> PageResult {
    let problem: Problem = problem.into();
    let is_empty = form.field("text").is_empty() && form.field("members").is_empty();
    if problem.status() == StatusCode::UNAUTHORIZED || problem.status() == StatusCode::NOT_FOUND && is_empty {
        return Err(problem.into());
    }
    let error = FormError::from_problem(&form.frame, problem)?;
    let names = form.names().filter(|name| !["text", forms::FIELD].contains(name));
    let fields = names.map(|name| (name, form.field(name))).collect();
    let text = form.has("text").then(|| form.field("text"));
    let page = Page { frame: &form.frame, error: Some(&error), action, text, fields };
    Ok(form.frame.form_page(Some(&error), &page))
}
