//! Order of the best passages of full-text search: by the parts of the text that hold the words, their order and nearness.
//!
//! BM25 ([Robertson and Zaragoza 2009](https://doi.org/10.1561/1500000019)) counts words wherever they stand. Here the positions of the words in the
//! best hundred are read from the index, and the score is raised by what BM25 does not see: a heading that the query repeats, words
//! that follow each other as in the query, a passage that begins with it, and names that stand there as they were written.

use std::collections::HashMap;

use tantivy::postings::{Postings as _, SegmentPostings};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet as _, SegmentOrdinal, Term};

use super::analysis::{PART_MARK, TermKind, with_thread_analysis};
use super::candidate::TextCandidate;
use super::collector::ScoredPassage;
use super::index::{Fields, IndexSnapshot};
use super::query::ParsedQuery;

/// Number of passages that are put in order.
pub(super) const RERANKED: usize = 100;

/// Maximum number of words whose positions are read.
const MAX_STEPS: usize = 32;
/// Maximum number of positions of a word in a passage.
const MAX_POSITIONS: usize = 64;
/// Distance of two words, in words, beyond which they are not near each other.
const MAX_DISTANCE: u32 = 8;

/// Weights of the features, relative to the score by BM25.
const HEADING_WEIGHT: f32 = 1.5;
const NAME_WEIGHT: f32 = 0.3;
const NEARNESS_WEIGHT: f32 = 0.7;
const RUN_WEIGHT: f32 = 0.3;
const BEGINNING_WEIGHT: f32 = 0.4;
const EXACTNESS_WEIGHT: f32 = 0.3;

/// Factors of passages that hardly answer a question.
const SCHEMA_FACTOR: f32 = 0.85;
const THIN_FACTOR: f32 = 0.7;
/// Minimum number of letters of a text that is more than its heading.
const MIN_LETTERS: usize = 3;
/// Number of letters of links per other letter beyond which a text is a list of links.
const MAX_LINKED: usize = 4;

/// Positions at which the parts of a passage's indexed text begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    /// Position behind the document's name, which begins at 0.
    name: u32,
    /// Range of the last heading.
    heading: (u32, u32),
    /// Number of words of the last heading.
    heading_words: u32,
    /// Position of the text.
    body: u32,
    /// Other traits of the passage.
    traits: PassageTraits,
}

/// Traits of a passage besides its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PassageTraits {
    /// Whether it describes a schema of an API, which operations refer to.
    pub(crate) is_schema: bool,
    /// Whether it has hardly any text: a lone heading, or a list of links.
    pub(crate) is_thin: bool,
}

impl PassageTraits {
    /// Returns the traits of a passage.
    pub(crate) fn of(content_type: &str, section: &[String], content: &str) -> Self {
        let is_schema = content_type == "api" && section.last().is_some_and(|group| group == "Schemas");
        let (text, linked) = count_letters(content);
        let is_thin = content_type == "text" && (text + linked < MIN_LETTERS || linked > MAX_LINKED * text);
        Self { is_schema, is_thin }
    }
}

/// Returns the number of letters and digits of a Markdown text outside headings: those that are not the text of links, and those
/// that are.
fn count_letters(markdown: &str) -> (usize, usize) {
    let (mut text, mut linked) = (0, 0);
    for line in markdown.lines().filter(|line| !line.starts_with('#')) {
        let (mut is_link, mut is_address) = (false, false);
        let mut previous = ' ';
        for character in line.chars() {
            match character {
                '[' => is_link = true,
                ']' => is_link = false,
                '(' if previous == ']' => is_address = true,
                ')' => is_address = false,
                _ if is_address || !character.is_alphanumeric() => {}
                _ if is_link => linked += 1,
                _ => text += 1,
            }
            previous = character;
        }
    }
    (text, linked)
}

/// Bits of the lengths in the column: of name, headings above, last heading, keywords; and the words of the last heading.
const BITS: [u32; 5] = [12, 14, 12, 16, 8];

impl Layout {
    /// Returns the layout of a passage with this name of its document, headings above, last heading and keywords.
    pub(crate) fn of(parts: [&str; 4], traits: PassageTraits) -> Self {
        let mut heading_words = 0;
        let mut lengths = [0_u64; 4];
        with_thread_analysis(|analysis| {
            for (index, (length, part)) in lengths.iter_mut().zip(parts).enumerate() {
                analysis.run(part);
                *length = analysis.end_position() as u64;
                if index == 2 {
                    let steps = analysis.terms().filter(|(term, _)| term.kind == TermKind::Step);
                    heading_words = steps.count() as u64;
                }
            }
        });
        let [name, parents, heading, keywords] = lengths;
        Self { traits, ..Self::from_lengths([name, parents, heading, keywords, heading_words]) }
    }

