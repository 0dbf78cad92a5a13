//! The learner as training uses it: no allocation, same bits, sound state, f32 near f64.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use diffscope::Error;
use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::kernels::InstructionSet;
use diffscope::nn::{CpuKernels, Kernels, Objective, Real, SgdStep};
use diffscope::random::Key;
use diffscope::scores::Record;
use diffscope::study::config::NormInit;
use diffscope::train::learner::{Images, Learner, observe_logits};

use crate::kernels::counting;

const SHAPE: ImageShape = ImageShape { channels: 2, height: 9, width: 11 };
const CLASSES: usize = 5;
const SGD: SgdStep = SgdStep { rate: 0.05, momentum: 0.9, weight_decay: 1e-3 };
const MODELS: [&str; 7] = ["resnet8-4", "mlp-24x2", "resnet8-gn-4", "vgg11-4", "vgg11-plain-4", "lenet5", "logistic"];

fn key() -> Key {
    Key { study_seed: 3, label: "net".into(), index: 1 }
}

fn learner<R: Real>(name: &str) -> Learner<CpuKernels<R>> {
    learner_on(InstructionSet::detect(), name)
}

fn learner_on<R: Real>(set: InstructionSet, name: &str) -> Learner<CpuKernels<R>> {
    let mut learner = Learner::new(CpuKernels::with(set), &models::parse(name).unwrap(), SHAPE, CLASSES).unwrap();
    learner.initialise(&key(), NormInit::Uniform).unwrap();
    learner
}

/// A step, and its observations alone.
fn train<K: Kernels>(learner: &mut Learner<K>, images: &[f32], labels: &[u16], seen: &mut Record) {
    learner.train_step(images, labels, Objective::CrossEntropy, SGD).unwrap();
    seen.clear();
    learner.take_record(seen).unwrap();
}

fn logits_of<K: Kernels>(learner: &mut Learner<K>, images: &[f32], logits: &mut Vec<f32>) {
    learner.evaluate(images).unwrap();
    learner.collect(logits).unwrap();
}

fn batch(count: usize) -> (Vec<f32>, Vec<u16>) {
    let mut stream = Key::study(8).stream("images");
    let images = (0..count * SHAPE.len()).map(|_| stream.normal() as f32).collect();
    (images, (0..count).map(|_| u16::try_from(stream.below(CLASSES as u64)).unwrap()).collect())
}

