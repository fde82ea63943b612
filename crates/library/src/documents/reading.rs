//! Reading of documents by path, whole or by section, in pages of a given number of tokens, as an agent reads.
//!
//! A page ends where the next begins, and its cursor stays in the revision that reading began with. Look-ups return a
//! [`VisibleDocument`], and only they can construct one.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::revision::VisibleRevision;
use crate::access::Level;
use crate::catalogue::{Catalogue, Library, Version};
use crate::ids::{DocumentId, VersionId};
use crate::label::{Label, VersionRequest};
use crate::names::{DocumentPath, LibraryName};
use crate::{Error, budget};

/// Passages read by one statement.
const BATCH: i64 = 32;

/// A document in one revision, for an actor who can read it.
///
/// It cannot be constructed outside this crate: a function that takes one needs no further check that it may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VisibleDocument {
    /// Document.
    pub document_id: DocumentId,
    /// Revision.
    pub revision_id: VisibleRevision,
    /// Number of the revision within document and version.
    pub revision: i32,
    /// Name of the library.
    pub library: LibraryName,
    /// Label of the version.
    pub version: Label,
    /// Id of the version.
    pub version_id: VersionId,
    /// Path in the library.
    pub path: String,
    /// Title in this revision.
    pub title: String,
    /// Document type.
    pub document_type: String,
    /// SHA-256 of the original.
    pub sha256: String,
    /// Time when the revision was read.
    pub indexed_at: DateTime<Utc>,
}

/// A passage, or the part of it that fits a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassagePart {
    /// Passage.
    pub id: Uuid,
    /// Number in the document, from 0.
    pub number: i32,
    /// Headings above it, outermost first.
    pub section: Vec<String>,
    /// Content type: `text`, `code`, `table` or `api`.
    pub content_type: String,
    /// Text, complete unless `cut`.
    pub content: String,
    /// Whether the text is a part of the passage. A code fence that was cut is closed, and opened again in the next part.
    pub cut: bool,
    /// SHA-256 of the whole passage.
    pub sha256: String,
    /// Reason why the passage reads like an instruction to an agent, if it does.
    pub instruction: Option<String>,
}

/// A page of a document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadPage<T> {
    /// Number of each passage, and the passage as it was rendered, in the order of the document.
    pub passages: Vec<(i32, T)>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<Cursor>,
}

/// Options of [`read`].
pub struct ReadOptions<'options, T> {
    /// Consecutive headings, the outer before the inner: only text under the last of them is read. The whole document if empty.
    pub section: &'options [String],
    /// Cursor of an earlier page.
    pub after: Option<&'options Cursor>,
    /// Maximum number of tokens of the page.
    pub max_tokens: usize,
    /// Renders a passage, and returns it with the number of tokens that it takes.
    pub render: &'options (dyn Fn(&PassagePart) -> (T, usize) + Sync),
}

/// Returns the document with this path in its active revision, or `None` if the version has none.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn by_path(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    path: &DocumentPath,
) -> Result<Option<VisibleDocument>, Error> {
    library.require(actor, Level::Read)?;
    let row = sqlx::query!(
        r#"-- reading.by_path
         select d.document_id as "document_id: DocumentId", d.id as "id: VisibleRevision", d.revision,
           coalesce(d.title, document.name) as "title!", coalesce(d.type, 'text') as "document_type!",
           encode(d.file_hash, 'hex') as "sha256!", coalesce(d.completed_at, d.created_at) as "indexed_at!"
         from library.documents as document
         join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
         where document.library_id = $1 and document.path = $3"#,
        library.id.0,
        version.id.0,
        path.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| VisibleDocument {
        document_id: row.document_id,
        revision_id: row.id,
        revision: row.revision,
        library: library.name.clone(),
        version: version.label.clone(),
        version_id: version.id,
        path: path.as_str().to_owned(),
        title: row.title,
        document_type: row.document_type,
        sha256: row.sha256,
        indexed_at: row.indexed_at,
    }))
}

