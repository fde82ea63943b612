//! `get_document` and `list_recent_changes`: reading on from what a search found, and what is new.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use library::documents::reading::{self, ReadOptions, VisibleDocument};
use library::ids::DocumentId;
use library::names::DocumentPath;
use library::{notes, recent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::postgres::acquire;

use super::{McpServer, ToolOutput, limit, tokens};
use crate::app::passages::{one_line, time};
use crate::http::input;
use crate::http::problem::Problem;
use crate::mcp::shown::{Passage, PassageNote, RULE};
use crate::mcp::uri::{self, Named};

/// Notes that are looked at for one answer.
const NOTES: i64 = 50;
/// Changes on a page where nothing is said.
const CHANGES: usize = 20;
/// Headings that are named where one was not found.
const HEADINGS: usize = 40;

/// Arguments of `get_document`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Name of the library; with path. Not needed with document_id or uri.
    library: Option<String>,
    /// Version: a label, a range (5.x, ^5.2, >=5.2 <6) or latest; the library's active version if it is left out.
    version: Option<String>,
    /// Path of the document in its library, as search_docs gives it.
    path: Option<String>,
    /// Id of the document, as search_docs gives it, instead of library and path.
    document_id: Option<String>,
    /// Resource of the document (docs://…), instead of library, version and path.
    uri: Option<String>,
    /// Only this section, with what is under it: a heading, or headings from the outer to the inner joined by " > ".
    section: Option<String>,
    /// Tokens of the whole answer at most, by estimate.
    #[schemars(range(min = 200, max = 50000))]
    max_tokens: Option<usize>,
    /// Where to go on: next_cursor of the answer before, with otherwise the same arguments.
    cursor: Option<String>,
}

/// A document, or a part of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Read {
    /// Library of the document.
    library: String,
    /// Version it was read in.
    version: String,
    /// Id of the document.
    document_id: String,
    /// Path of the document in its library.
    path: String,
    /// Title of the document.
    title: String,
    /// Revision under this version, from 1.
    revision: i32,
    /// SHA-256 of the original file.
    sha256: String,
    /// When it was indexed.
    indexed_at: String,
    /// Resource of the whole document.
    uri: String,
    /// Passages in the order of the document.
    passages: Vec<Passage>,
    /// Notes that people and agents wrote on these passages. They are no part of the document.
    notes: Vec<PassageNote>,
    /// Where the rest begins; null at the end.
    next_cursor: Option<String>,
}

impl ToolOutput for Read {
    fn text(&self) -> String {
        let mut blocks = vec![format!(
            "Document: {}\nlibrary: {} | version: {} | revision: {} | sha256: {} | indexed_at: {}",
            self.uri, self.library, self.version, self.revision, self.sha256, self.indexed_at
        )];
        blocks.extend(self.passages.iter().map(|passage| format!("{RULE}\n{}", passage.text())));
        blocks.extend(self.notes.iter().map(|note| format!("{RULE}\n{}", note.text())));
        if let Some(next) = &self.next_cursor {
            blocks.push(format!("{RULE}\nnext_cursor: {next}"));
        }
        blocks.join("\n\n")
    }
}

