//! One network per family, and their weights' names, against candle's autograd and candle-nn's layers in f64.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{Module, ModuleT, VarBuilder, VarMap};
use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::{Entry, Kernels, Mode, Objective, Shape, Want};
use diffscope::scores::Record;

use crate::nn_oracles::{Rig, assert_near, normals};

const CLASSES: usize = 4;

/// A network of candle-nn's layers, from a `VarBuilder`.
enum Peer {
    ResNet { layers: Vec<PeerBlock>, stem: candle_nn::Conv2d, norm: candle_nn::BatchNorm, fc: candle_nn::Linear },
    Mlp(Vec<candle_nn::Linear>),
}

struct PeerBlock {
    convs: [candle_nn::Conv2d; 2],
    norms: [candle_nn::BatchNorm; 2],
    shortcut: Option<(candle_nn::Conv2d, candle_nn::BatchNorm)>,
}

fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, vb: VarBuilder) -> candle_nn::Conv2d {
    let config = candle_nn::Conv2dConfig { stride, padding: kernel / 2, ..Default::default() };
    candle_nn::conv2d_no_bias(inputs, outputs, kernel, config, vb).unwrap()
}

fn norm(channels: usize, vb: VarBuilder) -> candle_nn::BatchNorm {
    candle_nn::batch_norm(channels, 1e-5, vb).unwrap()
}

impl Peer {
    fn resnet(channels: usize, blocks: usize, width: usize, vb: &VarBuilder) -> Self {
        let mut inputs = width;
        let mut layers = Vec::new();
        for stage in 0..3 {
            for index in 0..blocks {
                let vb = vb.pp(format!("layer{}.{index}", stage + 1));
                let (outputs, stride) = (width << stage, if stage > 0 && index == 0 { 2 } else { 1 });
                let shortcut = (stride == 2)
                    .then(|| (conv(inputs, outputs, 1, 2, vb.pp("shortcut.0")), norm(outputs, vb.pp("shortcut.1"))));
                let convs =
                    [conv(inputs, outputs, 3, stride, vb.pp("conv1")), conv(outputs, outputs, 3, 1, vb.pp("conv2"))];
                let norms = [norm(outputs, vb.pp("bn1")), norm(outputs, vb.pp("bn2"))];
                layers.push(PeerBlock { convs, norms, shortcut });
                inputs = outputs;
            }
        }
        let fc = candle_nn::linear(4 * width, CLASSES, vb.pp("fc")).unwrap();
        Self::ResNet { layers, stem: conv(channels, width, 3, 1, vb.pp("conv1")), norm: norm(width, vb.pp("bn1")), fc }
    }

    fn mlp(inputs: usize, width: usize, hidden: usize, vb: &VarBuilder) -> Self {
        let name = |index| if index > hidden { "fc".to_owned() } else { format!("fc{index}") };
        let layer = |index: usize| {
            let (from, to) = (if index == 1 { inputs } else { width }, if index > hidden { CLASSES } else { width });
            candle_nn::linear(from, to, vb.pp(name(index))).unwrap()
        };
        Self::Mlp((1..=hidden + 1).map(layer).collect())
    }

    fn forward(&self, x: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        match self {
            Self::Mlp(layers) => {
                let (last, hidden) = layers.split_last().unwrap();
                let flat = hidden.iter().try_fold(x.flatten_from(1)?, |x, layer| layer.forward(&x)?.relu())?;
                last.forward(&flat)
            }
            Self::ResNet { layers, stem, norm, fc } => {
                let mut x = norm.forward_t(&stem.forward(x)?, train)?.relu()?;
                for block in layers {
                    let y = block.norms[0].forward_t(&block.convs[0].forward(&x)?, train)?.relu()?;
                    let y = block.norms[1].forward_t(&block.convs[1].forward(&y)?, train)?;
                    let skip = match &block.shortcut {
                        Some((conv, norm)) => norm.forward_t(&conv.forward(&x)?, train)?,
                        None => x,
                    };
                    x = (y + skip)?.relu()?;
                }
                fc.forward(&x.mean((2, 3))?)
            }
        }
    }
}

/// The same network twice, with the same weights: ours, and candle's.
struct Twins {
    rig: Rig,
    peer: Peer,
    vars: BTreeMap<String, Var>,
}

impl Twins {
    fn new(name: &str, input: ImageShape) -> Self {
        let network = models::parse(name).unwrap().build(input, CLASSES).unwrap();
        let varmap = VarMap::new();
        let vb = VarBuilder::from_varmap(&varmap, DType::F64, &Device::Cpu);
        let peer = match name {
            "resnet8-4" => Peer::resnet(input.channels, 1, 4, &vb),
            "resnet14-3" => Peer::resnet(input.channels, 2, 3, &vb),
            "mlp-12x3" => Peer::mlp(input.len(), 12, 3, &vb),
            other => panic!("no peer for {other}"),
        };
        let vars: BTreeMap<String, Var> =
            varmap.data().lock().unwrap().iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        let rig = Rig::new(network);
        for (entries, values) in
            [(&rig.network.layout().parameters, &rig.weights), (&rig.network.layout().statistics, &rig.statistics)]
        {
            for entry in entries {
                let own = Tensor::from_slice(&values[entry.place.range()], entry.shape.as_slice(), &Device::Cpu);
                vars[&entry.name].set(&own.unwrap()).unwrap();
            }
        }
        Self { rig, peer, vars }
    }

    /// Candle's values of a table's tensors, in the arena's order.
    fn flat(&self, entries: &[Entry], of: impl Fn(&Var) -> Tensor) -> Vec<f64> {
        let flat = |entry: &Entry| of(&self.vars[&entry.name]).flatten_all().unwrap().to_vec1().unwrap();
        entries.iter().flat_map(flat).collect()
    }