/// Returns the document with this path in one of its revisions, active or not, or `None` if that was never read.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn at_revision(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    path: &DocumentPath,
    revision: i32,
) -> Result<Option<VisibleDocument>, Error> {
    library.require(actor, Level::Read)?;
    let row = sqlx::query!(
        r#"-- reading.at_revision
         select d.document_id as "document_id: DocumentId", d.id as "id: VisibleRevision",
           coalesce(d.title, document.name) as "title!", coalesce(d.type, 'text') as "document_type!",
           encode(d.file_hash, 'hex') as "sha256!", coalesce(d.completed_at, d.created_at) as "indexed_at!"
         from library.documents as document
         join library.document_versions d on d.document_id = document.id and d.version_id = $2
         where document.library_id = $1 and document.path = $3 and d.revision = $4 and d.status = 'completed'"#,
        library.id.0,
        version.id.0,
        path.as_str(),
        revision,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| VisibleDocument {
        document_id: row.document_id,
        revision_id: row.id,
        revision,
        library: library.name.clone(),
        version: version.label.clone(),
        version_id: version.id,
        path: path.as_str().to_owned(),
        title: row.title,
        document_type: row.document_type,
        sha256: row.sha256,
        indexed_at: row.indexed_at,
    }))
}

/// Returns the labels of the versions in which this path has an active revision, the highest first, at most 20.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn labels_of_path(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    path: &DocumentPath,
) -> Result<Vec<String>, Error> {
    library.require(actor, Level::Read)?;
    Ok(sqlx::query_scalar!(
        "-- reading.versions_of_path
         select version.label from library.documents as document
         join library.document_versions d on d.document_id = document.id and d.active
         join library.versions as version on version.id = d.version_id
         where document.library_id = $1 and document.path = $2
         order by version.sort_key desc limit 20",
        library.id.0,
        path.as_str(),
    )
    .fetch_all(connection)
    .await?)
}

/// Returns the first of these paths that exists in the version.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn first_existing_path(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    paths: &[String],
) -> Result<Option<String>, Error> {
    library.require(actor, Level::Read)?;
    Ok(sqlx::query_scalar!(
        "-- reading.first_existing_path
         select document.path from library.documents as document
         join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
         where document.library_id = $1 and document.path = any ($3)
         order by array_position($3, document.path) limit 1",
        library.id.0,
        version.id.0,
        paths,
    )
    .fetch_optional(connection)
    .await?)
}

/// Returns the library and path of the document with this id.
///
/// # Errors
///
/// Fails if it does not exist for the actor.
pub async fn locate<'catalogue>(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &'catalogue Catalogue,
    id: DocumentId,
) -> Result<(&'catalogue Library, DocumentPath), Error> {
    let row = sqlx::query!(
        r#"-- reading.locate
         select library.name, document.path
         from library.documents as document
         join library.libraries as library on library.id = document.library_id
         where document.id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoDocument)?;
    let library = catalogue.library(actor, &row.name.parse()?).map_err(|_hidden| Error::NoDocument)?;
    Ok((library, row.path.parse()?))
}

/// Returns the document with this path in the requested version.
///
/// # Errors
///
/// Fails if there is none, naming the versions that have the path, or similar paths.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &VersionRequest,
    path: &DocumentPath,
) -> Result<VisibleDocument, Error> {
    let version = library.resolve(version)?;
    if let Some(document) = by_path(connection, actor, library, version, path).await? {
        return Ok(document);
    }
    let elsewhere = labels_of_path(connection, actor, library, path).await?;
    let (name, label) = (&library.name, &version.label);
    if !elsewhere.is_empty() {
        return Err(Error::NotFound(format!(
            "{name} {label} has no document {path}; it is in {}",
            elsewhere.join(", ")
        )));
    }
    let file = path.file_name();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let similar = paths_containing(connection, actor, library, version, stem, 5).await?;
    let hint = if similar.is_empty() {
        "search for it".to_owned()
    } else {
        format!("there is {}", similar.join(", "))
    };
    Err(Error::NotFound(format!("{name} {label} has no document {path}; {hint}")))
}

/// Returns the paths of a version's documents that contain this text in any case, those that begin with it first.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn paths_containing(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    part: &str,
    limit: i64,
) -> Result<Vec<String>, Error> {
    library.require(actor, Level::Read)?;
    Ok(sqlx::query_scalar!(
        r#"-- reading.paths_containing
         select document.path
         from library.documents as document
         join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
         where document.library_id = $1 and strpos(lower(document.path), lower($3)) > 0
         order by not starts_with(lower(document.path), lower($3)), document.path
         limit $4"#,
        library.id.0,
        version.id.0,
        part,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns the sections of a document that have passages, each as its headings with the outermost first, in the order of the
/// document. At most `limit`, from the first 2,000 passages.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn sections(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    limit: usize,
) -> Result<Vec<Vec<String>>, Error> {
    let rows = sqlx::query_scalar!(
        "-- reading.sections
         select section from library.search_indices where document_version_id = $1
         order by passage_number limit 2000",
        document.revision_id.id().0,
    )
    .fetch_all(connection)
    .await?;
    let mut sections: Vec<Vec<String>> = rows.into_iter().filter(|section| !section.is_empty()).collect();
    sections.dedup();
    sections.truncate(limit);
    Ok(sections)
}

/// Returns the reasons why passages of a document read like instructions to an agent, each once.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn instruction_flags(
    connection: &mut PgConnection,
    document: &VisibleDocument,
) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- reading.instruction_flags
         select distinct instruction as "instruction!" from library.search_indices
         where document_version_id = $1 and instruction is not null
         order by 1"#,
        document.revision_id.id().0,
    )
    .fetch_all(connection)
    .await?)
}

