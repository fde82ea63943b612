//! Questions of a backup: searches whose passages a restored copy must have, and find.
//!
//! Administrators choose them in a file; without one they are the titles of the newest documents. They are searched for by keyword,
//! which needs no model, and saved with the hash of each passage's text.

use std::collections::HashMap;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use library::recent::{self, RecentChangesParams};
use library::search::{SearchMode, SearchRequest, find_passages};
use ops::verify::{Check, Outcome};
use serde::{Deserialize, Serialize};
use store::objects::Hash;
use uuid::Uuid;

use crate::app::App;

/// Questions that are taken from the newest documents.
const SAMPLED: usize = 20;
/// Questions that are read from a file.
const MAX_QUESTIONS: usize = 200;
/// Passages of a question that are saved.
const SAVED_PASSAGES: usize = 5;
/// Passages of the copy among which they must be: passages of equal rank may come in another order.
const SEARCHED_PASSAGES: usize = 20;
/// Faults that a report names.
const MAX_NAMED: usize = 5;

/// Question with the passages that were found when the backup was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedQuestion {
    question: String,
    passages: Vec<SavedPassage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedPassage {
    id: Uuid,
    /// SHA-256 of its text.
    sha256: String,
}

/// Searches for the questions. Those with a passage that is younger than the state of the backup are left out.
pub(super) async fn save(app: &App, consistent_at: DateTime<Utc>) -> anyhow::Result<Vec<SavedQuestion>> {
    app.catch_up().await?;
    let mut saved = Vec::new();
    for question in choose(app).await? {
        let hits = search(app, &question, SAVED_PASSAGES).await?;
        if hits.iter().any(|(_, indexed_at, _)| *indexed_at >= consistent_at) {
            continue;
        }
        let passages: Vec<SavedPassage> =
            hits.into_iter().map(|(id, _, sha256)| SavedPassage { id, sha256 }).collect();
        if !passages.is_empty() {
            saved.push(SavedQuestion { question, passages });
        }
    }
    Ok(saved)
}

async fn choose(app: &App) -> anyhow::Result<Vec<String>> {
    if let Some(file) = app.settings.backup.questions_file() {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("failed to read the questions in {}", file.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        return Ok(lines.take(MAX_QUESTIONS).map(ToOwned::to_owned).collect());
    }
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let catalogue = library::catalogue::read(&mut connection).await?;
    let params = RecentChangesParams { limit: 2 * SAMPLED, ..RecentChangesParams::default() };
    let page = recent::list(&mut connection, &Actor::owner(), &catalogue, &params).await?;
    let mut titles: Vec<String> =
        page.items.into_iter().filter(|change| change.active).map(|change| change.title).collect();
    titles.sort();
    titles.dedup();
    titles.truncate(SAMPLED);
    Ok(titles)
}

async fn search(
    app: &App,
    question: &str,
    limit: usize,
) -> anyhow::Result<Vec<(Uuid, DateTime<Utc>, String)>> {
    let request = SearchRequest {
        mode: SearchMode::Text,
        limit,
        records_zero_results: false,
        ..SearchRequest::new(question)
    };
    let response = app.engine.search(&Actor::owner(), &request).await?;
    let hits = response.hits.into_iter().map(|hit| {
        let passage = hit.passage;
        (passage.id, passage.indexed_at, hash(&passage.content))
    });
    Ok(hits.collect())
}

/// SHA-256 of a passage's text. The one that the database has is not asked: it would stay the same if the text were damaged.
fn hash(text: &str) -> String {
    Hash::of(text.as_bytes()).to_string()
}

/// Asks a restored copy. A passage that it lacks, or whose text differs, is a failure; one that its search does not find any more
/// makes the copy a degraded one.
pub(super) async fn check(app: &App, saved: &[SavedQuestion]) -> anyhow::Result<Check> {
    if saved.is_empty() {
        let detail = "no question was saved with the backup: the library had no document to search for";
        return Ok(Check::new("questions", Outcome::Passed, detail));
    }
    app.catch_up().await?;
    let (mut wrong, mut not_found) = (Vec::new(), Vec::new());
    for SavedQuestion { question, passages } in saved {
        let ids: Vec<Uuid> = passages.iter().map(|passage| passage.id).collect();
        let mut connection = store::postgres::acquire(app.pool()).await?;
        let found = find_passages(&mut connection, &Actor::owner(), &ids).await?;
        drop(connection);
        let found: HashMap<Uuid, String> =
            found.into_iter().map(|passage| (passage.id, hash(&passage.content))).collect();
        let hits = search(app, question, SEARCHED_PASSAGES).await?;
        for passage in passages {
            match found.get(&passage.id) {
                None => wrong.push(format!("passage {} of “{question}” is missing", passage.id)),
                Some(hash) if *hash != passage.sha256 => {
                    wrong.push(format!("passage {} of “{question}” has another text", passage.id));
                }
                Some(_) if !hits.iter().any(|(id, ..)| *id == passage.id) => {
                    not_found.push(format!("“{question}” does not find passage {}", passage.id));
                }
                Some(_) => {}
            }
        }
    }
    let named = |faults: &[String]| faults[..faults.len().min(MAX_NAMED)].join("; ");
    Ok(match (wrong.is_empty(), not_found.is_empty()) {
        (false, _) => Check::new("questions", Outcome::Failed, named(&wrong)),
        (true, false) => Check::new("questions", Outcome::Degraded, named(&not_found)),
        (true, true) => {
            let passages: usize = saved.iter().map(|question| question.passages.len()).sum();
            let detail = format!("{} questions find the same {passages} passages", saved.len());
            Check::new("questions", Outcome::Passed, detail)
        }
    })
}
