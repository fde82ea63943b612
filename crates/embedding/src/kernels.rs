//! Element-wise steps between the matrix products, compiled for each instruction set; the best one is chosen at run time. They
//! work on one row (one token) at a time.
#![expect(clippy::inline_always, reason = "only inlined code is compiled with the chosen instructions")]

use rten_simd::ops::{BitOps, FloatOps, NarrowSaturate, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_vecmath::{Gelu, MinMax, Normalize, NormalizeOptions, Sum, SumSquareSub};

/// Rows of unsigned bytes, each with a scale and a zero point: the left side of an integer matrix product
/// ([Jacob et al., 2017](https://arxiv.org/abs/1712.05877), section 2.1).
#[derive(Default)]
pub(crate) struct QuantisedRows {
    pub(crate) values: Vec<u8>,
    pub(crate) zero_points: Vec<u8>,
    pub(crate) scales: Vec<f32>,
}

impl QuantisedRows {
    /// Replaces the rows by `rows`, each of `width` values, quantised to 0 to `max`.
    pub(crate) fn fill(&mut self, rows: &[f32], width: usize, max: u8) {
        self.zero_points.clear();
        self.scales.clear();
        self.values.resize(rows.len(), 0);
        for (row, output) in rows.chunks_exact(width).zip(self.values.chunks_exact_mut(width)) {
            let (low, high) = MinMax::new(row).dispatch();
            let (low, high) = (low.min(0.0), high.max(0.0));
            let scale = ((high - low) / f32::from(max)).max(f32::MIN_POSITIVE);
            let zero_point = saturating_byte(-low / scale);
            Quantise { row, inverse_scale: scale.recip(), zero_point, output }.dispatch();
            self.zero_points.push(zero_point);
            self.scales.push(scale);
        }
    }

    /// Writes the quantisation error (`rows` minus the quantised rows) to `rest`.
    pub(crate) fn error(&self, rows: &[f32], width: usize, rest: &mut Vec<f32>) {
        rest.resize(rows.len(), 0.0);
        let values = rows.chunks_exact(width).zip(self.values.chunks_exact(width));
        let scales = self.scales.iter().zip(&self.zero_points);
        for ((rest, (row, quantised)), (scale, &zero_point)) in
            rest.chunks_exact_mut(width).zip(values).zip(scales)
        {
            let zero_point = f32::from(zero_point);
            for ((rest, value), &quantised) in rest.iter_mut().zip(row).zip(quantised) {
                *rest = value - (f32::from(quantised) - zero_point) * scale;
            }
        }
    }
}

/// Quantises a row: `value / scale + zero_point`. The operation of rten-vecmath takes several times as long, because its inner
/// closure is not compiled with the vector instructions.
struct Quantise<'a> {
    row: &'a [f32],
    inverse_scale: f32,
    zero_point: u8,
    output: &'a mut [u8],
}

