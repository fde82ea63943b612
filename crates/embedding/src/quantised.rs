//! Four-bit blocks of the model file (`Q4_0` of [GGML](https://github.com/ggml-org/ggml)): 32 weights share a scale in half
//! precision. The word embeddings stay in this form in memory, since a text needs only the rows of its own tokens.

use half::f16;

/// Weights that share a scale.
pub(crate) const QUANTISATION_BLOCK: usize = 32;

/// Bytes of a block: the scale, and half a byte for each weight.
pub(crate) const QUANTISED_BLOCK_BYTES: usize = 2 + QUANTISATION_BLOCK / 2;

/// A matrix of four-bit blocks, row after row.
pub(crate) struct Blocks {
    row_bytes: usize,
    columns: usize,
    bytes: Vec<u8>,
}

impl Blocks {
    /// Creates a matrix of `columns` columns (a multiple of 32); `None` if a scale is not finite.
    pub(crate) fn new(columns: usize, bytes: Vec<u8>) -> Option<Self> {
        let row_bytes = columns / QUANTISATION_BLOCK * QUANTISED_BLOCK_BYTES;
        let finite = blocks(&bytes).all(|(scale, _nibbles)| scale.is_finite());
        finite.then_some(Self { row_bytes, columns, bytes })
    }

    pub(crate) fn rows(&self) -> usize {
        self.bytes.len() / self.row_bytes
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Adds row `row` to `sum`; does nothing if there is no such row.
    pub(crate) fn add_row(&self, row: usize, sum: &mut [f32]) {
        let start = row.saturating_mul(self.row_bytes);
        let bytes = self.bytes.get(start..start.saturating_add(self.row_bytes)).unwrap_or_default();
        for (sums, (scale, nibbles)) in
            sum.as_chunks_mut::<QUANTISATION_BLOCK>().0.iter_mut().zip(blocks(bytes))
        {
            let scale = scale.to_f32();
            let (low, high) = sums.split_at_mut(QUANTISATION_BLOCK / 2);
            for ((low, high), &pair) in low.iter_mut().zip(high).zip(nibbles) {
                *low += f32::from(i16::from(pair & 15) - 8) * scale;
                *high += f32::from(i16::from(pair >> 4) - 8) * scale;
            }
        }
    }
}

fn blocks(bytes: &[u8]) -> impl Iterator<Item = (f16, &[u8])> {
    bytes.as_chunks::<QUANTISED_BLOCK_BYTES>().0.iter().map(|block| {
        let ([low, high, ..], nibbles) = (block, &block[2..]);
        (f16::from_le_bytes([*low, *high]), nibbles)
    })
}
