//! Id types of the rows of `social`: UUIDs of version 7, one type for each table.

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
    /// Id of a report (`social.reports`).
    ReportId
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
