//! What do the CPU kernels reach? GFLOP/s of convolutions and products on one core, for each instruction set.
//!
//! `cargo bench --bench kernels`; `benches/against_torch.py` sets whole training steps beside PyTorch's.
#![allow(clippy::unwrap_used)] // a bench may stop

use std::time::Instant;

use diffscope::nn::kernels::{Conv, Dense, Input, Sink};
use diffscope::nn::{CpuKernels, InstructionSet, Kernels, Place, Shape};

const BATCH: usize = 32;
const ROUNDS: usize = 7;

/// Median GFLOP/s of an operation.
fn measure(flops: f64, mut operation: impl FnMut()) -> f64 {
    operation();
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            operation();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    flops / seconds[ROUNDS / 2] / 1e9
}

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index * 7919 % 1000) as f32 / 1000.0 - 0.5).collect()
}

/// Forward, input gradient and weight gradient of a convolution.
fn convolution(set: InstructionSet, (inputs, outputs, side): (usize, usize, usize), kernel: usize, stride: usize) {
    let shape = |channels, side| Shape::new(channels, side, side).unwrap();
    let (input, output) = (shape(inputs, side), shape(outputs, side / stride));
    let weight = Place { offset: 0, len: outputs * inputs * kernel * kernel };
    let conv = Conv { input, output, kernel, stride, padding: kernel / 2, weight, bias: None, standardised: false };
    let mut kernels = CpuKernels::<f32>::with(set);
    let (weights, gradients) = (kernels.arena(weight.len).unwrap(), kernels.arena(weight.len).unwrap());
    kernels.write_arena(&weights, &values(weight.len)).unwrap();
    let x = kernels.upload(input, &values(BATCH * input.len())).unwrap();
    let dy = kernels.conv(&conv, false, &weights, &x).unwrap();
    let flops = 2.0 * (BATCH * output.pixels() * weight.len) as f64;
    let forward = measure(flops, || drop(kernels.conv(&conv, false, &weights, &x).unwrap()));
    let none = || Sink { gradients: None, norms: None };
    let inputs_alone = measure(flops, || {
        drop(kernels.conv_backward(&conv, &weights, &x, &dy, Input::Wanted, none()).unwrap());
    });
    let weights_alone = measure(flops, || {
        let sink = Sink { gradients: Some(&gradients), norms: None };
        drop(kernels.conv_backward(&conv, &weights, &x, &dy, Input::Unwanted, sink).unwrap());
    });
    println!(
        "{:9} conv {kernel}x{kernel}/{stride} {inputs:3} to {outputs:3} at {side:2}x{side:<2}  forward {forward:6.1}  \
         input gradient {inputs_alone:6.1}  weight gradient {weights_alone:6.1} GFLOP/s",
        set.name()
    );
}

/// Forward, input gradient and weight gradient of a dense layer.
fn dense(set: InstructionSet, inputs: usize, outputs: usize) {
    const BATCH: usize = 128;
    let weight = Place { offset: 0, len: inputs * outputs };
    let bias = Place { offset: weight.len, len: outputs };
    let dense = Dense { inputs, outputs, weight, bias };
    let mut kernels = CpuKernels::<f32>::with(set);
    let len = weight.len + outputs;
    let (weights, gradients) = (kernels.arena(len).unwrap(), kernels.arena(len).unwrap());
    kernels.write_arena(&weights, &values(len)).unwrap();
    let x = kernels.upload(Shape::vector(inputs).unwrap(), &values(BATCH * inputs)).unwrap();
    let dy = kernels.dense(&dense, &weights, &x).unwrap();
    let flops = 2.0 * (BATCH * weight.len) as f64;
    let forward = measure(flops, || drop(kernels.dense(&dense, &weights, &x).unwrap()));
    let input = measure(flops, || drop(kernels.dense_input_gradient(&dense, &weights, &dy).unwrap()));
    let own = measure(flops, || {
        let sink = Sink { gradients: Some(&gradients), norms: None };
        kernels.dense_weight_gradient(&dense, &x, &dy, sink).unwrap();
    });
    println!(
        "{:9} dense {inputs:4} to {outputs:4}            forward {forward:6.1}  input gradient {input:6.1}  \
         weight gradient {own:6.1} GFLOP/s",
        set.name()
    );
}

fn main() {
    for set in InstructionSet::available() {
        for shape in [(3, 16, 32), (16, 16, 32), (32, 32, 16), (64, 64, 8), (16, 16, 28), (128, 128, 4)] {
            convolution(set, shape, 3, 1);
        }
        convolution(set, (16, 32, 32), 3, 2);
        convolution(set, (16, 32, 32), 1, 2);
        dense(set, 512, 512);
        dense(set, 784, 512);
    }
}
