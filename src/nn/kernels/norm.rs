//! Batch norm channel by channel: a channel's planes of the whole batch stay in cache over its passes.

use super::pool::Buf;
use super::real::Real;
use super::{Norm, Sink};

/// Added to the variance.
const EPSILON: f64 = 1e-5;
/// Share of the batch's moments in the running ones.
const MOMENTUM: f64 = 0.1;
/// Partial sums of a plane; plane sums are added in f64.
const LANES: usize = 16;

impl Norm {
    /// Where each example's plane of a channel lies.
    fn planes(&self, channel: usize, batch: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (pixels, len) = (self.shape.pixels(), self.shape.len());
        (0..batch).map(move |example| {
            let start = example * len + channel * pixels;
            start..start + pixels
        })
    }
}

/// Writes mean and 1 / deviation of each channel to `moments [2, C]`: the batch's, folded into the running ones, or
/// the running ones.
pub fn moments<R: Real>(norm: &Norm, train: bool, statistics: &mut [R], x: &[R], moments: &mut [R]) {
    let (means, inverses) = moments.split_at_mut(norm.shape.channels);
    for (channel, (mean, inverse)) in means.iter_mut().zip(inverses).enumerate() {
        let (mean_at, variance_at) = (norm.mean.offset + channel, norm.variance.offset + channel);
        let (average, variance) = if train {
            let (average, variance, count) = batch_moments(norm, channel, x);
            // A single value has no unbiased variance: the biased one, 0, takes its place.
            let unbiased = variance * count / (count - 1.0).max(1.0);
            fold(&mut statistics[mean_at], average);
            fold(&mut statistics[variance_at], unbiased);
            (average, variance)
        } else {
            (statistics[mean_at].to_f64(), statistics[variance_at].to_f64())
        };
        *mean = R::from_f64(average);
        *inverse = R::from_f64(1.0 / (variance + EPSILON).sqrt());
    }
}

fn fold<R: Real>(running: &mut R, batch: f64) {
    *running = R::from_f64((1.0 - MOMENTUM) * running.to_f64() + MOMENTUM * batch);
}

/// Mean, biased variance (two passes) and count of a channel.
fn batch_moments<R: Real>(norm: &Norm, channel: usize, x: &[R]) -> (f64, f64, f64) {
    let batch = x.len() / norm.shape.len();
    let count = (batch * norm.shape.pixels()) as f64;
    let total: f64 = norm.planes(channel, batch).map(|plane| lane_sum(&x[plane], |value| value)).sum();
    let mean = total / count;
    let center = R::from_f64(mean);
    let squares = |value: R| (value - center) * (value - center);
    let spread: f64 = norm.planes(channel, batch).map(|plane| lane_sum(&x[plane], squares)).sum();
    (mean, spread / count, count)
}

/// The sum of a term of every value.
pub fn lane_sum<R: Real>(values: &[R], term: impl Fn(R) -> R) -> f64 {
    let mut lanes = [R::ZERO; LANES];
    let chunks = values.chunks_exact(LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, value)| *lane += term(*value));
    }
    lanes.iter_mut().zip(tail).for_each(|(lane, value)| *lane += term(*value));
    total(lanes)
}

/// The sum of the lanes in f64, halves upon halves.
fn total<R: Real>(lanes: [R; LANES]) -> f64 {
    let mut lanes = lanes.map(Real::to_f64);
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        half /= 2;
    }
    lanes[0]
}

/// y = norm(x) + skip, and its `ReLU`.
pub fn apply<R: Real>(norm: &Norm, weights: &[R], moments: &[R], x: &[R], skip: Option<&[R]>, y: &mut [R]) {
    let batch = x.len() / norm.shape.len();
    let (means, inverses) = moments.split_at(norm.shape.channels);
    for (channel, (mean, inverse)) in means.iter().zip(inverses).enumerate() {
        let scale = weights[norm.weight.offset + channel] * *inverse;
        let shift = weights[norm.bias.offset + channel] - *mean * scale;
        for plane in norm.planes(channel, batch) {
            let (x, y) = (&x[plane.clone()], &mut y[plane.clone()]);
            match skip.map(|skip| &skip[plane]) {
                None if norm.relu => map(y, x, |x| above_zero(x * scale + shift)),
                None => map(y, x, |x| x * scale + shift),
                Some(skip) if norm.relu => map_two(y, x, skip, |x, skip| above_zero(x * scale + shift + skip)),
                Some(skip) => map_two(y, x, skip, |x, skip| x * scale + shift + skip),
            }
        }
    }
}

