//! A linear layer with eight-bit weights. The file's four-bit blocks are quantised anew, one scale an output
//! value, so that a whole product runs in integers; the difference to the file's weights is far below the
//! four-bit quantisation itself (the fidelity test holds how far).

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::SimdOp;
use rten_tensor::NdTensorView;

use crate::kernels::{Columns, Dequantise, QuantisedRows, Then};
use crate::quantised::Blocks;

/// The greatest weight; -127 to 127 keeps the range even.
const GREATEST_WEIGHT: f32 = 127.0;

/// Integer matrix products with the best instructions of this machine.
pub(crate) struct IntegerProducts {
    executor: GemmExecutor<u8, i8, i32>,
    /// The greatest quantised input.
    greatest: u8,
}

impl IntegerProducts {
    pub(crate) fn new() -> Self {
        let executor = GemmExecutor::new();
        // Processors without VNNI add pairs of products in 16 bits, which all 255 steps would overflow.
        let greatest = if executor.may_saturate() { 127 } else { 255 };
        Self { executor, greatest }
    }
}

/// How exactly a layer's inputs are quantised.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Once, to eight bits.
    Single,
    /// What eight bits lack is quantised to eight bits again: twice the work, for layers that need it.
    Double,
}

/// Room for the values between the steps, kept from call to call.
#[derive(Default)]
pub(crate) struct Room {
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
    /// Stacks matrices of one input width on one another. Each comes with its bias and with a factor by which
    /// its outputs are multiplied.
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
                let greatest = row.iter().fold(0.0, |greatest: f32, weight| greatest.max(weight.abs()));
                let scale = (greatest / GREATEST_WEIGHT).max(f32::MIN_POSITIVE);
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

    /// Values a row has behind this layer.
    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Applies the layer to each row of `input`.
    pub(crate) fn apply(
        &self,
        products: &IntegerProducts,
        input: &[f32],
        room: &mut Room,
        then: Then,
        output: &mut [f32],
    ) {
        let Room { quantised, rest, sums } = room;
        quantised.fill(input, self.inputs, products.greatest);
        if self.precision == Precision::Single {
            return self.multiply(products, quantised, sums, &self.bias, then, output);
        }
        quantised.rest(input, self.inputs, rest);
        // GELU must see the sum of both.
        let (first, second) = match then {
            Then::Store => (Then::Store, Then::Add),
            Then::Add => (Then::Add, Then::Add),
            Then::Gelu | Then::AddGelu => (Then::Store, Then::AddGelu),
        };
        self.multiply(products, quantised, sums, &self.bias, first, output);
        quantised.fill(rest, self.inputs, products.greatest);
        self.multiply(products, quantised, sums, &self.no_bias, second, output);
    }

    fn multiply(
        &self,
        products: &IntegerProducts,
        input: &QuantisedRows,
        sums: &mut Vec<i32>,
        bias: &[f32],
        then: Then,
        output: &mut [f32],
    ) {
        let (rows, outputs) = (input.scales.len(), self.outputs());
        sums.resize(rows * outputs, 0);
        let left = NdTensorView::from_data([rows, self.inputs], input.values.as_slice());
        // The zero points are not given to the library: version 0.27.0 takes those of the first rows for all
        // rows. They are corrected for when the sums become floats again, which costs as little.
        let (left, right) = (GemmInputA::Unpacked(left), GemmInputB::Packed(&self.weights));
        products
            .executor
            .gemm(sums, left, right, GemmOptions::default())
            .expect("the sizes were made to agree when the model was loaded");
        let rows = sums.chunks_exact(outputs).zip(output.chunks_exact_mut(outputs));
        let inputs = input.scales.iter().zip(&input.zero_points);
        for ((products, output), (&scale, &zero_point)) in rows.zip(inputs) {
            let zero_point = i32::from(zero_point);
            Dequantise { products, scale, zero_point, columns: &self.columns, bias, then, output }.dispatch();
        }
    }
}

/// Rounds to the nearest. Written out because the standard functions are library calls on processors of the
/// oldest kind, for which an ordinary build is made, and half of the time to load a model went there.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
fn saturating_byte(value: f32) -> i8 {
    (value + 0.5_f32.copysign(value)) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The integer product is the float product up to what the bits lose, for every width that occurs and
    /// with the reduced range of processors without VNNI.
    #[test]
    fn agrees_with_floats() {
        for (inputs, outputs, rows) in [(32, 32, 1), (384, 1152, 17), (384, 1536, 64), (1536, 384, 130)] {
            for (greatest, precision, bound) in [
                (127, Precision::Single, 0.02),
                (255, Precision::Single, 0.01),
                (127, Precision::Double, 0.005),
            ] {
                let error = relative_error(inputs, outputs, rows, greatest, precision);
                assert!(error < bound, "{inputs} to {outputs}, {rows} rows, {greatest} steps: {error}");
            }
        }
    }

    fn relative_error(inputs: usize, outputs: usize, rows: usize, greatest: u8, precision: Precision) -> f64 {
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

        let products = IntegerProducts { greatest, ..IntegerProducts::new() };
        let linear = Linear::stack(&products, precision, vec![(blocks, bias.clone(), 1.0)]);
        let mut output = vec![7.0; outputs * rows];
        linear.apply(&products, &input, &mut Room::default(), Then::Store, &mut output);

        let (mut error, mut size) = (0.0, 0.0);
        for (input, output) in input.chunks_exact(inputs).zip(output.chunks_exact(outputs)) {
            for ((weights, bias), output) in weights.chunks_exact(inputs).zip(&bias).zip(output) {
                let wanted = bias + input.iter().zip(weights).map(|(a, b)| a * b).sum::<f32>();
                error += f64::from(wanted - output).powi(2);
                size += f64::from(wanted).powi(2);
            }
        }
        (error / size).sqrt()
    }
}