/// Largest difference, relative to the largest value.
fn distance(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let largest = other.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    one.iter().zip(other).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn once_all_batch_sizes_were_seen_training_and_evaluation_allocate_nothing() {
    for name in MODELS {
        let mut learner = learner::<f32>(name);
        let (whole, partial) = (batch(8), batch(3));
        let (mut seen, mut logits) = (Record::default(), Vec::new());
        let mut epoch = |logits: &mut Vec<f32>| {
            for (images, labels) in [&whole, &whole, &partial] {
                train(&mut learner, images, labels, &mut seen);
            }
            logits.clear();
            for (images, _) in [&partial, &whole, &partial] {
                logits_of(&mut learner, images, logits);
            }
        };
        epoch(&mut logits);
        let before = counting::requests();
        epoch(&mut logits);
        epoch(&mut logits);
        assert_eq!(counting::requests() - before, 0, "{name}");
        assert_eq!(logits.len(), 14 * CLASSES);
    }
}

#[test]
fn gradient_passes_between_training_steps_allocate_nothing_either() {
    for name in MODELS {
        let mut learner = learner::<f32>(name);
        let (images, labels) = batch(6);
        let (mut seen, mut norms, mut gradients) = (Record::default(), Vec::new(), Vec::new());
        let mut round = || {
            norms.clear();
            gradients.clear();
            learner.gradient_norms(&images, &labels, Objective::CrossEntropy).unwrap();
            learner.collect(&mut norms).unwrap();
            learner.input_gradients(&images, |_, _, seed| seed[0] = 1.0, &mut gradients).unwrap();
            train(&mut learner, &images, &labels, &mut seen);
        };
        round();
        let before = counting::requests();
        round();
        assert_eq!(counting::requests() - before, 0, "{name}");
    }
}

#[test]
fn training_learns_a_batch_by_heart() {
    for name in MODELS {
        let mut learner = learner::<f32>(name);
        let (images, labels) = batch(16);
        // Convolutions without norms want smaller steps.
        let unnormed = ["vgg11-plain-4", "lenet5"].contains(&name);
        let sgd = SgdStep { rate: if unnormed { 0.01 } else { 0.05 }, ..SGD };
        let mut seen = Record::default();
        let mut loss = Vec::new();
        for _ in 0..120 {
            learner.train_step(&images, &labels, Objective::CrossEntropy, sgd).unwrap();
            seen.clear();
            learner.take_record(&mut seen).unwrap();
            loss.push(seen.loss.iter().sum::<f32>() / 16.0);
        }
        assert!(loss[119] < 0.1 * loss[0], "{name}: {loss:?}");
        assert_eq!(seen.predicted, labels, "{name}");
    }
}

#[test]
fn f32_follows_f64_within_one_in_ten_thousand_with_every_instruction_set() {
    for (set, name) in InstructionSet::available().flat_map(|set| MODELS.map(|name| (set, name))) {
        let (mut single, mut double) = (learner_on::<f32>(set, name), learner::<f64>(name));
        let (images, labels) = batch(7);
        let compare = |one: &[f32], other: &[f32], what| {
            assert!(distance(one, other) < 1e-4, "{set:?} {name}: {what} differ by {}", distance(one, other));
        };
        let both = |single: &mut Learner<CpuKernels<f32>>, double: &mut Learner<CpuKernels<f64>>| {
            compare(&passes(single, &images, &labels, 1.0)[0], &passes(double, &images, &labels, 1.0)[0], "logits");
            compare(&passes(single, &images, &labels, 1.0)[1], &passes(double, &images, &labels, 1.0)[1], "norms");
            compare(&passes(single, &images, &labels, 1.0)[2], &passes(double, &images, &labels, 1.0)[2], "inputs");
        };
        both(&mut single, &mut double);
        let (mut seen, mut seen_double) = (Record::default(), Record::default());
        train(&mut single, &images, &labels, &mut seen);
        train(&mut double, &images, &labels, &mut seen_double);
        compare(&seen.loss, &seen_double.loss, "losses");
        compare(&seen.margin, &seen_double.margin, "margins");
        let (one, other) = (single.state().unwrap(), double.state().unwrap());
        compare(&one.weights, &other.weights, "weights");
        compare(&one.momentum, &other.momentum, "momenta");
        compare(&one.statistics, &other.statistics, "statistics");
        both(&mut single, &mut double);
    }
}

/// Logits, gradient norms and input gradients of logit 1.
fn passes<K: Kernels>(learner: &mut Learner<K>, images: &[f32], labels: &[u16], one: f64) -> [Vec<f32>; 3] {
    let mut out = [Vec::new(), Vec::new(), Vec::new()];
    logits_of(learner, images, &mut out[0]);
    learner.gradient_norms(images, labels, Objective::CrossEntropy).unwrap();
    learner.collect(&mut out[1]).unwrap();
    learner.input_gradients(images, |_, _, seed| seed[1] = K::Real::from_f64(one), &mut out[2]).unwrap();
    out
}

#[test]
fn a_restored_learner_goes_on_with_the_same_bits() {
    for name in MODELS {
        let (mut one, mut other) = (learner::<f32>(name), learner::<f32>(name));
        let (images, labels) = batch(5);
        let mut seen = Record::default();
        train(&mut one, &images, &labels, &mut seen);
        other.restore(&one.state().unwrap()).unwrap();
        for learner in [&mut one, &mut other] {
            train(learner, &images, &labels, &mut seen);
        }
        assert_eq!(one.state().unwrap(), other.state().unwrap());
        assert_eq!(one.backend_id(), other.backend_id());
    }
}

#[test]
fn a_pass_without_training_changes_no_state() {
    for name in MODELS {
        let mut learner = learner::<f32>(name);
        let before = learner.state().unwrap();
        let (images, labels) = batch(4);
        passes(&mut learner, &images, &labels, 1.0);
        assert_eq!(learner.state().unwrap(), before);
    }
}

#[test]
fn an_examples_gradient_passes_do_not_depend_on_its_batch() {
    for name in MODELS {
        let mut learner = learner::<f32>(name);
        let (images, labels) = batch(4);
        let whole = passes(&mut learner, &images, &labels, 1.0);
        let parts = [0..1, 1..4].map(|part| {
            let own = &images[part.start * SHAPE.len()..part.end * SHAPE.len()];
            passes(&mut learner, own, &labels[part], 1.0)
        });
        for pass in 0..3 {
            let joined = [parts[0][pass].as_slice(), parts[1][pass].as_slice()].concat();
            assert!(distance(&joined, &whole[pass]) < 1e-6, "{name} pass {pass}");
        }
    }
}

#[test]
fn an_example_whose_logits_are_no_numbers_has_no_gradient_and_its_neighbours_have_theirs() {
    for name in ["mlp-24x2", "logistic", "resnet8-4"] {
        let mut learner = learner::<f32>(name);
        let (mut images, _) = batch(3);
        let mut gradients = |images: &Vec<f32>| {
            // What is there already stays as it is.
            let mut gradients = vec![7.0];
            learner.input_gradients(images, |_, _, seed| seed[1] = 1.0, &mut gradients).unwrap();
            assert_eq!((gradients.remove(0).to_bits(), gradients.len()), (7.0_f32.to_bits(), 3 * SHAPE.len()));
            gradients
        };
        let plain = gradients(&images);
        let second = SHAPE.len()..2 * SHAPE.len();
        images[second.start + 5] = f32::NAN;
        let found = gradients(&images);
        for (at, (found, plain)) in found.iter().zip(&plain).enumerate() {
            if second.contains(&at) {
                // A closed `ReLU` would make a 0 of it, and a score of 0.
                assert!(found.is_nan(), "{name}: {found} at {at}");
            } else {
                assert_eq!(found.to_bits(), plain.to_bits(), "{name}: at {at}");
            }
        }
    }
}

#[test]
fn training_and_sweeps_observe_with_the_same_arithmetic() {
    // Without batch norm the train-mode logits are the eval-mode logits.
    for name in ["mlp-24x2", "resnet8-gn-4", "vgg11-plain-4", "lenet5", "logistic"] {
        let mut learner = learner::<f32>(name);
        let (images, labels) = batch(6);
        let (mut logits, mut swept, mut seen) = (Vec::new(), Record::default(), Record::default());
        logits_of(&mut learner, &images, &mut logits);
        observe_logits(&logits, &labels, CLASSES, &mut swept);
        train(&mut learner, &images, &labels, &mut seen);
        assert_eq!(seen, swept, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut learner = learner::<f32>("resnet8-4");
    let before = learner.state().unwrap();
    let (images, mut labels) = batch(3);
    let refused = |result: Result<(), Error>, says: &str| {
        let reason = result.unwrap_err().to_string();
        assert!(reason.contains(says), "{reason}");
    };
    let ce = Objective::CrossEntropy;
    refused(learner.train_step(&images[1..], &labels, ce, SGD), "3 labels");
    refused(learner.train_step(&images[..0], &[], ce, SGD), "no batch");
    refused(learner.evaluate(&images[1..]), "no batch");
    labels[1] = 5;
    refused(learner.train_step(&images, &labels, ce, SGD), "label 5");
    let positions = Images::Of { positions: &[0, 1, 2], views: &[] };
    refused(learner.evaluate(positions), "no data set");
    let mut short = before.clone();
    short.statistics.pop();
    short.weights[0] += 1.0;
    refused(learner.restore(&short), "norm statistics");
    assert_eq!(learner.state().unwrap(), before);
}

#[test]
fn initial_weights_depend_on_the_key_and_have_kaimings_spread() {
    let mut wide =
        Learner::new(CpuKernels::<f32>::new(), &models::parse("mlp-256x2").unwrap(), SHAPE, CLASSES).unwrap();
    wide.initialise(&key(), NormInit::One).unwrap();
    let first = wide.state().unwrap();
    let entry = wide.layout().parameters.iter().find(|entry| entry.name == "fc2.weight").unwrap();
    let weights = &first.weights[entry.place.range()];
    let variance = weights.iter().map(|weight| weight * weight).sum::<f32>() / weights.len() as f32;
    assert!((variance * 256.0 / 2.0 - 1.0).abs() < 0.03, "{variance}");
    wide.initialise(&Key { index: 2, ..key() }, NormInit::One).unwrap();
    assert_ne!(wide.state().unwrap(), first);

    let uniform = learner::<f32>("resnet8-4");
    let state = uniform.state().unwrap();
    let norm = uniform.layout().parameters.iter().find(|entry| entry.name == "layer3.0.bn1.weight").unwrap();
    let weights = &state.weights[norm.place.range()];
    assert!(weights.iter().all(|weight| (0.0..1.0).contains(weight)) && weights[0].to_bits() != weights[1].to_bits());
    assert_eq!(state.momentum, vec![0.0; state.weights.len()]);
    let variances = uniform.layout().statistics.iter().filter(|entry| entry.name.ends_with("running_var"));
    for entry in variances {
        assert_eq!(state.statistics[entry.place.range()], vec![1.0; entry.place.len]);
    }
}
