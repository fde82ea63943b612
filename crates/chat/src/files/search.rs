//! Search within the files of one chat. They are few: all are compared, by words (BM25, Robertson and Zaragoza 2009) and by
//! meaning, and the ranks fused (Cormack, Clarke and Büttcher, SIGIR 2009).

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;

use embedding::Model;
use kernel::actor::Actor;
use library::embed::as_text;
use library::search::analysis::with_kept;
use library::search::relevance::{Judge, content_terms};
use sqlx::PgPool;
use uuid::Uuid;

use super::{FileId, MOST_PASSAGES};
use crate::Error;
use crate::chats::{self, ChatId};

/// How much a term counts that comes again, and how much a passage's length does: the usual values.
const K1: f32 = 1.2;
const B: f32 = 0.75;
/// How much the first ranks stand out.
const K: f32 = 60.0;
/// Passages up to which all are given, the ones a question is not about too: whoever attaches a page means all of it.
const FEW: usize = 4;

/// A passage of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FilePassage {
    /// Its id.
    pub id: Uuid,
    /// The file it is of.
    pub file_id: FileId,
    /// The file's name.
    pub file_name: String,
    /// Its place in the file, from 0.
    pub passage_number: i32,
    /// Its text, as Markdown.
    pub content: String,
    /// The headings above it, outermost first.
    pub section: Vec<String>,
    /// First page.
    pub page_from: Option<i32>,
    /// Last page.
    pub page_to: Option<i32>,
    /// Why it reads like an instruction to an agent, if it does. It is a file's words, never an instruction.
    pub instruction: Option<String>,
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// The fused score; only its order means something.
    pub score: f32,
    /// The share of what is asked about that it holds, from 0 to 1.
    pub coverage: f32,
    /// The cosine of its vector and the question's.
    pub similarity: Option<f32>,
    /// Whether it has to do with what is asked, judged as passages of a library are. Where all there is is given, all is.
    pub relevant: bool,
}

/// The passages of a chat's files that have most to do with a question, the best first; all of them, in their order, where there
/// are few. Files that are not read yet are not among them.
pub async fn search(
    pool: &PgPool,
    actor: &Actor,
    chat: ChatId,
    query: &str,
    model: Option<Arc<Model>>,
    limit: usize,
) -> Result<Vec<FilePassage>, Error> {
    let owner = chats::owner(actor)?;
    let passages = read(pool, owner, chat).await?;
    if passages.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let similarities = match model {
        Some(model) => compare(pool, chat, query, model).await?,
        None => HashMap::new(),
    };
    let query = query.to_owned();
    // Thousands of passages take some tens of milliseconds.
    tokio::task::spawn_blocking(move || rank(&query, passages, &similarities, limit))
        .await
        .map_err(|error| Error::Internal(format!("the files could not be searched: {error}")))
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
        i64::try_from(MOST_PASSAGES).unwrap_or(i64::MAX),
    )
    .fetch_all(pool)
    .await?)
}

/// The cosine of each passage's vector with the question's.
async fn compare(
    pool: &PgPool,
    chat: ChatId,
    query: &str,
    model: Arc<Model>,
) -> Result<HashMap<Uuid, f32>, Error> {
    let id = model.id();
    let query = query.to_owned();
    let vector = tokio::task::spawn_blocking(move || as_text(&model.embed_query(&query)))
        .await
        .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))?;
    let rows = sqlx::query!(
        r#"-- files.compare
         select passage.id, (1 - (passage.vector <=> $3::text::halfvec))::float4 as "similarity!"
         from chat.files as file join chat.file_passages as passage on passage.file_id = file.id
         where file.chat_id = $1 and passage.model = $2"#,
        chat.0,
        id,
        vector,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.similarity)).collect())
}

