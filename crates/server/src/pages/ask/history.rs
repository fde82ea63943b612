//! `/ask/history`: chats by time, searched, renamed, pinned, archived, deleted and restored.

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use chat::chats::{self, Chat, ChatFilter, ChatId};
use chat::history::{self, HistoryHit};
use chat::transfer::{ImportReport, MAX_IMPORT_BYTES};
use chrono::{DateTime, Duration, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::files::{authenticate, read_token};
use crate::app;
use crate::http::AppState;
use crate::http::input::{Query, cursor};
use crate::http::multipart::{self, invalid_form};
use crate::http::problem::{Problem, Result};
use crate::pages::error::PageResult;
use crate::pages::forms;
use crate::pages::frame::Frame;

/// Limit on chats in the side bar.
const MAX_RECENT: usize = 30;
/// Chats or messages on a page.
const PAGE: usize = 50;

/// Routes of the history.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/ask/history", get(show))
}

/// Routes whose time depends on the size of an upload.
pub(super) fn upload_routes() -> Router<AppState> {
    Router::new().route("/ask/history/import", post(import))
}

/// Newest chats, for the side bar.
pub(crate) struct Recent {
    pub(crate) groups: Vec<Group>,
    pub(crate) has_more: bool,
}

/// Chats of the same age.
pub(crate) struct Group {
    pub(crate) age: &'static str,
    pub(crate) chats: Vec<Chat>,
}

impl Recent {
    pub(crate) async fn read(connection: &mut PgConnection, actor: &Actor) -> Result<Self> {
        let now = chats::now(&mut *connection).await?;
        let page = chats::list(connection, actor, ChatFilter::Open, None, MAX_RECENT).await?;
        Ok(Self { groups: group_by_age(page.items, now), has_more: page.next.is_some() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Groups consecutive chats by age.
fn group_by_age(chats: Vec<Chat>, now: DateTime<Utc>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for chat in chats {
        let age = age(&chat, now);
        match groups.last_mut() {
            Some(group) if group.age == age => group.chats.push(chat),
            _ => groups.push(Group { age, chats: vec![chat] }),
        }
    }
    groups
}

fn age(chat: &Chat, now: DateTime<Utc>) -> &'static str {
    let since = now - chat.deleted_at.unwrap_or(chat.updated_at);
    match since {
        _ if chat.pinned && chat.deleted_at.is_none() => "pinned",
        since if since < Duration::days(1) => "day",
        since if since < Duration::days(7) => "week",
        since if since < Duration::days(31) => "month",
        _ => "older",
    }
}

/// Query of the history.
#[derive(Default, Deserialize)]
pub(crate) struct HistoryQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    which: String,
    after: Option<String>,
    /// Chat that has just been deleted.
    deleted: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "ask_history.html", blocks = ["results"])]
struct Page<'page> {
    frame: &'page Frame,
    query: &'page HistoryQuery,
    which: &'static str,
    groups: Vec<Group>,
    hits: Vec<HitView>,
    /// Deleted chat that can be restored.
    deleted: Option<Chat>,
    next: Option<Cursor>,
}

/// Matching message, its snippet split by highlights.
struct HitView {
    hit: HistoryHit,
    pieces: Vec<(String, bool)>,
}

impl From<HistoryHit> for HitView {
    fn from(hit: HistoryHit) -> Self {
        let characters: Vec<char> = hit.snippet.chars().collect();
        let mut pieces = Vec::new();
        let mut at = 0_usize;
        for (from, to) in &hit.highlights {
            let (from, to) = (*from as usize, (*to as usize).min(characters.len()));
            if from < at || to <= from {
                continue;
            }
            pieces.push((characters[at..from].iter().collect(), false));
            pieces.push((characters[from..to].iter().collect(), true));
            at = to;
        }
        pieces.push((characters[at..].iter().collect(), false));
        Self { hit, pieces }
    }
}

/// Shows the history.
async fn show(State(state): State<AppState>, frame: Frame, Query(query): Query<HistoryQuery>) -> PageResult {
    frame.require_sign_in()?;
    let page = read(&state, &frame, &query).await?;
    Ok(if frame.is_partial() {
        frame.reading_page(StatusCode::OK, &page.as_results())
    } else {
        frame.reading_page(StatusCode::OK, &page)
    })
}

async fn read<'page>(
    state: &AppState,
    frame: &'page Frame,
    query: &'page HistoryQuery,
) -> Result<Page<'page>> {
    let after = query.after.as_deref().map(cursor).transpose()?;
    let (name, which) = match query.which.as_str() {
        "archived" => ("archived", ChatFilter::Archived),
        "deleted" => ("deleted", ChatFilter::Deleted),
        _ => ("open", ChatFilter::Open),
    };
    let actor = &frame.actor;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut page =
        Page { frame, query, which: name, groups: Vec::new(), hits: Vec::new(), deleted: None, next: None };
    if let Some(id) = query.deleted {
        let chat = chats::find(&mut connection, actor, ChatId(id)).await.ok();
        page.deleted = chat.filter(|chat| chat.deleted_at.is_some());
    }
    if query.q.trim().is_empty() {
        let now = chats::now(&mut connection).await?;
        let chats = chats::list(&mut connection, actor, which, after.as_ref(), PAGE).await?;
        page.groups = group_by_age(chats.items, now);
        page.next = chats.next;
    } else {
        let hits = history::search(&mut connection, actor, &query.q, after.as_ref(), PAGE).await?;
        page.hits = hits.items.into_iter().map(HitView::from).collect();
        page.next = hits.next;
    }
    Ok(page)
}

impl Page<'_> {
    /// Whether the page lists nothing.
    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.hits.is_empty()
    }
}

#[derive(Template)]
#[template(path = "ask_import.html")]
struct ImportPage<'page> {
    frame: &'page Frame,
    report: ImportReport,
}

impl ImportPage<'_> {
    /// Returns the number of dropped items beyond those listed.
    fn unlisted(&self) -> u64 {
        self.report.dropped_count.saturating_sub(self.report.dropped.len() as u64)
    }
}

/// Imports a history from a form, and shows the report.
async fn import(State(state): State<AppState>, request: Request) -> PageResult {
    let (frame, request) = authenticate(&state, request).await?;
    let allowance = app::history::begin_import(&state.app, &frame.actor).map_err(Problem::from)?;
    let mut parts = multipart::open(&state, request).await?;
    if !read_token(&frame, &mut parts).await? {
        return Err(forms::refuse_cross_site(&frame));
    }
    let field = parts.next_field().await.map_err(invalid_form)?.filter(|field| {
        field.name() == Some("file") && field.file_name().is_some_and(|name| !name.is_empty())
    });
    let field = field.ok_or_else(|| Problem::invalid("choose a file first"))?;
    let file = multipart::spool_field(&state, field, MAX_IMPORT_BYTES, &allowance).await?;
    let report = app::history::import(&state.app, &frame.actor, &allowance, file).await?;
    let frame = frame.at("/ask/history");
    Ok(frame.page(StatusCode::OK, &ImportPage { frame: &frame, report }))
}