    fn image_batch(&self, count: usize) -> (Vec<f64>, Vec<u16>, Var) {
        let Shape { channels, height, width } = self.rig.network.input();
        let x = normals(count * channels * height * width, "images");
        let labels = (0..count).map(|index| u16::try_from(index * 3 % CLASSES).unwrap()).collect();
        let var = Var::from_slice(&x, (count, channels, height, width), &Device::Cpu).unwrap();
        (x, labels, var)
    }

    /// Logits, loss gradients and statistics in one taped mode.
    fn check(&mut self, mode: Mode) {
        let (x, labels, var) = self.image_batch(5);
        let own_logits = self.rig.output(mode, &x);
        let mut statistics = Vec::new();
        let arenas = &self.rig.step.arenas;
        self.rig.step.kernels.read_arena(&arenas.statistics, &mut |host| statistics.extend_from_slice(host)).unwrap();
        let logits = self.peer.forward(&var, mode == Mode::Train).unwrap();
        assert_near(&own_logits, &logits.flatten_all().unwrap().to_vec1().unwrap(), 1e-6, "logits");
        let layout = self.rig.network.layout().clone();
        let expected = self.flat(&layout.statistics, |var| var.as_tensor().clone());
        assert_near(&statistics, &expected, 1e-6, "statistics");

        let targets: Vec<u32> = labels.iter().map(|label| u32::from(*label)).collect();
        let targets = Tensor::new(targets, &Device::Cpu).unwrap();
        let loss = candle_nn::loss::cross_entropy(&logits, &targets).unwrap();
        let store = loss.backward().unwrap();
        let mut seen = Record::default();
        let dy = self.loss_gradient(&own_logits, &labels, &mut seen);
        let mean = seen.loss.iter().map(|loss| f64::from(*loss)).sum::<f64>() / labels.len() as f64;
        assert_near(&[mean], &[loss.to_scalar().unwrap()], 1e-6, "loss");
        let found = self.rig.gradients(mode, &x, &dy, Want { weights: true, norms: false, input: true });
        let expected = self.flat(&layout.parameters, |var| store.get(var).unwrap().clone());
        for entry in &layout.parameters {
            assert_near(&found.weights[entry.place.range()], &expected[entry.place.range()], 1e-6, &entry.name);
        }
        assert_near(&found.input, &store.get(&var).unwrap().flatten_all().unwrap().to_vec1().unwrap(), 1e-6, "input");
    }

    fn loss_gradient(&mut self, logits: &[f64], labels: &[u16], seen: &mut Record) -> Vec<f64> {
        let kernels = &mut self.rig.step.kernels;
        let output = self.rig.network.output();
        let logits = kernels.upload(output, logits).unwrap();
        let dy = kernels.loss(Objective::CrossEntropy, &logits, labels, 1.0 / labels.len() as f64).unwrap();
        kernels.take_record(seen).unwrap();
        let mut values = Vec::new();
        kernels.download(output, &dy, &mut |host| values.extend_from_slice(host)).unwrap();
        values
    }

    /// Per-example norms against candle, one example at a time.
    fn check_norms(&mut self) {
        let (x, labels, _) = self.image_batch(4);
        let size = self.rig.network.input().len();
        let logits = self.rig.output(Mode::EvalTaped, &x);
        let dy = self.loss_gradient(&logits, &labels, &mut Record::default());
        let dy: Vec<f64> = dy.iter().map(|value| value * labels.len() as f64).collect();
        let found = self.rig.gradients(Mode::EvalTaped, &x, &dy, Want::NORMS).squared_norms;
        let Shape { channels, height, width } = self.rig.network.input();
        for (example, label) in labels.iter().enumerate() {
            let own = &x[example * size..][..size];
            let image = Tensor::from_slice(own, (1, channels, height, width), &Device::Cpu).unwrap();
            let target = Tensor::new(&[u32::from(*label)], &Device::Cpu).unwrap();
            let logits = self.peer.forward(&image, false).unwrap();
            let store = candle_nn::loss::cross_entropy(&logits, &target).unwrap().backward().unwrap();
            let gradient = self.flat(&self.rig.network.layout().parameters, |var| store.get(var).unwrap().clone());
            let norm = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
            assert_near(&[found[example].sqrt()], &[norm], 1e-6, "gradient norm");
        }
    }
}

#[test]
fn whole_networks_match_candles_autograd() {
    let image = |channels, side| ImageShape { channels, height: side, width: side };
    for (name, input) in [("resnet8-4", image(1, 12)), ("resnet14-3", image(3, 8)), ("mlp-12x3", image(2, 5))] {
        for mode in [Mode::EvalTaped, Mode::Train] {
            Twins::new(name, input).check(mode);
        }
        Twins::new(name, input).check_norms();
    }
}

#[test]
fn our_weights_are_all_that_a_candle_network_asks_for_by_name_and_shape() {
    let input = ImageShape { channels: 1, height: 12, width: 12 };
    for name in ["resnet8-4", "mlp-12x3"] {
        let twins = Twins::new(name, input);
        let layout = twins.rig.network.layout();
        let own: BTreeMap<String, Vec<usize>> = layout
            .parameters
            .iter()
            .chain(&layout.statistics)
            .map(|entry| (entry.name.clone(), entry.shape.clone()))
            .collect();
        let asked: BTreeMap<String, Vec<usize>> =
            twins.vars.iter().map(|(name, var)| (name.clone(), var.dims().to_vec())).collect();
        assert_eq!(own, asked, "{name}");
    }
}
