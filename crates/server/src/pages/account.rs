//! `/account`: the reader's API keys, sessions, language and theme, mail, names, email and password.

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use identity::Preferences;
use identity::keys::{self, Key, NewKey};
use identity::sessions::{self, Session};
use identity::users::{self, User, UserUpdate};
use kernel::actor::{KeyId, SessionId};
use serde::Deserialize;
use social::mail_preferences::{self, Frequency, MailPreferences, MailPreferencesUpdate};
use social::notifications::Kind;

use super::error::{PageError, PageResult};
use super::forms::SubmittedForm;
use super::frame::{FormError, Frame};
use super::language::Language;
use super::{see_other, theme};
use crate::app::sessions::require_person;
use crate::app::{self, accounts};
use crate::http::AppState;
use crate::http::input::{self, Query};
use crate::http::problem::{self, Problem};

/// Limit on libraries that are offered as checkboxes; if there are more, their names are typed.
const MAX_CHOICES: usize = 40;

/// Routes of the account.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/account", get(show))
        .route("/account/password", post(change_password))
        .route("/account/person", post(change_person))
        .route("/account/look", post(choose_look))
        .route("/account/mail", post(choose_mail))
        .route("/account/sessions", post(end_sessions))
        .route("/account/keys", post(create_key))
        .route("/account/keys/change", post(change_key))
}

/// Query: outcome of the previous action.
#[derive(Deserialize)]
struct AccountQuery {
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
    /// Names of libraries that a key can be limited to.
    choices: Vec<String>,
    /// Message about the previous action.
    done: Option<Cow<'static, str>>,
    /// Section of the refused form, and its error.
    error: Option<(&'static str, &'page FormError)>,
    /// Refused form, whose values are shown again.
    form: Option<&'page SubmittedForm>,
    new_key: NewKeyForm,
    mail: MailPreferences,
    /// Whether this server sends mail.
    sends_mail: bool,
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
    fn error_in(&self, section: &str) -> Option<&FormError> {
        self.error.and_then(|(refused, error)| (refused == section).then_some(error))
    }

    /// Returns the submitted value of a field of the refused form, or the stored one.
    fn value_of<'text>(&'text self, field: &str, stored: &'text str) -> &'text str {
        match self.form {
            Some(form) if self.error_in("person").is_some() => form.field(field),
            _ => stored,
        }
    }

    fn full_name(&self) -> String {
        let name = format!("{} {} ", self.user.first_name, self.user.last_name);
        name.trim_start().to_owned()
    }

    /// Why the reader gets no mail, if so.
    fn no_mail(&self) -> Option<Cow<'static, str>> {
        if !self.sends_mail {
            Some(self.frame.t("mail-off"))
        } else if self.user.email.is_none() {
            Some(self.frame.t("mail-no-address"))
        } else {
            None
        }
    }

    fn mail_kinds(&self) -> [(&'static str, Frequency); 7] {
        Kind::ALL.map(|kind| (kind.as_str(), self.mail.get(kind)))
    }

    fn frequencies(&self) -> [Frequency; 4] {
        Frequency::ALL
    }

    fn languages(&self) -> [Language; 2] {
        [Language::English, Language::Chinese]
    }
}

impl NewKeyForm {
    fn empty() -> Self {
        Self { days: "90".to_owned(), ..Self::default() }
    }

    fn of(form: &SubmittedForm) -> Self {
        let ticked = form.names().filter_map(|name| name.strip_prefix("in.")).map(str::to_owned);
        let mut libraries = input::list(Some(form.field("libraries")));
        libraries.extend(ticked);
        Self {
            name: form.field("name").to_owned(),
            scopes: ["notes", "chats", "write"].into_iter().filter(|scope| form.has(scope)).collect(),
            libraries,
            days: form.field("days").to_owned(),
        }
    }

    fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(&scope)
    }

    fn has_library(&self, name: &str) -> bool {
        self.libraries.iter().any(|library| library == name)
    }
}

