//! `/account`: who one is, one's password, sessions and keys.

use askama::Template;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use identity::keys::{self, Key, NewKey};
use identity::sessions::{self, Session};
use identity::users::{self, User};
use kernel::actor::{KeyId, Role, Scope, SessionId};
use serde::Deserialize;

use super::forms::Posted;
use super::frame::{Fault, Frame};
use super::see_other;
use crate::api::State;
use crate::api::input::{self, Query};
use crate::api::problem::Problem;
use crate::api::session::{end_all_of, end_one, user_in_person};
use crate::api::{keys as key_door, users as user_door};

/// What was done just before.
#[derive(Deserialize)]
pub(crate) struct Done {
    #[serde(default)]
    done: String,
}

/// Which part of the page something is said in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Password,
    Keys,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page<'page> {
    frame: &'page Frame,
    user: User,
    sessions: Vec<Session>,
    keys: Vec<Key>,
    /// What was done, in words.
    done: Option<&'page str>,
    fault: Option<(Part, &'page Fault)>,
    /// What was written into the form for a key, which is not to be written again.
    name: &'page str,
    libraries: &'page str,
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
    fn password_fault(&self) -> Option<&Fault> {
        self.fault_of(Part::Password)
    }

    fn key_fault(&self) -> Option<&Fault> {
        self.fault_of(Part::Keys)
    }

    fn fault_of(&self, wanted: Part) -> Option<&Fault> {
        self.fault.and_then(|(part, fault)| (part == wanted).then_some(fault))
    }

    fn role(&self) -> &str {
        match self.user.role {
            Role::User => self.frame.say("user", "用户"),
            Role::Editor => self.frame.say("editor", "编辑"),
            Role::Admin => self.frame.say("administrator", "管理员"),
        }
    }
}

/// All there is to see of oneself.
pub(crate) async fn show(Given(state): Given<State>, frame: Frame, Query(done): Query<Done>) -> Response {
    let done = match done.done.as_str() {
        "password" => Some(frame.say(
            "Your password is changed, and your other sessions have ended.",
            "密码已修改，您的其他会话均已退出。",
        )),
        "sessions" => Some(frame.say("Signed out there.", "已退出所选会话。")),
        "key" => {
            Some(frame.say("The key is changed, from now on and everywhere.", "钥匙已更改，立即在各处生效。"))
        }
        _ => None,
    };
    page(&state, &frame, done, None, ("", "")).await
}

/// Shows the account with what is wrong in one part of it.
async fn page(
    state: &State,
    frame: &Frame,
    done: Option<&str>,
    fault: Option<(Part, &Fault)>,
    (name, libraries): (&str, &str),
) -> Response {
    let read = async {
        let actor = &frame.actor;
        let user = user_in_person(actor)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let user = users::find(&mut connection, actor, user).await?.ok_or(identity::Error::NoUser)?;
        let sessions = sessions::list(&mut connection, actor, user.id).await?;
        let mut keys = keys::list(&mut connection, actor).await?;
        // An administrator's list holds everybody's; this page is about oneself.
        keys.retain(|key| key.user.as_deref() == Some(user.username.as_str()));
        Ok::<_, Problem>((user, sessions, keys))
    };
    match read.await {
        Ok((user, sessions, keys)) => {
            let status = fault.map_or(StatusCode::OK, |(_, fault)| fault.status);
            let page = Page { frame, user, sessions, keys, done, fault, name, libraries };
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
pub(crate) async fn change_password(Given(state): Given<State>, posted: Posted) -> Response {
    let posted = posted.at("/account");
    let frame = &posted.frame;
    let (current, new) = (posted.field("current"), posted.field("new"));
    let error = match user_door::set_password(&state, &frame.actor, current, new).await {
        Ok(()) => return see_other("/account?done=password"),
        Err(identity::Error::SignIn) => return see_other("/sign-in?next=/account"),
        Err(error) => error,
    };
    let is_wrong = matches!(error, identity::Error::BadPassword);
    match Fault::of(frame, error) {
        Ok(mut fault) => {
            if is_wrong {
                frame
                    .say("Your current password is another.", "当前密码不正确。")
                    .clone_into(&mut fault.text);
            }
            page(&state, frame, None, Some((Part::Password, &fault)), ("", "")).await
        }
        Err(answer) => answer,
    }
}

/// Ends one session, or all but this one.
pub(crate) async fn end_sessions(Given(state): Given<State>, posted: Posted) -> Response {
    let actor = &posted.frame.actor;
    let ended = async {
        let user = user_in_person(actor)?;
        if posted.has("others") {
            return end_all_of(&state, actor, user, true).await;
        }
        let id: SessionId = posted.field("id").parse().map_err(|_none| identity::Error::NoSession)?;
        end_one(&state, actor, id).await
    };
    after(ended.await, "/account?done=sessions#sessions")
}

/// Makes a key, and shows it this once.
pub(crate) async fn make_key(Given(state): Given<State>, posted: Posted) -> Response {
    let posted = posted.at("/account");
    let frame = &posted.frame;
    let mut scopes = std::collections::BTreeSet::from([Scope::Read]);
    scopes.extend(posted.has("write").then_some(Scope::Write));
    scopes.extend(posted.has("notes").then_some(Scope::Notes));
    let libraries = input::list(Some(posted.field("libraries")));
    let new = NewKey {
        name: posted.field("name").to_owned(),
        scopes,
        libraries: (!libraries.is_empty()).then(|| libraries.into_iter().collect()),
        rate_limit: None,
        seconds: posted.field("days").parse::<u16>().ok().map(|days| i64::from(days) * 86_400),
    };
    let problem = match key_door::make(&state, &frame.actor, new).await {
        Ok((key, secret)) => {
            let page = KeyPage { frame, name: &key.name, secret: secret.reveal(), address: &state.address };
            return frame.page(StatusCode::CREATED, &page);
        }
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            return see_other("/sign-in?next=/account");
        }
        Err(problem) => problem,
    };
    match Fault::of_problem(frame, problem) {
        Ok(fault) => {
            let written = (posted.field("name"), posted.field("libraries"));
            page(&state, frame, None, Some((Part::Keys, &fault)), written).await
        }
        Err(answer) => answer,
    }
}

/// Enables, disables or deletes a key.
pub(crate) async fn change_key(Given(state): Given<State>, posted: Posted) -> Response {
    let actor = &posted.frame.actor;
    let changed = async {
        let id: KeyId = posted.field("id").parse().map_err(|_none| identity::Error::NoKey)?;
        match posted.field("action") {
            "enable" => key_door::enable(&state, actor, id, true).await.map(drop),
            "disable" => key_door::enable(&state, actor, id, false).await.map(drop),
            "delete" => key_door::remove(&state, actor, id).await,
            _ => Err(Problem::invalid("the form cannot be read")),
        }
    };
    after(changed.await, "/account?done=key#keys")
}

fn after<T>(done: Result<T, Problem>, next: &str) -> Response {
    match done {
        Ok(_) => see_other(next),
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => see_other("/sign-in?next=/account"),
        Err(problem) => problem.into_response(),
    }
}

/// A time, to the minute.
fn minute(time: &DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}
