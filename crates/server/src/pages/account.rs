//! `/account`: who one is, one's keys and sessions, how pages look, one's password.

use std::borrow::Cow;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use identity::Preferences;
use identity::keys::{self, Key, NewKey};
use identity::sessions::{self, Session};
use identity::users::{self, User, UserUpdate};
use kernel::actor::{KeyId, SessionId};
use serde::Deserialize;

use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::language::Language;
use super::{see_other, theme};
use crate::app::sessions::require_person;
use crate::app::{self, accounts};
use crate::http::AppState;
use crate::http::input::{self, Query};
use crate::http::problem::Problem;

/// The most libraries that a form offers to tick; with more their names are written.
const MAX_CHOICES: usize = 40;

/// Query: outcome of the previous action.
#[derive(Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page<'page> {
    frame: &'page Frame,
    user: User,
    sessions: Vec<Session>,
    keys: Vec<Key>,
    /// The names of libraries that a key can be limited to.
    choices: Vec<String>,
    /// Message about the previous action.
    done: Option<Cow<'static, str>>,
    /// The part of the page in which something is wrong, and what.
    fault: Option<(&'static str, &'page FormError)>,
    /// The form that was sent, whose words are not to be written again.
    posted: Option<&'page SubmittedForm>,
    written: NewKeyForm,
}

/// Values of the form for a key.
#[derive(Default)]
struct NewKeyForm {
    name: String,
    scopes: Vec<&'static str>,
    libraries: Vec<String>,
    days: String,
}

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage<'page> {
    frame: &'page Frame,
    name: &'page str,
    secret: &'page str,
    address: &'page str,
}

impl Page<'_> {
    fn fault_of(&self, wanted: &str) -> Option<&FormError> {
        self.fault.and_then(|(part, fault)| (part == wanted).then_some(fault))
    }

    /// Returns the submitted value of a field, or the stored one.
    fn written_or<'text>(&'text self, field: &str, kept: &'text str) -> &'text str {
        match self.posted {
            Some(posted) if self.fault_of("person").is_some() => posted.field(field),
            _ => kept,
        }
    }

    fn full_name(&self) -> String {
        let name = format!("{} {} ", self.user.first_name, self.user.last_name);
        name.trim_start().to_owned()
    }

    fn languages(&self) -> [Language; 2] {
        [Language::English, Language::Chinese]
    }
}

impl NewKeyForm {
    fn empty() -> Self {
        Self { days: "90".to_owned(), ..Self::default() }
    }

    fn of(posted: &SubmittedForm) -> Self {
        let ticked = posted.names().filter_map(|name| name.strip_prefix("in.")).map(str::to_owned);
        let mut libraries = input::list(Some(posted.field("libraries")));
        libraries.extend(ticked);
        Self {
            name: posted.field("name").to_owned(),
            scopes: ["notes", "chats", "write"].into_iter().filter(|scope| posted.has(scope)).collect(),
            libraries,
            days: posted.field("days").to_owned(),
        }
    }

    fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(&scope)
    }

    fn has_library(&self, name: &str) -> bool {
        self.libraries.iter().any(|library| library == name)
    }
}

/// All there is to see of oneself.
pub(crate) async fn show(State(state): State<AppState>, frame: Frame, Query(done): Query<Done>) -> Response {
    let done = match done.done.as_str() {
        "password" => Some(frame.t("account-done-password")),
        "sessions" => Some(frame.t("account-done-sessions")),
        "key" => Some(frame.t("account-done-key")),
        "look" => Some(frame.t("account-done-look")),
        "person" => Some(frame.t("account-done-person")),
        _ => None,
    };
    page(&state, &frame, done, None, None).await
}

