//! Loaders: what the nodes of a list lead to is read once for all of them, for the caller alone.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::Error;
use async_graphql::dataloader::{DataLoader, Loader};
use chat::chats::{self, Chat, ChatId, MessageId};
use chat::messages::{self, Message};
use futures::future::BoxFuture;
use kernel::actor::{Actor, UserId};
use kernel::page::{Limits, Page};
use library::documents::{self, Document};
use library::ids::{DocumentId, LibraryId};
use library::search::{self, Passage};
use social::comments::{self, Comment};
use social::conversations::{self, Conversation};
use social::follows;
use social::ids::{CommentId, ConversationId, PostId};
use social::messages::{self as direct_messages, Message as DirectMessage};
use social::people::{self, Person};
use social::posts::{self, Post};
use store::statements::StatementCounts;
use uuid::Uuid;

use super::error::{failed, if_allowed};
use super::rounds::Rounds;
use crate::app::App;

/// Id of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PassageId(pub(super) Uuid);

/// First page of a list that belongs to something: the comments on a post, the documents of a library …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct First<K> {
    pub(super) of: K,
    pub(super) count: usize,
}

/// Whether the caller follows a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Followed(pub(super) UserId);

/// Reads for one request.
#[derive(Clone)]
pub(super) struct Reads {
    app: App,
    actor: Actor,
}

/// Loaders of one request.
pub(super) type Loaders = DataLoader<Reads>;

/// Maximum number of keys that one statement reads; as many as a request can ask for.
const MAX_KEYS: usize = 10_000;

/// Creates the loaders of a request, which read in its rounds.
pub(super) fn loaders(app: App, actor: Actor, counts: StatementCounts, rounds: Rounds) -> Loaders {
    let add = move |reads: BoxFuture<'static, ()>| rounds.add(Box::pin(counts.scope(reads)));
    DataLoader::new(Reads { app, actor }, add).delay(Duration::ZERO).max_batch_size(MAX_KEYS)
}

impl Reads {
    async fn connection(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, Error> {
        store::postgres::acquire(self.app.pool()).await.map_err(|error| failed(library::Error::from(error)))
    }
}

/// Implements a loader by a function of a domain crate that reads many.
macro_rules! load_many {
    ($key:ty => $value:ty, $id:expr, $read:expr, $key_of:expr) => {
        impl Loader<$key> for Reads {
            type Value = $value;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, $value>, Error> {
                let mut connection = self.connection().await?;
                let ids: Vec<_> = keys.iter().map($id).collect();
                let found = if_allowed($read(&mut connection, &self.actor, &ids).await)?;
                Ok(found.into_iter().map(|value| ($key_of(&value), value)).collect())
            }
        }
    };
}

load_many!(DocumentId => Document, |id| *id, documents::find_many, |document: &Document| document.id);
load_many!(PassageId => Passage, |id: &PassageId| id.0, search::find_passages, |passage: &Passage| PassageId(passage.id));
load_many!(PostId => Post, |id| *id, posts::find_many, |post: &Post| post.id);
load_many!(CommentId => Comment, |id| *id, comments::find_many, |comment: &Comment| comment.id);
load_many!(
    ConversationId => Conversation,
    |id| *id,
    conversations::find_many,
    |conversation: &Conversation| conversation.id
);
load_many!(ChatId => Chat, |id| *id, chats::find_many, |chat: &Chat| chat.id);
load_many!(UserId => Person, |id| *id, people::find_many, |person: &Person| person.id);

impl Loader<MessageId> for Reads {
    type Value = Message;
    type Error = Error;

    async fn load(&self, keys: &[MessageId]) -> Result<HashMap<MessageId, Message>, Error> {
        let mut connection = self.connection().await?;
        let found = if_allowed(messages::find_many(&mut connection, &self.actor, keys).await)?;
        Ok(found.into_iter().map(|(_, message)| (MessageId(message.message_id), message)).collect())
    }
}

impl Loader<Followed> for Reads {
    type Value = bool;
    type Error = Error;

    async fn load(&self, keys: &[Followed]) -> Result<HashMap<Followed, bool>, Error> {
        let mut connection = self.connection().await?;
        let people: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let followed = if_allowed(follows::find_many(&mut connection, &self.actor, &people).await)?;
        Ok(keys.iter().copied().zip(followed).collect())
    }
}

/// Implements a loader of first pages by a function of a domain crate that reads those of many lists.
macro_rules! load_first {
    ($key:ty => $value:ty, $read:path) => {
        impl Loader<First<$key>> for Reads {
            type Value = Page<$value>;
            type Error = Error;

            async fn load(&self, keys: &[First<$key>]) -> Result<HashMap<First<$key>, Page<$value>>, Error> {
                let mut connection = self.connection().await?;
                // All lists are read together. Each is read once, as far as the field that asks for most of it.
                let limits: Limits<$key> = keys.iter().map(|key| (key.of, key.count)).collect();
                let pages = $read(&mut connection, &self.actor, &limits).await.map_err(failed)?;
                let page = |key: &First<$key>| Some((*key, pages.get(&key.of)?.first(key.count)));
                Ok(keys.iter().filter_map(page).collect())
            }
        }
    };
}

load_first!(LibraryId => Document, documents::first_of_libraries);
load_first!(UserId => Post, posts::first_of_authors);
load_first!(PostId => Comment, comments::first_of_posts);
load_first!(CommentId => Comment, comments::first_replies);
load_first!(ConversationId => DirectMessage, direct_messages::first_of_conversations);
