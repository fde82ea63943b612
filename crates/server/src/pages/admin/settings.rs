//! `/admin/settings`: effective settings and their sources, versions, and the status of index and vectors. Secrets are hidden.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use store::migrations::{self, Status};
use store::postgres::{self, Versions};

use super::{IndexStatus, require_administrator};
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::pages::error::PageResult;
use crate::pages::frame::Frame;
use crate::settings::effective::EffectiveSetting;

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/admin/settings", get(show))
}

#[derive(Template)]
#[template(path = "admin_settings.html")]
struct Page<'page> {
    frame: &'page Frame,
    settings: &'page [EffectiveSetting],
    data: String,
    versions: Versions,
    /// Newest migration.
    schema: Option<Status>,
    /// Number of migrations that are missing or differ.
    faulty_migrations: usize,
    index: IndexStatus,
}

impl Page<'_> {
    fn program(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Returns the explanation of a setting as markup.
    fn about(&self, setting: &EffectiveSetting) -> String {
        let text = self.frame.t_enum_or("setting", setting.flag.trim_start_matches('-'), &setting.help);
        with_code(&text)
    }

    fn is_built_in(&self) -> bool {
        !self.settings.iter().any(|setting| setting.variable == "DATABASE_URL" && setting.is_secret)
    }
}

/// Returns a text as markup, with what is between backticks as code.
fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(number, part)| match number % 2 {
        0 => markup::escape(part).into_owned(),
        _ => format!("<code>{}</code>", markup::escape(part)),
    });
    parts.collect()
}

/// Shows the settings.
async fn show(State(state): State<AppState>, frame: Frame) -> PageResult {
    require_administrator(&frame)?;
    let versions = postgres::versions(state.app.pool()).await?;
    let migrations = migrations::status(state.app.pool()).await;
    let mut migrations =
        migrations.map_err(|error| Problem::internal(kernel::chain::Chain(&error).to_string()))?;
    let index = IndexStatus::read(&state, &frame.actor).await?;
    let is_faulty = |step: &&Status| step.applied_at.is_none() || step.fault.is_some();
    let faulty_migrations = migrations.iter().filter(is_faulty).count();
    let page = Page {
        frame: &frame,
        settings: state.app.settings.effective(),
        data: state.app.settings.storage.data_dir().display().to_string(),
        versions,
        schema: migrations.pop(),
        faulty_migrations,
        index,
    };
    Ok(frame.page(StatusCode::OK, &page))
}
