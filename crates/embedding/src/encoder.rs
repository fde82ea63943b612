//! Encoder network: BERT ([Devlin et al., 2018](https://arxiv.org/abs/1810.04805)) with normalisation after each block, and
//! mean pooling.
//!
//! Windows of any lengths run in one batch with their tokens end to end, without padding. All steps but attention work on
//! single rows, so they run over blocks of rows that fit in the processor's cache; attention runs window by window.

use std::io::{Read, Seek};

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;
use rten_vecmath::Softmax;

use crate::Error;
use crate::file::{ModelFile, Shape};
use crate::kernels::{Activation, LayerNorm};
use crate::linear::{Buffers, IntegerProducts, Linear, Precision};
use crate::quantised::Blocks;

/// Rows of a block: a multiple of 64, the tile of the matrix library.
const BLOCK_ROWS: usize = 192;

/// Weights of the network.
pub(crate) struct Encoder {
    shape: Shape,
    words: Blocks,
    /// One row for each position; the embedding of the only token type in use is added to each.
    positions: Vec<f32>,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

struct Layer {
    query_key: Linear,
    /// In double precision: with single, half of the whole quantisation error would arise here.
    value: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    widen: Linear,
    narrow: Linear,
    output_norm: LayerNorm,
}

/// Buffers for the values between layers, reused by later calls.
#[derive(Default)]
pub(crate) struct Scratch {
    states: Vec<f32>,
    query_key: Vec<f32>,
    value: Vec<f32>,
    context: Vec<f32>,
    scores: Vec<f32>,
    head: Vec<f32>,
    wide: Vec<f32>,
    buffers: Buffers,
}

/// Windows with their tokens end to end.
#[derive(Default)]
pub(crate) struct Windows {
    pub(crate) tokens: Vec<u32>,
    /// Number of tokens of each window.
    pub(crate) lengths: Vec<usize>,
}

/// Matrix products with this machine's instructions. They are not `Send`, so each call creates its own, at no cost: the choice
/// of instructions is cached.
struct Products {
    integers: IntegerProducts,
    floats: GemmExecutor,
}

impl Encoder {
    pub(crate) fn read<Source: Read + Seek>(
        file: &mut ModelFile<Source>,
        shape: Shape,
    ) -> Result<Self, Error> {
        let Shape { hidden, positions: position_count, .. } = shape;
        let words = file.matrix("emb.word", shape.vocabulary, hidden)?;
        let mut positions = file.floats("emb.pos", position_count * hidden)?;
        let types = file.floats("emb.type", shape.types * hidden)?;
        for row in positions.chunks_exact_mut(hidden) {
            add(row, &types[..hidden]);
        }
        let norm = read_norm(file, "emb.ln", &shape)?;
        let integers = IntegerProducts::new();
        let layers = (0..shape.layers)
            .map(|number| Layer::read(file, number, &shape, &integers))
            .collect::<Result<_, _>>()?;
        Ok(Self { shape, words, positions, norm, layers })
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the mean of the last states of each window, one row for each.
    pub(crate) fn encode(&self, windows: &Windows, scratch: &mut Scratch) -> Vec<f32> {
        let products = Products { integers: IntegerProducts::new(), floats: GemmExecutor::new() };
        self.look_up(windows, &mut scratch.states);
        for layer in &self.layers {
            layer.apply(&self.shape, &products, &windows.lengths, scratch);
        }
        self.pool(&windows.lengths, &scratch.states)
    }

    fn look_up(&self, windows: &Windows, states: &mut Vec<f32>) {
        let hidden = self.shape.hidden;
        states.clear();
        states.reserve(windows.tokens.len() * hidden);
        let mut tokens = windows.tokens.iter();
        for &length in &windows.lengths {
            for (position, &token) in self.positions.chunks_exact(hidden).zip(tokens.by_ref().take(length)) {
                let start = states.len();
                states.extend_from_slice(position);
                self.words.add_row(token as usize, &mut states[start..]);
            }
        }
        self.norm.apply(states);
    }

    fn pool(&self, lengths: &[usize], states: &[f32]) -> Vec<f32> {
        let hidden = self.shape.hidden;
        let mut means = vec![0.0; lengths.len() * hidden];
        let mut rows = states.chunks_exact(hidden);
        for (mean, &length) in means.chunks_exact_mut(hidden).zip(lengths) {
            for row in rows.by_ref().take(length) {
                add(mean, row);
            }
            #[expect(clippy::cast_precision_loss, reason = "a window has a few hundred tokens")]
            let length = length as f32;
            for value in mean {
                *value /= length;
            }
        }
        means
    }
}

impl Layer {
    fn read<Source: Read + Seek>(
        file: &mut ModelFile<Source>,
        number: usize,
        shape: &Shape,
        integers: &IntegerProducts,
    ) -> Result<Self, Error> {
        let &Shape { hidden, feed_forward, heads, .. } = shape;
        let mut part = |name: &str, outputs: usize, inputs: usize, factor: f32| {
            let weights = file.matrix(&format!("l{number}.{name}.w"), outputs, inputs)?;
            let bias = file.floats(&format!("l{number}.{name}.b"), outputs)?;
            Ok::<_, Error>((weights, bias, factor))
        };
        #[expect(clippy::cast_precision_loss, reason = "a head has a few dozen values")]
        let attention_scale = ((hidden / heads) as f32).sqrt().recip();
        let query_key = vec![part("q", hidden, hidden, attention_scale)?, part("k", hidden, hidden, 1.0)?];
        let value = vec![part("v", hidden, hidden, 1.0)?];
        let attention_output = vec![part("ao", hidden, hidden, 1.0)?];
        let widen = vec![part("fi", feed_forward, hidden, 1.0)?];
        let narrow = vec![part("fo", hidden, feed_forward, 1.0)?];
        Ok(Self {
            query_key: Linear::stack(integers, Precision::Single, query_key),
            value: Linear::stack(integers, Precision::Double, value),
            attention_output: Linear::stack(integers, Precision::Single, attention_output),
            attention_norm: read_norm(file, &format!("l{number}.aln"), shape)?,
            widen: Linear::stack(integers, Precision::Single, widen),
            narrow: Linear::stack(integers, Precision::Single, narrow),
            output_norm: read_norm(file, &format!("l{number}.oln"), shape)?,
        })
    }

