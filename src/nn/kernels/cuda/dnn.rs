//! Convolutions through cuDNN: NHWC, deterministic algorithms alone, chosen by name and never by timing.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

use cudarc::cudnn::result::{self, CudnnError};
use cudarc::cudnn::sys::{
    cudnnConvolutionBwdDataAlgo_t, cudnnConvolutionBwdFilterAlgo_t, cudnnConvolutionDescriptor_t,
    cudnnConvolutionFwdAlgo_t, cudnnConvolutionMode_t, cudnnDataType_t, cudnnFilterDescriptor_t, cudnnHandle_t,
    cudnnMathType_t, cudnnTensorDescriptor_t, cudnnTensorFormat_t,
};
use cudarc::driver::CudaStream;

use super::error::{self, is_unsupported};
use super::memory::Scratch;
use crate::nn::kernels::Conv;
use crate::study::config::Precision;
use crate::{Error, Result};

/// All of cuDNN's are deterministic forwards; backwards these are, and `ALGO_0` and `ALGO_3` are not.
const FORWARD: cudnnConvolutionFwdAlgo_t = cudnnConvolutionFwdAlgo_t::CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
const INPUT: cudnnConvolutionBwdDataAlgo_t = cudnnConvolutionBwdDataAlgo_t::CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
const WEIGHT: cudnnConvolutionBwdFilterAlgo_t = cudnnConvolutionBwdFilterAlgo_t::CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

/// What is to be computed, and from which addresses.
#[derive(Debug, Clone, Copy)]
pub enum Operation {
    /// y from x and w.
    Forward {
        /// The input.
        x: u64,
        /// The weight, `[outputs, kernel, kernel, inputs]`.
        w: u64,
        /// The output.
        y: u64,
    },
    /// dx from w and dy.
    Input {
        /// The weight.
        w: u64,
        /// The output's gradient.
        dy: u64,
        /// The input's gradient.
        dx: u64,
        /// Whether it is added to what is there.
        onto: bool,
    },
    /// dw from x and dy.
    Weight {
        /// The input.
        x: u64,
        /// The output's gradient.
        dy: u64,
        /// The weight's gradient.
        dw: u64,
    },
}

impl Operation {
    fn index(self) -> usize {
        match self {
            Self::Forward { .. } => 0,
            Self::Input { .. } => 1,
            Self::Weight { .. } => 2,
        }
    }
}

/// Everything that a plan depends on: sizes of input and output, kernel, stride, padding, batch.
type Key = [usize; 10];

/// cuDNN on one stream.
pub struct Dnn {
    handle: cudnnHandle_t,
    stream: Arc<CudaStream>,
    precision: Precision,
    plans: HashMap<Key, Plan>,
}

impl Dnn {
    /// In a precision.
    ///
    /// # Errors
    /// `Error::OutOfMemory`, or a library that fails.
    pub fn new(stream: &Arc<CudaStream>, precision: Precision) -> Result<Self> {
        stream.context().bind_to_thread().map_err(error::driver)?;
        let handle = result::create_handle().map_err(error::cudnn)?;
        let dnn = Self { handle, stream: stream.clone(), precision, plans: HashMap::new() };
        // SAFETY: handle and stream were made just now, and the stream lives as long as the handle.
        unsafe { result::set_stream(handle, stream.cu_stream().cast()) }.map_err(error::cudnn)?;
        Ok(dnn)
    }

    /// Computes, unless cuDNN has no deterministic way for these shapes: then false, and nothing was done.
    ///
    /// # Errors
    /// `Error::OutOfMemory`, or a library that fails.
    pub fn run(&mut self, conv: &Conv, batch: usize, operation: Operation, scratch: &mut Scratch) -> Result<bool> {
        let key = key(conv, batch);
        if !self.plans.contains_key(&key) {
            let plan = Plan::new(self.handle, conv, batch, self.precision)?;
            self.plans.insert(key, plan);
        }
        let Some(plan) = self.plans.get_mut(&key) else { return Ok(false) };
        let Some(bytes) = plan.workspaces[operation.index()] else { return Ok(false) };
        let workspace = (scratch.take("cudnn", bytes)? as *mut c_void, bytes);
        self.stream.context().bind_to_thread().map_err(error::driver)?;
        match plan.run(self.handle, operation, workspace) {
            Ok(()) => Ok(true),
            Err(refused) if is_unsupported(refused) => {
                plan.workspaces[operation.index()] = None;
                Ok(false)
            }
            Err(other) => Err(error::cudnn(other)),
        }
    }
}

