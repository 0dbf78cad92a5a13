//! Are the gradients behind `grand`, `input_margin` and `vog` in a real study's folder those of candle's autograd in f64,
//! with the weights that lie there?
#![allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)] // helpers of tests fail as tests do; 0 is meant exactly

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use diffscope::commands::launch::Prepared;
use diffscope::nn::CpuKernels;
use diffscope::store::StudyFolder;
use diffscope::store::replicate::ReplicateDir;
use diffscope::store::tensors::Values;
use diffscope::train::learner::Learner;

use crate::candle_peers::Peer;
use crate::studies::{id, prepare_with_tests, run_prepared};

/// The models of the small studies; candle has the same ones.
const LABELS: [&str; 2] = ["net", "mlp-10x1"];
/// At this rate hardly an example loses all its features to closed `ReLU`s, so that gradients say something.
const COMMON: [&str; 4] =
    ["model.0.replicates=1", "model.1.replicates=1", "model.1.name=mlp-10x1", "train.optimizer.lr=0.01"];
const CLASSES: usize = 10;
const PIXELS: usize = 784;
const TESTS: usize = 20;

fn dir_of(study: &Path, label: &str) -> ReplicateDir {
    StudyFolder::open(study).unwrap().replicate(&id(label, 0))
}

fn score(dir: &ReplicateDir, name: &str) -> Vec<f32> {
    let scores = dir.scores().unwrap().unwrap();
    scores.into_iter().find(|score| score.name == name).unwrap_or_else(|| panic!("no {name}")).values
}

/// A network of candle's, in f64.
struct Network {
    peer: Peer,
    weights: VarMap,
}

impl Network {
    /// With a replicate's final weights.
    fn trained(prepared: &Prepared, label: &str, dir: &ReplicateDir) -> Self {
        let weights = dir.weights().unwrap();
        let of = |(name, tensor): (&String, &diffscope::store::tensors::Tensor<'_>)| match &tensor.values {
            Values::F32(values) => (name.clone(), values.to_vec()),
            _ => panic!("weights are f32"),
        };
        Self::with(prepared, label, &weights.iter().map(of).collect())
    }

    /// As it was before training.
    fn initial(prepared: &Prepared, label: &str) -> Self {
        let plan = prepared.plan.replicates.iter().find(|plan| plan.id == id(label, 0)).unwrap();
        let (model, dataset) = (diffscope::models::parse(&plan.model).unwrap(), &prepared.dataset);
        let mut learner = Learner::new(CpuKernels::<f32>::new(), &model, dataset.shape, CLASSES).unwrap();
        learner.initialise(&plan.key, plan.recipe.norm_init).unwrap();
        let (state, layout) = (learner.state().unwrap(), learner.layout());
        let named = |(entries, values): (&[diffscope::nn::Entry], &[f32])| {
            let own = |entry: &diffscope::nn::Entry| (entry.name.clone(), values[entry.place.range()].to_vec());
            entries.iter().map(own).collect::<Vec<_>>()
        };
        let arenas: [(&[_], &[f32]); 2] =
            [(&layout.parameters, &state.weights), (&layout.statistics, &state.statistics)];
        Self::with(prepared, label, &arenas.into_iter().flat_map(named).collect())
    }

    fn with(prepared: &Prepared, label: &str, values: &BTreeMap<String, Vec<f32>>) -> Self {
        let plan = prepared.plan.replicates.iter().find(|plan| plan.id == id(label, 0)).unwrap();
        let weights = VarMap::new();
        let vb = VarBuilder::from_varmap(&weights, DType::F64, &Device::Cpu);
        let peer = Peer::new(&plan.model, prepared.dataset.shape, CLASSES, &vb);
        for (name, var) in weights.data().lock().unwrap().iter() {
            let own: Vec<f64> = values[name].iter().map(|value| f64::from(*value)).collect();
            var.set(&Tensor::from_vec(own, var.dims(), &Device::Cpu).unwrap()).unwrap();
        }
        Self { peer, weights }
    }

    fn logits(&self, images: &Tensor) -> Vec<Vec<f64>> {
        self.peer.forward(images, false).unwrap().to_vec2().unwrap()
    }

