//! How a revision is laid out: the places of its passages, and the text between any two of them. It never changes, so whoever
//! has read it once may remember it.

use sqlx::PgConnection;
use uuid::Uuid;

use super::reading::Readable;
use crate::Error;

/// Where a passage is, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The passage.
    pub id: Uuid,
    /// Its number in the document, from 0.
    pub number: i32,
    /// The headings above it, outermost first.
    pub section: Vec<String>,
    /// What it holds: `text`, `code`, `table` or `api`.
    pub content_type: String,
    /// The fragment that leads to it in the original.
    pub anchor: Option<String>,
    /// Its first page.
    pub page: Option<i32>,
    /// Its first character.
    pub from: i32,
    /// The character after its last.
    pub to: i32,
    /// Why it reads like an instruction to an agent, if it does.
    pub instruction: Option<String>,
}

/// The places of all passages, in the order of the document.
pub async fn places(connection: &mut PgConnection, document: &Readable) -> Result<Vec<Place>, Error> {
    Ok(sqlx::query_as!(
        Place,
        r#"-- layout.places
         select id, passage_number as number, section, content_type, anchor, page_from as page,
           character_from as "from", character_to as "to", instruction
         from library.search_indices where document_version_id = $1 order by passage_number"#,
        document.revision_id.0,
    )
    .fetch_all(connection)
    .await?)
}

/// The text from one character to before another, or to its end. Headings with nothing of their own below them are in it, and
/// in no passage.
pub async fn text(
    connection: &mut PgConnection,
    document: &Readable,
    from: i32,
    to: Option<i32>,
) -> Result<String, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- layout.text
         select substr(content, $2 + 1, coalesce($3, 2147483647) - $2) as "text!"
         from library.document_versions where id = $1 and content is not null"#,
        document.revision_id.0,
        from,
        to,
    )
    .fetch_optional(connection)
    .await?
    .unwrap_or_default())
}
