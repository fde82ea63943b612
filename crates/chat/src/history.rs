//! Search in one's own history: by the same words as in libraries, in English and Chinese, the newest first.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use library::search::analysis::{Part, with_kept};
use library::search::{LONGEST_QUERY, excerpt};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId};
use crate::messages::owner_term;
use crate::portable::Role;

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HistoryHit)]
pub struct Hit {
    /// The chat it is in.
    #[schema(value_type = Uuid)]
    pub chat_id: ChatId,
    /// The chat's title.
    pub title: String,
    /// The message.
    pub message_id: Uuid,
    /// Who speaks.
    pub role: Role,
    /// The part of it that shows best why it was found.
    pub snippet: String,
    /// The words asked for, as half-open ranges of characters of the snippet.
    pub highlights: Vec<(u32, u32)>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// The messages of the actor's chats that hold all of these words, the newest first.
pub async fn search(
    connection: &mut PgConnection,
    actor: &Actor,
    words: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Hit>, Error> {
    let owner = chats::owner(actor)?;
    let length = words.chars().count();
    if words.trim().is_empty() || length > LONGEST_QUERY {
        return Err(Error::Invalid(format!(
            "a search has 1 to {LONGEST_QUERY} characters; this one has {length}"
        )));
    }
    let before: Option<i64> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query!(
        r#"-- history.search
         select message.id, chat.id as "chat_id: ChatId", chat.title, message.message_id, message.role as "role: Role",
           message.content, message.created_at
         from chat.messages as message
         join chat.chats as chat on chat.id = message.chat_id
         where message.words @@ $2::text::tsquery and chat.owner_id = $1 and chat.deleted_at is null
           and ($3::int8 is null or message.id < $3)
         -- by an expression: the order of the primary key would lead through everybody's messages
         order by message.id + 0 desc limit $4"#,
        owner,
        query(owner, words),
        before,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::cut(rows, limit, |last| Cursor::encode(&last.id));
    let items = page.items.into_iter().map(|row| {
        let (snippet, highlights) = excerpt(&row.content, words);
        Hit {
            chat_id: row.chat_id,
            title: row.title,
            message_id: row.message_id,
            role: row.role,
            snippet,
            highlights,
            created_at: row.created_at,
        }
    });
    Ok(Page { items: items.collect(), next: page.next })
}

/// The query, as PostgreSQL reads one: every term is quoted, and all must be there. Wholes of compounds are left to their
/// parts, since the one who asks may write them otherwise.
fn query(owner: Uuid, words: &str) -> String {
    let quoted = |term: &str| format!("'{}'", term.replace('\\', "\\\\").replace('\'', "''"));
    let mut terms = vec![quoted(&owner_term(owner))];
    with_kept(|analysis| {
        analysis.run(words);
        terms.extend(
            analysis
                .terms()
                .filter(|(term, _)| term.part == Part::Step)
                .map(|(_, text)| quoted(text))
                .take(100),
        );
    });
    if terms.len() == 1 {
        // Nothing but signs: nothing holds them.
        terms.push(quoted("\u{1}"));
    }
    terms.join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_stays_words() {
        let query =
            |words| query(Uuid::nil(), words).split_once(" & ").map(|(_, rest)| rest.to_owned()).unwrap();
        assert_eq!(query("timeouts of it's"), "'timeout' & 'of' & 'it' & 's'");
        assert_eq!(query("限流 a'|!b\\"), "'限流' & 'a' & 'b'");
        assert_eq!(query("?!"), "'\u{1}'");
    }
}
