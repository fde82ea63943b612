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
    text: &'page str,
    /// All other fields.
    fields: BTreeMap<&'page str, &'page str>,
}

/// Shows the error of a form above its text, which is the field `text`.
///
/// # Errors
///
/// Returns the problem if another text would not help: what the form is about does not exist, or this program failed.
pub(super) fn respond(form: &SubmittedForm, action: &str, problem: impl Into<Problem>) -> PageResult {
    let problem: Problem = problem.into();
    if matches!(problem.status(), StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) {
        return Err(problem.into());
    }
    let error = FormError::from_problem(&form.frame, problem)?;
    let names = form.names().filter(|name| !["text", forms::FIELD].contains(name));
    let fields = names.map(|name| (name, form.field(name))).collect();
    let page = Page { frame: &form.frame, error: Some(&error), action, text: form.field("text"), fields };
    Ok(form.frame.form_page(Some(&error), &page))
}
