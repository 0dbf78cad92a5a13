//! Group norm (Wu and He 2018), with `ReLU` and a residual sum fused where asked for.
//!
//! Each example has its own moments, over the pixels of a group of neighbouring channels; nothing runs along, so
//! training and evaluation compute the same. eps 1e-5. 32 groups, as published; where 32 does not divide the channels,
//! the largest number below it that does (up to 32 channels: each is a group).

use super::kernels::{self, Normed};
use super::{Init, Kernels, Norm, Place, Plan, Shape, Step, Want};
use crate::Result;

/// Groups as published.
const GROUPS: usize = 32;

/// Normalises each group of channels of each example.
#[derive(Debug, Clone, Copy)]
pub struct GroupNorm {
    norm: kernels::GroupNorm,
}

impl GroupNorm {
    /// Without `ReLU`.
    pub fn new() -> Self {
        let shape = Shape { channels: 0, height: 0, width: 0 };
        let place = Place::default();
        Self { norm: kernels::GroupNorm { shape, groups: GROUPS, weight: place, bias: place, relu: false } }
    }

    /// With `ReLU` in the same pass.
    pub fn with_relu() -> Self {
        let mut layer = Self::new();
        layer.norm.relu = true;
        layer
    }
}

impl Default for GroupNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl Norm for GroupNorm {
    fn relu(&self) -> bool {
        self.norm.relu
    }

    fn without_relu(&self) -> Self {
        Self { norm: kernels::GroupNorm { relu: false, ..self.norm } }
    }

    fn plan_for(&mut self, input: Shape, plan: &mut Plan) -> Result<Shape, String> {
        let channels = [input.channels];
        let groups = groups_of(input.channels);
        if groups == input.len() {
            return Err(format!(
                "each group of a group norm is a single value of {input}: all become 0, whatever it is"
            ));
        }
        self.norm.shape = input;
        self.norm.groups = groups;
        self.norm.weight = plan.parameter("weight", &channels, Init::NormWeight)?;
        self.norm.bias = plan.parameter("bias", &channels, Init::Zero)?;
        Ok(input)
    }

    fn normalise<K: Kernels>(&self, step: &mut Step<K>, x: &K::Buf, skip: Option<&K::Buf>) -> Result<(K::Buf, K::Buf)> {
        step.kernels.group_norm(&self.norm, &step.arenas.weights, x, skip)
    }

    fn gradients<K: Kernels>(
        &self,
        step: &mut Step<K>,
        taped: &Normed<K::Buf>,
        dy: K::Buf,
        want: Want,
    ) -> Result<(K::Buf, K::Buf)> {
        let (kernels, arenas, sink) = step.parts(want);
        kernels.group_norm_backward(&self.norm, &arenas.weights, taped, dy, sink)
    }
}

/// The largest number of groups, up to 32, that divides the channels.
fn groups_of(channels: usize) -> usize {
    (1..=GROUPS).rev().find(|groups| channels.is_multiple_of(*groups)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_divide_the_channels() {
        let cases = [(64, 32), (512, 32), (32, 32), (16, 16), (1, 1), (48, 24), (40, 20), (37, 1)];
        for (channels, groups) in cases {
            assert_eq!(groups_of(channels), groups, "{channels} channels");
        }
    }

    #[test]
    fn groups_of_a_single_value_are_refused() {
        let plan = |channels, side| {
            GroupNorm::new().plan_for(Shape { channels, height: side, width: side }, &mut Plan::default())
        };
        assert!(plan(16, 1).unwrap_err().contains("single value of 16x1x1"));
        assert!(plan(16, 2).is_ok() && plan(64, 1).is_ok());
    }
}
