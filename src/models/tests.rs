//! Names, refusals, and parameters against PyTorch's (`tests/golden/parameters.py`).

use serde_json::Value;

use super::*;
use crate::nn::{CpuKernels, Layout};

const CIFAR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

fn network(name: &str, input: ImageShape, classes: usize) -> Result<Network<CpuKernels<f32>>, String> {
    parse(name)?.build(input, classes)
}

fn layout(name: &str, input: ImageShape) -> Layout {
    network(name, input, 10).unwrap().layout().clone()
}

fn shape(channels: usize, height: usize, width: usize) -> ImageShape {
    ImageShape { channels, height, width }
}

fn golden() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("../../tests/golden/parameters.json")).unwrap();
    golden.as_array().unwrap().clone()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn planned(case: &Value) -> Layout {
    let [channels, height, width] = [0, 1, 2].map(|side| size(&case["input"][side]));
    network(case["model"].as_str().unwrap(), shape(channels, height, width), size(&case["classes"]))
        .unwrap()
        .layout()
        .clone()
}

#[test]
fn parameter_counts_are_pytorchs() {
    for case in golden() {
        let layout = planned(&case);
        let found = (layout.parameter_count(), layout.statistic_count());
        assert_eq!(
            found,
            (size(&case["parameters"]), size(&case["statistics"])),
            "{} on {}",
            case["model"],
            case["input"]
        );
    }
}

#[test]
fn names_and_shapes_of_tensors_are_pytorchs_in_its_order() {
    let mut checked = 0;
    for case in golden().iter().filter(|case| case.get("tensors").is_some()) {
        let layout = planned(case);
        let own: Vec<Value> = layout
            .parameters
            .iter()
            .chain(&layout.statistics)
            .map(|entry| serde_json::json!([entry.name, entry.shape]))
            .collect();
        assert_eq!(&own, case["tensors"].as_array().unwrap(), "{}", case["model"]);
        checked += 1;
    }
    assert!(checked >= 8, "{checked} networks name their tensors");
}

#[test]
fn every_family_has_golden_counts() {
    let models: Vec<String> = golden().iter().map(|case| case["model"].as_str().unwrap().to_owned()).collect();
    for name in NAMES.iter().copied().flatten() {
        assert!(models.iter().any(|model| model == name), "{name} in {models:?}");
    }
}

#[test]
fn published_counts_are_met() {
    let count = |name, input| layout(name, input).parameter_count();
    assert_eq!(count("resnet20", CIFAR), 272_474);
    assert_eq!(count("resnet20-16", CIFAR), 272_474);
    assert_eq!(count("resnet18", CIFAR), 11_173_962);
    assert_eq!(count("resnet34", CIFAR), 21_282_122);
    assert_eq!(count("lenet5", shape(1, 28, 28)), 61_706);
    assert_eq!(count("logistic", shape(1, 28, 28)), 7_850);
    assert_eq!(count("mlp-512x7", CIFAR), 3072 * 512 + 6 * 512 * 512 + 7 * 512 + 512 * 10 + 10);
}

#[test]
fn a_published_width_may_be_spelt_out() {
    for (short, long) in [
        ("resnet20", "resnet20-16"),
        ("resnet18", "resnet18-64"),
        ("vgg16", "vgg16-64"),
        ("resnet18-gn", "resnet18-gn-64"),
    ] {
        assert_eq!(parse(short).unwrap().family, parse(long).unwrap().family, "{short} and {long}");
    }
    assert_ne!(parse("resnet18").unwrap().family, parse("resnet18-gn").unwrap().family);
    assert_ne!(parse("vgg16-8").unwrap().family, parse("vgg16-plain-8").unwrap().family);
}

#[test]
fn group_normed_networks_keep_no_statistics_and_plain_ones_have_no_norm() {
    assert_eq!(layout("resnet18-gn-8", CIFAR).statistic_count(), 0);
    assert_eq!(layout("resnet18-gn", CIFAR).parameter_count(), layout("resnet18", CIFAR).parameter_count());
    let plain = layout("vgg16-plain", CIFAR);
    assert_eq!(plain.statistic_count(), 0);
    assert_eq!(plain.parameters.iter().filter(|entry| entry.shape.len() == 4).count(), 13);
    assert_eq!(plain.parameters.iter().filter(|entry| entry.shape.len() == 2).count(), 1);
}

#[test]
fn names_are_distinct_within_a_network() {
    for name in ["resnet14-8", "resnet18-gn-8", "vgg19-8", "vgg11-plain-8", "lenet5", "mlp-8x3", "logistic"] {
        let layout = layout(name, CIFAR);
        let names: Vec<&str> =
            layout.parameters.iter().chain(&layout.statistics).map(|entry| entry.name.as_str()).collect();
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{name}");
    }
}

