//! One register of numbers, for each instruction set, and how work is compiled for the set that the processor has.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::real::Real;

/// Lanes of the widest register of f32.
pub const WIDEST: usize = 16;

/// Side of the squares that are transposed at once.
pub const TURN: usize = 8;

/// What the processor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionSet {
    /// 512-bit vectors and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256-bit vectors and fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler may always use; products are rounded before they are added.
    Portable,
}

impl InstructionSet {
    /// The best first.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Portable,
    ];

    /// Whether this processor has it.
    pub fn is_there(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => fused && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => fused,
            Self::Portable => true,
        }
    }

    /// All that this processor has, the best first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|set| set.is_there())
    }

    /// The best that this processor has.
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    /// The set of a name, where this processor has it.
    ///
    /// # Errors
    /// What may stand there.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = Self::available().find(|set| set.name() == name);
        let names = || Self::available().map(Self::name).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("no kernels `{name}` on this processor; it has {}", names()))
    }

    /// Its name in a backend id.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Runs work with this set's registers.
    ///
    /// Safe to call because a set that the processor lacks runs as the portable one.
    pub fn run<R: Real, W: Work<R>>(self, work: W) -> W::Output {
        match if self.is_there() { self } else { Self::Portable } {
            // SAFETY: `is_there` found the features.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { run_avx512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { run_avx2(work) },
            // SAFETY: every processor has these registers.
            Self::Portable => unsafe { work.run::<PortableSet>() },
        }
    }
}

/// Asks for a value's cache line ahead of its use; any address will do.
#[inline(always)]
pub fn prefetch<R>(at: *const R) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Something that is computed with the registers of an instruction set.
pub trait Work<R: Real> {
    /// What it gives.
    type Output;
    /// Computes it; implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor has the set.
    unsafe fn run<S: Set<R>>(self) -> Self::Output;
}

/// # Safety
/// The processor has the set.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
unsafe fn run_avx512<R: Real, W: Work<R>>(work: W) -> W::Output {
    // SAFETY: the caller keeps the contract, and the set is enabled here.
    unsafe { work.run::<Avx512Set>() }
}

/// # Safety
/// The processor has the set.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<R: Real, W: Work<R>>(work: W) -> W::Output {
    // SAFETY: the caller keeps the contract, and the set is enabled here.
    unsafe { work.run::<Avx2Set>() }
}

/// The registers of an instruction set.
pub trait Set<R: Real> {
    /// The widest register.
    type Wide: Vector<Item = R>;
    /// A register of at most 8 lanes, for what is no multiple of the widest.
    type Narrow: Vector<Item = R>;
    /// Whether there are 32 registers, not 16.
    const MANY: bool;

    /// Transposes a square of [`TURN`] rows and columns; rows lie so far apart.
    ///
    /// # Safety
    /// The processor has the set; both squares exist.
    #[inline(always)]
    unsafe fn turn(from: *const R, from_row: usize, to: *mut R, to_row: usize) {
        for row in 0..TURN {
            for column in 0..TURN {
                // SAFETY: the caller's contract.
                unsafe { *to.add(row * to_row + column) = *from.add(column * from_row + row) };
            }
        }
    }
}

/// 512-bit registers.
#[cfg(target_arch = "x86_64")]
pub struct Avx512Set;
/// 256-bit registers.
#[cfg(target_arch = "x86_64")]
pub struct Avx2Set;
/// Arrays.
pub struct PortableSet;

#[cfg(target_arch = "x86_64")]
impl<R: Real> Set<R> for Avx512Set {
    type Wide = R::Wide512;
    type Narrow = R::Narrow512;
    const MANY: bool = true;

    #[inline(always)]
    unsafe fn turn(from: *const R, from_row: usize, to: *mut R, to_row: usize) {
        // SAFETY: the caller's contract.
        unsafe { R::turn(from, from_row, to, to_row) }
    }
}

#[cfg(target_arch = "x86_64")]
impl<R: Real> Set<R> for Avx2Set {
    type Wide = R::Wide256;
    type Narrow = R::Wide256;
    const MANY: bool = false;

    #[inline(always)]
    unsafe fn turn(from: *const R, from_row: usize, to: *mut R, to_row: usize) {
        // SAFETY: the caller's contract.
        unsafe { R::turn(from, from_row, to, to_row) }
    }
}

impl<R: Real> Set<R> for PortableSet {
    type Wide = Portable<R>;
    type Narrow = Portable<R>;
    const MANY: bool = false;
}

