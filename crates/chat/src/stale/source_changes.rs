//! Changes since an answer was given: each citation, and the passage that replaces it now.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use library::diff::{Diff, diff};
use library::search::analysis::with_thread_analysis;
use library::search::find_passage;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, MessageId};
use crate::messages;
use crate::source::Staleness;

/// Maximum number of passages of a section considered as the replacement of a citation.
const MAX_CANDIDATES: i64 = 50;

/// Citation, and how its passage has changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceChange {
    /// Number by which the answer cites it.
    pub number: i32,
    /// Change of the passage; `null` if there is none.
    pub stale: Option<Staleness>,
    /// Time at which the change was noticed.
    pub since: Option<DateTime<Utc>>,
    /// Library.
    pub library: Option<String>,
    /// Version that was cited.
    pub version: Option<String>,
    /// Path of the document.
    pub path: Option<String>,
    /// Headings above the passage, outermost first.
    pub section: Vec<String>,
    /// Text that was cited, verbatim.
    pub was: String,
    /// Passage that replaces it now.
    pub now: Option<CurrentPassage>,
}

/// Passage that replaces a citation.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SourceNow)]
pub struct CurrentPassage {
    /// Passage id.
    pub passage_id: Uuid,
    /// URL of the passage.
    pub url: String,
    /// Version.
    pub version: String,
    /// Text.
    pub content: String,
    /// Differences from the cited text, line by line.
    pub diff: Diff,
}

/// Returns the passages that an answer of the actor cites, and how each has changed. A current passage that the actor cannot read
/// any more is left out.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if the message does not exist for the actor.
pub async fn source_changes(
    connection: &mut PgConnection,
    actor: &Actor,
    message: MessageId,
) -> Result<Vec<SourceChange>, Error> {
    let owner = chats::owner_id(actor)?;
    let rows = sqlx::query!(
        r#"-- stale.cited
         select source.number as "number?", source.stale as "stale: Staleness", source.stale_at, source.library,
           source.version, source.path, source.section as "section?", quote.content as "content?",
           answering.id as "answering?"
         from chat.messages as message
         join chat.chats as chat on chat.id = message.chat_id and chat.owner_id = $2
         left join chat.message_sources as source
           on source.message_id = message.id and source.cited and source.kind = 'passage'
         left join chat.quotes as quote on quote.sha256 = source.sha256
         left join library.documents as document on document.id = source.document_id
         left join library.libraries as library on library.id = document.library_id
         left join library.versions as version on version.library_id = library.id
           and case when source.follows_active then version.id = library.active_version_id
                    else version.label = source.version end
         left join library.document_versions as answering on answering.document_id = document.id
           and answering.version_id = version.id and answering.active
         where message.message_id = $1
         order by source.number"#,
        message.0,
        owner,
    )
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Err(messages::absent());
    }
    let mut changes = Vec::new();
    for row in rows {
        let (Some(number), Some(section), Some(was)) = (row.number, row.section, row.content) else {
            continue;
        };
        let now = match (row.stale, row.answering) {
            (Some(_), Some(answering)) => {
                current_passage(&mut *connection, actor, answering, &section, &was).await?
            }
            _ => None,
        };
        changes.push(SourceChange {
            number,
            stale: row.stale,
            since: row.stale_at,
            library: row.library,
            version: row.version,
            path: row.path,
            section,
            was,
            now,
        });
    }
    Ok(changes)
}

/// Returns the passage of the same section that shares most words with the cited text.
async fn current_passage(
    connection: &mut PgConnection,
    actor: &Actor,
    revision: Uuid,
    section: &[String],
    was: &str,
) -> Result<Option<CurrentPassage>, Error> {
    let candidates = sqlx::query!(
        "-- stale.in_place
         select id, content from library.search_indices
         where document_version_id = $1 and section = $2 order by passage_number limit $3",
        revision,
        section,
        MAX_CANDIDATES,
    )
    .fetch_all(&mut *connection)
    .await?;
    let cited = terms(was);
    let best = candidates.iter().rev().max_by_key(|row| terms(&row.content).intersection(&cited).count());
    let Some(best) = best else { return Ok(None) };
    let Some(passage) = find_passage(connection, actor, best.id).await? else { return Ok(None) };
    Ok(Some(CurrentPassage {
        passage_id: passage.id,
        url: passage.url,
        diff: diff(was, &passage.content, "cited", &passage.version),
        version: passage.version,
        content: passage.content,
    }))
}

fn terms(text: &str) -> HashSet<String> {
    with_thread_analysis(|analysis| {
        analysis.run(text);
        analysis.terms().map(|(_, term)| term.to_owned()).collect()
    })
}
