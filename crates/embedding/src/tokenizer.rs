//! Tokenizer: a `SentencePiece` unigram model ([Kudo, 2018](https://arxiv.org/abs/1804.10959)). Characters are normalised,
//! words begin with `▁`, and each word is segmented so that the sum of its pieces' scores is maximal (Viterbi algorithm).
//!
//! No piece of the vocabulary crosses the beginning of a word, so words are segmented one by one: time is linear in the text,
//! memory constant, and a caller can stop early.

use std::collections::HashMap;

use crate::Error;
use crate::error::damaged;
use crate::file::Vocabulary;

/// Replacement for the space before a word.
const WORD_MARK: char = '▁';

/// Characters of a word. Only longer runs without a space (a Chinese paragraph, an encoded image) can be segmented differently
/// from the reference, by one token.
const MAX_WORD_CHARS: usize = 4096;

/// Penalty of an unknown character relative to the rarest piece, as in `SentencePiece`.
const UNKNOWN_PENALTY: f32 = 10.0;

/// Converts text to token ids.
pub(crate) struct Tokenizer {
    pieces: crawdad::Trie,
    scores: Vec<f32>,
    unknown: u32,
    unknown_score: f32,
    replacements: HashMap<char, Box<[char]>>,
}

/// Best segmentation up to a character: its score, its last piece, and where that begins.
#[derive(Clone, Copy)]
struct BestPath {
    score: f32,
    piece: u32,
    from: usize,
}

impl Tokenizer {
    pub(crate) fn new(vocabulary: Vocabulary) -> Result<Self, Error> {
        let Vocabulary { pieces, begin, end, padding, unknown, replacements } = vocabulary;
        let lowest = pieces.iter().map(|&(_, score)| score).fold(f32::INFINITY, f32::min);
        let scores = pieces.iter().map(|&(_, score)| score).collect();
        // Special tokens are not text: a document that contains one as text must not end its window.
        let special = [begin, end, padding, unknown];
        let mut records: Vec<(String, u32)> = (0..)
            .zip(pieces)
            .filter(|(number, (piece, _))| {
                !(special.contains(number) || piece.is_empty() || piece == "<mask>")
            })
            .map(|(number, (piece, _))| (piece, number))
            .collect();
        records.sort_unstable();
        records.dedup_by(|later, earlier| later.0 == earlier.0);
        let pieces = crawdad::Trie::from_records(records)
            .map_err(|error| damaged(format!("invalid vocabulary: {error}")))?;
        Ok(Self { pieces, scores, unknown, unknown_score: lowest - UNKNOWN_PENALTY, replacements })
    }

    /// Returns the first `limit` tokens of a prefix and a text, without the special tokens around a window.
    pub(crate) fn tokens(&self, prefix: &str, text: &str, limit: usize) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.segment(prefix.chars().chain(text.chars()), |token| {
            tokens.push(token);
            tokens.len() < limit
        });
        tokens
    }

    /// Counts the tokens of a text, without the special tokens around a window.
    pub(crate) fn count(&self, text: &str) -> usize {
        let mut count = 0;
        self.segment(text.chars(), |_| {
            count += 1;
            true
        });
        count
    }

    /// Passes the tokens to `take`, one by one, until it returns false.
    fn segment(&self, text: impl Iterator<Item = char>, mut take: impl FnMut(u32) -> bool) {
        let mut word = Vec::new();
        let mut paths = Vec::new();
        let mut path = Vec::new();
        let mut at_beginning = true;
        let characters = text.flat_map(|character| self.normalise(character));
        // A space is appended to end the last word.
        for character in characters.chain([' ']) {
            let space = character == ' ';
            if !space {
                if at_beginning {
                    word.push(WORD_MARK);
                    at_beginning = false;
                }
                word.push(character);
            }
            if !word.is_empty() && (space || word.len() >= MAX_WORD_CHARS) {
                self.segment_word(&word, &mut paths, &mut path);
                if !path.drain(..).rev().all(&mut take) {
                    return;
                }
                word.clear();
            }
            at_beginning |= space;
        }
    }

    /// Normalises a character. U+0000 is removed, since the trie uses it as its end mark.
    fn normalise(&self, character: char) -> impl Iterator<Item = char> {
        let replacement = self.replacements.get(&character);
        let itself = (replacement.is_none()).then_some(character);
        replacement.into_iter().flatten().copied().chain(itself).filter(|&character| character != '\0')
    }

    /// Writes the best pieces of a word to `path`, the last one first.
    fn segment_word(&self, word: &[char], paths: &mut Vec<BestPath>, path: &mut Vec<u32>) {
        let unreached = BestPath { score: f32::NEG_INFINITY, piece: self.unknown, from: 0 };
        paths.clear();
        paths.resize(word.len() + 1, unreached);
        paths[0].score = 0.0;
        for from in 0..word.len() {
            let score_before = paths[from].score;
            for (piece, length) in self.pieces.common_prefix_search(word[from..].iter().copied()) {
                let score =
                    score_before + self.scores.get(piece as usize).copied().unwrap_or(f32::NEG_INFINITY);
                if let Some(best) = paths.get_mut(from + length)
                    && score > best.score
                {
                    *best = BestPath { score, piece, from };
                }
            }
            let score = score_before + self.unknown_score;
            let best = &mut paths[from + 1];
            if score > best.score {
                *best = BestPath { score, piece: self.unknown, from };
            }
        }
        let mut at = word.len();
        while at > 0 {
            let BestPath { piece, from, .. } = paths[at];
            // Adjacent unknown characters are one unknown token, as in training.
            if piece != self.unknown || path.last() != Some(&self.unknown) {
                path.push(piece);
            }
            at = if from < at { from } else { at - 1 };
        }
    }
}