/// A register.
///
/// # Safety
/// Every method needs the register's instruction set; `load` and `store` need `WIDTH` values at their pointer. They
/// are inlined into functions that enable the set, which is what makes them single instructions.
pub trait Vector: Copy {
    /// What it holds.
    type Item: Real;
    /// How many: 1, 4, 8 or 16.
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
    /// self + other.
    unsafe fn plus(self, other: Self) -> Self;
    /// self - other.
    unsafe fn minus(self, other: Self) -> Self;
    /// self times other.
    unsafe fn times(self, other: Self) -> Self;
    /// max(self, 0), NaN staying NaN.
    unsafe fn above_zero(self) -> Self;
    /// self where `gate` is above 0 or NaN, else 0.
    unsafe fn where_open(self, gate: Self) -> Self;
}

/// What every processor has: plain arrays, products rounded before they are added.
#[derive(Debug, Clone, Copy)]
pub struct Lanes<R, const N: usize>([R; N]);

/// Four lanes, which every compiler makes a register of.
pub type Portable<R> = Lanes<R, 4>;
/// One lane, for what is left over.
pub type Single<R> = Lanes<R, 1>;

impl<R: Real, const N: usize> Lanes<R, N> {
    #[inline(always)]
    fn map(mut self, other: Self, value: impl Fn(R, R) -> R) -> Self {
        for lane in 0..N {
            self.0[lane] = value(self.0[lane], other.0[lane]);
        }
        self
    }
}

impl<R: Real, const N: usize> Vector for Lanes<R, N> {
    type Item = R;
    const WIDTH: usize = N;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([R::ZERO; N])
    }

    #[inline(always)]
    unsafe fn splat(value: R) -> Self {
        Self([value; N])
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
        for lane in 0..N {
            self.0[lane] += a.0[lane] * b.0[lane];
        }
        self
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        self.map(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        self.map(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        self.map(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn above_zero(self) -> Self {
        self.map(self, |x, _| if x < R::ZERO { R::ZERO } else { x })
    }

    #[inline(always)]
    unsafe fn where_open(self, gate: Self) -> Self {
        self.map(gate, |x, gate| if gate <= R::ZERO { R::ZERO } else { x })
    }
}

/// The registers of an instruction set, by its intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! registers {
    ($($name:ident: $register:ident of $width:literal $item:ident,
        $zero:ident $splat:ident $load:ident $store:ident $fused:ident $add:ident $sub:ident $mul:ident $max:ident, $open:expr;)+) => {
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

                #[inline(always)]
                unsafe fn plus(self, other: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { std::arch::x86_64::$add(self.0, other.0) })
                }

                #[inline(always)]
                unsafe fn minus(self, other: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { std::arch::x86_64::$sub(self.0, other.0) })
                }

                #[inline(always)]
                unsafe fn times(self, other: Self) -> Self {
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { std::arch::x86_64::$mul(self.0, other.0) })
                }

                #[inline(always)]
                unsafe fn above_zero(self) -> Self {
                    // SAFETY: the caller has the instruction set. The second operand is given back where one is NaN.
                    Self(unsafe { std::arch::x86_64::$max(std::arch::x86_64::$zero(), self.0) })
                }

                #[inline(always)]
                unsafe fn where_open(self, gate: Self) -> Self {
                    use std::arch::x86_64::*;
                    // SAFETY: the caller has the instruction set.
                    Self(unsafe { ($open)(self.0, gate.0) })
                }
            }
        )+
    };
}

#[cfg(target_arch = "x86_64")]
registers! {
    F32x16: __m512 of 16 f32,
        _mm512_setzero_ps _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_fmadd_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_max_ps,
        |x, gate| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(gate, _mm512_setzero_ps()), x);
    F64x8: __m512d of 8 f64,
        _mm512_setzero_pd _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_fmadd_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_max_pd,
        |x, gate| _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_NLE_UQ>(gate, _mm512_setzero_pd()), x);
    F32x8: __m256 of 8 f32,
        _mm256_setzero_ps _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_fmadd_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_max_ps,
        |x, gate| _mm256_and_ps(x, _mm256_cmp_ps::<_CMP_NLE_UQ>(gate, _mm256_setzero_ps()));
    F64x4: __m256d of 4 f64,
        _mm256_setzero_pd _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_fmadd_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_max_pd,
        |x, gate| _mm256_and_pd(x, _mm256_cmp_pd::<_CMP_NLE_UQ>(gate, _mm256_setzero_pd()));
}
