//! Golden questions of a backup: searches whose passages a restored copy must have, and find.
//!
//! They are those that administrators chose ([`ops::questions`]), some of the newest queries of answers with what those cite, and titles of
//! the newest documents. They are searched for by keyword, which needs no model, and saved with a fingerprint of each passage. Reports
//! quote neither history, which is private, nor anything of an encrypted backup, since they are kept beside it unencrypted.

use std::collections::{BTreeSet, HashMap};

use chat::history;
use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use library::label::VersionRequest;
use library::names::LibraryName;
use library::recent::{self, RecentChangesParams};
use library::search::{Passage, SearchMode, SearchRequest, find_passages};
use ops::verify::{Check, Outcome};
use serde::{Deserialize, Serialize};
use store::objects::Hash;
use uuid::Uuid;

use crate::app::App;

/// Name of the check.
pub(super) const CHECK: &str = "questions";
/// Questions that are taken from the history.
const FROM_HISTORY: i64 = 10;
/// Questions to which titles of the newest documents are added.
const SAMPLED: usize = 20;
/// Passages of a question that are saved.
const SAVED_PASSAGES: usize = 5;
/// Passages of the copy among which they must be: passages of equal rank may come in another order.
const SEARCHED_PASSAGES: usize = 20;
/// Faults that a report names.
const MAX_NAMED: usize = 5;

/// Questions with the passages that were found when the backup was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedQuestions {
    questions: Vec<SavedQuestion>,
    /// Numbers of the chosen questions that found nothing.
    unanswered: Vec<usize>,
}

/// Origin of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// An administrator chose it.
    Chosen,
    /// Query of an answer.
    History,
    /// Title of a document.
    Title,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedQuestion {
    origin: Origin,
    /// Number among those of its origin, from 1: of a chosen one, its place in the list.
    number: usize,
    text: String,
    library: Option<String>,
    version: Option<String>,
    /// Passages that the search finds.
    passages: Vec<SavedPassage>,
    /// Passages that the answer cites, which are there even if no search finds them.
    cited: Vec<SavedPassage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedPassage {
    id: Uuid,
    fingerprint: String,
}

impl SavedQuestion {
    fn new(origin: Origin, number: usize, text: String) -> Self {
        Self { origin, number, text, library: None, version: None, passages: Vec::new(), cited: Vec::new() }
    }

    /// Names it in a report; `quotes` says whether the report may have its text.
    fn name(&self, quotes: bool) -> String {
        let origin = match self.origin {
            Origin::Chosen => "chosen question",
            Origin::History => "question of the history",
            Origin::Title => "title",
        };
        if quotes && self.origin != Origin::History {
            format!("{origin} {} (“{}”)", self.number, self.text)
        } else {
            format!("{origin} {}", self.number)
        }
    }
}

/// Passage in the answer of a library.
struct FoundPassage {
    id: Uuid,
    indexed_at: DateTime<Utc>,
    fingerprint: String,
}

impl From<&Passage> for FoundPassage {
    fn from(passage: &Passage) -> Self {
        let fingerprint = fingerprint(&passage.content, &passage.path, &passage.version);
        Self { id: passage.id, indexed_at: passage.indexed_at, fingerprint }
    }
}

/// Returns the SHA-256 of a passage's text and place. The hash that the database has is not used: it would stay the same if the text were
/// damaged.
fn fingerprint(text: &str, path: &str, version: &str) -> String {
    Hash::of(format!("{path}\0{version}\0{text}").as_bytes()).to_string()
}

/// Searches for a question, with up to `limit` passages.
async fn search(app: &App, question: &SavedQuestion, limit: usize) -> anyhow::Result<Vec<FoundPassage>> {
    let version = question.version.as_deref().map(str::parse).transpose()?;
    let request = SearchRequest {
        library: question.library.as_deref().map(str::parse::<LibraryName>).transpose()?,
        version: version.unwrap_or(VersionRequest::Active),
        mode: SearchMode::Text,
        limit,
        records_zero_results: false,
        ..SearchRequest::new(&question.text)
    };
    let response = app.engine.search(&Actor::owner(), &request).await?;
    Ok(response.hits.iter().map(|hit| FoundPassage::from(&*hit.passage)).collect())
}

/// Returns the passages with these ids that are there.
async fn find(app: &App, ids: &[Uuid]) -> anyhow::Result<Vec<FoundPassage>> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let found = find_passages(&mut connection, &Actor::owner(), ids).await?;
    Ok(found.iter().map(FoundPassage::from).collect())
}

