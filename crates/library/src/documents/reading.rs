//! Reading a document from its beginning to its end, as an agent does: by path or id, a section or all, in parts of a size that
//! is asked for. A part ends where the next begins, and stays in the revision it was begun in.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::Cursor;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DocumentId, DocumentVersionId};
use crate::access::{self, Level};
use crate::catalogue::{Catalogue, Library, Version};
use crate::changes::VersionId;
use crate::label::{Label, Request};
use crate::names::{DocumentPath, LibraryName};
use crate::{Error, budget};

/// Passages that are read from the database at once.
const BATCH: i64 = 32;

/// A document in the revision that answers under a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readable {
    /// The document.
    pub document_id: DocumentId,
    /// The revision.
    pub revision_id: DocumentVersionId,
    /// The revision's number under the label.
    pub revision: i32,
    /// The library.
    pub library: LibraryName,
    /// The version.
    pub version: Label,
    /// The version's id.
    pub version_id: VersionId,
    /// The document's path.
    pub path: String,
    /// Its title in this revision.
    pub title: String,
    /// Its type.
    pub document_type: String,
    /// The SHA-256 of the original.
    pub sha256: String,
    /// When it was indexed.
    pub indexed_at: DateTime<Utc>,
}

/// A passage, or what of it was still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// The passage.
    pub id: Uuid,
    /// Its place in the document, from 0.
    pub number: i32,
    /// The headings above it, outermost first.
    pub section: Vec<String>,
    /// What it holds: `text`, `code`, `table` or `api`.
    pub content_type: String,
    /// The text: whole, unless `cut`.
    pub content: String,
    /// Whether this is a part of the passage. A code fence that was cut is closed, and opened again where it goes on.
    pub cut: bool,
    /// The SHA-256 of the whole passage.
    pub sha256: String,
    /// Why the passage reads like an instruction to an agent, if it does.
    pub instruction: Option<String>,
}

/// What was read, and where the rest begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The passages in their order.
    pub pieces: Vec<Piece>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// What of a document to read.
pub struct Wanted<'wanted> {
    /// Only what stands under this heading, or under these, the outer before the inner. All where none is given.
    pub section: &'wanted [String],
    /// Where an earlier part ended.
    pub after: Option<&'wanted Cursor>,
    /// Tokens at most.
    pub tokens: usize,
    /// What a piece takes as it is shown.
    pub cost: &'wanted (dyn Fn(&Piece) -> usize + Sync),
}

