//! `/reports`: what was reported to the reader as a moderator, and their decisions.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use library::access::Level;
use library::catalogue::Catalogue;
use serde::Deserialize;
use social::ids::ReportId;
use social::reports::{self, Report, Resolution};

use super::PAGE;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::{Problem, Result};
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::see_other;

/// Routes of reports.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/reports", get(show).post(resolve))
}

/// Whether anything is reported to the reader: they own a library, or are an administrator.
pub(super) fn is_moderator(frame: &Frame, catalogue: &Catalogue) -> bool {
    let owns = |library: &library::catalogue::Library| library.access_level(&frame.actor) >= Some(Level::Own);
    frame.is_administrator()
        || frame.is_signed_in() && catalogue.libraries(&frame.actor).into_iter().any(|library| owns(library))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReportsQuery {
    /// `resolved`, or open ones.
    show: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "reports.html")]
struct Page<'page> {
    frame: &'page Frame,
    show: &'page str,
    reports: Vec<Report>,
    next: Option<String>,
}

impl Page<'_> {
    /// Returns the address of the text, which moderators see also once it is hidden.
    fn link(&self, report: &Report) -> String {
        let post = report.post_id;
        report.comment_id.map_or_else(
            || format!("/posts/{post}"),
            |comment| format!("/posts/{post}?under={comment}#c-{comment}"),
        )
    }

    fn name(&self, username: Option<&String>) -> String {
        username.cloned().unwrap_or_else(|| self.frame.t("post-nobody").into_owned())
    }

    fn resolution(&self, report: &Report) -> Option<String> {
        let name = match report.resolution? {
            Resolution::Hidden => "hidden",
            Resolution::Dismissed => "dismissed",
        };
        Some(self.frame.t_enum("reports-resolution", name).into_owned())
    }
}

/// Lists the reports, the newest first.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ReportsQuery>) -> PageResult {
    frame.require_sign_in()?;
    let after = cursor(&query.cursor)?;
    let is_resolved = query.show == "resolved";
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = reports::list(&mut connection, &frame.actor, is_resolved, after.as_ref(), PAGE).await?;
    drop(connection);
    let next = page.next.map(|cursor| next("/reports", &[("show", &query.show)], &cursor));
    let page = Page { frame: &frame, show: &query.show, reports: page.items, next };
    Ok(frame.page(StatusCode::OK, &page))
}

/// Hides a text or dismisses its reports: `action` says which.
async fn resolve(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/reports");
    form.frame.require_sign_in()?;
    let (report, resolution) = decision(&form)?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    reports::resolve(&mut transaction, &form.frame.actor, report, resolution).await?;
    transaction.commit().await?;
    Ok(see_other("/reports"))
}

fn decision(form: &SubmittedForm) -> Result<(ReportId, Resolution)> {
    let invalid = || Problem::invalid("the form cannot be read");
    let report = form.field("id").parse().map_err(|_invalid| invalid())?;
    match form.field("action") {
        "hide" => Ok((report, Resolution::Hidden)),
        "dismiss" => Ok((report, Resolution::Dismissed)),
        _ => Err(invalid()),
    }
}
