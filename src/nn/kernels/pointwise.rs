//! What is done to each value on its way: a multiplication and an addition per channel, and a gate.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::real::Real;
use super::vector::Vector;

/// A value at each place, from memory there and coefficients of its channel.
///
/// # Safety
/// The processor has the register's set; memory and coefficients are as long as the places and channels asked for.
pub trait Pointwise<R: Real> {
    /// The channel's coefficients.
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 5];
    /// The value at a place.
    unsafe fn value<V: Vector<Item = R>>(&self, k: &[V; 5], at: usize) -> V;
}

/// A value of a gradient that has passed its gate.
///
/// # Safety
/// As for [`Pointwise`].
pub trait FromGated<R: Real>: Copy {
    /// The channel's coefficients.
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 3];
    /// The gradient before its gate.
    unsafe fn raw<V: Vector<Item = R>>(&self, at: usize) -> V;
    /// The value, from the gradient behind its gate.
    unsafe fn value<V: Vector<Item = R>>(&self, k: &[V; 3], gated: V, at: usize) -> V;
}

/// Where a gradient may pass.
///
/// # Safety
/// As for [`Pointwise`].
pub trait GateAt<R: Real>: Copy {
    /// The channel's coefficients.
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 2];
    /// What of `x` passes.
    unsafe fn pass<V: Vector<Item = R>>(&self, k: &[V; 2], x: V, at: usize) -> V;
}

/// Memory as it is.
#[derive(Clone, Copy)]
pub struct Stored<R> {
    /// The memory.
    pub data: *const R,
}

/// scale x + shift.
#[derive(Clone, Copy)]
pub struct Normalised<R> {
    /// x.
    pub data: *const R,
    /// Scale and shift.
    pub scale: (*const R, *const R),
}

/// The same, above 0.
pub struct Positive<R>(pub Normalised<R>);

/// a dz + b x + c.
#[derive(Clone, Copy)]
pub struct Gradient<R> {
    /// dz before its gate.
    pub data: *const R,
    /// x.
    pub x: *const R,
    /// `[3, stride]`: a, b, c.
    pub coefficients: *const R,
    /// Channels, padded.
    pub stride: usize,
}

/// A gradient behind its gate.
#[derive(Clone, Copy)]
pub struct Through<I, G> {
    /// The gradient.
    pub inner: I,
    /// Its gate.
    pub gate: G,
}

/// Lets all pass.
#[derive(Clone, Copy)]
pub struct OpenGate;

/// Lets pass where an output is above 0.
#[derive(Clone, Copy)]
pub struct OutputGate<R> {
    /// The output.
    pub output: *const R,
}

/// Lets pass where a norm's output is above 0.
#[derive(Clone, Copy)]
pub struct NormGate<R> {
    /// The norm's input.
    pub data: *const R,
    /// Scale and shift.
    pub scale: (*const R, *const R),
}

impl<R: Real> Pointwise<R> for Stored<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, _channel: usize) -> [V; 5] {
        // SAFETY: the trait's contract.
        unsafe { [V::zero(); 5] }
    }

    #[inline(always)]
    unsafe fn value<V: Vector<Item = R>>(&self, _k: &[V; 5], at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { V::load(self.data.add(at)) }
    }
}

impl<R: Real> Pointwise<R> for Normalised<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 5] {
        // SAFETY: the trait's contract.
        unsafe {
            let (scale, shift) = (V::load(self.scale.0.add(channel)), V::load(self.scale.1.add(channel)));
            [scale, shift, V::zero(), V::zero(), V::zero()]
        }
    }

    #[inline(always)]
    unsafe fn value<V: Vector<Item = R>>(&self, k: &[V; 5], at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { k[1].plus_product(V::load(self.data.add(at)), k[0]) }
    }
}

impl<R: Real> Pointwise<R> for Positive<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 5] {
        // SAFETY: the trait's contract.
        unsafe { self.0.coefficients(channel) }
    }

    #[inline(always)]
    unsafe fn value<V: Vector<Item = R>>(&self, k: &[V; 5], at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { self.0.value(k, at).above_zero() }
    }
}

impl<R: Real> FromGated<R> for Stored<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, _channel: usize) -> [V; 3] {
        // SAFETY: the trait's contract.
        unsafe { [V::zero(); 3] }
    }

    #[inline(always)]
    unsafe fn raw<V: Vector<Item = R>>(&self, at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { V::load(self.data.add(at)) }
    }

    #[inline(always)]
    unsafe fn value<V: Vector<Item = R>>(&self, _k: &[V; 3], gated: V, _at: usize) -> V {
        gated
    }
}

impl<R: Real> FromGated<R> for Gradient<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 3] {
        // SAFETY: the trait's contract.
        unsafe { std::array::from_fn(|index| V::load(self.coefficients.add(index * self.stride + channel))) }
    }

    #[inline(always)]
    unsafe fn raw<V: Vector<Item = R>>(&self, at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { V::load(self.data.add(at)) }
    }

    #[inline(always)]
    unsafe fn value<V: Vector<Item = R>>(&self, k: &[V; 3], gated: V, at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { k[2].plus_product(V::load(self.x.add(at)), k[1]).plus_product(gated, k[0]) }
    }
}

impl<R: Real, I: FromGated<R>, G: GateAt<R>> Pointwise<R> for Through<I, G> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 5] {
        // SAFETY: the trait's contract.
        unsafe {
            let ([a, b, c], [scale, shift]) = (self.inner.coefficients(channel), self.gate.coefficients(channel));
            [a, b, c, scale, shift]
        }
    }

    #[inline(always)]
    unsafe fn value<V: Vector<Item = R>>(&self, k: &[V; 5], at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe {
            let gated = self.gate.pass(&[k[3], k[4]], self.inner.raw(at), at);
            self.inner.value(&[k[0], k[1], k[2]], gated, at)
        }
    }
}

impl<R: Real> GateAt<R> for OpenGate {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, _channel: usize) -> [V; 2] {
        // SAFETY: the trait's contract.
        unsafe { [V::zero(); 2] }
    }

    #[inline(always)]
    unsafe fn pass<V: Vector<Item = R>>(&self, _k: &[V; 2], x: V, _at: usize) -> V {
        x
    }
}

impl<R: Real> GateAt<R> for OutputGate<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, _channel: usize) -> [V; 2] {
        // SAFETY: the trait's contract.
        unsafe { [V::zero(); 2] }
    }

    #[inline(always)]
    unsafe fn pass<V: Vector<Item = R>>(&self, _k: &[V; 2], x: V, at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { x.where_open(V::load(self.output.add(at))) }
    }
}

impl<R: Real> GateAt<R> for NormGate<R> {
    #[inline(always)]
    unsafe fn coefficients<V: Vector<Item = R>>(&self, channel: usize) -> [V; 2] {
        // SAFETY: the trait's contract.
        unsafe { [V::load(self.scale.0.add(channel)), V::load(self.scale.1.add(channel))] }
    }

    #[inline(always)]
    unsafe fn pass<V: Vector<Item = R>>(&self, k: &[V; 2], x: V, at: usize) -> V {
        // SAFETY: the trait's contract.
        unsafe { x.where_open(k[1].plus_product(V::load(self.data.add(at)), k[0])) }
    }
}
