//! Tantivy collector of the best passages in scope.
//!
//! A filter as part of the query would keep Tantivy from skipping blocks that cannot reach the top (Block-Max WAND,
//! [Ding and Suel 2011](https://doi.org/10.1145/2009916.2010048)). So the filter is applied to each hit, from a column,
//! and skipping stays.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Weight;
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};
use uuid::Uuid;

use super::candidate::Candidate;
use super::index::Columns;

/// Passages that can be found.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowed {
    /// Versions, by number.
    pub(super) versions: HashSet<u64>,
    /// Documents and versions that are excluded, because they have changed since the index was written.
    pub(super) changed: HashSet<(u64, u64)>,
}

/// A passage that matches a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoredPassage {
    pub(super) score: Score,
    pub(super) candidate: Candidate,
    /// Address in the index.
    pub(super) address: DocAddress,
}

/// Collector of the best `limit` passages.
pub(super) struct BestPassages {
    pub(super) limit: usize,
    /// Columns of each segment, by its ordinal.
    pub(super) columns: Arc<[Columns]>,
    pub(super) allowed: Arc<Allowed>,
}

impl Collector for BestPassages {
    type Fruit = Vec<ScoredPassage>;
    type Child = SegmentBest;

    fn for_segment(&self, ordinal: SegmentOrdinal, _reader: &SegmentReader) -> tantivy::Result<SegmentBest> {
        let columns = self.columns.get(ordinal as usize).cloned();
        Ok(SegmentBest {
            ordinal,
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
    ) -> tantivy::Result<Vec<ScoredPassage>> {
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

    fn merge_fruits(&self, fruits: Vec<Vec<ScoredPassage>>) -> tantivy::Result<Self::Fruit> {
        let mut all: Vec<ScoredPassage> = fruits.into_iter().flatten().collect();
        // A stable sort: equal scores stay in the order of segments and, within one, of its documents, which is also the
        // order in which a segment prefers them. So the best ten are the beginning of the best twenty.
        all.sort_by(|left, right| right.score.total_cmp(&left.score));
        all.truncate(self.limit);
        Ok(all)
    }
}

/// Best passages of one segment.
pub(super) struct SegmentBest {
    ordinal: SegmentOrdinal,
    limit: usize,
    allowed: Arc<Allowed>,
    columns: Columns,
    best: BinaryHeap<Reverse<SegmentHit>>,
}

#[derive(Debug, PartialEq)]
struct SegmentHit {
    score: Score,
    document: DocId,
}

impl Eq for SegmentHit {}

impl Ord for SegmentHit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.document.cmp(&self.document))
    }
}

impl PartialOrd for SegmentHit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SegmentBest {
    /// Returns the score up to which no further hit is collected.
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

impl SegmentCollector for SegmentBest {
    type Fruit = Vec<ScoredPassage>;

    fn collect(&mut self, document: DocId, score: Score) {
        let full = self.best.len() >= self.limit;
        if (full && score <= self.threshold()) || !self.is_allowed(document) {
            return;
        }
        self.best.push(Reverse(SegmentHit { score, document }));
        if full {
            self.best.pop();
        }
    }

    fn harvest(self) -> Vec<ScoredPassage> {
        let number =
            |column: &tantivy::columnar::Column<u64>, document| column.first(document).unwrap_or_default();
        // Sorted by `Reverse`, so the best come first.
        self.best
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(hit)| {
                let passage = Uuid::from_u64_pair(
                    number(&self.columns.passage_high, hit.document),
                    number(&self.columns.passage_low, hit.document),
                );
                let candidate = Candidate {
                    passage,
                    document: number(&self.columns.document, hit.document),
                    version: number(&self.columns.version, hit.document),
                    content: number(&self.columns.content, hit.document),
                };
                ScoredPassage {
                    score: hit.score,
                    candidate,
                    address: DocAddress::new(self.ordinal, hit.document),
                }
            })
            .collect()
    }
}
