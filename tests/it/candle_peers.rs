//! The models once more, of candle's operations: written from the papers' definitions, not from `src/models/`.
//!
//! Max pools are reshape and max (the backward of candle's own pool is wrong); they follow a `ReLU`, so that a window
//! over the edge may be filled with zeros.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use candle_core::{Result, Tensor};
use candle_nn::{Module, ModuleT, VarBuilder};
use diffscope::data::ImageShape;

/// A network: operations one after the other.
pub(crate) struct Peer(Vec<Op>);

enum Op {
    Conv(Conv),
    BatchNorm(candle_nn::BatchNorm),
    GroupNorm(candle_nn::GroupNorm),
    Linear(candle_nn::Linear),
    Relu,
    MaxPool,
    MeanPool,
    Flatten,
    /// `ReLU`(body + shortcut).
    Block(Peer, Option<Peer>),
}

struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: usize,
    padding: usize,
    standardised: bool,
}

impl Conv {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = if self.standardised { standardised(&self.weight)? } else { self.weight.clone() };
        let y = x.conv2d(&weight, self.padding, self.stride, 1, 1)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
            None => Ok(y),
        }
    }
}

/// Each output's weights minus their mean, over the root of their population variance plus 1e-5.
fn standardised(weight: &Tensor) -> Result<Tensor> {
    let flat = weight.flatten_from(1)?;
    let centred = flat.broadcast_sub(&flat.mean_keepdim(1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(1)? + 1e-5)?.sqrt()?;
    centred.broadcast_div(&deviation)?.reshape(weight.shape())
}

/// The largest value of each 2x2 window of values that are not negative.
fn max_pool(x: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    let x = x.pad_with_zeros(2, 0, height % 2)?.pad_with_zeros(3, 0, width % 2)?;
    let (batch, channels, height, width) = x.dims4()?;
    x.reshape((batch, channels, height / 2, 2, width / 2, 2))?.max(5)?.max(3)
}

impl Op {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::BatchNorm(norm) => norm.forward_t(x, train),
            Self::GroupNorm(norm) => norm.forward(x),
            Self::Linear(layer) => layer.forward(x),
            Self::Relu => x.relu(),
            Self::MaxPool => max_pool(x),
            Self::MeanPool => x.mean((2, 3)),
            Self::Flatten => x.flatten_from(1),
            Self::Block(..) => self.before_relu(x, train)?.relu(),
        }
    }

    /// A block's sum; any other operation's value.
    fn before_relu(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let Self::Block(body, shortcut) = self else { return self.forward(x, train) };
        let skip = shortcut.as_ref().map_or_else(|| Ok(x.clone()), |layers| layers.forward(x, train))?;
        body.forward(x, train)? + skip
    }
}

/// Whether the norms are group norms and the convolutions standardised.
#[derive(Clone, Copy)]
struct Grouped(bool);

impl Grouped {
    fn conv(self, inputs: usize, outputs: usize, kernel: usize, stride: usize, vb: &VarBuilder) -> Op {
        let weight = vb.get((outputs, inputs, kernel, kernel), "weight").unwrap();
        Op::Conv(Conv { weight, bias: None, stride, padding: kernel / 2, standardised: self.0 })
    }

    fn norm(self, channels: usize, vb: VarBuilder) -> Op {
        if self.0 {
            let groups = (1..=channels.min(32)).rev().find(|groups| channels.is_multiple_of(*groups)).unwrap();
            Op::GroupNorm(candle_nn::group_norm(groups, channels, 1e-5, vb).unwrap())
        } else {
            Op::BatchNorm(candle_nn::batch_norm(channels, 1e-5, vb).unwrap())
        }
    }

    fn block(self, inputs: usize, outputs: usize, stride: usize, vb: &VarBuilder) -> Op {
        let body = vec![
            self.conv(inputs, outputs, 3, stride, &vb.pp("conv1")),
            self.norm(outputs, vb.pp("bn1")),
            Op::Relu,
            self.conv(outputs, outputs, 3, 1, &vb.pp("conv2")),
            self.norm(outputs, vb.pp("bn2")),
        ];
        let project = || {
            let conv = self.conv(inputs, outputs, 1, stride, &vb.pp("shortcut.0"));
            Peer(vec![conv, self.norm(outputs, vb.pp("shortcut.1"))])
        };
        Op::Block(Peer(body), (stride != 1).then(project))
    }

    fn resnet(self, channels: usize, stages: &[usize], width: usize, classes: usize, vb: &VarBuilder) -> Peer {
        let mut ops = vec![self.conv(channels, width, 3, 1, &vb.pp("conv1")), self.norm(width, vb.pp("bn1")), Op::Relu];
        let mut inputs = width;
        for (stage, blocks) in stages.iter().enumerate() {
            for index in 0..*blocks {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let vb = vb.pp(format!("layer{}.{index}", stage + 1));
                ops.push(self.block(inputs, width << stage, stride, &vb));
                inputs = width << stage;
            }
        }
        ops.extend([Op::MeanPool, linear(inputs, classes, vb.pp("fc"))]);
        Peer(ops)
    }
}

fn linear(inputs: usize, outputs: usize, vb: VarBuilder) -> Op {
    Op::Linear(candle_nn::linear(inputs, outputs, vb).unwrap())
}