/// Start of a page: the revision, the number of the passage, and the byte of its text.
type Position = (Uuid, i32, usize);

/// Reads a page of a document: as many passages as fit, and at least a part of one if there is any.
///
/// # Errors
///
/// Fails for a cursor of another document.
pub async fn read<T: Send>(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    options: &ReadOptions<'_, T>,
) -> Result<ReadPage<T>, Error> {
    let invalid_cursor =
        || Error::Invalid("invalid cursor for this document: read again without it".to_owned());
    let (revision, mut number, mut offset): Position = match options.after {
        Some(cursor) => cursor.decode().map_err(|_unreadable| invalid_cursor())?,
        None => (document.revision_id.id().0, 0, 0),
    };
    // Consecutive headings, joined by a character that no heading contains.
    let needle = (!options.section.is_empty()).then(|| {
        let lower: Vec<String> = options.section.iter().map(|heading| heading.to_lowercase()).collect();
        format!("\u{1f}{}\u{1f}", lower.join("\u{1f}"))
    });
    let headings: Vec<String> = options.section.iter().map(|heading| normalized_heading(heading)).collect();
    let mut tokens_left = options.max_tokens;
    let mut passages: Vec<(i32, T)> = Vec::new();
    loop {
        let rows = sqlx::query!(
            r#"-- reading.passages
             select passage.id, passage.passage_number as number, passage.section, passage.content_type,
               passage.content, encode(passage.sha256, 'hex') as "sha256!", passage.instruction
             from library.search_indices as passage
             join library.document_versions d on d.id = passage.document_version_id
             where passage.document_version_id = $1 and d.document_id = $2 and d.version_id = $3
               and passage.passage_number >= $4
               and ($5::text is null
                 or strpos(chr(31) || lower(array_to_string(passage.section, chr(31))) || chr(31), $5) > 0
                 -- short sections share a passage, which has only the headings above all of them
                 or exists (select from string_to_table(passage.content, chr(10)) as line
                   where line ~ '^#{1,6} ' and lower(translate(btrim(line, '# '), '`*\\', '')) = $7))
             order by passage.passage_number limit $6"#,
            revision,
            document.document_id.0,
            document.version_id.0,
            number,
            needle,
            BATCH,
            headings.last(),
        )
        .fetch_all(&mut *connection)
        .await?;
        let is_last = rows.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
        let last = rows.last().map_or(number, |row| row.number);
        for row in rows {
            let begin = if row.number == number { offset } else { 0 };
            let text = under_headings(&row.section, &row.content, &headings);
            let Some(rest) = text.get(begin..) else { return Err(invalid_cursor()) };
            if rest.is_empty() {
                continue;
            }
            let mut part = PassagePart {
                id: row.id,
                number: row.number,
                section: row.section,
                content_type: row.content_type,
                content: reopen_fence(&text[..begin], rest),
                cut: rest.len() < row.content.len(),
                sha256: row.sha256,
                instruction: row.instruction,
            };
            let (rendered, cost) = (options.render)(&part);
            if cost <= tokens_left {
                tokens_left -= cost;
                passages.push((part.number, rendered));
                continue;
            }
            let mut next: Position = (revision, row.number, begin);
            if passages.is_empty() {
                part.cut = true;
                let whole = std::mem::take(&mut part.content);
                let (short, taken) = budget::shorten(&whole, tokens_left, |text| {
                    (options.render)(&PassagePart { content: text.to_owned(), ..part.clone() }).1
                });
                part.content = short;
                // The fence that was opened again is not part of the passage.
                let repeated = reopen_fence(&text[..begin], "").len();
                next.2 = begin + taken.saturating_sub(repeated);
                passages.push((part.number, (options.render)(&part).0));
            }
            return Ok(ReadPage { passages, next: Some(Cursor::encode(&next)) });
        }
        if is_last {
            return Ok(ReadPage { passages, next: None });
        }
        (number, offset) = (last + 1, 0);
    }
}

