//! Embeddings in place for a search, and the distances between two lots of them.
//!
//! A few features (softmax outputs) are subtracted one by one: outputs of a trained network crowd at the corners, where
//! |a|² + |b|² - 2 a·b of numbers near 1 would leave nothing of a distance of 1e-9. More features go through products,
//! after a centre was taken off: that changes no distance and makes the numbers small. What is left of rounding is about
//! 1e-6 of the squared distance to the centre.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::ops::Range;

use crate::Result;
use crate::nn::kernels::vector::{Set, Work};
use crate::nn::{InstructionSet, Kernels, Real};

/// Up to so many features are subtracted one by one.
pub const FEW: usize = 16;

/// Embeddings `[count, features]`, and what their distances need.
pub struct Vectors<K: Kernels> {
    features: usize,
    squares: Vec<K::Real>,
    place: Place<K>,
}

/// Where they lie.
enum Place<K: Kernels> {
    /// On the host: few features.
    Host(Vec<K::Real>),
    /// Less the centre, as the kernels like them.
    Arena(K::Buf),
}

impl<K: Kernels> Vectors<K> {
    /// Room for so many.
    pub fn new(kernels: &mut K, features: usize, most: usize) -> Result<Self> {
        let place = if features <= FEW {
            Place::Host(Vec::with_capacity(most * features))
        } else {
            Place::Arena(kernels.new_vectors(features, most)?)
        };
        Ok(Self { features, squares: Vec::with_capacity(most), place })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.squares.len()
    }

    /// None, with the same room.
    pub fn clear(&mut self) {
        self.squares.clear();
        if let Place::Host(values) = &mut self.place {
            values.clear();
        }
    }

    /// Appends embeddings; `scratch` holds them less the centre for a moment.
    pub fn push(
        &mut self,
        kernels: &mut K,
        values: &[K::Real],
        centre: &[K::Real],
        scratch: &mut Vec<K::Real>,
    ) -> Result<()> {
        let (features, first) = (self.features.max(1), self.count());
        match &mut self.place {
            Place::Host(all) => {
                all.extend_from_slice(values);
                self.squares.resize(all.len() / features, K::Real::ZERO);
                Ok(())
            }
            Place::Arena(arena) => {
                scratch.clear();
                for values in values.chunks_exact(features) {
                    let start = scratch.len();
                    scratch.extend(values.iter().zip(centre).map(|(value, centre)| *value - *centre));
                    self.squares.push(square(scratch.get(start..).unwrap_or(&[])));
                }
                kernels.write_vectors(arena, features, first, scratch)
            }
        }
    }

    /// Squared distances of some of these (rows) to some others (columns), row by row.
    pub fn distances(
        &self,
        kernels: &mut K,
        rows: Range<usize>,
        others: &Self,
        columns: Range<usize>,
        out: &mut [K::Real],
    ) -> Result<()> {
        match (&self.place, &others.place) {
            (Place::Host(left), Place::Host(right)) => {
                let features = self.features;
                let part = |values: &'_ Range<usize>| values.start * features..values.end * features;
                let (left, right) = (left.get(part(&rows)).unwrap_or(&[]), right.get(part(&columns)).unwrap_or(&[]));
                InstructionSet::detect().run(Differences { left, right, features, out });
                Ok(())
            }
            (Place::Arena(left), Place::Arena(right)) => {
                kernels.inner_products(self.features, (left, rows.clone()), (right, columns.clone()), out)?;
                let rows = self.squares.get(rows).unwrap_or(&[]);
                let columns = others.squares.get(columns).unwrap_or(&[]);
                InstructionSet::detect().run(FromProducts { rows, columns, out });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The sum of the squares, in f64.
fn square<R: Real>(values: &[R]) -> R {
    let mut sums = [0.0; 8];
    for values in values.chunks(sums.len()) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value.to_f64() * value.to_f64());
    }
    R::from_f64(sums.iter().sum())
}

/// Inner products into squared distances, never below 0; what is no number stays none.
struct FromProducts<'a, R> {
    rows: &'a [R],
    columns: &'a [R],
    out: &'a mut [R],
}

impl<R: Real> Work<R> for FromProducts<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let Self { rows, columns, out } = self;
        for (out, row) in out.chunks_exact_mut(columns.len().max(1)).zip(rows) {
            for (out, column) in out.iter_mut().zip(columns) {
                let distance = (*row + *column) - (*out + *out);
                *out = if distance < R::ZERO { R::ZERO } else { distance };
            }
        }
    }
}

/// Sums of squared differences, one feature after the other: the same bits on every instruction set, since nothing is
/// fused.
struct Differences<'a, R> {
    left: &'a [R],
    right: &'a [R],
    features: usize,
    out: &'a mut [R],
}

impl<R: Real> Work<R> for Differences<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        const LANES: usize = 64;
        let Self { left, right, features, out } = self;
        let columns = right.len() / features.max(1);
        let mut turned = [[R::ZERO; LANES]; FEW];
        for first in (0..columns).step_by(LANES) {
            let width = LANES.min(columns - first);
            for (column, values) in right.chunks_exact(features).skip(first).take(width).enumerate() {
                turned.iter_mut().zip(values).for_each(|(row, value)| row[column] = *value);
            }
            for (values, out) in left.chunks_exact(features).zip(out.chunks_exact_mut(columns)) {
                let mut sums = [R::ZERO; LANES];
                for (value, others) in values.iter().zip(&turned) {
                    for (sum, other) in sums.iter_mut().zip(others) {
                        let difference = *value - *other;
                        *sum += difference * difference;
                    }
                }
                out.iter_mut().skip(first).zip(&sums).take(width).for_each(|(out, sum)| *out = *sum);
            }
        }
    }
}