fn map<R: Real>(y: &mut [R], x: &[R], value: impl Fn(R) -> R) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = value(*x));
}

fn map_two<R: Real>(y: &mut [R], x: &[R], other: &[R], value: impl Fn(R, R) -> R) {
    y.iter_mut().zip(x.iter().zip(other)).for_each(|(y, (x, other))| *y = value(*x, *other));
}

/// max(x, 0); NaN stays NaN, so that a broken run shows.
pub fn above_zero<R: Real>(x: R) -> R {
    if x < R::ZERO { R::ZERO } else { x }
}

/// Turns `dz` into dx in place and gives the gradients of weight and bias to the sink.
///
/// With batch moments dx = a (dz - mean(dz) - x̂ mean(dz x̂)), with running ones a dz, where a = weight / deviation.
pub fn backward<R: Real>(
    norm: &Norm,
    train: bool,
    weights: &[R],
    (x, moments): (&[R], &[R]),
    dz: &mut [R],
    sink: &Sink<'_, Buf<R>>,
) {
    let batch = x.len() / norm.shape.len();
    let count = (batch * norm.shape.pixels()) as f64;
    let (means, inverses) = moments.split_at(norm.shape.channels);
    let mut norms = sink.norms.map(Buf::write);
    let mut gradients = sink.gradients.map(Buf::write);
    let needs_sums = train || norms.is_some() || gradients.is_some();
    for (channel, (mean, inverse)) in means.iter().zip(inverses).enumerate() {
        let mut total = (0.0, 0.0);
        if needs_sums {
            for (example, plane) in norm.planes(channel, batch).enumerate() {
                let (sum, product) = plane_sums(&dz[plane.clone()], &x[plane], *mean, *inverse);
                if let Some(norms) = &mut norms {
                    norms[example] += R::from_f64(sum * sum + product * product);
                }
                total = (total.0 + sum, total.1 + product);
            }
        }
        if let Some(gradients) = &mut gradients {
            gradients[norm.bias.offset + channel] = R::from_f64(total.0);
            gradients[norm.weight.offset + channel] = R::from_f64(total.1);
        }
        let a = weights[norm.weight.offset + channel] * *inverse;
        if train {
            let b = R::ZERO - a * *inverse * R::from_f64(total.1 / count);
            let c = R::ZERO - a * R::from_f64(total.0 / count) - b * *mean;
            for plane in norm.planes(channel, batch) {
                let x = &x[plane.clone()];
                dz[plane].iter_mut().zip(x).for_each(|(dz, x)| *dz = a * *dz + b * *x + c);
            }
        } else {
            for plane in norm.planes(channel, batch) {
                dz[plane].iter_mut().for_each(|dz| *dz = a * *dz);
            }
        }
    }
}

/// Sums of dz and of dz x̂ over a plane.
fn plane_sums<R: Real>(dz: &[R], x: &[R], mean: R, inverse: R) -> (f64, f64) {
    let mut lanes = [[R::ZERO; LANES]; 2];
    let [sums, products] = &mut lanes;
    let (dz_chunks, x_chunks) = (dz.chunks_exact(LANES), x.chunks_exact(LANES));
    let tail = dz_chunks.remainder().iter().zip(x_chunks.remainder());
    for (dz, x) in dz_chunks.zip(x_chunks) {
        for lane in 0..LANES {
            sums[lane] += dz[lane];
            products[lane] += dz[lane] * (x[lane] - mean);
        }
    }
    for (lane, (dz, x)) in tail.enumerate() {
        sums[lane] += *dz;
        products[lane] += *dz * (*x - mean);
    }
    let [sum, product] = lanes.map(total);
    (sum, product * inverse.to_f64())
}
