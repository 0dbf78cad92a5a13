//! Networks of every family, and their weights' names, against candle's autograd in f64.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::{Entry, Kernels, Mode, Objective, Shape, Want};
use diffscope::scores::Record;

use crate::candle_peers::Peer;
use crate::nn_oracles::{Rig, assert_near, normals};

const CLASSES: usize = 4;

/// The same network twice, with the same weights: ours, and candle's.
pub(crate) struct Twins {
    pub(crate) rig: Rig,
    pub(crate) peer: Peer,
    vars: BTreeMap<String, Var>,
}

impl Twins {
    pub(crate) fn new(name: &str, input: ImageShape) -> Self {
        let network = models::parse(name).unwrap().build(input, CLASSES).unwrap();
        let varmap = VarMap::new();
        let vb = VarBuilder::from_varmap(&varmap, DType::F64, &Device::Cpu);
        let peer = Peer::new(name, input, CLASSES, &vb);
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

    pub(crate) fn image_batch(&self, count: usize) -> (Vec<f64>, Vec<u16>, Var) {
        let Shape { channels, height, width } = self.rig.network.input();
        let x = normals(count * channels * height * width, "images");
        let labels = (0..count).map(|index| u16::try_from(index * 3 % CLASSES).unwrap()).collect();
        let var = Var::from_slice(&x, (count, channels, height, width), &Device::Cpu).unwrap();
        (x, labels, var)
    }

    /// Logits, loss gradients and statistics in one taped mode.
    fn check(&mut self, mode: Mode, objective: Objective) {
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
        let entropy = candle_nn::loss::cross_entropy(&logits, &targets).unwrap();
        let loss = match objective {
            Objective::CrossEntropy => entropy.clone(),
            Objective::ZeroHinge => zero_hinge(&logits, &targets),
        };
        let store = loss.backward().unwrap();
        let mut seen = Record::default();
        let dy = self.loss_gradient(&own_logits, &labels, objective, &mut seen);
        // What is observed is the cross-entropy, whatever is minimised.
        let mean = seen.loss.iter().map(|loss| f64::from(*loss)).sum::<f64>() / labels.len() as f64;
        assert_near(&[mean], &[entropy.to_scalar().unwrap()], 1e-6, "loss");
        let found = self.rig.gradients(mode, &x, &dy, Want { weights: true, norms: false, input: true });
        let expected = self.flat(&layout.parameters, |var| store.get(var).unwrap().clone());
        for entry in &layout.parameters {
            assert_near(&found.weights[entry.place.range()], &expected[entry.place.range()], 1e-6, &entry.name);
        }
        assert_near(&found.input, &store.get(&var).unwrap().flatten_all().unwrap().to_vec1().unwrap(), 1e-6, "input");
    }

    fn loss_gradient(&mut self, logits: &[f64], labels: &[u16], objective: Objective, seen: &mut Record) -> Vec<f64> {
        let kernels = &mut self.rig.step.kernels;
        let output = self.rig.network.output();
        let logits = kernels.upload(output, logits).unwrap();
        let dy = kernels.loss(objective, &logits, labels, 1.0 / labels.len() as f64).unwrap();
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
        let dy = self.loss_gradient(&logits, &labels, Objective::CrossEntropy, &mut Record::default());
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

pub(crate) fn image(channels: usize, side: usize) -> ImageShape {
    ImageShape { channels, height: side, width: side }
}

fn check(name: &str, input: ImageShape) {
    for mode in [Mode::EvalTaped, Mode::Train] {
        Twins::new(name, input).check(mode, Objective::CrossEntropy);
    }
    Twins::new(name, input).check_norms();
}

#[test]
fn residual_networks_match_candles_autograd() {
    for (name, input) in [
        ("resnet8-4", image(1, 12)),
        ("resnet14-3", image(3, 8)),
        ("resnet18-3", image(3, 12)),
        ("resnet34-2", image(1, 8)),
    ] {
        check(name, input);
    }
}

#[test]
fn residual_networks_with_group_norm_match_candles_autograd() {
    for (name, input) in [("resnet8-gn-12", image(1, 10)), ("resnet18-gn-8", image(3, 13))] {
        check(name, input);
    }
}

#[test]
fn vgg_matches_candles_autograd() {
    for (name, input) in [("vgg11-4", image(3, 17)), ("vgg16-2", image(1, 14))] {
        check(name, input);
    }
}

#[test]
fn networks_of_convolutions_without_norms_match_candles_autograd() {
    for (name, input) in [("vgg16-plain-2", image(3, 11)), ("lenet5", image(1, 12)), ("lenet5", image(3, 15))] {
        check(name, input);
    }
}

#[test]
fn dense_networks_match_candles_autograd() {
    let point = ImageShape { channels: 1, height: 1, width: 2 };
    for (name, input) in [("mlp-12x3", image(2, 5)), ("mlp-10x1", point), ("logistic", image(3, 4))] {
        check(name, input);
    }
}

/// The mean over the batch of the sum over all classes of max(0, z[c] - z[y]); the label's own term is 0.
fn zero_hinge(logits: &Tensor, targets: &Tensor) -> Tensor {
    let own = logits.gather(&targets.unsqueeze(1).unwrap(), 1).unwrap();
    let excess = logits.broadcast_sub(&own).unwrap().relu().unwrap();
    (excess.sum_all().unwrap() / targets.dims()[0] as f64).unwrap()
}

#[test]
fn networks_that_minimise_the_0_hinge_match_candles_autograd() {
    for (name, channels, side) in [("resnet8-4", 1, 12), ("vgg16-plain-2", 3, 11), ("mlp-12x3", 2, 5)] {
        for mode in [Mode::EvalTaped, Mode::Train] {
            let input = ImageShape { channels, height: side, width: side };
            Twins::new(name, input).check(mode, Objective::ZeroHinge);
        }
    }
}

#[test]
fn our_weights_are_all_that_a_candle_network_asks_for_by_name_and_shape() {
    for name in ["resnet8-4", "resnet18-gn-8", "vgg11-4", "vgg16-plain-2", "lenet5", "mlp-12x3", "logistic"] {
        let twins = Twins::new(name, image(1, 12));
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
