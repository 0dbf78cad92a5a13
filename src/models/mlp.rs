//! Multi-layer perceptrons: `mlp-{width}x{layers}` has so many **hidden** dense layers of that width, each followed by
//! `ReLU`, and a linear classifier behind them.
//!
//! So `mlp-512x7` holds 8 weight matrices, 7 of them hidden: `fc1` to `fc7`, then `fc`. Any input will do: on points
//! (1x1x2) `mlp-10x1` is a toy with one hidden layer, as in Agarwal et al. (2022, section 2.1).

use super::{number, width};
use crate::nn::{Flatten, Kernels, Linear, Relu, Sequence};

/// Most hidden layers.
const DEEPEST: usize = 64;

/// `mlp-512x7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mlp {
    width: usize,
    hidden: usize,
}

impl Mlp {
    /// What its names look like.
    pub const USAGE: &str = "mlp-{width}x{layers} with so many hidden layers, such as mlp-512x7";
    /// Names that a mistyped one may mean.
    pub const NAMES: &[&str] = &["mlp-512x7"];

    /// Parses `mlp-{width}x{layers}`; none where the name is no MLP's.
    pub fn parse(name: &str) -> Option<Result<Self, String>> {
        let rest = name.strip_prefix("mlp")?;
        let parsed = rest.strip_prefix('-').and_then(|sizes| sizes.split_once('x'));
        Some(parsed.ok_or_else(|| format!("no model `{name}`: it is {}", Self::USAGE)).and_then(|(wide, deep)| {
            match number(deep) {
                Some(hidden) if (1..=DEEPEST).contains(&hidden) => Ok(Self { width: width(wide)?, hidden }),
                _ => Err(format!("an MLP has 1 to {DEEPEST} hidden layers, not `{deep}`")),
            }
        }))
    }

    /// Its layers.
    pub fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
        let flat = Sequence::default().with("", Flatten::default());
        let hidden = (1..=self.hidden).fold(flat, |layers, index| {
            layers.with(format!("fc{index}"), Linear::new(self.width)).tapped().with("", Relu)
        });
        hidden.embedding().with("fc", Linear::new(classes))
    }
}
