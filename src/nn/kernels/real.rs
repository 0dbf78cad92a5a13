//! The numbers that portable kernels compute in: f32, and f64 for oracles.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

#[cfg(target_arch = "x86_64")]
use super::vector::Vector;

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
