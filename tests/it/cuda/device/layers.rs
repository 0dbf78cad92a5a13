//! Every other layer, and whole networks, against the CPU's.

use diffscope::nn::{Conv2d, Kernels};
use diffscope::study::config::Precision;

use super::case::Case;
use super::{gpu, kernels, shape};

#[test]
fn norms_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (input, batch) in [(shape(3, 5, 4), 4), (shape(16, 12, 12), 6), (shape(70, 2, 3), 5), (shape(5, 1, 1), 9)] {
        Case::Norm { relu: true }.check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Norm { relu: false }.check(&gpu, Precision::Fp32, 1e-4, input, batch);
    }
}

#[test]
fn pools_and_dense_layers_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (input, batch) in [(shape(3, 5, 4), 2), (shape(9, 8, 8), 3), (shape(20, 7, 3), 2)] {
        for side in [2, 3] {
            Case::Pool(side).check(&gpu, Precision::Fp32, 1e-4, input, batch);
        }
        Case::Mean.check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Relu.check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Flat(7).check(&gpu, Precision::Fp32, 1e-4, input, batch);
        Case::Dense(11).check(&gpu, Precision::Fp32, 1e-4, shape(input.len(), 1, 1), batch);
    }
}

#[test]
fn blocks_and_whole_networks_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (outputs, stride) in [(4, 1), (8, 2)] {
        Case::Block { outputs, stride }.check(&gpu, Precision::Fp32, 1e-4, shape(4, 8, 6), 3);
    }
    for (name, input) in [
        ("resnet8-4", shape(3, 12, 9)),
        ("resnet14-3", shape(1, 8, 8)),
        ("resnet8-gn-8", shape(3, 9, 8)),
        ("vgg11-2", shape(3, 32, 32)),
        ("vgg11-plain-2", shape(3, 16, 16)),
        ("lenet5", shape(1, 28, 28)),
        ("mlp-24x3", shape(2, 5, 6)),
        ("logistic", shape(3, 4, 5)),
    ] {
        Case::Model(name).check(&gpu, Precision::Fp32, 1e-4, input, 4);
    }
}

/// TF32 keeps 10 bits of each factor, bfloat16 7: single layers stay within what that costs.
#[test]
fn layers_in_low_precision_stay_near_the_cpu() {
    let Some(gpu) = gpu() else { return };
    for (precision, tolerance) in [(Precision::Tf32, 5e-3), (Precision::Bf16, 3e-2)] {
        for (outputs, kernel, stride) in [(8, 3, 1), (16, 3, 2), (8, 1, 1)] {
            let conv = Conv2d::new(outputs, kernel, stride, kernel / 2);
            Case::Conv(conv).check(&gpu, precision, tolerance, shape(8, 9, 8), 3);
        }
        Case::Dense(16).check(&gpu, precision, tolerance, shape(32, 1, 1), 8);
    }
}

#[test]
fn rectifiers_keep_nan_visible() {
    let Some(gpu) = gpu() else { return };
    let mut kernels = kernels(&gpu, Precision::Fp32);
    let vector = shape(4, 1, 1);
    let x = kernels.upload(vector, &[f32::NAN, -1.0, 0.0, 2.0]).unwrap();
    let y = kernels.relu(x).unwrap();
    kernels.download(vector, &y, &mut |y| assert!(y[0].is_nan() && y[1..] == [0.0, 0.0, 2.0])).unwrap();
    let dy = kernels.upload(vector, &[1.0; 4]).unwrap();
    let dx = kernels.relu_backward(&y, dy).unwrap();
    kernels.download(vector, &dx, &mut |dx| assert_eq!(dx, [1.0, 0.0, 0.0, 1.0])).unwrap();
    let square = shape(1, 2, 2);
    let pool = diffscope::nn::kernels::Pool { input: square, output: shape(1, 1, 1), side: 2 };
    let x = kernels.upload(square, &[1.0, 3.0, f32::NAN, 3.0]).unwrap();
    let y = kernels.max_pool(&pool, &x).unwrap();
    kernels.download(pool.output, &y, &mut |y| assert!(y[0].is_nan())).unwrap();
}
