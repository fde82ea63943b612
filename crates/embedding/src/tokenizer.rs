//! Cuts text into the model's pieces as a `SentencePiece` unigram model does: characters are normalised,
//! words begin with `▁`, and each word is cut where the sum of the pieces' scores is greatest (Viterbi).
//!
//! No piece of the vocabulary goes over a word's beginning, so words are cut one by one. That makes the work
//! linear and the memory constant for any text, and lets the reader of tokens stop when it has enough.

use std::collections::HashMap;

use crate::Error;
use crate::error::damaged;
use crate::file::Vocabulary;

/// What stands for a space at the beginning of a word.
const WORD_MARK: char = '▁';

/// A run without spaces is cut after this many characters at the latest. Only text without any space (a
/// Chinese paragraph of more than 4,096 characters, an encoded image) can be cut otherwise than by the
/// original, and then by a token.
const LONGEST_WORD: usize = 4096;

/// What a character outside the vocabulary costs beside the rarest piece; `SentencePiece` has the same
/// figure.
const UNKNOWN_PENALTY: f32 = 10.0;

/// Text to token numbers.
pub(crate) struct Tokenizer {
    pieces: crawdad::Trie,
    scores: Vec<f32>,
    unknown: u32,
    unknown_score: f32,
    replacements: HashMap<char, Box<[char]>>,
}

/// The best way to arrive behind a character.
#[derive(Clone, Copy)]
struct Arrival {
    score: f32,
    piece: u32,
    from: usize,
}

impl Tokenizer {
    pub(crate) fn new(vocabulary: Vocabulary) -> Result<Self, Error> {
        let Vocabulary { pieces, begin, end, padding, unknown, replacements } = vocabulary;
        let lowest = pieces.iter().map(|&(_, score)| score).fold(f32::INFINITY, f32::min);
        let scores = pieces.iter().map(|&(_, score)| score).collect();
        // The marks are no text: a document that spells one out must not end its own window.
        let marks = [begin, end, padding, unknown];
        let mut records: Vec<(String, u32)> = (0..)
            .zip(pieces)
            .filter(|(number, (piece, _))| !(marks.contains(number) || piece.is_empty() || piece == "<mask>"))
            .map(|(number, (piece, _))| (piece, number))
            .collect();
        records.sort_unstable();
        records.dedup_by(|later, earlier| later.0 == earlier.0);
        let pieces = crawdad::Trie::from_records(records)
            .map_err(|error| damaged(format!("its vocabulary cannot be used ({error})")))?;
        Ok(Self { pieces, scores, unknown, unknown_score: lowest - UNKNOWN_PENALTY, replacements })
    }

    /// The tokens of the beginning of a prefix and a text, at most `limit`, without the marks around a
    /// window.
    pub(crate) fn tokens(&self, prefix: &str, text: &str, limit: usize) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.cut(prefix.chars().chain(text.chars()), |token| {
            tokens.push(token);
            tokens.len() < limit
        });
        tokens
    }

    /// How many tokens a whole text has, without the marks around a window.
    pub(crate) fn count(&self, text: &str) -> usize {
        let mut count = 0;
        self.cut(text.chars(), |_| {
            count += 1;
            true
        });
        count
    }

    /// Gives the tokens one after the other until `take` has enough.
    fn cut(&self, text: impl Iterator<Item = char>, mut take: impl FnMut(u32) -> bool) {
        let mut word = Vec::new();
        let mut arrivals = Vec::new();
        let mut path = Vec::new();
        let mut at_beginning = true;
        let characters = text.flat_map(|character| self.normalised(character));
        // The space that ends the last word is put there.
        for character in characters.chain([' ']) {
            let space = character == ' ';
            if !space {
                if at_beginning {
                    word.push(WORD_MARK);
                    at_beginning = false;
                }
                word.push(character);
            }
            if !word.is_empty() && (space || word.len() >= LONGEST_WORD) {
                self.cut_word(&word, &mut arrivals, &mut path);
                if !path.drain(..).rev().all(&mut take) {
                    return;
                }
                word.clear();
            }
            at_beginning |= space;
        }
    }

    /// What a character becomes. U+0000 vanishes: it is no character of text, and the trie's own end mark.
    fn normalised(&self, character: char) -> impl Iterator<Item = char> {
        let replacement = self.replacements.get(&character);
        let itself = (replacement.is_none()).then_some(character);
        replacement.into_iter().flatten().copied().chain(itself).filter(|&character| character != '\0')
    }

    /// The best pieces of one word, last first, in `path`.
    fn cut_word(&self, word: &[char], arrivals: &mut Vec<Arrival>, path: &mut Vec<u32>) {
        let nowhere = Arrival { score: f32::NEG_INFINITY, piece: self.unknown, from: 0 };
        arrivals.clear();
        arrivals.resize(word.len() + 1, nowhere);
        arrivals[0].score = 0.0;
        for from in 0..word.len() {
            let so_far = arrivals[from].score;
            for (piece, length) in self.pieces.common_prefix_search(word[from..].iter().copied()) {
                let score = so_far + self.scores.get(piece as usize).copied().unwrap_or(f32::NEG_INFINITY);
                if let Some(arrival) = arrivals.get_mut(from + length)
                    && score > arrival.score
                {
                    *arrival = Arrival { score, piece, from };
                }
            }
            let score = so_far + self.unknown_score;
            let arrival = &mut arrivals[from + 1];
            if score > arrival.score {
                *arrival = Arrival { score, piece: self.unknown, from };
            }
        }
        let mut at = word.len();
        while at > 0 {
            let Arrival { piece, from, .. } = arrivals[at];
            // Neighbouring unknown characters are one unknown token, as in training.
            if piece != self.unknown || path.last() != Some(&self.unknown) {
                path.push(piece);
            }
            at = if from < at { from } else { at - 1 };
        }
    }
}
