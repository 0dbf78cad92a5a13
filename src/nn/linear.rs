//! Linear: y = W x + b on a vector of features.

use super::kernels::Dense;
use super::{Init, Kernels, Layer, Plan, Shape, Step, Want};
use crate::Result;

/// A dense layer with bias.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    dense: Dense,
}

impl Linear {
    /// So many outputs; the inputs are known when it is planned.
    pub fn new(outputs: usize) -> Self {
        Self { dense: Dense { outputs, ..Dense::default() } }
    }
}

impl<K: Kernels> Layer<K> for Linear {
    fn plan(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        if input.pixels() != 1 {
            return Err(format!("a linear layer takes a vector, not {input}: flatten or pool first"));
        }
        let (inputs, outputs) = (input.channels, self.dense.outputs);
        let output = Shape::vector(outputs)?;
        let weight = plan.parameter("weight", &[outputs, inputs], Init::Kaiming { fan_in: inputs })?;
        let bias = plan.parameter("bias", &[outputs], Init::Zero)?;
        self.dense = Dense { inputs, outputs, weight, bias };
        Ok(output)
    }

    fn forward(&self, step: &mut Step<K>, x: K::Buf) -> Result<K::Buf> {
        let y = step.kernels.dense(&self.dense, &step.arenas.weights, &x)?;
        if step.tapes() {
            step.push(x);
        }
        Ok(y)
    }

    fn backward(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<Option<K::Buf>> {
        let x = step.pop()?;
        let (kernels, arenas, sink) = step.parts(want);
        if want.touches_weights() {
            kernels.dense_weight_gradient(&self.dense, &x, &dy, sink)?;
        }
        if want.input { kernels.dense_input_gradient(&self.dense, &arenas.weights, &dy).map(Some) } else { Ok(None) }
    }
}
