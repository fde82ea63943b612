//! Reader of the model file ("E5S1", little-endian). The file is not trusted: every size is compared with the file's length
//! before memory is allocated, every float must be finite, and each tensor must have the size that follows from the model's
//! shape.
//!
//! Tensors are read one by one with seeks, so that loading needs little more memory than the loaded model.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

use crate::Error;
use crate::error::damaged;
use crate::quantised::{Blocks, QUANTISATION_BLOCK, QUANTISED_BLOCK_BYTES};

// Bounds far above the sizes of real models; products of sizes cannot overflow.
const MAX_LAYERS: u64 = 128;
const MAX_WIDTH: u64 = 1 << 14;
const MAX_VOCABULARY: u64 = 1 << 24;
const MAX_PIECE_BYTES: usize = 256;
const MAX_NAME_BYTES: u64 = 64;
const DIRECTORY_ENTRY_BYTES: u64 = 2 + 1 + 4 + 8 + 8;

/// Sizes of the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) feed_forward: usize,
    pub(crate) vocabulary: usize,
    /// Tokens of a window, including the special tokens at both ends.
    pub(crate) positions: usize,
    pub(crate) types: usize,
    pub(crate) epsilon: f32,
}

/// Vocabulary and character map of the tokenizer, as stored in the file.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) pieces: Vec<(String, f32)>,
    pub(crate) begin: u32,
    pub(crate) end: u32,
    pub(crate) padding: u32,
    pub(crate) unknown: u32,
    /// Replacements of characters by normalisation; other characters are kept.
    pub(crate) replacements: HashMap<char, Box<[char]>>,
}

/// A file whose header has been read and checked; tensors are read from it by name.
pub(crate) struct ModelFile<Source> {
    source: Source,
    length: u64,
    position: u64,
    tensors: HashMap<String, Tensor>,
    /// Bytes of tensors that have not been read. Each byte can be read once, so that a directory in which many tensors share
    /// bytes cannot allocate more than the file's length.
    unread: u64,
}

#[derive(Debug, Clone, Copy)]
struct Tensor {
    quantised: bool,
    count: u64,
    offset: u64,
    bytes: u64,
}

impl<Source: Read + Seek> ModelFile<Source> {
    /// Reads the header of a model: its shape, its vocabulary and the directory of its tensors.
    pub(crate) fn open(mut source: Source) -> Result<(Self, Shape, Vocabulary), Error> {
        let length = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        let mut file = Self { source, length, position: 0, tensors: HashMap::new(), unread: length };
        if length < 8 || file.bytes(4)? != b"E5S1" || file.u32()? != 1 {
            return Err(Error::NotAModel);
        }
        let shape = file.shape()?;
        let vocabulary = file.vocabulary(&shape)?;
        file.directory()?;
        Ok((file, shape, vocabulary))
    }

    /// Reads a tensor of `count` floats.
    pub(crate) fn floats(&mut self, name: &str, count: usize) -> Result<Vec<f32>, Error> {
        let bytes = self.tensor(name, false, count)?;
        let values = floats_of(&bytes);
        finite(name, &values)?;
        Ok(values)
    }

    /// Reads a quantised matrix of `rows` rows and `columns` columns.
    pub(crate) fn matrix(&mut self, name: &str, rows: usize, columns: usize) -> Result<Blocks, Error> {
        let count = rows.checked_mul(columns).ok_or_else(|| damaged(format!("{name} is too large")))?;
        let bytes = self.tensor(name, true, count)?;
        Blocks::new(columns, bytes).ok_or_else(|| damaged(format!("{name} has a scale that is not finite")))
    }

    fn tensor(&mut self, name: &str, quantised: bool, count: usize) -> Result<Vec<u8>, Error> {
        let tensor = *self.tensors.get(name).ok_or_else(|| damaged(format!("{name} is missing")))?;
        let count = count as u64;
        let bytes = if quantised {
            count / QUANTISATION_BLOCK as u64 * QUANTISED_BLOCK_BYTES as u64
        } else {
            count.saturating_mul(4)
        };
        if tensor.quantised != quantised || tensor.count != count || tensor.bytes != bytes {
            return Err(damaged(format!("the size or type of {name} does not fit the model's shape")));
        }
        self.unread = self.unread.checked_sub(bytes).ok_or_else(|| damaged("tensors overlap"))?;
        self.source.seek(SeekFrom::Start(tensor.offset))?;
        self.position = tensor.offset;
        self.bytes(bytes)
    }

    fn shape(&mut self) -> Result<Shape, Error> {
        let hidden = self.count("hidden size", 1, MAX_WIDTH)?;
        let layers = self.count("number of layers", 1, MAX_LAYERS)?;
        let heads = self.count("number of heads", 1, MAX_WIDTH)?;
        let feed_forward = self.count("feed-forward size", 1, MAX_WIDTH)?;
        let vocabulary = self.count("vocabulary", 1, MAX_VOCABULARY)?;
        let positions = self.count("number of positions", 3, MAX_WIDTH)?;
        let types = self.count("number of types", 1, MAX_WIDTH)?;
        let epsilon = f32::from_bits(self.u32()?);
        let block = self.count("quantisation block", 1, MAX_WIDTH)?;
        if block != QUANTISATION_BLOCK {
            return Err(damaged("the quantisation block is not 32"));
        }
        if !hidden.is_multiple_of(block)
            || !feed_forward.is_multiple_of(block)
            || !hidden.is_multiple_of(heads)
        {
            return Err(damaged("the sizes are not multiples of each other"));
        }
        if !(epsilon.is_finite() && epsilon > 0.0) {
            return Err(damaged("epsilon is not a positive number"));
        }
        Ok(Shape { hidden, layers, heads, feed_forward, vocabulary, positions, types, epsilon })
    }

