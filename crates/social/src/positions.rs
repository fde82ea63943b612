//! Positions of what people watch: what is new is read when its position changes.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::ids::{ConversationId, PostId};

/// Something that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// Notifications of a person.
    Notifications(kernel::actor::UserId),
    /// Messages of a conversation.
    Conversation(ConversationId),
    /// Comments on a post.
    Comments(PostId),
}

impl Watched {
    fn split(self) -> (&'static str, Uuid) {
        match self {
            Self::Notifications(user) => ("notifications", user.0),
            Self::Conversation(conversation) => ("conversation", conversation.0),
            Self::Comments(post) => ("comments", post.0),
        }
    }
}

/// Returns the position of each by one statement; what has none yet is left out. Reveals nothing but that something happened: what
/// happened is read with authority.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn positions(
    connection: &mut PgConnection,
    watched: &[Watched],
) -> Result<HashMap<Watched, String>, Error> {
    let (kinds, ids): (Vec<String>, Vec<Uuid>) =
        watched.iter().map(|watched| watched.split()).map(|(kind, id)| (kind.to_owned(), id)).unzip();
    let rows = sqlx::query!(
        r#"-- positions.read
         select requested.position as "position!", coalesce(
             (select updated_at::text || id || coalesce(read_at::text, '') || coalesce((
                -- one that commits late is not the newest
                select bit_xor(hashtextextended(recent.id::text || recent.updated_at, 0)) from social.notifications as recent
                where recent.user_id = requested.id and recent.updated_at > now() - interval '1 minute')::text, '')
              from social.notifications
              where requested.kind = 'notifications' and user_id = requested.id order by updated_at desc, notifications.id desc limit 1),
             (select last_number::text from social.conversations
              where requested.kind = 'conversation' and conversations.id = requested.id),
             (select counters.comments || coalesce((select comments.id::text from social.comments
                where post_id = requested.id order by post_id desc, comments.id desc limit 1), '')
              from social.post_counters as counters where requested.kind = 'comments' and counters.post_id = requested.id)
           ) as value
         from unnest($1::text[], $2::uuid[]) with ordinality as requested (kind, id, position)"#,
        &kinds,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let found = rows.into_iter().filter_map(|row| {
        let index = usize::try_from(row.position - 1).ok()?;
        Some((*watched.get(index)?, row.value?))
    });
    Ok(found.collect())
}
