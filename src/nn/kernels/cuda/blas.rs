//! Matrix products through cuBLAS, on row-major matrices.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_longlong, c_void};
use std::sync::Arc;

use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasOperation_t, cublasSetWorkspace_v2, cudaDataType,
};
use cudarc::cublas::{CudaBlas, result};
use cudarc::driver::CudaStream;

use super::error;
use super::memory::Block;
use crate::study::config::Precision;
use crate::{Error, Result};

/// cuBLAS's own scratch: given to it, so that its choice of algorithm never depends on what else runs.
const WORKSPACE: usize = 8 << 20;

/// Number format of both factors; results are f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32-bit floats, which the precision of training may round.
    F32,
    /// 32-bit floats, as they are.
    Whole,
    /// bfloat16.
    Bf16,
}

/// A factor: where it lies, and whether it is stored transposed.
#[derive(Debug, Clone, Copy)]
pub struct Factor {
    /// Its first value.
    pub at: u64,
    /// Its rows are columns in memory.
    pub transposed: bool,
}

/// Sizes of a product `[m, k] x [k, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// What is summed over.
    pub k: usize,
}

/// Products on one stream.
pub struct Products {
    blas: CudaBlas,
    compute: cublasComputeType_t,
    _workspace: Block,
}

impl Products {
    /// In a precision.
    ///
    /// # Errors
    /// `Error::OutOfMemory`, or a library that fails.
    pub fn new(stream: &Arc<CudaStream>, precision: Precision) -> Result<Self> {
        let blas = CudaBlas::new(stream.clone()).map_err(error::cublas)?;
        let workspace = Block::new(stream, WORKSPACE)?;
        // SAFETY: the workspace is as long as it says and lives as long as the handle.
        let given = unsafe { cublasSetWorkspace_v2(*blas.handle(), workspace.address() as *mut c_void, WORKSPACE) };
        given.result().map_err(error::cublas)?;
        let compute = match precision {
            Precision::Fp32 => cublasComputeType_t::CUBLAS_COMPUTE_32F,
            Precision::Tf32 | Precision::Bf16 => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        };
        Ok(Self { blas, compute, _workspace: workspace })
    }

    /// c = a b, or c += a b.
    ///
    /// # Errors
    /// A library that fails.
    pub fn multiply(&self, c: u64, size: Size, a: Factor, b: Factor, onto: bool, format: Format) -> Result<()> {
        self.multiply_each(c, size, a, b, onto, format, 1)
    }

    /// The same for matrices that follow each other in memory.
    ///
    /// # Errors
    /// A library that fails.
    #[allow(clippy::too_many_arguments)]
    pub fn multiply_each(
        &self,
        c: u64,
        Size { m, n, k }: Size,
        a: Factor,
        b: Factor,
        onto: bool,
        format: Format,
        count: usize,
    ) -> Result<()> {
        let int =
            |size: usize| c_int::try_from(size).map_err(|_| Error::Failed(format!("{size} is too large for cuBLAS")));
        let (kind, compute) = match format {
            Format::F32 => (cudaDataType::CUDA_R_32F, self.compute),
            Format::Whole => (cudaDataType::CUDA_R_32F, cublasComputeType_t::CUBLAS_COMPUTE_32F),
            Format::Bf16 => (cudaDataType::CUDA_R_16BF, cublasComputeType_t::CUBLAS_COMPUTE_32F),
        };
        let operation = |factor: Factor| {
            if factor.transposed { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N }
        };
        let (alpha, beta) = (1.0_f32, if onto { 1.0_f32 } else { 0.0 });
        // cuBLAS reads column by column: a row-major matrix is its own transpose to it, and c' = b' a'.
        let (row_of_a, row_of_b) = (if a.transposed { m } else { k }, if b.transposed { k } else { n });
        // SAFETY: callers pass factors and a result of the sizes given, all in blocks of this stream; alpha and beta
        // are read before the call returns.
        let done = unsafe {
            result::gemm_strided_batched_ex(
                *self.blas.handle(),
                operation(b),
                operation(a),
                int(n)?,
                int(m)?,
                int(k)?,
                (&raw const alpha).cast(),
                b.at as *const c_void,
                kind,
                int(row_of_b)?,
                (k * n) as c_longlong,
                a.at as *const c_void,
                kind,
                int(row_of_a)?,
                (m * k) as c_longlong,
                (&raw const beta).cast(),
                c as *mut c_void,
                cudaDataType::CUDA_R_32F,
                int(n)?,
                (m * n) as c_longlong,
                int(count)?,
                compute,
                cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        };
        done.map_err(error::cublas)
    }
}
