//! Retrieval for an answer: the library or the web, attached files, and registered MCP servers, all queried at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::actor::Actor;
use library::label::VersionRequest;
use library::names::LibraryName;
use library::search::{
    Engine, MAX_QUERY_CHARS, NOTHING_RELEVANT_NOTICE, Passage, ResolvedVersion, SearchHit, SearchRequest,
};

use registry::tool_call::ToolTarget;
use store::objects::Hash;
use tokio_util::sync::CancellationToken;

use super::{Inner, Task};
use crate::Error;
use crate::chats::ChatId;
use crate::files::{self, ChatFileStatus};
use crate::source::{Source, SourceKind};
use crate::web_search;

/// Minimum coverage of the question's words, relative to the best source.
const MIN_COVERAGE_OF_BEST: f32 = 0.4;
/// Maximum difference of similarity to the nearest source.
const MAX_SIMILARITY_GAP: f32 = 0.015;
/// Maximum number of search hits considered.
const MAX_HITS: usize = 12;
/// Maximum number of closest passages named if none is relevant.
const MAX_NEAREST: usize = 3;
/// Time limit for the processing of files that were just attached.
const FILE_TIMEOUT: Duration = Duration::from_secs(15);
/// Interval at which files in processing are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Maximum number of texts taken from one MCP server.
const MAX_TEXTS_PER_SERVER: usize = 3;

/// Library and version that are searched.
#[derive(Debug, Clone, Default)]
pub struct SearchScope {
    /// Library; all libraries if `None`.
    pub library: Option<LibraryName>,
    /// Version.
    pub version: VersionRequest,
}

/// Result of a retrieval.
#[derive(Debug, Default)]
pub(crate) struct Retrieval {
    pub(crate) sources: Vec<Source>,
    /// Closest passages if none is relevant: the relevance decision can be wrong, and readers can check them.
    pub(crate) nearest: Vec<Source>,
    pub(crate) notices: Vec<String>,
    pub(crate) resolved: Option<ResolvedVersion>,
}

/// Queries everything that the question is asked of. A service that fails becomes a notice; the others still deliver.
///
/// `condensed` is a model's query for a follow-up question. A weak model loses the subject, while the conversation's own `words`
/// contain earlier questions too: the library is searched with both, and the hits are interleaved.
pub(crate) async fn retrieve(
    inner: &Inner,
    task: &Task,
    condensed: Option<&str>,
    words: &str,
    stopped: &CancellationToken,
) -> Result<Retrieval, Error> {
    let query = condensed.unwrap_or(words);
    let search = async {
        let first = async {
            match task.focus.web_categories() {
                Some(category) => Ok(from_web(inner, query, category).await),
                None => from_library(inner, task, condensed, words).await,
            }
        };
        let files = async {
            match &task.pending {
                Some(pending) if pending.has_files => from_files(inner, task, pending.chat.id, query).await,
                _ => Ok(Retrieval::default()),
            }
        };
        let servers = futures::future::join_all(task.servers.iter().map(|server| from_server(server, query)));
        let (first, files, servers) = tokio::join!(first, files, servers);
        let (mut retrieval, files) = (first?, files?);
        // Attached files come first: questions in such a chat are mostly about them.
        let mut lists = vec![files.sources, std::mem::take(&mut retrieval.sources)];
        retrieval.notices.extend(files.notices);
        for server in servers {
            lists.push(server.sources);
            retrieval.notices.extend(server.notices);
        }
        retrieval.sources = interleave(lists);
        Ok(retrieval)
    };
    tokio::select! {
        retrieval = search => retrieval,
        () = stopped.cancelled() => Ok(Retrieval::default()),
    }
}

/// Searches the library with the condensed query and with the words themselves. Only a person's own words are recorded for the
/// owners of the library if they find nothing.
async fn from_library(
    inner: &Inner,
    task: &Task,
    condensed: Option<&str>,
    words: &str,
) -> Result<Retrieval, Error> {
    let search =
        |query, is_told| search_library(&inner.resources.engine, &task.actor, query, is_told, &task.scope);
    let Some(condensed) = condensed.filter(|condensed| *condensed != words) else {
        return search(words, true).await;
    };
    let first = search(condensed, false).await?;
    let second = search(words, first.sources.is_empty()).await?;
    let Retrieval { sources, nearest, notices, resolved } = first;
    let mut seen = HashSet::new();
    let mut sources = interleave(vec![sources, second.sources]);
    // Each search folds equal passages of several versions, perhaps into different ones.
    sources.retain(|source| seen.insert(source.sha256.clone()));
    sources.truncate(MAX_HITS);
    for (rank, source) in (1..).zip(&mut sources) {
        source.rank = rank;
    }
    Ok(Retrieval { sources, nearest, notices, resolved })
}

/// Returns the first of each list, then the second of each, and so on: none crowds the others out.
fn interleave(lists: Vec<Vec<Source>>) -> Vec<Source> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
    let mut interleaved = Vec::new();
    for _position in 0..longest {
        interleaved.extend(lists.iter_mut().filter_map(Iterator::next));
    }
    interleaved
}

