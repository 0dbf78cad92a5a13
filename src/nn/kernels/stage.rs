//! Values on the way from memory to whoever computes with them: what was put off is done here, row by row, in cache.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::cell::Ref;

use super::pointwise::{
    FromGated, Gradient, NormGate, Normalised, OpenGate, OutputGate, Pointwise, Positive, Stored, Through,
};
use super::pool::{Buf, Gate, Grid, Value};
use super::real::Real;
use super::vector::{Set, Single, Vector, Work};

/// A buffer's memory, and the memory of all that its value depends on.
pub struct Reader<'a, R> {
    /// How an example lies in memory.
    pub grid: Grid,
    data: Ref<'a, [R]>,
    value: Borrowed<'a, R>,
}

/// [`Value`], borrowed.
enum Borrowed<'a, R> {
    Stored,
    Norm { coefficients: Ref<'a, [R]>, relu: bool },
    Gated(BorrowedGate<'a, R>),
    NormGradient { coefficients: Ref<'a, [R]>, x: Ref<'a, [R]>, gate: BorrowedGate<'a, R> },
}

/// [`Gate`], borrowed.
pub enum BorrowedGate<'a, R> {
    /// All gradients pass.
    Open,
    /// Those where this is above 0.
    Output(Ref<'a, [R]>),
    /// Those where scale x + shift is above 0.
    Norm {
        /// x.
        x: Ref<'a, [R]>,
        /// scale, then shift.
        coefficients: Ref<'a, [R]>,
    },
}

impl<'a, R> BorrowedGate<'a, R> {
    /// Borrows a gate's memory.
    pub fn of(gate: &'a Gate<R>) -> Self {
        match gate {
            Gate::Open => Self::Open,
            Gate::Output(output) => Self::Output(output.read()),
            Gate::Norm { x, coefficients } => Self::Norm { x: x.read(), coefficients: coefficients.read() },
        }
    }
}

/// What [`Reader::rows`] walks over: rows of pixels of one example, in two memories.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Where the first row starts in the buffer's memory.
    pub from: usize,
    /// Rows.
    pub count: usize,
    /// Pixels of a row.
    pub pixels: usize,
    /// Channels that are written of each pixel.
    pub channels: usize,
    /// Where the first row starts in the destination.
    pub to: usize,
    /// From one row to the next there.
    pub row: usize,
    /// From one pixel to the next there.
    pub pixel: usize,
}

impl<'a, R: Real> Reader<'a, R> {
    /// Borrows all that a buffer's value depends on.
    pub fn of(x: &'a Buf<R>) -> Self {
        let value = match &x.value {
            Value::Stored => Borrowed::Stored,
            Value::Norm { coefficients, relu } => Borrowed::Norm { coefficients: coefficients.read(), relu: *relu },
            Value::Gated(gate) => Borrowed::Gated(BorrowedGate::of(gate)),
            Value::NormGradient { coefficients, x, gate } => {
                let (coefficients, x) = (coefficients.read(), x.read());
                Borrowed::NormGradient { coefficients, x, gate: BorrowedGate::of(gate) }
            }
        };
        Self { grid: x.grid, data: x.slot.read(), value }
    }

    /// All of an example, as it lies in memory, into `to`.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn example<S: Set<R>>(&self, example: usize, to: &mut [R]) {
        let len = self.grid.len();
        let rows = Rows {
            from: example * len,
            count: self.grid.shape.height,
            pixels: self.grid.shape.width,
            channels: self.grid.stride,
            to: 0,
            row: self.grid.shape.width * self.grid.stride,
            pixel: self.grid.stride,
        };
        // SAFETY: the caller's contract.
        unsafe { self.rows::<S>(rows, to) }
    }

    /// Rows of an example's values, into `to`.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn rows<S: Set<R>>(&self, rows: Rows, to: &mut [R]) {
        let stride = self.grid.stride;
        let end = rows.from + rows.count * rows.pixels * stride;
        let last = rows.to + (rows.count.max(1) - 1) * rows.row + (rows.pixels.max(1) - 1) * rows.pixel + rows.channels;
        assert!(end <= self.data.len() && last <= to.len() && rows.channels <= stride);
        let data = self.data.as_ptr();
        // SAFETY: both ends were checked; what a value depends on has the memory's length, coefficients the stride's.
        unsafe {
            match &self.value {
                Borrowed::Stored => walk::<R, S, _>(&Stored { data }, rows, stride, to),
                Borrowed::Norm { coefficients, relu } => {
                    let norm = Normalised { data, scale: pair(coefficients, stride) };
                    if *relu {
                        walk::<R, S, _>(&Positive(norm), rows, stride, to);
                    } else {
                        walk::<R, S, _>(&norm, rows, stride, to);
                    }
                }
                Borrowed::Gated(gate) => self.gated::<S, _>(Stored { data }, gate, rows, to),
                Borrowed::NormGradient { coefficients, x, gate } => {
                    assert!(coefficients.len() >= 3 * stride && x.len() >= end);
                    let coefficients = coefficients.as_ptr();
                    let gradient = Gradient { data, x: x.as_ptr(), coefficients, stride };
                    self.gated::<S, _>(gradient, gate, rows, to);
                }
            }
        }
    }

    /// # Safety
    /// As for [`walk`].
    #[inline(always)]
    unsafe fn gated<S: Set<R>, G: FromGated<R>>(&self, inner: G, gate: &BorrowedGate<'_, R>, rows: Rows, to: &mut [R]) {
        let stride = self.grid.stride;
        let end = rows.from + rows.count * rows.pixels * stride;
        // SAFETY: the caller's contract; the gate's memory is as long as the data's.
        unsafe {
            match gate {
                BorrowedGate::Open => walk::<R, S, _>(&Through { inner, gate: OpenGate }, rows, stride, to),
                BorrowedGate::Output(output) => {
                    assert!(output.len() >= end);
                    let gate = OutputGate { output: output.as_ptr() };
                    walk::<R, S, _>(&Through { inner, gate }, rows, stride, to);
                }
                BorrowedGate::Norm { x, coefficients } => {
                    assert!(x.len() >= end);
                    let gate = NormGate { data: x.as_ptr(), scale: pair(coefficients, stride) };
                    walk::<R, S, _>(&Through { inner, gate }, rows, stride, to);
                }
            }
        }
    }
}

