//! Convolutions against the CPU's, and those with biased and standardised weights against their definition.

use diffscope::nn::kernels::{Conv, Input, Sink};
use diffscope::nn::{Conv2d, CpuKernels, Kernels, Place};
use diffscope::study::config::Precision;

use super::case::Case;
use super::{gpu, host_f64, kernels, real, shape};
use crate::nn_oracles::assert_near;

#[test]
fn plain_ones_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (outputs, kernel, stride, padding, input, batch) in [
        (16, 3, 1, 1, shape(3, 12, 10), 5),
        (5, 3, 2, 1, shape(4, 9, 7), 3),
        (8, 1, 2, 0, shape(4, 8, 8), 2),
        (7, 1, 1, 0, shape(6, 5, 4), 3),
        (4, 5, 1, 2, shape(1, 11, 13), 2),
        (3, 4, 3, 0, shape(2, 9, 10), 2),
        (33, 3, 1, 1, shape(17, 4, 5), 2),
    ] {
        let conv = Conv2d::new(outputs, kernel, stride, padding);
        Case::Conv(conv).check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Conv(conv.biased().standardised()).check(&gpu, Precision::Fp32, 2e-4, input, batch);
    }
}

/// A convolution that is biased and standardised, by the CPU's plain one on weights standardised here.
struct StandardisedRig {
    conv: Conv,
    batch: usize,
    weights: Vec<f64>,
    x: Vec<f64>,
    dy: Vec<f64>,
}

impl StandardisedRig {
    fn new() -> Self {
        let (input, output) = (shape(3, 5, 6), shape(4, 5, 6));
        let (weight, bias) = (Place { offset: 0, len: 108 }, Some(Place { offset: 108, len: 4 }));
        let conv = Conv { input, output, kernel: 3, stride: 1, padding: 1, weight, bias, standardised: true };
        let (batch, values) = (3, |count, purpose: &str| Case::values(count, purpose, 1.0));
        Self {
            conv,
            batch,
            weights: values(112, "w"),
            x: values(3 * input.len(), "x"),
            dy: values(3 * output.len(), "dy"),
        }
    }

    fn output(&self) -> Vec<f64> {
        let mut weights = self.weights.clone();
        for filter in weights[..108].chunks_mut(27) {
            let mean = filter.iter().sum::<f64>() / 27.0;
            let variance = filter.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / 27.0;
            for w in filter {
                *w = (*w - mean) / (variance + 1e-5).sqrt();
            }
        }
        let mut host = CpuKernels::<f64>::new();
        let arena = host.arena(112).unwrap();
        host.write_arena(&arena, &weights).unwrap();
        let x = host.upload(self.conv.input, &self.x).unwrap();
        let plain = Conv { bias: None, standardised: false, ..self.conv };
        let y = host.conv(&plain, false, &arena, &x).unwrap();
        let mut values = Vec::new();
        host.download(self.conv.output, &y, &mut |host| values.extend_from_slice(host)).unwrap();
        values.iter().enumerate().map(|(place, y)| y + weights[108 + place / 30 % 4]).collect()
    }

    fn differences(&mut self, values: fn(&mut Self) -> &mut Vec<f64>, example: Option<usize>) -> Vec<f64> {
        let range = example.map_or(0..self.dy.len(), |example| example * 120..(example + 1) * 120);
        (0..values(self).len())
            .map(|place| {
                let kept = values(self)[place];
                let mut at = |change: f64| {
                    values(self)[place] = kept + change;
                    let y = self.output();
                    y[range.clone()].iter().zip(&self.dy[range.clone()]).map(|(y, dy)| y * dy).sum::<f64>()
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                values(self)[place] = kept;
                slope
            })
            .collect()
    }
}

#[test]
fn those_with_bias_and_standardised_weights_match_their_definition() {
    let Some(gpu) = gpu() else { return };
    for (precision, tolerance) in [(Precision::Fp32, 1e-4), (Precision::Bf16, 3e-2)] {
        let mut rig = StandardisedRig::new();
        let batch = rig.batch;
        let mut device = kernels(&gpu, precision);
        let (weights, gradients) = (device.arena(112).unwrap(), device.arena(112).unwrap());
        device.write_arena(&weights, &real(&rig.weights)).unwrap();
        let x = device.upload(rig.conv.input, &real(&rig.x)).unwrap();
        let y = device.conv(&rig.conv, false, &weights, &x).unwrap();
        let mut found = Vec::new();
        device.download(rig.conv.output, &y, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.output(), tolerance, "output");
        let dy = device.upload(rig.conv.output, &real(&rig.dy)).unwrap();
        let norms = device.norms_like(&dy).unwrap();
        let sink = Sink { gradients: Some(&gradients), norms: Some(&norms) };
        let onto = device.upload(rig.conv.input, &real(&rig.x)).unwrap();
        let dx = device.conv_backward(&rig.conv, &weights, &x, &dy, Input::Onto(onto), sink).unwrap().unwrap();
        device.read_arena(&gradients, &mut |host| found = host_f64(host)).unwrap();
        assert_near(&found, &rig.differences(|rig| &mut rig.weights, None), tolerance, "gradients");
        device.read_arena(&norms, &mut |host| found = host_f64(host)).unwrap();
        let squares = |example| rig.differences(|rig| &mut rig.weights, Some(example)).iter().map(|g| g * g).sum();
        let squares: Vec<f64> = (0..batch).map(squares).collect();
        assert_near(&found, &squares, tolerance, "norms");
        device.download(rig.conv.input, &dx, &mut |host| found = host_f64(host)).unwrap();
        let expected: Vec<f64> =
            rig.differences(|rig| &mut rig.x, None).iter().zip(&rig.x).map(|(dx, onto)| dx + onto).collect();
        assert_near(&found, &expected, tolerance, "dx onto x");
    }
}
