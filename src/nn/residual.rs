//! Residual block (He et al. 2016): `ReLU(norm(body(x)) + shortcut(x))`, the norm, the sum and the `ReLU` in one pass.

use super::{BatchNorm, Kernels, Layer, Plan, Sequence, Shape, Step, Want};
use crate::Result;

/// A body that ends in a norm, and a shortcut: the input itself, or layers where the shape changes.
pub struct Residual<K: Kernels> {
    body: Sequence<K>,
    norm_name: &'static str,
    norm: BatchNorm,
    shortcut: Option<Sequence<K>>,
}

impl<K: Kernels> Residual<K> {
    /// `body` up to its last norm, which is called `norm_name`; the shortcut's layers are called `shortcut.…`.
    pub fn new(body: Sequence<K>, norm_name: &'static str, shortcut: Option<Sequence<K>>) -> Self {
        Self { body, norm_name, norm: BatchNorm::with_relu(), shortcut }
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
        let skip = match &self.shortcut {
            Some(layers) => layers.forward(step, x.clone())?,
            None => x.clone(),
        };
        let body = self.body.forward(step, x)?;
        self.norm.forward_with(step, body, Some(&skip))
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let dz = self.norm.backward_relu(step, dy)?;
        // The body's layers lie below its norm, so they need the norm's input gradient whatever is wanted outside.
        let inner = Want { input: true, ..want };
        let body = match self.norm.backward_before(step, dz.clone(), inner)? {
            Some(dy) => self.body.backward(step, dy, want)?,
            None => None,
        };
        let skip = match &self.shortcut {
            Some(layers) => layers.backward(step, dz, want)?,
            None => want.input.then_some(dz),
        };
        match (body, skip) {
            (Some(body), Some(skip)) => step.kernels.add(body, &skip).map(Some),
            (one, other) => Ok(one.or(other)),
        }
    }
}
