//! Flatten: an image as a vector of features, channel by channel, row by row.

use super::{Kernels, Layer, Plan, Shape, Step, Want};
use crate::Result;

/// `[C, H, W]` as `[C H W]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flatten {
    input: Option<Shape>,
}

impl<K: Kernels> Layer<K> for Flatten {
    fn plan(&mut self, input: Shape, _plan: &mut Plan) -> Result<Shape, String> {
        self.input = Some(input);
        Shape::vector(input.len())
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        match self.input {
            Some(shape) => step.kernels.flatten(shape, x),
            None => Ok(x),
        }
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        match self.input {
            Some(shape) if want.input => step.kernels.unflatten(shape, dy).map(Some),
            _ => Ok(None),
        }
    }

    fn needs_backward(&self) -> bool {
        false
    }
}