/// Scale and shift, each `stride` long.
fn pair<R>(coefficients: &[R], stride: usize) -> (*const R, *const R) {
    let (scale, shift) = coefficients.split_at(stride);
    assert!(shift.len() >= stride);
    (scale.as_ptr(), shift.as_ptr())
}

/// Writes the values of rows.
///
/// # Safety
/// The processor has the set; all places that `rows` names exist in both memories.
#[inline(always)]
unsafe fn walk<R: Real, S: Set<R>, P: Pointwise<R>>(point: &P, rows: Rows, stride: usize, to: &mut [R]) {
    let to = to.as_mut_ptr();
    for row in 0..rows.count {
        let from = rows.from + row * rows.pixels * stride;
        let mut channel = 0;
        // SAFETY: the caller's contract.
        unsafe {
            let to = to.add(rows.to + row * rows.row);
            while channel < rows.channels {
                let left = rows.channels - channel;
                channel += if left >= S::Wide::WIDTH {
                    column::<R, S::Wide, P>(point, (from, channel), rows, stride, to)
                } else if left >= S::Narrow::WIDTH {
                    column::<R, S::Narrow, P>(point, (from, channel), rows, stride, to)
                } else {
                    column::<R, Single<R>, P>(point, (from, channel), rows, stride, to)
                };
            }
        }
    }
}

/// One register of channels of a row; how many channels that is.
///
/// # Safety
/// As for [`walk`].
#[inline(always)]
unsafe fn column<R: Real, V: Vector<Item = R>, P: Pointwise<R>>(
    point: &P,
    (from, channel): (usize, usize),
    rows: Rows,
    stride: usize,
    to: *mut R,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        let k = point.coefficients::<V>(channel);
        for pixel in 0..rows.pixels {
            point.value(&k, from + pixel * stride + channel).store(to.add(pixel * rows.pixel + channel));
        }
    }
    V::WIDTH
}

/// The values of a whole batch, as they lie in memory.
pub struct Store<'a, R> {
    /// The buffer.
    pub x: Reader<'a, R>,
    /// Where to.
    pub to: &'a mut [R],
}

impl<R: Real> Work<R> for Store<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        for (example, to) in self.to.chunks_exact_mut(self.x.grid.len().max(1)).enumerate() {
            // SAFETY: the caller's contract.
            unsafe { self.x.example::<S>(example, to) };
        }
    }
}

/// A norm's output plus a skip, above 0 where a `ReLU` follows.
pub struct AddSkip<'a, R> {
    /// The norm's output.
    pub x: Reader<'a, R>,
    /// What is added.
    pub skip: Reader<'a, R>,
    /// Whether a `ReLU` follows.
    pub relu: bool,
    /// One example's values.
    pub scratch: &'a mut [R],
    /// Where to.
    pub to: &'a mut [R],
}

impl<R: Real> Work<R> for AddSkip<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        let len = self.x.grid.len();
        for (example, to) in self.to.chunks_exact_mut(len.max(1)).enumerate() {
            // SAFETY: the caller's contract; both are `len` long.
            unsafe {
                self.x.example::<S>(example, to);
                self.skip.example::<S>(example, self.scratch);
                add_into::<R, S>(to, &self.scratch[..len], self.relu);
            }
        }
    }
}

/// to += values, then above 0 where asked for.
///
/// # Safety
/// The processor has the set.
#[inline(always)]
pub unsafe fn add_into<R: Real, S: Set<R>>(to: &mut [R], values: &[R], relu: bool) {
    let len = to.len().min(values.len());
    let (to, from) = (to.as_mut_ptr(), values.as_ptr());
    let mut at = 0;
    // SAFETY: `at` stays below both lengths.
    unsafe {
        while at + S::Wide::WIDTH <= len {
            let sum = S::Wide::load(to.add(at)).plus(S::Wide::load(from.add(at)));
            (if relu { sum.above_zero() } else { sum }).store(to.add(at));
            at += S::Wide::WIDTH;
        }
        while at < len {
            let sum = Single::load(to.add(at)).plus(Single::load(from.add(at)));
            (if relu { sum.above_zero() } else { sum }).store(to.add(at));
            at += 1;
        }
    }
}
