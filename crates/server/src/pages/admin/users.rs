//! `/admin/users`: who there is, and what they may in the whole installation.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use identity::keys::{self, Key};
use identity::sessions::{self, Session};
use identity::users::{self, NewUser, User, UserUpdate};
use identity::{Error, Username, links};
use kernel::actor::{Role, SessionId, UserId};

use super::{FlashMessage, ListQuery, PAGE, cursor, next, require};
use crate::app::{self, accounts};
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::http::problem::Problem;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/users";
/// Every role there is.
const ROLES: [&str; 3] = ["user", "editor", "admin"];

#[derive(Template)]
#[template(path = "admin_users.html")]
struct List<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    wanted: &'page str,
    users: Vec<User>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_user.html")]
struct One<'page> {
    frame: &'page Frame,
    told: FlashMessage<'page>,
    user: User,
    sessions: Vec<Session>,
    keys: Vec<Key>,
}

#[derive(Template)]
#[template(path = "admin_link.html")]
struct LinkPage<'page> {
    frame: &'page Frame,
    user: &'page User,
    link: String,
    until: Option<chrono::DateTime<chrono::Utc>>,
}

/// All of them, or those that are looked for.
pub(super) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let told = FlashMessage::done(&frame, &asked.done);
    Ok(list(&state, &frame, &asked, told).await)
}

async fn list(state: &AppState, frame: &Frame, asked: &ListQuery, told: FlashMessage<'_>) -> Response {
    let read = async {
        let after = cursor(&asked.cursor)?;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        Ok(users::search(&mut connection, &frame.actor, &asked.q, after.as_ref(), PAGE).await?)
    };
    let found = match read.await {
        Ok(found) => found,
        Err(problem) => return Problem::into_response(problem),
    };
    let next = found.next.map(|cursor| next(HERE, &[("q", &asked.q)], &cursor));
    let page = List { frame, told, wanted: &asked.q, users: found.items, next };
    page.told.page(frame, &page)
}

/// Makes a user, and shows once the link by which they set their password.
pub(super) async fn create(
    State(state): State<AppState>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(HERE);
    let frame = &posted.frame;
    require(frame)?;
    let made = async {
        let new = NewUser {
            username: posted.field("username").parse::<Username>()?,
            email: accounts::parse_email(Some(posted.field("email")))?,
            role: role(posted.field("role"))?,
            first_name: posted.field("first_name").trim().to_owned(),
            last_name: posted.field("last_name").trim().to_owned(),
            password_hash: None,
        };
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let user = users::create(&mut transaction, &frame.actor, new).await?;
        let link = links::create_for_user(&mut transaction, &frame.actor, user.id).await?;
        transaction.commit().await?;
        Ok::<_, Error>((user, link))
    };
    match made.await {
        Ok((user, link)) => Ok(show_link(&state, frame, &user, &link)),
        Err(error) => {
            let told = FlashMessage::refused("new", FormError::of(frame, error)?, &posted);
            Ok(list(&state, frame, &ListQuery::default(), told).await)
        }
    }
}

fn show_link(state: &AppState, frame: &Frame, user: &User, link: &links::Link) -> Response {
    let address = format!("{}/password?token={}", state.address, link.token.reveal());
    frame.page(StatusCode::CREATED, &LinkPage { frame, user, link: address, until: link.expires_at })
}

fn role(name: &str) -> Result<Role, Error> {
    name.parse().map_err(|error: kernel::actor::UnknownName| Error::Invalid(error.to_string()))
}

/// One of them.
pub(super) async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<UserId>,
    Query(asked): Query<ListQuery>,
) -> Result<Response, Response> {
    require(&frame)?;
    let told = FlashMessage::done(&frame, &asked.done);
    Ok(page(&state, &frame, id, told).await)
}

async fn page(state: &AppState, frame: &Frame, id: UserId, told: FlashMessage<'_>) -> Response {
    let read = async {
        let actor = &frame.actor;
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let user = users::find(&mut connection, actor, id).await?.ok_or(Error::NoUser)?;
        let sessions = sessions::list(&mut connection, actor, id).await?;
        let which = keys::KeyFilter { user: Some(id), query: "" };
        // More than one user can have.
        let keys = keys::search(&mut connection, actor, which, None, 200).await?.items;
        Ok((user, sessions, keys))
    };
    match read.await {
        Ok((user, sessions, keys)) => {
            let page = One { frame, told, user, sessions, keys };
            page.told.page(frame, &page)
        }
        Err(problem) => Problem::into_response(problem),
    }
}

/// Changes role, activity, names and mail address.
pub(super) async fn change(
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    let frame = &posted.frame;
    require(frame)?;
    let changed = async {
        let change = UserUpdate {
            email: Some(posted.field("email").trim().to_owned()),
            first_name: Some(posted.field("first_name").trim().to_owned()),
            last_name: Some(posted.field("last_name").trim().to_owned()),
            avatar: None,
            role: Some(role(posted.field("role"))?),
            is_active: Some(posted.has("is_active")),
        };
        accounts::change(&state.app, &frame.actor, id, &change).await?;
        Ok::<_, Error>(())
    };
    match changed.await {
        Ok(()) => Ok(see_other(&format!("{HERE}/{id}?done=user"))),
        Err(error) => {
            let told = FlashMessage::refused("change", FormError::of(frame, error)?, &posted);
            Ok(page(&state, frame, id, told).await)
        }
    }
}

/// Makes a link to set a password, and shows it once.
pub(super) async fn link(
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    let frame = &posted.frame;
    require(frame)?;
    let made = async {
        let mut transaction = store::postgres::begin(state.app.pool()).await?;
        let user = users::find(&mut transaction, &frame.actor, id).await?.ok_or(Error::NoUser)?;
        let link = links::create_for_user(&mut transaction, &frame.actor, id).await?;
        transaction.commit().await?;
        Ok::<_, Error>((user, link))
    };
    let (user, link) = made.await.map_err(|error| Problem::from(error).into_response())?;
    Ok(show_link(&state, frame, &user, &link))
}

/// Ends one of their sessions, or all.
pub(super) async fn end_sessions(
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let frame = &posted.frame;
    require(frame)?;
    let ended = async {
        if posted.has("all") {
            return Ok(app::sessions::end_all(&state.app, &frame.actor, id, true).await?);
        }
        let session: SessionId = posted.field("id").parse().map_err(|_none| Error::NoSession)?;
        Ok::<_, Problem>(app::sessions::end(&state.app, &frame.actor, session).await?)
    };
    ended.await.map_err(Problem::into_response)?;
    Ok(see_other(&format!("{HERE}/{id}?done=session")))
}

/// Deletes them, with their sessions, keys, questions and answers.
pub(super) async fn delete(
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    posted: SubmittedForm,
) -> Result<Response, Response> {
    let posted = posted.at(&format!("{HERE}/{id}"));
    let frame = &posted.frame;
    require(frame)?;
    match accounts::delete(&state.app, &frame.actor, id).await {
        Ok(()) => Ok(see_other(&format!("{HERE}?done=user-deleted"))),
        Err(error) => {
            let told = FlashMessage::refused("delete", FormError::of(frame, error)?, &posted);
            Ok(page(&state, frame, id, told).await)
        }
    }
}
