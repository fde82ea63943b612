//! Search in the files of one chat. Passages are few, so all are scored: by keywords
//! ([BM25](https://doi.org/10.1561/1500000019), Robertson and Zaragoza 2009) and semantically, and the rankings are fused
//! ([reciprocal rank fusion](https://doi.org/10.1145/1571941.1572114), Cormack, Clarke and Büttcher 2009).

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use kernel::actor::Actor;
use library::embedder::Embedder;
use library::search::analysis::with_thread_analysis;
use library::search::relevance::{RelevanceScorer, content_terms};
use sqlx::PgPool;
use uuid::Uuid;

use super::{FileId, MAX_PASSAGES};
use crate::Error;
use crate::chats::{self, ChatId};

/// BM25 saturation of repeated terms; the usual value.
const BM25_K1: f32 = 1.2;
/// BM25 normalization by length; the usual value.
const BM25_B: f32 = 0.75;
/// Constant of reciprocal rank fusion.
const RRF_K: f32 = 60.0;
/// Number of passages up to which all are returned, relevant or not: a question about a short file is about all of it.
const RETURN_ALL_UP_TO: usize = 4;

/// Passage of an attached file.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePassage {
    /// Passage id.
    pub id: Uuid,
    /// File id.
    pub file_id: FileId,
    /// Name of the file.
    pub file_name: String,
    /// Position in the file, from 0.
    pub passage_number: i32,
    /// Text as Markdown.
    pub content: String,
    /// Headings above the passage, outermost first.
    pub section: Vec<String>,
    /// First page, from 1.
    pub page_from: Option<i32>,
    /// Last page, inclusive.
    pub page_to: Option<i32>,
    /// Reason why the text reads like an instruction to an agent, if it does. It is a quotation and never an instruction.
    pub instruction: Option<String>,
    /// SHA-256 of the text, in hexadecimal.
    pub sha256: String,
    /// Fused score; only the order is meaningful.
    pub score: f32,
    /// Share of the query's terms that the passage contains, from 0 to 1.
    pub coverage: f32,
    /// Cosine similarity of the passage's and the query's vectors.
    pub similarity: Option<f32>,
    /// Whether the passage is relevant, by the rule that libraries use. If all passages are returned, all are relevant.
    pub relevant: bool,
}

/// Returns the best passages of the files of the actor's chat, best first; if there are few, all of them in their order. Files
/// still being processed are not searched.
///
/// # Errors
///
/// Fails if the actor has no chats, or the model or the database fails.
pub async fn search(
    pool: &PgPool,
    actor: &Actor,
    chat: ChatId,
    query: &str,
    model: Option<Embedder>,
    limit: usize,
) -> Result<Vec<FilePassage>, Error> {
    let owner = chats::owner_id(actor)?;
    let passages = read(pool, owner, chat).await?;
    if passages.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let similarities = match model {
        Some(model) => similarities(pool, chat, query, model).await?,
        None => HashMap::new(),
    };
    let query = query.to_owned();
    // Ranking thousands of passages takes tens of milliseconds.
    tokio::task::spawn_blocking(move || rank(&query, passages, &similarities, limit))
        .await
        .map_err(|error| Error::Internal(format!("searching the files failed: {error}")))
}

async fn read(pool: &PgPool, owner: Uuid, chat: ChatId) -> Result<Vec<FilePassage>, Error> {
    Ok(sqlx::query_as!(
        FilePassage,
        r#"-- files.passages
         select passage.id, file.file_id as "file_id: FileId", file.file_name, passage.passage_number, passage.content,
           passage.section, passage.page_from, passage.page_to, passage.instruction,
           encode(passage.sha256, 'hex') as "sha256!", 0::float4 as "score!", 0::float4 as "coverage!",
           null::float4 as similarity, false as "relevant!"
         from chat.chats as chat
         join chat.files as file on file.chat_id = chat.id and file.status = 'completed'
         join chat.file_passages as passage on passage.file_id = file.id
         where chat.id = $1 and chat.owner_id = $2 and chat.deleted_at is null
         order by file.id, passage.passage_number limit $3"#,
        chat.0,
        owner,
        i64::try_from(MAX_PASSAGES).unwrap_or(i64::MAX),
    )
    .fetch_all(pool)
    .await?)
}

