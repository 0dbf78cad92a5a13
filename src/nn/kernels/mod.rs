//! What must a backend be able to do? About two dozen operations on buffers whose layout is its own affair.
//!
//! Shapes are planned before, so an operation fails only where the device does. `B` below is the batch: a buffer
//! knows its own. Operations that take a gradient or a sum by value may work in place.

mod conv;
mod conv_shapes;
mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod dense;
mod direct;
mod group_norm;
mod layout;
mod lazy;
pub mod neighbours;
mod norm;
mod outer;
mod panels;
mod pointwise;
mod pool;
mod product;
mod real;
mod sgd;
mod softmax;
mod stage;
mod sums;
mod vector;
mod weights;
mod window;

pub use cpu::CpuKernels;
pub use real::Real;
pub use softmax::{observe_logits, probabilities};
pub use vector::InstructionSet;

use std::ops::Range;

use super::{Place, Shape};
use crate::Result;
use crate::data::View;
use crate::scores::Record;

/// What training minimises: a mean over the batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Objective {
    /// Cross-entropy of the softmax.
    #[default]
    CrossEntropy,
    /// The sum over the classes c other than the label y of `max(0, z[c] - z[y])` (Baldock et al. 2021, section 3.3); its
    /// gradient is 0 where two logits are equal. Observations are those of the softmax all the same.
    ZeroHinge,
}

/// A planned convolution.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    /// Shape of an input example.
    pub input: Shape,
    /// Shape of an output example.
    pub output: Shape,
    /// Side of the window.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: usize,
    /// The weight, `[outputs, inputs, kernel, kernel]`.
    pub weight: Place,
    /// The bias, `[outputs]`, where there is one.
    pub bias: Option<Place>,
    /// Whether each output's weights are standardised before use (Qiao et al. 2019).
    pub standardised: bool,
}

/// A planned dense layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dense {
    /// Length of the input vector.
    pub inputs: usize,
    /// Length of the output vector.
    pub outputs: usize,
    /// The weight, `[outputs, inputs]`.
    pub weight: Place,
    /// The bias, `[outputs]`.
    pub bias: Place,
}

/// A planned batch norm, eps 1e-5, momentum 0.1.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    /// Shape of an example.
    pub shape: Shape,
    /// The weight in the parameters, `[channels]`.
    pub weight: Place,
    /// The bias in the parameters, `[channels]`.
    pub bias: Place,
    /// The running mean in the statistics, `[channels]`.
    pub mean: Place,
    /// The running variance in the statistics, `[channels]`.
    pub variance: Place,
    /// Whether a `ReLU` follows in the same pass.
    pub relu: bool,
}

/// A planned group norm (Wu and He 2018), eps 1e-5: each example's own moments, over the pixels of a group of channels.
#[derive(Debug, Clone, Copy)]
pub struct GroupNorm {
    /// Shape of an example.
    pub shape: Shape,
    /// Number of groups; it divides the channels.
    pub groups: usize,
    /// The weight in the parameters, `[channels]`.
    pub weight: Place,
    /// The bias in the parameters, `[channels]`.
    pub bias: Place,
    /// Whether a `ReLU` follows in the same pass.
    pub relu: bool,
}

/// A planned max pool: windows side by side, cut at the lower and right edge.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Shape of an input example.
    pub input: Shape,
    /// Shape of an output example.
    pub output: Shape,
    /// Side of the window, and the stride.
    pub side: usize,
}

/// The four flat arenas of a network.
#[derive(Debug)]
pub struct Arenas<B> {
    /// Parameters.
    pub weights: B,
    /// Their gradients, where a backward wanted them.
    pub gradients: B,
    /// SGD's momentum.
    pub momentum: B,
    /// Running means and variances.
    pub statistics: B,
}

/// Where an operation puts weight gradients.
#[derive(Debug)]
pub struct Sink<'a, B> {
    /// Sums over the batch: the operation overwrites its places in this arena.
    pub gradients: Option<&'a B>,
    /// Squared norms per example `[B]`: the operation adds its part.
    pub norms: Option<&'a B>,
}

/// Whether an operation gives the gradient of its input.
#[derive(Debug, Clone)]
pub enum Input<B> {
    /// Nobody needs it.
    Unwanted,
    /// It is wanted.
    Wanted,
    /// It is wanted, added to another gradient of the same input.
    Onto(B),
}

