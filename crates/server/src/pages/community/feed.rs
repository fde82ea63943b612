//! `/feed`: the reader's own posts and those of what they follow.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use social::feed::{self, FeedFilter};

use super::compose::{Compose, SubjectFields};
use super::reports::is_moderator;
use super::{Card, PAGE, cards, of_person};
use crate::http::AppState;
use crate::http::input::Query;
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::frame::Frame;

const FILTERS: [(FeedFilter, &str); 4] = [
    (FeedFilter::All, "all"),
    (FeedFilter::People, "people"),
    (FeedFilter::Libraries, "libraries"),
    (FeedFilter::Unanswered, "unanswered"),
];

/// Routes of the feed.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/feed", get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FeedQuery {
    filter: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "feed.html")]
struct Page<'page> {
    frame: &'page Frame,
    /// Name of the chosen filter.
    filter: &'static str,
    filters: [(FeedFilter, &'static str); 4],
    compose: Compose<'page>,
    posts: Vec<Card<'page>>,
    /// Address of the reader's own page.
    own: String,
    /// Whether texts are reported to the reader.
    moderates: bool,
    next: Option<String>,
}

impl Page<'_> {
    fn is_chosen(&self, name: &str) -> bool {
        self.filter == name
    }
}

async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<FeedQuery>) -> PageResult {
    frame.require_sign_in()?;
    let after = cursor(&query.cursor)?;
    let (filter, name) = FILTERS.into_iter().find(|(_, name)| *name == query.filter).unwrap_or(FILTERS[0]);
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let posts = feed::list(&mut connection, &frame.actor, filter, after.as_ref(), PAGE).await?;
    drop(connection);
    let fields = SubjectFields::default();
    let page = Page {
        frame: &frame,
        filter: name,
        filters: FILTERS,
        compose: Compose::new(&frame, &fields, "/feed"),
        posts: cards(&frame, &posts.items),
        own: of_person(frame.user().unwrap_or_default()),
        moderates: is_moderator(&frame, &catalogue),
        next: posts.next.map(|cursor| next("/feed", &[("filter", &query.filter)], &cursor)),
    };
    Ok(frame.page(StatusCode::OK, &page))
}