/// Returns the parts of a passage that are under consecutive headings: all of it if they are among the headings above it,
/// otherwise the sections inside it, each from its heading to the next one of the same or a higher level.
fn under_headings<'content>(
    section: &[String],
    content: &'content str,
    headings: &[String],
) -> Cow<'content, str> {
    let mut path: Vec<(usize, String)> =
        section.iter().map(|heading| (0, normalized_heading(heading))).collect();
    let is_under = |path: &[(usize, String)]| {
        path.windows(headings.len()).any(|window| window.iter().map(|(_, heading)| heading).eq(headings))
    };
    if headings.is_empty() || is_under(&path) {
        return Cow::Borrowed(content);
    }
    let mut parts = Vec::new();
    let mut begin = None;
    let mut fence: Option<String> = None;
    let mut at = 0;
    for line in content.split_inclusive('\n') {
        match &fence {
            Some(closing) => {
                if line
                    .trim()
                    .strip_prefix(closing.trim())
                    .is_some_and(|rest| rest.trim_matches(['`', '~']).is_empty())
                {
                    fence = None;
                }
            }
            None => fence = budget::open_fence(line).map(budget::closing_fence),
        }
        let heading = markdown_heading(line).filter(|_| fence.is_none());
        if let Some((level, text)) = heading {
            path.retain(|(other, _)| *other < level);
            path.push((level, normalized_heading(text)));
            match (begin, is_under(&path)) {
                (None, true) => begin = Some(at),
                (Some(start), false) => {
                    parts.push(content[start..at].trim_end());
                    begin = None;
                }
                _ => {}
            }
        }
        at += line.len();
    }
    parts.extend(begin.map(|start| &content[start..]));
    Cow::Owned(parts.join("\n\n"))
}

/// Returns level and text of an ATX heading ([CommonMark 0.31, section 4.2](https://spec.commonmark.org/0.31.2/#atx-headings)).
fn markdown_heading(line: &str) -> Option<(usize, &str)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with(' ')).then(|| (level, text.trim()))
}

/// Returns a heading in the form in which headings are compared: lower case, without Markdown's marks.
fn normalized_heading(heading: &str) -> String {
    heading.trim_matches(['#', ' ', '\n', '\r']).replace(['`', '*', '\\'], "").to_lowercase()
}

/// Returns the rest of a text, with the code fence opened again that the cut before it has split.
fn reopen_fence(before: &str, rest: &str) -> String {
    match budget::open_fence(before) {
        Some(opening) => format!("{opening}\n{rest}"),
        None => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str = "## Install\n\nRun it.\n\n```sh\n# Remove\nrm x\n```\n\n### On Linux\n\nUse apt.\n\n## `Remove`\n\nDelete it.\n";

    fn read(section: &[&str], content: &str, headings: &[&str]) -> String {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let headings: Vec<String> = headings.iter().map(|heading| normalized_heading(heading)).collect();
        under_headings(&owned(section), content, &headings).into_owned()
    }

    #[test]
    fn a_section_that_shares_its_passage_is_read_alone() {
        let install = SHARED.split("## `Remove`").next().unwrap().trim_end();
        for (headings, expected) in [
            (&["Manual"][..], SHARED),
            (&["install"], install),
            (&["Manual", "Install"], install),
            (&["Install", "On Linux"], "### On Linux\n\nUse apt."),
            (&["Remove"], "## `Remove`\n\nDelete it.\n"),
            (&["Manual", "Remove"], "## `Remove`\n\nDelete it.\n"),
            (&["Other", "Remove"], ""),
            (&["Manual", "On Linux"], ""),
            (&["Nothing"], ""),
        ] {
            assert_eq!(read(&["Manual"], SHARED, headings), expected, "{headings:?}");
        }
    }

    #[test]
    fn sections_of_the_same_heading_are_all_read() {
        let text = "## A\n\n### Example\n\none\n\n## B\n\n### Example\n\ntwo";
        assert_eq!(read(&[], text, &["Example"]), "### Example\n\none\n\n### Example\n\ntwo");
        assert_eq!(read(&[], text, &["B", "Example"]), "### Example\n\ntwo");
    }
}
