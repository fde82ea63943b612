//! Loaders: what the nodes of a list lead to is read once for all of them, for the caller alone.

use std::collections::HashMap;

use async_graphql::Error;
use async_graphql::dataloader::{DataLoader, Loader};
use kernel::actor::{Actor, UserId};
use library::documents::{self, Document};
use library::ids::DocumentId;
use library::search::{self, Passage};
use social::comments::{self, Comment};
use social::follows;
use social::ids::{CommentId, ConversationId, PostId};
use social::posts::{self, Post};
use uuid::Uuid;

use super::error::failed;
use crate::app::App;

/// Id of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PassageId(pub(super) Uuid);

/// First comments on a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FirstComments {
    pub(super) post: PostId,
    pub(super) count: i32,
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

/// Creates the loaders of a request.
pub(super) fn loaders(app: App, actor: Actor) -> Loaders {
    DataLoader::new(Reads { app, actor }, tokio::spawn)
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
                let found = $read(&mut connection, &self.actor, &ids).await.map_err(failed)?;
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
    ConversationId => social::conversations::Conversation,
    |id| *id,
    social::conversations::find_many,
    |conversation: &social::conversations::Conversation| conversation.id
);

impl Loader<Followed> for Reads {
    type Value = bool;
    type Error = Error;

    async fn load(&self, keys: &[Followed]) -> Result<HashMap<Followed, bool>, Error> {
        if self.actor.user_id().is_none() {
            return Ok(keys.iter().map(|key| (*key, false)).collect());
        }
        let mut connection = self.connection().await?;
        let people: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let followed = follows::find_many(&mut connection, &self.actor, &people).await.map_err(failed)?;
        Ok(keys.iter().copied().zip(followed).collect())
    }
}

impl Loader<FirstComments> for Reads {
    type Value = Vec<Comment>;
    type Error = Error;

    async fn load(&self, keys: &[FirstComments]) -> Result<HashMap<FirstComments, Vec<Comment>>, Error> {
        let mut connection = self.connection().await?;
        // One statement for all posts, with as many comments as the field that asks for most.
        let most = keys.iter().map(|key| key.count).max().unwrap_or(1);
        let mut posts: Vec<PostId> = keys.iter().map(|key| key.post).collect();
        posts.sort_unstable();
        posts.dedup();
        let read = comments::first_of_posts(&mut connection, &self.actor, &posts, most.into());
        let mut by_post: HashMap<PostId, Vec<Comment>> = HashMap::new();
        for comment in read.await.map_err(failed)? {
            by_post.entry(comment.post_id).or_default().push(comment);
        }
        let of = |key: &FirstComments| {
            let all = by_post.get(&key.post).map(Vec::as_slice).unwrap_or_default();
            all.iter().take(usize::try_from(key.count).unwrap_or(0)).cloned().collect()
        };
        Ok(keys.iter().map(|key| (*key, of(key))).collect())
    }
}