/// Shows the account.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<AccountQuery>) -> PageResult {
    let done = match query.done.as_str() {
        "password" => Some(frame.t("account-done-password")),
        "sessions" => Some(frame.t("account-done-sessions")),
        "key" => Some(frame.t("account-done-key")),
        "look" => Some(frame.t("account-done-look")),
        "mail" => Some(frame.t("account-done-mail")),
        "person" => Some(frame.t("account-done-person")),
        _ => None,
    };
    page(&state, &frame, done, None, None).await
}

/// Renders the account, with the error of a form.
async fn page(
    state: &AppState,
    frame: &Frame,
    done: Option<Cow<'static, str>>,
    error: Option<(&'static str, &FormError)>,
    form: Option<&SubmittedForm>,
) -> PageResult {
    let account = Account::read(state, frame).await.map_err(or_sign_in)?;
    let Account { user, sessions, keys, mail, choices } = account;
    let new_key_form = form.filter(|_| error.is_some_and(|(section, _)| section == "keys"));
    let new_key = new_key_form.map_or_else(NewKeyForm::empty, NewKeyForm::of);
    let sends_mail = state.sends_mail();
    let page = Page { frame, user, sessions, keys, choices, done, error, form, new_key, mail, sends_mail };
    Ok(frame.form_page(error.map(|(_, error)| error), &page))
}

/// Data of the page.
struct Account {
    user: User,
    sessions: Vec<Session>,
    keys: Vec<Key>,
    mail: MailPreferences,
    choices: Vec<String>,
}

impl Account {
    async fn read(state: &AppState, frame: &Frame) -> problem::Result<Self> {
        let actor = &frame.actor;
        let user = require_person(actor)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let user = users::find(&mut connection, actor, user).await?.ok_or(identity::Error::NoUser)?;
        let sessions = sessions::list(&mut connection, actor, user.id).await?;
        let mut keys = keys::list(&mut connection, actor).await?;
        let mail = mail_preferences::find(&mut connection, actor).await?;
        drop(connection);
        // An administrator's list has the keys of all users.
        keys.retain(|key| key.user.as_deref() == Some(user.username.as_str()));
        let catalogue = state.app.engine.catalogue().await?;
        let libraries = catalogue.libraries(actor);
        let are_few = libraries.len() <= MAX_CHOICES;
        let choices = libraries.iter().filter(|_| are_few).map(|library| library.name.to_string()).collect();
        Ok(Self { user, sessions, keys, mail, choices })
    }
}

/// Redirects to the sign-in form if the session has ended.
fn or_sign_in(problem: Problem) -> PageError {
    PageError::or_sign_in(problem, "/account")
}

/// Changes the password.
async fn change_password(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/account");
    let (current, new) = (form.field("current"), form.field("new"));
    match accounts::change_password(&state.app, &form.frame.actor, current, new).await {
        Ok(()) => Ok(see_other("/account?done=password")),
        Err(error) => refuse(&state, &form, "password", error).await,
    }
}

/// Changes names and email.
async fn change_person(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/account");
    match update_person(&state, &form).await {
        Ok(()) => Ok(see_other("/account?done=person")),
        Err(error) => refuse(&state, &form, "person", error).await,
    }
}

/// Updates names and email; another email requires the password.
async fn update_person(state: &AppState, form: &SubmittedForm) -> Result<(), identity::Error> {
    let (app, actor) = (&state.app, &form.frame.actor);
    let id = actor.user_id().ok_or(identity::Error::SignIn)?;
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let user = users::find(&mut connection, actor, id).await?.ok_or(identity::Error::NoUser)?;
    drop(connection);
    let email = form.field("email").trim();
    let is_new_email = !email.eq_ignore_ascii_case(user.email.as_deref().unwrap_or_default());
    if is_new_email {
        // Password links are sent there: a stolen session alone must not be able to take over the account.
        users::confirm_password(app.pool(), &app.passwords, actor, form.field("password")).await?;
    }
    let update = UserUpdate {
        email: is_new_email.then(|| email.to_owned()),
        first_name: Some(form.field("first_name").trim().to_owned()),
        last_name: Some(form.field("last_name").trim().to_owned()),
        ..UserUpdate::default()
    };
    let mut transaction = app.begin().await?;
    users::update(&mut transaction, actor, id, &update).await?;
    Ok(transaction.commit().await?)
}

/// Chooses language and theme.
async fn choose_look(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let choice = Preferences {
        language: Some(form.field("language").to_owned()),
        theme: Some(form.field("theme").to_owned()),
    };
    theme::save_choice(&state, &form.frame, choice, "/account?done=look").await
}

/// Chooses how often to be mailed about notifications.
async fn choose_mail(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let actor = &form.frame.actor;
    require_person(actor).map_err(|error| or_sign_in(error.into()))?;
    // Where no mail is sent, the fields are disabled, and so not sent.
    let update = MailPreferencesUpdate::from_fn(|kind| Frequency::named(form.field(kind.as_str())));
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    mail_preferences::update(&mut transaction, actor, update).await?;
    transaction.commit().await?;
    Ok(see_other("/account?done=mail"))
}

/// Shows the account with the error of a form in one section.
async fn refuse(
    state: &AppState,
    form: &SubmittedForm,
    section: &'static str,
    error: identity::Error,
) -> PageResult {
    let frame = &form.frame;
    if matches!(error, identity::Error::SignIn) {
        return Err(PageError::sign_in("/account"));
    }
    let is_wrong_password = matches!(error, identity::Error::WrongPassword);
    let mut error = FormError::from_identity(frame, error)?;
    if is_wrong_password {
        error.text = frame.t("account-wrong-password").into_owned();
    }
    page(state, frame, None, Some((section, &error)), Some(form)).await
}

/// Ends one session, or all but this one.
async fn end_sessions(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let actor = &form.frame.actor;
    let user = require_person(actor).map_err(|error| or_sign_in(error.into()))?;
    if form.has("others") {
        let ended = app::sessions::end_all(&state.app, actor, user, true).await;
        ended.map_err(|error| or_sign_in(error.into()))?;
    } else {
        let id: SessionId = form.field("id").parse().map_err(|_invalid| identity::Error::NoSession)?;
        let ended = app::sessions::end(&state.app, actor, id).await;
        ended.map_err(|error| or_sign_in(error.into()))?;
    }
    Ok(see_other("/account?done=sessions"))
}

/// Creates a key, and shows its secret once.
async fn create_key(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/account");
    let frame = &form.frame;
    let new_key = NewKeyForm::of(&form);
    let new = NewKey {
        name: new_key.name,
        scopes: new_key.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
        libraries: (!new_key.libraries.is_empty()).then(|| new_key.libraries.into_iter().collect()),
        rate_limit: None,
        seconds: form.field("days").parse::<u16>().ok().map(|days| i64::from(days) * 86_400),
    };
    match app::keys::create(&state.app, &frame.actor, new).await.map_err(Problem::from) {
        Ok((key, secret)) => {
            let page = KeyPage { frame, name: &key.name, secret: secret.reveal(), address: &state.address };
            Ok(frame.page(StatusCode::CREATED, &page))
        }
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Err(or_sign_in(problem)),
        Err(problem) => {
            let error = FormError::from_problem(frame, problem)?;
            page(&state, frame, None, Some(("keys", &error)), Some(&form)).await
        }
    }
}

/// Enables, disables or deletes a key.
async fn change_key(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    update_key(&state, &form).await.map_err(or_sign_in)?;
    Ok(see_other("/account?done=key"))
}

async fn update_key(state: &AppState, form: &SubmittedForm) -> problem::Result<()> {
    let actor = &form.frame.actor;
    let id: KeyId = form.field("id").parse().map_err(|_invalid| identity::Error::NoKey)?;
    match form.field("action") {
        "enable" => drop(app::keys::set_enabled(&state.app, actor, id, true).await?),
        "disable" => drop(app::keys::set_enabled(&state.app, actor, id, false).await?),
        "delete" => app::keys::delete(&state.app, actor, id).await?,
        _ => return Err(Problem::invalid("the form cannot be read")),
    }
    Ok(())
}
