//! One register of numbers, for each instruction set: what the tiles of matrix products are written over.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::real::Real;

/// Lanes of the widest register of f32.
pub const WIDEST: usize = 16;

/// A register.
///
/// # Safety
/// Every method needs the register's instruction set; `load` and `store` need `WIDTH` values at their pointer. They
/// are inlined into functions that enable the set, which is what makes them single instructions.
pub trait Vector: Copy {
    /// What it holds.
    type Item: Real;
    /// How many.
    const WIDTH: usize;
    /// All 0.
    unsafe fn zero() -> Self;
    /// All the same.
    unsafe fn splat(value: Self::Item) -> Self;
    /// From memory, unaligned.
    unsafe fn load(from: *const Self::Item) -> Self;
    /// To memory, unaligned.
    unsafe fn store(self, to: *mut Self::Item);
    /// self + a b.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
}

/// What every processor has: plain arrays, products rounded before they are added.
#[derive(Debug, Clone, Copy)]
pub struct Portable<R>([R; 4]);

impl<R: Real> Vector for Portable<R> {
    type Item = R;
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([R::ZERO; 4])
    }

    #[inline(always)]
    unsafe fn splat(value: R) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const R) -> Self {
        // SAFETY: the caller has `WIDTH` values there; an array is aligned as its values are.
        Self(unsafe { *from.cast() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut R) {
        // SAFETY: as for `load`.
        unsafe { *to.cast() = self.0 };
    }

    #[inline(always)]
    unsafe fn plus_product(mut self, a: Self, b: Self) -> Self {
        for lane in 0..4 {
            self.0[lane] += a.0[lane] * b.0[lane];
        }
        self
    }
}

/// The registers of an instruction set, by its intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! registers {
    ($($name:ident: $register:ident of $width:literal $item:ident, $zero:ident $splat:ident $load:ident $store:ident $fused:ident;)+) => {
        $(
            /// A register with fused multiply-add.
            #[derive(Debug, Clone, Copy)]
            pub struct $name(std::arch::x86_64::$register);

            impl Vector for $name {
                type Item = $item;
                const WIDTH: usize = $width;

                #[inline(always)]
                unsafe fn zero() -> Self {
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { std::arch::x86_64::$zero() })
                }

                #[inline(always)]
                unsafe fn splat(value: $item) -> Self {
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { std::arch::x86_64::$splat(value) })
                }

                #[inline(always)]
                unsafe fn load(from: *const $item) -> Self {
                    // SAFETY: the caller has the instruction set and `WIDTH` values there.
                    Self(unsafe { std::arch::x86_64::$load(from) })
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut $item) {
                    // SAFETY: the caller has the instruction set and `WIDTH` places there.
                    unsafe { std::arch::x86_64::$store(to, self.0) }
                }

                #[inline(always)]
                unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { std::arch::x86_64::$fused(a.0, b.0, self.0) })
                }
            }
        )+
    };
}

#[cfg(target_arch = "x86_64")]
registers! {
    F32x16: __m512 of 16 f32, _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps;
    F64x8: __m512d of 8 f64, _mm512_setzero_pd _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd;
    F32x8: __m256 of 8 f32, _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps;
    F64x4: __m256d of 4 f64, _mm256_setzero_pd _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd;
}
