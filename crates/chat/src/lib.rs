//! Chats: questions to the library, answers with citations, and their history.
//!
//! ```text
//! ask ──► condense (one query from the conversation) ──► retrieve (library, files, web, MCP servers)
//!     ──► pack (numbered, fenced, within the model's context) ──► model ──► filter, check ──► messages + sources
//! ```
//!
//! This crate owns the PostgreSQL schema `chat`: chats, messages, sources and quotations, attached files, shared links, verdicts,
//! language models, and the work list. Invariants:
//!
//! - A chat belongs to one user. Every function that reads or changes chats takes an [`Actor`](kernel::actor::Actor) and treats
//!   chats of others as if they did not exist; maintenance, which acts for no user, says so in its documentation.
//! - Messages of a chat form a tree; nothing is overwritten.
//! - The text that a model was given is stored verbatim, so a citation opens even if its document is gone.
//! - A model's text is filtered before anybody sees it: nothing external is linked, loaded or run.
//!
//! [`answer`] writes answers, [`messages`] and [`chats`] store them, [`models`] connects to language models, [`transfer`] exports and
//! imports.
//!
//! # Example
//!
//! Ask a question in a new chat, and wait for the answer:
//!
//! ```no_run
//! use chat::answer::{AnswerOptions, Answers, ChatQuestion};
//! use chat::chats::{self, NewChat};
//! use chat::messages::QuestionAction;
//! use kernel::actor::Actor;
//! use sqlx::PgConnection;
//!
//! async fn ask(answers: &Answers, connection: &mut PgConnection, actor: &Actor) -> Result<String, chat::Error> {
//!     let library = Some("handbook".to_owned());
//!     let chat = chats::create(connection, actor, &NewChat { library, ..NewChat::default() }).await?;
//!     let content = "How long does the gateway wait?".to_owned();
//!     let question = ChatQuestion {
//!         action: QuestionAction::Ask { content, after: None },
//!         message_id: None,
//!         options: AnswerOptions::default(),
//!     };
//!     let started = answers.ask(actor, chat.id, question).await?;
//!     Ok(started.stream.ended().await.text.clone())
//! }
//! ```

pub mod answer;
pub mod chats;
pub mod error;
pub mod files;
pub mod focus;
pub mod history;
pub mod messages;
pub mod models;
pub mod source;
pub mod stale;
pub mod transfer;
pub mod web_search;
pub mod worklist;

pub use error::Error;
