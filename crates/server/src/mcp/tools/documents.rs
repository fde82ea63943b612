//! Tools `get_document` (reads a document or a section) and `list_recent_changes`.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use library::documents::reading::{self, ReadOptions, VisibleDocument};
use library::ids::DocumentId;
use library::names::DocumentPath;
use library::{links, notes, recent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::postgres::acquire;
use uuid::Uuid;

use super::{McpServer, ToolOutput, limit, tokens};
use crate::app::passages::{one_line, time};
use crate::http::problem::Problem;
use crate::http::{input, lenient};
use crate::mcp::uri::{self, ResourceUri};
use crate::mcp::view::{Passage, PassageNote, RULE};

/// Maximum number of notes that are read for an answer.
const MAX_NOTES: i64 = 50;
/// Maximum number of links of a passage.
const MAX_LINKS: usize = 40;
/// Default number of changes on a page.
const CHANGES: usize = 20;
/// Maximum number of headings in the error for an absent one.
const MAX_HEADINGS: usize = 40;

/// Arguments of `get_document`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    /// Name of the library, with path. Not needed with document_id or uri.
    library: Option<String>,
    /// Version: a label, a range (5.x, ^5.2, >=5.2 <6) or latest. Default: the library's active version.
    version: Option<String>,
    /// Path of the document in its library, from search_docs.
    path: Option<String>,
    /// Id of the document, from search_docs, instead of library and path.
    document_id: Option<String>,
    /// Resource URI of the document (docs://…), instead of library, version and path.
    uri: Option<String>,
    /// Section to read, with its subsections: a heading, or headings from the outer to the inner joined by " > ".
    section: Option<String>,
    /// Maximum number of tokens of the whole answer, by estimate; at least 200 are used.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50000))]
    max_tokens: Option<usize>,
    /// next_cursor of the previous answer, with otherwise the same arguments, to continue.
    cursor: Option<String>,
    /// Include resolved notes instead of open ones.
    #[serde(default, deserialize_with = "lenient::boolean")]
    resolved_notes: Option<bool>,
}

/// Result of `get_document`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DocumentPage {
    /// Library of the document.
    library: String,
    /// Version of the document.
    version: String,
    /// Id of the document.
    document_id: String,
    /// Path of the document in its library.
    path: String,
    /// Title of the document.
    title: String,
    /// Number of the revision in this version, from 1.
    revision: i32,
    /// SHA-256 of the original file.
    sha256: String,
    /// Time when it was indexed.
    indexed_at: String,
    /// Resource URI of the whole document.
    uri: String,
    /// Passages in the order of the document.
    passages: Vec<Passage>,
    /// Notes of people and agents on these passages. They are not part of the document.
    notes: Vec<PassageNote>,
    /// Cursor of the rest; null at the end.
    next_cursor: Option<String>,
}