    /// Each image's gradient of one output (of the softmax or before it); in eval mode no image touches another's.
    fn saliency(&self, images: &Var, of: &[usize], softmax: bool) -> Vec<Vec<f64>> {
        let logits = self.peer.forward(images, false).unwrap();
        let outputs = if softmax { candle_nn::ops::softmax(&logits, 1).unwrap() } else { logits };
        let of: Vec<u32> = of.iter().map(|class| *class as u32).collect();
        let of = Tensor::from_vec(of, (images.dims()[0], 1), &Device::Cpu).unwrap();
        let store = outputs.gather(&of, 1).unwrap().sum_all().unwrap().backward().unwrap();
        store.get(images).unwrap().flatten_from(1).unwrap().to_vec2().unwrap()
    }

    /// The norm of the gradient of one image's cross-entropy over all parameters.
    fn gradient_norm(&self, image: &Tensor, label: u16) -> f64 {
        let target = Tensor::new(&[u32::from(label)], &Device::Cpu).unwrap();
        let logits = self.peer.forward(image, false).unwrap();
        let store = candle_nn::loss::cross_entropy(&logits, &target).unwrap().backward().unwrap();
        let data = self.weights.data().lock().unwrap();
        // Running statistics are no parameters; in eval mode they have gradients nevertheless.
        let parameters = data.iter().filter(|(name, _)| !name.contains("running_"));
        let squares = parameters.map(|(name, var)| {
            let gradient = store.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap()
        });
        squares.sum::<f64>().sqrt()
    }
}

/// The normalised images at some positions.
fn images(prepared: &Prepared, positions: &[usize]) -> Var {
    let dataset = &prepared.dataset;
    let (mean, std) = (f64::from(dataset.normalisation.mean[0]), f64::from(dataset.normalisation.std[0]));
    let pixels = positions.iter().flat_map(|position| dataset.image(*position));
    let values: Vec<f64> = pixels.map(|pixel| (f64::from(*pixel) / 255.0 - mean) / std).collect();
    Var::from_vec(values, (positions.len(), 1, 28, 28), &Device::Cpu).unwrap()
}

/// The place of the largest logit.
fn largest(logits: &[f64]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
}

/// How far values are from the oracle's, relative to it: of which examples, and what they are.
#[derive(Default)]
struct Deviations(Vec<(f64, usize, String)>);

impl Deviations {
    fn add(&mut self, found: f32, exact: f64, example: usize, what: &str) {
        // Where all `ReLU`s are closed, gradients are 0 and distances do not exist: then both say so.
        let alike = f64::from(found) == exact || (found.is_nan() && exact.is_nan());
        let off = if alike { 0.0 } else { (f64::from(found) - exact).abs() / exact.abs() };
        self.0.push((off, example, format!("{what} of {example}")));
    }

    /// All are within one in ten thousand, and hardly any is 0 or does not exist.
    ///
    /// But for one example in twenty: gradients of `ReLU`s jump, so where a sum is 0 but for the rounding of f32, a gate is
    /// open here and closed there (a gradient that jumped by 3 % when the image changed by 2e-7 of itself was seen). Which examples that hits depends on the instruction set; one gate of thousands does not
    /// move a score by more than a few in a hundred.
    fn check(mut self, label: &str) {
        self.0.sort_by(|a, b| b.0.total_cmp(&a.0));
        let worst = &self.0[..6];
        let some = self.0.iter().filter(|(off, ..)| *off > 0.0).count();
        assert!(some * 10 > self.0.len() * 9, "{label}: {some} of {} values", self.0.len());
        let examples =
            |of: fn(f64) -> bool| self.0.iter().filter(|one| of(one.0)).map(|one| one.1).collect::<BTreeSet<_>>();
        let (all, beyond) = (examples(|_| true), examples(|off| off.is_nan() || off > 1e-4));
        assert!(beyond.len() * 20 <= all.len(), "{label}: {} of {} examples: {worst:?}", beyond.len(), all.len());
        assert!(self.0.iter().all(|(off, ..)| *off < 0.03), "{label}: {worst:?}");
    }
}

