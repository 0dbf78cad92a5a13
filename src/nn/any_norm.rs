//! Either norm: what a network that comes with batch norm or group norm is written over.

use super::{BatchNorm, GroupNorm, Kernels, Layer, Plan, Shape, Step, Want};
use crate::Result;

/// Batch norm or group norm.
#[derive(Debug, Clone, Copy)]
pub enum AnyNorm {
    /// Over the batch.
    Batch(BatchNorm),
    /// Over groups of channels of each example.
    Group(GroupNorm),
}

impl From<BatchNorm> for AnyNorm {
    fn from(norm: BatchNorm) -> Self {
        Self::Batch(norm)
    }
}

impl From<GroupNorm> for AnyNorm {
    fn from(norm: GroupNorm) -> Self {
        Self::Group(norm)
    }
}

impl AnyNorm {
    /// Registers its parameters, and statistics where it has them.
    ///
    /// # Errors
    /// The reason why it cannot work on this input.
    pub fn plan_for(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        match self {
            Self::Batch(norm) => norm.plan_for(input, plan),
            Self::Group(norm) => norm.plan_for(input, plan),
        }
    }

    /// norm(x) + skip, then its `ReLU`.
    pub fn forward_with<K: Kernels>(&self, step: &mut Step<K>, x: K::Buf, skip: Option<&K::Buf>) -> Result<K::Buf> {
        match self {
            Self::Batch(norm) => norm.forward_with(step, x, skip),
            Self::Group(norm) => norm.forward_with(step, x, skip),
        }
    }

    /// The gradient of the input, and the one behind the `ReLU`, which is also the skip's.
    pub fn backward_both<K: Kernels>(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<(K::Buf, K::Buf)> {
        match self {
            Self::Batch(norm) => norm.backward_both(step, dy, want),
            Self::Group(norm) => norm.backward_both(step, dy, want),
        }
    }
}

impl<K: Kernels> Layer<K> for AnyNorm {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        self.plan_for(input, plan)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.forward_with(step, x, None)
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let (dx, _) = self.backward_both(step, dy, want)?;
        Ok(want.input.then_some(dx))
    }
}