    fn vocabulary(&mut self, shape: &Shape) -> Result<Vocabulary, Error> {
        let count = self.count("number of pieces", 1, shape.vocabulary as u64)?;
        let [begin, end, padding, unknown] = [self.u32()?, self.u32()?, self.u32()?, self.u32()?];
        if [begin, end, padding, unknown].iter().any(|&token| token as usize >= count) {
            return Err(damaged("a special token is outside the vocabulary"));
        }
        let blob_bytes = self.u64()?;
        let offsets = self.bytes((count as u64 + 1) * 4)?;
        let offsets = words_of(&offsets);
        let scores = floats_of(&self.bytes(count as u64 * 4)?);
        finite("scores", &scores)?;
        let blob = self.bytes(blob_bytes)?;
        let mut pieces = Vec::with_capacity(count);
        for (bounds, score) in offsets.windows(2).zip(scores) {
            let piece = blob
                .get(bounds[0] as usize..bounds[1] as usize)
                .filter(|piece| piece.len() <= MAX_PIECE_BYTES)
                .and_then(|piece| std::str::from_utf8(piece).ok())
                .ok_or_else(|| damaged("a piece is not valid UTF-8 or too long"))?;
            pieces.push((piece.to_owned(), score));
        }
        let replacements = self.replacements()?;
        Ok(Vocabulary { pieces, begin, end, padding, unknown, replacements })
    }

    fn replacements(&mut self) -> Result<HashMap<char, Box<[char]>>, Error> {
        let count = self.u32()?;
        let bytes = u64::from(self.u32()?);
        let table = self.bytes(bytes)?;
        let mut rest = table.as_slice();
        let mut replacements = HashMap::new();
        for _ in 0..count {
            let entry = rest
                .split_first_chunk::<5>()
                .and_then(|(&[a, b, c, d, length], after)| {
                    let (to, after) = after.split_at_checked(usize::from(length) * 4)?;
                    let from = char::from_u32(u32::from_le_bytes([a, b, c, d]))?;
                    let to = words_of(to).into_iter().map(char::from_u32).collect::<Option<Box<[char]>>>()?;
                    Some((from, to, after))
                })
                .ok_or_else(|| damaged("the character map is invalid"))?;
            let (from, to, after) = entry;
            replacements.insert(from, to);
            rest = after;
        }
        Ok(replacements)
    }

    fn directory(&mut self) -> Result<(), Error> {
        let count = u64::from(self.u32()?);
        if count > (self.length - self.position) / DIRECTORY_ENTRY_BYTES {
            return Err(damaged("the directory has more tensors than fit in the file"));
        }
        for _ in 0..count {
            let name_bytes = u64::from(u16::from_le_bytes(self.array()?));
            if name_bytes > MAX_NAME_BYTES {
                return Err(damaged("the name of a tensor is too long"));
            }
            let name = String::from_utf8_lossy(&self.bytes(name_bytes)?).into_owned();
            let [kind] = self.array()?;
            let count = u64::from(self.u32()?);
            let offset = self.u64()?;
            let bytes = self.u64()?;
            if kind > 1 || offset.checked_add(bytes).is_none_or(|end| end > self.length) {
                return Err(damaged(format!("{name} is outside the file or has an unknown type")));
            }
            let tensor = Tensor { quantised: kind == 1, count, offset, bytes };
            if self.tensors.insert(name, tensor).is_some() {
                return Err(damaged("two tensors have the same name"));
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &str, min: u64, max: u64) -> Result<usize, Error> {
        let value = u64::from(self.u32()?);
        if value < min || value > max {
            return Err(damaged(format!("{name} is {value}, outside {min} to {max}")));
        }
        usize::try_from(value).map_err(|_too_large| damaged(format!("{name} is too large for this machine")))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Error> {
        let mut array = [0; LENGTH];
        self.source.read_exact(&mut array)?;
        self.position = self.position.saturating_add(LENGTH as u64);
        Ok(array)
    }

    /// Reads the next `count` bytes; allocates only if the file has that many left.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, Error> {
        let end = self.position.checked_add(count).filter(|&end| end <= self.length);
        let (Some(end), Ok(size)) = (end, usize::try_from(count)) else {
            return Err(damaged("the file ends early"));
        };
        let mut bytes = vec![0; size];
        self.source.read_exact(&mut bytes)?;
        self.position = end;
        Ok(bytes)
    }
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

fn floats_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word)).collect()
}

fn finite(name: &str, values: &[f32]) -> Result<(), Error> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(damaged(format!("{name} has a value that is not finite")))
    }
}
