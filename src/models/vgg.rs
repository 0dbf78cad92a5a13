//! VGG for small images (Simonyan and Zisserman 2015): 3x3 convolutions in blocks, a 2x2 max pool between two blocks.
//!
//! | name | convolutions per block (widths w, 2w, 4w, 8w, 8w; w = 64) |
//! |---|---|
//! | `vgg11` | 1, 1, 2, 2, 2 |
//! | `vgg13` | 2, 2, 2, 2, 2 |
//! | `vgg16` | 2, 2, 3, 3, 3 |
//! | `vgg19` | 2, 2, 4, 4, 4 |
//!
//! The three dense layers behind them are left out, as everywhere for small images: the mean over pixels goes to one
//! linear layer, and the last block has no max pool. A pool's window over the edge is cut, so that any size works.
//!
//! Each convolution is followed by batch norm and `ReLU` and has no bias. With `-plain` (Baldock et al. 2021, appendix
//! A.2.2: "we removed the final three dense layers", no batch norm, no dropout) it has a bias and is followed by
//! `ReLU` alone; the paper does not say how the last block meets the classes: here as in the others.

use super::{number, suffixes};
use crate::nn::{BatchNorm, Conv2d, Kernels, Linear, MaxPool, MeanPool, Relu, Sequence};

/// Width of the first block as published.
const WIDTH: usize = 64;
/// Each block's width over the first one's.
const FACTORS: [usize; 5] = [1, 2, 4, 8, 8];
/// Depths, and the convolutions of each block.
const DEPTHS: [(usize, [usize; 5]); 4] =
    [(11, [1, 1, 2, 2, 2]), (13, [2, 2, 2, 2, 2]), (16, [2, 2, 3, 3, 3]), (19, [2, 2, 4, 4, 4])];

/// `vgg16`, `vgg16-16`, `vgg16-plain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vgg {
    /// Convolutions of each block.
    blocks: [usize; 5],
    width: usize,
    plain: bool,
}

impl Vgg {
    /// What its names look like.
    pub const USAGE: &str = "vgg{11|13|16|19}[-plain][-{width}], such as vgg16, vgg16-16, vgg16-plain";
    /// Names that a mistyped one may mean.
    pub const NAMES: &[&str] = &["vgg11", "vgg13", "vgg16", "vgg16-plain", "vgg19"];

    /// Parses `vgg{depth}[-plain][-{width}]`; none where the name is no VGG's.
    pub fn parse(name: &str) -> Option<Result<Self, String>> {
        let rest = name.strip_prefix("vgg")?;
        let (depth, suffix) = rest.split_at(rest.find('-').unwrap_or(rest.len()));
        let depth = number(depth)?;
        Some(blocks(depth).and_then(|blocks| {
            let (plain, width) = suffixes(suffix, "plain", WIDTH)?;
            Ok(Self { blocks, width, plain })
        }))
    }

    /// Its layers, numbered as in a PyTorch `Sequential` where each norm, `ReLU` and pool counts.
    pub fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
        let mut features = Sequence::default();
        let mut place = 0;
        for (block, (convolutions, factor)) in self.blocks.into_iter().zip(FACTORS).enumerate() {
            if block > 0 {
                features = features.with(place.to_string(), MaxPool::new(2));
                place += 1;
            }
            for _ in 0..convolutions {
                features = self.convolution(features, place, self.width * factor);
                place += if self.plain { 2 } else { 3 };
            }
        }
        Sequence::default()
            .with("features", features)
            .with("", MeanPool::default())
            .embedding()
            .with("fc", Linear::new(classes))
    }

    fn convolution<K: Kernels>(&self, features: Sequence<K>, place: usize, width: usize) -> Sequence<K> {
        let conv = Conv2d::new(width, 3, 1, 1);
        let (name, next) = (place.to_string(), (place + 1).to_string());
        if self.plain {
            features.with(name, conv.biased()).tapped().with(next, Relu)
        } else {
            features.with(name, conv).with(next, BatchNorm::with_relu()).tapped()
        }
    }
}

/// Convolutions of each block of a depth.
fn blocks(depth: usize) -> Result<[usize; 5], String> {
    let exact = DEPTHS.into_iter().find(|(built, _)| *built == depth);
    exact.map(|(_, blocks)| blocks).ok_or_else(|| {
        let nearest = DEPTHS.into_iter().map(|(built, _)| built).min_by_key(|built| built.abs_diff(depth));
        format!("a depth is 11, 13, 16 or 19, not {depth}: did you mean `vgg{}`?", nearest.unwrap_or(16))
    })
}
