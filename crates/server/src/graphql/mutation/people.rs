//! Changes of conversations, messages, notifications, mutes and blocks.

use async_graphql::{Context, Enum, Error, ID, Object};
use social::ids::{ConversationId, MessageId, NotificationId};
use social::relations::Relation as DomainRelation;
use social::{conversations, messages, notifications, relations};

use super::{CHANGE, Done, DonePayload, change, payload};
use crate::graphql::community::{Conversation, DirectMessage};
use crate::graphql::request::id;
use crate::graphql::view::view;

payload!(ConversationPayload, Conversation, "Conversation, or why the change was not made.");
payload!(MessagePayload, DirectMessage, "Message, or why it was not sent.");
payload!(RelationPayload, Relation, "Relation to a person, or why the change was not made.");

/// People for whom a message is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(remote = "social::messages::DeletionScope")]
pub(super) enum DeletionScope {
    /// The caller.
    #[default]
    Me,
    /// Everybody: by its sender, within ten minutes.
    All,
}

view! {
    /// Relation of the caller to a person.
    Relation of DomainRelation {
        /// Whether the caller mutes them.
        muted: bool,
        /// Whether the caller blocks them.
        blocked: bool,
    }
}

/// Changes of conversations, messages, notifications, mutes and blocks.
#[derive(Default)]
pub(crate) struct PeopleMutation;

/// Changes of conversations, messages, notifications, mutes and blocks.
#[Object]
impl PeopleMutation {
    /// Starts a conversation with one person, or with a group; the one there is with one person is returned again.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn start_conversation(
        &self,
        context: &Context<'_>,
        usernames: Vec<String>,
        #[graphql(default)] title: String,
    ) -> Result<ConversationPayload, Error> {
        change!(context, conversations::start, &usernames, &title => Conversation)
    }

    /// Marks the messages of a conversation up to a number as read. A mark never goes back.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn mark_conversation_read(
        &self,
        context: &Context<'_>,
        conversation: ID,
        number: i64,
    ) -> Result<ConversationPayload, Error> {
        let conversation = ConversationId(id(&conversation)?);
        change!(context, conversations::mark_read, conversation, number => Conversation)
    }

    /// Leaves a group.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn leave_conversation(
        &self,
        context: &Context<'_>,
        conversation: ID,
    ) -> Result<DonePayload, Error> {
        let left = ConversationId(id(&conversation)?);
        change!(context, conversations::leave, left => |()| Done::of(conversation))
    }

    /// Sends a message.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn send_message(
        &self,
        context: &Context<'_>,
        conversation: ID,
        text: String,
    ) -> Result<MessagePayload, Error> {
        let conversation = ConversationId(id(&conversation)?);
        change!(context, messages::send, conversation, &text => DirectMessage)
    }

    /// Deletes a message.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_message(
        &self,
        context: &Context<'_>,
        conversation: ID,
        id: ID,
        #[graphql(default)] scope: DeletionScope,
    ) -> Result<DonePayload, Error> {
        let (conversation, message) = (ConversationId(self::id(&conversation)?), MessageId(self::id(&id)?));
        change!(context, messages::delete, conversation, message, scope.into() => |()| Done::of(id))
    }

    /// Marks notifications as read: these, or all.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn mark_notifications_read(
        &self,
        context: &Context<'_>,
        #[graphql(validator(max_items = 200))] ids: Option<Vec<ID>>,
    ) -> Result<DonePayload, Error> {
        let read = |ids: Vec<ID>| ids.iter().map(|id| self::id(id).map(NotificationId)).collect();
        let ids: Option<Vec<NotificationId>> = ids.map(read).transpose()?;
        change!(context, notifications::mark_read, ids.as_deref() => |()| Done { id: None })
    }

    /// Mutes a person, or no longer: their posts are left out of the feed, and nothing of theirs notifies.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn mute(
        &self,
        context: &Context<'_>,
        username: String,
        #[graphql(default = true)] muted: bool,
    ) -> Result<RelationPayload, Error> {
        change!(context, relations::set_mute, &username, muted => Relation::from)
    }

    /// Blocks a person, or no longer: they cannot see the caller's posts, nor comment on, mention or write to them.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn block(
        &self,
        context: &Context<'_>,
        username: String,
        #[graphql(default = true)] blocked: bool,
    ) -> Result<RelationPayload, Error> {
        change!(context, relations::set_block, &username, blocked => Relation::from)
    }
}
