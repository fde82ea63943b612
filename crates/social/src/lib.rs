//! Community: posts about the documents, their comments and likes, who follows whom, feeds, direct conversations, notifications,
//! mail about them, and moderation.
//!
//! Owns the schema `social`. A post is about a library, a version, a document, a passage, an answer or nothing, and exists for
//! exactly those who may read what it is about; the rule is in `audience.rs`. What an actor may not see does not exist for them.
//! Functions take the connection first and the actor second, check authority inside, and leave the transaction to the caller.
//! Each read has a `find_many` that returns several ids by a fixed number of statements.
//!
//! Transactions that write several tables do it in one order, the most contended last: allowances, posts, comments, likes,
//! follows, mutes, blocks, people who are notified, conversations, messages, notifications, digests, counters, reports, moderation
//! log. An edit locks its text before the allowance, which nothing does the other way round: a new text is not locked by anybody.
//!
//! ```no_run
//! use kernel::actor::Actor;
//! use social::posts::{self, NewPost, NewSubject};
//!
//! # async fn example(connection: &mut sqlx::PgConnection, actor: &Actor) -> Result<(), social::Error> {
//! let about = NewSubject::Library("postgresql".parse().map_err(library::Error::from)?);
//! let post = NewPost { about, text: "Which backup do you use, @ben? #backup".to_owned(), question: true };
//! let post = posts::add(connection, actor, &post).await?;
//! let status = social::likes::like(connection, actor, post.id.into()).await?;
//! assert_eq!(status.likes, 1);
//! # Ok(())
//! # }
//! ```

mod allowance;
mod audience;
pub mod comments;
pub mod conversations;
pub mod counters;
pub mod digests;
pub mod error;
pub mod feed;
pub mod follows;
pub mod ids;
pub mod likes;
pub mod mail_preferences;
mod markdown;
pub mod messages;
pub mod notifications;
pub mod passages;
pub mod people;
pub mod personal;
pub mod positions;
pub mod posts;
pub mod relations;
pub mod reports;

pub use audience::require_person;
pub use error::Error;
