//! Sums per channel over the pixels of one example, while it is in cache: f32 in registers, f64 from image to image.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::pointwise::{GateAt, NormGate, OpenGate, OutputGate};
use super::pool::Grid;
use super::real::Real;
use super::stage::BorrowedGate;
use super::vector::{Set, Single, Vector};

/// Sums that run side by side, so that one addition need not wait for the other.
const CHAINS: usize = 4;

/// Two terms of each value.
///
/// # Safety
/// The processor has the register's set; all places and channels asked for exist.
trait Terms<R: Real> {
    /// The channel's coefficients.
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 3];
    /// The terms at a place.
    unsafe fn at<V: Vector<Item = R>>(&self, k: &[V; 3], at: usize) -> [V; 2];
}

/// x - shift and its square.
struct Spread<R> {
    x: *const R,
    shift: *const R,
}

impl<R: Real> Terms<R> for Spread<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 3] {
        // SAFETY: the trait's contract.
        unsafe { [V::load(self.shift.add(channel)), V::zero(), V::zero()] }
    }

    #[inline(always)]
    unsafe fn at<V: Vector<Item = R>>(&self, k: &[V; 3], at: usize) -> [V; 2] {
        // SAFETY: the trait's contract.
        unsafe {
            let distance = V::load(self.x.add(at)).minus(k[0]);
            [distance, distance.times(distance)]
        }
    }
}

/// dz and dz (x - mean), where dz is dy behind a gate.
struct Products<R, G> {
    dy: *const R,
    /// Where dy's first place lies in the other memories.
    offset: usize,
    x: *const R,
    mean: *const R,
    gate: G,
}

impl<R: Real, G: GateAt<R>> Terms<R> for Products<R, G> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 3] {
        // SAFETY: the trait's contract.
        unsafe {
            let [scale, shift] = self.gate.coefficients(channel);
            [V::load(self.mean.add(channel)), scale, shift]
        }
    }

    #[inline(always)]
    unsafe fn at<V: Vector<Item = R>>(&self, k: &[V; 3], at: usize) -> [V; 2] {
        // SAFETY: the trait's contract.
        unsafe {
            let there = self.offset + at;
            let dz = self.gate.pass(&[k[1], k[2]], V::load(self.dy.add(at)), there);
            [dz, dz.times(V::load(self.x.add(there)).minus(k[0]))]
        }
    }
}

/// Adds the sums of x - shift and of its square to `totals [2, stride]`.
///
/// # Safety
/// The processor has the set.
#[inline(always)]
pub unsafe fn add_spread<R: Real, S: Set<R>>(grid: Grid, x: &[R], shift: &[R], totals: &mut [f64]) {
    assert!(x.len() >= grid.len() && shift.len() >= grid.stride);
    // SAFETY: lengths were checked.
    unsafe { each_channel::<R, S, _>(&Spread { x: x.as_ptr(), shift: shift.as_ptr() }, grid, totals) }
}

/// Adds the sums of dz and dz (x - mean) of one example to `totals [2, stride]`: `dy` is the example's alone, the gate's
/// and x's memory that of the batch, in which it starts at `offset`.
///
/// # Safety
/// The processor has the set.
#[inline(always)]
pub unsafe fn add_products<R: Real, S: Set<R>>(
    grid: Grid,
    dy: &[R],
    (x, offset): (&[R], usize),
    mean: &[R],
    gate: &BorrowedGate<'_, R>,
    totals: &mut [f64],
) {
    let end = offset + grid.len();
    assert!(dy.len() >= grid.len() && x.len() >= end && mean.len() >= grid.stride);
    let (dy, x, mean) = (dy.as_ptr(), x.as_ptr(), mean.as_ptr());
    // SAFETY: lengths were checked, those of gates here.
    unsafe {
        match gate {
            BorrowedGate::Open => {
                each_channel::<R, S, _>(&Products { dy, offset, x, mean, gate: OpenGate }, grid, totals);
            }
            BorrowedGate::Output(output) => {
                assert!(output.len() >= end);
                let gate = OutputGate { output: output.as_ptr() };
                each_channel::<R, S, _>(&Products { dy, offset, x, mean, gate }, grid, totals);
            }
            BorrowedGate::Norm { x: data, coefficients } => {
                assert!(data.len() >= end && coefficients.len() >= 2 * grid.stride);
                let (scale, shift) = coefficients.split_at(grid.stride);
                let gate = NormGate { data: data.as_ptr(), scale: (scale.as_ptr(), shift.as_ptr()) };
                each_channel::<R, S, _>(&Products { dy, offset, x, mean, gate }, grid, totals);
            }
        }
    }
}

