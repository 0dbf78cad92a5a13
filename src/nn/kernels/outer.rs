//! The weight gradient of one image: for some neighbouring weights at once, sums of products of input and output gradient
//! stay in registers while the image's pixels pass.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::direct::Windows;
use super::real::Real;
use super::vector::{Set, Vector, WIDEST};

/// Which products are summed: of each output's gradient with the values of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OuterSum {
    /// The windows of the staged input.
    pub windows: Windows,
    /// Where the first output's gradient lies in the staged gradient.
    pub gradient: usize,
    /// From one row of gradients to the next.
    pub gradient_row: usize,
    /// Channels of an output's gradient, and from one to its neighbour: whole lanes.
    pub channels: usize,
}

impl OuterSum {
    /// Values of the sums, `[taps, run, channels]`.
    pub fn len(&self) -> usize {
        self.windows.taps * self.windows.run * self.channels
    }

    /// Adds an image's products to `sums`.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn add<R: Real, S: Set<R>>(&self, x: &[R], dy: &[R], sums: &mut [R]) {
        assert!(sums.len() >= self.len());
        // SAFETY: the caller has the set; the sums are there.
        unsafe { self.each::<R, S, false>(x, dy, sums.as_mut_ptr()) }
    }

    /// The squared norm of an image's products: they are squared in their registers.
    ///
    /// # Safety
    /// The processor has the set.
    #[inline(always)]
    pub unsafe fn squares<R: Real, S: Set<R>>(&self, x: &[R], dy: &[R]) -> f64 {
        let mut lanes = [R::ZERO; WIDEST];
        // SAFETY: the caller has the set; there is room for the widest register.
        unsafe { self.each::<R, S, true>(x, dy, lanes.as_mut_ptr()) }
        lanes.iter().map(|lane| lane.to_f64()).sum()
    }

    /// All products of an image, added to `to` or, squared, to the lanes of one register there.
    ///
    /// # Safety
    /// The processor has the set; `to` has room for all sums, or for the widest register.
    #[inline(always)]
    unsafe fn each<R: Real, S: Set<R>, const SQUARED: bool>(&self, x: &[R], dy: &[R], to: *mut R) {
        let (rows, columns) = (self.windows.height.max(1) - 1, self.windows.width.max(1));
        assert!(self.windows.end() <= x.len());
        assert!(self.gradient + rows * self.gradient_row + columns * self.channels <= dy.len());
        // Groups are whole registers.
        assert!(self.channels.is_multiple_of(S::Narrow::WIDTH));
        for tap in 0..self.windows.taps {
            let mut channel = 0;
            while channel < self.channels {
                let left = self.channels - channel;
                // SAFETY: the ends were checked above.
                unsafe {
                    let x = x.as_ptr().add(self.windows.from + tap * self.windows.tap_row);
                    let dy = dy.as_ptr().add(self.gradient + channel);
                    let to = if SQUARED { to } else { to.add(tap * self.windows.run * self.channels + channel) };
                    channel += if left >= 2 * S::Wide::WIDTH {
                        self.runs::<R, S::Wide, 2, SQUARED>(S::MANY, x, dy, to)
                    } else if left >= S::Wide::WIDTH {
                        self.runs::<R, S::Wide, 1, SQUARED>(S::MANY, x, dy, to)
                    } else {
                        self.runs::<R, S::Narrow, 1, SQUARED>(S::MANY, x, dy, to)
                    };
                }
            }
        }
    }

    /// One row of windows against some registers of channels; how many channels that is.
    ///
    /// # Safety
    /// All that the sums name exists behind the pointers.
    #[inline(always)]
    unsafe fn runs<R: Real, V: Vector<Item = R>, const ABREAST: usize, const SQUARED: bool>(
        &self,
        many: bool,
        x: *const R,
        dy: *const R,
        sums: *mut R,
    ) -> usize {
        let mut place = 0;
        while place < self.windows.run {
            let left = self.windows.run - place;
            // SAFETY: the caller's contract.
            unsafe {
                let (x, sums) = (x.add(place), if SQUARED { sums } else { sums.add(place * self.channels) });
                // The first of these sizes that fits.
                macro_rules! tiles {
                    ($size:literal if $fits:expr $(, $sizes:literal if $others:expr)*) => {
                        if $fits && left >= $size {
                            self.tile::<R, V, ABREAST, $size, SQUARED>(x, dy, sums);
                            place += $size;
                        } $(else if $others && left >= $sizes {
                            self.tile::<R, V, ABREAST, $sizes, SQUARED>(x, dy, sums);
                            place += $sizes;
                        })*
                    };
                }
                let one = ABREAST == 1;
                tiles!(
                    24 if many && one,
                    12 if many,
                    9 if (many || one) && left == 9,
                    8 if (many || one),
                    4 if true,
                    3 if left == 3,
                    2 if true,
                    1 if true
                );
            }
        }
        ABREAST * V::WIDTH
    }

    /// `PLACES` neighbouring values of all windows.
    ///
    /// # Safety
    /// As for [`Self::runs`].
    #[inline(always)]
    unsafe fn tile<R: Real, V: Vector<Item = R>, const ABREAST: usize, const PLACES: usize, const SQUARED: bool>(
        &self,
        x: *const R,
        dy: *const R,
        to: *mut R,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [[V::zero(); ABREAST]; PLACES];
            for row in 0..self.windows.height {
                let (mut x, mut dy) = (x.add(row * self.windows.from_row), dy.add(row * self.gradient_row));
                for _ in 0..self.windows.width {
                    let mut loaded = [V::zero(); ABREAST];
                    for (index, loaded) in loaded.iter_mut().enumerate() {
                        *loaded = V::load(dy.add(index * V::WIDTH));
                    }
                    for (place, sums) in sums.iter_mut().enumerate() {
                        let factor = V::splat(*x.add(place));
                        for (sum, gradient) in sums.iter_mut().zip(loaded) {
                            *sum = sum.plus_product(factor, gradient);
                        }
                    }
                    // The last step goes past the row; the pointer is not read there.
                    (x, dy) = (x.wrapping_add(self.windows.from_pixel), dy.wrapping_add(self.channels));
                }
            }
            if SQUARED {
                let squares = sums.iter().flatten().fold(V::load(to), |squares, sum| squares.plus_product(*sum, *sum));
                return squares.store(to);
            }
            for (place, sums) in sums.into_iter().enumerate() {
                for (index, sum) in sums.into_iter().enumerate() {
                    let to = to.add(place * self.channels + index * V::WIDTH);
                    V::load(to).plus(sum).store(to);
                }
            }
        }
    }
}
