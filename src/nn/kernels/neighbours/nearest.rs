//! The nearest of one example so far.

use crate::nn::Real;

/// The `k` nearest that were seen, nearest first; of equal distances the lower index.
#[derive(Debug, Clone)]
pub struct Nearest<R> {
    k: usize,
    found: Vec<(R, u32)>,
}

impl<R: Real> Nearest<R> {
    /// None so far.
    pub fn new(k: usize) -> Self {
        Self { k, found: Vec::with_capacity(k + 1) }
    }

    /// Squared distance and index of each, nearest first.
    pub fn found(&self) -> &[(R, u32)] {
        &self.found
    }

    /// The farthest of them, where there are `k`.
    fn last(&self) -> Option<R> {
        self.found.get(self.k.wrapping_sub(1)).map(|last| last.0)
    }

    /// Enters a neighbour; equal distances go to the lower index.
    fn enter(&mut self, distance: R, index: u32) {
        let place = self.found.partition_point(|(other, at)| (*other, *at) < (distance, index));
        if place < self.k {
            self.found.insert(place, (distance, index));
            self.found.truncate(self.k);
        }
    }

    /// Enters those of a row of distances, to the examples from `first` on, that are near enough. A distance that is no
    /// number is never near.
    pub fn scan(&mut self, distances: &[R], first: usize, but: Option<usize>) {
        const LANES: usize = 16;
        for (chunk, values) in distances.chunks(LANES).enumerate() {
            // Equal distances may still win by their index.
            // Without a branch per value, so that the loop becomes vector instructions.
            #[allow(clippy::needless_bitwise_bool)]
            let far = |last: R| !values.iter().fold(false, |any, value| any | (*value <= last));
            if self.last().is_some_and(far) {
                continue;
            }
            for (lane, value) in values.iter().enumerate() {
                let index = first + chunk * LANES + lane;
                let near = self.last().map_or(!value.is_nan(), |last| *value <= last);
                if near && Some(index) != but {
                    self.enter(*value, index as u32);
                }
            }
        }
    }
}
