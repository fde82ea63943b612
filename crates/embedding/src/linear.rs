//! Linear layer with eight-bit weights. The file's four-bit blocks are requantised with one scale for each output value, so
//! that a whole product runs in integers. The error is far below that of the four-bit quantisation; `agrees_with_floats` bounds
//! it.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;

use crate::kernels::{Activation, Columns, Dequantise, QuantisedRows};
use crate::quantised::Blocks;

/// Maximal weight; the range -127 to 127 is symmetric.
const MAX_WEIGHT: f32 = 127.0;

/// Integer matrix products with this machine's best instructions.
pub(crate) struct IntegerProducts {
    executor: GemmExecutor<u8, i8, i32>,
    /// Maximal quantised input.
    max_input: u8,
}

impl IntegerProducts {
    pub(crate) fn new() -> Self {
        let executor = GemmExecutor::new();
        // Processors without VNNI add pairs of products in 16 bits, which inputs up to 255 would overflow.
        let max_input = if executor.may_saturate() { 127 } else { 255 };
        Self { executor, max_input }
    }
}

/// Precision of a layer's quantised inputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Eight bits.
    Single,
    /// Eight bits, and eight more for their error: twice the work, for layers that need it.
    Double,
}

/// Buffers for the values between the steps, reused by later calls.
#[derive(Default)]
pub(crate) struct Buffers {
    quantised: QuantisedRows,
    rest: Vec<f32>,
    sums: Vec<i32>,
}

/// `output = input × weights + bias`.
pub(crate) struct Linear {
    weights: PackedBMatrix<i8>,
    columns: Columns,
    bias: Vec<f32>,
    no_bias: Vec<f32>,
    inputs: usize,
    precision: Precision,
}

impl Linear {
    /// Joins matrices of the same input width into one. Each has its bias and a factor for its outputs.
    pub(crate) fn stack(
        products: &IntegerProducts,
        precision: Precision,
        parts: Vec<(Blocks, Vec<f32>, f32)>,
    ) -> Self {
        let inputs = parts.first().map_or(0, |(blocks, ..)| blocks.columns());
        let mut quantised = Vec::new();
        let mut columns = Columns::default();
        let mut bias = Vec::new();
        let mut row = vec![0.0; inputs];
        for (blocks, part_bias, factor) in parts {
            for number in 0..blocks.rows() {
                row.fill(0.0);
                blocks.add_row(number, &mut row);
                let max = row.iter().fold(0.0, |max: f32, weight| max.max(weight.abs()));
                let scale = (max / MAX_WEIGHT).max(f32::MIN_POSITIVE);
                let first = quantised.len();
                quantised.extend(row.iter().map(|weight| saturating_byte(weight / scale)));
                columns.sums.push(quantised[first..].iter().copied().map(i32::from).sum());
                columns.scales.push(scale * factor);
            }
            bias.extend(part_bias.into_iter().map(|value| value * factor));
        }
        let matrix = NdTensorView::from_data([bias.len(), inputs], quantised.as_slice());
        let weights = products.executor.prepack_b(matrix.transposed());
        let no_bias = vec![0.0; bias.len()];
        Self { weights, columns, bias, no_bias, inputs, precision }
    }

    /// Returns the number of output values of a row.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Applies the layer to each row of `input`.
    pub(crate) fn apply(
        &self,
        products: &IntegerProducts,
        input: &[f32],
        buffers: &mut Buffers,
        activation: Activation,
        output: &mut [f32],
    ) {
        let Buffers { quantised, rest, sums } = buffers;
        quantised.fill(input, self.inputs, products.max_input);
        if self.precision == Precision::Single {
            return self.multiply(products, quantised, sums, &self.bias, activation, output);
        }
        quantised.error(input, self.inputs, rest);
        // GELU applies to the sum of both.
        let (first, second) = match activation {
            Activation::Store => (Activation::Store, Activation::Add),
            Activation::Add => (Activation::Add, Activation::Add),
            Activation::Gelu | Activation::AddGelu => (Activation::Store, Activation::AddGelu),
        };
        self.multiply(products, quantised, sums, &self.bias, first, output);
        quantised.fill(rest, self.inputs, products.max_input);
        self.multiply(products, quantised, sums, &self.no_bias, second, output);
    }