#[test]
fn gradient_norms_and_margins_are_those_of_candles_autograd() {
    let temp = tempfile::tempdir().unwrap();
    let own = ["data.limit=120", "train.epochs=2", "scores.grand={ epoch = [0, 2, 9] }"];
    let settings = [&COMMON[..], &own, &["scores.output_margin={}", "scores.input_margin={}"]].concat();
    let prepared = prepare_with_tests(temp.path(), &settings, TESTS);
    run_prepared(&prepared, 2);
    // Of those trained on, and of the test examples.
    let positions: Vec<usize> = (0..120 + TESTS).step_by(4).collect();
    for label in LABELS {
        let dir = dir_of(temp.path(), label);
        let (start, end) = (Network::initial(&prepared, label), Network::trained(&prepared, label, &dir));
        let [first, last, never] = ["grand@0", "grand@2", "grand@9"].map(|name| score(&dir, name));
        let [output, input] = ["output_margin", "input_margin"].map(|name| score(&dir, name));
        assert!(never.iter().all(|value| value.is_nan()));
        let all = images(&prepared, &positions);
        let (logits, mut off) = (end.logits(&all), Deviations::default());
        let gradients: Vec<_> =
            (0..CLASSES).map(|class| end.saliency(&all, &vec![class; positions.len()], false)).collect();
        for (row, at) in positions.iter().copied().enumerate() {
            let (image, given) = (images(&prepared, &[at]), prepared.dataset.labels[at]);
            off.add(first[at], start.gradient_norm(&image, given), at, "grand@0");
            off.add(last[at], end.gradient_norm(&image, given), at, "grand@2");
            let own = largest(&logits[row]);
            let rivals = (0..CLASSES).filter(|class| *class != own);
            let margin = |rival: usize| logits[row][own] - logits[row][rival];
            let second = rivals.clone().map(margin).fold(f64::INFINITY, f64::min);
            off.add(output[at], second, at, "output margin");
            let distance = |rival: usize| {
                let pairs = gradients[own][row].iter().zip(&gradients[rival][row]);
                let norm = pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                (norm > 0.0).then(|| margin(rival) / norm)
            };
            let nearest = rivals.filter_map(distance).min_by(f64::total_cmp);
            off.add(input[at], nearest.unwrap_or(f64::NAN), at, "input margin");
        }
        off.check(label);
    }
}

