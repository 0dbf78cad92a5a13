//! Group norms against their definition.

use diffscope::nn::kernels::{GroupNorm, Normed, Sink};
use diffscope::nn::{Kernels, Place, Shape};
use diffscope::study::config::Precision;

use super::case::Case;
use super::{gpu, host_f64, kernels, real, shape};
use crate::nn_oracles::assert_near;

/// Mean and variance of groups by their definition, in f64, and the loss `dy . y` of what follows.
struct GroupRig {
    norm: GroupNorm,
    weights: Vec<f64>,
    x: Vec<f64>,
    skip: Vec<f64>,
    dy: Vec<f64>,
}

impl GroupRig {
    fn new(shape: Shape, groups: usize, batch: usize) -> Self {
        let place = |offset| Place { offset, len: shape.channels };
        let norm = GroupNorm { shape, groups, weight: place(0), bias: place(shape.channels), relu: true };
        let values = |purpose: &str| Case::values(batch * shape.len(), purpose, 1.0);
        let weights = Case::values(2 * shape.channels, "weights", 1.0);
        Self { norm, weights, x: values("x"), skip: values("skip"), dy: values("dy") }
    }

    fn output(&self) -> Vec<f64> {
        let (shape, pixels) = (self.norm.shape, self.norm.shape.pixels());
        let group = shape.channels / self.norm.groups * pixels;
        let mut y = Vec::new();
        for (start, x) in self.x.chunks(group).enumerate().map(|(index, x)| (index * group, x)) {
            let mean = x.iter().sum::<f64>() / group as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / group as f64;
            for (index, x) in x.iter().enumerate() {
                let channel = (start + index) / pixels % shape.channels;
                let normed = (x - mean) / (variance + 1e-5).sqrt();
                let value = normed * self.weights[channel] + self.weights[shape.channels + channel];
                y.push((value + self.skip[start + index]).max(0.0));
            }
        }
        y
    }

    fn loss(&self, example: Option<usize>) -> f64 {
        let len = self.norm.shape.len();
        let terms = self.output().into_iter().zip(&self.dy).map(|(y, dy)| y * dy).collect::<Vec<_>>();
        example.map_or(terms.iter().sum(), |example| terms[example * len..][..len].iter().sum())
    }

    fn differences(&mut self, values: fn(&mut Self) -> &mut Vec<f64>, example: Option<usize>) -> Vec<f64> {
        (0..values(self).len())
            .map(|place| {
                let kept = values(self)[place];
                let mut at = |change: f64| {
                    values(self)[place] = kept + change;
                    self.loss(example)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                values(self)[place] = kept;
                slope
            })
            .collect()
    }
}

#[test]
fn group_norms_match_their_definition() {
    let Some(gpu) = gpu() else { return };
    for (input, groups, batch) in [(shape(6, 3, 4), 3, 2), (shape(8, 2, 3), 1, 3), (shape(5, 2, 2), 5, 2)] {
        let mut rig = GroupRig::new(input, groups, batch);
        let mut device = kernels(&gpu, Precision::Fp32);
        let arenas = [&rig.weights, &vec![0.0; rig.weights.len()]].map(|values| {
            let arena = device.arena(values.len()).unwrap();
            device.write_arena(&arena, &real(values)).unwrap();
            arena
        });
        let [weights, gradients] = arenas;
        let x = device.upload(input, &real(&rig.x)).unwrap();
        let skip = device.upload(input, &real(&rig.skip)).unwrap();
        let (y, moments) = device.group_norm(&rig.norm, &weights, &x, Some(&skip)).unwrap();
        let mut found = Vec::new();
        device.download(input, &y, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.output(), 1e-4, "output");
        let dy = device.upload(input, &real(&rig.dy)).unwrap();
        let norms = device.norms_like(&dy).unwrap();
        let taped = Normed { x, moments, y: Some(y) };
        let sink = Sink { gradients: Some(&gradients), norms: Some(&norms) };
        let (dx, dz) = device.group_norm_backward(&rig.norm, &weights, &taped, dy, sink).unwrap();
        device.download(input, &dx, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.x, None), 1e-4, "dx");
        device.download(input, &dz, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.skip, None), 1e-4, "dz");
        device.read_arena(&gradients, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.weights, None), 1e-4, "gradients");
        device.read_arena(&norms, &mut |host| found = host_f64(host)).unwrap();
        let squares = |example| rig.differences(|rig| &mut rig.weights, Some(example)).iter().map(|g| g * g).sum();
        let squares: Vec<f64> = (0..batch).map(squares).collect();
        assert_near(&found, &squares, 1e-4, "norms");
    }
}
