//! What is searched for an answer: the library, and what else the question names.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::actor::Actor;
use library::label::Request;
use library::names::LibraryName;
use library::search::{Engine, Hit, LONGEST_QUERY, ModelState, Passage, Question, Resolved};

use registry::asking::AskTarget;
use store::objects::Hash;
use tokio_util::sync::CancellationToken;

use super::{Inner, Task};
use crate::Error;
use crate::chats::ChatId;
use crate::files::{self, Status};
use crate::source::{Kind, Source};
use crate::web;

/// Passages that are looked at.
const LOOKED_AT: usize = 12;
/// Passages that are named where nothing is relevant.
const NEAREST: usize = 3;
/// How long files that were just attached are waited for, and how often they are looked at.
const LONGEST_READING: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(200);
/// Texts of one server.
const MOST_OF_A_SERVER: usize = 3;

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
    /// What lies nearest where nothing is relevant: a judgement can be wrong, and people can look themselves.
    pub(crate) nearest: Vec<Source>,
    pub(crate) notices: Vec<String>,
    pub(crate) resolved: Option<Resolved>,
}

/// Searches what the question is asked of, all of it at once. What cannot be asked is said; the rest is the answer.
///
/// `condensed` is a model's query for a follow-up. A weak model loses what was asked, and the conversation's own `words` hold what
/// was asked before as well: the library is searched for both, and each gives its best in turn.
pub(crate) async fn all(
    inner: &Inner,
    task: &Task,
    condensed: Option<&str>,
    words: &str,
    stopped: &CancellationToken,
) -> Result<Gathered, Error> {
    let query = condensed.unwrap_or(words);
    let searched = async {
        let first = async {
            match task.focus.web_categories() {
                Some(category) => Ok(of_web(inner, query, category).await),
                None => of_library(inner, task, condensed, words).await,
            }
        };
        let files = async {
            match &task.kept {
                Some(kept) if kept.turn.has_files => of_files(inner, task, kept.turn.chat.id, query).await,
                _ => Ok(Gathered::default()),
            }
        };
        let servers = futures::future::join_all(task.servers.iter().map(|server| of_server(server, query)));
        let (first, files, servers) = tokio::join!(first, files, servers);
        let (mut gathered, files) = (first?, files?);
        // What somebody attached they ask about first of all.
        let mut lists = vec![files.sources, std::mem::take(&mut gathered.sources)];
        gathered.notices.extend(files.notices);
        for found in servers {
            lists.push(found.sources);
            gathered.notices.extend(found.notices);
        }
        gathered.sources = by_turns(lists);
        Ok(gathered)
    };
    tokio::select! {
        gathered = searched => gathered,
        () = stopped.cancelled() => Ok(Gathered::default()),
    }
}

/// The library, for a model's query and for the words themselves. Only what somebody wrote is told to its owners.
async fn of_library(
    inner: &Inner,
    task: &Task,
    condensed: Option<&str>,
    words: &str,
) -> Result<Gathered, Error> {
    let search = |query, is_told| library(&inner.with.engine, &task.actor, query, is_told, &task.scope);
    let Some(condensed) = condensed.filter(|condensed| *condensed != words) else {
        return search(words, true).await;
    };
    let first = search(condensed, false).await?;
    let second = search(words, first.sources.is_empty()).await?;
    let Gathered { sources, nearest, notices, resolved } = first;
    let mut seen = HashSet::new();
    let mut sources = by_turns(vec![sources, second.sources]);
    sources.retain(|source| seen.insert(source.passage_id));
    sources.truncate(LOOKED_AT);
    for (rank, source) in (1..).zip(&mut sources) {
        source.rank = rank;
    }
    Ok(Gathered { sources, nearest, notices, resolved })
}

/// The best of each list, then the second of each, and so on: none crowds the others out.
fn by_turns(lists: Vec<Vec<Source>>) -> Vec<Source> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut mixed = Vec::new();
    for _turn in 0..longest {
        mixed.extend(lists.iter_mut().filter_map(Iterator::next));
    }
    mixed
}

