//! Community: feed, posts and their comments, people, notifications and conversations.
//!
//! Every change is a form that works without scripts; htmx only replaces the button of a like. What does not exist for the reader is
//! not found, and what they may not do is not offered.

mod card;
mod compose;
mod feed;
mod messages;
pub(super) mod notifications;
mod people;
mod posts;
mod refused;
mod reports;
mod thread;
mod unread;

use axum::Router;
use kernel::actor::UserId;
use library::access::Level;
use library::catalogue::Catalogue;
use library::names::LibraryName;
use social::people::Person;

use super::frame::Frame;
use crate::http::AppState;

pub(super) use card::{Card, author, cards, render_answer};
pub(super) use posts::{of_document, of_library};

/// Posts on a page.
const PAGE: usize = 20;
/// Posts beside a document or a library.
pub(super) const MAX_BESIDE: usize = 5;

/// Routes of the community.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .merge(feed::routes())
        .merge(posts::routes())
        .merge(thread::routes())
        .merge(people::routes())
        .merge(notifications::routes())
        .merge(unread::routes())
        .merge(messages::routes())
        .merge(reports::routes())
}

impl Frame {
    /// Returns the id of the reader, if they are signed in.
    pub(super) fn reader(&self) -> Option<UserId> {
        self.actor.user_id().filter(|_| self.is_signed_in())
    }

    /// Whether a person is the reader.
    fn is_reader(&self, person: Option<&Person>) -> bool {
        person.is_some_and(|person| self.reader() == Some(person.id))
    }
}

/// Whether the reader decides on posts about a library: its owners and administrators do.
fn moderates(frame: &Frame, catalogue: &Catalogue, library: Option<&str>) -> bool {
    let is_owner = |name: &str| {
        let name: Option<LibraryName> = name.parse().ok();
        let library = name.and_then(|name| catalogue.library(&frame.actor, &name).ok());
        library.is_some_and(|library| library.access_level(&frame.actor) >= Some(Level::Own))
    };
    frame.is_administrator() || frame.is_signed_in() && library.is_some_and(is_owner)
}

/// Returns the address of a person's page.
fn of_person(username: &str) -> String {
    format!("/people/{}", percent_encoding::utf8_percent_encode(username, percent_encoding::NON_ALPHANUMERIC))
}
