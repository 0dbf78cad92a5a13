//! A convolution's weights as its kernels want them, and its weight gradients as the arena wants them; both through weight
//! standardisation where the convolution has it.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::cell::RefMut;

use super::Conv;
use super::conv::{room, zeros};
use super::conv_shapes::{Class, Staging};
use super::outer::OuterSum;
use super::real::Real;
use super::sums::squares;
use super::vector::Set;

/// Added to the variance of an output's weights.
const EPSILON: f64 = 1e-5;

/// Memory that is used again.
#[derive(Debug, Default)]
pub struct Scratch<R> {
    standard: Vec<R>,
    inverse: Vec<R>,
}

/// The weights `[outputs, inputs, k, k]` that a convolution computes with.
pub struct Weights<'a, R> {
    values: &'a [R],
    /// 1 / deviation of each output's weights, where they are standardised.
    inverse: Option<&'a [R]>,
    inputs: usize,
    outputs: usize,
    kernel: usize,
}

impl<'a, R: Real> Weights<'a, R> {
    /// From all parameters.
    pub fn of(conv: &Conv, parameters: &'a [R], scratch: &'a mut Scratch<R>) -> Self {
        let values = &parameters[conv.weight.range()];
        let (inputs, outputs, kernel) = (conv.input.channels, conv.output.channels, conv.kernel);
        if !conv.standardised {
            return Self { values, inverse: None, inputs, outputs, kernel };
        }
        let standard = room(&mut scratch.standard, values.len());
        let inverse = room(&mut scratch.inverse, outputs);
        let fan_in = inputs * kernel * kernel;
        let rows = values.chunks_exact(fan_in).zip(standard.chunks_exact_mut(fan_in));
        for ((values, standard), inverse) in rows.zip(&mut *inverse) {
            *inverse = standardise(values, standard);
        }
        Self { values: standard, inverse: Some(inverse), inputs, outputs, kernel }
    }

    fn at(&self, output: usize, input: usize, row: usize, column: usize) -> R {
        if output >= self.outputs || input >= self.inputs {
            return R::ZERO;
        }
        self.values[((output * self.inputs + input) * self.kernel + row) * self.kernel + column]
    }

    /// The weight of a place in the run of a window's row.
    pub fn forward(&self, pixel: usize, row: usize, place: usize, output: usize) -> R {
        self.at(output, place % pixel, row, place / pixel)
    }

    /// The weight of a place in the run of a class of input pixels.
    pub fn backward(&self, class: &Class, pixel: usize, tap: usize, place: usize, input: usize) -> R {
        let (row, column) = (class.last.0 - tap * class.stride, class.last.1 - place / pixel * class.stride);
        self.at(place % pixel, input, row, column)
    }

    /// Turns the gradient of an output's standardised weights into that of the weights themselves.
    fn through_standardisation(&self, output: usize, gradient: &mut [R]) {
        let Some(inverse) = self.inverse else { return };
        let fan_in = gradient.len();
        let standard = &self.values[output * fan_in..][..fan_in];
        let count = fan_in as f64;
        let mean = gradient.iter().map(|g| g.to_f64()).sum::<f64>() / count;
        let product = gradient.iter().zip(standard).map(|(g, w)| g.to_f64() * w.to_f64()).sum::<f64>() / count;
        for (gradient, standard) in gradient.iter_mut().zip(standard) {
            let inner = gradient.to_f64() - mean - standard.to_f64() * product;
            *gradient = R::from_f64(inner * inverse[output].to_f64());
        }
    }
}

/// (w - mean) / deviation; gives 1 / deviation.
fn standardise<R: Real>(values: &[R], standard: &mut [R]) -> R {
    let count = values.len() as f64;
    let mean = values.iter().map(|value| value.to_f64()).sum::<f64>() / count;
    let variance = values.iter().map(|value| (value.to_f64() - mean).powi(2)).sum::<f64>() / count;
    let inverse = 1.0 / (variance + EPSILON).sqrt();
    for (standard, value) in standard.iter_mut().zip(values) {
        *standard = R::from_f64((value.to_f64() - mean) * inverse);
    }
    R::from_f64(inverse)
}

/// Memory of weight gradients that is used again.
#[derive(Debug, Default)]
pub struct GradientScratch<R> {
    sum: Vec<R>,
    own: Vec<R>,
    row: Vec<R>,
    bias: Vec<R>,
    bias_own: Vec<R>,
}