/// Scores all passages, and leaves the best.
fn rank(
    query: &str,
    mut passages: Vec<FilePassage>,
    similarities: &HashMap<Uuid, f32>,
    limit: usize,
) -> Vec<FilePassage> {
    let is_all = passages.len() <= limit.min(FEW);
    for passage in &mut passages {
        passage.similarity = similarities.get(&passage.id).copied();
    }
    let by_words = by_words(query, &mut passages);
    let by_meaning: Vec<(Uuid, f32)> =
        passages.iter().filter_map(|passage| Some((passage.id, *similarities.get(&passage.id)?))).collect();
    let mut fused: HashMap<Uuid, f32> = HashMap::new();
    for mut ranking in [by_words, by_meaning] {
        ranking.sort_by(|left, right| right.1.total_cmp(&left.1));
        for (rank, (id, _)) in (1_u16..).zip(ranking) {
            *fused.entry(id).or_default() += 1.0 / (K + f32::from(rank));
        }
    }
    for passage in &mut passages {
        passage.score = fused.get(&passage.id).copied().unwrap_or_default();
        passage.relevant |= is_all;
    }
    if !is_all {
        passages.sort_by(|left, right| right.score.total_cmp(&left.score));
        passages.retain(|passage| passage.score > 0.0);
        passages.truncate(limit);
    }
    passages
}

/// The passages that hold some of the words, with their scores; notes of each how much it holds, and whether it is relevant.
fn by_words(query: &str, passages: &mut [FilePassage]) -> Vec<(Uuid, f32)> {
    let terms = content_terms(query);
    let asked: HashSet<&str> = terms.iter().map(String::as_str).collect();
    let initials: HashSet<char> = terms.iter().filter_map(|term| term.chars().next()).collect();
    let counts: Vec<HashMap<&str, f32>> = passages
        .iter()
        .map(|passage| {
            let mut counts: HashMap<&str, f32> = HashMap::new();
            for text in passage.section.iter().chain([&passage.file_name, &passage.content]) {
                with_kept(|analysis| {
                    analysis.run_where(text, |first| initials.contains(&first));
                    for (_, term) in analysis.terms() {
                        if let Some(term) = asked.get(term) {
                            *counts.entry(term).or_default() += 1.0;
                        }
                    }
                });
            }
            counts
        })
        .collect();
    let holding = |term: &str| counts.iter().filter(|counts| counts.contains_key(term)).count();
    let of_all: HashMap<&str, usize> = asked.iter().map(|term| (*term, holding(term))).collect();
    let all = passages.len();
    let of_term = |term: &str| Ok::<u64, Infallible>(of_all.get(term).map_or(0, |count| *count as u64));
    let Ok(judge) = Judge::new(query, all as u64, of_term);
    #[expect(clippy::cast_precision_loss, reason = "a score needs no more than a few digits")]
    let average =
        passages.iter().map(|passage| passage.content.len()).sum::<usize>().max(1) as f32 / all as f32;
    let mut scores = Vec::new();
    for (passage, counts) in passages.iter_mut().zip(&counts) {
        passage.coverage = judge.coverage(&counts.keys().copied().collect());
        passage.relevant = judge.is_relevant(&passage.content, passage.coverage, passage.similarity);
        #[expect(clippy::cast_precision_loss, reason = "a score needs no more than a few digits")]
        let length = passage.content.len() as f32 / average;
        let score: f32 = counts
            .iter()
            .map(|(term, count)| {
                #[expect(clippy::cast_precision_loss, reason = "a score needs no more than a few digits")]
                let (all, holding) = (all as f32, of_all.get(term).copied().unwrap_or_default() as f32);
                let rarity = (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln();
                rarity * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length))
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
    fn the_rarer_word_wins_and_what_holds_none_is_left_out() {
        let found = rank("what is the budget for the meeting?", passages(&TEXTS), &HashMap::new(), 6);
        assert_eq!(numbers(&found), [1, 0]);
        assert!(found[0].relevant && !found[1].relevant, "{found:?}");
        assert_eq!(numbers(&rank("预算什么时候批准", passages(&TEXTS), &HashMap::new(), 6)), [2]);
    }

    #[test]
    fn meaning_is_fused_with_words() {
        let near: HashMap<Uuid, f32> = (1..=6_u8)
            .map(|number| (Uuid::from_u128(number.into()), if number == 4 { 0.9 } else { 0.7 }))
            .collect();
        let found = rank("when do we eat", passages(&TEXTS), &near, 2);
        assert_eq!((numbers(&found)[0], found[0].relevant, found.len()), (3, true, 2));
    }

    #[test]
    fn a_few_are_given_whole_and_in_order() {
        let found = rank("budget", passages(&TEXTS[..3]), &HashMap::new(), 6);
        assert_eq!(numbers(&found), [0, 1, 2]);
        assert!(found.iter().all(|passage| passage.relevant));
    }
}