/// Searches for the questions. Passages that are younger than the state of the backup are left out.
pub(super) async fn save(app: &App, consistent_at: DateTime<Utc>) -> anyhow::Result<SavedQuestions> {
    app.catch_up().await?;
    let mut saved = SavedQuestions::default();
    let saved_passages = |found: Vec<FoundPassage>| -> Vec<SavedPassage> {
        let older = found.into_iter().filter(|passage| passage.indexed_at < consistent_at);
        older.map(|passage| SavedPassage { id: passage.id, fingerprint: passage.fingerprint }).collect()
    };
    for mut question in choose(app).await? {
        match search(app, &question, SAVED_PASSAGES).await {
            Ok(found) => question.passages = saved_passages(found),
            Err(error) => tracing::debug!(error = format!("{error:#}"), "a question of a backup was refused"),
        }
        let cited: Vec<Uuid> = question.cited.iter().map(|passage| passage.id).collect();
        question.cited = if cited.is_empty() { Vec::new() } else { saved_passages(find(app, &cited).await?) };
        if !question.passages.is_empty() || !question.cited.is_empty() {
            saved.questions.push(question);
        } else if question.origin == Origin::Chosen {
            tracing::warn!(
                question = question.number,
                "a golden question found nothing and was left out of the backup: wenyuan backup questions"
            );
            saved.unanswered.push(question.number);
        }
    }
    Ok(saved)
}

/// Chooses the questions: all of the administrators, some of the history, and titles until there are enough.
async fn choose(app: &App) -> anyhow::Result<Vec<SavedQuestion>> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let chosen = ops::questions::list(&mut connection, &Actor::owner()).await?;
    let asked = history::answered_queries(&mut connection, &Actor::owner(), FROM_HISTORY).await?;
    drop(connection);
    let mut questions: Vec<SavedQuestion> = Vec::new();
    for (place, question) in chosen.into_iter().enumerate() {
        let (library, version) = (question.library, question.version);
        questions.push(SavedQuestion {
            library,
            version,
            ..SavedQuestion::new(Origin::Chosen, place + 1, question.text)
        });
    }
    let mut known = BTreeSet::new();
    for (place, query) in asked.into_iter().enumerate() {
        if !known.insert((query.query.clone(), query.searched.clone())) {
            continue;
        }
        let (library, version) = query.searched.unzip();
        let cited = query.cited.into_iter().map(|id| SavedPassage { id, fingerprint: String::new() });
        questions.push(SavedQuestion {
            library,
            version,
            cited: cited.collect(),
            ..SavedQuestion::new(Origin::History, place + 1, query.query)
        });
    }
    let missing = SAMPLED.saturating_sub(questions.len());
    let titles = newest_titles(app, missing).await?.into_iter().enumerate();
    questions.extend(titles.map(|(place, title)| SavedQuestion::new(Origin::Title, place + 1, title)));
    Ok(questions)
}

/// Returns titles of the newest documents.
async fn newest_titles(app: &App, limit: usize) -> anyhow::Result<Vec<String>> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let catalogue = library::catalogue::read(&mut connection).await?;
    let params = RecentChangesParams { limit: 2 * SAMPLED, ..RecentChangesParams::default() };
    let page = recent::list(&mut connection, &Actor::owner(), &catalogue, &params).await?;
    let mut titles: Vec<String> =
        page.items.into_iter().filter(|change| change.active).map(|change| change.title).collect();
    titles.sort();
    titles.dedup();
    titles.truncate(limit);
    Ok(titles)
}

/// Differences between the answers of a library and those that were saved.
#[derive(Debug, Default)]
struct Differences {
    /// Passages that are missing, refused questions, and passages with another text or place.
    wrong: Vec<String>,
    /// Passages that are there, and that their question does not find.
    not_found: Vec<String>,
}

