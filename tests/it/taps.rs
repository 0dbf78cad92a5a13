//! What probes see: places and shapes of every family, and their values against candle's in f64.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use candle_core::Tensor;
use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::{CpuKernels, Kernels, Mode, Network, Step, Tap, TapPoint};

use crate::nn_candle::{Twins, image};
use crate::nn_oracles::{assert_near, normals};

const CIFAR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

fn network(name: &str, input: ImageShape) -> Network<CpuKernels<f32>> {
    models::parse(name).unwrap().build(input, 10).unwrap()
}

/// Places of probes, without the penultimate embedding.
fn probes(name: &str, input: ImageShape) -> Vec<TapPoint> {
    network(name, input).taps().iter().filter(|point| point.tap != Tap::Embedding).cloned().collect()
}

fn sizes(name: &str, input: ImageShape) -> Vec<String> {
    probes(name, input).iter().map(|point| point.shape.to_string()).collect()
}

/// All values of one pass, at `taps`.
fn seen(twins: &mut Twins, x: &[f64], taps: &[TapPoint]) -> Vec<Vec<f64>> {
    let (network, step) = (&twins.rig.network, &mut twins.rig.step);
    let x = step.kernels.upload(network.input(), x).unwrap();
    let wanted: Vec<Tap> = taps.iter().map(|point| point.tap).collect();
    let values = network.tapped(step, x, &wanted).unwrap();
    let mut seen = vec![Vec::new(); values.len()];
    for ((value, point), seen) in values.iter().zip(taps).zip(&mut seen) {
        step.kernels.download(point.shape, value, &mut |host| seen.extend_from_slice(host)).unwrap();
    }
    seen
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Every place in one pass and in a pass of its own; the logits with and without looking.
fn check(name: &str, input: ImageShape) {
    let mut twins = Twins::new(name, input);
    let (x, _, var) = twins.image_batch(5);
    let logits = twins.rig.output(Mode::Eval, &x);
    let (mut expected, embedding) = twins.peer.probed(&var).unwrap();
    let points = twins.rig.network.taps().to_vec();
    let place = points.iter().position(|point| point.tap == Tap::Embedding).unwrap();
    expected.insert(place, embedding);
    let together = seen(&mut twins, &x, &points);
    assert_eq!(together.len(), expected.len(), "{name}: {points:?}");
    for ((point, values), expected) in points.iter().zip(&together).zip(&expected) {
        assert_near(values, &flat(expected), 1e-6, &format!("{name}: {point:?}"));
        let alone = seen(&mut twins, &x, std::slice::from_ref(point));
        assert_near(&alone[0], values, 1e-12, &format!("{name}: {point:?} in a pass of its own"));
    }
    assert_near(&together[together.len() - 1], &logits, 1e-12, &format!("{name}: logits of a pass that looks"));
    assert!(twins.rig.output(Mode::Eval, &x) == logits, "{name}: the pass after it");
}

#[test]
fn what_probes_see_in_residual_networks_is_candles() {
    for (name, input) in [
        ("resnet8-4", image(1, 12)),
        ("resnet14-3", image(3, 8)),
        ("resnet18-3", image(3, 12)),
        ("resnet34-2", image(1, 8)),
        ("resnet8-gn-12", image(1, 10)),
        ("resnet18-gn-8", image(3, 13)),
    ] {
        check(name, input);
    }
}

#[test]
fn what_probes_see_in_networks_without_blocks_is_candles() {
    for (name, input) in [
        ("vgg11-4", image(3, 17)),
        ("vgg16-2", image(1, 14)),
        ("vgg16-plain-2", image(3, 11)),
        ("lenet5", image(3, 15)),
        ("mlp-12x3", image(2, 5)),
        ("logistic", image(3, 4)),
    ] {
        check(name, input);
    }
}

/// Where channels fill whole registers, it makes no difference to a single bit whether a `ReLU` is fused.
#[test]
fn looking_changes_no_bit_of_the_logits() {
    for name in ["resnet8-8", "resnet8-gn-8", "vgg11-8", "vgg11-plain-8", "lenet5", "mlp-24x3", "logistic"] {
        let network = network(name, CIFAR);
        let mut step = Step::new(CpuKernels::new(), network.layout()).unwrap();
        let weights: Vec<f32> =
            normals(network.layout().parameter_count(), "weights").iter().map(|w| *w as f32).collect();
        step.kernels.write_arena(&step.arenas.weights, &weights).unwrap();
        let values: Vec<f32> = normals(3 * CIFAR.len(), "images").iter().map(|x| *x as f32).collect();
        let x = step.kernels.upload(network.input(), &values).unwrap();
        let wanted: Vec<Tap> = network.taps().iter().map(|point| point.tap).collect();
        let seen = network.tapped(&mut step, x.clone(), &wanted).unwrap();
        let logits = network.forward(&mut step, Mode::Eval, x).unwrap();
        let mut rows = [Vec::new(), Vec::new()];
        for (value, row) in [&seen[seen.len() - 1], &logits].into_iter().zip(&mut rows) {
            let take = &mut |host: &[f32]| row.extend(host.iter().map(|value| value.to_bits()));
            step.kernels.download(network.output(), value, take).unwrap();
        }
        assert!(rows[0] == rows[1], "{name}");
    }
}

#[test]
fn probes_lie_where_the_papers_put_them() {
    // Input, 13 convolutions, softmax; input, stem, 8 sums, softmax; input, 7 dense layers, softmax.
    for (name, count) in [
        ("vgg16-2", 15),
        ("vgg16-plain-2", 15),
        ("resnet18-4", 11),
        ("resnet18-gn-8", 11),
        ("resnet34-2", 19),
        ("resnet20-4", 12),
        ("mlp-16x7", 9),
        ("lenet5", 6),
        ("logistic", 2),
    ] {
        assert_eq!(probes(name, CIFAR).len(), count, "{name}");
    }
}

#[test]
fn places_are_named_and_sized_before_anything_runs() {
    let names: Vec<String> = probes("resnet8-4", CIFAR).iter().map(|point| point.name.clone()).collect();
    assert_eq!(names, ["input", "bn1", "layer1.0", "layer2.0", "layer3.0", "output"]);
    assert_eq!(sizes("resnet8-4", CIFAR), ["3x32x32", "4x32x32", "4x32x32", "8x16x16", "16x8x8", "10x1x1"]);
    let plain = probes("vgg11-plain-2", CIFAR);
    assert_eq!((plain[1].name.as_str(), plain[8].name.as_str()), ("features.0", "features.18"));
    assert_eq!(sizes("mlp-16x2", CIFAR), ["3x32x32", "16x1x1", "16x1x1", "10x1x1"]);
}

#[test]
fn every_family_has_one_penultimate_embedding() {
    for (name, features) in [
        ("resnet20", 64),
        ("resnet18", 512),
        ("resnet18-gn", 512),
        ("vgg16", 512),
        ("vgg16-16", 128),
        ("vgg16-plain", 512),
        ("mlp-512x7", 512),
        ("lenet5", 84),
        ("logistic", 3072),
    ] {
        let network = network(name, CIFAR);
        let found: Vec<usize> =
            network.taps().iter().filter(|point| point.tap == Tap::Embedding).map(|point| point.shape.len()).collect();
        assert_eq!(found, [features], "{name}");
    }
}

#[test]
fn a_place_that_a_network_lacks_is_an_error() {
    let mut twins = Twins::new("mlp-12x3", image(2, 5));
    let (x, ..) = twins.image_batch(2);
    twins.rig.output(Mode::Eval, &x);
    let (network, step) = (&twins.rig.network, &mut twins.rig.step);
    let x = step.kernels.upload(network.input(), &x).unwrap();
    let reason = network.tapped(step, x, &[Tap::Layer(3)]).map(|_| ()).unwrap_err().to_string();
    assert!(reason.contains("Layer(3)"), "{reason}");
}