/// Shows the account, with what is wrong in one part of it.
async fn page(
    state: &AppState,
    frame: &Frame,
    done: Option<Cow<'static, str>>,
    fault: Option<(&'static str, &FormError)>,
    posted: Option<&SubmittedForm>,
) -> Response {
    let read = async {
        let actor = &frame.actor;
        let user = require_person(actor)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let user = users::find(&mut connection, actor, user).await?.ok_or(identity::Error::NoUser)?;
        let sessions = sessions::list(&mut connection, actor, user.id).await?;
        let mut keys = keys::list(&mut connection, actor).await?;
        drop(connection);
        // An administrator's list holds everybody's; this page is about oneself.
        keys.retain(|key| key.user.as_deref() == Some(user.username.as_str()));
        let catalogue = state.app.engine.catalogue().await?;
        let libraries = catalogue.libraries(actor);
        let few = libraries.len() <= MAX_CHOICES;
        let choices = libraries.iter().filter(|_| few).map(|library| library.name.to_string()).collect();
        Ok::<_, Problem>((user, sessions, keys, choices))
    };
    match read.await {
        Ok((user, sessions, keys, choices)) => {
            let status = fault.map_or(StatusCode::OK, |(_, fault)| fault.status);
            // Only the form for a key holds what it asks for.
            let of_key = posted.filter(|_| fault.is_some_and(|(part, _)| part == "keys"));
            let written = of_key.map_or_else(NewKeyForm::empty, NewKeyForm::of);
            let page = Page { frame, user, sessions, keys, choices, done, fault, posted, written };
            let response = frame.page(status, &page);
            match fault {
                Some((_, fault)) => fault.written_to(response),
                None => response,
            }
        }
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => see_other("/sign-in?next=/account"),
        Err(problem) => problem.into_response(),
    }
}

/// Changes one's password.
pub(crate) async fn change_password(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let posted = posted.at("/account");
    let frame = &posted.frame;
    let (current, new) = (posted.field("current"), posted.field("new"));
    match accounts::change_password(&state.app, &frame.actor, current, new).await {
        Ok(()) => see_other("/account?done=password"),
        Err(error) => refused(&state, &posted, "password", error).await,
    }
}

/// Changes one's names and mail address; for another address one's password is needed.
pub(crate) async fn change_person(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let posted = posted.at("/account");
    let (app, actor) = (&state.app, &posted.frame.actor);
    let changed = async {
        let id = actor.user_id().ok_or(identity::Error::SignIn)?;
        let mut connection = store::postgres::acquire(app.pool()).await?;
        let user = users::find(&mut connection, actor, id).await?.ok_or(identity::Error::NoUser)?;
        drop(connection);
        let address = posted.field("email").trim();
        let is_other = !address.eq_ignore_ascii_case(user.email.as_deref().unwrap_or_default());
        if is_other {
            // Links are sent there: whoever has only this session must not turn them to themselves.
            users::confirm_password(app.pool(), &app.passwords, actor, posted.field("password")).await?;
        }
        let change = UserUpdate {
            email: is_other.then(|| address.to_owned()),
            first_name: Some(posted.field("first_name").trim().to_owned()),
            last_name: Some(posted.field("last_name").trim().to_owned()),
            ..UserUpdate::default()
        };
        let mut transaction = app.begin().await?;
        users::update(&mut transaction, actor, id, &change).await?;
        Ok::<_, identity::Error>(transaction.commit().await?)
    };
    match changed.await {
        Ok(()) => see_other("/account?done=person"),
        Err(error) => refused(&state, &posted, "person", error).await,
    }
}

/// Chooses language and colours.
pub(crate) async fn choose_look(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let chosen = Preferences {
        language: Some(posted.field("language").to_owned()),
        theme: Some(posted.field("theme").to_owned()),
    };
    theme::chosen_here(&state, &posted.frame, chosen, "/account?done=look").await
}

/// Says in a part of the page what is wrong with what was written there.
async fn refused(
    state: &AppState,
    posted: &SubmittedForm,
    part: &'static str,
    error: identity::Error,
) -> Response {
    let frame = &posted.frame;
    let is_wrong = matches!(error, identity::Error::WrongPassword);
    if matches!(error, identity::Error::SignIn) {
        return see_other("/sign-in?next=/account");
    }
    match FormError::of(frame, error) {
        Ok(mut fault) => {
            if is_wrong {
                fault.text = frame.t("account-wrong-password").into_owned();
            }
            page(state, frame, None, Some((part, &fault)), Some(posted)).await
        }
        Err(answer) => answer,
    }
}

/// Ends one session, or all but this one.
pub(crate) async fn end_sessions(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let actor = &posted.frame.actor;
    let ended = async {
        let user = require_person(actor)?;
        if posted.has("others") {
            return Ok(app::sessions::end_all(&state.app, actor, user, true).await?);
        }
        let id: SessionId = posted.field("id").parse().map_err(|_none| identity::Error::NoSession)?;
        Ok::<_, Problem>(app::sessions::end(&state.app, actor, id).await?)
    };
    after(ended.await, "/account?done=sessions")
}

/// Makes a key, and shows it this once.
pub(crate) async fn make_key(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let posted = posted.at("/account");
    let frame = &posted.frame;
    let written = NewKeyForm::of(&posted);
    let new = NewKey {
        name: written.name,
        scopes: written.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        libraries: (!written.libraries.is_empty()).then(|| written.libraries.into_iter().collect()),
        rate_limit: None,
        seconds: posted.field("days").parse::<u16>().ok().map(|days| i64::from(days) * 86_400),
    };
    let problem = match app::keys::create(&state.app, &frame.actor, new).await.map_err(Problem::from) {
        Ok((key, secret)) => {
            let page = KeyPage { frame, name: &key.name, secret: secret.reveal(), address: &state.address };
            return frame.page(StatusCode::CREATED, &page);
        }
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            return see_other("/sign-in?next=/account");
        }
        Err(problem) => problem,
    };
    match FormError::of_problem(frame, problem) {
        Ok(fault) => page(&state, frame, None, Some(("keys", &fault)), Some(&posted)).await,
        Err(answer) => answer,
    }
}

/// Enables, disables or deletes a key.
pub(crate) async fn change_key(State(state): State<AppState>, posted: SubmittedForm) -> Response {
    let actor = &posted.frame.actor;
    let changed = async {
        let id: KeyId = posted.field("id").parse().map_err(|_none| identity::Error::NoKey)?;
        match posted.field("action") {
            "enable" => drop(app::keys::set_enabled(&state.app, actor, id, true).await?),
            "disable" => drop(app::keys::set_enabled(&state.app, actor, id, false).await?),
            "delete" => app::keys::delete(&state.app, actor, id).await?,
            _ => return Err(Problem::invalid("the form cannot be read")),
        }
        Ok(())
    };
    after(changed.await, "/account?done=key")
}

fn after<T>(done: Result<T, Problem>, next: &str) -> Response {
    match done {
        Ok(_) => see_other(next),
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => see_other("/sign-in?next=/account"),
        Err(problem) => problem.into_response(),
    }
}
