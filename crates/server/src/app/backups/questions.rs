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
use library::search::{Passage, SearchHit, SearchMode, SearchRequest, find_passages};
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
pub(super) const SEARCHED_PASSAGES: usize = 20;
/// Faults that a report names.
const MAX_NAMED: usize = 5;

/// Questions with the passages that were found when the backup was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedQuestions {
    /// Position of the library's change sequence: while it is the same, the answers are. Releases before drills did not save it.
    #[serde(default)]
    position: Option<Position>,
    pub(super) questions: Vec<SavedQuestion>,
    /// Numbers of the chosen questions that found nothing.
    unanswered: Vec<usize>,
}

/// Position of a library's change sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    passages: i64,
    catalogue: i64,
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
pub(super) struct SavedQuestion {
    origin: Origin,
    /// Number among those of its origin, from 1: of a chosen one, its place in the list.
    number: usize,
    pub(super) text: String,
    pub(super) library: Option<String>,
    pub(super) version: Option<String>,
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

    /// Ids of its passages, with those that are only cited.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.passages.iter().chain(&self.cited).map(|passage| passage.id).collect()
    }

    /// Whether a search belongs to it.
    pub(super) fn is_searched(&self) -> bool {
        !self.passages.is_empty()
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
pub(super) fn fingerprint(text: &str, path: &str, version: &str) -> String {
    Hash::of(format!("{path}\0{version}\0{text}").as_bytes()).to_string()
}

/// Searches for a question, with up to `limit` passages.
async fn search(app: &App, question: &SavedQuestion, limit: usize) -> anyhow::Result<Vec<SearchHit>> {
    let version = question.version.as_deref().map(str::parse).transpose()?;
    let request = SearchRequest {
        library: question.library.as_deref().map(str::parse::<LibraryName>).transpose()?,
        version: version.unwrap_or(VersionRequest::Active),
        mode: SearchMode::Text,
        limit,
        records_zero_results: false,
        ..SearchRequest::new(&question.text)
    };
    Ok(app.engine.search(&Actor::owner(), &request).await?.hits)
}

/// Returns the passages with these ids that are there.
async fn find(app: &App, ids: &[Uuid]) -> anyhow::Result<Vec<FoundPassage>> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let found = find_passages(&mut connection, &Actor::owner(), ids).await?;
    Ok(found.iter().map(FoundPassage::from).collect())
}

/// Returns where the library's change sequence is.
async fn position(app: &App) -> anyhow::Result<Position> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let sequence = library::changes::sequence(&mut connection).await?;
    Ok(Position { passages: sequence.passages, catalogue: sequence.catalogue })
}

/// Searches for the questions. Passages that are younger than the state of the backup are left out.
pub(super) async fn save(app: &App, consistent_at: DateTime<Utc>) -> anyhow::Result<SavedQuestions> {
    app.catch_up().await?;
    let position = Some(position(app).await?);
    let mut saved = SavedQuestions { position, ..SavedQuestions::default() };
    let saved_passages = |found: Vec<FoundPassage>| -> Vec<SavedPassage> {
        let older = found.into_iter().filter(|passage| passage.indexed_at < consistent_at);
        older.map(|passage| SavedPassage { id: passage.id, fingerprint: passage.fingerprint }).collect()
    };
    for mut question in choose(app).await? {
        match search(app, &question, SAVED_PASSAGES).await {
            Ok(hits) => {
                let found = hits.iter().map(|hit| FoundPassage::from(&*hit.passage));
                question.passages = saved_passages(found.collect());
            }
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

/// Answer of a library to a saved question.
pub(super) struct Answer {
    /// Fingerprints of those of its passages that are there.
    pub(super) passages: HashMap<Uuid, String>,
    /// Passages that the search finds, with those of the same text that it folds into them, or the reason why it is refused. Which one of
    /// equal passages is shown depends on the order of the index.
    pub(super) hits: Result<Vec<Uuid>, String>,
}

/// Asks a library in this process.
async fn ask(app: &App, question: &SavedQuestion) -> anyhow::Result<Answer> {
    let found = find(app, &question.ids()).await?.into_iter();
    let passages = found.map(|passage| (passage.id, passage.fingerprint)).collect();
    let hits = if question.is_searched() {
        let found = search(app, question, SEARCHED_PASSAGES).await.map(|hits| {
            let equal = |hit: &SearchHit| hit.also_in.iter().map(|passage| passage.id).collect::<Vec<_>>();
            hits.iter().flat_map(|hit| [vec![hit.passage.id], equal(hit)].concat()).collect()
        });
        found.map_err(|error| format!("{error:#}"))
    } else {
        Ok(Vec::new())
    };
    Ok(Answer { passages, hits })
}

/// Difference between the answer of a library and the one that was saved.
#[derive(Debug)]
struct Difference<'saved> {
    question: &'saved SavedQuestion,
    kind: DifferenceKind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DifferenceKind {
    /// The passage has another text or place. No change of a library does that: a passage never changes.
    Altered,
    /// The passage is missing, or the question is refused.
    Missing,
    /// The passage is there, and the question does not find it.
    NotFound,
}

/// Compares answers, in the order of the questions, with those that were saved. `quotes` says whether differences may name the questions'
/// text.
fn compare<'saved>(
    saved: &'saved SavedQuestions,
    answers: &[Answer],
    quotes: bool,
) -> Vec<Difference<'saved>> {
    let mut differences = Vec::new();
    for (question, answer) in saved.questions.iter().zip(answers) {
        let name = question.name(quotes);
        let mut add = |kind, text| differences.push(Difference { question, kind, text });
        let hits = match &answer.hits {
            Ok(hits) => hits,
            Err(reason) => {
                add(DifferenceKind::Missing, format!("{name} is refused: {reason}"));
                continue;
            }
        };
        for (place, passage) in question.passages.iter().chain(&question.cited).enumerate() {
            let (id, is_cited) = (passage.id, place >= question.passages.len());
            match answer.passages.get(&id) {
                None => add(DifferenceKind::Missing, format!("passage {id} of {name} is missing")),
                Some(fingerprint) if *fingerprint != passage.fingerprint => {
                    add(DifferenceKind::Altered, format!("passage {id} of {name} has another text or place"));
                }
                Some(_) if !is_cited && !hits.contains(&id) => {
                    add(DifferenceKind::NotFound, format!("{name} does not find passage {id}"));
                }
                Some(_) => {}
            }
        }
    }
    differences
}

/// Joins differences; of very many the first.
fn named<'all>(differences: impl Iterator<Item = &'all Difference<'all>>) -> String {
    let texts: Vec<&str> = differences.map(|difference| difference.text.as_str()).collect();
    let mut text = texts[..texts.len().min(MAX_NAMED)].join("; ");
    if texts.len() > MAX_NAMED {
        text += &format!("; and {} more", texts.len() - MAX_NAMED);
    }
    text
}

