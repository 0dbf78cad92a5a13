//! Convolutions image by image: each image is staged with a border of zeros while it is in cache, whatever was put off of
//! its values is done on the way, and what the next norm needs is summed up behind it.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::norm::NormSums;
use super::pool::Grid;
use super::real::Real;
use super::stage::{Reader, add_into};
use super::sums::add_spread;
use super::vector::{Set, Work};
use super::weights::{Gradients, Weights};
use super::{Conv, conv_shapes::Staging};

/// Memory of convolutions that is used again: one image's worth each, and one weight tensor's.
#[derive(Debug, Default)]
pub struct Scratch<R> {
    x: Vec<R>,
    dy: Vec<R>,
    packed: Vec<R>,
    start: Vec<R>,
    example: Vec<R>,
    shift: Vec<R>,
    totals: Vec<f64>,
    /// Standardised weights and sums of gradients.
    pub weights: super::weights::Scratch<R>,
}

/// The first `len` values of a scratch that only grows; their content is arbitrary.
pub fn room<T: Clone + Default>(scratch: &mut Vec<T>, len: usize) -> &mut [T] {
    if scratch.len() < len {
        scratch.resize(len, T::default());
    }
    &mut scratch[..len]
}

/// The first `len` values of a scratch, all 0.
pub fn zeros<T: Clone + Default>(scratch: &mut Vec<T>, len: usize) -> &mut [T] {
    scratch.clear();
    scratch.resize(len, T::default());
    scratch
}

/// y of a batch, and its moments where they are wanted.
pub struct Forward<'a, R> {
    /// What is convolved.
    pub conv: &'a Conv,
    /// Its input.
    pub x: Reader<'a, R>,
    /// All parameters.
    pub weights: &'a [R],
    /// How an output lies.
    pub grid: Grid,
    /// The outputs.
    pub y: &'a mut [R],
    /// Mean and variance of each channel of y, `[2, stride]`.
    pub moments: Option<&'a mut [R]>,
    /// Memory.
    pub scratch: &'a mut Scratch<R>,
}

impl<R: Real> Work<R> for Forward<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { conv, x, weights, grid, y, mut moments, scratch } = self;
        let staging = Staging::input(conv, x.grid);
        let correlation = staging.forward(conv, grid);
        let weight = Weights::of(conv, weights, &mut scratch.weights);
        let packed = room(&mut scratch.packed, correlation.weights());
        correlation.pack::<R, S>(|tap, place, output| weight.forward(staging.pixel, tap, place, output), packed);
        let start = zeros(&mut scratch.start, grid.stride);
        if let Some(bias) = conv.bias {
            start[..bias.len].copy_from_slice(&weights[bias.range()]);
        }
        let staged = zeros(&mut scratch.x, staging.len());
        let totals = zeros(&mut scratch.totals, 2 * grid.stride);
        let shift = zeros(&mut scratch.shift, grid.stride);
        let count = y.len() / grid.len().max(1);
        for (example, y) in y.chunks_exact_mut(grid.len()).enumerate() {
            // SAFETY: the caller has the set.
            unsafe {
                x.rows::<S>(staging.rows(example, x.grid), staged);
                correlation.run::<R, S>(staged, packed, start, y);
                if moments.is_some() {
                    if example == 0 {
                        // Sums of distances from about the mean don't cancel.
                        add_spread::<R, S>(grid, y, shift, totals);
                        let pixels = grid.shape.pixels() as f64;
                        shift.iter_mut().zip(&*totals).for_each(|(shift, sum)| *shift = R::from_f64(sum / pixels));
                        totals.fill(0.0);
                    }
                    add_spread::<R, S>(grid, y, shift, totals);
                }
            }
        }
        if let Some(moments) = &mut moments {
            let count = (count * grid.shape.pixels()) as f64;
            let (means, variances) = moments.split_at_mut(grid.stride);
            let (distances, squares) = totals.split_at(grid.stride);
            for channel in 0..grid.stride {
                let distance = distances[channel] / count;
                means[channel] = R::from_f64(shift[channel].to_f64() + distance);
                variances[channel] = R::from_f64((squares[channel] / count - distance * distance).max(0.0));
            }
        }
    }
}

/// The gradients of a batch.
pub struct Backward<'a, R> {
    /// What was convolved.
    pub conv: &'a Conv,
    /// Its input.
    pub x: Reader<'a, R>,
    /// All parameters.
    pub weights: &'a [R],
    /// The gradient of the output.
    pub dy: Reader<'a, R>,
    /// Where the weight gradients go.
    pub gradients: Gradients<'a, R>,
    /// The gradient of the input, where it is wanted.
    pub input: Option<InputGradient<'a, R>>,
    /// Examples.
    pub batch: usize,
    /// Memory.
    pub scratch: &'a mut Scratch<R>,
}

/// Where the gradient of the input goes.
pub struct InputGradient<'a, R> {
    /// How an example lies.
    pub grid: Grid,
    /// Where to.
    pub dx: &'a mut [R],
    /// Another gradient of the same input, which is added.
    pub onto: Option<Reader<'a, R>>,
    /// What the norm that gave the input will need.
    pub sums: Option<NormSums<'a, R>>,
}

impl<R: Real> Work<R> for Backward<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { conv, x, weights, dy, mut gradients, mut input, batch, scratch } = self;
        let (staging, turned) = (Staging::input(conv, x.grid), Staging::gradient(conv, dy.grid));
        let outer = staging.outer(conv, turned);
        let weight = Weights::of(conv, weights, &mut scratch.weights);
        let in_grid = input.as_ref().map_or(x.grid, |input| input.grid);
        if input.is_some() {
            let mut packed = room(&mut scratch.packed, turned.backward_weights(conv, in_grid));
            for class in turned.classes(conv, in_grid) {
                let (own, rest) = packed.split_at_mut(class.correlation.weights());
                let value = |tap, place, channel| weight.backward(&class, dy.grid.stride, tap, place, channel);
                class.correlation.pack::<R, S>(value, own);
                packed = rest;
            }
        }
        let start = zeros(&mut scratch.start, in_grid.stride);
        let staged_x = zeros(&mut scratch.x, staging.len());
        let staged_dy = zeros(&mut scratch.dy, turned.len());
        let other = room(&mut scratch.example, in_grid.len());
        gradients.begin(conv, outer.len());
        for example in 0..batch {
            // SAFETY: the caller has the set.
            unsafe {
                dy.rows::<S>(turned.rows(example, dy.grid), staged_dy);
                if gradients.wanted() {
                    x.rows::<S>(staging.rows(example, x.grid), staged_x);
                    gradients.add::<S>(conv, &outer, (staged_x, staged_dy), example, &weight);
                }
                let Some(input) = &mut input else { continue };
                let dx = &mut input.dx[example * in_grid.len()..][..in_grid.len()];
                let mut packed = &*scratch.packed;
                for class in turned.classes(conv, in_grid) {
                    let (own, rest) = packed.split_at(class.correlation.weights());
                    class.correlation.run::<R, S>(staged_dy, own, start, dx);
                    packed = rest;
                }
                if let Some(onto) = &input.onto {
                    onto.example::<S>(example, other);
                    add_into::<R, S>(dx, other, false);
                }
                if let Some(sums) = &mut input.sums {
                    sums.add::<S>(in_grid, dx, example);
                }
            }
        }
        if let Some(sums) = input.and_then(|input| input.sums) {
            sums.finish(in_grid.stride);
        }
        gradients.finish(conv, &staging, dy.grid.stride, &weight);
    }
}