/// # Safety
/// As for [`Terms`], for all places of the grid.
#[inline(always)]
unsafe fn each_channel<R: Real, S: Set<R>, T: Terms<R>>(terms: &T, grid: Grid, totals: &mut [f64]) {
    let (first, second) = totals.split_at_mut(grid.stride);
    let mut channel = 0;
    while channel < grid.stride {
        let left = grid.stride - channel;
        let totals = (&mut first[channel..], &mut second[channel..]);
        // SAFETY: the caller's contract.
        channel += unsafe {
            if left >= S::Wide::WIDTH {
                column::<R, S::Wide, T>(terms, grid, channel, totals)
            } else if left >= S::Narrow::WIDTH {
                column::<R, S::Narrow, T>(terms, grid, channel, totals)
            } else {
                column::<R, Single<R>, T>(terms, grid, channel, totals)
            }
        };
    }
}

/// One register of channels; how many channels that is.
///
/// # Safety
/// As for [`each_channel`].
#[inline(always)]
unsafe fn column<R: Real, V: Vector<Item = R>, T: Terms<R>>(
    terms: &T,
    grid: Grid,
    channel: usize,
    (first, second): (&mut [f64], &mut [f64]),
) -> usize {
    let pixels = grid.shape.pixels();
    let mut lanes = [R::ZERO; super::vector::WIDEST];
    // SAFETY: the caller's contract; `lanes` holds the widest register.
    unsafe {
        let k = terms.coefficients::<V>(channel);
        let mut sums = [[V::zero(); 2]; CHAINS];
        let mut pixel = 0;
        while pixel + CHAINS <= pixels {
            for (chain, sums) in sums.iter_mut().enumerate() {
                let values = terms.at(&k, (pixel + chain) * grid.stride + channel);
                *sums = [sums[0].plus(values[0]), sums[1].plus(values[1])];
            }
            pixel += CHAINS;
        }
        while pixel < pixels {
            let values = terms.at(&k, pixel * grid.stride + channel);
            sums[0] = [sums[0][0].plus(values[0]), sums[0][1].plus(values[1])];
            pixel += 1;
        }
        for (index, totals) in [first, second].into_iter().enumerate() {
            let low = sums[0][index].plus(sums[1][index]);
            low.plus(sums[2][index].plus(sums[3][index])).store(lanes.as_mut_ptr());
            totals.iter_mut().zip(&lanes[..V::WIDTH]).for_each(|(total, lane)| *total += lane.to_f64());
        }
    }
    V::WIDTH
}

/// The sum of the squares: f32 in registers, f64 from block to block.
///
/// # Safety
/// The processor has the set.
#[inline(always)]
pub unsafe fn squares<R: Real, S: Set<R>>(values: &[R]) -> f64 {
    /// Values that are summed in registers.
    const BLOCK: usize = 4096;
    // SAFETY: the caller's contract.
    values.chunks(BLOCK).map(|block| unsafe { block_squares::<R, S::Wide>(block) }).sum()
}

/// # Safety
/// As for [`squares`].
#[inline(always)]
unsafe fn block_squares<R: Real, V: Vector<Item = R>>(values: &[R]) -> f64 {
    let mut lanes = [R::ZERO; super::vector::WIDEST];
    let chunks = values.chunks_exact(CHAINS * V::WIDTH);
    let rest: f64 = chunks.remainder().iter().map(|value| value.to_f64() * value.to_f64()).sum();
    // SAFETY: a chunk holds `CHAINS` registers, `lanes` the widest.
    unsafe {
        let mut sums = [V::zero(); CHAINS];
        for chunk in chunks {
            for (chain, sum) in sums.iter_mut().enumerate() {
                let value = V::load(chunk.as_ptr().add(chain * V::WIDTH));
                *sum = sum.plus_product(value, value);
            }
        }
        sums[0].plus(sums[1]).plus(sums[2].plus(sums[3])).store(lanes.as_mut_ptr());
    }
    rest + lanes[..V::WIDTH].iter().map(|lane| lane.to_f64()).sum::<f64>()
}
