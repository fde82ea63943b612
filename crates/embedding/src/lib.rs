//! Text embeddings: turns text into vectors with the model
//! [multilingual-e5-small](https://huggingface.co/intfloat/multilingual-e5-small) ([Wang et al., 2024](https://arxiv.org/abs/2402.05672)),
//! on the CPU.
//!
//! Pure computation without database, network or asynchronous runtime. The model is one file of 72 MB (format "E5S1": four-bit
//! weights, with the tokenizer). Vectors have length 1, so their dot product is their cosine. [`Model`] is the entry point;
//! `encoder` holds the network, `tokenizer` the segmentation of text, `file` the model's format.
//!
//! ```no_run
//! use embedding::Model;
//!
//! # fn main() -> Result<(), embedding::Error> {
//! let model = Model::load("e5-small-q4.bin".as_ref())?;
//! let passages = model.embed_passages(&["To restore a backup, copy it into the data directory.", "复制权限需要超级用户。"]);
//! let query = model.embed_query("how do I restore a backup");
//! let cosine = |passage: &[f32]| query.iter().zip(passage).map(|(a, b)| a * b).sum::<f32>();
//! assert!(cosine(&passages[0]) > cosine(&passages[1]));
//! # Ok(())
//! # }
//! ```

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

/// Number of windows of a text that are embedded; text after them is ignored. With 510 tokens each they hold about 8,000 tokens,
/// far more than a passage should have, and bound the work for a text.
pub const MAX_WINDOWS: usize = 16;

/// Tokens in a batch. More gain little and no longer fit in the processor's caches.
const BATCH_TOKENS: usize = 512;

/// A loaded model. It is immutable and can be shared between threads; each call uses one processor.
pub struct Model {
    tokenizer: Tokenizer,
    encoder: Encoder,
    workers: Workers,
    begin: u32,
    end: u32,
}

/// Role of a text. The model was trained with a prefix for each.
#[derive(Clone, Copy)]
enum TextRole {
    Query,
    Passage,
}

impl TextRole {
    fn prefix(self) -> &'static str {
        match self {
            Self::Query => "query: ",
            Self::Passage => "passage: ",
        }
    }
}

impl Model {
    /// Loads a model file.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not a model or is damaged, or if no thread can be started.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::read(File::open(path)?)
    }

    /// Loads a model from a seekable source. Allocates at most a small multiple of the source's length, whatever sizes it
    /// declares.
    ///
    /// # Errors
    /// Like [`Model::load`].
    pub fn read(source: impl Read + Seek) -> Result<Self, Error> {
        let (mut file, shape, vocabulary) = ModelFile::open(source)?;
        let (begin, end) = (vocabulary.begin, vocabulary.end);
        let encoder = Encoder::read(&mut file, shape)?;
        let tokenizer = Tokenizer::new(vocabulary)?;
        Ok(Self { tokenizer, encoder, workers: Workers::start()?, begin, end })
    }

    /// Returns the model's stable name, to be stored with its vectors: vectors of different models cannot be compared.
    pub fn id(&self) -> &'static str {
        "multilingual-e5-small-q4"
    }

    /// Returns the number of values in a vector.
    pub fn dimensions(&self) -> usize {
        self.encoder.shape().hidden
    }

    /// Counts the tokens of a text, without the prefix and the two special tokens that embedding adds (about five more). A
    /// window holds 512 with them.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.count(text)
    }

    /// Embeds a query. The vector has length 1.
    pub fn embed_query(&self, text: &str) -> Vec<f32> {
        self.embed(TextRole::Query, &[text]).pop().unwrap_or_default()
    }

    /// Embeds passages, in their order. Each vector has length 1. Texts of more than 512 tokens are split into windows, whose
    /// vectors are averaged, weighted by length; at most [`MAX_WINDOWS`] are used.
    ///
    /// A call can mix texts of any lengths; a dozen in a call are as fast as more.
    pub fn embed_passages(&self, texts: &[&str]) -> Vec<Vec<f32>> {
        self.embed(TextRole::Passage, texts)
    }

    fn embed(&self, role: TextRole, texts: &[&str]) -> Vec<Vec<f32>> {
        self.workers.run(|scratch| {
            let mut batch = Batch { model: self, scratch, windows: Windows::default(), owners: Vec::new() };
            let mut vectors = vec![vec![0.0; self.dimensions()]; texts.len()];
            for (number, text) in texts.iter().enumerate() {
                batch.add(role, number, text, &mut vectors);
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

/// Windows collected until there are enough to run.
struct Batch<'a> {
    model: &'a Model,
    scratch: &'a mut Scratch,
    windows: Windows,
    /// Index of the text of each window.
    owners: Vec<usize>,
}

impl Batch<'_> {
    /// Adds the windows of a text, and runs the batch whenever it is full.
    fn add(&mut self, role: TextRole, owner: usize, text: &str, vectors: &mut [Vec<f32>]) {
        let content = self.model.encoder.shape().positions - 2;
        let tokens = self.model.tokenizer.tokens(role.prefix(), text, content * MAX_WINDOWS);
        for window in tokens.chunks(content) {
            if self.windows.tokens.len() + window.len() > BATCH_TOKENS {
                self.run(vectors);
            }
            self.windows.tokens.push(self.model.begin);
            self.windows.tokens.extend_from_slice(window);
            self.windows.tokens.push(self.model.end);
            self.windows.lengths.push(window.len() + 2);
            self.owners.push(owner);
        }
    }

    /// Encodes the windows and adds their means, weighted by length, to the vectors of their texts.
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
