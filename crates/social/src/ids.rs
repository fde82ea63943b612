//! Id types of the rows of `social`: UUIDs of version 7, one type for each table.

use chrono::{DateTime, Utc};
use uuid::Uuid;

kernel::id! {
    /// Id of a post (`social.posts`).
    PostId
}
kernel::id! {
    /// Id of a comment (`social.comments`).
    CommentId
}
kernel::id! {
    /// Id of a conversation (`social.conversations`).
    ConversationId
}
kernel::id! {
    /// Id of a direct message (`social.messages`).
    MessageId
}
kernel::id! {
    /// Id of a notification (`social.notifications`).
    NotificationId
}
kernel::id! {
    /// Id of a mail about notifications (`social.mail_digests`).
    DigestId
}
kernel::id! {
    /// Id of a report (`social.reports`).
    ReportId
}

impl CommentId {
    /// Returns the time in the id (RFC 9562, section 5.7): by the clock of the node that made it, before the comment was committed.
    pub fn time(self) -> DateTime<Utc> {
        let milliseconds = i64::try_from(self.0.as_u128() >> 80).unwrap_or_default();
        DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
    }

    /// Returns an id before all that are made from a time on.
    pub fn first_at(time: DateTime<Utc>) -> Self {
        let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or_default();
        Self(Uuid::from_u128(milliseconds << 80))
    }
}

/// A post or a comment: what can be liked, reported and hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
}

impl From<PostId> for Target {
    fn from(id: PostId) -> Self {
        Self::Post(id)
    }
}

impl From<CommentId> for Target {
    fn from(id: CommentId) -> Self {
        Self::Comment(id)
    }
}

impl Target {
    /// Returns the id of the post, if it is one.
    pub fn post(self) -> Option<Uuid> {
        match self {
            Self::Post(id) => Some(id.0),
            Self::Comment(_) => None,
        }
    }

    /// Returns the id of the comment, if it is one.
    pub fn comment(self) -> Option<Uuid> {
        match self {
            Self::Comment(id) => Some(id.0),
            Self::Post(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_time_at_which_it_was_made() {
        let (earlier, later) = (CommentId::new(), CommentId::new());
        assert!(CommentId::first_at(earlier.time()) < earlier && earlier.time() <= later.time());
        assert_eq!(CommentId::first_at(later.time()).time(), later.time());
        assert_eq!(CommentId::first_at(DateTime::<Utc>::MIN_UTC).0, Uuid::nil());
    }
}