impl SimdOp for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (floats, integers, shorts, bytes) = (isa.f32(), isa.i32(), isa.i16(), isa.u8());
        let inverse_scale = floats.splat(self.inverse_scale);
        let zero_point = integers.splat(i32::from(self.zero_point));
        let lanes = bytes.len();
        let mut outputs = self.output.chunks_exact_mut(lanes);
        let mut inputs = self.row.chunks_exact(lanes);
        for (output, input) in outputs.by_ref().zip(inputs.by_ref()) {
            let [a, b, c, d] = floats.load_many::<4>(input);
            let a = integers.add(floats.to_int_round(floats.mul(a, inverse_scale)), zero_point);
            let b = integers.add(floats.to_int_round(floats.mul(b, inverse_scale)), zero_point);
            let c = integers.add(floats.to_int_round(floats.mul(c, inverse_scale)), zero_point);
            let d = integers.add(floats.to_int_round(floats.mul(d, inverse_scale)), zero_point);
            let low = integers.narrow_saturate(a, b);
            let high = integers.narrow_saturate(c, d);
            bytes.store(shorts.narrow_saturate(low, high), output);
        }
        for (output, value) in outputs.into_remainder().iter_mut().zip(inputs.remainder()) {
            *output = saturating_byte(value * self.inverse_scale + f32::from(self.zero_point));
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast must saturate")]
fn saturating_byte(value: f32) -> u8 {
    value.round_ties_even() as u8
}

/// Last step of a linear layer: how its values change the output.
#[derive(Clone, Copy)]
pub(crate) enum Activation {
    /// Replaces the output by the values.
    Store,
    /// Replaces the output by the GELU of the values ([Hendrycks and Gimpel, 2016](https://arxiv.org/abs/1606.08415)).
    Gelu,
    /// Adds the values to the output (a residual connection).
    Add,
    /// Adds the values to the output, and replaces it by the GELU of the sum.
    AddGelu,
}

/// Data of each column of a weight matrix, that is, of each output value.
#[derive(Default)]
pub(crate) struct Columns {
    /// Sum of the column's quantised weights.
    pub(crate) sums: Vec<i32>,
    pub(crate) scales: Vec<f32>,
}

/// Converts a row of integer products to floats:
/// `(product - zero_point * column_sum) * row_scale * column_scale + bias`.
pub(crate) struct Dequantise<'a> {
    pub(crate) products: &'a [i32],
    pub(crate) scale: f32,
    pub(crate) zero_point: i32,
    pub(crate) columns: &'a Columns,
    pub(crate) bias: &'a [f32],
    pub(crate) activation: Activation,
    pub(crate) output: &'a mut [f32],
}

impl SimdOp for Dequantise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.activation {
            Activation::Store => self.each(
                isa,
                #[inline(always)]
                |value, _| value,
            ),
            Activation::Gelu => self.each(
                isa,
                #[inline(always)]
                |value, _| Gelu {}.eval(isa, value),
            ),
            Activation::Add => self.each(
                isa,
                #[inline(always)]
                |value, before| isa.f32().add(value, before),
            ),
            Activation::AddGelu => self.each(
                isa,
                #[inline(always)]
                |value, before| Gelu {}.eval(isa, isa.f32().add(value, before)),
            ),
        }
    }
}

impl Dequantise<'_> {
    #[inline(always)]
    fn each<I: Isa>(self, isa: I, apply: impl Fn(I::F32, I::F32) -> I::F32) {
        let (floats, integers) = (isa.f32(), isa.i32());
        let (row_scale, zero_point) = (floats.splat(self.scale), integers.splat(self.zero_point));
        let lanes = floats.len();
        // The width of a row is a multiple of 32, which every vector length divides: there is no remainder.
        let Columns { sums, scales } = self.columns;
        let columns = scales.chunks_exact(lanes).zip(self.bias.chunks_exact(lanes));
        let sums = self.products.chunks_exact(lanes).zip(sums.chunks_exact(lanes)).zip(columns);
        for (output, ((products, sums), (scales, bias))) in self.output.chunks_exact_mut(lanes).zip(sums) {
            let zero = integers.mul(zero_point, integers.load(sums));
            let product = integers.to_float(integers.sub(integers.load(products), zero));
            let scale = floats.mul(row_scale, floats.load(scales));
            let value = floats.mul_add(product, scale, floats.load(bias));
            floats.store(apply(value, floats.load(output)), output);
        }
    }
}

/// Layer normalisation ([Ba et al., 2016](https://arxiv.org/abs/1607.06450)): its learned parameters.
pub(crate) struct LayerNorm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl LayerNorm {
    /// Normalises each row in place; a row has as many values as the weight.
    pub(crate) fn apply(&self, rows: &mut [f32]) {
        #[expect(clippy::cast_precision_loss, reason = "a row has a few hundred values")]
        let width = self.weight.len() as f32;
        for row in rows.chunks_exact_mut(self.weight.len()) {
            let mean = Sum::new(row).dispatch() / width;
            let variance = SumSquareSub::new(row, mean).dispatch() / width;
            let options = NormalizeOptions {
                pre_scale_bias: mean,
                scale: (variance + self.epsilon).sqrt().recip(),
                element_scale: Some(&self.weight),
                element_bias: Some(&self.bias),
                ..NormalizeOptions::default()
            };
            Normalize::new_mut(row, options).dispatch();
        }
    }
}
