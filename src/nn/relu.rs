//! `ReLU`: max(x, 0), with gradient 0 at 0.

use super::{Kernels, Layer, Plan, Shape, Step, Want};
use crate::Result;

/// max(x, 0), elementwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relu;

impl<K: Kernels> Layer<K> for Relu {
    fn plan(&mut self, input: Shape, _plan: &mut Plan) -> Result<Shape, String> {
        Ok(input)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        let y = step.kernels.relu(x)?;
        if step.tapes() {
            step.push(y.clone());
        }
        Ok(y)
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let y = step.pop()?;
        if want.input { step.kernels.relu_backward(&y, dy).map(Some) } else { Ok(None) }
    }
}