/// Asks a restored copy of exactly the state that was saved.
///
/// # Errors
///
/// If the copy cannot be asked.
pub(super) async fn check(app: &App, saved: &SavedQuestions, quotes: bool) -> anyhow::Result<Check> {
    if saved.questions.is_empty() {
        return check_none(app).await;
    }
    app.catch_up().await?;
    let mut answers = Vec::new();
    for question in &saved.questions {
        answers.push(ask(app, question).await?);
    }
    Ok(judge(saved, &compare(saved, &answers, quotes)))
}

/// Checks the answers of a restored library that can be newer than the saved ones. `app` is that library, which someone else has asked.
///
/// # Errors
///
/// If the library cannot be read.
pub(super) async fn check_answers(
    app: &App,
    saved: &SavedQuestions,
    answers: &[Answer],
    quotes: bool,
) -> anyhow::Result<Check> {
    if saved.questions.is_empty() {
        return check_none(app).await;
    }
    let differences = compare(saved, answers, quotes);
    let is_unchanged = Some(position(app).await?) == saved.position;
    Ok(if is_unchanged { judge(saved, &differences) } else { judge_changed(saved, &differences) })
}

/// Checks a copy of a backup that has no questions: that is right for a library without documents alone.
async fn check_none(app: &App) -> anyhow::Result<Check> {
    Ok(if newest_titles(app, 1).await?.is_empty() {
        let detail = "no question was saved with the backup: the library had no document to search for";
        Check::new(CHECK, Outcome::Passed, detail)
    } else {
        let detail =
            "no question was saved with the backup, and the library has documents: write another backup";
        Check::new(CHECK, Outcome::Degraded, detail)
    })
}

/// Judges the answers of exactly the state that was saved. A passage that it lacks, or that differs, is a failure; one that its search does
/// not find any more makes the copy a degraded one, and so does a library that was not asked anything.
fn judge(saved: &SavedQuestions, differences: &[Difference<'_>]) -> Check {
    let mut wrong =
        differences.iter().filter(|difference| difference.kind != DifferenceKind::NotFound).peekable();
    if wrong.peek().is_some() {
        Check::new(CHECK, Outcome::Failed, named(wrong))
    } else if !differences.is_empty() {
        Check::new(CHECK, Outcome::Degraded, named(differences.iter()))
    } else {
        Check::new(CHECK, Outcome::Passed, saved.summary())
    }
}

/// Judges the answers of a library that was changed after they were saved. A change explains that a passage is gone or is not found any
/// more, but not for a question that an administrator chose, nor for all of them.
fn judge_changed(saved: &SavedQuestions, differences: &[Difference<'_>]) -> Check {
    let mut altered =
        differences.iter().filter(|difference| difference.kind == DifferenceKind::Altered).peekable();
    if altered.peek().is_some() {
        return Check::new(CHECK, Outcome::Failed, named(altered));
    }
    let differs = |question: &SavedQuestion| {
        differences.iter().any(|difference| std::ptr::eq(difference.question, question))
    };
    let (all, same) =
        (saved.questions.len(), saved.questions.iter().filter(|question| !differs(question)).count());
    let mut chosen =
        differences.iter().filter(|difference| difference.question.origin == Origin::Chosen).peekable();
    let advice = "the library has changed since the backup: if that explains it, write another backup";
    if chosen.peek().is_some() {
        Check::new(CHECK, Outcome::Degraded, format!("{}; {advice}", named(chosen)))
    } else if same == 0 {
        let detail = format!("none of {all} questions is answered as in the backup; {advice}");
        Check::new(CHECK, Outcome::Degraded, detail)
    } else {
        let detail =
            format!("{same} of {all} questions are answered as in the backup; the library has changed since");
        Check::new(CHECK, Outcome::Passed, detail)
    }
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
