//! Max and mean pooling, plane by plane.

use super::Pool;
use super::norm::lane_sum;
use super::real::Real;

impl Pool {
    /// For each output of one plane: its index, and the index of the first largest value of its window.
    fn winners<R: Real>(&self, plane: &[R]) -> impl Iterator<Item = usize> {
        let (width, height) = (self.input.width, self.input.height);
        (0..self.output.pixels()).map(move |output| {
            let (top, left) = (output / self.output.width * self.side, output % self.output.width * self.side);
            let rows = top..(top + self.side).min(height);
            let mut best = top * width + left;
            for row in rows {
                for index in row * width + left..row * width + (left + self.side).min(width) {
                    // NaN wins, as in PyTorch, so that a broken run shows.
                    let (value, leader) = (plane[index], plane[best]);
                    if value > leader || (is_nan(value) && !is_nan(leader)) {
                        best = index;
                    }
                }
            }
            best
        })
    }
}

fn is_nan<R: Real>(value: R) -> bool {
    value.partial_cmp(&value).is_none()
}

/// The largest value of each window.
pub fn max_pool<R: Real>(pool: &Pool, x: &[R], y: &mut [R]) {
    for (x, y) in x.chunks_exact(pool.input.pixels()).zip(y.chunks_exact_mut(pool.output.pixels())) {
        y.iter_mut().zip(pool.winners(x)).for_each(|(y, winner)| *y = x[winner]);
    }
}

/// dy where the largest values were.
pub fn max_pool_backward<R: Real>(pool: &Pool, x: &[R], dy: &[R], dx: &mut [R]) {
    dx.fill(R::ZERO);
    let planes = x.chunks_exact(pool.input.pixels()).zip(dx.chunks_exact_mut(pool.input.pixels()));
    for ((x, dx), dy) in planes.zip(dy.chunks_exact(pool.output.pixels())) {
        dy.iter().zip(pool.winners(x)).for_each(|(dy, winner)| dx[winner] += *dy);
    }
}

/// The mean of each plane.
pub fn mean_pool<R: Real>(pixels: usize, x: &[R], y: &mut [R]) {
    for (x, y) in x.chunks_exact(pixels).zip(y) {
        *y = R::from_f64(lane_sum(x, |value| value) / pixels as f64);
    }
}

/// dy / pixels at every pixel.
pub fn mean_pool_backward<R: Real>(pixels: usize, dy: &[R], dx: &mut [R]) {
    let share = R::from_f64(1.0 / pixels as f64);
    for (dx, dy) in dx.chunks_exact_mut(pixels).zip(dy) {
        dx.fill(*dy * share);
    }
}