/// Asks a library the saved questions. `quotes` says whether differences may name their text.
///
/// # Errors
///
/// If it cannot be asked.
async fn compare(app: &App, saved: &SavedQuestions, quotes: bool) -> anyhow::Result<Differences> {
    let mut differences = Differences::default();
    for question in &saved.questions {
        let name = question.name(quotes);
        let ids: Vec<Uuid> =
            question.passages.iter().chain(&question.cited).map(|passage| passage.id).collect();
        let found = find(app, &ids).await?.into_iter();
        let found: HashMap<Uuid, String> = found.map(|passage| (passage.id, passage.fingerprint)).collect();
        let hits = if question.passages.is_empty() {
            Vec::new()
        } else {
            match search(app, question, SEARCHED_PASSAGES).await {
                Ok(hits) => hits,
                Err(error) => {
                    differences.wrong.push(format!("{name} is refused: {error:#}"));
                    continue;
                }
            }
        };
        for (place, passage) in question.passages.iter().chain(&question.cited).enumerate() {
            let is_cited = place >= question.passages.len();
            match found.get(&passage.id) {
                None => differences.wrong.push(format!("passage {} of {name} is missing", passage.id)),
                Some(fingerprint) if *fingerprint != passage.fingerprint => {
                    let id = passage.id;
                    differences.wrong.push(format!("passage {id} of {name} has another text or place"));
                }
                Some(_) if !is_cited && !hits.iter().any(|hit| hit.id == passage.id) => {
                    differences.not_found.push(format!("{name} does not find passage {}", passage.id));
                }
                Some(_) => {}
            }
        }
    }
    Ok(differences)
}

/// Joins faults; of very many the first.
fn named(faults: &[String]) -> String {
    let mut text = faults[..faults.len().min(MAX_NAMED)].join("; ");
    if faults.len() > MAX_NAMED {
        text += &format!("; and {} more", faults.len() - MAX_NAMED);
    }
    text
}

/// Asks a restored copy of exactly the state that was saved. A passage that it lacks, or that differs, is a failure; one that its search
/// does not find any more makes the copy a degraded one, and so does a library that was not asked anything.
///
/// # Errors
///
/// If the copy cannot be asked.
pub(super) async fn check(app: &App, saved: &SavedQuestions, quotes: bool) -> anyhow::Result<Check> {
    if saved.questions.is_empty() {
        return Ok(if newest_titles(app, 1).await?.is_empty() {
            let detail = "no question was saved with the backup: the library had no document to search for";
            Check::new(CHECK, Outcome::Passed, detail)
        } else {
            let detail =
                "no question was saved with the backup, and the library has documents: write another backup";
            Check::new(CHECK, Outcome::Degraded, detail)
        });
    }
    app.catch_up().await?;
    let differences = compare(app, saved, quotes).await?;
    Ok(match (differences.wrong.is_empty(), differences.not_found.is_empty()) {
        (false, _) => Check::new(CHECK, Outcome::Failed, named(&differences.wrong)),
        (true, false) => Check::new(CHECK, Outcome::Degraded, named(&differences.not_found)),
        (true, true) => Check::new(CHECK, Outcome::Passed, saved.summary()),
    })
}

impl SavedQuestions {
    /// Says in a report which questions gave the same answers.
    fn summary(&self) -> String {
        let count = |origin| self.questions.iter().filter(|question| question.origin == origin).count();
        let passages: usize =
            self.questions.iter().map(|question| question.passages.len() + question.cited.len()).sum();
        let mut text = format!(
            "{} questions find the same {passages} passages: {} chosen, {} of the history, {} titles",
            self.questions.len(),
            count(Origin::Chosen),
            count(Origin::History),
            count(Origin::Title),
        );
        if !self.unanswered.is_empty() {
            let numbers: Vec<String> = self.unanswered.iter().map(ToString::to_string).collect();
            text += &format!("; left out, since they found nothing: chosen question {}", numbers.join(", "));
        }
        text
    }
}
