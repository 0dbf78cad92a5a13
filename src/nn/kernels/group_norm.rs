//! Group norm: each example's own moments over a group of channels, worked out at once (batch norms put it off).
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::cell::{Ref, RefMut};

use super::GroupNorm;
use super::conv::zeros;
use super::norm::{EPSILON, above_zero};
use super::pool::Grid;
use super::real::Real;
use super::stage::BorrowedGate;
use super::sums::{add_products, add_spread};
use super::vector::{Set, Work};

impl GroupNorm {
    /// The channels of a group.
    fn channels(&self, group: usize) -> std::ops::Range<usize> {
        let size = self.shape.channels / self.groups.max(1);
        group * size..(group + 1) * size
    }

    /// Values of a group.
    fn count(&self) -> f64 {
        (self.shape.len() / self.groups.max(1)) as f64
    }
}

/// y of a stored batch.
pub struct Forward<'a, R> {
    /// The norm.
    pub norm: &'a GroupNorm,
    /// How an example lies.
    pub grid: Grid,
    /// All parameters.
    pub weights: &'a [R],
    /// The input.
    pub x: Ref<'a, [R]>,
    /// What is added before the `ReLU`.
    pub skip: Option<Ref<'a, [R]>>,
    /// Mean and 1 / deviation of every example's groups, `[B, groups, 2]`.
    pub moments: &'a mut [R],
    /// The output.
    pub y: &'a mut [R],
    /// Sums.
    pub totals: &'a mut Vec<f64>,
    /// Coefficients.
    pub coefficients: &'a mut Vec<R>,
}

impl<R: Real> Work<R> for Forward<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { norm, grid, weights, x, skip, moments, y, totals, coefficients } = self;
        let stride = grid.stride;
        let examples = x.chunks_exact(grid.len()).zip(y.chunks_exact_mut(grid.len()));
        let moments = moments.chunks_exact_mut(2 * norm.groups.max(1));
        for (example, ((x, y), moments)) in examples.zip(moments).enumerate() {
            let coefficients = zeros(coefficients, 3 * stride);
            let (shift, scales) = coefficients.split_at_mut(stride);
            let totals = zeros(totals, 2 * stride);
            // SAFETY: the caller has the set.
            unsafe { add_spread::<R, S>(grid, x, shift, totals) };
            for (group, moments) in moments.chunks_exact_mut(2).enumerate() {
                let mean = totals[norm.channels(group)].iter().sum::<f64>() / norm.count();
                shift[norm.channels(group)].fill(R::from_f64(mean));
                moments[0] = R::from_f64(mean);
            }
            totals.fill(0.0);
            // SAFETY: the caller has the set.
            unsafe { add_spread::<R, S>(grid, x, shift, totals) };
            let (scales, shifts) = scales.split_at_mut(stride);
            for (group, moments) in moments.chunks_exact_mut(2).enumerate() {
                let squares = totals[stride..][norm.channels(group)].iter().sum::<f64>();
                let inverse = 1.0 / (squares / norm.count() + EPSILON).sqrt();
                moments[1] = R::from_f64(inverse);
                for channel in norm.channels(group) {
                    let scale = weights[norm.weight.offset + channel].to_f64() * inverse;
                    scales[channel] = R::from_f64(scale);
                    let shift = weights[norm.bias.offset + channel].to_f64() - moments[0].to_f64() * scale;
                    shifts[channel] = R::from_f64(shift);
                }
            }
            let offset = example * grid.len();
            for (pixel, (x, y)) in x.chunks_exact(stride).zip(y.chunks_exact_mut(stride)).enumerate() {
                for channel in 0..stride {
                    y[channel] = x[channel] * scales[channel] + shifts[channel];
                }
                if let Some(skip) = &skip {
                    let skip = &skip[offset + pixel * stride..][..stride];
                    y.iter_mut().zip(skip).for_each(|(y, skip)| *y += *skip);
                }
                if norm.relu {
                    for y in y.iter_mut() {
                        *y = above_zero(*y);
                    }
                }
            }
        }
    }
}