/// Where a convolution's weight gradients go.
pub struct Gradients<'a, R> {
    /// The gradient arena, for sums over the batch.
    pub arena: Option<RefMut<'a, [R]>>,
    /// Squared norms per example, which are added to.
    pub norms: Option<RefMut<'a, [R]>>,
    /// Memory.
    pub scratch: &'a mut GradientScratch<R>,
}

impl<R: Real> Gradients<'_, R> {
    /// Whether any are.
    pub fn wanted(&self) -> bool {
        self.arena.is_some() || self.norms.is_some()
    }

    /// Starts a batch.
    pub fn begin(&mut self, conv: &Conv, len: usize) {
        zeros(&mut self.scratch.sum, len);
        zeros(&mut self.scratch.bias, conv.output.channels);
    }

    /// Adds one example, from its staged input and gradient.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn add<S: Set<R>>(
        &mut self,
        conv: &Conv,
        outer: &OuterSum,
        (x, dy): (&[R], &[R]),
        example: usize,
        weights: &Weights<'_, R>,
    ) {
        // SAFETY: the caller has the set.
        let squared = unsafe {
            if self.norms.is_some() && conv.standardised {
                self.add_own::<S>(conv, outer, (x, dy), weights)
            } else {
                if self.arena.is_some() {
                    outer.add::<R, S>(x, dy, &mut self.scratch.sum);
                }
                if self.norms.is_some() { outer.squares::<R, S>(x, dy) } else { 0.0 }
            }
        };
        let mut bias_squared = 0.0;
        if conv.bias.is_some() {
            let own = zeros(&mut self.scratch.bias_own, conv.output.channels);
            add_pixels(outer, dy, own);
            self.scratch.bias.iter_mut().zip(&*own).for_each(|(sum, own)| *sum += *own);
            bias_squared = own.iter().map(|value| value.to_f64() * value.to_f64()).sum();
        }
        if let Some(norms) = &mut self.norms {
            norms[example] += R::from_f64(squared + bias_squared);
        }
    }

    /// Adds one example's own gradient to the sums; its squared norm, through the standardisation.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    unsafe fn add_own<S: Set<R>>(
        &mut self,
        conv: &Conv,
        outer: &OuterSum,
        (x, dy): (&[R], &[R]),
        weights: &Weights<'_, R>,
    ) -> f64 {
        let GradientScratch { sum, own, row, .. } = &mut *self.scratch;
        let own = zeros(own, outer.len());
        // SAFETY: the caller has the set.
        unsafe { outer.add::<R, S>(x, dy, own) };
        sum.iter_mut().zip(&*own).for_each(|(sum, own)| *sum += *own);
        let row = room(row, conv.input.channels * conv.kernel * conv.kernel);
        let staged = outer.windows.run / conv.kernel;
        let of_output = |output| {
            gather(conv, own, (staged, outer.channels), output, row);
            weights.through_standardisation(output, row);
            // SAFETY: the caller has the set.
            unsafe { squares::<R, S>(row) }
        };
        (0..conv.output.channels).map(of_output).sum()
    }

    /// Writes the sums to the arena.
    pub fn finish(self, conv: &Conv, staging: &Staging, channels: usize, weights: &Weights<'_, R>) {
        let Some(mut arena) = self.arena else { return };
        let fan_in = conv.input.channels * conv.kernel * conv.kernel;
        for (output, gradient) in arena[conv.weight.range()].chunks_exact_mut(fan_in).enumerate() {
            gather(conv, &self.scratch.sum, (staging.pixel, channels), output, gradient);
            weights.through_standardisation(output, gradient);
        }
        if let Some(bias) = conv.bias {
            arena[bias.range()].copy_from_slice(&self.scratch.bias);
        }
    }
}

/// One output's gradient `[inputs, k, k]`, from sums `[k, k pixel, channels]`.
fn gather<R: Real>(conv: &Conv, sums: &[R], (pixel, channels): (usize, usize), output: usize, gradient: &mut [R]) {
    let kernel = conv.kernel;
    for (place, gradient) in gradient.iter_mut().enumerate() {
        let (input, row, column) = (place / (kernel * kernel), place / kernel % kernel, place % kernel);
        *gradient = sums[((row * kernel + column) * pixel + input) * channels + output];
    }
}

/// Adds the staged gradient of every pixel: the gradient of the bias.
fn add_pixels<R: Real>(outer: &OuterSum, dy: &[R], bias: &mut [R]) {
    for row in 0..outer.windows.height {
        let row = &dy[outer.gradient + row * outer.gradient_row..][..outer.windows.width * outer.channels];
        for pixel in row.chunks_exact(outer.channels) {
            bias.iter_mut().zip(pixel).for_each(|(bias, value)| *bias += *value);
        }
    }
}
