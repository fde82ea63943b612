//! Collects the best passages among those that may be found.
//!
//! A filter as part of the query would keep Tantivy from skipping blocks that cannot reach the top (Block-Max WAND,
//! Ding and Suel 2011). So the filter is applied where a candidate is met, from a column, and skipping stays.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Weight;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};
use uuid::Uuid;

use super::Found;
use super::index::Columns;

/// Which passages may be found.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    /// In these versions, by number.
    pub(super) versions: HashSet<u64>,
    /// But not of these documents under these labels: they have changed since the index was written.
    pub(super) changed: HashSet<(u64, u64)>,
}

/// Collects the best `limit` passages.
pub(super) struct BestPassages {
    pub(super) limit: usize,
    /// Of each segment, by its place.
    pub(super) columns: Arc<[Columns]>,
    pub(super) allowed: Arc<Allowed>,
}

impl Collector for BestPassages {
    type Fruit = Vec<(Score, Found)>;
    type Child = Segment;

    fn for_segment(&self, ordinal: SegmentOrdinal, _reader: &SegmentReader) -> tantivy::Result<Segment> {
        let columns = self.columns.get(ordinal as usize).cloned();
        Ok(Segment {
            limit: self.limit,
            allowed: Arc::clone(&self.allowed),
            columns: columns
                .ok_or_else(|| TantivyError::InternalError("a segment has no columns".to_owned()))?,
            best: BinaryHeap::with_capacity(self.limit + 1),
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn collect_segment(
        &self,
        weight: &dyn Weight,
        ordinal: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<Vec<(Score, Found)>> {
        let mut segment = self.for_segment(ordinal, reader)?;
        let alive = reader.alive_bitset();
        weight.for_each_pruning(Score::MIN, reader, &mut |document, score| {
            if alive.is_none_or(|alive| alive.is_alive(document)) {
                segment.collect(document, score);
            }
            segment.threshold()
        })?;
        Ok(segment.harvest())
    }

    fn merge_fruits(&self, fruits: Vec<Vec<(Score, Found)>>) -> tantivy::Result<Self::Fruit> {
        let mut all: Vec<(Score, Found)> = fruits.into_iter().flatten().collect();
        // Stable: equal scores stay in the order of segments and, within one, of its documents, which is also the order in
        // which a segment prefers them. So the best ten are the beginning of the best twenty.
        all.sort_by(|left, right| right.0.total_cmp(&left.0));
        all.truncate(self.limit);
        Ok(all)
    }
}

/// The best of one segment.
pub(super) struct Segment {
    limit: usize,
    allowed: Arc<Allowed>,
    columns: Columns,
    best: BinaryHeap<Reverse<Candidate>>,
}

#[derive(Debug, PartialEq)]
struct Candidate {
    score: Score,
    document: DocId,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.document.cmp(&self.document))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Segment {
    /// The score below which nothing can enter any more.
    fn threshold(&self) -> Score {
        if self.best.len() < self.limit {
            return Score::MIN;
        }
        self.best.peek().map_or(Score::MIN, |worst| worst.0.score)
    }

    fn is_allowed(&self, document: DocId) -> bool {
        let Some(version) = self.columns.version.first(document) else { return false };
        self.allowed.versions.contains(&version)
            && (self.allowed.changed.is_empty()
                || self
                    .columns
                    .document
                    .first(document)
                    .is_none_or(|document| !self.allowed.changed.contains(&(document, version))))
    }
}

impl SegmentCollector for Segment {
    type Fruit = Vec<(Score, Found)>;

    fn collect(&mut self, document: DocId, score: Score) {
        let full = self.best.len() >= self.limit;
        if (full && score <= self.threshold()) || !self.is_allowed(document) {
            return;
        }
        self.best.push(Reverse(Candidate { score, document }));
        if full {
            self.best.pop();
        }
    }

    fn harvest(self) -> Vec<(Score, Found)> {
        let number =
            |column: &tantivy::columnar::Column<u64>, document| column.first(document).unwrap_or_default();
        // Sorted by `Reverse`: the best first.
        self.best
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(candidate)| {
                let passage = Uuid::from_u64_pair(
                    number(&self.columns.passage_high, candidate.document),
                    number(&self.columns.passage_low, candidate.document),
                );
                (
                    candidate.score,
                    Found { passage, document: number(&self.columns.document, candidate.document) },
                )
            })
            .collect()
    }
}