/// dx of a stored gradient, in place.
pub struct Backward<'a, R> {
    /// The norm.
    pub norm: &'a GroupNorm,
    /// How an example lies.
    pub grid: Grid,
    /// All parameters.
    pub weights: &'a [R],
    /// The input.
    pub x: Ref<'a, [R]>,
    /// Mean and 1 / deviation of every example's groups, `[B, groups, 2]`.
    pub moments: Ref<'a, [R]>,
    /// The gradient behind the `ReLU`, which becomes that of the input.
    pub dz: &'a mut [R],
    /// The gradient arena.
    pub gradients: Option<RefMut<'a, [R]>>,
    /// Squared norms per example, which are added to.
    pub norms: Option<RefMut<'a, [R]>>,
    /// Sums.
    pub totals: &'a mut Vec<f64>,
    /// Coefficients.
    pub coefficients: &'a mut Vec<R>,
}

impl<R: Real> Work<R> for Backward<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { norm, grid, weights, x, moments, dz, mut gradients, mut norms, totals, coefficients } = self;
        let stride = grid.stride;
        let totals = zeros(totals, 4 * stride);
        let (own, batch) = totals.split_at_mut(2 * stride);
        let moments = moments.chunks_exact(2 * norm.groups.max(1));
        for (example, (dz, moments)) in dz.chunks_exact_mut(grid.len()).zip(moments).enumerate() {
            let coefficients = zeros(coefficients, 4 * stride);
            let (means, abc) = coefficients.split_at_mut(stride);
            for (group, moments) in moments.chunks_exact(2).enumerate() {
                means[norm.channels(group)].fill(moments[0]);
            }
            own.fill(0.0);
            let offset = example * grid.len();
            // SAFETY: the caller has the set.
            unsafe { add_products::<R, S>(grid, dz, (&x, offset), means, &BorrowedGate::Open, own) };
            let mut squared = 0.0;
            for (group, moments) in moments.chunks_exact(2).enumerate() {
                let (mean, inverse) = (moments[0].to_f64(), moments[1].to_f64());
                let (mut sum, mut products) = (0.0, 0.0);
                for channel in norm.channels(group) {
                    own[stride + channel] *= inverse;
                    let weight = weights[norm.weight.offset + channel].to_f64();
                    sum += weight * own[channel];
                    products += weight * own[stride + channel];
                    squared += own[channel].powi(2) + own[stride + channel].powi(2);
                }
                let (sum, products) = (sum / norm.count(), products / norm.count());
                for channel in norm.channels(group) {
                    let weight = weights[norm.weight.offset + channel].to_f64();
                    let b = -inverse * inverse * products;
                    abc[channel] = R::from_f64(weight * inverse);
                    abc[stride + channel] = R::from_f64(b);
                    abc[2 * stride + channel] = R::from_f64(-inverse * sum - b * mean);
                }
            }
            batch.iter_mut().zip(&*own).for_each(|(batch, own)| *batch += own);
            if let Some(norms) = &mut norms {
                norms[example] += R::from_f64(squared);
            }
            let x = &x[offset..][..grid.len()];
            let (a, bc) = abc.split_at(stride);
            let (b, c) = bc.split_at(stride);
            for (dz, x) in dz.chunks_exact_mut(stride).zip(x.chunks_exact(stride)) {
                for channel in 0..stride {
                    dz[channel] = a[channel] * dz[channel] + b[channel] * x[channel] + c[channel];
                }
            }
        }
        if let Some(gradients) = &mut gradients {
            for channel in 0..norm.shape.channels {
                gradients[norm.bias.offset + channel] = R::from_f64(batch[channel]);
                gradients[norm.weight.offset + channel] = R::from_f64(batch[stride + channel]);
            }
        }
    }
}