impl ToolOutput for DocumentPage {
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
pub(super) async fn get(
    server: &McpServer,
    actor: &Actor,
    arguments: Arguments,
) -> Result<DocumentPage, Problem> {
    let max_tokens = tokens(arguments.max_tokens);
    let after =
        arguments.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(input::cursor).transpose()?;
    let section = headings(arguments.section.as_deref());
    let catalogue = server.app.engine.catalogue().await?;
    let mut connection = acquire(server.app.pool()).await?;
    let target = document_ref(&arguments)?;
    let (library, path) = match &target {
        DocumentRef::Path { library, path, .. } => {
            (&**catalogue.library(actor, &input::library(library)?)?, path.clone())
        }
        DocumentRef::Id(id) => reading::locate(&mut connection, actor, &catalogue, *id).await?,
    };
    let version = match &target {
        DocumentRef::Path { version: Some(version), .. } => Some(version.as_str()),
        _ => arguments.version.as_deref(),
    };
    let version = input::version(version)?;
    let document = reading::find(&mut connection, actor, library, &version, &path).await?;
    let resolved = arguments.resolved_notes.unwrap_or_default();
    let all_notes = notes::on_document(
        &mut connection,
        actor,
        document.document_id,
        document.version_id,
        resolved,
        MAX_NOTES,
    )
    .await?;
    let all_notes: Vec<(Option<i32>, PassageNote)> =
        all_notes.iter().map(|note| (note.passage_number, PassageNote::from(note))).collect();
    // Notes take at most a quarter of the answer.
    let note_tokens = all_notes.iter().map(|(_, note)| note.tokens() + 10).sum::<usize>().min(max_tokens / 4);
    let frame = 140 + uri_tokens(&document);
    let render = |part: &reading::PassagePart| {
        let passage = Passage::of(&document, part);
        let tokens = passage.tokens();
        (passage, tokens)
    };
    // Discussions and links take at most an eighth.
    let link_tokens = max_tokens / 8;
    let options = ReadOptions {
        section: &section,
        after: after.as_ref(),
        max_tokens: max_tokens.saturating_sub(note_tokens + link_tokens + frame),
        render: &render,
    };
    let page = reading::read(&mut connection, &document, &options).await?;
    if page.passages.is_empty() && !section.is_empty() {
        return Err(no_section(&mut connection, &document, &section).await?);
    }
    let (first, last) =
        (page.passages.first().map(|(number, _)| *number), page.passages.last().map(|(number, _)| *number));
    let is_on_page = |number: &Option<i32>| match number {
        Some(number) => {
            page.passages.iter().any(|(other, _)| other == number)
                || (section.is_empty() && first <= Some(*number) && Some(*number) <= last)
        }
        // Notes on passages that have changed since are on the last page.
        None => page.next.is_none() && section.is_empty(),
    };
    let mut tokens_left = note_tokens;
    let mut page_notes = Vec::new();
    for (number, note) in all_notes {
        let Some(rest) = tokens_left.checked_sub(note.tokens() + 10) else { continue };
        if is_on_page(&number) {
            tokens_left = rest;
            page_notes.push(note);
        }
    }
    let mut passages: Vec<Passage> = page.passages.into_iter().map(|(_, passage)| passage).collect();
    let ids: Vec<Uuid> = passages.iter().filter_map(|passage| passage.id.parse().ok()).collect();
    let links = links::of_passages(&mut connection, actor, &catalogue, &ids, MAX_LINKS).await?;
    let mut link_tokens = link_tokens;
    let hashes: Vec<String> = passages.iter().map(|passage| passage.sha256.clone()).collect();
    let shown: Vec<(DocumentId, &str)> =
        hashes.iter().map(|hash| (document.document_id, hash.as_str())).collect();
    let discussions = social::passages::discussions(&mut connection, actor, &shown).await?;
    for (passage, discussions) in passages.iter_mut().zip(&discussions) {
        passage.add_discussions(discussions, &mut link_tokens);
    }
    for (passage, id) in passages.iter_mut().zip(&ids) {
        passage.add_links(links.get(id).map_or(&[], Vec::as_slice), &mut link_tokens);
    }
    Ok(DocumentPage {
        library: document.library.to_string(),
        version: document.version.to_string(),
        document_id: document.document_id.to_string(),
        path: document.path.clone(),
        title: document.title.clone(),
        revision: document.revision,
        sha256: document.sha256.clone(),
        indexed_at: time(document.indexed_at),
        uri: uri::document(document.library.as_str(), document.version.as_str(), &document.path, None),
        passages,
        notes: page_notes,
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    })
}

fn uri_tokens(document: &VisibleDocument) -> usize {
    2 * library::budget::tokens(&document.path) + library::budget::tokens(&document.title)
}

/// Reference to a document.
enum DocumentRef {
    Path { library: String, version: Option<String>, path: DocumentPath },
    Id(DocumentId),
}

fn document_ref(arguments: &Arguments) -> Result<DocumentRef, Problem> {
    let path = |text: &str| text.parse::<DocumentPath>().map_err(library::Error::from);
    if let Some(text) = &arguments.uri {
        let Some(ResourceUri::Document { library, version, path: text }) = uri::parse(text) else {
            return Err(Problem::invalid(
                "uri is not that of a document: docs://libraries/LIBRARY/VERSION/PATH",
            ));
        };
        return Ok(DocumentRef::Path { library, version: Some(version), path: path(&text)? });
    }
    if let Some(id) = &arguments.document_id {
        let id = id.trim().parse().map_err(|_invalid| {
            Problem::invalid("document_id is not the id of a document: take one from search_docs")
        })?;
        return Ok(DocumentRef::Id(id));
    }
    match (&arguments.library, &arguments.path) {
        (Some(library), Some(text)) => {
            Ok(DocumentRef::Path { library: library.clone(), version: None, path: path(text)? })
        }
        _ => Err(Problem::invalid("no document is named: set library and path, or document_id, or uri")),
    }
}

/// Splits the argument `section` into headings.
fn headings(section: Option<&str>) -> Vec<String> {
    let parts = section.unwrap_or_default().replace(" › ", " > ");
    let parts = parts.split(" > ").map(|part| part.trim().trim_start_matches('#').trim());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Returns the error for an absent section, with the sections of the document.
async fn no_section(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    headings: &[String],
) -> Result<Problem, Problem> {
    let sections = reading::sections(connection, document, MAX_HEADINGS).await?;
    let all: Vec<String> = sections.iter().map(|section| one_line(&section.join(" > "), 200)).collect();
    let section = one_line(&headings.join(" > "), 200);
    Ok(Problem::not_found(if all.is_empty() {
        format!("the document has no sections: read it without section, not with {section:?}")
    } else {
        format!("the document has no section {section:?}; it has: {}", all.join("; "))
    }))
}

/// Arguments of `list_recent_changes`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecentArguments {
    /// Library whose changes are listed. Default: all.
    library: Option<String>,
    /// Start of the period: a date (2026-11-01) or a time (2026-11-01T08:00:00Z).
    since: Option<String>,
    /// Number of changes on a page.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
    /// Start of the page: next_cursor of the previous page.
    cursor: Option<String>,
}

/// Result of `list_recent_changes`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RecentChanges {
    /// Changes, the latest first.
    changes: Vec<Change>,
    /// Cursor of the next page; null on the last.
    next_cursor: Option<String>,
}

