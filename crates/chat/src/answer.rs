//! An answer, from the question to its end: what is searched, what the model is given, what of its words reaches people.
//!
//! An answer is written by a task of its own. Who asked may go away and come back; a program that dies leaves what was written,
//! and the answer is marked as interrupted.

pub(crate) mod compose;
pub mod filter;
pub mod gather;
pub(crate) mod prompt;
pub mod running;
pub mod support;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::actor::Actor;
use kernel::chain::Chain;
use library::search::Engine;
use registry::asking::AskTarget;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use store::secrets::Sealer;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId, MessageId};
use crate::focus::Focus;
use crate::messages::{self, Message, Put, Turn};
use crate::models::client::Client;
use crate::models::{self, Target};
use crate::portable::{Role, Status};
use crate::web::Web;
use gather::Scope;
use running::{Event, Outcome, Running, Seen};

/// Answers that are written at once, on this node.
const MOST_RUNNING: usize = 500;
/// Of these, for one person.
const MOST_OF_ONE: usize = 50;
/// Messages of a conversation that are looked at.
const HISTORY: usize = 20;
/// How long the answers under way may take to write down their end when the program ends.
const CLOSING: Duration = Duration::from_secs(5);
/// How often an answer that is written elsewhere is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Writes answers.
#[derive(Clone)]
pub struct Answers {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) with: Resources,
    running: Mutex<HashMap<Uuid, Taken>>,
}

/// An answer that is being written, and for whom.
struct Taken {
    owner: Uuid,
    running: Arc<Running>,
}

/// What answers are made with.
pub struct Resources {
    /// The database.
    pub pool: PgPool,
    /// The library's search.
    pub engine: Arc<Engine>,
    /// Opens the keys of models and servers.
    pub secrets: Sealer,
    /// Asks models.
    pub models: Client,
    /// Searches the web, where that is set up.
    pub web: Option<Web>,
}

/// What is asked of a chat.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The question.
    pub put: Put,
    /// The question's id; a new one where there is none.
    pub message_id: Option<MessageId>,
    /// What it is asked of; what the chat asks where nothing is said.
    pub means: Means,
}

/// How a question is to be answered; what is none is as the chat has it, or as is usual.
#[derive(Debug, Clone, Default)]
pub struct Means {
    /// What is searched.
    pub focus: Option<Focus>,
    /// The library.
    pub library: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// The language model, by name.
    pub model: Option<String>,
    /// Others' MCP servers that are asked as well, by name.
    pub servers: Vec<String>,
}

/// A question that is not kept.
#[derive(Debug, Clone, Default)]
pub struct Once {
    /// The question.
    pub question: String,
    /// What was said before, the oldest first.
    pub history: Vec<(Role, String)>,
    /// How it is to be answered.
    pub means: Means,
}

/// An answer that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The question's id.
    pub question_id: MessageId,
    /// The answer's id.
    pub answer_id: MessageId,
    /// The answer.
    pub running: Arc<Running>,
}

/// What the task that writes an answer is given.
pub(crate) struct Task {
    pub(crate) actor: Actor,
    pub(crate) question: String,
    pub(crate) history: History,
    pub(crate) focus: Focus,
    pub(crate) scope: Scope,
    pub(crate) target: Option<Target>,
    pub(crate) servers: Vec<AskTarget>,
    pub(crate) kept: Option<Kept>,
}

/// What was said before.
pub(crate) enum History {
    /// In the chat, up to this message.
    Kept(Option<MessageId>),
    /// As the asker tells it.
    Told(Vec<Message>),
}

/// Where an answer is kept.
pub(crate) struct Kept {
    pub(crate) owner: Uuid,
    pub(crate) turn: Turn,
}

impl Answers {
    /// Answers questions from this library.
    pub fn new(with: Resources) -> Self {
        Self { inner: Arc::new(Inner { with, running: Mutex::default() }) }
    }