impl Drop for Dnn {
    fn drop(&mut self) {
        self.plans.clear();
        // SAFETY: the handle was made by `new` and is destroyed once.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

fn key(conv: &Conv, batch: usize) -> Key {
    let (i, o) = (conv.input, conv.output);
    [i.channels, i.height, i.width, o.channels, o.height, o.width, conv.kernel, conv.stride, conv.padding, batch]
}

/// Makes a descriptor that destroys itself.
macro_rules! descriptors {
    ($($name:ident of $raw:ident: $create:ident, $destroy:ident;)+) => {
        $(
            struct $name($raw);

            impl $name {
                fn new() -> Result<Self, CudnnError> {
                    result::$create().map(Self)
                }
            }

            impl Drop for $name {
                fn drop(&mut self) {
                    // SAFETY: made by `new`, destroyed once.
                    let _ = unsafe { result::$destroy(self.0) };
                }
            }
        )+
    };
}

descriptors! {
    Tensor of cudnnTensorDescriptor_t: create_tensor_descriptor, destroy_tensor_descriptor;
    Filter of cudnnFilterDescriptor_t: create_filter_descriptor, destroy_filter_descriptor;
    Convolution of cudnnConvolutionDescriptor_t: create_convolution_descriptor, destroy_convolution_descriptor;
}

/// The descriptors of a convolution at a batch size, and what each operation needs.
struct Plan {
    x: Tensor,
    y: Tensor,
    w: Filter,
    conv: Convolution,
    /// Bytes of workspace forwards, for dx, for dw; none where cuDNN has no way.
    workspaces: [Option<usize>; 3],
}

impl Plan {
    fn new(handle: cudnnHandle_t, conv: &Conv, batch: usize, precision: Precision) -> Result<Self> {
        let int =
            |size: usize| c_int::try_from(size).map_err(|_| Error::Failed(format!("{size} is too large for cuDNN")));
        let (i, o) = (conv.input, conv.output);
        let x = [int(batch)?, int(i.channels)?, int(i.height)?, int(i.width)?];
        let y = [int(batch)?, int(o.channels)?, int(o.height)?, int(o.width)?];
        let w = [int(o.channels)?, int(i.channels)?, int(conv.kernel)?, int(conv.kernel)?];
        let (padding, stride) = (int(conv.padding)?, int(conv.stride)?);
        Self::describe(handle, [x, y, w], padding, stride, precision).map_err(error::cudnn)
    }

    fn describe(
        handle: cudnnHandle_t,
        [x_size, y_size, w_size]: [[c_int; 4]; 3],
        padding: c_int,
        stride: c_int,
        precision: Precision,
    ) -> Result<Self, CudnnError> {
        let (format, float) = (cudnnTensorFormat_t::CUDNN_TENSOR_NHWC, cudnnDataType_t::CUDNN_DATA_FLOAT);
        let (kind, math) = match precision {
            Precision::Fp32 => (float, cudnnMathType_t::CUDNN_FMA_MATH),
            // For f32 data the default is to round factors to TF32 where the GPU can.
            Precision::Tf32 => (float, cudnnMathType_t::CUDNN_DEFAULT_MATH),
            Precision::Bf16 => (cudnnDataType_t::CUDNN_DATA_BFLOAT16, cudnnMathType_t::CUDNN_TENSOR_OP_MATH),
        };
        let plan = Self {
            x: Tensor::new()?,
            y: Tensor::new()?,
            w: Filter::new()?,
            conv: Convolution::new()?,
            workspaces: [None; 3],
        };
        let mode = cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION;
        // SAFETY: all descriptors were made just now.
        unsafe {
            result::set_tensor4d_descriptor(plan.x.0, format, kind, x_size)?;
            result::set_tensor4d_descriptor(plan.y.0, format, kind, y_size)?;
            result::set_filter4d_descriptor(plan.w.0, kind, format, w_size)?;
            result::set_convolution2d_descriptor(plan.conv.0, padding, padding, stride, stride, 1, 1, mode, float)?;
            result::set_convolution_math_type(plan.conv.0, math)?;
        }
        plan.measured(handle)
    }

    /// With the sizes of its workspaces.
    fn measured(mut self, handle: cudnnHandle_t) -> Result<Self, CudnnError> {
        let Self { x, y, w, conv, .. } = &self;
        // SAFETY: the descriptors are set.
        let sizes = unsafe {
            [
                result::get_convolution_forward_workspace_size(handle, x.0, w.0, conv.0, y.0, FORWARD),
                result::get_convolution_backward_data_workspace_size(handle, w.0, y.0, conv.0, x.0, INPUT),
                result::get_convolution_backward_filter_workspace_size(handle, x.0, y.0, conv.0, w.0, WEIGHT),
            ]
        };
        for (place, size) in self.workspaces.iter_mut().zip(sizes) {
            *place = match size {
                Ok(bytes) => Some(bytes),
                Err(refused) if is_unsupported(refused) => None,
                Err(other) => return Err(other),
            };
        }
        Ok(self)
    }

    fn run(
        &self,
        handle: cudnnHandle_t,
        operation: Operation,
        (workspace, bytes): (*mut c_void, usize),
    ) -> Result<(), CudnnError> {
        let (one, zero) = (1.0_f32, 0.0_f32);
        let (alpha, beta): (*const c_void, *const c_void) = ((&raw const one).cast(), (&raw const zero).cast());
        let (x_kind, y_kind, w_kind, conv) = (self.x.0, self.y.0, self.w.0, self.conv.0);
        let from = |address: u64| address as *const c_void;
        // SAFETY: the descriptors are set; callers pass blocks of this stream of their sizes; the scalars are read
        // before the call returns.
        unsafe {
            match operation {
                Operation::Forward { x, w, y } => result::convolution_forward(
                    handle,
                    alpha,
                    x_kind,
                    from(x),
                    w_kind,
                    from(w),
                    conv,
                    FORWARD,
                    workspace,
                    bytes,
                    beta,
                    y_kind,
                    y as *mut c_void,
                ),
                Operation::Input { w, dy, dx, onto } => result::convolution_backward_data(
                    handle,
                    alpha,
                    w_kind,
                    from(w),
                    y_kind,
                    from(dy),
                    conv,
                    INPUT,
                    workspace,
                    bytes,
                    if onto { alpha } else { beta },
                    x_kind,
                    dx as *mut c_void,
                ),
                Operation::Weight { x, dy, dw } => result::convolution_backward_filter(
                    handle,
                    alpha,
                    x_kind,
                    from(x),
                    y_kind,
                    from(dy),
                    conv,
                    WEIGHT,
                    workspace,
                    bytes,
                    beta,
                    w_kind,
                    dw as *mut c_void,
                ),
            }
        }
    }
}