    /// Returns the layout as a number.
    pub(crate) fn to_column(self) -> u64 {
        let (begin, end) = self.heading;
        let lengths =
            [self.name, begin - self.name - 2, end - begin, self.body - end - 2, self.heading_words];
        let mut column = 0;
        for (length, bits) in lengths.into_iter().zip(BITS) {
            column = (column << bits) | u64::from(length);
        }
        (column << 2) | (u64::from(self.traits.is_schema) << 1) | u64::from(self.traits.is_thin)
    }

    fn from_column(mut column: u64) -> Self {
        let traits = PassageTraits { is_schema: column & 2 != 0, is_thin: column & 1 != 0 };
        column >>= 2;
        let mut lengths = [0; 5];
        for (length, bits) in lengths.iter_mut().zip(BITS).rev() {
            *length = column & ((1 << bits) - 1);
            column >>= bits;
        }
        Self { traits, ..Self::from_lengths(lengths) }
    }

    /// The index leaves one position free between two parts.
    fn from_lengths(lengths: [u64; 5]) -> Self {
        let mut bounded = [0_u32; 5];
        for (bounded, (length, bits)) in bounded.iter_mut().zip(lengths.into_iter().zip(BITS)) {
            *bounded = u32::try_from(length.min((1 << bits) - 1)).unwrap_or(u32::MAX);
        }
        let [name, parents, heading, keywords, heading_words] = bounded;
        let begin = name + 1 + parents + 1;
        let end = begin + heading;
        let body = end + 1 + keywords + 1;
        Self { name, heading: (begin, end), heading_words, body, traits: PassageTraits::default() }
    }
}

/// A word of the query.
struct Step {
    term: Term,
    position: usize,
    weight: f32,
}

/// Puts the best passages in order, the best first; the others follow in theirs.
pub(super) fn rerank(
    mut passages: Vec<ScoredPassage>,
    query: &ParsedQuery,
    snapshot: &IndexSnapshot,
    fields: Fields,
) -> tantivy::Result<Vec<TextCandidate>> {
    let reranked = passages.len().min(RERANKED);
    let steps = steps(query, snapshot, fields)?;
    if steps.is_empty() {
        // Without words there is nothing to cover.
        let known = |passage: ScoredPassage| TextCandidate { candidate: passage.candidate, coverage: 1.0 };
        return Ok(passages.into_iter().map(known).collect());
    }
    let mut coverages = vec![0.0; reranked];
    let names: Vec<Term> =
        query.names().iter().take(MAX_STEPS).map(|name| Term::from_field_text(fields.text, name)).collect();
    let mut by_segment: HashMap<SegmentOrdinal, Vec<(DocId, usize)>> = HashMap::new();
    for (index, passage) in passages.iter().enumerate().take(reranked) {
        by_segment.entry(passage.address.segment_ord).or_default().push((passage.address.doc_id, index));
    }
    for (ordinal, mut documents) in by_segment {
        documents.sort_unstable();
        let Some(columns) = snapshot.columns.get(ordinal as usize) else { continue };
        let index = snapshot.searcher.segment_reader(ordinal).inverted_index(fields.text)?;
        let open = |term: &Term, option| index.read_postings(term, option);
        let with_positions = IndexRecordOption::WithFreqsAndPositions;
        let mut of_steps = Vec::with_capacity(steps.len());
        for step in &steps {
            of_steps.push(open(&step.term, with_positions)?);
        }
        let mut of_names = Vec::with_capacity(names.len());
        for name in &names {
            of_names.push(open(name, IndexRecordOption::Basic)?);
        }
        let mut of_marks = open(&Term::from_field_text(fields.text, PART_MARK), with_positions)?;
        let mut positions: Vec<Vec<u32>> = vec![Vec::new(); steps.len()];
        let mut marks = Vec::new();
        for (document, passage) in documents {
            for (postings, positions) in of_steps.iter_mut().zip(&mut positions) {
                read_positions(postings.as_mut(), document, positions);
            }
            read_positions(of_marks.as_mut(), document, &mut marks);
            let layout = Layout::from_column(columns.layout.first(document).unwrap_or_default());
            let found = of_names.iter_mut().flatten();
            let found = found.filter_map(|postings| (seek(postings, document)).then_some(())).count();
            let features = Features {
                exactness: exactness(&positions, &marks, found, names.len()),
                ..Features::of(&steps, &positions, layout)
            };
            coverages[passage] = features.coverage;
            passages[passage].score *= features.factor();
        }
    }
    let mut order: Vec<usize> = (0..passages.len()).collect();
    // A stable sort: passages with equal scores stay in the order of BM25.
    order[..reranked].sort_by(|left, right| passages[*right].score.total_cmp(&passages[*left].score));
    let candidate = |index: usize| TextCandidate {
        candidate: passages[index].candidate,
        coverage: coverages.get(index).copied().unwrap_or_default(),
    };
    Ok(order.into_iter().map(candidate).collect())
}