/// The files of the chat. Those that are just being read are waited for, a moment.
async fn of_files(inner: &Inner, task: &Task, chat: ChatId, query: &str) -> Result<Gathered, Error> {
    let mut gathered = Gathered::default();
    let until = Instant::now() + LONGEST_READING;
    loop {
        let mut connection = store::postgres::acquire(&inner.with.pool).await?;
        let attached = files::list(&mut connection, &task.actor, chat).await?;
        drop(connection);
        if attached.is_empty() {
            return Ok(gathered);
        }
        let unread = attached.iter().filter(|file| file.status == Status::Processing).count();
        if unread == 0 {
            break;
        }
        if Instant::now() > until {
            gathered.notices.push(format!("{unread} attached files are not read yet: ask again in a moment"));
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let model = match inner.with.engine.model() {
        ModelState::Ready(model) => Some(model),
        _ => None,
    };
    let found = files::search(&inner.with.pool, &task.actor, chat, query, model, LOOKED_AT).await?;
    let found = (1..).zip(found).filter(|(_, passage)| passage.relevant);
    let sources = found.map(|(rank, passage)| Source {
        rank,
        kind: Kind::File,
        sha256: passage.sha256,
        title: passage.file_name,
        section: passage.section,
        page_from: passage.page_from,
        page_to: passage.page_to,
        url: Some(format!("/api/v1/chats/{chat}/files/{}/content", passage.file_id)),
        instruction: passage.instruction,
        content: passage.content,
        ..Source::default()
    });
    gathered.sources = sources.collect();
    Ok(gathered)
}

/// Pages of the web, as the search engine shows them.
async fn of_web(inner: &Inner, query: &str, category: &str) -> Gathered {
    let Some(web) = &inner.with.web else { return Gathered::default() };
    match web::search(web, query, &[category]).await {
        Ok(found) => {
            let pages = (1..).zip(found).filter(|(_, page)| !page.content.is_empty());
            let sources = pages.map(|(rank, page)| Source {
                url: Some(page.url),
                ..of_others(rank, Kind::Web, page.title, &page.content)
            });
            Gathered { sources: sources.collect(), ..Gathered::default() }
        }
        Err(failure) => Gathered { notices: vec![failure.to_string()], ..Gathered::default() },
    }
}

/// What another's server says to the query.
async fn of_server(server: &AskTarget, query: &str) -> Gathered {
    match registry::client::ask(server, query).await {
        Ok(texts) => {
            let sources = (1..).zip(texts).take(MOST_OF_A_SERVER);
            let sources =
                sources.map(|(rank, text)| of_others(rank, Kind::Server, server.name.clone(), &text));
            Gathered { sources: sources.collect(), ..Gathered::default() }
        }
        Err(problem) => Gathered { notices: vec![problem], ..Gathered::default() },
    }
}

/// A text that is not of the library.
fn of_others(rank: i32, kind: Kind, title: String, content: &str) -> Source {
    let content = content.replace('\0', "");
    Source {
        rank,
        kind,
        title,
        sha256: Hash::of(content.as_bytes()).to_string(),
        instruction: extract::find_instruction(&content).map(str::to_owned),
        content,
        ..Source::default()
    }
}

/// Searches the library. What has nothing to do with the question is left out.
pub(crate) async fn library(
    engine: &Arc<Engine>,
    actor: &Actor,
    query: &str,
    is_told: bool,
    scope: &Scope,
) -> Result<Gathered, Error> {
    let text: String = query.chars().take(LONGEST_QUERY).collect();
    let question = Question {
        library: scope.library.clone(),
        version: scope.version.clone(),
        limit: LOOKED_AT,
        is_told,
        ..Question::new(text)
    };
    let answer = engine.search(actor, &question).await?;
    let follows_active = scope.version == Request::Active;
    let found = (1..).zip(&answer.hits);
    let (relevant, others): (Vec<_>, Vec<_>) = found.partition(|(_, hit)| hit.relevant);
    let source = |(rank, hit): (i32, &Hit)| Source { follows_active, ..of_passage(rank, &hit.passage) };
    Ok(Gathered {
        sources: relevant.into_iter().map(source).collect(),
        nearest: others.into_iter().take(NEAREST).map(source).collect(),
        notices: answer.notices,
        resolved: answer.resolved,
    })
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
