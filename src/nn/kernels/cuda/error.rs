//! What the libraries of CUDA report, as errors of ours: a full device is told apart from everything else.

use cudarc::cublas::result::CublasError;
use cudarc::cublas::sys::cublasStatus_t;
use cudarc::cudnn::result::CudnnError;
use cudarc::cudnn::sys::cudnnStatus_t;
use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;

use crate::Error;

/// The driver's.
#[allow(clippy::needless_pass_by_value)] // for `map_err`
pub fn driver(error: DriverError) -> Error {
    if error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return Error::OutOfMemory("the GPU has no room left".into());
    }
    Error::Failed(format!("CUDA: {error}"))
}

/// cuBLAS's.
#[allow(clippy::needless_pass_by_value)]
pub fn cublas(error: CublasError) -> Error {
    // A library that cannot be set up on a full device says no more than that it is not initialised.
    let full = [cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED, cublasStatus_t::CUBLAS_STATUS_NOT_INITIALIZED];
    if full.contains(&error.0) {
        return Error::OutOfMemory("cuBLAS finds no room on the GPU".into());
    }
    Error::Failed(format!("cuBLAS: {error}"))
}

/// cuDNN's.
#[allow(clippy::needless_pass_by_value)]
pub fn cudnn(error: CudnnError) -> Error {
    let full = [
        cudnnStatus_t::CUDNN_STATUS_NOT_INITIALIZED,
        cudnnStatus_t::CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED,
        cudnnStatus_t::CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED,
    ];
    if full.contains(&error.0) {
        return Error::OutOfMemory("cuDNN finds no room on the GPU".into());
    }
    Error::Failed(format!("cuDNN: {error}"))
}

/// Whether cuDNN has no such operation for these shapes; everything else is an error.
pub fn is_unsupported(error: CudnnError) -> bool {
    (3000..4000).contains(&(error.0 as u32))
}