    /// Asks in a chat of the actor's. What cannot be answered as it is asked (no such version, no such model) is refused before
    /// anything is written.
    pub async fn ask(&self, actor: &Actor, chat: ChatId, asking: Asking) -> Result<Begun, Error> {
        let owner = chats::owner(actor)?;
        let mut connection = store::postgres::acquire(&self.inner.with.pool).await?;
        let known = chats::find(&mut connection, actor, chat).await?;
        let means = Means {
            focus: asking.means.focus.or_else(|| known.focus_mode.parse().ok()),
            // A version means one of the library it was said with.
            version: asking
                .means
                .version
                .or_else(|| known.version.filter(|_| asking.means.library.is_none())),
            library: asking.means.library.or(known.library),
            model: asking.means.model.or(known.model),
            servers: asking.means.servers,
        };
        // Not held while others are waited for: with few connections all would wait for each other.
        drop(connection);
        let (focus, scope) = self.scope(actor, &means, asking.put.text()).await?;
        let mut connection = store::postgres::acquire(&self.inner.with.pool).await?;
        let (target, servers) = self.asked(&mut connection, actor, &means).await?;
        drop(connection);
        let running = Arc::new(Running::new());
        let mut transaction = store::postgres::begin(&self.inner.with.pool).await?;
        let turn = messages::begin(&mut transaction, actor, chat, &asking.put, asking.message_id).await?;
        let begun =
            Begun { question_id: turn.question_id, answer_id: turn.answer_id, running: Arc::clone(&running) };
        self.take_on(begun.answer_id.0, owner, &running)?;
        if let Err(error) = transaction.commit().await {
            self.let_go(begun.answer_id.0);
            return Err(error.into());
        }
        let task = Task {
            actor: actor.clone(),
            question: turn.question.clone(),
            history: History::Kept(turn.above),
            focus,
            scope,
            target,
            servers,
            kept: Some(Kept { owner, turn }),
        };
        self.start(begun.answer_id.0, task, running);
        Ok(begun)
    }

    /// Refuses what cannot be answered as it is asked: no question, no such library, version, model or server, no search of the web.
    pub async fn check(&self, actor: &Actor, means: &Means, question: &str) -> Result<(), Error> {
        messages::checked(question)?;
        self.scope(actor, means, question).await?;
        let mut connection = store::postgres::acquire(&self.inner.with.pool).await?;
        self.asked(&mut connection, actor, means).await.map(drop)
    }

    /// Asks without keeping anything. Whoever drops the answer should stop it: see [`running::Attended`].
    pub async fn ask_once(&self, actor: &Actor, once: Once) -> Result<Arc<Running>, Error> {
        if actor.is_nobody() {
            return Err(Error::SignIn);
        }
        let length = once.question.chars().count();
        if once.question.trim().is_empty() || length > messages::LONGEST_QUESTION {
            return Err(Error::Invalid(format!(
                "a question has 1 to {} characters; this one has {length}",
                messages::LONGEST_QUESTION
            )));
        }
        let (focus, scope) = self.scope(actor, &once.means, &once.question).await?;
        let mut connection = store::postgres::acquire(&self.inner.with.pool).await?;
        let (target, servers) = self.asked(&mut connection, actor, &once.means).await?;
        drop(connection);
        let running = Arc::new(Running::new());
        let id = kernel::id::new();
        self.take_on(id, actor.user_id().map_or(Uuid::nil(), |user| user.0), &running)?;
        let history = once.history.into_iter().map(|(role, content)| Message::told(role, content)).collect();
        let task = Task {
            actor: actor.clone(),
            question: once.question.trim().to_owned(),
            history: History::Told(history),
            focus,
            scope,
            target,
            servers,
            kept: None,
        };
        self.start(id, task, Arc::clone(&running));
        Ok(running)
    }

    /// What is searched, checked: a library that is absent and a version that is absent are refused.
    async fn scope(&self, actor: &Actor, means: &Means, question: &str) -> Result<(Focus, Scope), Error> {
        let focus = means.focus.unwrap_or_default();
        if focus.web_categories().is_some() && self.inner.with.web.is_none() {
            return Err(Error::Conflict(
                "the web cannot be searched here: whoever runs the server can name a search engine (WENYUAN_SEARXNG_URL)".to_owned(),
            ));
        }
        let library = means.library.as_deref().map(str::parse).transpose().map_err(library::Error::from)?;
        let version: library::label::Request =
            means.version.as_deref().unwrap_or_default().parse().map_err(library::Error::from)?;
        if let Some(name) = &library {
            let catalogue = self.inner.with.engine.catalogue().await?;
            if let Err(error) = catalogue.library(actor, name)?.resolve(&version) {
                self.inner.with.engine.refused(name, question, &error);
                return Err(error.into());
            }
        }
        Ok((focus, Scope { library, version }))
    }

    /// The model and the servers that are asked.
    async fn asked(
        &self,
        connection: &mut PgConnection,
        actor: &Actor,
        means: &Means,
    ) -> Result<(Option<Target>, Vec<AskTarget>), Error> {
        let secrets = &self.inner.with.secrets;
        let target = models::choose(&mut *connection, secrets, means.model.as_deref()).await?;
        let servers = if means.servers.is_empty() {
            Vec::new()
        } else {
            registry::asking::to_ask(connection, secrets, actor, &means.servers).await?
        };
        Ok((target, servers))
    }

    fn take_on(&self, id: Uuid, owner: Uuid, running: &Arc<Running>) -> Result<(), Error> {
        let mut all = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_RUNNING {
            return Err(Error::Exhausted);
        }
        if all.values().filter(|taken| taken.owner == owner).count() >= MOST_OF_ONE {
            return Err(Error::TooManyAnswers(MOST_OF_ONE));
        }
        all.insert(id, Taken { owner, running: Arc::clone(running) });
        Ok(())
    }

