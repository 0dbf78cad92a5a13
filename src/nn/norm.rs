//! Norms as layers: what batch norm and group norm share, `ReLU` and residual sum fused where asked for.

use super::kernels::Normed;
use super::{BatchNorm, GroupNorm, Kernels, Layer, Plan, Shape, Step, Want};
use crate::Result;

/// A norm; every norm is a [`Layer`].
pub trait Norm: Sized {
    /// Whether a `ReLU` follows in the same pass.
    fn relu(&self) -> bool;

    /// Registers its parameters, and statistics where it has them.
    ///
    /// # Errors
    /// The reason why it cannot work on this input.
    fn plan_for(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String>;

    /// The same without the `ReLU`.
    #[must_use]
    fn without_relu(&self) -> Self;

    /// norm(x) + skip, then the `ReLU`; and the moments that were used.
    fn normalise<K: Kernels>(&self, step: &mut Step<K>, x: &K::Buf, skip: Option<&K::Buf>) -> Result<(K::Buf, K::Buf)>;

    /// The gradient of the input, and the one behind the `ReLU`, from what forward left.
    fn gradients<K: Kernels>(
        &self,
        step: &mut Step<K>,
        taped: &Normed<K::Buf>,
        dy: K::Buf,
        want: Want,
    ) -> Result<(K::Buf, K::Buf)>;

    /// norm(x) + skip, then its `ReLU`; pushes what backward needs, where the mode wants it.
    fn forward_with<K: Kernels>(&self, step: &mut Step<K>, x: K::Buf, skip: Option<&K::Buf>) -> Result<K::Buf> {
        let (y, moments) = self.normalise(step, &x, skip)?;
        if step.tapes() {
            step.push(x);
            step.push(moments);
            if self.relu() {
                step.push(y.clone());
            }
        }
        Ok(y)
    }

    /// Pops what forward pushed; the gradient of the input, and the one behind the `ReLU`, which is also the skip's.
    fn backward_both<K: Kernels>(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<(K::Buf, K::Buf)> {
        let y = if self.relu() { Some(step.pop()?) } else { None };
        let (moments, x) = (step.pop()?, step.pop()?);
        self.gradients(step, &Normed { x, moments, y }, dy, want)
    }
}

impl<K: Kernels, N: Norm> Layer<K> for N {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        self.plan_for(input, plan)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.forward_with(step, x, None)
    }

    fn forward_before_relu(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.without_relu().forward_with(step, x, None)
    }

    fn ends_in_relu(&self) -> bool {
        self.relu()
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let (dx, _) = self.backward_both(step, dy, want)?;
        Ok(want.input.then_some(dx))
    }
}

/// Batch norm or group norm: what a network that comes with either is written over.
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

impl Norm for AnyNorm {
    fn relu(&self) -> bool {
        match self {
            Self::Batch(norm) => norm.relu(),
            Self::Group(norm) => norm.relu(),
        }
    }

    fn without_relu(&self) -> Self {
        match self {
            Self::Batch(norm) => Self::Batch(norm.without_relu()),
            Self::Group(norm) => Self::Group(norm.without_relu()),
        }
    }

    fn plan_for(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        match self {
            Self::Batch(norm) => norm.plan_for(input, plan),
            Self::Group(norm) => norm.plan_for(input, plan),
        }
    }

    fn normalise<K: Kernels>(&self, step: &mut Step<K>, x: &K::Buf, skip: Option<&K::Buf>) -> Result<(K::Buf, K::Buf)> {
        match self {
            Self::Batch(norm) => norm.normalise(step, x, skip),
            Self::Group(norm) => norm.normalise(step, x, skip),
        }
    }

    fn gradients<K: Kernels>(
        &self,
        step: &mut Step<K>,
        taped: &Normed<K::Buf>,
        dy: K::Buf,
        want: Want,
    ) -> Result<(K::Buf, K::Buf)> {
        match self {
            Self::Batch(norm) => norm.gradients(step, taped, dy, want),
            Self::Group(norm) => norm.gradients(step, taped, dy, want),
        }
    }
}
