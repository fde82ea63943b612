//! Layout of a revision: the positions of its passages, and the text between any two positions.
//!
//! The layout of a revision never changes, so callers can cache it.

use sqlx::PgConnection;
use uuid::Uuid;

use super::reading::VisibleDocument;
use crate::Error;

/// Position and properties of a passage, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageSpan {
    /// Passage.
    pub id: Uuid,
    /// Number in the document, from 0.
    pub number: i32,
    /// Headings above it, outermost first.
    pub section: Vec<String>,
    /// Content type: `text`, `code`, `table` or `api`.
    pub content_type: String,
    /// Heading at the beginning of its text, of an operation, schema or member of an API.
    pub heading: Option<String>,
    /// URL fragment of its section in the original.
    pub anchor: Option<String>,
    /// Page of the original on which it begins, from 1.
    pub page: Option<i32>,
    /// First character of the revision's text, from 0.
    pub from: i32,
    /// Character after the last.
    pub to: i32,
    /// Reason why it reads like an instruction to an agent, if it does.
    pub instruction: Option<String>,
}

/// Returns the spans of all passages, in the order of the document.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn passage_spans(
    connection: &mut PgConnection,
    document: &VisibleDocument,
) -> Result<Vec<PassageSpan>, Error> {
    Ok(sqlx::query_as!(
        PassageSpan,
        r#"-- layout.passage_spans
         select id, passage_number as number, section, content_type, anchor, page_from as page,
           case when content_type = 'api' then substring(content from '^#{1,6} +([^\n]{1,200})') end as heading,
           character_from as "from", character_to as "to", instruction
         from library.search_indices where document_version_id = $1 order by passage_number"#,
        document.revision_id.id().0,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns the text from character `from` up to, not including, `to`, or to the end. It includes headings without text of
/// their own, which are in no passage.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn text(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    from: i32,
    to: Option<i32>,
) -> Result<String, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- layout.text
         select substr(content, $2 + 1, coalesce($3, 2147483647) - $2) as "text!"
         from library.document_versions where id = $1 and content is not null"#,
        document.revision_id.id().0,
        from,
        to,
    )
    .fetch_optional(connection)
    .await?
    .unwrap_or_default())
}