/// Searches the files of the chat; waits a moment for those still being processed.
async fn from_files(inner: &Inner, task: &Task, chat: ChatId, query: &str) -> Result<Retrieval, Error> {
    let mut retrieval = Retrieval::default();
    let deadline = Instant::now() + FILE_TIMEOUT;
    loop {
        let mut connection = store::postgres::acquire(&inner.resources.pool).await?;
        let attached = files::list(&mut connection, &task.actor, chat).await?;
        drop(connection);
        if attached.is_empty() {
            return Ok(retrieval);
        }
        let unread = attached.iter().filter(|file| file.status == ChatFileStatus::Processing).count();
        if unread == 0 {
            break;
        }
        if Instant::now() > deadline {
            let notice = format!("{unread} attached files are still being processed: ask again in a moment");
            retrieval.notices.push(notice);
            break;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let model = inner.resources.engine.models().await?.answering.ready();
    let found = files::search(&inner.resources.pool, &task.actor, chat, query, model, MAX_HITS).await?;
    let found = (1..).zip(found).filter(|(_, passage)| passage.relevant);
    let sources = found.map(|(rank, passage)| Source {
        rank,
        kind: SourceKind::File,
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
    retrieval.sources = sources.collect();
    Ok(retrieval)
}

/// Searches the web; the sources are the snippets of the search engine.
async fn from_web(inner: &Inner, query: &str, category: &str) -> Retrieval {
    let Some(web) = &inner.resources.web else { return Retrieval::default() };
    match web_search::search(web, query, &[category]).await {
        Ok(found) => {
            let pages = (1..).zip(found).filter(|(_, page)| !page.content.is_empty());
            let sources = pages.map(|(rank, page)| Source {
                url: Some(page.url),
                ..external_source(rank, SourceKind::Web, page.title, &page.content)
            });
            Retrieval { sources: sources.collect(), ..Retrieval::default() }
        }
        Err(failure) => Retrieval { notices: vec![failure.to_string()], ..Retrieval::default() },
    }
}

/// Queries a registered MCP server.
async fn from_server(server: &ToolTarget, query: &str) -> Retrieval {
    match registry::client::call_tool(server, query).await {
        Ok(texts) => {
            let sources = (1..)
                .zip(texts)
                .take(MAX_TEXTS_PER_SERVER)
                .map(|(rank, text)| external_source(rank, SourceKind::Server, server.name.clone(), &text));
            Retrieval { sources: sources.collect(), ..Retrieval::default() }
        }
        Err(problem) => Retrieval { notices: vec![problem], ..Retrieval::default() },
    }
}

/// Returns a source from outside the library.
fn external_source(rank: i32, kind: SourceKind, title: String, content: &str) -> Source {
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

/// Searches the library, and separates relevant passages from the closest others.
async fn search_library(
    engine: &Arc<Engine>,
    actor: &Actor,
    query: &str,
    is_told: bool,
    scope: &SearchScope,
) -> Result<Retrieval, Error> {
    let text: String = query.chars().take(MAX_QUERY_CHARS).collect();
    let question = SearchRequest {
        library: scope.library.clone(),
        version: scope.version.clone(),
        limit: MAX_HITS,
        records_zero_results: is_told,
        ..SearchRequest::new(text)
    };
    let answer = engine.search(actor, &question).await?;
    let follows_active = scope.version == VersionRequest::Active;
    let ranked = (1..).zip(&answer.hits);
    let best = answer.hits.iter().map(|hit| hit.coverage).fold(0.0, f32::max);
    let nearest = answer.hits.iter().filter_map(|hit| hit.similarity).fold(0.0, f32::max);
    // Beside a passage that answers, one that shares few words with the question and is further from it has nothing to do with it.
    let belongs = |hit: &SearchHit| {
        hit.coverage >= best * MIN_COVERAGE_OF_BEST
            || hit.similarity.is_some_and(|similarity| similarity >= nearest - MAX_SIMILARITY_GAP)
    };
    let (relevant, others): (Vec<_>, Vec<_>) = ranked.partition(|(_, hit)| hit.relevant && belongs(hit));
    // Sources that are missing or merely near are told by the answer itself.
    let mut notices = answer.notices;
    notices.retain(|notice| notice != NOTHING_RELEVANT_NOTICE);
    let source = |(rank, hit): (i32, &SearchHit)| Source {
        follows_active,
        also_in: also_in(hit),
        ..passage_source(rank, &hit.passage)
    };
    Ok(Retrieval {
        sources: relevant.into_iter().map(source).collect(),
        nearest: others.into_iter().take(MAX_NEAREST).map(source).collect(),
        notices,
        resolved: answer.resolved,
    })
}

/// Returns the other libraries or versions that have the passage of a hit, each once.
fn also_in(hit: &SearchHit) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for equal in &hit.also_in {
        let place = format!("{} {}", equal.library, equal.version);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

fn passage_source(rank: i32, passage: &Passage) -> Source {
    Source {
        rank,
        kind: SourceKind::Passage,
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
