//! `/admin/users`: users, their roles, sessions and keys.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use identity::keys::{self, Key};
use identity::sessions::{self, Session};
use identity::users::{self, NewUser, User, UserUpdate};
use identity::{Error, Username, links};
use kernel::actor::{Role, SessionId, UserId};

use super::{FlashMessage, ListQuery, PAGE, cursor, next, require_administrator};
use crate::app::{self, accounts, address};
use crate::http::AppState;
use crate::http::input::{Path, Query};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::{FormError, Frame};
use crate::pages::see_other;

const HERE: &str = "/admin/users";
/// Names of the roles.
const ROLES: [&str; 3] = ["user", "editor", "admin"];

/// Routes of the section.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(show).post(create))
        .route("/admin/users/{id}", get(one).post(change))
        .route("/admin/users/{id}/link", post(create_link))
        .route("/admin/users/{id}/sessions", post(end_sessions))
        .route("/admin/users/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "admin_users.html")]
struct List<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
    query: &'page str,
    users: Vec<User>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_user.html")]
struct One<'page> {
    frame: &'page Frame,
    flash: FlashMessage<'page>,
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
    expires_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Lists the users that match the query.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<ListQuery>) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    list(&state, &frame, &query, flash).await
}

async fn list(state: &AppState, frame: &Frame, query: &ListQuery, flash: FlashMessage<'_>) -> PageResult {
    let after = cursor(&query.cursor)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let users = users::search(&mut connection, &frame.actor, &query.q, after.as_ref(), PAGE).await?;
    drop(connection);
    let next = users.next.map(|cursor| next(HERE, &[("q", &query.q)], &cursor));
    let page = List { frame, flash, query: &query.q, users: users.items, next };
    Ok(page.flash.page(frame, &page))
}

/// Creates a user, and shows once the link by which they set their password.
async fn create(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at(HERE);
    let frame = &form.frame;
    require_administrator(frame)?;
    match create_user(&state, &form).await {
        Ok((user, link)) => Ok(show_link(&state, frame, &user, &link)),
        Err(error) => {
            let flash = FlashMessage::refused("new", FormError::from_identity(frame, error)?, &form);
            list(&state, frame, &ListQuery::default(), flash).await
        }
    }
}

async fn create_user(state: &AppState, form: &SubmittedForm) -> Result<(User, links::Link), Error> {
    let actor = &form.frame.actor;
    let new = NewUser {
        username: form.field("username").parse::<Username>()?,
        email: accounts::parse_email(Some(form.field("email")))?,
        role: role(form.field("role"))?,
        first_name: form.field("first_name").trim().to_owned(),
        last_name: form.field("last_name").trim().to_owned(),
        password_hash: None,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let user = users::create(&mut transaction, actor, new).await?;
    let link = links::create_for_user(&mut transaction, actor, user.id).await?;
    transaction.commit().await?;
    Ok((user, link))
}

fn show_link(state: &AppState, frame: &Frame, user: &User, link: &links::Link) -> Response {
    let address = address::of_password_link(&state.address, link);
    let page = LinkPage { frame, user, link: address, expires_at: link.expires_at };
    frame.page(StatusCode::CREATED, &page)
}

fn role(name: &str) -> Result<Role, Error> {
    name.parse().map_err(|error: kernel::actor::UnknownName| Error::Invalid(error.to_string()))
}

/// Shows a user.
async fn one(
    State(state): State<AppState>,
    frame: Frame,
    Path(id): Path<UserId>,
    Query(query): Query<ListQuery>,
) -> PageResult {
    require_administrator(&frame)?;
    let flash = FlashMessage::done(&frame, &query.done);
    page(&state, &frame, id, flash).await
}

async fn page(state: &AppState, frame: &Frame, id: UserId, flash: FlashMessage<'_>) -> PageResult {
    let actor = &frame.actor;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let user = users::find(&mut connection, actor, id).await?.ok_or(Error::NoUser)?;
    let sessions = sessions::list(&mut connection, actor, id).await?;
    let filter = keys::KeyFilter { user: Some(id), query: "" };
    // A user has fewer keys than this.
    let keys = keys::search(&mut connection, actor, filter, None, 200).await?.items;
    drop(connection);
    let page = One { frame, flash, user, sessions, keys };
    Ok(page.flash.page(frame, &page))
}

/// Changes role, activity, names and email.
async fn change(State(state): State<AppState>, Path(id): Path<UserId>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    match update_user(&state, &form, id).await {
        Ok(()) => Ok(see_other(&format!("{HERE}/{id}?done=user"))),
        Err(error) => {
            let flash = FlashMessage::refused("change", FormError::from_identity(frame, error)?, &form);
            page(&state, frame, id, flash).await
        }
    }
}

async fn update_user(state: &AppState, form: &SubmittedForm, id: UserId) -> Result<(), Error> {
    let update = UserUpdate {
        email: Some(form.field("email").trim().to_owned()),
        first_name: Some(form.field("first_name").trim().to_owned()),
        last_name: Some(form.field("last_name").trim().to_owned()),
        avatar: None,
        role: Some(role(form.field("role"))?),
        is_active: Some(form.has("is_active")),
    };
    accounts::change(&state.app, &form.frame.actor, id, &update).await?;
    Ok(())
}

/// Creates a password link, and shows it once.
async fn create_link(
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    form: SubmittedForm,
) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let user = users::find(&mut transaction, &frame.actor, id).await?.ok_or(Error::NoUser)?;
    let link = links::create_for_user(&mut transaction, &frame.actor, id).await?;
    transaction.commit().await?;
    Ok(show_link(&state, frame, &user, &link))
}

/// Ends one session of a user, or all.
async fn end_sessions(
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    form: SubmittedForm,
) -> PageResult {
    let frame = &form.frame;
    require_administrator(frame)?;
    if form.has("all") {
        app::sessions::end_all(&state.app, &frame.actor, id, true).await?;
    } else {
        let session: SessionId = form.field("id").parse().map_err(|_invalid| Error::NoSession)?;
        app::sessions::end(&state.app, &frame.actor, session).await?;
    }
    Ok(see_other(&format!("{HERE}/{id}?done=session")))
}

/// Deletes a user, with their sessions, keys and chats.
async fn delete(State(state): State<AppState>, Path(id): Path<UserId>, form: SubmittedForm) -> PageResult {
    let form = form.at(&format!("{HERE}/{id}"));
    let frame = &form.frame;
    require_administrator(frame)?;
    match accounts::delete(&state.app, &frame.actor, id).await {
        Ok(()) => Ok(see_other(&format!("{HERE}?done=user-deleted"))),
        Err(error) => {
            let flash = FlashMessage::refused("delete", FormError::from_identity(frame, error)?, &form);
            page(&state, frame, id, flash).await
        }
    }
}