/// A document that was added or changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Change {
    /// Time when it was indexed.
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
    /// Number of the revision in this version: 1 for a new document.
    revision: i32,
    /// Whether the revision is active now.
    active: bool,
    /// SHA-256 of the original file.
    sha256: String,
    /// Resource URI of the document.
    uri: String,
}

impl ToolOutput for RecentChanges {
    fn text(&self) -> String {
        if self.changes.is_empty() {
            return "No changes.".to_owned();
        }
        let lines = self.changes.iter().map(|change| {
            let kind = if change.revision == 1 { "added" } else { "changed" };
            format!(
                "- {} {kind}: {} {} {} (revision {})",
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

/// Lists recent changes.
pub(super) async fn recent(
    server: &McpServer,
    actor: &Actor,
    arguments: RecentArguments,
) -> Result<RecentChanges, Problem> {
    let params = recent::RecentChangesParams {
        library: arguments.library.as_deref().map(input::library).transpose()?,
        since: arguments
            .since
            .as_deref()
            .filter(|since| !since.trim().is_empty())
            .map(point_in_time)
            .transpose()?,
        after: arguments
            .cursor
            .as_deref()
            .filter(|cursor| !cursor.is_empty())
            .map(input::cursor)
            .transpose()?,
        limit: limit(arguments.limit, CHANGES, recent::MAX_PAGE_SIZE)?,
    };
    let catalogue = server.app.engine.catalogue().await?;
    let mut connection = acquire(server.app.pool()).await?;
    let page = recent::list(&mut connection, actor, &catalogue, &params).await?;
    let changes = page
        .items
        .into_iter()
        .map(|change| Change {
            indexed_at: time(change.indexed_at),
            uri: uri::document(&change.library, &change.version, &change.path, None),
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
        Err(_) => {
            Err(Problem::invalid("since is neither a date (2026-11-01) nor a time (2026-11-01T08:00:00Z)"))
        }
    }
}
