//! Neighbours on a device: whole f32, whatever precision training has.

use diffscope::nn::CpuKernels;
use diffscope::nn::kernels::neighbours::{Job, search};
use diffscope::study::config::Precision;

use super::{gpu, kernels, real};
use crate::nn_oracles::normals;

#[test]
fn neighbours_are_the_cpu_s_and_their_factors_are_never_rounded() {
    let Some(gpu) = gpu() else { return };
    let job = Job { features: 70, references: 530, queries: 60, k: 9, among: true, leave_one_out: true };
    let values: Vec<f64> = normals(590 * 70, "embeddings").iter().map(|value| f64::from(*value as f32)).collect();
    let expected = search(&mut CpuKernels::<f64>::new(), job, &values).unwrap();
    let found = search(&mut kernels(&gpu, Precision::Bf16), job, &real(&values)).unwrap();
    for (found, expected) in found.neighbours().zip(expected.neighbours()) {
        let numbers = found.iter().map(|(_, number)| *number);
        assert!(numbers.eq(expected.iter().map(|(_, number)| *number)));
    }
}
