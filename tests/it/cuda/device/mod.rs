//! What is asked of a device, real or simulated: one file per part of the kernels.

mod case;
mod convolutions;
mod group_norms;
mod layers;
mod neighbours;
mod steps;
mod training;

use std::sync::Arc;

use diffscope::data::{self, Dataset};
use diffscope::nn::kernels::cuda::{CudaKernels, Gpu, device_count};
use diffscope::nn::{Real, Shape};
use diffscope::study::config::Precision;

use super::SIMULATED;
use crate::studies::SMALL;

/// The first GPU; without one a test is skipped, visibly.
fn gpu() -> Option<Arc<Gpu>> {
    match device_count().and_then(|_| Gpu::open(0)) {
        Ok(gpu) => Some(gpu),
        Err(reason) => {
            assert!(std::env::var_os(SIMULATED).is_none(), "the simulated device does not answer: {reason}");
            eprintln!("SKIPPED: no GPU answers ({reason})");
            None
        }
    }
}

fn kernels(gpu: &Arc<Gpu>, precision: Precision) -> CudaKernels {
    CudaKernels::new(gpu, precision).unwrap()
}

fn real<R: Real>(values: &[f64]) -> Vec<R> {
    values.iter().map(|value| R::from_f64(*value)).collect()
}

fn host_f64<R: Real>(values: &[R]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn shape(channels: usize, height: usize, width: usize) -> Shape {
    Shape::new(channels, height, width).unwrap()
}

/// A data set of real images.
fn dataset() -> Arc<Dataset> {
    let config: diffscope::study::Config = toml::from_str(SMALL).unwrap();
    Arc::new(data::load(&config.data, 3, std::path::Path::new("nowhere")).unwrap())
}