/// Returns the words of the query, weighted by their inverse document frequency.
fn steps(query: &ParsedQuery, snapshot: &IndexSnapshot, fields: Fields) -> tantivy::Result<Vec<Step>> {
    let total = snapshot.searcher.num_docs();
    let mut steps = Vec::new();
    for (position, step) in query.steps().iter().take(MAX_STEPS) {
        let term = Term::from_field_text(fields.text, step);
        let frequency = snapshot.searcher.doc_freq(&term)?;
        #[expect(clippy::cast_precision_loss, reason = "a weight needs no more than a few digits")]
        let (total, frequency) = (total.max(frequency) as f32, frequency as f32);
        let weight = (1.0 + (total - frequency + 0.5) / (frequency + 0.5)).ln();
        steps.push(Step { term, position: *position, weight });
    }
    Ok(steps)
}

/// Moves to a document and returns whether it contains the term.
fn seek(postings: &mut SegmentPostings, document: DocId) -> bool {
    postings.doc() <= document && postings.seek(document) == document
}

fn read_positions(postings: Option<&mut SegmentPostings>, document: DocId, positions: &mut Vec<u32>) {
    positions.clear();
    if let Some(postings) = postings
        && seek(postings, document)
    {
        postings.positions(positions);
        positions.truncate(MAX_POSITIONS);
    }
}

/// Features of a passage, each 0 to 1.
#[derive(Debug, Default)]
struct Features {
    /// Share of the query's words that it contains.
    coverage: f32,
    /// Largest share of the query that stands there as in the query, without a gap.
    run: f32,
    /// How much the last heading and the query are the same.
    heading: f32,
    /// Share of the query that the document's name holds.
    name: f32,
    /// How much of the query follows each other as in the query.
    nearness: f32,
    /// How much of the query the text begins with.
    beginning: f32,
    /// Share of the query's names and words that stand for themselves.
    exactness: f32,
    traits: PassageTraits,
}

impl Features {
    fn of(steps: &[Step], positions: &[Vec<u32>], layout: Layout) -> Self {
        let total: f32 = steps.iter().map(|step| step.weight).sum();
        let share_in = |from: u32, to: u32| -> f32 {
            let is_in = |positions: &Vec<u32>| positions.iter().any(|position| (from..to).contains(position));
            let held = steps.iter().zip(positions).filter(|(_, positions)| is_in(positions));
            held.map(|(step, _)| step.weight).sum::<f32>() / total
        };
        let (begin, end) = layout.heading;
        let in_heading = share_in(begin, end);
        let mut covered: Vec<u32> =
            positions.iter().flatten().copied().filter(|at| (begin..end).contains(at)).collect();
        covered.sort_unstable();
        covered.dedup();
        #[expect(clippy::cast_precision_loss, reason = "a heading has few words")]
        let precision = (covered.len() as f32 / layout.heading_words.max(1) as f32).min(1.0);
        let ordered = order_in(steps, positions, begin, end);
        Self {
            heading: in_heading * in_heading * precision * (0.6 + 0.4 * ordered),
            name: share_in(0, layout.name),
            coverage: share_in(0, u32::MAX),
            run: longest_run(steps, positions),
            nearness: nearness(steps, positions),
            beginning: beginning(steps, positions, layout),
            exactness: 0.0,
            traits: layout.traits,
        }
    }

