//! ResNet-(6n+2) for small images (He et al. 2016, section 4.2), with projections: 1x1 convolution and norm.
//!
//! Three stages of n blocks, widths w, 2w, 4w; the second and third start with stride 2. ResNet-20 has 272,474
//! parameters at 3 channels and 10 classes.

use super::{number, width};
use crate::nn::{BatchNorm, Conv2d, Kernels, Linear, MeanPool, Residual, Sequence};

/// Width of the first stage as published.
const WIDTH: usize = 16;
/// Most blocks per stage: ResNet-1202 is the paper's deepest.
const MOST_BLOCKS: usize = 200;
/// Depths of the form 6n+2 that mean a bottleneck network everywhere else.
const OTHERS: [usize; 2] = [50, 152];

/// `resnet20`, `resnet8-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResNet {
    blocks: usize,
    width: usize,
}

impl ResNet {
    /// What its names look like.
    pub const USAGE: &str = "resnet{6n+2}, such as resnet20, or resnet{6n+2}-{width}, such as resnet8-8";

    /// Parses `resnet{6n+2}[-{width}]`; none where the name is no ResNet's.
    pub fn parse(name: &str) -> Option<Result<Self, String>> {
        let rest = name.strip_prefix("resnet")?;
        let (depth, suffix) = rest.split_once('-').map_or((rest, None), |(depth, width)| (depth, Some(width)));
        let depth = number(depth)?;
        Some(blocks(depth).and_then(|blocks| Ok(Self { blocks, width: suffix.map_or(Ok(WIDTH), width)? })))
    }

    /// Its layers.
    pub fn layers<K: Kernels>(&self, classes: usize) -> Sequence<K> {
        let stem =
            Sequence::default().with("conv1", Conv2d::new(self.width, 3, 1, 1)).with("bn1", BatchNorm::with_relu());
        let staged = [1, 2, 4].into_iter().zip(1..).fold(stem, |layers, (factor, stage)| {
            layers.with(format!("layer{stage}"), self.stage(self.width * factor, if stage == 1 { 1 } else { 2 }))
        });
        staged.with("", MeanPool::default()).with("fc", Linear::new(classes))
    }

    fn stage<K: Kernels>(&self, width: usize, stride: usize) -> Sequence<K> {
        (0..self.blocks).fold(Sequence::default(), |stage, index| {
            stage.with(index.to_string(), block(width, if index == 0 { stride } else { 1 }))
        })
    }
}

/// Two 3x3 convolutions; the shortcut is a projection where the stride changes the shape.
fn block<K: Kernels>(width: usize, stride: usize) -> Residual<K> {
    let body = Sequence::default()
        .with("conv1", Conv2d::new(width, 3, stride, 1))
        .with("bn1", BatchNorm::with_relu())
        .with("conv2", Conv2d::new(width, 3, 1, 1));
    let projection = || Sequence::default().with("0", Conv2d::new(width, 1, stride, 0)).with("1", BatchNorm::new());
    Residual::new(body, "bn2", (stride != 1).then(projection))
}

/// n of a depth 6n+2.
fn blocks(depth: usize) -> Result<usize, String> {
    let blocks = depth.saturating_sub(2) / 6;
    if OTHERS.contains(&depth) {
        return Err(format!("resnet{depth} means another net everywhere else (one of bottlenecks): not built here"));
    }
    if depth == 6 * blocks + 2 && (1..=MOST_BLOCKS).contains(&blocks) {
        return Ok(blocks);
    }
    // The nearest depth that is built: half of 6 up before the division rounds.
    let nearest = (depth.saturating_add(1) / 6).clamp(1, MOST_BLOCKS) * 6 + 2;
    let nearest = if OTHERS.contains(&nearest) { nearest - 6 } else { nearest };
    Err(format!("a depth is 6n+2 (8, 14, 20, 26, 32, ... 1202), not {depth}: did you mean resnet{nearest}?"))
}