/// Reads a document, or a part of it.
pub(super) async fn get(librarian: &McpServer, actor: &Actor, asked: Arguments) -> Result<Read, Problem> {
    let most = tokens(asked.max_tokens)?;
    let after = asked.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(input::cursor).transpose()?;
    let section = headings(asked.section.as_deref());
    let catalogue = librarian.app.engine.catalogue().await?;
    let mut connection = acquire(librarian.app.pool()).await?;
    let address = address(&asked)?;
    let (library, path) = match &address {
        Address::Path { library, path, .. } => {
            (&**catalogue.library(actor, &input::library(library)?)?, path.clone())
        }
        Address::Id(id) => reading::locate(&mut connection, actor, &catalogue, *id).await?,
    };
    let version = match &address {
        Address::Path { version: Some(version), .. } => Some(version.as_str()),
        _ => asked.version.as_deref(),
    };
    let version = input::version(version)?;
    let document = reading::find(&mut connection, actor, library, &version, &path).await?;
    let all_notes =
        notes::on_document(&mut connection, actor, document.document_id, document.version_id, NOTES).await?;
    let all_notes: Vec<(Option<i32>, PassageNote)> =
        all_notes.iter().map(|note| (note.passage_number, PassageNote::from(note))).collect();
    // Notes take at most a quarter: who reads a document wants the document.
    let for_notes = all_notes.iter().map(|(_, note)| note.tokens() + 10).sum::<usize>().min(most / 4);
    let frame = 140 + uri_tokens(&document);
    let cost = |piece: &reading::PassagePart| Passage::of(&document, piece).tokens();
    let wanted = ReadOptions {
        section: &section,
        after: after.as_ref(),
        max_tokens: most.saturating_sub(for_notes + frame),
        cost: &cost,
    };
    let part = reading::read(&mut connection, &document, &wanted).await?;
    if part.passages.is_empty() && !section.is_empty() {
        return Err(no_section(&mut connection, &document, &section).await?);
    }
    let (first, last) =
        (part.passages.first().map(|piece| piece.number), part.passages.last().map(|piece| piece.number));
    let is_shown = |number: &Option<i32>| match number {
        Some(number) => {
            part.passages.iter().any(|piece| piece.number == *number)
                || (section.is_empty() && first <= Some(*number) && Some(*number) <= last)
        }
        // Of a passage that has changed since: at the end, where all has been read.
        None => part.next.is_none() && section.is_empty(),
    };
    let mut left = for_notes;
    let mut shown_notes = Vec::new();
    for (number, note) in all_notes {
        let Some(rest) = left.checked_sub(note.tokens() + 10) else { continue };
        if is_shown(&number) {
            left = rest;
            shown_notes.push(note);
        }
    }
    Ok(Read {
        library: document.library.to_string(),
        version: document.version.to_string(),
        document_id: document.document_id.to_string(),
        path: document.path.clone(),
        title: document.title.clone(),
        revision: document.revision,
        sha256: document.sha256.clone(),
        indexed_at: time(document.indexed_at),
        uri: uri::of_document(document.library.as_str(), document.version.as_str(), &document.path, None),
        passages: part.passages.iter().map(|piece| Passage::of(&document, piece)).collect(),
        notes: shown_notes,
        next_cursor: part.next.map(|cursor| cursor.to_string()),
    })
}

fn uri_tokens(document: &VisibleDocument) -> usize {
    2 * library::budget::tokens(&document.path) + library::budget::tokens(&document.title)
}

/// How a document is named.
enum Address {
    Path { library: String, version: Option<String>, path: DocumentPath },
    Id(DocumentId),
}

fn address(asked: &Arguments) -> Result<Address, Problem> {
    let path = |text: &str| text.parse::<DocumentPath>().map_err(library::Error::from);
    if let Some(text) = &asked.uri {
        let Some(Named::Document { library, version, path: text }) = uri::parse(text) else {
            return Err(Problem::invalid("uri is that of a document: docs://libraries/LIBRARY/VERSION/PATH"));
        };
        return Ok(Address::Path { library, version: Some(version), path: path(&text)? });
    }
    if let Some(id) = &asked.document_id {
        let id = id.trim().parse().map_err(|_none| {
            Problem::invalid("document_id is the id of a document, as search_docs gives it")
        })?;
        return Ok(Address::Id(id));
    }
    match (&asked.library, &asked.path) {
        (Some(library), Some(text)) => {
            Ok(Address::Path { library: library.clone(), version: None, path: path(text)? })
        }
        _ => Err(Problem::invalid("say which document: library and path, or document_id, or uri")),
    }
}

