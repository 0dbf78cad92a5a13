//! Residual networks of basic blocks for small images (He et al. 2016), with projections: 1x1 convolution and norm.
//!
//! | name | blocks per stage | widths |
//! |---|---|---|
//! | `resnet{6n+2}` (section 4.2: 20, 32, 44, 56, 110) | n, n, n | w, 2w, 4w; w = 16 |
//! | `resnet18` (table 1) | 2, 2, 2, 2 | w, 2w, 4w, 8w; w = 64 |
//! | `resnet34` (table 1) | 3, 4, 6, 3 | w, 2w, 4w, 8w; w = 64 |
//!
//! All start with a 3x3 convolution of stride 1 and no pooling; every stage but the first starts with stride 2; the
//! mean over pixels goes to one linear layer. At 3 channels and 10 classes ResNet-20 has 272,474 parameters, ResNet-18
//! 11,173,962 and ResNet-34 21,282,122. Kwok et al. (2024) do not say which ResNet-34 they trained; this is the
//! published one with the stem for small images.
//!
//! `-gn` (Baldock et al. 2021, after Kolesnikov et al. 2020) puts a group norm in the place of every batch norm and
//! standardises the weights of every convolution. As in torchvision with another `norm_layer`, the norms keep their
//! names (`bn1`).

use super::{number, suffixes};
use crate::nn::{AnyNorm, BatchNorm, Conv2d, GroupNorm, Kernels, Linear, MeanPool, Residual, Sequence};

/// Width of the first stage of a 6n+2 as published.
const NARROW: usize = 16;
/// Width of the first stage of the networks with four stages as published.
const WIDE: usize = 64;
/// Most blocks per stage: ResNet-1202 is the paper's deepest.
const MOST_BLOCKS: usize = 200;
/// Depths that mean a network of bottleneck blocks everywhere else; two have the form 6n+2.
const BOTTLENECKS: [usize; 3] = [50, 101, 152];

/// `resnet20`, `resnet8-8`, `resnet18-gn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResNet {
    /// Blocks of each stage.
    stages: Vec<usize>,
    width: usize,
    grouped: bool,
}

impl ResNet {
    /// What its names look like.
    pub const USAGE: &str = "resnet{6n+2|18|34}[-gn][-{width}], such as resnet20, resnet20-64, resnet18-gn";
    /// Names that a mistyped one may mean.
    pub const NAMES: &[&str] =
        &["resnet18", "resnet18-gn", "resnet20", "resnet32", "resnet34", "resnet44", "resnet56", "resnet110"];

    /// Parses `resnet{depth}[-gn][-{width}]`; none where the name is no ResNet's.
    pub fn parse(name: &str) -> Option<Result<Self, String>> {
        let rest = name.strip_prefix("resnet")?;
        let (depth, suffix) = rest.split_at(rest.find('-').unwrap_or(rest.len()));
        let depth = number(depth)?;
        Some(stages(depth).and_then(|(stages, published)| {
            let (grouped, width) = suffixes(suffix, "gn", published)?;
            Ok(Self { stages, width, grouped })
        }))
    }

    /// Its layers.
    pub fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
        let stem = Sequence::default()
            .with("conv1", self.conv(self.width, 3, 1, 1))
            .with("bn1", self.norm_with_relu())
            .tapped();
        let staged = self.stages.iter().enumerate().fold(stem, |layers, (index, blocks)| {
            let stride = if index == 0 { 1 } else { 2 };
            layers.with(format!("layer{}", index + 1), self.stage(*blocks, self.width << index, stride))
        });
        staged.with("", MeanPool::default()).embedding().with("fc", Linear::new(classes))
    }

    fn stage<K: Kernels>(&self, blocks: usize, width: usize, stride: usize) -> Sequence<K> {
        (0..blocks).fold(Sequence::default(), |stage, index| {
            stage.with(index.to_string(), self.block(width, if index == 0 { stride } else { 1 })).tapped()
        })
    }

    /// Two 3x3 convolutions; the shortcut is a projection where the stride changes the shape.
    fn block<K: Kernels>(&self, width: usize, stride: usize) -> Residual<K> {
        let body = Sequence::default()
            .with("conv1", self.conv(width, 3, stride, 1))
            .with("bn1", self.norm_with_relu())
            .with("conv2", self.conv(width, 3, 1, 1));
        let projection = || Sequence::default().with("0", self.conv(width, 1, stride, 0)).with("1", self.norm());
        Residual::new(body, "bn2", self.norm_with_relu(), (stride != 1).then(projection))
    }

    fn conv(&self, width: usize, kernel: usize, stride: usize, padding: usize) -> Conv2d {
        let conv = Conv2d::new(width, kernel, stride, padding);
        if self.grouped { conv.standardised() } else { conv }
    }

    fn norm(&self) -> AnyNorm {
        if self.grouped { GroupNorm::new().into() } else { BatchNorm::new().into() }
    }

    fn norm_with_relu(&self) -> AnyNorm {
        if self.grouped { GroupNorm::with_relu().into() } else { BatchNorm::with_relu().into() }
    }
}

/// Blocks per stage of a depth, and the published width of the first one.
fn stages(depth: usize) -> Result<(Vec<usize>, usize), String> {
    if BOTTLENECKS.contains(&depth) {
        return Err(format!("resnet{depth} means another net everywhere else (one of bottlenecks): not built here"));
    }
    let blocks = depth.saturating_sub(2) / 6;
    match depth {
        18 => Ok((vec![2, 2, 2, 2], WIDE)),
        34 => Ok((vec![3, 4, 6, 3], WIDE)),
        _ if depth == 6 * blocks + 2 && (1..=MOST_BLOCKS).contains(&blocks) => Ok((vec![blocks; 3], NARROW)),
        _ => Err(format!(
            "a depth is 18, 34 or 6n+2 (8, 14, 20, 26, 32, ... 1202), not {depth}: did you mean `resnet{}`?",
            nearest(depth)
        )),
    }
}

/// The nearest depth that is built.
fn nearest(depth: usize) -> usize {
    let built = (1..=MOST_BLOCKS).map(|blocks| 6 * blocks + 2).chain([18, 34]);
    built.filter(|built| !BOTTLENECKS.contains(built)).min_by_key(|built| built.abs_diff(depth)).unwrap_or(20)
}