/// The document of this path in a version of a library that exists for the actor.
pub async fn by_path(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    path: &DocumentPath,
) -> Result<Option<Readable>, Error> {
    access::require(actor, library, Level::Read)?;
    let row = sqlx::query!(
        r#"-- reading.by_path
         select d.document_id as "document_id: DocumentId", d.id as "id: DocumentVersionId", d.revision,
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
    Ok(row.map(|row| Readable {
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

/// A revision of the document of this path, whether or not it is the one that answers.
pub async fn at_revision(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    path: &DocumentPath,
    revision: i32,
) -> Result<Option<Readable>, Error> {
    access::require(actor, library, Level::Read)?;
    let row = sqlx::query!(
        r#"-- reading.at_revision
         select d.document_id as "document_id: DocumentId", d.id as "id: DocumentVersionId",
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
    Ok(row.map(|row| Readable {
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

/// The versions in which a document of this path answers, the highest first.
pub async fn labels(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    path: &DocumentPath,
) -> Result<Vec<String>, Error> {
    access::require(actor, library, Level::Read)?;
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

/// The first of these paths that a document of the version has.
pub async fn first_of(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    paths: &[String],
) -> Result<Option<String>, Error> {
    access::require(actor, library, Level::Read)?;
    Ok(sqlx::query_scalar!(
        "-- reading.first_of
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

/// Where the document of this id is; an error where it does not exist for the actor.
pub async fn place<'catalogue>(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &'catalogue Catalogue,
    id: DocumentId,
) -> Result<(&'catalogue Library, DocumentPath), Error> {
    let row = sqlx::query!(
        r#"-- reading.place
         select library.name, document.path
         from library.documents as document
         join library.libraries as library on library.id = document.library_id
         where document.id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoDocument)?;
    let library = catalogue.library(actor, &row.name.parse()?).map_err(|_unseen| Error::NoDocument)?;
    Ok((library, row.path.parse()?))
}

/// The document of this path in the version asked for. One that is absent is refused, with the versions that have it or
/// the paths that resemble it.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Request,
    path: &DocumentPath,
) -> Result<Readable, Error> {
    let version = library.resolve(version)?;
    if let Some(found) = by_path(connection, actor, library, version, path).await? {
        return Ok(found);
    }
    let elsewhere = labels(connection, actor, library, path).await?;
    let (name, label) = (&library.name, &version.label);
    if !elsewhere.is_empty() {
        return Err(Error::NotFound(format!(
            "{name} {label} has no document {path}; it is in {}",
            elsewhere.join(", ")
        )));
    }
    let file = path.file_name();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let similar = paths(connection, actor, library, version, stem, 5).await?;
    let hint = if similar.is_empty() {
        "search for it".to_owned()
    } else {
        format!("there is {}", similar.join(", "))
    };
    Err(Error::NotFound(format!("{name} {label} has no document {path}; {hint}")))
}

/// Paths of a version's documents that hold this text: those that begin with it first.
pub async fn paths(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    part: &str,
    limit: i64,
) -> Result<Vec<String>, Error> {
    access::require(actor, library, Level::Read)?;
    Ok(sqlx::query_scalar!(
        r#"-- reading.paths
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

/// The headings of a document that has passages, outermost first, in the order of the document.
pub async fn sections(
    connection: &mut PgConnection,
    document: &Readable,
    limit: usize,
) -> Result<Vec<Vec<String>>, Error> {
    let rows = sqlx::query_scalar!(
        "-- reading.sections
         select section from library.search_indices where document_version_id = $1
         order by passage_number limit 2000",
        document.revision_id.0,
    )
    .fetch_all(connection)
    .await?;
    let mut sections: Vec<Vec<String>> = rows.into_iter().filter(|section| !section.is_empty()).collect();
    sections.dedup();
    sections.truncate(limit);
    Ok(sections)
}

/// Why passages of a document read like instructions to an agent, if any do.
pub async fn flags(connection: &mut PgConnection, document: &Readable) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- reading.flags
         select distinct instruction as "instruction!" from library.search_indices
         where document_version_id = $1 and instruction is not null
         order by 1"#,
        document.revision_id.0,
    )
    .fetch_all(connection)
    .await?)
}

/// Where a part begins: the revision, the passage, and the byte of its text.
type Position = (Uuid, i32, usize);

/// Reads a part of a document, at least one piece of it where there is any.
pub async fn read(
    connection: &mut PgConnection,
    document: &Readable,
    wanted: &Wanted<'_>,
) -> Result<Part, Error> {
    let foreign =
        || Error::Invalid("the cursor is not one of this document: begin again without it".to_owned());
    let (revision, mut number, mut offset): Position = match wanted.after {
        Some(cursor) => cursor.decode().map_err(|_unreadable| foreign())?,
        None => (document.revision_id.0, 0, 0),
    };
    // Headings in a row, between characters that no heading holds.
    let needle = (!wanted.section.is_empty()).then(|| {
        let lower: Vec<String> = wanted.section.iter().map(|heading| heading.to_lowercase()).collect();
        format!("\u{1f}{}\u{1f}", lower.join("\u{1f}"))
    });
    let innermost = wanted.section.last().map(|heading| heading.trim().to_lowercase());
    let mut left = wanted.tokens;
    let mut pieces: Vec<Piece> = Vec::new();
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
                 -- short sections share a passage, which knows only the headings above all of them
                 or exists (select from string_to_table(passage.content, chr(10)) as line
                   where line ~ '^#{1,6} ' and lower(btrim(line, '# ')) = $7))
             order by passage.passage_number limit $6"#,
            revision,
            document.document_id.0,
            document.version_id.0,
            number,
            needle,
            BATCH,
            innermost,
        )
        .fetch_all(&mut *connection)
        .await?;
        let is_last = rows.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
        for row in rows {
            let begin = if row.number == number { offset } else { 0 };
            let Some(rest) = row.content.get(begin..) else { return Err(foreign()) };
            let mut piece = Piece {
                id: row.id,
                number: row.number,
                section: row.section,
                content_type: row.content_type,
                content: reopened(&row.content[..begin], rest),
                cut: begin > 0,
                sha256: row.sha256,
                instruction: row.instruction,
            };
            let cost = (wanted.cost)(&piece);
            if cost <= left {
                left -= cost;
                pieces.push(piece);
                continue;
            }
            let mut next: Position = (revision, row.number, begin);
            if pieces.is_empty() {
                piece.cut = true;
                let whole = std::mem::take(&mut piece.content);
                let (short, taken) = budget::shorten(&whole, left, |text| {
                    (wanted.cost)(&Piece { content: text.to_owned(), ..piece.clone() })
                });
                piece.content = short;
                // What was opened again is no part of the passage.
                let repeated = reopened(&row.content[..begin], "").len();
                next.2 = begin + taken.saturating_sub(repeated);
                pieces.push(piece);
            }
            return Ok(Part { pieces, next: Some(Cursor::encode(&next)) });
        }
        if is_last {
            return Ok(Part { pieces, next: None });
        }
        (number, offset) = (pieces.last().map_or(number, |piece| piece.number) + 1, 0);
    }
}

/// The rest of a text, with the code fence opened again that was cut in two before it.
fn reopened(before: &str, rest: &str) -> String {
    match budget::open_fence(before) {
        Some(opening) => format!("{opening}\n{rest}"),
        None => rest.to_owned(),
    }
}
