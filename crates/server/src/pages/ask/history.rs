//! `/ask/history`: chats by time, searched, renamed, pinned, archived, deleted and restored.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use chat::chats::{self, Chat, ChatFilter, ChatId};
use chat::history::{self, HistoryHit};
use chat::transfer::{ImportReport, MAX_IMPORT_BYTES};
use chrono::{DateTime, Duration, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::files::{framed, is_ours};
use crate::app;
use crate::http::AppState;
use crate::http::input::{Query, cursor};
use crate::http::multipart::{self, invalid_form};
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;

/// Chats beside a page.
const BESIDE: usize = 30;
/// Chats or messages on a page of their own.
const PAGE: usize = 50;

/// The newest chats, beside what is asked.
pub(crate) struct Recent {
    pub(crate) groups: Vec<Group>,
    pub(crate) has_more: bool,
}

/// Chats of one age.
pub(crate) struct Group {
    pub(crate) age: &'static str,
    pub(crate) chats: Vec<Chat>,
}

impl Recent {
    pub(crate) async fn read(connection: &mut PgConnection, actor: &Actor) -> Result<Self> {
        let now = chats::now(&mut *connection).await?;
        let page = chats::list(connection, actor, ChatFilter::Open, None, BESIDE).await?;
        Ok(Self { groups: grouped(page.items, now), has_more: page.next.is_some() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Chats as they come, parted by age. Days are the server's clock's, and told in words alone.
fn grouped(chats: Vec<Chat>, now: DateTime<Utc>) -> Vec<Group> {
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
    /// A chat that was deleted a moment ago.
    deleted: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "ask_history.html", blocks = ["results"])]
struct Page<'page> {
    frame: &'page Frame,
    asked: &'page HistoryQuery,
    which: &'static str,
    groups: Vec<Group>,
    hits: Vec<HistoryResults>,
    /// A chat that can be brought back.
    deleted: Option<Chat>,
    next: Option<Cursor>,
}

/// A message that was found, its snippet cut where it is highlighted.
struct HistoryResults {
    hit: HistoryHit,
    pieces: Vec<(String, bool)>,
}

impl From<HistoryHit> for HistoryResults {
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

/// The whole history.
pub(crate) async fn show(
    State(state): State<AppState>,
    frame: Frame,
    Query(asked): Query<HistoryQuery>,
) -> Response {
    if let Err(response) = frame.require_person() {
        return response;
    }
    match read(&state, &frame, &asked).await {
        Ok(page) if frame.is_partial() => frame.reading_page(StatusCode::OK, &page.as_results()),
        Ok(page) => frame.reading_page(StatusCode::OK, &page),
        Err(problem) => problem.into_response(),
    }
}

async fn read<'page>(
    state: &AppState,
    frame: &'page Frame,
    asked: &'page HistoryQuery,
) -> Result<Page<'page>> {
    let after = asked.after.as_deref().map(cursor).transpose()?;
    let (name, which) = match asked.which.as_str() {
        "archived" => ("archived", ChatFilter::Archived),
        "deleted" => ("deleted", ChatFilter::Deleted),
        _ => ("open", ChatFilter::Open),
    };
    let actor = &frame.actor;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut page =
        Page { frame, asked, which: name, groups: Vec::new(), hits: Vec::new(), deleted: None, next: None };
    if let Some(id) = asked.deleted {
        let chat = chats::find(&mut connection, actor, ChatId(id)).await.ok();
        page.deleted = chat.filter(|chat| chat.deleted_at.is_some());
    }
    if asked.q.trim().is_empty() {
        let now = chats::now(&mut connection).await?;
        let chats = chats::list(&mut connection, actor, which, after.as_ref(), PAGE).await?;
        page.groups = grouped(chats.items, now);
        page.next = chats.next;
    } else {
        let hits = history::search(&mut connection, actor, &asked.q, after.as_ref(), PAGE).await?;
        page.hits = hits.items.into_iter().map(HistoryResults::from).collect();
        page.next = hits.next;
    }
    Ok(page)
}

impl Page<'_> {
    /// Whether nothing at all is there.
    fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.hits.is_empty()
    }
}

#[derive(Template)]
#[template(path = "ask_import.html")]
struct Imported<'page> {
    frame: &'page Frame,
    report: ImportReport,
}

impl Imported<'_> {
    /// How much more was not taken than is told.
    fn untold(&self) -> u64 {
        self.report.dropped_count.saturating_sub(self.report.dropped.len() as u64)
    }
}

/// Takes a history in from the form, and tells what became of it.
pub(crate) async fn take_in(State(state): State<AppState>, request: Request) -> Response {
    let (frame, request) = match framed(&state, request).await {
        Ok(framed) => framed,
        Err(response) => return response,
    };
    let taken = async {
        chats::owner_id(&frame.actor)?;
        let _permit = app::history::reserve_import()?;
        let mut parts = multipart::open(&state, request).await?;
        if !is_ours(&frame, &mut parts).await? {
            return Ok(None);
        }
        match parts.next_field().await.map_err(invalid_form)? {
            Some(field)
                if field.name() == Some("file") && field.file_name().is_some_and(|name| !name.is_empty()) =>
            {
                let file = multipart::spool_field(&state, field, MAX_IMPORT_BYTES).await?;
                Ok(Some(app::history::import(&state.app, &frame.actor, file).await?))
            }
            _ => Err(Problem::invalid("choose a file first")),
        }
    };
    match taken.await {
        Ok(Some(report)) => {
            let frame = frame.at("/ask/history");
            frame.page(StatusCode::OK, &Imported { frame: &frame, report })
        }
        Ok(None) => SubmittedForm::foreign(&frame),
        Err(problem) => problem.into_response(),
    }
}