    fn factor(&self) -> f32 {
        let schema = if self.traits.is_schema { SCHEMA_FACTOR } else { 1.0 };
        let thin = if self.traits.is_thin { THIN_FACTOR } else { 1.0 };
        let features = 1.0
            + HEADING_WEIGHT * self.heading
            + NAME_WEIGHT * self.name
            + NEARNESS_WEIGHT * self.nearness
            + RUN_WEIGHT * self.run
            + BEGINNING_WEIGHT * self.beginning
            + EXACTNESS_WEIGHT * self.exactness;
        features * schema * thin
    }
}

/// Returns the weighted share of neighbours of the query that are neighbours in the passage; those that are merely near count less.
fn nearness(steps: &[Step], positions: &[Vec<u32>]) -> f32 {
    let (mut near, mut total) = (0.0, 0.0);
    for (pair, held) in steps.windows(2).zip(positions.windows(2)) {
        let weight = pair[0].weight.min(pair[1].weight) + 0.5;
        total += weight;
        let apart = u32::try_from(pair[1].position - pair[0].position).unwrap_or(1).max(1);
        if let Some(distance) = least_distance(&held[0], &held[1], apart) {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let share = if distance == 0 { 1.0 } else { 0.5 / (1.0 + distance as f32) };
            near += weight * share;
        }
    }
    if total > 0.0 { near / total } else { 0.0 }
}

/// Returns the largest weighted share of the query's words that follow each other in the passage as in the query; 0 for a single word.
fn longest_run(steps: &[Step], positions: &[Vec<u32>]) -> f32 {
    let total: f32 = steps.iter().map(|step| step.weight).sum();
    if steps.len() < 2 || total <= 0.0 {
        return 0.0;
    }
    let mut best = 0.0_f32;
    // Weights of the runs that end at each position of the last word.
    let mut before: Vec<(u32, f32)> = Vec::new();
    for (index, (step, held)) in steps.iter().zip(positions).enumerate() {
        let apart =
            index.checked_sub(1).and_then(|last| u32::try_from(step.position - steps[last].position).ok());
        let runs = held.iter().map(|position| {
            let last = apart.and_then(|apart| position.checked_sub(apart)).and_then(|wanted| {
                before
                    .binary_search_by_key(&wanted, |(position, _)| *position)
                    .ok()
                    .map(|found| before[found].1)
            });
            (*position, last.unwrap_or(0.0) + step.weight)
        });
        let runs: Vec<(u32, f32)> = runs.collect();
        best = runs.iter().fold(best, |best, (_, weight)| best.max(*weight));
        before = runs;
    }
    best / total
}

/// Returns how far two words are from being `apart` positions from each other in this order, at least, if they are near.
fn least_distance(left: &[u32], right: &[u32], apart: u32) -> Option<u32> {
    let mut least = None;
    let mut next = 0;
    for position in left {
        let wanted = position + apart;
        while next < right.len() && right[next] < wanted {
            next += 1;
        }
        let around =
            right.get(next).into_iter().chain(next.checked_sub(1).and_then(|before| right.get(before)));
        for other in around {
            let distance = other.abs_diff(wanted);
            if distance <= MAX_DISTANCE && least.is_none_or(|least| distance < least) {
                least = Some(distance);
            }
        }
    }
    least
}

/// Returns the share of neighbours of the query that are neighbours between two positions; 1 for a single word.
fn order_in(steps: &[Step], positions: &[Vec<u32>], from: u32, to: u32) -> f32 {
    let pairs = steps.len().saturating_sub(1);
    if pairs == 0 {
        return 1.0;
    }
    let mut ordered = 0;
    for (pair, held) in steps.windows(2).zip(positions.windows(2)) {
        let apart = u32::try_from(pair[1].position - pair[0].position).unwrap_or(1);
        let follows = |position: &&u32| {
            (from..to).contains(*position) && held[1].binary_search(&(**position + apart)).is_ok()
        };
        ordered += usize::from(held[0].iter().any(|position| follows(&position)));
    }
    #[expect(clippy::cast_precision_loss, reason = "a query has few words")]
    let share = ordered as f32 / pairs as f32;
    share
}

/// Returns the share of the query that the text begins with, behind its heading.
fn beginning(steps: &[Step], positions: &[Vec<u32>], layout: Layout) -> f32 {
    let first_words = layout.body..=layout.body + (layout.heading.1 - layout.heading.0) + 1;
    let mut best = 0;
    for begin in positions[0].iter().filter(|position| first_words.contains(position)) {
        let mut length = 0;
        for (step, held) in steps.iter().zip(positions) {
            let wanted = begin + u32::try_from(step.position - steps[0].position).unwrap_or(0);
            if held.binary_search(&wanted).is_err() {
                break;
            }
            length += 1;
        }
        best = best.max(length);
    }
    #[expect(clippy::cast_precision_loss, reason = "a query has few words")]
    let share = best as f32 / steps.len() as f32;
    share
}

