//! `/admin/settings`: what is in force and from where, the versions, and how index and vectors stand. No secret is among it.

use std::borrow::Cow;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use store::migrations::{self, Status};
use store::postgres::{self, Versions};

use super::{IndexStatus, require};
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::pages::frame::Frame;
use crate::settings::effective::EffectiveSetting;

#[derive(Template)]
#[template(path = "admin_settings.html")]
struct Page<'page> {
    frame: &'page Frame,
    settings: &'page [EffectiveSetting],
    data: String,
    versions: Versions,
    /// The newest migration, and how many there are that are not applied or not right.
    schema: Option<Status>,
    amiss: usize,
    standing: IndexStatus,
}

impl Page<'_> {
    fn program(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// Explanation of a setting.
    fn about<'setting>(&self, setting: &'setting EffectiveSetting) -> Cow<'setting, str> {
        self.frame.t_enum_or("setting", setting.flag.trim_start_matches('-'), &setting.help)
    }

    fn is_built_in(&self) -> bool {
        !self.settings.iter().any(|setting| setting.variable == "DATABASE_URL" && setting.is_secret)
    }
}

/// All of it.
pub(super) async fn show(State(state): State<AppState>, frame: Frame) -> Result<Response, Response> {
    require(&frame)?;
    let read = async {
        let versions = postgres::versions(state.app.pool()).await?;
        let history = migrations::status(state.app.pool())
            .await
            .map_err(|error| Problem::internal(kernel::chain::Chain(&error).to_string()))?;
        Ok::<_, Problem>((versions, history, IndexStatus::read(&state, &frame.actor).await?))
    };
    let (versions, mut history, standing) = read.await.map_err(Problem::into_response)?;
    let amiss = history.iter().filter(|step| step.applied_at.is_none() || step.fault.is_some()).count();
    let page = Page {
        frame: &frame,
        settings: state.app.settings.effective(),
        data: state.app.settings.storage.data_dir().display().to_string(),
        versions,
        schema: history.pop(),
        amiss,
        standing,
    };
    Ok(frame.page(StatusCode::OK, &page))
}
