//! Global mean pooling: each channel's mean over its pixels.

use super::{Kernels, Layer, Plan, Shape, Step, Want};
use crate::{Error, Result};

/// `[C, H, W]` to `[C]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeanPool {
    input: Option<Shape>,
}

impl MeanPool {
    fn planned(&self) -> Result<Shape> {
        self.input.ok_or_else(|| Error::Failed("a mean pool was used before it was planned".into()))
    }
}

impl<K: Kernels> Layer<K> for MeanPool {
    fn plan(&mut self, input: Shape, _plan: &mut Plan) -> Result<Shape, String> {
        self.input = Some(input);
        Shape::vector(input.channels)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        step.kernels.mean_pool(self.planned()?, &x)
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        if want.input { step.kernels.mean_pool_backward(self.planned()?, &dy).map(Some) } else { Ok(None) }
    }

    fn needs_backward(&self) -> bool {
        false
    }
}