    fn let_go(&self, id: Uuid) {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn start(&self, id: Uuid, task: Task, running: Arc<Running>) {
        let answers = self.clone();
        tokio::spawn(async move {
            let outcome = write::answer(&answers.inner, &task, &running).await;
            if let Some(kept) = &task.kept
                && let Err(error) = write::end(&answers.inner.with.pool, kept, &outcome).await
            {
                tracing::error!(message.id = %kept.turn.answer_id, error = %Chain(&error), "an answer's end could not be kept");
            }
            running.end(outcome);
            answers.let_go(id);
        });
    }

    /// Follows an answer of the actor's from where they were, wherever it is written; one that has ended is told again.
    pub async fn follow(&self, actor: &Actor, message: MessageId) -> Result<Followed, Error> {
        let mut connection = store::postgres::acquire(&self.inner.with.pool).await?;
        let (_, found) = messages::find(&mut connection, actor, message).await?;
        if found.role != Role::Assistant {
            return Err(Error::Invalid("only an answer can be followed".to_owned()));
        }
        Ok(match self.running(message.0) {
            Some(running) => Followed::Here(running),
            None => Followed::Kept {
                answers: self.clone(),
                actor: actor.clone(),
                message,
                found: Some(Box::new(found)),
            },
        })
    }

    fn running(&self, id: Uuid) -> Option<Arc<Running>> {
        let all = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&id).map(|taken| Arc::clone(&taken.running))
    }

    /// Adds to a message what has been written of it on this node since its row was.
    pub fn bring_up(&self, message: &mut Message) {
        if message.status == Status::Answering
            && let Some(running) = self.running(message.message_id)
        {
            message.content = running.text();
            message.sources = running.sources().to_vec();
        }
    }

    /// Whether the web can be searched.
    pub fn searches_web(&self) -> bool {
        self.inner.with.web.is_some()
    }

    /// Stops an answer of the actor's, wherever it is written.
    pub async fn stop(&self, actor: &Actor, message: MessageId) -> Result<(), Error> {
        let mut connection = store::postgres::acquire(&self.inner.with.pool).await?;
        messages::stop(&mut connection, actor, message).await?;
        if let Some(taken) = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).get(&message.0)
        {
            taken.running.stop();
        }
        Ok(())
    }

    /// Ends the answers under way; what there is of them is kept, and marked.
    pub async fn close(&self) {
        let all: Vec<Arc<Running>> = self
            .inner
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|taken| Arc::clone(&taken.running))
            .collect();
        for running in &all {
            running.close();
        }
        let ended = futures::future::join_all(all.iter().map(|running| running.ended()));
        if tokio::time::timeout(CLOSING, ended).await.is_err() {
            tracing::warn!("some answers could not be ended in time; they are marked later");
        }
    }
}

/// An answer that is followed.
pub enum Followed {
    /// It is written on this node.
    Here(Arc<Running>),
    /// It has ended, or is written elsewhere: what is kept of it is looked at.
    Kept {
        /// Who looks.
        answers: Answers,
        /// For whom.
        actor: Actor,
        /// At what.
        message: MessageId,
        /// What was seen of it last.
        found: Option<Box<Message>>,
    },
}

impl Followed {
    /// What comes after what was seen.
    pub async fn next(&mut self, seen: &mut Seen) -> Result<Event, Error> {
        let (answers, actor, message, found) = match self {
            Self::Here(running) => return Ok(running.next(seen).await),
            Self::Kept { answers, actor, message, found } => (answers, actor, *message, found),
        };
        loop {
            let now = if let Some(found) = found.take() {
                *found
            } else {
                tokio::time::sleep(LOOK).await;
                let mut connection = store::postgres::acquire(&answers.inner.with.pool).await?;
                messages::find(&mut connection, actor, message).await?.1
            };
            let event = if !seen.sources && (!now.sources.is_empty() || now.status != Status::Answering) {
                seen.sources = true;
                Some(Event::Sources(now.sources.clone().into()))
            } else if let Some(more) = now.content.get(seen.bytes..).filter(|more| !more.is_empty()) {
                seen.bytes = now.content.len();
                Some(Event::Text(more.to_owned()))
            } else if now.status == Status::Answering {
                None
            } else {
                Some(Event::End(Arc::new(Outcome::of(&now))))
            };
            if let Some(event) = event {
                *found = Some(Box::new(now));
                return Ok(event);
            }
        }
    }
}

impl Outcome {
    /// What is kept of an answer.
    fn of(message: &Message) -> Self {
        Self {
            text: message.content.clone(),
            status: message.status,
            metadata: message.metadata.clone(),
            sources: message.sources.clone().into(),
            usage: None,
            finish_reason: message.metadata.get("finish_reason").and_then(Value::as_str).map(str::to_owned),
            failure: None,
        }
    }
}
