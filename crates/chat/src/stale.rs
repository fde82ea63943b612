//! Stale answers: marks citations whose passage has changed or disappeared in the version that answers now.
//!
//! ```text
//! store.changes, active versions  ──► enqueue_changes ──► chat.stale_pending ──► compare_due ──► message_sources.stale
//! ```
//!
//! Changed documents are enqueued in the transaction that advances the position in the change sequence, so a crash loses nothing;
//! comparing is idempotent. A passage that reappears, as after a rollback, clears the mark.

mod source_changes;

use library::changes;
use sqlx::PgPool;
use uuid::Uuid;

use crate::Error;
use crate::worklist::{self, Occurrence, WorklistKind};

pub use source_changes::{CurrentPassage, SourceChange, source_changes};

/// Number of changes processed in one transaction.
const CHANGE_BATCH: i64 = 1000;
/// Number of documents whose citations are compared in one transaction.
const DOCUMENT_BATCH: i64 = 50;

/// Follows the changes of the library, and compares the citations that are due. Several nodes may do this at once. Background
/// work: acts for no user.
///
/// # Errors
///
/// Fails if the database fails; what was not committed is done again by the next call.
pub async fn follow(pool: &PgPool, is_stopped: impl Fn() -> bool + Send) -> Result<(), Error> {
    while !is_stopped() && enqueue_changes(pool).await? {}
    while !is_stopped() && compare_due(pool).await? {}
    Ok(())
}

/// Enqueues the documents that have changed. Returns whether there may be more.
async fn enqueue_changes(pool: &PgPool) -> Result<bool, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let followed = sqlx::query!(
        "-- stale.followed
         select passages, catalogue from chat.followed for update skip locked"
    )
    .fetch_optional(&mut *transaction)
    .await?;
    // Another node holds the row.
    let Some(followed) = followed else { return Ok(false) };
    let current = changes::sequence(&mut transaction).await?;
    // A database restored to an earlier state starts from the beginning.
    let seen = if followed.passages > current.passages { 0 } else { followed.passages };
    if followed.catalogue == current.catalogue && seen == current.passages {
        return Ok(false);
    }
    if followed.catalogue != current.catalogue {
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
    let changed = changes::since(&mut transaction, seen, CHANGE_BATCH).await?;
    let documents: Vec<Uuid> = changed.iter().map(|change| change.document.0).collect();
    // A comparison in progress holds the row of the document: this waits for it, so the change is not lost.
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
        changed.last().map_or(seen.max(followed.passages.min(current.passages)), |last| last.sequence),
        current.catalogue,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(!changed.is_empty())
}

/// Compares the citations of a batch of documents that are due. Returns whether there may be more.
async fn compare_due(pool: &PgPool) -> Result<bool, Error> {
    let mut transaction = store::postgres::begin(pool).await?;
    let due = sqlx::query_scalar!(
        "-- stale.due
         select document_id from chat.stale_pending where due_at <= now()
         order by due_at limit $1 for update skip locked",
        DOCUMENT_BATCH,
    )
    .fetch_all(&mut *transaction)
    .await?;
    if due.is_empty() {
        return Ok(false);
    }
    // A statement of its own, which sees everything committed before the rows were locked.
    let newly_stale = sqlx::query!(
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
    let occurrences: Vec<Occurrence> = newly_stale
        .into_iter()
        .map(|row| Occurrence {
            library: row.library,
            kind: WorklistKind::AnswerStale,
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
