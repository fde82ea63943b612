//! What is searched for an answer: the library, and what else the question names.

use std::sync::Arc;

use kernel::actor::Actor;
use library::label::Request;
use library::names::LibraryName;
use library::search::{Engine, LONGEST_QUERY, Passage, Question, Resolved};

use tokio_util::sync::CancellationToken;

use super::{Inner, Task};
use crate::Error;
use crate::source::{Kind, Source};

/// Passages that are looked at.
const LOOKED_AT: usize = 12;

/// Where a question is asked.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// In this library; in all where there is none.
    pub library: Option<LibraryName>,
    /// In this version.
    pub version: Request,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) sources: Vec<Source>,
    pub(crate) notices: Vec<String>,
    pub(crate) resolved: Option<Resolved>,
}

/// Searches what the question is asked of.
pub(crate) async fn all(
    inner: &Inner,
    task: &Task,
    query: &str,
    stopped: &CancellationToken,
) -> Result<Gathered, Error> {
    tokio::select! {
        gathered = library(&inner.engine, &task.actor, query, &task.scope) => gathered,
        () = stopped.cancelled() => Ok(Gathered::default()),
    }
}

/// Searches the library. What has nothing to do with the question is left out.
pub(crate) async fn library(
    engine: &Arc<Engine>,
    actor: &Actor,
    query: &str,
    scope: &Scope,
) -> Result<Gathered, Error> {
    let text: String = query.chars().take(LONGEST_QUERY).collect();
    let question = Question {
        library: scope.library.clone(),
        version: scope.version.clone(),
        limit: LOOKED_AT,
        ..Question::new(text)
    };
    let answer = engine.search(actor, &question).await?;
    let follows_active = scope.version == Request::Active;
    let sources = (1..)
        .zip(&answer.hits)
        .map(|(rank, hit)| Source { follows_active, ..of_passage(rank, &hit.passage) });
    Ok(Gathered { sources: sources.collect(), notices: answer.notices, resolved: answer.resolved })
}

fn of_passage(rank: i32, passage: &Passage) -> Source {
    Source {
        rank,
        kind: Kind::Passage,
        passage_id: Some(passage.id),
        sha256: passage.sha256.clone(),
        library: Some(passage.library.clone()),
        version: Some(passage.version.clone()),
        document_id: Some(passage.document_id),
        path: Some(passage.path.clone()),
        title: passage.title.clone(),
        section: passage.section.clone(),
        page_from: passage.page_from,
        page_to: passage.page_to,
        url: Some(passage.url.clone()),
        instruction: passage.instruction.clone(),
        content: passage.content.clone(),
        ..Source::default()
    }
}