    fn multiply(
        &self,
        products: &IntegerProducts,
        input: &QuantisedRows,
        sums: &mut Vec<i32>,
        bias: &[f32],
        activation: Activation,
        output: &mut [f32],
    ) {
        let (rows, outputs) = (input.scales.len(), self.outputs());
        sums.resize(rows * outputs, 0);
        let left = NdTensorView::from_data([rows, self.inputs], input.values.as_slice());
        // The zero points are not passed to the library: version 0.27.0 applies those of the first rows to all rows. The
        // conversion to floats subtracts them at the same cost.
        let (left, right) = (GemmInputA::Unpacked(left), GemmInputB::Packed(&self.weights));
        products
            .executor
            .gemm(sums, left, right, GemmOptions::default())
            .expect("sizes that were checked when the model was loaded");
        let rows = sums.chunks_exact(outputs).zip(output.chunks_exact_mut(outputs));
        let inputs = input.scales.iter().zip(&input.zero_points);
        for ((products, output), (&scale, &zero_point)) in rows.zip(inputs) {
            let zero_point = i32::from(zero_point);
            Dequantise { products, scale, zero_point, columns: &self.columns, bias, activation, output }
                .dispatch();
        }
    }
}

/// Rounds to the nearest integer. The standard functions are library calls on the baseline x86-64 that builds target, and took
/// half of the time to load a model.
#[expect(clippy::cast_possible_truncation, reason = "the cast must saturate")]
fn saturating_byte(value: f32) -> i8 {
    (value + 0.5_f32.copysign(value)) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares integer with float products, for every width of the model and with the reduced range of processors without
    /// VNNI, on which sums of the full range would saturate.
    #[test]
    fn agrees_with_floats() {
        for (inputs, outputs, rows) in [(32, 32, 1), (384, 1152, 17), (384, 1536, 64), (1536, 384, 130)] {
            for (max_input, precision, bound) in [
                (127, Precision::Single, 0.02),
                (255, Precision::Single, 0.01),
                (127, Precision::Double, 0.005),
            ] {
                if max_input > IntegerProducts::new().max_input {
                    continue;
                }
                let error = relative_error(inputs, outputs, rows, max_input, precision);
                assert!(error < bound, "{inputs} to {outputs}, {rows} rows, {max_input} steps: {error}");
            }
        }
    }

    fn relative_error(
        inputs: usize,
        outputs: usize,
        rows: usize,
        max_input: u8,
        precision: Precision,
    ) -> f64 {
        let mut state = 1_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let bytes: Vec<u8> = (0..inputs * outputs / 32)
            .flat_map(|_| {
                half::f16::from_f32(0.01).to_le_bytes().into_iter().chain([(); 16].map(|()| random()))
            })
            .collect();
        let blocks = Blocks::new(inputs, bytes).expect("the scales are finite");
        let mut weights = vec![0.0; inputs * outputs];
        for (number, row) in weights.chunks_exact_mut(inputs).enumerate() {
            blocks.add_row(number, row);
        }
        let bias: Vec<f32> = (0..outputs).map(|_| f32::from(random()) / 256.0).collect();
        // Rows differ in range and zero point.
        let mut input = Vec::new();
        for row in (0..=u8::MAX).cycle().take(rows) {
            let (shift, factor) = (f32::from(row % 3), f32::from(row) + 1.0);
            input.extend((0..inputs).map(|_| (f32::from(random()) / 64.0 - 1.0 - shift) * factor));
        }

        let products = IntegerProducts { max_input, ..IntegerProducts::new() };
        let linear = Linear::stack(&products, precision, vec![(blocks, bias.clone(), 1.0)]);
        let mut output = vec![7.0; outputs * rows];
        linear.apply(&products, &input, &mut Buffers::default(), Activation::Store, &mut output);

        let (mut error, mut size) = (0.0, 0.0);
        for (input, output) in input.chunks_exact(inputs).zip(output.chunks_exact(outputs)) {
            for ((weights, bias), output) in weights.chunks_exact(inputs).zip(&bias).zip(output) {
                let expected = bias + input.iter().zip(weights).map(|(a, b)| a * b).sum::<f32>();
                error += f64::from(expected - output).powi(2);
                size += f64::from(expected).powi(2);
            }
        }
        (error / size).sqrt()
    }
}
