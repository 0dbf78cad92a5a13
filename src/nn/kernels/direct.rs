//! Direct convolution of one image: for some neighbouring pixels and output channels at once, sums stay in registers while
//! the window's values pass, one broadcast each, against packed weights.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::real::Real;
use super::vector::{Set, Vector};

/// Windows of a staged image: `taps` rows of `run` neighbouring values, one window for each output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Rows of outputs.
    pub height: usize,
    /// Outputs of a row.
    pub width: usize,
    /// Where the window of the first output starts.
    pub from: usize,
    /// From one row's windows to the next row's.
    pub from_row: usize,
    /// From one window to its neighbour's.
    pub from_pixel: usize,
    /// Rows of a window.
    pub taps: usize,
    /// From one row of a window to the next.
    pub tap_row: usize,
    /// Values of a window's row.
    pub run: usize,
}

impl Windows {
    /// Past the last value that is read of the staged image.
    pub fn end(&self) -> usize {
        let window = (self.taps.max(1) - 1) * self.tap_row + self.run;
        self.from + (self.height.max(1) - 1) * self.from_row + (self.width.max(1) - 1) * self.from_pixel + window
    }
}

/// Which outputs, and the window that each reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// The windows.
    pub windows: Windows,
    /// Where the first output lies.
    pub to: usize,
    /// From one row of outputs to the next.
    pub to_row: usize,
    /// From one output to its neighbour.
    pub to_pixel: usize,
    /// Channels of an output: whole lanes.
    pub channels: usize,
}

impl Correlation {
    /// Past the last value that is written.
    fn end(&self) -> usize {
        let Windows { height, width, .. } = self.windows;
        self.to + (height.max(1) - 1) * self.to_row + (width.max(1) - 1) * self.to_pixel + self.channels
    }

    /// Values of the packed weights.
    pub fn weights(&self) -> usize {
        self.windows.taps * self.windows.run * self.channels
    }

    /// Packs weights, `weight(tap, place in the run, channel)`, in the order in which [`Self::run`] reads them.
    pub fn pack<R: Real, S: Set<R>>(&self, weight: impl Fn(usize, usize, usize) -> R, packed: &mut [R]) {
        let mut places = packed.iter_mut();
        let mut first = 0;
        while first < self.channels {
            let lanes = group::<R, S>(self.channels - first);
            for tap in 0..self.windows.taps {
                for place in 0..self.windows.run {
                    let channels = first..first + lanes;
                    channels.zip(&mut places).for_each(|(channel, packed)| *packed = weight(tap, place, channel));
                }
            }
            first += lanes;
        }
    }

    /// Computes all outputs of an image; each starts from its channel's value in `start` (biases or zeros).
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn run<R: Real, S: Set<R>>(&self, source: &[R], packed: &[R], start: &[R], to: &mut [R]) {
        if self.windows.height == 0 || self.windows.width == 0 {
            return;
        }
        assert!(self.windows.end() <= source.len() && self.end() <= to.len());
        // Groups are whole registers.
        assert!(self.channels.is_multiple_of(S::Narrow::WIDTH));
        assert!(packed.len() >= self.weights() && start.len() >= self.channels);
        let (mut first, mut weights) = (0, packed.as_ptr());
        while first < self.channels {
            let lanes = group::<R, S>(self.channels - first);
            // SAFETY: the ends were checked above; groups go as they were packed.
            unsafe {
                let (start, to) = (start.as_ptr().add(first), to.as_mut_ptr().add(self.to + first));
                let source = source.as_ptr().add(self.windows.from);
                if lanes == 2 * S::Wide::WIDTH {
                    self.rows::<R, S::Wide, 2>(S::MANY, source, weights, start, to);
                } else if lanes == S::Wide::WIDTH {
                    self.rows::<R, S::Wide, 1>(S::MANY, source, weights, start, to);
                } else {
                    self.rows::<R, S::Narrow, 1>(S::MANY, source, weights, start, to);
                }
                weights = weights.add(self.windows.taps * self.windows.run * lanes);
            }
            first += lanes;
        }
    }

    /// All outputs of a group of channels, by tiles that fit the width.
    ///
    /// # Safety
    /// All that the correlation names exists behind the pointers.
    #[inline(always)]
    unsafe fn rows<R: Real, V: Vector<Item = R>, const ABREAST: usize>(
        &self,
        many: bool,
        source: *const R,
        weights: *const R,
        start: *const R,
        to: *mut R,
    ) {
        for row in 0..self.windows.height {
            let mut column = 0;
            while column < self.windows.width {
                let left = self.windows.width - column;
                // SAFETY: the caller's contract.
                unsafe {
                    let source = source.add(row * self.windows.from_row + column * self.windows.from_pixel);
                    let to = to.add(row * self.to_row + column * self.to_pixel);
                    // The first of these sizes that fits.
                    macro_rules! tiles {
                        ($size:literal if $fits:expr $(, $sizes:literal if $others:expr)*) => {
                            if $fits && left >= $size {
                                self.tile::<R, V, ABREAST, $size>(source, weights, start, to);
                                column += $size;
                            } $(else if $others && left >= $sizes {
                                self.tile::<R, V, ABREAST, $sizes>(source, weights, start, to);
                                column += $sizes;
                            })*
                        };
                    }
                    // Sums must fit the registers, and a width is best cut into equal tiles.
                    let one = ABREAST == 1;
                    tiles!(
                        14 if many && left.is_multiple_of(14),
                        16 if many && one,
                        8 if (many || one),
                        7 if many && left == 7,
                        4 if true,
                        2 if true,
                        1 if true
                    );
                }
            }
        }
    }

    /// `PIXELS` neighbouring outputs of `ABREAST` registers of channels.
    ///
    /// # Safety
    /// As for [`Self::rows`].
    #[inline(always)]
    unsafe fn tile<R: Real, V: Vector<Item = R>, const ABREAST: usize, const PIXELS: usize>(
        &self,
        source: *const R,
        mut weights: *const R,
        start: *const R,
        to: *mut R,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut first = [V::zero(); ABREAST];
            for (index, first) in first.iter_mut().enumerate() {
                *first = V::load(start.add(index * V::WIDTH));
            }
            let mut sums = [first; PIXELS];
            for tap in 0..self.windows.taps {
                let mut value = source.add(tap * self.windows.tap_row);
                for _ in 0..self.windows.run {
                    let mut loaded = [V::zero(); ABREAST];
                    for (index, loaded) in loaded.iter_mut().enumerate() {
                        *loaded = V::load(weights.add(index * V::WIDTH));
                    }
                    for (pixel, sums) in sums.iter_mut().enumerate() {
                        let factor = V::splat(*value.add(pixel * self.windows.from_pixel));
                        for (sum, weight) in sums.iter_mut().zip(loaded) {
                            *sum = sum.plus_product(factor, weight);
                        }
                    }
                    weights = weights.add(ABREAST * V::WIDTH);
                    value = value.add(1);
                }
            }
            for (pixel, sums) in sums.into_iter().enumerate() {
                for (index, sum) in sums.into_iter().enumerate() {
                    sum.store(to.add(pixel * self.to_pixel + index * V::WIDTH));
                }
            }
        }
    }
}

/// How many of the channels that are left go together: two registers, one, or a narrow one.
fn group<R: Real, S: Set<R>>(left: usize) -> usize {
    let wide = S::Wide::WIDTH;
    if left >= 2 * wide {
        2 * wide
    } else if left >= wide {
        wide
    } else {
        S::Narrow::WIDTH
    }
}
