//! Answers that have gone stale: a passage they cite has changed, or is not there any more, in the version that answers.
//!
//! ```text
//! library.changes, active versions ──► notice ──► chat.stale_pending ──► compare ──► message_sources.stale
//! ```
//!
//! What changed is written down together with how far the changes were followed, so that nothing is lost in a crash; comparing
//! again changes nothing. A passage that comes back, as after a roll-back, makes its answers fresh again.

mod since;

use library::changes;
use sqlx::PgPool;
use uuid::Uuid;

use crate::Error;
use crate::worklist::{self, Kind, Occurrence};

pub use since::{SourceChange, SourceNow, what_changed};

/// Changes that are looked at in one transaction.
const CHANGES: i64 = 1000;
/// Documents whose citations are compared in one transaction.
const DOCUMENTS: i64 = 50;

/// Follows the library as far as it has come, and compares what is due. Several nodes may do this at once.
pub async fn follow(pool: &PgPool, is_stopped: impl Fn() -> bool + Send) -> Result<(), Error> {
    while !is_stopped() && notice(pool).await? {}
    while !is_stopped() && compare(pool).await? {}
    Ok(())
}

/// Writes down which documents are to be compared. Says whether there may be more.
async fn notice(pool: &PgPool) -> Result<bool, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let followed = sqlx::query!(
        "-- stale.followed
         select passages, catalogue from chat.followed for update skip locked"
    )
    .fetch_optional(&mut *transaction)
    .await?;
    // Another node is at it.
    let Some(followed) = followed else { return Ok(false) };
    let truth = changes::sequence(&mut transaction).await?;
    // A database that was put back to an earlier time begins anew.
    let seen = if followed.passages > truth.passages { 0 } else { followed.passages };
    if followed.catalogue == truth.catalogue && seen == truth.passages {
        return Ok(false);
    }
    if followed.catalogue != truth.catalogue {
        sqlx::query!(
            "-- stale.notice_libraries
             with moved as (
               select library.id, library.active_version_id from library.libraries as library
               left join chat.followed_libraries as known on known.library_id = library.id
               where known.library_id is null or known.active_version_id is distinct from library.active_version_id
             ), noted as (
               insert into chat.followed_libraries (library_id, active_version_id) select * from moved
               on conflict (library_id) do update set active_version_id = excluded.active_version_id
             )
             insert into chat.stale_pending (document_id)
             select document.id from moved join library.documents as document on document.library_id = moved.id
             where exists (select from chat.message_sources as source
                           where source.document_id = document.id and source.follows_active)
             order by document.id
             on conflict (document_id) do update set due_at = now(), again = true"
        )
        .execute(&mut *transaction)
        .await?;
    }
    let changed = changes::since(&mut transaction, seen, CHANGES).await?;
    let documents: Vec<Uuid> = changed.iter().map(|change| change.document.0).collect();
    // Whoever compares holds the row of the document: this waits for them, and so is not lost.
    sqlx::query!(
        "-- stale.notice_documents
         insert into chat.stale_pending (document_id)
         select distinct document_id from unnest($1::uuid[]) as changed (document_id)
         where exists (select from chat.message_sources as source where source.document_id = changed.document_id)
         order by document_id
         on conflict (document_id) do update set due_at = now(), again = true",
        &documents,
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!(
        "-- stale.advance
         update chat.followed set passages = $1, catalogue = $2",
        changed.last().map_or(seen.max(followed.passages.min(truth.passages)), |last| last.sequence),
        truth.catalogue,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(!changed.is_empty())
}

/// Compares the citations of some documents that are due. Says whether there may be more.
async fn compare(pool: &PgPool) -> Result<bool, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let due = sqlx::query_scalar!(
        "-- stale.due
         select document_id from chat.stale_pending where due_at <= now()
         order by due_at limit $1 for update skip locked",
        DOCUMENTS,
    )
    .fetch_all(&mut *transaction)
    .await?;
    if due.is_empty() {
        return Ok(false);
    }
    // A statement of its own, which sees all that was committed before the rows were held.
    let newly = sqlx::query!(
        r#"-- stale.compare
         with judged as (
           select source.message_id, source.number, source.stale as before,
             case
               when exists (select from library.search_indices as passage
                            where passage.document_version_id = answering.id and passage.sha256 = source.sha256) then null
               when exists (select from library.search_indices as passage
                            where passage.document_version_id = answering.id and passage.section = source.section)
                 then 'changed'
               else 'gone'
             end as stale
           from chat.message_sources as source
           left join library.documents as document on document.id = source.document_id
           left join library.libraries as library on library.id = document.library_id
           left join library.versions as version on version.library_id = library.id
             and case when source.follows_active then version.id = library.active_version_id
                      else version.label = source.version end
           left join library.document_versions as answering on answering.document_id = document.id
             and answering.version_id = version.id and answering.active
           where source.kind = 'passage' and source.document_id = any ($1)
         ), marked as (
           update chat.message_sources as source
           set stale = judged.stale, stale_at = case when judged.stale is null then null else now() end
           from judged
           where source.message_id = judged.message_id and source.number = judged.number
             and source.stale is distinct from judged.stale
           returning source.message_id, source.library, source.path,
             source.cited and judged.before is null as is_news
         )
         select distinct on (marked.message_id) marked.library, coalesce(marked.path, '') as "path!",
           question.content as "question!"
         from marked
         join chat.messages as answer on answer.id = marked.message_id
         join chat.messages as question on question.id = answer.parent_id
         where marked.is_news
         order by marked.message_id"#,
        &due,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let occurrences: Vec<Occurrence> = newly
        .into_iter()
        .map(|row| Occurrence {
            library: row.library,
            kind: Kind::AnswerStale,
            question: row.question,
            subject: String::new(),
            detail: row.path,
        })
        .collect();
    worklist::record(&mut transaction, &occurrences).await?;
    sqlx::query!(
        "-- stale.done
         with once_more as (
           update chat.stale_pending set again = false, due_at = now() + interval '2 minutes'
           where document_id = any ($1) and again
         )
         delete from chat.stale_pending where document_id = any ($1) and not again",
        &due,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}
