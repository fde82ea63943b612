//! Reciprocal rank fusion ([Cormack, Clarke and Büttcher 2009](https://doi.org/10.1145/1571941.1572114)) of full-text and
//! vector search, and the limit of passages a document.

use std::collections::HashMap;

use super::candidate::{Candidate, VectorCandidate};

/// Constant `k` of the paper: a larger one gives the first ranks less weight.
const K: f32 = 60.0;
/// Maximum number of passages of one document among the results.
const MAX_PER_DOCUMENT: usize = 2;

/// A candidate with its ranks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FusedCandidate {
    pub(super) candidate: Candidate,
    pub(super) score: f32,
    pub(super) text_rank: Option<u32>,
    pub(super) vector_rank: Option<u32>,
    /// Cosine similarity to the query, if vector search found it.
    pub(super) similarity: Option<f32>,
}

/// Fuses the candidates of full-text and vector search, each with the best first, into one list with the best first.
pub(super) fn fuse(text: &[Candidate], vector: &[VectorCandidate]) -> Vec<FusedCandidate> {
    let by_text = text.iter().map(|candidate| (*candidate, None));
    let by_vector = vector.iter().map(|found| (found.candidate, Some(found.similarity)));
    let mut fused: HashMap<Candidate, FusedCandidate> = HashMap::new();
    for (rank, (candidate, similarity)) in (1_u32..).zip(by_text).chain((1_u32..).zip(by_vector)) {
        let entry = fused.entry(candidate).or_insert(FusedCandidate {
            candidate,
            score: 0.0,
            text_rank: None,
            vector_rank: None,
            similarity: None,
        });
        #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
        let share = 1.0 / (K + rank as f32);
        entry.score += share;
        if similarity.is_none() {
            entry.text_rank = Some(rank);
        } else {
            entry.vector_rank = Some(rank);
            entry.similarity = similarity;
        }
    }
    let mut fused: Vec<FusedCandidate> = fused.into_values().collect();
    fused.sort_by(|left, right| {
        right.score.total_cmp(&left.score).then_with(|| left.candidate.passage.cmp(&right.candidate.passage))
    });
    fused
}

/// Keeps at most [`MAX_PER_DOCUMENT`] passages of each document.
pub(super) fn limit_per_document(fused: Vec<FusedCandidate>) -> Vec<FusedCandidate> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    fused
        .into_iter()
        .filter(|hit| {
            let count = counts.entry(hit.candidate.document).or_default();
            *count += 1;
            *count <= MAX_PER_DOCUMENT
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn candidate(passage: u128, document: u64) -> Candidate {
        Candidate { passage: Uuid::from_u128(passage), document }
    }

    fn vector(passage: u128, document: u64) -> VectorCandidate {
        VectorCandidate { candidate: candidate(passage, document), similarity: 0.5 }
    }

    #[test]
    fn candidates_of_both_methods_come_first() {
        let fused = fuse(&[candidate(1, 1), candidate(2, 2)], &[vector(3, 3), vector(2, 2)]);
        assert_eq!(fused[0].candidate, candidate(2, 2));
        assert_eq!((fused[0].text_rank, fused[0].vector_rank), (Some(2), Some(2)));
        assert_eq!(fused.iter().filter(|hit| hit.similarity.is_some()).count(), 2);
        assert_eq!(fused.len(), 3);
    }

    #[test]
    fn one_document_does_not_fill_the_results() {
        let mut text: Vec<Candidate> = (0..5).map(|passage| candidate(passage, 7)).collect();
        text.push(candidate(9, 8));
        let limited = limit_per_document(fuse(&text, &[]));
        assert_eq!(limited.iter().map(|hit| hit.candidate.document).collect::<Vec<_>>(), [7, 7, 8]);
    }
}
