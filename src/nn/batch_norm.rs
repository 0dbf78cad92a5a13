//! Batch norm (Ioffe and Szegedy 2015), with `ReLU` and a residual sum fused where asked for.
//!
//! eps 1e-5; momentum 0.1 in PyTorch's sense: running = 0.9 running + 0.1 batch, the variance unbiased.

use super::kernels::{Norm, Normed};
use super::{Init, Kernels, Layer, Mode, Place, Plan, Shape, Step, Want};
use crate::Result;

/// Normalises each channel over batch and pixels.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    norm: Norm,
}

impl BatchNorm {
    /// Without `ReLU`.
    pub fn new() -> Self {
        let shape = Shape { channels: 0, height: 0, width: 0 };
        let place = Place::default();
        Self { norm: Norm { shape, weight: place, bias: place, mean: place, variance: place, relu: false } }
    }

    /// With `ReLU` in the same pass.
    pub fn with_relu() -> Self {
        let mut layer = Self::new();
        layer.norm.relu = true;
        layer
    }

    /// Registers its parameters and statistics.
    ///
    /// # Errors
    /// The reason, where the network grows too large.
    pub fn plan_for(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let channels = [input.channels];
        self.norm.shape = input;
        self.norm.weight = plan.parameter("weight", &channels, Init::NormWeight)?;
        self.norm.bias = plan.parameter("bias", &channels, Init::Zero)?;
        self.norm.mean = plan.statistic("running_mean", &channels, Init::Zero)?;
        self.norm.variance = plan.statistic("running_var", &channels, Init::One)?;
        Ok(input)
    }

    /// norm(x) + skip, then its `ReLU`.
    pub fn forward_with<K: Kernels>(&self, step: &mut Step<K>, x: K::Buf, skip: Option<&K::Buf>) -> Result<K::Buf> {
        let train = step.mode() == Mode::Train;
        let (y, moments) = step.kernels.norm(&self.norm, train, &step.arenas, &x, skip)?;
        if step.tapes() {
            step.push(x);
            step.push(moments);
            if self.norm.relu {
                step.push(y.clone());
            }
        }
        Ok(y)
    }

    /// The gradient of the input, and the one behind the `ReLU`, which is also the skip's.
    pub fn backward_both<K: Kernels>(&self, step: &mut Step<K>, dy: K::Buf, want: Want) -> Result<(K::Buf, K::Buf)> {
        let y = if self.norm.relu { Some(step.pop()?) } else { None };
        let (moments, x) = (step.pop()?, step.pop()?);
        let train = step.mode() == Mode::Train;
        let (kernels, arenas, sink) = step.parts(want);
        kernels.norm_backward(&self.norm, train, &arenas.weights, &Normed { x, moments, y }, dy, sink)
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kernels> Layer<K> for BatchNorm {
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
