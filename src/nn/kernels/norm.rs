//! Norms as coefficients: what a norm does to its input, and its backward to a gradient, is a multiplication and an addition
//! per channel, which whoever reads the values does on the way.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::cell::Ref;

use super::Norm;
use super::conv::{room, zeros};
use super::pool::Grid;
use super::real::Real;
use super::stage::BorrowedGate;
use super::sums::{add_products, add_spread};
use super::vector::{Set, Work};

/// Added to the variance.
pub const EPSILON: f64 = 1e-5;
/// Share of the batch's moments in the running ones.
const MOMENTUM: f64 = 0.1;

/// max(x, 0); NaN stays NaN, so that a broken run shows.
pub fn above_zero<R: Real>(x: R) -> R {
    if x < R::ZERO { R::ZERO } else { x }
}

/// Mean and population variance of each channel of a stored batch, into `[2, stride]`.
pub struct BatchMoments<'a, R> {
    /// How an example lies.
    pub grid: Grid,
    /// The batch.
    pub x: Ref<'a, [R]>,
    /// Sums.
    pub totals: &'a mut Vec<f64>,
    /// About the means.
    pub shift: &'a mut Vec<R>,
    /// Where to.
    pub moments: &'a mut [R],
}

impl<R: Real> Work<R> for BatchMoments<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { grid, x, totals, shift, moments } = self;
        let (totals, shift) = (zeros(totals, 2 * grid.stride), zeros(shift, grid.stride));
        let count = (x.len() / grid.stride.max(1)) as f64;
        let (means, variances) = moments.split_at_mut(grid.stride);
        // Twice: the variance from distances to the mean.
        for round in 0..2 {
            totals.fill(0.0);
            // SAFETY: the caller has the set.
            x.chunks_exact(grid.len()).for_each(|x| unsafe { add_spread::<R, S>(grid, x, shift, totals) });
            for channel in 0..grid.stride {
                let distance = totals[channel] / count;
                let mean = shift[channel].to_f64() + distance;
                if round == 0 {
                    shift[channel] = R::from_f64(mean);
                }
                means[channel] = R::from_f64(mean);
                let variance = totals[grid.stride + channel] / count - distance * distance;
                variances[channel] = R::from_f64(variance.max(0.0));
            }
        }
    }
}

/// The moments of a batch, and over how many values they are.
#[derive(Clone, Copy)]
pub struct Batch<'a, R> {
    /// Mean and population variance, `[2, stride]`.
    pub moments: &'a [R],
    /// Values of a channel.
    pub count: usize,
}

impl Norm {
    /// Writes mean and 1 / deviation to `moments`, scale and shift to `coefficients` (both `[2, stride]`): of the batch's
    /// moments, which are folded into the running ones, or of the running ones.
    pub fn forward<R: Real>(
        &self,
        batch: Option<Batch<'_, R>>,
        weights: &[R],
        statistics: &mut [R],
        moments: &mut [R],
        coefficients: &mut [R],
    ) {
        let stride = moments.len() / 2;
        moments.fill(R::ZERO);
        coefficients.fill(R::ZERO);
        for channel in 0..self.shape.channels {
            let (mean_at, variance_at) = (self.mean.offset + channel, self.variance.offset + channel);
            let (mean, variance) = match batch {
                Some(Batch { moments, count }) => {
                    let (mean, variance) = (moments[channel].to_f64(), moments[stride + channel].to_f64());
                    let count = count as f64;
                    // A single value has no unbiased variance: the biased one, 0, takes its place.
                    fold(&mut statistics[mean_at], mean);
                    fold(&mut statistics[variance_at], variance * count / (count - 1.0).max(1.0));
                    (mean, variance)
                }
                None => (statistics[mean_at].to_f64(), statistics[variance_at].to_f64()),
            };
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            moments[channel] = R::from_f64(mean);
            moments[stride + channel] = R::from_f64(inverse);
            let scale = weights[self.weight.offset + channel].to_f64() * inverse;
            coefficients[channel] = R::from_f64(scale);
            let shift = weights[self.bias.offset + channel].to_f64() - mean * scale;
            coefficients[stride + channel] = R::from_f64(shift);
        }
    }

