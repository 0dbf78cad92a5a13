//! The numbers that kernels compute in: f32, and f64 for oracles.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

#[cfg(target_arch = "x86_64")]
use super::vector::{TURN, Vector};

/// A floating-point number.
pub trait Real:
    Copy
    + Default
    + Debug
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
{
    /// The register of AVX-512.
    #[cfg(target_arch = "x86_64")]
    type Wide512: Vector<Item = Self>;
    /// The register of AVX-512 with at most 8 lanes.
    #[cfg(target_arch = "x86_64")]
    type Narrow512: Vector<Item = Self>;
    /// The register of AVX2.
    #[cfg(target_arch = "x86_64")]
    type Wide256: Vector<Item = Self>;
    /// Transposes a square of 8 rows and columns; rows lie so far apart.
    ///
    /// # Safety
    /// The processor has AVX2; both squares exist.
    #[cfg(target_arch = "x86_64")]
    unsafe fn turn(from: *const Self, from_row: usize, to: *mut Self, to_row: usize);
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
    /// The same value, or the nearest.
    fn from_f32(value: f32) -> Self;
    /// The same value.
    fn to_f64(self) -> f64;
    /// Whether it is no number.
    fn is_nan(self) -> bool;
    /// The nearest f32.
    fn to_f32(self) -> f32;
    /// Host values as this type: as they are, or converted into `staging`.
    fn from_host<'a>(values: &'a [f32], staging: &'a mut Vec<Self>) -> &'a [Self];
}

impl Real for f32 {
    #[cfg(target_arch = "x86_64")]
    type Wide512 = super::vector::F32x16;
    #[cfg(target_arch = "x86_64")]
    type Narrow512 = super::vector::F32x8;
    #[cfg(target_arch = "x86_64")]
    type Wide256 = super::vector::F32x8;

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        use std::arch::x86_64::{
            _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
            _mm256_unpacklo_ps,
        };
        // SAFETY: the caller's contract. Pairs, then quads, then halves of the rows change places.
        unsafe {
            let r: [_; TURN] = std::array::from_fn(|row| _mm256_loadu_ps(from.add(row * from_row)));
            let low = |a: usize| _mm256_unpacklo_ps(r[a], r[a + 1]);
            let high = |a: usize| _mm256_unpackhi_ps(r[a], r[a + 1]);
            let pairs = [low(0), high(0), low(2), high(2), low(4), high(4), low(6), high(6)];
            let quad = |a: usize, b: usize| {
                let (x, y) = (pairs[a], pairs[b]);
                [_mm256_shuffle_ps::<0x44>(x, y), _mm256_shuffle_ps::<0xee>(x, y)]
            };
            let ([a0, a1], [a2, a3], [b0, b1], [b2, b3]) = (quad(0, 2), quad(1, 3), quad(4, 6), quad(5, 7));
            for (row, (a, b)) in [(a0, b0), (a1, b1), (a2, b2), (a3, b3)].into_iter().enumerate() {
                _mm256_storeu_ps(to.add(row * to_row), _mm256_permute2f128_ps::<0x20>(a, b));
                _mm256_storeu_ps(to.add((row + 4) * to_row), _mm256_permute2f128_ps::<0x31>(a, b));
            }
        }
    }

    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn from_f32(value: f32) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn to_f32(self) -> f32 {
        self
    }

    fn from_host<'a>(values: &'a [f32], _staging: &'a mut Vec<Self>) -> &'a [Self] {
        values
    }
}

impl Real for f64 {
    #[cfg(target_arch = "x86_64")]
    type Wide512 = super::vector::F64x8;
    #[cfg(target_arch = "x86_64")]
    type Narrow512 = super::vector::F64x8;
    #[cfg(target_arch = "x86_64")]
    type Wide256 = super::vector::F64x4;

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn turn(from: *const f64, from_row: usize, to: *mut f64, to_row: usize) {
        for row in 0..TURN {
            for column in 0..TURN {
                // SAFETY: the caller's contract.
                unsafe { *to.add(row * to_row + column) = *from.add(column * from_row + row) };
            }
        }
    }

    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn from_f32(value: f32) -> Self {
        value.into()
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn to_f32(self) -> f32 {
        self as f32
    }

    fn from_host<'a>(values: &'a [f32], staging: &'a mut Vec<Self>) -> &'a [Self] {
        staging.clear();
        staging.extend(values.iter().map(|value| Self::from(*value)));
        staging
    }
}
