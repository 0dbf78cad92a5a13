//! Residual block (He et al. 2016): `ReLU(norm(body(x)) + shortcut(x))`, the norm, the sum and the `ReLU` in one pass.

use super::{AnyNorm, Kernels, Layer, Norm, Plan, Sequence, Shape, Step, Want};
use crate::Result;

/// A body that ends in a norm (which brings the `ReLU`), and a shortcut: the input itself, or layers where the shape changes.
pub struct Residual<K: Kernels> {
    body: Sequence<K>,
    norm_name: &'static str,
    norm: AnyNorm,
    shortcut: Option<Sequence<K>>,
}

impl<K: Kernels> Residual<K> {
    /// `body` up to its last norm, which is called `norm_name`; the shortcut's layers are called `shortcut.…`.
    pub fn new(
        body: Sequence<K>,
        norm_name: &'static str,
        norm: impl Into<AnyNorm>,
        shortcut: Option<Sequence<K>>,
    ) -> Self {
        Self { body, norm_name, norm: norm.into(), shortcut }
    }

    /// norm(body(x)) + shortcut(x), with its `ReLU` or without it.
    fn sum(&self, step: &mut Step<K>, x: K::Buf, norm: &AnyNorm) -> Result<K::Buf> {
        let skip = match &self.shortcut {
            Some(layers) => layers.forward(step, x.clone())?,
            None => x.clone(),
        };
        let body = self.body.forward(step, x)?;
        norm.forward_with(step, body, Some(&skip))
    }
}

impl<K: Kernels> Layer<K> for Residual<K> {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let output = self.body.plan(input, plan)?;
        plan.within(self.norm_name, |plan| self.norm.plan_for(output, plan))?;
        let skip = match &mut self.shortcut {
            Some(layers) => plan.within("shortcut", |plan| layers.plan(input, plan))?,
            None => input,
        };
        if skip == output { Ok(output) } else { Err(format!("the shortcut gives {skip}, the body {output}")) }
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.sum(step, x, &self.norm)
    }

    fn forward_before_relu(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        self.sum(step, x, &self.norm.without_relu())
    }

    fn ends_in_relu(&self) -> bool {
        self.norm.relu()
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let (dy, dz) = self.norm.backward_both(step, dy, want)?;
        if self.shortcut.is_none() && want.input {
            return self.body.backward_onto(step, dy, want, dz).map(Some);
        }
        let body = self.body.backward(step, dy, want)?;
        match (&self.shortcut, body) {
            (Some(shortcut), Some(dx)) => shortcut.backward_onto(step, dz, want, dx).map(Some),
            (Some(shortcut), None) => shortcut.backward(step, dz, want),
            (None, body) => Ok(body),
        }
    }
}