#[test]
fn all_families_but_one_take_1_or_3_channels_from_8x8_up() {
    let families = ["resnet20", "resnet110-4", "resnet18", "resnet34", "resnet18-gn", "vgg11", "vgg19-16"];
    for name in families.into_iter().chain(["vgg16-plain", "mlp-2048x7", "logistic"]) {
        for input in [shape(1, 8, 8), shape(3, 8, 8), shape(1, 28, 28), shape(3, 9, 17), shape(3, 64, 64)] {
            let built = network(name, input, 10);
            assert!(built.is_ok(), "{}", built.err().unwrap());
        }
    }
    assert!(network("lenet5", shape(1, 9, 9), 10).is_ok());
    let reason = network("lenet5", shape(1, 8, 8), 10).err().unwrap();
    assert!(reason.starts_with("lenet5 on 1x8x8 images: conv2: ") && reason.contains("5x5 window"), "{reason}");
}

#[test]
fn an_mlp_works_on_points() {
    assert_eq!(network("mlp-10x1", shape(1, 1, 2), 2).unwrap().layout().parameter_count(), 2 * 10 + 10 + 10 * 2 + 2);
}

#[test]
fn wrong_names_are_refused_with_what_is_meant() {
    for (name, says) in [
        ("resnet50", "another net"),
        ("resnet101", "another net"),
        ("resnet152-8", "another net"),
        ("resnet21", "did you mean `resnet20`?"),
        ("resnet21", "6n+2"),
        ("resnet17", "did you mean `resnet18`?"),
        ("resnet35", "did you mean `resnet34`?"),
        ("resnet51", "did you mean `resnet56`?"),
        ("resnet2", "did you mean `resnet8`?"),
        ("resnet99999999999999999999", "did you mean `resnet1202`?"),
        ("resnet20-0", "1 to 4096"),
        ("resnet20-016", "1 to 4096"),
        ("resnet20-", "1 to 4096"),
        ("resnet18-bn", "`-gn`, a width from 1 to 4096, or both"),
        ("resnet18-gnu", "1 to 4096"),
        ("resnet18-gn-", "1 to 4096"),
        ("resnet18-16-gn", "`-gn`, a width from 1 to 4096, or both"),
        ("resnet", "resnet{6n+2|18|34}"),
        ("resent20-64", "did you mean `resnet20-64`?"),
        ("resnet-20", "did you mean `resnet20`?"),
        ("ResNet18", "did you mean `resnet18`?"),
        ("vgg14", "did you mean `vgg13`?"),
        ("vgg16-bn", "`-plain`, a width from 1 to 4096, or both"),
        ("vgg16-5000", "1 to 4096"),
        ("vg16-16", "did you mean `vgg16-16`?"),
        ("vgg-16", "did you mean `vgg16`?"),
        ("vgg16plain", "did you mean `vgg16-plain`?"),
        ("vgg", "known"),
        ("lenet-5", "did you mean `lenet5`?"),
        ("lenet", "did you mean `lenet5`?"),
        ("logistics", "did you mean `logistic`?"),
        ("mpl-64x2", "did you mean `mlp-64x2`?"),
        ("mlp-512", "mlp-{width}x{layers}"),
        ("mlp-5000x2", "1 to 4096"),
        ("mlp-64x0", "hidden layers"),
        ("transformer", "known"),
        ("", "known"),
        ("resnét", "known"),
    ] {
        let reason = parse(name).unwrap_err();
        assert!(reason.contains(says), "{name}: {reason}");
    }
    assert!(!parse("transformer").unwrap_err().contains("did you mean"));
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_allocated() {
    let refused = |name, input, classes| network(name, input, classes).err().unwrap();
    assert!(refused("resnet20", CIFAR, 1).contains("2 to 65536 classes"));
    assert!(refused("resnet8-8", shape(1, 0, 28), 10).contains("holds nothing"));
    assert!(network("mlp-8x1", shape(usize::MAX, 2, 2), 10).is_err());
    assert!(refused("mlp-4096x64", shape(3, 512, 512), 10).contains("parameters"));
    assert!(refused("vgg19-4096", CIFAR, 10).contains("parameters"));
    assert!(refused("resnet18-gn-4", shape(3, 8, 8), 10).contains("layer4: 0: bn1: each group"));
    assert!(refused("resnet8-gn-1", CIFAR, 10).contains("weight standardisation"));
    assert!(network("resnet8-8", shape(1, 1, 1), 10).is_ok());
}