    /// Writes the coefficients `[3, stride]` of the input's gradient: a dz + b x + c.
    ///
    /// With batch moments dx = a (dz - mean(dz) - x̂ mean(dz x̂)), with running ones a dz, where a = weight / deviation.
    /// `sums` are those of dz and dz x̂ over `count` values, none where running moments were used.
    pub fn backward<R: Real>(&self, weights: &[R], moments: &[R], sums: Option<(&[R], usize)>, coefficients: &mut [R]) {
        let stride = moments.len() / 2;
        coefficients.fill(R::ZERO);
        for channel in 0..self.shape.channels {
            let (mean, inverse) = (moments[channel].to_f64(), moments[stride + channel].to_f64());
            let a = weights[self.weight.offset + channel].to_f64() * inverse;
            coefficients[channel] = R::from_f64(a);
            if let Some((sums, count)) = sums {
                let of = |sum: R| sum.to_f64() / count as f64;
                let b = -a * inverse * of(sums[stride + channel]);
                coefficients[stride + channel] = R::from_f64(b);
                coefficients[2 * stride + channel] = R::from_f64(-a * of(sums[channel]) - b * mean);
            }
        }
    }

    /// Writes the weight gradients: sums of dz and dz x̂.
    pub fn weight_gradients<R: Real>(&self, sums: &[R], gradients: &mut [R]) {
        let (dz, products) = sums.split_at(sums.len() / 2);
        gradients[self.bias.range()].copy_from_slice(&dz[..self.bias.len]);
        gradients[self.weight.range()].copy_from_slice(&products[..self.weight.len]);
    }
}

fn fold<R: Real>(running: &mut R, batch: f64) {
    *running = R::from_f64((1.0 - MOMENTUM) * running.to_f64() + MOMENTUM * batch);
}

/// Sums of dz and dz x̂ for the norm whose output a gradient is of: the gradients of its bias and weight.
pub struct NormSums<'a, R> {
    /// The norm's input, of the whole batch.
    pub x: Ref<'a, [R]>,
    /// `[2, stride]`: mean and 1 / deviation.
    pub moments: Ref<'a, [R]>,
    /// What closes the gradient.
    pub gate: BorrowedGate<'a, R>,
    /// `[2, stride]`: the sums.
    pub sums: &'a mut [R],
    /// Each example's squared norm of its own sums, where they are wanted.
    pub squares: Option<&'a mut [R]>,
    /// `[2, 2, stride]`: those of the batch and of an example, of dz and dz (x - mean).
    pub totals: &'a mut [f64],
}

impl<R: Real> NormSums<'_, R> {
    /// Adds an example, from its own gradient.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn add<S: Set<R>>(&mut self, grid: Grid, dy: &[R], example: usize) {
        let (totals, own) = self.totals.split_at_mut(2 * grid.stride);
        let x = (&*self.x, example * grid.len());
        let Some(squares) = &mut self.squares else {
            // SAFETY: the caller's contract.
            return unsafe { add_products::<R, S>(grid, dy, x, &self.moments, &self.gate, totals) };
        };
        own.fill(0.0);
        // SAFETY: the caller's contract.
        unsafe { add_products::<R, S>(grid, dy, x, &self.moments, &self.gate, own) };
        totals.iter_mut().zip(&*own).for_each(|(total, own)| *total += own);
        let (dz, products) = own.split_at(grid.stride);
        let inverses = &self.moments[grid.stride..];
        let products = products.iter().zip(inverses).map(|(product, inverse)| product * inverse.to_f64());
        squares[example] = R::from_f64(dz.iter().copied().chain(products).map(|value| value * value).sum());
    }

    /// Writes the sums of the batch.
    pub fn finish(self, stride: usize) {
        for channel in 0..stride {
            self.sums[channel] = R::from_f64(self.totals[channel]);
            let inverse = self.moments[stride + channel].to_f64();
            self.sums[stride + channel] = R::from_f64(self.totals[stride + channel] * inverse);
        }
    }
}

/// Sums of dz and dz x̂ of a stored gradient.
pub struct GradientSums<'a, R> {
    /// How an example lies.
    pub grid: Grid,
    /// The gradient before its gate.
    pub dy: Ref<'a, [R]>,
    /// The norm it is for.
    pub sums: NormSums<'a, R>,
}

impl<R: Real> Work<R> for GradientSums<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { grid, dy, mut sums } = self;
        for (example, dy) in dy.chunks_exact(grid.len()).enumerate() {
            // SAFETY: the caller has the set.
            unsafe { sums.add::<S>(grid, dy, example) };
        }
        sums.finish(grid.stride);
    }
}

/// Memory of norms that is used again.
#[derive(Debug, Default)]
pub struct Scratch<R> {
    /// Sums.
    pub totals: Vec<f64>,
    /// Sums of gradients, while another operation runs.
    pub gradient_totals: Vec<f64>,
    /// About the means.
    pub shift: Vec<R>,
    /// One example.
    pub example: Vec<R>,
}

impl<R: Real> Scratch<R> {
    /// Room for one example.
    pub fn example(&mut self, len: usize) -> &mut [R] {
        room(&mut self.example, len)
    }
}
