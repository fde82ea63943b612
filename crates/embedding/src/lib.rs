//! Text to vectors: the multilingual-e5-small model, run on the processor alone.
//!
//! A capability and nothing more: no database, no network, no asynchronous runtime. The model comes as one
//! file of 72 MB (format "E5S1": four-bit weights with the tokenizer inside). What is done with the vectors
//! is the caller's affair; they have length 1, so that their dot product is their cosine.

mod encoder;
mod error;
mod file;
mod kernels;
mod linear;
mod quantised;
mod tokenizer;
mod workers;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::encoder::{Encoder, Scratch, Windows};
use crate::file::ModelFile;
use crate::tokenizer::Tokenizer;
use crate::workers::Workers;

pub use crate::error::Error;

/// Windows of a text that are embedded; what lies behind them does not count. With 510 tokens each they hold
/// some 8,000 tokens, far more than a passage should have, and bound the work a text can ask for.
pub const MAXIMUM_WINDOWS: usize = 16;

/// Tokens that are run together. More gain little and leave the processor's caches.
const TOKENS_TOGETHER: usize = 512;

/// A loaded model. It never changes and may be shared between threads; each call uses one processor.
pub struct Model {
    tokenizer: Tokenizer,
    encoder: Encoder,
    workers: Workers,
    begin: u32,
    end: u32,
}

/// The model was trained with these words before the texts.
#[derive(Clone, Copy)]
enum Kind {
    Query,
    Passage,
}

impl Model {
    /// Loads a model file.
    ///
    /// # Errors
    /// The file cannot be read, is no model or is damaged ([`Error`]); or no thread can be started.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::read(File::open(path)?)
    }

    /// Loads a model from anything that can be read and sought. Never allocates more than a small multiple of
    /// the source's length, whatever the source says of itself.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn read(source: impl Read + Seek) -> Result<Self, Error> {
        let (mut file, shape, vocabulary) = ModelFile::open(source)?;
        let (begin, end) = (vocabulary.begin, vocabulary.end);
        let encoder = Encoder::read(&mut file, shape)?;
        let tokenizer = Tokenizer::new(vocabulary)?;
        Ok(Self { tokenizer, encoder, workers: Workers::start()?, begin, end })
    }

    /// The model's stable name, to be kept beside its vectors: vectors of different names cannot be compared.
    pub fn id(&self) -> &'static str {
        "multilingual-e5-small-q4"
    }

    /// How many values a vector has.
    pub fn dimensions(&self) -> usize {
        self.encoder.shape().hidden
    }

    /// How many tokens a text has, without the prefix and the two marks that embedding adds (about five
    /// more). A window holds 512 in all.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.count(text)
    }

    /// The vector of a question. Its length is 1.
    pub fn embed_query(&self, text: &str) -> Vec<f32> {
        self.embed(Kind::Query, &[text]).pop().unwrap_or_default()
    }

    /// The vectors of passages, in their order. Each has length 1. Texts of more than 512 tokens are cut into
    /// windows, whose vectors are averaged by length; at most [`MAXIMUM_WINDOWS`] are looked at.
    ///
    /// Texts of any lengths may come together; a dozen in a call are as fast as more.
    pub fn embed_passages(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        self.embed(Kind::Passage, texts)
    }

    fn embed(&self, kind: Kind, texts: &[&str]) -> Vec<Vec<f32>> {
        self.workers.run(|scratch| {
            let mut batch = Batch { model: self, scratch, windows: Windows::default(), owners: Vec::new() };
            let mut vectors = vec![vec![0.0; self.dimensions()]; texts.len()];
            for (number, text) in texts.iter().enumerate() {
                batch.add(kind, number, text, &mut vectors);
            }
            batch.run(&mut vectors);
            for vector in &mut vectors {
                normalise(vector);
            }
            vectors
        })
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Model").field("shape", self.encoder.shape()).finish_non_exhaustive()
    }
}

/// Windows gathered until there are enough to run.
struct Batch<'a> {
    model: &'a Model,
    scratch: &'a mut Scratch,
    windows: Windows,
    /// The text that each window is part of.
    owners: Vec<usize>,
}

impl Batch<'_> {
    /// Adds a text's windows, running what has come together meanwhile.
    fn add(&mut self, kind: Kind, owner: usize, text: &str, vectors: &mut [Vec<f32>]) {
        let prefix = match kind {
            Kind::Query => "query: ",
            Kind::Passage => "passage: ",
        };
        let content = self.model.encoder.shape().positions - 2;
        let tokens = self.model.tokenizer.tokens(prefix, text, content * MAXIMUM_WINDOWS);
        for window in tokens.chunks(content) {
            if self.windows.tokens.len() + window.len() > TOKENS_TOGETHER {
                self.run(vectors);
            }
            self.windows.tokens.push(self.model.begin);
            self.windows.tokens.extend_from_slice(window);
            self.windows.tokens.push(self.model.end);
            self.windows.lengths.push(window.len() + 2);
            self.owners.push(owner);
        }
    }

    /// Runs the windows and adds their means, weighted by length, to the vectors of their texts.
    fn run(&mut self, vectors: &mut [Vec<f32>]) {
        let means = self.model.encoder.encode(&self.windows, self.scratch);
        let windows = self.owners.drain(..).zip(self.windows.lengths.drain(..));
        for (mean, (owner, length)) in means.chunks_exact(self.model.dimensions()).zip(windows) {
            #[expect(clippy::cast_precision_loss, reason = "a window has a few hundred tokens")]
            let weight = (length - 2) as f32;
            for (sum, value) in vectors[owner].iter_mut().zip(mean) {
                *sum += weight * value;
            }
        }
        self.windows.tokens.clear();
    }
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        for value in vector {
            *value /= length;
        }
    }
}
