//! `/notifications`: what happened to the reader, the last first.

use std::borrow::Cow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use fluent_bundle::FluentValue;
use serde::Deserialize;
use social::ids::NotificationId;
use social::notifications::{self, Kind, Notification};

use super::of_person;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::Query;
use crate::http::problem::Problem;
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::i18n::Translations;
use crate::pages::see_other;

/// Notifications on a page.
const PAGE: usize = 30;

/// Routes of notifications.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/notifications", get(show).post(mark_read))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotificationsQuery {
    /// `unread`, or all.
    show: String,
    cursor: String,
}

/// A notification as a sentence with a link.
struct Item {
    notification: Notification,
    text: String,
    link: String,
}

#[derive(Template)]
#[template(path = "notifications.html")]
struct Page<'page> {
    frame: &'page Frame,
    show: &'page str,
    items: Vec<Item>,
    next: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(query): Query<NotificationsQuery>,
) -> PageResult {
    frame.require_sign_in()?;
    let after = cursor(&query.cursor)?;
    let unread_only = query.show == "unread";
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let found = notifications::list(&mut connection, &frame.actor, unread_only, after.as_ref(), PAGE).await?;
    drop(connection);
    let items = found.items.into_iter().map(|notification| Item {
        text: sentence(
            frame.translations(),
            &notification,
            notification.actor.as_ref().map(|person| person.name.as_str()),
        ),
        link: link(&notification),
        notification,
    });
    let page = Page {
        frame: &frame,
        show: &query.show,
        items: items.collect(),
        next: found.next.map(|cursor| next("/notifications", &[("show", &query.show)], &cursor)),
    };
    Ok(frame.page(StatusCode::OK, &page))
}

/// Marks one notification as read, or all of them.
async fn mark_read(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let form = form.at("/notifications");
    form.frame.require_sign_in()?;
    let ids: Option<Vec<NotificationId>> = match form.field("id") {
        "" => None,
        id => Some(vec![id.parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))?]),
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    notifications::mark_read(&mut transaction, &form.frame.actor, ids.as_deref()).await?;
    transaction.commit().await?;
    Ok(see_other("/notifications"))
}

/// Returns what happened as a sentence; `name` is that of who did it, if it is known.
pub(in crate::pages) fn sentence(
    translations: &Translations,
    notification: &Notification,
    name: Option<&str>,
) -> String {
    let name = name.map_or_else(|| translations.t("post-nobody"), Cow::Borrowed);
    let name = ("name", FluentValue::from(name.as_ref()));
    let others = ("others", i64::from(notification.people - 1).into());
    let count = ("count", i64::from(notification.people).into());
    let text = match notification.kind {
        Kind::Mention => translations.t_all("notifications-mention", &[name]),
        Kind::Reply => translations.t_all("notifications-reply", &[name]),
        Kind::Like => translations.t_all("notifications-like", &[name, others]),
        Kind::Follow => translations.t_all("notifications-follow", &[name]),
        Kind::Message => translations.t_all("notifications-message", &[name, count]),
        Kind::Version => {
            let version = notification.version.as_deref().unwrap_or_default();
            let library = notification.library.as_deref().unwrap_or_default();
            let values = [("library", library.into()), ("version", version.into())];
            translations.t_all("notifications-version", &values)
        }
        Kind::Accepted => translations.t_all("notifications-accepted", &[name]),
    };
    text.into_owned()
}

/// Returns the address of what a notification is about.
pub(in crate::pages) fn link(notification: &Notification) -> String {
    match (notification.post_id, notification.comment_id, notification.conversation_id) {
        (Some(post), Some(comment), _) => format!("/posts/{post}?under={comment}#c-{comment}"),
        (Some(post), None, _) => format!("/posts/{post}"),
        (None, _, Some(conversation)) => format!("/messages/{conversation}"),
        _ => of_library(notification).unwrap_or_else(|| {
            notification
                .actor
                .as_ref()
                .map_or_else(|| "/notifications".to_owned(), |person| of_person(&person.username))
        }),
    }
}

fn of_library(notification: &Notification) -> Option<String> {
    let library = notification.library.as_deref()?.parse().ok()?;
    let version = notification.version.as_deref().and_then(|version| version.parse().ok());
    Some(match version {
        Some(version) => address::of_version(&library, &version),
        None => address::of_library(&library),
    })
}