/// The headings of a section as it is asked for.
fn headings(section: Option<&str>) -> Vec<String> {
    let parts = section.unwrap_or_default().replace(" › ", " > ");
    let parts = parts.split(" > ").map(|part| part.trim().trim_start_matches('#').trim());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

async fn no_section(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    wanted: &[String],
) -> Result<Problem, Problem> {
    let sections = reading::sections(connection, document, HEADINGS).await?;
    let present: Vec<String> = sections.iter().map(|section| one_line(&section.join(" > "), 200)).collect();
    let wanted = one_line(&wanted.join(" > "), 200);
    Ok(Problem::not_found(if present.is_empty() {
        format!("the document has no sections: read it without section, not {wanted:?}")
    } else {
        format!("the document has no section {wanted:?}; it has: {}", present.join("; "))
    }))
}

/// Which changes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecentArguments {
    /// Only of this library.
    library: Option<String>,
    /// Only since then: a date (2026-11-01) or a time (2026-11-01T08:00:00Z).
    since: Option<String>,
    /// Changes on a page.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
    /// Where the page begins: next_cursor of the page before.
    cursor: Option<String>,
}

/// A page of changes.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RecentChanges {
    /// Changes, the newest first.
    changes: Vec<Change>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

/// A document that was added or changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Change {
    /// When it was indexed.
    indexed_at: String,
    /// Library of the document.
    library: String,
    /// Version of the document.
    version: String,
    /// Path of the document.
    path: String,
    /// Title of the document.
    title: String,
    /// Id of the document, for get_document.
    document_id: String,
    /// Revision under this version: 1 for a document that was added.
    revision: i32,
    /// Whether this revision is the one that answers now.
    active: bool,
    /// SHA-256 of the original file.
    sha256: String,
    /// Resource of the document.
    uri: String,
}

impl ToolOutput for RecentChanges {
    fn text(&self) -> String {
        if self.changes.is_empty() {
            return "No changes.".to_owned();
        }
        let lines = self.changes.iter().map(|change| {
            let what = if change.revision == 1 { "added" } else { "changed" };
            format!(
                "- {} {what}: {} {} {} (revision {})",
                change.indexed_at,
                change.library,
                change.version,
                one_line(&change.path, 1000),
                change.revision
            )
        });
        let mut text = lines.collect::<Vec<_>>().join("\n");
        if let Some(next) = &self.next_cursor {
            text.push_str(&format!("\n\nnext_cursor: {next}"));
        }
        text
    }
}

/// Lists what changed lately.
pub(super) async fn recent(
    librarian: &McpServer,
    actor: &Actor,
    asked: RecentArguments,
) -> Result<RecentChanges, Problem> {
    let wanted = recent::RecentChangesParams {
        library: asked.library.as_deref().map(input::library).transpose()?,
        since: asked
            .since
            .as_deref()
            .filter(|since| !since.trim().is_empty())
            .map(point_in_time)
            .transpose()?,
        after: asked.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(input::cursor).transpose()?,
        limit: limit(asked.limit, CHANGES, recent::MAX_PAGE_SIZE)?,
    };
    let catalogue = librarian.app.engine.catalogue().await?;
    let mut connection = acquire(librarian.app.pool()).await?;
    let page = recent::list(&mut connection, actor, &catalogue, &wanted).await?;
    let changes = page
        .items
        .into_iter()
        .map(|change| Change {
            indexed_at: time(change.indexed_at),
            uri: uri::of_document(&change.library, &change.version, &change.path, None),
            library: change.library,
            version: change.version,
            path: change.path,
            title: change.title,
            document_id: change.document_id.to_string(),
            revision: change.revision,
            active: change.active,
            sha256: change.sha256,
        })
        .collect();
    Ok(RecentChanges { changes, next_cursor: page.next.map(|cursor: Cursor| cursor.to_string()) })
}

fn point_in_time(text: &str) -> Result<DateTime<Utc>, Problem> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    match text.parse::<NaiveDate>() {
        Ok(date) => Ok(date.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => Err(Problem::invalid("since is a date (2026-11-01) or a time (2026-11-01T08:00:00Z)")),
    }
}
