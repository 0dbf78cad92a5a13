//! Convolutions image by image as matrix products, while an image's windows are in cache.

use super::im2col::Windows;
use super::product::{Matrix, Products, Size};
use super::real::Real;
use super::{Conv, Sink};
use crate::nn::kernels::pool::Buf;

/// Scratch of convolutions: windows, and one weight tensor.
#[derive(Debug, Default)]
pub struct Scratch<R> {
    windows: Vec<R>,
    weight: Vec<R>,
}

impl Conv {
    fn windows(&self) -> Windows {
        let Self { input, output, kernel, stride, padding, .. } = *self;
        Windows { input, height: output.height, width: output.width, kernel, stride, padding }
    }

    /// The windows of the full correlation that gives dx from dy at stride 1; none where that does not exist.
    fn backward_windows(&self) -> Option<Windows> {
        let padding = self.kernel.checked_sub(1 + self.padding).filter(|_| self.stride == 1)?;
        let (height, width) = (self.input.height, self.input.width);
        Some(Windows { input: self.output, height, width, kernel: self.kernel, stride: 1, padding })
    }

    /// w as `[inputs, outputs, kernel, kernel]`, each window turned by half a turn.
    fn turn<R: Real>(&self, weight: &[R], turned: &mut [R]) {
        let (inputs, outputs, area) = (self.input.channels, self.output.channels, self.kernel * self.kernel);
        for (row, turned) in turned.chunks_exact_mut(area).enumerate() {
            let (input, output) = (row / outputs, row % outputs);
            let window = &weight[(output * inputs + input) * area..][..area];
            turned.iter_mut().zip(window.iter().rev()).for_each(|(turned, value)| *turned = *value);
        }
    }
}

/// y of every image.
pub fn forward<R: Real>(
    conv: &Conv,
    (products, scratch): (&mut Products<R>, &mut Scratch<R>),
    weight: &[R],
    x: &[R],
    y: &mut [R],
) {
    correlate(conv.windows(), products, &mut scratch.windows, weight, x, y);
}

/// Every image of `x` under `weight`, whose rows are the output channels.
fn correlate<R: Real>(
    windows: Windows,
    products: &mut Products<R>,
    columns: &mut Vec<R>,
    weight: &[R],
    x: &[R],
    y: &mut [R],
) {
    let (k, n) = (windows.rows(), windows.columns());
    let size = Size { m: weight.len() / k, n, k };
    for (image, y) in x.chunks_exact(windows.input.len()).zip(y.chunks_exact_mut(size.m * n)) {
        let columns = Matrix::rows(gathered(windows, image, columns), n);
        products.multiply(y, size, Matrix::rows(weight, k), columns, false);
    }
}

/// The windows of an image: gathered, or the image itself.
fn gathered<'a, R: Real>(windows: Windows, image: &'a [R], columns: &'a mut Vec<R>) -> &'a [R] {
    if windows.is_image() {
        return image;
    }
    let columns = room(columns, windows.rows() * windows.columns());
    windows.gather(image, columns);
    columns
}

/// The first `len` values of a scratch that only grows; their content is arbitrary.
fn room<R: Real>(scratch: &mut Vec<R>, len: usize) -> &mut [R] {
    if scratch.len() < len {
        scratch.resize(len, R::ZERO);
    }
    &mut scratch[..len]
}

/// dx of every image: at stride 1 a correlation with the turned weight, else windows' gradients scattered back.
pub fn input_gradient<R: Real>(
    conv: &Conv,
    (products, scratch): (&mut Products<R>, &mut Scratch<R>),
    weight: &[R],
    dy: &[R],
    dx: &mut [R],
) {
    if let Some(windows) = conv.backward_windows() {
        let turned = room(&mut scratch.weight, weight.len());
        conv.turn(weight, turned);
        correlate(windows, products, &mut scratch.windows, turned, dy, dx);
        return;
    }
    let windows = conv.windows();
    let size = Size { m: windows.rows(), n: windows.columns(), k: conv.output.channels };
    let turned = Matrix::transposed(weight, size.m);
    let columns = room(&mut scratch.windows, size.m * size.n);
    for (dy, dx) in dy.chunks_exact(conv.output.len()).zip(dx.chunks_exact_mut(conv.input.len())) {
        products.multiply(columns, size, turned, Matrix::rows(dy, size.n), false);
        windows.scatter(columns, dx);
    }
}

/// dw of every image: summed, squared and summed per example, or both.
///
/// Products give the transpose `[inputs k k, outputs]`: then only dy, the smaller operand, has to be turned.
pub fn weight_gradient<R: Real>(
    conv: &Conv,
    (products, scratch): (&mut Products<R>, &mut Scratch<R>),
    x: &[R],
    dy: &[R],
    sink: &Sink<'_, Buf<R>>,
) {
    let windows = conv.windows();
    let size = Size { m: windows.rows(), n: conv.output.channels, k: windows.columns() };
    let mut norms = sink.norms.map(Buf::write);
    let (own, sum) = room(&mut scratch.weight, 2 * conv.weight.len).split_at_mut(conv.weight.len);
    let images = x.chunks_exact(conv.input.len()).zip(dy.chunks_exact(conv.output.len()));
    for (index, (image, dy)) in images.enumerate() {
        let columns = Matrix::rows(gathered(windows, image, &mut scratch.windows), size.k);
        let dy = Matrix::transposed(dy, size.k);
        if let Some(norms) = &mut norms {
            products.multiply(own, size, columns, dy, false);
            norms[index] += own.iter().fold(R::ZERO, |sum, value| sum + *value * *value);
            if sink.gradients.is_some() {
                add_or_set(sum, own, index > 0);
            }
        } else {
            products.multiply(sum, size, columns, dy, index > 0);
        }
    }
    if let Some(gradients) = sink.gradients {
        let gradient = &mut gradients.write()[conv.weight.range()];
        for (output, gradient) in gradient.chunks_exact_mut(size.m).enumerate() {
            gradient.iter_mut().zip(sum[output..].iter().step_by(size.n)).for_each(|(to, from)| *to = *from);
        }
    }
}

fn add_or_set<R: Real>(sum: &mut [R], values: &[R], add: bool) {
    if add {
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += *value);
    } else {
        sum.copy_from_slice(values);
    }
}
