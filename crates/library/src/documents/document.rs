//! Documents: look-up by id, lists, deletion.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Limits, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::revision::Status;
use crate::access::{self, Level, LibraryAccess, Visibility};
use crate::ids::{DocumentId, LibraryId, VersionId};
use crate::{Error, changes, gc};

/// Category of a document: code or prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Documentation of code: API references and descriptions.
    Code,
    /// Anything else.
    Document,
}

impl Category {
    /// Returns the name used in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Document => "document",
        }
    }
}

/// A document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Document {
    /// Id.
    #[schema(value_type = uuid::Uuid)]
    pub id: DocumentId,
    /// Name of its library.
    pub library: String,
    /// Path, unique in the library.
    pub path: String,
    /// Title.
    pub name: String,
    /// Category.
    pub category: Category,
    /// Tags.
    pub tags: Vec<String>,
    /// Labels of the versions in which it has an active revision, the highest first.
    pub versions: Vec<String>,
    /// Reason why the newest revision in a version could not be read, if one could not.
    pub failure: Option<String>,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// Returns the document with this id, or `None` if it does not exist for the actor.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
) -> Result<Option<Document>, Error> {
    Ok(find_many(connection, actor, &[id]).await?.pop())
}

/// Returns the documents with these ids by one statement, in the order of the ids.
///
/// An id whose document does not exist for the actor is left out; an id that is repeated is returned as often.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[DocumentId],
) -> Result<Vec<Document>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- documents.find_many
         select document.id as "id: DocumentId", library.name as library, document.path, document.name,
           document.category as "category: Category", document.tags, document.created_at, document.updated_at,
           array (select version.label from library.document_versions d
                  join library.versions as version on version.id = d.version_id
                  where d.document_id = document.id and d.active order by version.sort_key desc) as "versions!",
           (select d.reason from library.document_versions d
            where d.document_id = document.id and d.status = 'failed' and not exists (
              select from library.document_versions newer
              where newer.document_id = d.document_id and newer.version_id = d.version_id
                and newer.revision > d.revision)
            order by d.id desc limit 1) as failure,
           library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level"
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join library.documents as document on document.id = requested.id
         join library.libraries as library on library.id = document.library_id
         order by requested.position"#,
        &ids,
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?;
    let visible = rows
        .into_iter()
        .filter(|row| LibraryAccess::new(&row.library, row.visibility, row.granted).level(actor).is_some());
    Ok(visible
        .map(|row| Document {
            id: row.id,
            library: row.library,
            path: row.path,
            name: row.name,
            category: row.category,
            tags: row.tags,
            versions: row.versions,
            failure: row.failure,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
        .collect())
}

/// Filter of [`list`]. Every field that is set must match.
#[derive(Debug, Clone, Default)]
pub struct DocumentFilter {
    /// Name of the library.
    pub library: Option<String>,
    /// Label of a version in which the document has an active revision.
    pub version: Option<String>,
    /// Document type in some version.
    pub document_type: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Status of the newest revision in some version.
    pub status: Option<Status>,
    /// JSON object that the metadata contain.
    pub metadata: Option<serde_json::Value>,
}

/// Lists the documents that exist for the actor, by library name and path.
///
/// # Errors
///
/// Fails for an invalid cursor.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    filter: &DocumentFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Document>, Error> {
    let (after_library, after_path): (String, String) = match after {
        Some(cursor) => cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?,
        None => Default::default(),
    };
    let visible = access::visible_libraries(connection, actor).await?;
    let rows = sqlx::query_as!(
        Document,
        r#"-- documents.list
         select document.id as "id: DocumentId", library.name as library, document.path, document.name,
           document.category as "category: Category", document.tags, document.created_at, document.updated_at,
           array (select version.label from library.document_versions d
                  join library.versions as version on version.id = d.version_id
                  where d.document_id = document.id and d.active order by version.sort_key desc) as "versions!",
           (select d.reason from library.document_versions d
            where d.document_id = document.id and d.status = 'failed' and not exists (
              select from library.document_versions newer
              where newer.document_id = d.document_id and newer.version_id = d.version_id
                and newer.revision > d.revision)
            order by d.id desc limit 1) as failure
         from library.documents as document
         join library.libraries as library on library.id = document.library_id
         where (library.name, document.path) > ($1, $2) and library.id = any ($10)
           and ($3::text is null or library.name = $3)
           and ($4::text is null or document.tags @> array[$4])
           and ($5::jsonb is null or exists (select from library.document_metadata m
                where m.document_id = document.id and m.metadata @> $5))
           and (($6::text is null and $7::text is null and $8::text is null) or exists (
                select from library.document_versions d
                join library.versions as version on version.id = d.version_id
                where d.document_id = document.id
                  and ($6::text is null or (version.label = $6 and (d.active or $8::text is not null)))
                  and ($7::text is null or d.type = $7)
                  and ($8::text is null or (d.status = $8 and d.revision =
                    (select max(revision) from library.document_versions newest
                     where newest.document_id = d.document_id and newest.version_id = d.version_id)))))
         order by library.name, document.path
         limit $9"#,
        after_library,
        after_path,
        filter.library,
        filter.tag,
        filter.metadata,
        filter.version,
        filter.document_type,
        filter.status as Option<Status>,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        &visible,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, cursor))
}