fn biased(inputs: usize, outputs: usize, kernel: usize, padding: usize, vb: &VarBuilder) -> Op {
    let weight = vb.get((outputs, inputs, kernel, kernel), "weight").unwrap();
    let bias = vb.get(outputs, "bias").unwrap();
    Op::Conv(Conv { weight, bias: Some(bias), stride: 1, padding, standardised: false })
}

/// A width of 0 is a max pool.
fn vgg(channels: usize, widths: &[usize], plain: bool, classes: usize, vb: &VarBuilder) -> Peer {
    let mut ops = Vec::new();
    let mut inputs = channels;
    for width in widths {
        let (here, next) = (vb.pp(format!("features.{}", ops.len())), vb.pp(format!("features.{}", ops.len() + 1)));
        match (*width, plain) {
            (0, _) => ops.push(Op::MaxPool),
            (width, true) => ops.extend([biased(inputs, width, 3, 1, &here), Op::Relu]),
            (width, false) => {
                let (conv, norm) = (Grouped(false).conv(inputs, width, 3, 1, &here), Grouped(false).norm(width, next));
                ops.extend([conv, norm, Op::Relu]);
            }
        }
        inputs = if *width == 0 { inputs } else { *width };
    }
    ops.extend([Op::MeanPool, linear(inputs, classes, vb.pp("fc"))]);
    Peer(ops)
}

fn lenet(channels: usize, features: usize, classes: usize, vb: &VarBuilder) -> Peer {
    Peer(vec![
        biased(channels, 6, 5, 2, &vb.pp("conv1")),
        Op::Relu,
        Op::MaxPool,
        biased(6, 16, 5, 0, &vb.pp("conv2")),
        Op::Relu,
        Op::MaxPool,
        Op::Flatten,
        linear(features, 120, vb.pp("fc1")),
        Op::Relu,
        linear(120, 84, vb.pp("fc2")),
        Op::Relu,
        linear(84, classes, vb.pp("fc")),
    ])
}

fn mlp(inputs: usize, width: usize, hidden: usize, classes: usize, vb: &VarBuilder) -> Peer {
    let mut ops = vec![Op::Flatten];
    for index in 0..hidden {
        let from = if index == 0 { inputs } else { width };
        ops.extend([linear(from, width, vb.pp(format!("fc{}", index + 1))), Op::Relu]);
    }
    ops.push(linear(if hidden == 0 { inputs } else { width }, classes, vb.pp("fc")));
    Peer(ops)
}

impl Peer {
    /// The network of a name; its variables come from `vb`.
    pub(crate) fn new(name: &str, input: ImageShape, classes: usize, vb: &VarBuilder) -> Self {
        let ImageShape { channels, height, width } = input;
        match name {
            "resnet8-4" => Grouped(false).resnet(channels, &[1, 1, 1], 4, classes, vb),
            "resnet14-3" => Grouped(false).resnet(channels, &[2, 2, 2], 3, classes, vb),
            "resnet18-3" => Grouped(false).resnet(channels, &[2, 2, 2, 2], 3, classes, vb),
            "resnet34-2" => Grouped(false).resnet(channels, &[3, 4, 6, 3], 2, classes, vb),
            "resnet8-gn-12" => Grouped(true).resnet(channels, &[1, 1, 1], 12, classes, vb),
            "resnet18-gn-8" => Grouped(true).resnet(channels, &[2, 2, 2, 2], 8, classes, vb),
            "vgg11-4" => vgg(channels, &[4, 0, 8, 0, 16, 16, 0, 32, 32, 0, 32, 32], false, classes, vb),
            "vgg16-2" => {
                let widths = [2, 2, 0, 4, 4, 0, 8, 8, 8, 0, 16, 16, 16, 0, 16, 16, 16];
                vgg(channels, &widths, false, classes, vb)
            }
            "vgg16-plain-2" => {
                let widths = [2, 2, 0, 4, 4, 0, 8, 8, 8, 0, 16, 16, 16, 0, 16, 16, 16];
                vgg(channels, &widths, true, classes, vb)
            }
            "lenet5" => {
                let side = |side: usize| (side.div_ceil(2) - 4).div_ceil(2);
                lenet(channels, 16 * side(height) * side(width), classes, vb)
            }
            "mlp-12x3" => mlp(input.len(), 12, 3, classes, vb),
            "mlp-10x1" => mlp(input.len(), 10, 1, classes, vb),
            "logistic" => mlp(input.len(), 0, 0, classes, vb),
            other => panic!("no peer for {other}"),
        }
    }

    /// The logits of a batch.
    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |x, op| op.forward(&x, train))
    }

    /// What every probe sees in eval mode, and the penultimate embedding: the input, every value that a `ReLU` of the
    /// network itself takes in and every sum of a block, and the logits; apart from them the last layer's input.
    pub(crate) fn probed(&self, x: &Tensor) -> Result<(Vec<Tensor>, Tensor)> {
        let (mut seen, mut value, mut last) = (vec![x.clone()], x.clone(), x.clone());
        for (op, next) in self.0.iter().zip(self.0.iter().skip(1).map(Some).chain([None])) {
            last = value;
            value = op.before_relu(&last, false)?;
            if matches!(op, Op::Block(..)) || matches!(next, Some(Op::Relu)) {
                seen.push(value.clone());
            }
            value = if matches!(op, Op::Block(..)) { value.relu()? } else { value };
        }
        seen.push(value);
        Ok((seen, last))
    }
}