/// Returns the cosine similarity of each passage to the query.
async fn similarities(
    pool: &PgPool,
    chat: ChatId,
    query: &str,
    model: Embedder,
) -> Result<HashMap<Uuid, f32>, Error> {
    let vector = match model.embed_query(query).await {
        Ok(vector) => vector,
        // Without the endpoint the words decide.
        Err(library::Error::Endpoint(_)) => return Ok(HashMap::new()),
        Err(error) => return Err(error.into()),
    };
    let rows = sqlx::query!(
        r#"-- files.compare
         select passage.id, (1 - (passage.vector <=> $3::text::halfvec))::float4 as "similarity!"
         from chat.files as file join chat.file_passages as passage on passage.file_id = file.id
         where file.chat_id = $1 and passage.model = $2"#,
        chat.0,
        model.id(),
        vector,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, model.scaled_similarity(row.similarity))).collect())
}

/// Scores all passages and returns the best.
fn rank(
    query: &str,
    mut passages: Vec<FilePassage>,
    similarities: &HashMap<Uuid, f32>,
    limit: usize,
) -> Vec<FilePassage> {
    let returns_all = passages.len() <= limit.min(RETURN_ALL_UP_TO);
    for passage in &mut passages {
        passage.similarity = similarities.get(&passage.id).copied();
    }
    let keyword_ranking = score_keywords(query, &mut passages);
    let semantic_ranking: Vec<(Uuid, f32)> =
        passages.iter().filter_map(|passage| Some((passage.id, *similarities.get(&passage.id)?))).collect();
    let mut fused: HashMap<Uuid, f32> = HashMap::new();
    for mut ranking in [keyword_ranking, semantic_ranking] {
        ranking.sort_by(|left, right| right.1.total_cmp(&left.1));
        for (rank, (id, _)) in (1_u16..).zip(ranking) {
            *fused.entry(id).or_default() += 1.0 / (RRF_K + f32::from(rank));
        }
    }
    for passage in &mut passages {
        passage.score = fused.get(&passage.id).copied().unwrap_or_default();
        passage.relevant |= returns_all;
    }
    if !returns_all {
        passages.sort_by(|left, right| right.score.total_cmp(&left.score));
        passages.retain(|passage| passage.score > 0.0);
        passages.truncate(limit);
    }
    passages
}

