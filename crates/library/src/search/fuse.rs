//! Fuses ranks by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009), and keeps one page from filling the
//! results with its own passages.

use std::collections::HashMap;

use super::{Found, Near};

/// The constant of the paper: how much the first ranks stand out.
const K: f32 = 60.0;
/// Passages of one document among the results, at most.
const OF_ONE_DOCUMENT: usize = 2;

/// A passage with its ranks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fused {
    pub(super) found: Found,
    pub(super) score: f32,
    pub(super) text_rank: Option<u32>,
    pub(super) vector_rank: Option<u32>,
    /// The cosine with the question, where it was found by meaning.
    pub(super) similarity: Option<f32>,
}

/// Fuses what was found by words and by meaning, each the best first.
pub(super) fn fuse(text: &[Found], vector: &[Near]) -> Vec<Fused> {
    let by_words = text.iter().map(|found| (*found, None));
    let by_meaning = vector.iter().map(|near| (near.found, Some(near.similarity)));
    let mut fused: HashMap<Found, Fused> = HashMap::new();
    for (rank, (found, similarity)) in (1_u32..).zip(by_words).chain((1_u32..).zip(by_meaning)) {
        let entry = fused.entry(found).or_insert(Fused {
            found,
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
    let mut fused: Vec<Fused> = fused.into_values().collect();
    fused.sort_by(|left, right| {
        right.score.total_cmp(&left.score).then_with(|| left.found.passage.cmp(&right.found.passage))
    });
    fused
}

/// Leaves at most [`OF_ONE_DOCUMENT`] passages of each document.
pub(super) fn spread(fused: Vec<Fused>) -> Vec<Fused> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    fused
        .into_iter()
        .filter(|hit| {
            let count = counts.entry(hit.found.document).or_default();
            *count += 1;
            *count <= OF_ONE_DOCUMENT
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn found(passage: u128, document: u64) -> Found {
        Found { passage: Uuid::from_u128(passage), document }
    }

    fn near(passage: u128, document: u64) -> Near {
        Near { found: found(passage, document), similarity: 0.5 }
    }

    #[test]
    fn what_both_find_comes_first() {
        let fused = fuse(&[found(1, 1), found(2, 2)], &[near(3, 3), near(2, 2)]);
        assert_eq!(fused[0].found, found(2, 2));
        assert_eq!((fused[0].text_rank, fused[0].vector_rank), (Some(2), Some(2)));
        assert_eq!(fused.iter().filter(|hit| hit.similarity.is_some()).count(), 2);
        assert_eq!(fused.len(), 3);
    }

    #[test]
    fn one_page_does_not_fill_the_results() {
        let of_one: Vec<Found> = (0..5).map(|passage| found(passage, 7)).collect();
        let mut text = of_one;
        text.push(found(9, 8));
        let spread = spread(fuse(&text, &[]));
        assert_eq!(spread.iter().map(|hit| hit.found.document).collect::<Vec<_>>(), [7, 7, 8]);
    }
}