/// One step of stochastic gradient descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub rate: f64,
    /// Share of the last step's velocity that is kept.
    pub momentum: f64,
    /// Weight decay, on all parameters.
    pub weight_decay: f64,
}

/// What the forward pass of a norm left for its backward.
#[derive(Debug)]
pub struct Normed<B> {
    /// Its input.
    pub x: B,
    /// The moments (mean, 1 / deviation) it used.
    pub moments: B,
    /// Its output, where a `ReLU` closed parts of it.
    pub y: Option<B>,
}

/// A backend: buffers and the operations on them.
pub trait Kernels: 'static {
    /// What it computes in.
    type Real: Real;
    /// A counted handle into its pool of buffers.
    type Buf: Clone;

    /// Kernel set and instruction sets: the same id, the same bits.
    fn backend_id(&self) -> String;
    /// Where it computes, for people.
    fn device(&self) -> String {
        "cpu".into()
    }

    /// A batch from host values `[B, C, H, W]`; their number must be a multiple of `shape.len()`.
    fn upload(&mut self, shape: Shape, values: &[Self::Real]) -> Result<Self::Buf>;
    /// Shows a batch to the host as `[B, C, H, W]`.
    fn download(&mut self, shape: Shape, x: &Self::Buf, take: &mut dyn FnMut(&[Self::Real])) -> Result<()>;
    /// A new arena of so many zeros.
    fn arena(&mut self, len: usize) -> Result<Self::Buf>;
    /// The normalised images at some positions of the data set that the backend was made with; a view each, or none
    /// for the plain images.
    fn images(&mut self, positions: &[u32], views: &[View]) -> Result<Self::Buf>;
    /// Keeps a batch, as `[B, C, H, W]`, for [`Kernels::collect`]: a device reads all that was posted back at once.
    fn post(&mut self, shape: Shape, x: &Self::Buf) -> Result<()>;
    /// Shows all that was posted since the last time, in its order, and forgets it.
    fn collect(&mut self, take: &mut dyn FnMut(&[Self::Real])) -> Result<()>;
    /// Overwrites the start of an arena.
    fn write_arena(&mut self, arena: &Self::Buf, values: &[Self::Real]) -> Result<()>;
    /// Shows an arena to the host.
    fn read_arena(&self, arena: &Self::Buf, take: &mut dyn FnMut(&[Self::Real])) -> Result<()>;
    /// Zeros `[B]`, one for each example of `like`.
    fn norms_like(&mut self, like: &Self::Buf) -> Result<Self::Buf>;

    /// y = w * x (+ b). `train` tells that batch moments of y may be asked for next.
    fn conv(&mut self, conv: &Conv, train: bool, weights: &Self::Buf, x: &Self::Buf) -> Result<Self::Buf>;
    /// dw (and db) of a convolution to the sink, and dx where `input` says so, added to `onto` where another gradient of
    /// the input `x` is known.
    fn conv_backward(
        &mut self,
        conv: &Conv,
        weights: &Self::Buf,
        x: &Self::Buf,
        dy: &Self::Buf,
        input: Input<Self::Buf>,
        sink: Sink<'_, Self::Buf>,
    ) -> Result<Option<Self::Buf>>;

    /// y = W x + b.
    fn dense(&mut self, dense: &Dense, weights: &Self::Buf, x: &Self::Buf) -> Result<Self::Buf>;
    /// dx of a dense layer.
    fn dense_input_gradient(&mut self, dense: &Dense, weights: &Self::Buf, dy: &Self::Buf) -> Result<Self::Buf>;
    /// dW and db of a dense layer.
    fn dense_weight_gradient(
        &mut self,
        dense: &Dense,
        x: &Self::Buf,
        dy: &Self::Buf,
        sink: Sink<'_, Self::Buf>,
    ) -> Result<()>;

    /// norm(x) + skip, then the `ReLU` where the norm has one; and the moments (mean, 1 / deviation) it used.
    ///
    /// With `train` the moments are the batch's, which are also folded into the running ones.
    fn norm(
        &mut self,
        norm: &Norm,
        train: bool,
        arenas: &Arenas<Self::Buf>,
        x: &Self::Buf,
        skip: Option<&Self::Buf>,
    ) -> Result<(Self::Buf, Self::Buf)>;
    /// dx of a norm, and dz, the gradient behind its `ReLU`, which is also the skip's; weight gradients go to the sink.
    ///
    /// `dy` is the gradient of the output. A caller that needs no dz drops it.
    fn norm_backward(
        &mut self,
        norm: &Norm,
        train: bool,
        weights: &Self::Buf,
        taped: &Normed<Self::Buf>,
        dy: Self::Buf,
        sink: Sink<'_, Self::Buf>,
    ) -> Result<(Self::Buf, Self::Buf)>;

    /// As [`Kernels::norm`], for a group norm: moments are the examples' own, `[B, groups, 2]`.
    fn group_norm(
        &mut self,
        norm: &GroupNorm,
        weights: &Self::Buf,
        x: &Self::Buf,
        skip: Option<&Self::Buf>,
    ) -> Result<(Self::Buf, Self::Buf)>;
    /// As [`Kernels::norm_backward`], for a group norm.
    fn group_norm_backward(
        &mut self,
        norm: &GroupNorm,
        weights: &Self::Buf,
        taped: &Normed<Self::Buf>,
        dy: Self::Buf,
        sink: Sink<'_, Self::Buf>,
    ) -> Result<(Self::Buf, Self::Buf)>;

    /// max(x, 0).
    fn relu(&mut self, x: Self::Buf) -> Result<Self::Buf>;
    /// dy where y > 0, else 0 (NaN counts as open).
    fn relu_backward(&mut self, y: &Self::Buf, dy: Self::Buf) -> Result<Self::Buf>;
    /// The square root of every value.
    fn root(&mut self, x: Self::Buf) -> Result<Self::Buf>;
    /// x + other.
    fn add(&mut self, x: Self::Buf, other: &Self::Buf) -> Result<Self::Buf>;
    /// The largest value of each window.
    fn max_pool(&mut self, pool: &Pool, x: &Self::Buf) -> Result<Self::Buf>;
    /// dy at the first largest value of each window, 0 elsewhere.
    fn max_pool_backward(&mut self, pool: &Pool, x: &Self::Buf, dy: &Self::Buf) -> Result<Self::Buf>;
    /// Each channel's mean.
    fn mean_pool(&mut self, input: Shape, x: &Self::Buf) -> Result<Self::Buf>;
    /// dy / pixels, at every pixel.
    fn mean_pool_backward(&mut self, input: Shape, dy: &Self::Buf) -> Result<Self::Buf>;
    /// `[C, H, W]` as a vector in that order.
    fn flatten(&mut self, shape: Shape, x: Self::Buf) -> Result<Self::Buf>;
    /// A vector as `[C, H, W]`.
    fn unflatten(&mut self, shape: Shape, dy: Self::Buf) -> Result<Self::Buf>;

    /// `scale` times the gradient of the examples' losses with respect to the logits `[B, classes]`; their observations
    /// are kept for [`Kernels::take_record`]. `labels` are one per example, each below `classes`.
    fn loss(&mut self, objective: Objective, logits: &Self::Buf, labels: &[u16], scale: f64) -> Result<Self::Buf>;
    /// Whether taking the observations makes the device wait, so that once an epoch is often enough.
    fn waits_for_record(&self) -> bool {
        false
    }
    /// Appends the observations of all examples whose loss was taken since the last time, in that order, and forgets them.
    fn take_record(&mut self, seen: &mut Record) -> Result<()>;

    /// Room for `count` vectors of `features` values, laid out as the backend likes.
    fn new_vectors(&mut self, features: usize, count: usize) -> Result<Self::Buf>;
    /// Writes vectors, which follow each other in `values`, over those from number `first` on.
    fn write_vectors(
        &mut self,
        vectors: &Self::Buf,
        features: usize,
        first: usize,
        values: &[Self::Real],
    ) -> Result<()>;
    /// The inner products of some vectors with some others (or the same), row by row into `out`, which is as long.
    /// Factors are not rounded, whatever precision training has.
    fn inner_products(
        &mut self,
        features: usize,
        left: (&Self::Buf, Range<usize>),
        right: (&Self::Buf, Range<usize>),
        out: &mut [Self::Real],
    ) -> Result<()>;

    /// sum += gradients, over whole arenas.
    fn accumulate(&mut self, sum: &Self::Buf, gradients: &Self::Buf) -> Result<()>;
    /// v = momentum v + (g + decay w); w -= rate v, over the whole arenas, as PyTorch does it.
    fn sgd(&mut self, arenas: &Arenas<Self::Buf>, sgd: SgdStep) -> Result<()>;
}