/// Returns the share of the query's names that are contained, and of its words that are no mere part of a name.
fn exactness(positions: &[Vec<u32>], marks: &[u32], names: usize, all_names: usize) -> f32 {
    let is_exact =
        |positions: &&Vec<u32>| positions.iter().any(|position| marks.binary_search(position).is_err());
    let exact = if all_names > 0 { names } else { positions.iter().filter(is_exact).count() };
    let all = if all_names > 0 { all_names } else { positions.len() };
    #[expect(clippy::cast_precision_loss, reason = "a query has few words")]
    let share = exact as f32 / all.max(1) as f32;
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_survives_its_column() {
        let traits = PassageTraits { is_schema: false, is_thin: true };
        let layout = Layout::of(["file name", "Above this", "Heading of three", "key words"], traits);
        assert_eq!(layout.heading, (6, 9));
        assert_eq!((layout.name, layout.heading_words, layout.body), (2, 3, 13));
        assert_eq!(Layout::from_column(layout.to_column()), layout);
        let long = "word ".repeat(100_000);
        let layout = Layout::of([&long, &long, &long, &long], PassageTraits::default());
        assert_eq!(Layout::from_column(layout.to_column()), layout);
    }

    #[test]
    fn lone_headings_and_lists_of_links_are_thin() {
        let is_thin = |content: &str| PassageTraits::of("text", &[], content).is_thin;
        assert!(is_thin("## A heading alone"));
        assert!(is_thin("- [Install](install.md)\n- [Configure the pool](pool.md)"));
        assert!(!is_thin("## Pool\n\nThe [pool](pool.md) keeps connections."));
        assert!(!is_thin("阀常闭。"));
        let section = ["API".to_owned(), "Schemas".to_owned()];
        assert!(PassageTraits::of("api", &section, "### lock").is_schema);
    }

    fn query(weights: &[f32]) -> Vec<Step> {
        let field = tantivy::schema::Field::from_field_id(0);
        let step = |(position, weight): (usize, &f32)| Step {
            term: Term::from_field_text(field, "word"),
            position,
            weight: *weight,
        };
        weights.iter().enumerate().map(step).collect()
    }

    #[test]
    fn words_in_order_are_nearer_than_words_apart() {
        let steps = query(&[1.0, 1.0]);
        let near = |left: &[u32], right: &[u32]| nearness(&steps, &[left.to_vec(), right.to_vec()]);
        assert!((near(&[4], &[5]) - 1.0).abs() < 1e-6);
        assert!(near(&[4], &[7]) < near(&[4], &[6]));
        assert!(near(&[5], &[4]) < near(&[4], &[5]));
        assert!(near(&[4], &[400]).abs() < 1e-6);
        assert!(near(&[4], &[]).abs() < 1e-6);
    }

    #[test]
    fn the_longest_run_is_found() {
        let steps = query(&[1.0, 1.0, 2.0]);
        let run = |positions: [&[u32]; 3]| longest_run(&steps, &positions.map(<[u32]>::to_vec));
        assert!((run([&[1, 7], &[2, 8], &[9]]) - 1.0).abs() < 1e-6);
        assert!((run([&[1], &[2], &[9]]) - 0.5).abs() < 1e-6);
        assert!(run([&[], &[], &[]]).abs() < 1e-6);
    }

    #[test]
    fn a_heading_that_is_the_query_counts_most() {
        let steps = query(&[1.0, 1.0]);
        let layout = Layout::from_lengths([1, 0, 2, 0, 2]);
        let (begin, _) = layout.heading;
        let of = |left: &[u32], right: &[u32]| {
            Features::of(&steps, &[left.to_vec(), right.to_vec()], layout).heading
        };
        assert!((of(&[begin], &[begin + 1]) - 1.0).abs() < 1e-6);
        assert!(of(&[begin + 1], &[begin]) < 1.0);
        assert!(of(&[begin], &[]) < 0.5);
        assert!(of(&[layout.body], &[layout.body + 1]).abs() < 1e-6);
    }
}
