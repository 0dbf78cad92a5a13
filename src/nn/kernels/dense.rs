//! Dense layers: three matrix products over the whole batch.

use super::pool::Buf;
use super::product::{Matrix, Products, Size};
use super::real::Real;
use super::{Dense, Sink};

/// y = W x + b for every example.
pub fn forward<R: Real>(dense: &Dense, products: &mut Products<R>, weights: &[R], x: &[R], y: &mut [R]) {
    let bias = &weights[dense.bias.range()];
    y.chunks_exact_mut(dense.outputs).for_each(|y| y.copy_from_slice(bias));
    let size = Size { m: y.len() / dense.outputs, n: dense.outputs, k: dense.inputs };
    let weight = Matrix::transposed(&weights[dense.weight.range()], dense.inputs);
    products.multiply(y, size, Matrix::rows(x, dense.inputs), weight, true);
}

/// dx = dy W for every example.
pub fn input_gradient<R: Real>(dense: &Dense, products: &mut Products<R>, weights: &[R], dy: &[R], dx: &mut [R]) {
    let size = Size { m: dy.len() / dense.outputs, n: dense.inputs, k: dense.outputs };
    let weight = Matrix::rows(&weights[dense.weight.range()], dense.inputs);
    products.multiply(dx, size, Matrix::rows(dy, dense.outputs), weight, false);
}

/// dW = dy x and db = dy, summed; an example's squared norm is |dy|² (|x|² + 1), without forming its dW.
pub fn weight_gradient<R: Real>(dense: &Dense, products: &mut Products<R>, x: &[R], dy: &[R], sink: &Sink<'_, Buf<R>>) {
    if let Some(gradients) = sink.gradients {
        let mut gradients = gradients.write();
        let size = Size { m: dense.outputs, n: dense.inputs, k: dy.len() / dense.outputs };
        let (dy_turned, x) = (Matrix::transposed(dy, dense.outputs), Matrix::rows(x, dense.inputs));
        products.multiply(&mut gradients[dense.weight.range()], size, dy_turned, x, false);
        let bias = &mut gradients[dense.bias.range()];
        bias.fill(R::ZERO);
        for dy in dy.chunks_exact(dense.outputs) {
            bias.iter_mut().zip(dy).for_each(|(sum, value)| *sum += *value);
        }
    }
    if let Some(norms) = sink.norms {
        let examples = x.chunks_exact(dense.inputs).zip(dy.chunks_exact(dense.outputs));
        for (norm, (x, dy)) in norms.write().iter_mut().zip(examples) {
            *norm += squared(dy) * (squared(x) + R::ONE);
        }
    }
}

/// The sum of the squares: lanes side by side, then the lanes.
fn squared<R: Real>(values: &[R]) -> R {
    const LANES: usize = 16;
    let mut lanes = [R::ZERO; LANES];
    for chunk in values.chunks(LANES) {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += *value * *value);
    }
    lanes.into_iter().fold(R::ZERO, |sum, lane| sum + lane)
}
