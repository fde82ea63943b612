//! What has changed since an answer was given: what each citation was, and what stands in its place now.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use library::diff::{Diff, diff};
use library::search::analysis::with_kept;
use library::search::find_passage;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, MessageId};
use crate::messages;
use crate::source::Stale;

/// Passages of one section that are looked at for what stands in a citation's place.
const CANDIDATES: i64 = 50;

/// A citation, and what has become of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceChange {
    /// What stands between the brackets.
    pub number: i32,
    /// What has become of it; nothing where it is as it was.
    pub stale: Option<Stale>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// Its library.
    pub library: Option<String>,
    /// The version it was cited from.
    pub version: Option<String>,
    /// Its document's path.
    pub path: Option<String>,
    /// The headings above it.
    pub section: Vec<String>,
    /// What it was, word for word.
    pub was: String,
    /// What stands in its place now.
    pub now: Option<SourceNow>,
}

/// What stands in a citation's place.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceNow {
    /// The passage.
    pub passage_id: Uuid,
    /// Where it can be read.
    pub url: String,
    /// The version it is in.
    pub version: String,
    /// Its text.
    pub content: String,
    /// What changed, line by line.
    pub diff: Diff,
}

/// What has become of each passage that an answer of the actor's cites. What they may not read any more is not shown.
pub async fn what_changed(
    connection: &mut PgConnection,
    actor: &Actor,
    message: MessageId,
) -> Result<Vec<SourceChange>, Error> {
    let owner = chats::owner(actor)?;
    let rows = sqlx::query!(
        r#"-- stale.cited
         select source.number as "number?", source.stale as "stale: Stale", source.stale_at, source.library,
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
                in_place(&mut *connection, actor, answering, &section, &was).await?
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

/// The passage of the same section that has most words in common with what was cited.
async fn in_place(
    connection: &mut PgConnection,
    actor: &Actor,
    revision: Uuid,
    section: &[String],
    was: &str,
) -> Result<Option<SourceNow>, Error> {
    let candidates = sqlx::query!(
        "-- stale.in_place
         select id, content from library.search_indices
         where document_version_id = $1 and section = $2 order by passage_number limit $3",
        revision,
        section,
        CANDIDATES,
    )
    .fetch_all(&mut *connection)
    .await?;
    let known = terms(was);
    let best = candidates.iter().rev().max_by_key(|row| terms(&row.content).intersection(&known).count());
    let Some(best) = best else { return Ok(None) };
    let Some(passage) = find_passage(connection, actor, best.id).await? else { return Ok(None) };
    Ok(Some(SourceNow {
        passage_id: passage.id,
        url: passage.url,
        diff: diff(was, &passage.content, "cited", &passage.version),
        version: passage.version,
        content: passage.content,
    }))
}

fn terms(text: &str) -> HashSet<String> {
    with_kept(|analysis| {
        analysis.run(text);
        analysis.terms().map(|(_, term)| term.to_owned()).collect()
    })
}
