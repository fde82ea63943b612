//! `/people`: people to follow, and the page of each: posts, followers and followed people. `/follows` changes what the reader follows.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use social::follows::{self, FollowStatus, FollowTarget, Suggestion};
use social::people::{self, Person};
use social::posts::{self, Post, PostList};
use social::relations::{self, Relation};

use super::{Card, PAGE, cards, of_person};
use crate::http::AppState;
use crate::http::input::{self, Path, Query};
use crate::http::problem::{Problem, Result};
use crate::pages::admin::{cursor, next};
use crate::pages::error::PageResult;
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;
use crate::pages::{local, see_other};

/// People whose names begin with what was typed.
const MAX_FOUND: i64 = 20;

/// Routes of people and follows.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/people", get(list))
        .route("/people/{username}", get(show).post(relate))
        .route("/follows", post(follow))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeopleQuery {
    /// Beginning of a user name.
    q: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct List<'page> {
    frame: &'page Frame,
    query: &'page str,
    found: Vec<Person>,
    suggestions: Vec<Suggestion>,
}

/// Shows people that the reader could follow, and finds people by name.
async fn list(State(state): State<AppState>, frame: Frame, Query(query): Query<PeopleQuery>) -> PageResult {
    frame.require_sign_in()?;
    let text = query.q.trim().trim_start_matches('@');
    input::check_length("q", text, 60)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let found = match text {
        "" => Vec::new(),
        text => people::complete(&mut connection, &frame.actor, text, MAX_FOUND).await?,
    };
    let suggestions = follows::suggestions(&mut connection, &frame.actor).await?;
    drop(connection);
    Ok(frame.page(StatusCode::OK, &List { frame: &frame, query: text, found, suggestions }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PersonQuery {
    /// `followers` or `following`; posts otherwise.
    show: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "person.html")]
struct Profile<'page> {
    frame: &'page Frame,
    person: &'page Person,
    /// Address of this page.
    here: String,
    follow: Option<FollowStatus>,
    /// `None` on the reader's own page.
    relation: Option<Relation>,
    show: &'page str,
    posts: Vec<Card<'page>>,
    people: Vec<Person>,
    next: Option<String>,
}

impl Profile<'_> {
    fn is_following(&self) -> bool {
        self.follow.as_ref().is_some_and(|follow| follow.following)
    }
}

/// Shows a person.
async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Path(username): Path<String>,
    Query(query): Query<PersonQuery>,
) -> PageResult {
    frame.require_sign_in()?;
    let after = cursor(&query.cursor)?;
    let (actor, after) = (&frame.actor, after.as_ref());
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let person = people::find_by_name(&mut connection, actor, &username).await?.ok_or_else(no_person)?;
    let name = person.username.as_str();
    let is_own = frame.is_reader(Some(&person));
    let (posts, people, cursor): (Vec<Post>, Vec<Person>, _) = match query.show.as_str() {
        "followers" => {
            let page = follows::followers(&mut connection, actor, name, after, PAGE).await?;
            (Vec::new(), page.items, page.next)
        }
        "following" => {
            let page = follows::following(&mut connection, actor, name, after, PAGE).await?;
            (Vec::new(), page.items, page.next)
        }
        _ => {
            let which = PostList::Author(person.id);
            let page = posts::list(&mut connection, actor, &which, after, PAGE).await?;
            (page.items, Vec::new(), page.next)
        }
    };
    let follow = follows::find(&mut connection, actor, &FollowTarget::Person(name.to_owned())).await?;
    let relation = if is_own { None } else { Some(relations::find(&mut connection, actor, name).await?) };
    drop(connection);
    let here = of_person(name);
    let page = Profile {
        frame: &frame,
        person: &person,
        follow: Some(follow),
        relation,
        show: &query.show,
        posts: cards(&frame, &posts),
        people,
        next: cursor.map(|cursor| next(&here, &[("show", &query.show)], &cursor)),
        here,
    };
    Ok(frame.page(StatusCode::OK, &page))
}

/// Follows, mutes or blocks a person, or no longer: `action` says which.
async fn relate(
    State(state): State<AppState>,
    Path(username): Path<String>,
    form: SubmittedForm,
) -> PageResult {
    let here = of_person(&username);
    let back = local(form.field("back")).unwrap_or(&here).to_owned();
    let form = form.at(&back);
    form.frame.require_sign_in()?;
    let actor = &form.frame.actor;
    let target = FollowTarget::Person(username.clone());
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    match form.field("action") {
        "follow" => drop(follows::follow(&mut transaction, actor, &target).await?),
        "unfollow" => drop(follows::unfollow(&mut transaction, actor, &target).await?),
        action @ ("mute" | "unmute") => {
            relations::set_mute(&mut transaction, actor, &username, action == "mute").await?;
        }
        action @ ("block" | "unblock") => {
            relations::set_block(&mut transaction, actor, &username, action == "block").await?;
        }
        _ => return Err(Problem::invalid("the form cannot be read").into()),
    }
    transaction.commit().await?;
    Ok(see_other(&back))
}

/// Follows a library, document, tag or person, or no longer, and returns to the page of the form.
async fn follow(State(state): State<AppState>, form: SubmittedForm) -> PageResult {
    let back = local(form.field("back")).unwrap_or("/feed").to_owned();
    let form = form.at(&back);
    form.frame.require_sign_in()?;
    let target = target(&form)?;
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    if form.field("follow") == "no" {
        follows::unfollow(&mut transaction, &form.frame.actor, &target).await?;
    } else {
        follows::follow(&mut transaction, &form.frame.actor, &target).await?;
    }
    transaction.commit().await?;
    Ok(see_other(&back))
}

fn target(form: &SubmittedForm) -> Result<FollowTarget> {
    let name = form.field("target");
    Ok(match form.field("kind") {
        "library" => FollowTarget::Library(input::library(name)?),
        "document" => FollowTarget::Document(super::posts::document_id(name)?),
        "tag" => FollowTarget::Tag(name.to_owned()),
        "person" => FollowTarget::Person(name.to_owned()),
        _ => return Err(Problem::invalid("the form cannot be read")),
    })
}

fn no_person() -> Problem {
    Problem::not_found("there is no such person")
}