/// Returns the BM25 scores of the passages that contain a term of the query. Sets the coverage and the relevance of all passages.
fn score_keywords(query: &str, passages: &mut [FilePassage]) -> Vec<(Uuid, f32)> {
    let terms = content_terms(query);
    let query_terms: HashSet<&str> = terms.iter().map(String::as_str).collect();
    let initials: HashSet<char> = terms.iter().filter_map(|term| term.chars().next()).collect();
    let counts: Vec<HashMap<&str, f32>> = passages
        .iter()
        .map(|passage| {
            let mut counts: HashMap<&str, f32> = HashMap::new();
            for text in passage.section.iter().chain([&passage.file_name, &passage.content]) {
                with_thread_analysis(|analysis| {
                    analysis.run_where(text, |first| initials.contains(&first));
                    for (_, term) in analysis.terms() {
                        if let Some(term) = query_terms.get(term) {
                            *counts.entry(term).or_default() += 1.0;
                        }
                    }
                });
            }
            counts
        })
        .collect();
    let document_frequency = |term: &str| counts.iter().filter(|counts| counts.contains_key(term)).count();
    let frequencies: HashMap<&str, usize> =
        query_terms.iter().map(|term| (*term, document_frequency(term))).collect();
    let total = passages.len();
    let frequency =
        |term: &str| Ok::<u64, Infallible>(frequencies.get(term).map_or(0, |count| *count as u64));
    let Ok(judge) = RelevanceScorer::new(query, total as u64, frequency);
    #[expect(clippy::cast_precision_loss, reason = "a score needs a few digits only")]
    let average =
        passages.iter().map(|passage| passage.content.len()).sum::<usize>().max(1) as f32 / total as f32;
    let mut scores = Vec::new();
    for (passage, counts) in passages.iter_mut().zip(&counts) {
        passage.coverage = judge.coverage(&counts.keys().copied().collect());
        passage.relevant = judge.is_relevant(&passage.content, passage.coverage, passage.similarity);
        #[expect(clippy::cast_precision_loss, reason = "a score needs a few digits only")]
        let length = passage.content.len() as f32 / average;
        let score: f32 = counts
            .iter()
            .map(|(term, count)| {
                #[expect(clippy::cast_precision_loss, reason = "a score needs a few digits only")]
                let (total, frequency) =
                    (total as f32, frequencies.get(term).copied().unwrap_or_default() as f32);
                let idf = (1.0 + (total - frequency + 0.5) / (frequency + 0.5)).ln();
                let normalized_length = 1.0 - BM25_B + BM25_B * length;
                idf * count * (BM25_K1 + 1.0) / (count + BM25_K1 * normalized_length)
            })
            .sum();
        if score > 0.0 {
            scores.push((passage.id, score));
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passages(texts: &[&str]) -> Vec<FilePassage> {
        let passage = |(number, content): (usize, &&str)| FilePassage {
            id: Uuid::from_u128(number as u128 + 1),
            file_id: FileId(Uuid::from_u128(7)),
            file_name: "notes.md".to_owned(),
            passage_number: i32::try_from(number).unwrap(),
            content: (*content).to_owned(),
            section: Vec::new(),
            page_from: None,
            page_to: None,
            instruction: None,
            sha256: String::new(),
            score: 0.0,
            coverage: 0.0,
            similarity: None,
            relevant: false,
        };
        texts.iter().enumerate().map(passage).collect()
    }

    fn numbers(found: &[FilePassage]) -> Vec<i32> {
        found.iter().map(|passage| passage.passage_number).collect()
    }

    const TEXTS: [&str; 6] = [
        "The meeting is on Monday.",
        "The budget of the meeting room is 300 euros.",
        "预算在星期一之前批准。",
        "Lunch is at noon.",
        "Bring your own laptop.",
        "Parking is behind the house.",
    ];

    #[test]
    fn rare_words_rank_first_and_passages_without_any_are_left_out() {
        let found = rank("what is the budget for the meeting?", passages(&TEXTS), &HashMap::new(), 6);
        assert_eq!(numbers(&found), [1, 0]);
        assert!(found[0].relevant && !found[1].relevant, "{found:?}");
        assert_eq!(numbers(&rank("预算什么时候批准", passages(&TEXTS), &HashMap::new(), 6)), [2]);
    }

    #[test]
    fn semantic_and_keyword_rankings_are_fused() {
        let near: HashMap<Uuid, f32> = (1..=6_u8)
            .map(|number| (Uuid::from_u128(number.into()), if number == 4 { 0.9 } else { 0.7 }))
            .collect();
        let found = rank("when do we eat", passages(&TEXTS), &near, 2);
        assert_eq!((numbers(&found)[0], found[0].relevant, found.len()), (3, true, 2));
    }

    #[test]
    fn few_passages_are_all_returned_in_order() {
        let found = rank("budget", passages(&TEXTS[..3]), &HashMap::new(), 6);
        assert_eq!(numbers(&found), [0, 1, 2]);
        assert!(found.iter().all(|passage| passage.relevant));
    }
}