    fn apply(&self, shape: &Shape, products: &Products, lengths: &[usize], scratch: &mut Scratch) {
        let Scratch { states, query_key, value, context, scores, head, wide, buffers } = scratch;
        let (hidden, integers) = (shape.hidden, &products.integers);

        query_key.resize(states.len() * 2, 0.0);
        value.resize(states.len(), 0.0);
        let outputs =
            query_key.chunks_mut(BLOCK_ROWS * hidden * 2).zip(value.chunks_mut(BLOCK_ROWS * hidden));
        for (rows, (query_key, value)) in states.chunks(BLOCK_ROWS * hidden).zip(outputs) {
            self.query_key.apply(integers, rows, buffers, Activation::Store, query_key);
            self.value.apply(integers, rows, buffers, Activation::Store, value);
        }

        context.resize(states.len(), 0.0);
        let mut start = 0;
        for &length in lengths {
            let window = start * hidden..(start + length) * hidden;
            let query_key = &query_key[window.start * 2..window.end * 2];
            attend(
                shape,
                &products.floats,
                query_key,
                &value[window.clone()],
                &mut context[window],
                scores,
                head,
            );
            start += length;
        }

        let contexts = context.chunks(BLOCK_ROWS * hidden);
        for (rows, context) in states.chunks_mut(BLOCK_ROWS * hidden).zip(contexts) {
            self.attention_output.apply(integers, context, buffers, Activation::Add, rows);
            self.attention_norm.apply(rows);

            wide.resize(rows.len() / hidden * shape.feed_forward, 0.0);
            self.widen.apply(integers, rows, buffers, Activation::Gelu, wide);
            self.narrow.apply(integers, wide, buffers, Activation::Add, rows);
            self.output_norm.apply(rows);
        }
    }
}

/// Computes the attention of the tokens of one window ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), section 3.2).
/// Queries are already scaled.
fn attend(
    shape: &Shape,
    floats: &GemmExecutor,
    query_key: &[f32],
    value: &[f32],
    context: &mut [f32],
    scores: &mut Vec<f32>,
    head: &mut Vec<f32>,
) {
    let hidden = shape.hidden;
    let head_width = hidden / shape.heads;
    let length = context.len() / hidden;
    scores.resize(length * length, 0.0);
    head.resize(length * head_width, 0.0);
    let query_key = NdTensorView::from_data([length, 2 * hidden], query_key);
    let values = NdTensorView::from_data([length, hidden], value);
    for start in (0..hidden).step_by(head_width) {
        let query = query_key.slice((.., start..start + head_width));
        let key = query_key.slice((.., hidden + start..hidden + start + head_width));
        let value = values.slice((.., start..start + head_width));
        multiply(floats, query, key.transposed(), scores);
        for row in scores.chunks_exact_mut(length) {
            Softmax::new_mut(row).dispatch();
        }
        multiply(floats, NdTensorView::from_data([length, length], scores.as_slice()), value, head);
        for (row, values) in context.chunks_exact_mut(hidden).zip(head.chunks_exact(head_width)) {
            row[start..start + head_width].copy_from_slice(values);
        }
    }
}

fn multiply(
    floats: &GemmExecutor,
    left: NdTensorView<'_, f32, 2>,
    right: NdTensorView<'_, f32, 2>,
    output: &mut [f32],
) {
    floats
        .gemm(output, GemmInputA::Unpacked(left), GemmInputB::Unpacked(right), GemmOptions::default())
        .expect("views of matching sizes");
}

fn read_norm<Source: Read + Seek>(
    file: &mut ModelFile<Source>,
    name: &str,
    shape: &Shape,
) -> Result<LayerNorm, Error> {
    Ok(LayerNorm {
        weight: file.floats(&format!("{name}.w"), shape.hidden)?,
        bias: file.floats(&format!("{name}.b"), shape.hidden)?,
        epsilon: shape.epsilon,
    })
}

fn add(sum: &mut [f32], values: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares attention with its formula, at lengths around every tile and vector width.
    #[test]
    fn attention_agrees_with_its_formula() {
        let shape = Shape {
            hidden: 64,
            layers: 1,
            heads: 2,
            feed_forward: 64,
            vocabulary: 1,
            positions: 512,
            types: 1,
            epsilon: 1e-9,
        };
        for length in [1, 2, 13, 16, 17, 31, 32, 33, 37, 48, 64, 65, 210, 512] {
            let spread = (0..=u16::MAX).map(|number| f32::from(number.wrapping_mul(7919)) / 32_768.0 - 1.0);
            let rows: Vec<f32> = spread.cycle().take(length * 192).collect();
            let (query_key, value) = rows.split_at(length * 128);
            let mut context = vec![0.0; length * 64];
            let (scores, buffer) = (&mut Vec::new(), &mut Vec::new());
            attend(&shape, &GemmExecutor::new(), query_key, value, &mut context, scores, buffer);
            for (token, head) in [(0, 0), (length / 2, 1), (length - 1, 0), (length - 1, 1)] {
                let query = &query_key[token * 128 + head * 32..][..32];
                let key = |other: usize| &query_key[other * 128 + 64 + head * 32..][..32];
                let dot = |other| query.iter().zip(key(other)).map(|(a, b)| a * b).sum::<f32>();
                let weights: Vec<f32> = (0..length).map(|other| dot(other).exp()).collect();
                let total: f32 = weights.iter().sum();
                for column in head * 32..head * 32 + 32 {
                    let expected: f32 =
                        (0..length).map(|other| weights[other] * value[other * 64 + column] / total).sum();
                    let actual = context[token * 64 + column];
                    assert!(
                        (expected - actual).abs() < 1e-4,
                        "length {length}, token {token}: {actual} instead of {expected}"
                    );
                }
            }
        }
    }
}
