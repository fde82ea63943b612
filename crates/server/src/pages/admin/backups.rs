//! `/admin/backups`: backups with their state and the checks of the last verification, buttons to start one and to verify; the golden
//! questions; drills.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use ops::drills::Drill;
use ops::questions::{GoldenQuestion, NewGoldenQuestion};
use ops::verify::{Check, Outcome, State as BackupState};

use super::{FlashMessage, ListQuery, require_administrator};
use crate::app::backups::{self, Overview, requests, scheduled};
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/backups";
/// Drills that are shown.
const SHOWN_DRILLS: i64 = 12;
const QUESTIONS: &str = "/admin/backups/questions";

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route(HERE, get(show).post(act)).route(QUESTIONS, post(change_questions))
}

#[derive(Template)]
#[template(path = "admin_backups.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    /// Folder of the repository, if one is set.
    repository: Option<String>,
    /// Whether backups are encrypted to keys that nobody has confirmed to have.
    is_unconfirmed: bool,
    /// Whether encrypted backups can be verified here.
    has_key: bool,
    /// Newest first.
    backups: Vec<Overview>,
    /// Whether the server can carry out a drill.
    can_drill: bool,
    /// Newest drills, newest first.
    drills: Vec<Drill>,
    /// Golden questions, oldest first.
    questions: Vec<GoldenQuestion>,
}

impl List<'_> {
    /// Returns the class of a state's badge: only a verified backup is green.
    fn badge(&self, backup: &Overview) -> &'static str {
        match backup.state {
            BackupState::Verified => "good",
            BackupState::Unverified => "",
            BackupState::Degraded | BackupState::Failed => "bad",
        }
    }

    fn has_failed(&self, check: &Check) -> bool {
        check.outcome != Outcome::Passed
    }

    /// End of the period that can be recovered with a backup, if it is more than a moment.
    fn recoverable_until(&self, backup: &Overview) -> Option<DateTime<Utc>> {
        backup.recoverable_until.filter(|until| Some(*until) > backup.consistent_at)
    }

    /// Size in the repository without what it shares with others, in MiB, rounded up.
    fn mebibytes(&self, backup: &Overview) -> u64 {
        backup.own_bytes.div_ceil(1 << 20)
    }

    /// Returns the class of a drill's badge.
    fn drill_badge(&self, drill: &Drill) -> &'static str {
        if drill.outcome == Outcome::Passed { "good" } else { "bad" }
    }

    /// Measured and wanted recovery point and time.
    fn measures(&self, drill: &Drill) -> String {
        let measure = |name: &str, seconds: Option<f64>, target: f64| {
            let target = format!("{target:.0}");
            let (name, target) = (("name", name.into()), ("target", target.as_str().into()));
            let Some(seconds) = seconds else {
                return self.frame.t_all("admin-drill-unmeasured", &[name, target]).into_owned();
            };
            let seconds = format!("{seconds:.1}");
            self.frame
                .t_all("admin-drill-measure", &[name, ("seconds", seconds.as_str().into()), target])
                .into_owned()
        };
        let targets = drill.targets;
        [
            measure("RPO", drill.rpo_seconds, targets.rpo_seconds),
            measure("RTO", drill.rto_seconds, targets.rto_seconds),
        ]
        .join(" · ")
    }

    fn can_verify(&self, backup: &Overview) -> bool {
        backup.fault.is_none() && (self.has_key || !backup.encrypted)
    }
}

/// Lists the backups, drills and golden questions.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    list(&state, &frame, flash).await
}

async fn list(state: &AppState, frame: &Frame, flash: FlashMessage<'_>) -> PageResult {
    let settings = &state.app.settings;
    let mut backups = backups::overview(settings).await.map_err(Problem::from)?;
    backups.reverse();
    let keys = backups::key_file(settings).read().map_err(Problem::from)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let questions = ops::questions::list(&mut connection, &frame.actor).await.map_err(Problem::from)?;
    let drills =
        ops::drills::list(&mut connection, &frame.actor, SHOWN_DRILLS).await.map_err(Problem::from)?;
    drop(connection);
    let page = List {
        frame,
        flash,
        repository: settings.backup.repository().map(|folder| folder.display().to_string()),
        is_unconfirmed: !settings.backup.unencrypted() && keys.iter().all(|key| !key.confirmed),
        has_key: settings.backup.key_file().is_some(),
        can_drill: scheduled::can_drill(settings),
        drills,
        backups,
        questions,
    };
    Ok(page.flash.page(frame, &page))
}

/// Starts a backup, the verification of one, or a drill.
async fn act(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    require_administrator(&form.frame)?;
    let (app, actor) = (&state.app, &form.frame.actor);
    let done = match form.field("action") {
        "run" => requests::start(app, actor).await.map(|()| "backup"),
        "drill" => requests::start_drill(app, actor).await.map(|()| "drill"),
        "verify" => requests::start_verification(app, actor, form.field("id")).await.map(|_| "backup-verify"),
        _ => return Err(Problem::invalid("the form cannot be read").into()),
    };
    Ok(see_other(&format!("{HERE}?done={}", done.map_err(Problem::from)?)))
}

/// Adds or removes a golden question.
async fn change_questions(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at(HERE);
    let frame = &form.frame;
    require_administrator(frame)?;
    if form.field("action") == "remove" {
        let id = form.field("id").parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))?;
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        match ops::questions::remove(&mut transaction, &frame.actor, id).await {
            // Another administrator was faster.
            Ok(()) | Err(ops::Error::NoQuestion(_)) => transaction.commit().await?,
            Err(error) => return Err(Problem::from(error).into()),
        }
        return Ok(see_other(&format!("{HERE}?done=question-removed")));
    }
    let given = |name| Some(form.field(name).trim().to_owned()).filter(|text| !text.is_empty());
    let new = NewGoldenQuestion {
        text: form.field("text").to_owned(),
        library: given("library"),
        version: given("version"),
    };
    match backups::add_question(&state.app, &frame.actor, new).await {
        Ok(_) => Ok(see_other(&format!("{HERE}?done=question"))),
        Err(error) => {
            let error = FormError::from_problem(frame, error.into())?;
            list(&state, frame, FlashMessage::refused("question", error, &form)).await
        }
    }
}
