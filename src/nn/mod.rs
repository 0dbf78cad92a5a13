//! How does a network compute, and how does it tell what its loss depends on? Layers with one backward for four uses.
//!
//! Training needs summed weight gradients, `GraNd` per-example norms of them, `VoG` and margins the gradient of the
//! input. Each [`Layer`] has one `forward` and one `backward`, written over the small set of operations of
//! [`Kernels`]; [`Want`] says which gradients a backward makes.
//!
//! ```text
//! Network (layers, Layout) --plan--> parameters and norm statistics: two tables of names, shapes and places
//! Step (kernels, tape, arenas) <-- forward pushes what backward pops, where the Mode wants a tape
//! ```
//! Parameters, gradients and momentum are one flat arena each; activations come from the kernels' pool, so that a
//! step whose batch size was seen before allocates nothing.

pub mod batch_norm;
pub mod conv2d;
pub mod flatten;
pub mod group_norm;
pub mod kernels;
pub mod layer;
pub mod linear;
pub mod max_pool;
pub mod mean_pool;
pub mod network;
pub mod norm;
pub mod plan;
pub mod relu;
pub mod residual;
pub mod step;
pub mod tap;

pub use batch_norm::BatchNorm;
pub use conv2d::Conv2d;
pub use flatten::Flatten;
pub use group_norm::GroupNorm;
pub use kernels::{CpuKernels, InstructionSet, Kernels, Objective, Real, SgdStep};
pub use layer::{Layer, Sequence};
pub use linear::Linear;
pub use max_pool::MaxPool;
pub use mean_pool::MeanPool;
pub use network::Network;
pub use norm::{AnyNorm, Norm};
pub use plan::{Entry, Init, Layout, Place, Plan, Shape};
pub use relu::Relu;
pub use residual::Residual;
pub use step::{Mode, Step, Want};
pub use tap::{Tap, TapPoint};
