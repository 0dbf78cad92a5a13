//! Batch norm (Ioffe and Szegedy 2015), with `ReLU` and a residual sum fused where asked for.
//!
//! eps 1e-5; momentum 0.1 in PyTorch's sense: running = 0.9 running + 0.1 batch, the variance unbiased.

use super::kernels::{self, Normed};
use super::{Init, Kernels, Mode, Norm, Place, Plan, Shape, Step, Want};
use crate::Result;

/// Normalises each channel over batch and pixels.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    norm: kernels::Norm,
}

impl BatchNorm {
    /// Without `ReLU`.
    pub fn new() -> Self {
        let shape = Shape { channels: 0, height: 0, width: 0 };
        let place = Place::default();
        Self { norm: kernels::Norm { shape, weight: place, bias: place, mean: place, variance: place, relu: false } }
    }

    /// With `ReLU` in the same pass.
    pub fn with_relu() -> Self {
        let mut layer = Self::new();
        layer.norm.relu = true;
        layer
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl Norm for BatchNorm {
    fn relu(&self) -> bool {
        self.norm.relu
    }

    fn without_relu(&self) -> Self {
        Self { norm: kernels::Norm { relu: false, ..self.norm } }
    }

    fn plan_for(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let channels = [input.channels];
        self.norm.shape = input;
        self.norm.weight = plan.parameter("weight", &channels, Init::NormWeight)?;
        self.norm.bias = plan.parameter("bias", &channels, Init::Zero)?;
        self.norm.mean = plan.statistic("running_mean", &channels, Init::Zero)?;
        self.norm.variance = plan.statistic("running_var", &channels, Init::One)?;
        Ok(input)
    }

    fn normalise<K: Kernels>(&self, step: &mut Step<K>, x: &K::Buf, skip: Option<&K::Buf>) -> Result<(K::Buf, K::Buf)> {
        let train = step.mode() == Mode::Train;
        step.kernels.norm(&self.norm, train, &step.arenas, x, skip)
    }

    fn gradients<K: Kernels>(
        &self,
        step: &mut Step<K>,
        taped: &Normed<K::Buf>,
        dy: K::Buf,
        want: Want,
    ) -> Result<(K::Buf, K::Buf)> {
        let train = step.mode() == Mode::Train;
        let (kernels, arenas, sink) = step.parts(want);
        kernels.norm_backward(&self.norm, train, &arenas.weights, taped, dy, sink)
    }
}
