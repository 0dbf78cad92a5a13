//! The parts of a training step that are no layers: batches of images, losses with their observations, descent.

use std::sync::Arc;

use diffscope::data::{self, View};
use diffscope::nn::kernels::Arenas;
use diffscope::nn::kernels::cuda::{CudaKernels, Gpu};
use diffscope::nn::{CpuKernels, Kernels, Objective, SgdStep};
use diffscope::random::Key;
use diffscope::scores::Record;
use diffscope::study::config::{Augment, Precision};

use super::{dataset, gpu, host_f64, kernels, shape};
use crate::nn_oracles::normals;

#[test]
fn batches_are_the_cpu_s_bit_for_bit() {
    let Some(gpu) = gpu() else { return };
    let dataset = dataset();
    let (mut host, mut device) =
        (CpuKernels::<f32>::new().on(dataset.clone()), CudaKernels::on(&gpu, Precision::Tf32, &dataset).unwrap());
    let shape = shape(dataset.shape.channels, dataset.shape.height, dataset.shape.width);
    let positions: Vec<u32> = (0..40).chain([199, 3, u32::MAX]).collect();
    let mut views = Vec::new();
    let key = Key { study_seed: 1, label: "net".into(), index: 0 };
    data::draw_views(&positions, Augment { crop: 4, flip: true }, &key, 1, &mut views);
    views[1] = View { top: -64, left: 64, flip: true };
    for views in [&views[..], &[]] {
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        let x = host.images(&positions, views).unwrap();
        host.download(shape, &x, &mut |values| expected.extend_from_slice(values)).unwrap();
        let x = device.images(&positions, views).unwrap();
        device.download(shape, &x, &mut |values| found.extend_from_slice(values)).unwrap();
        assert!(expected.iter().map(|value| value.to_bits()).eq(found.iter().map(|value| value.to_bits())));
    }
}

#[test]
fn losses_and_observations_are_the_cpu_s() {
    let Some(gpu) = gpu() else { return };
    for objective in [Objective::CrossEntropy, Objective::ZeroHinge] {
        check_loss(&gpu, objective);
    }
}

fn check_loss(gpu: &Arc<Gpu>, objective: Objective) {
    let classes = 70;
    let mut logits: Vec<f32> = normals(6 * classes, "logits").iter().map(|value| *value as f32 * 4.0).collect();
    logits[classes] = f32::NAN;
    logits[2 * classes + 69] = f32::INFINITY;
    logits[3 * classes..4 * classes].fill(1.5);
    logits[4 * classes..5 * classes].fill(f32::NAN);
    logits[5 * classes] = 1e30;
    let labels = [3, 7, 69, 40, 1, 0];
    let (mut expected, mut found) = (Record::default(), Record::default());
    let (mut dz, mut dz_expected) = (Vec::new(), Vec::new());
    let mut host = CpuKernels::<f32>::new();
    let z = host.upload(shape(classes, 1, 1), &logits).unwrap();
    let gradient = host.loss(objective, &z, &labels, 0.25).unwrap();
    host.download(shape(classes, 1, 1), &gradient, &mut |values| dz_expected = host_f64(values)).unwrap();
    host.take_record(&mut expected).unwrap();
    let mut device = kernels(gpu, Precision::Tf32);
    let z = device.upload(shape(classes, 1, 1), &logits).unwrap();
    for _ in 0..2 {
        let gradient = device.loss(objective, &z, &labels, 0.25).unwrap();
        device.download(shape(classes, 1, 1), &gradient, &mut |values| dz = host_f64(values)).unwrap();
    }
    device.take_record(&mut found).unwrap();
    assert_eq!(found.predicted[..6], expected.predicted[..]);
    for (mine, theirs) in
        [(&found.loss, &expected.loss), (&found.margin, &expected.margin), (&found.entropy, &expected.entropy)]
    {
        assert_eq!(mine.len(), 12, "two steps were kept");
        for (place, (mine, theirs)) in mine.iter().zip(theirs.iter().chain(theirs)).enumerate() {
            let near = (mine - theirs).abs() <= 1e-6 * theirs.abs().max(1.0);
            assert!(near || (mine.is_nan() && theirs.is_nan()), "{place}: {mine} instead of {theirs}");
        }
    }
    for (mine, theirs) in dz.iter().zip(&dz_expected) {
        assert!((mine - theirs).abs() <= 1e-6 || (mine.is_nan() && theirs.is_nan()), "{mine} instead of {theirs}");
    }
    found.clear();
    device.take_record(&mut found).unwrap();
    assert!(found.loss.is_empty(), "what was read is forgotten");
}

/// Weights and momentum after one step from weights, gradients and momentum.
fn moved<K: Kernels<Real = f32>>(kernels: &mut K, values: [Vec<f32>; 3], sgd: SgdStep) -> Vec<f32> {
    let [weights, gradients, momentum] = values.map(|values| {
        let arena = kernels.arena(values.len()).unwrap();
        kernels.write_arena(&arena, &values).unwrap();
        arena
    });
    kernels.accumulate(&gradients, &momentum).unwrap();
    let arenas = Arenas { weights, gradients, momentum, statistics: kernels.arena(0).unwrap() };
    kernels.sgd(&arenas, sgd).unwrap();
    let mut moved = Vec::new();
    kernels.read_arena(&arenas.weights, &mut |host| moved.extend_from_slice(host)).unwrap();
    kernels.read_arena(&arenas.momentum, &mut |host| moved.extend_from_slice(host)).unwrap();
    moved
}

#[test]
fn descent_moves_as_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    let mut device = kernels(&gpu, Precision::Tf32);
    let values = |purpose: &str| normals(1000, purpose).iter().map(|value| *value as f32).collect::<Vec<f32>>();
    let sgd = SgdStep { rate: 0.1, momentum: 0.9, weight_decay: 0.01 };
    let start = [values("w"), values("g"), values("v")];
    let expected = moved(&mut CpuKernels::<f32>::new(), start.clone(), sgd);
    let found = moved(&mut device, start, sgd);
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
}