fn cursor(document: &Document) -> Cursor {
    Cursor::encode(&(&document.library, &document.path))
}

/// Returns the first page of the documents of each of these libraries, by path, by two statements. The number beside a library limits its
/// page. Libraries that have none or do not exist for the actor are left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn first_of_libraries(
    connection: &mut PgConnection,
    actor: &Actor,
    limits: &Limits<LibraryId>,
) -> Result<HashMap<LibraryId, Page<Document>>, Error> {
    let (libraries, rows) = limits.to_rows(|library| library.0);
    let first = sqlx::query!(
        r#"-- documents.first_of_libraries
         select library.id as "library: LibraryId", library.name, document.id as "id: DocumentId", document.path
         from unnest($1::uuid[], $2::int8[]) as requested (id, wanted)
         join library.libraries as library on library.id = requested.id
         cross join lateral (
           select id, path from library.documents where library_id = library.id order by path limit requested.wanted
         ) as document
         order by library.id, document.path"#,
        &libraries,
        &rows,
    )
    .fetch_all(&mut *connection)
    .await?;
    // What is deleted between the two statements is missing from a page, and does not end its list.
    let place = |row: &FirstRow| Cursor::encode(&(&row.library_name, &row.path));
    let first = first
        .into_iter()
        .map(|row| (row.library, FirstRow { id: row.id, library_name: row.name, path: row.path }));
    let first = Page::of_lists(first, limits, place);
    let ids: Vec<DocumentId> = first.values().flat_map(|page| page.items.iter().map(|row| row.id)).collect();
    let documents = find_many(connection, actor, &ids).await?;
    let mut documents: HashMap<DocumentId, Document> =
        documents.into_iter().map(|document| (document.id, document)).collect();
    let pages = first.into_iter().filter_map(|(library, page)| {
        let items: Vec<Document> = page.items.iter().filter_map(|row| documents.remove(&row.id)).collect();
        let cursors = items.iter().map(cursor).collect();
        (!items.is_empty()).then_some((library, Page { items, cursors, next: page.next }))
    });
    Ok(pages.collect())
}

/// Document on a first page, before it is read.
struct FirstRow {
    id: DocumentId,
    library_name: String,
    path: String,
}

/// Deletes a document with its revisions, passages and vectors. Its bytes are deleted later, if nothing else refers to them.
///
/// # Errors
///
/// Fails if the document does not exist for the actor, or they cannot write to its library.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: DocumentId) -> Result<(), Error> {
    access::require_document(connection, actor, id, Level::Write).await?;
    let versions = sqlx::query_scalar!(
        r#"-- documents.versions_held
         select distinct version_id as "version: VersionId" from library.document_versions where document_id = $1"#,
        id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let deleted = sqlx::query!(
        "-- documents.delete
         delete from library.documents where id = $1",
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(Error::NoDocument);
    }
    gc::schedule(connection).await?;
    let changed: Vec<_> = versions.into_iter().map(|version| (id, version)).collect();
    changes::record(connection, &changed).await
}

/// Returns the headings above a passage without the first one, if that only repeats the document's title.
pub fn section_below_title<'passage>(title: &str, section: &'passage [String]) -> &'passage [String] {
    match section.split_first() {
        // JavaDoc: `Class Berth` of `Class Berth (org.example)`.
        Some((first, rest))
            if title
                .strip_prefix(first.as_str())
                .is_some_and(|more| more.is_empty() || more.starts_with(" (")) =>
        {
            rest
        }
        _ => section,
    }
}
