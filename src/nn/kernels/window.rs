//! Max and mean pooling, pixel by pixel, all channels of a pixel at once.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::Pool;
use super::conv::{room, zeros};
use super::norm::NormSums;
use super::pool::Grid;
use super::real::Real;
use super::stage::Reader;
use super::sums::add_spread;
use super::vector::{Set, Work};

impl Pool {
    /// The pixels of an output's window, in reading order.
    fn window(&self, output: usize) -> impl Iterator<Item = usize> + use<> {
        let (width, side) = (self.input.width, self.side);
        let (top, left) = (output / self.output.width * side, output % self.output.width * side);
        let (bottom, right) = ((top + side).min(self.input.height), (left + side).min(width));
        (top..bottom).flat_map(move |row| row * width + left..row * width + right)
    }
}

/// Whether a value takes the lead: NaN wins, as in PyTorch, so that a broken run shows.
#[inline(always)]
fn leads<R: Real>(value: R, leader: R) -> bool {
    value > leader || (value.is_nan() && !leader.is_nan())
}

#[inline(always)]
fn lead<R: Real>(leaders: &mut [R], values: &[R]) {
    for (leader, value) in leaders.iter_mut().zip(values) {
        *leader = if leads(*value, *leader) { *value } else { *leader };
    }
}

/// The largest value of each window.
#[inline(always)]
fn largest<R: Real>(pool: &Pool, stride: usize, x: &[R], output: usize, leaders: &mut [R]) {
    for (index, pixel) in pool.window(output).enumerate() {
        let values = &x[pixel * stride..][..stride];
        if index == 0 {
            leaders.copy_from_slice(values);
        } else {
            lead(leaders, values);
        }
    }
}

/// The largest value of each window of a batch.
pub struct MaxPool<'a, R> {
    /// The pool.
    pub pool: &'a Pool,
    /// Its input.
    pub x: Reader<'a, R>,
    /// Its output, which lies as the input does.
    pub y: &'a mut [R],
    /// One example.
    pub scratch: &'a mut Vec<R>,
}

impl<R: Real> Work<R> for MaxPool<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let stride = self.x.grid.stride;
        let staged = room(self.scratch, self.x.grid.len());
        for (example, y) in self.y.chunks_exact_mut(self.pool.output.pixels() * stride).enumerate() {
            // SAFETY: the caller has the set.
            unsafe { self.x.example::<S>(example, staged) };
            for (output, y) in y.chunks_exact_mut(stride).enumerate() {
                largest(self.pool, stride, staged, output, y);
            }
        }
    }
}

/// dy at the first largest value of each window, 0 elsewhere.
pub struct MaxPoolBackward<'a, R> {
    /// The pool.
    pub pool: &'a Pool,
    /// Its input.
    pub x: Reader<'a, R>,
    /// The gradient of its output.
    pub dy: Reader<'a, R>,
    /// The gradient of its input.
    pub dx: &'a mut [R],
    /// What the norm that gave the input will need.
    pub sums: Option<NormSums<'a, R>>,
    /// An example of each.
    pub scratch: &'a mut Vec<R>,
}

impl<R: Real> Work<R> for MaxPoolBackward<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { pool, x, dy, dx, mut sums, scratch } = self;
        let (grid, stride) = (x.grid, x.grid.stride);
        let outputs = pool.output.pixels() * stride;
        let (staged, rest) = room(scratch, grid.len() + outputs + stride).split_at_mut(grid.len());
        let (gradient, leaders) = rest.split_at_mut(outputs);
        for (example, dx) in dx.chunks_exact_mut(grid.len()).enumerate() {
            // SAFETY: the caller has the set.
            unsafe {
                x.example::<S>(example, staged);
                dy.example::<S>(example, gradient);
            }
            for (output, gradient) in gradient.chunks_exact_mut(stride).enumerate() {
                largest(pool, stride, staged, output, leaders);
                for pixel in pool.window(output) {
                    let (values, dx) = (&staged[pixel * stride..][..stride], &mut dx[pixel * stride..][..stride]);
                    // What is given away is 0 for the rest of the window: ties go to the first.
                    for (((dx, left), value), leader) in dx.iter_mut().zip(&mut *gradient).zip(values).zip(&*leaders) {
                        let wins = *value == *leader || (value.is_nan() && leader.is_nan());
                        *dx = if wins { *left } else { R::ZERO };
                        *left = if wins { R::ZERO } else { *left };
                    }
                }
            }
            if let Some(sums) = &mut sums {
                // SAFETY: the caller has the set.
                unsafe { sums.add::<S>(grid, dx, example) };
            }
        }
        if let Some(sums) = sums {
            sums.finish(stride);
        }
    }
}

/// The mean of each channel.
pub struct MeanPool<'a, R> {
    /// The input.
    pub x: Reader<'a, R>,
    /// The means, `[B, channels]`.
    pub y: &'a mut [R],
    /// One example.
    pub scratch: &'a mut Vec<R>,
    /// Sums.
    pub totals: &'a mut Vec<f64>,
}

impl<R: Real> Work<R> for MeanPool<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let grid = self.x.grid;
        let (shift, staged) = room(self.scratch, grid.stride + grid.len()).split_at_mut(grid.stride);
        shift.fill(R::ZERO);
        for (example, y) in self.y.chunks_exact_mut(grid.shape.channels).enumerate() {
            let totals = zeros(self.totals, 2 * grid.stride);
            // SAFETY: the caller has the set.
            unsafe {
                self.x.example::<S>(example, staged);
                add_spread::<R, S>(grid, staged, shift, totals);
            }
            let pixels = grid.shape.pixels() as f64;
            y.iter_mut().zip(&*totals).for_each(|(y, total)| *y = R::from_f64(total / pixels));
        }
    }
}

/// dy / pixels at every pixel.
pub fn mean_pool_backward<R: Real>(grid: Grid, dy: &[R], dx: &mut [R]) {
    let channels = grid.shape.channels;
    let share = R::from_f64(1.0 / grid.shape.pixels() as f64);
    for (dx, dy) in dx.chunks_exact_mut(grid.len()).zip(dy.chunks_exact(channels)) {
        for dx in dx.chunks_exact_mut(grid.stride) {
            let (values, padding) = dx.split_at_mut(channels);
            values.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = *dy * share);
            padding.fill(R::ZERO);
        }
    }
}
