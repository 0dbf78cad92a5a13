//! Max pooling over k x k windows side by side; a window over the edge is cut (PyTorch's `ceil_mode`).

use super::kernels::Pool;
use super::{Kernels, Layer, Plan, Shape, Step, Want};
use crate::{Error, Result};

/// The largest value of each window; ties go to the first in reading order.
#[derive(Debug, Clone, Copy)]
pub struct MaxPool {
    side: usize,
    pool: Option<Pool>,
}

impl MaxPool {
    /// Windows of `side` x `side`.
    pub fn new(side: usize) -> Self {
        Self { side, pool: None }
    }

    fn planned(&self) -> Result<&Pool> {
        self.pool.as_ref().ok_or_else(|| Error::Failed("a max pool was used before it was planned".into()))
    }
}

impl<K: Kernels> Layer<K> for MaxPool {
    fn plan(&mut self, input: Shape, _plan: &mut Plan) -> Result<Shape, String> {
        if self.side == 0 {
            return Err("a max pool needs windows of at least 1x1".into());
        }
        let output = Shape::new(input.channels, input.height.div_ceil(self.side), input.width.div_ceil(self.side))?;
        self.pool = Some(Pool { input, output, side: self.side });
        Ok(output)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        let y = step.kernels.max_pool(self.planned()?, &x)?;
        if step.tapes() {
            step.push(x);
        }
        Ok(y)
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let x = step.pop()?;
        if want.input { step.kernels.max_pool_backward(self.planned()?, &x, &dy).map(Some) } else { Ok(None) }
    }
}