/// Variance over the checkpoints at each pixel, divided by their number less `ddof`.
fn variances(maps: &[Vec<f64>], ddof: usize) -> Vec<f64> {
    let count = maps.len() as f64;
    let of = |pixel: usize| {
        let mean = maps.iter().map(|map| map[pixel]).sum::<f64>() / count;
        maps.iter().map(|map| (map[pixel] - mean).powi(2)).sum::<f64>() / (count - ddof as f64)
    };
    (0..PIXELS).map(of).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// A variant of `vog` as a config asks for it, and what the test has to compute for it.
struct Variant {
    settings: &'static str,
    name: &'static str,
    epochs: &'static [usize],
    predicted: bool,
    softmax: bool,
    reduce: fn(&[Vec<f64>]) -> f64,
}

fn pixel(maps: &[Vec<f64>]) -> f64 {
    mean(variances(maps, 0).into_iter().map(f64::sqrt))
}

fn pooled(maps: &[Vec<f64>]) -> f64 {
    mean(variances(maps, 0).into_iter()).sqrt()
}

fn variance_of_sample(maps: &[Vec<f64>]) -> f64 {
    mean(variances(maps, 1).into_iter())
}

const PLAIN: Variant =
    Variant { settings: "", name: "", epochs: &[1, 2, 3], predicted: false, softmax: false, reduce: pixel };

const VARIANTS: [Variant; 6] = [
    Variant { settings: "every = 2", name: "vog.none.every2", epochs: &[2, 4], ..PLAIN },
    Variant {
        settings: "stage = 'late', reduce = 'pooled'",
        name: "vog.late.none.pooled",
        epochs: &[2, 3, 4],
        reduce: pooled,
        ..PLAIN
    },
    Variant { settings: "stage = 'early'", name: "vog.early.none", ..PLAIN },
    Variant {
        settings: "stage = 'early', target = 'predicted'",
        name: "vog.early.predicted.none",
        predicted: true,
        ..PLAIN
    },
    Variant {
        settings: "stage = 'early', space = 'probability', reduce = 'variance', ddof = 1",
        name: "vog.early.none.variance.probability.ddof1",
        softmax: true,
        reduce: variance_of_sample,
        ..PLAIN
    },
    Variant {
        settings: "stage = 'late', target = 'predicted', space = 'probability'",
        name: "vog.late.predicted.none.probability",
        epochs: &[2, 3, 4],
        predicted: true,
        softmax: true,
        ..PLAIN
    },
];

#[test]
fn variances_of_gradients_are_those_of_candles_networks_after_each_epoch() {
    let temp = tempfile::tempdir().unwrap();
    let common = [&COMMON[..], &["data.limit=40", "train.optimizer.milestones=[]"]].concat();
    // Shorter studies stop at the networks that the longer one passes through.
    let networks: Vec<_> = (1..=4)
        .map(|epochs| {
            let dir = temp.path().join(epochs.to_string());
            let epochs = format!("train.epochs={epochs}");
            let settings = [&common[..], &[&epochs]].concat();
            run_prepared(&prepare_with_tests(&dir, &settings, TESTS), 2);
            dir
        })
        .collect();
    let whole = temp.path().join("whole");
    let asked: Vec<String> =
        VARIANTS.iter().map(|variant| format!("{{ {}, normalise = 'none' }}", variant.settings)).collect();
    let vog = format!(
        "scores.vog=[{}, {{ stage = 'early' }}, {{ stage = 'late', target = 'predicted', space = 'probability' }}]",
        asked.join(", ")
    );
    let settings = [&common[..], &["train.epochs=4", &vog]].concat();
    let prepared = prepare_with_tests(&whole, &settings, TESTS);
    run_prepared(&prepared, 2);
    // All that are trained on, since they are compared with their class; and some test examples.
    let positions: Vec<usize> = (0..40 + TESTS).collect();
    let all = images(&prepared, &positions);
    let given: Vec<usize> = positions.iter().map(|at| usize::from(prepared.dataset.labels[*at])).collect();
    for label in LABELS {
        let networks: Vec<Network> =
            networks.iter().map(|study| Network::trained(&prepared, label, &dir_of(study, label))).collect();
        let predicted: Vec<Vec<usize>> =
            networks.iter().map(|network| network.logits(&all).iter().map(|row| largest(row)).collect()).collect();
        assert!(predicted.iter().all(|predicted| *predicted != given), "{label}: some predictions are wrong");
        let dir = dir_of(&whole, label);
        let (mut off, mut maps) = (Deviations::default(), BTreeMap::new());
        for Variant { name, epochs, predicted: by_network, softmax, reduce, .. } in VARIANTS {
            for epoch in epochs {
                let of = if by_network { &predicted[epoch - 1] } else { &given };
                let made = maps.entry((*epoch, by_network, softmax));
                made.or_insert_with(|| networks[epoch - 1].saliency(&all, of, softmax));
            }
            let map = |epoch: &usize, row: usize| maps[&(*epoch, by_network, softmax)][row].clone();
            let one = |row: usize| reduce(&epochs.iter().map(|epoch| map(epoch, row)).collect::<Vec<_>>());
            let exact: Vec<f64> = (0..positions.len()).map(one).collect();
            let found = score(&dir, name);
            for (at, exact) in positions.iter().zip(&exact) {
                off.add(found[*at], *exact, *at, name);
            }
            let by_class = match name {
                "vog.early.none" => score(&dir, "vog.early"),
                "vog.late.predicted.none.probability" => score(&dir, "vog.late.predicted.probability"),
                _ => continue,
            };
            check_classes(&format!("{label}: {name}"), &by_class[..40], &found[..40], &given[..40]);
        }
        off.check(label);
    }
}

/// Values of the examples trained on are in population standard deviations of their class from its mean: of the values
/// without normalisation, which are checked against candle's.
fn check_classes(what: &str, found: &[f32], raw: &[f32], given: &[usize]) {
    let raw: Vec<f64> = raw.iter().map(|raw| f64::from(*raw)).collect();
    for class in 0..CLASSES {
        let own: Vec<usize> = (0..given.len()).filter(|at| given[*at] == class).collect();
        assert!(own.len() > 2);
        let centre = mean(own.iter().map(|at| raw[*at]));
        let deviation = mean(own.iter().map(|at| (raw[*at] - centre).powi(2))).sqrt();
        for at in &own {
            let (found, exact) = (f64::from(found[*at]), (raw[*at] - centre) / deviation);
            assert!((found - exact).abs() < 1e-4, "{what}: {at} of class {class}: {found} for {exact}");
        }
        let square = mean(own.iter().map(|at| f64::from(found[*at]).powi(2)));
        let middle = mean(own.iter().map(|at| f64::from(found[*at])));
        assert!(middle.abs() < 1e-5 && (square - 1.0).abs() < 1e-5, "{what}: class {class}: {middle}, {square}");
    }
}
