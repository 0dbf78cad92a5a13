//! One GPU of this process: its context, its compiled kernels, and the data set that all its replicates read.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr};
use cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use cudarc::{cublas, cudnn, driver, nvrtc};

use super::error;
use super::functions::{Signatures, source};
use crate::data::normalise::Normaliser;
use crate::data::{Dataset, ImageShape};
use crate::study::config::Precision;
use crate::{Error, Result};

/// Whether a CUDA driver is installed; without one nothing else of CUDA may be called.
pub fn driver_is_there() -> bool {
    // SAFETY: opens the driver's library by name, whose initialisers are those of any program that uses it.
    unsafe { driver::sys::is_culib_present() }
}

/// How many GPUs there are.
///
/// # Errors
/// The reason why none can be used.
pub fn device_count() -> Result<usize> {
    if !driver_is_there() {
        return Err(Error::Failed("no NVIDIA driver is installed here (libcuda.so.1 was not found)".into()));
    }
    let count =
        CudaContext::device_count().map_err(|error| Error::Failed(format!("the NVIDIA driver says: {error}")))?;
    match usize::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::Failed("the NVIDIA driver finds no GPU".into())),
    }
}

/// The libraries beside the driver, which the user installs.
fn check_libraries() -> Result<()> {
    // SAFETY: as for the driver.
    let there = unsafe {
        [
            ("NVRTC (libnvrtc.so, of CUDA 12 or 13)", nvrtc::sys::is_culib_present()),
            ("cuBLAS (libcublas.so, of CUDA 12 or 13)", cublas::sys::is_culib_present()),
            ("cuDNN 9 (libcudnn.so.9)", cudnn::sys::is_culib_present()),
        ]
    };
    match there.iter().find(|(_, there)| !there) {
        Some((name, _)) => {
            Err(Error::Failed(format!("a GPU is there, but {name} was not found: put its folder into LD_LIBRARY_PATH")))
        }
        None => Ok(()),
    }
}

/// A data set on a GPU.
pub struct Resident {
    digest: String,
    /// Shape of an image.
    pub shape: ImageShape,
    /// How many there are.
    pub examples: usize,
    pixels: CudaSlice<u8>,
    tables: CudaSlice<f32>,
    pixels_at: u64,
    tables_at: u64,
}

impl Resident {
    fn load(stream: &Arc<CudaStream>, dataset: &Dataset) -> Result<Self> {
        let tables: Vec<f32> = Normaliser::new(&dataset.normalisation).tables().as_flattened().to_vec();
        let pixels = stream.clone_htod(&dataset.pixels).map_err(error::driver)?;
        let tables = stream.clone_htod(&tables).map_err(error::driver)?;
        // Other streams read them from now on, and nobody writes: no event has to order that.
        stream.synchronize().map_err(error::driver)?;
        let (pixels_at, tables_at) = (pixels.device_ptr(stream).0, tables.device_ptr(stream).0);
        let (digest, shape, examples) = (dataset.digest.clone(), dataset.shape, dataset.len());
        Ok(Self { digest, shape, examples, pixels, tables, pixels_at, tables_at })
    }

    /// Where the pixels lie, `[examples, channels, height, width]`.
    pub fn pixels(&self) -> u64 {
        debug_assert_eq!(self.pixels.len(), self.examples * self.shape.len());
        self.pixels_at
    }

    /// Where the tables lie, `[channels, 256]`.
    pub fn tables(&self) -> u64 {
        debug_assert_eq!(self.tables.len(), self.shape.channels * 256);
        self.tables_at
    }
}

/// A GPU.
pub struct Gpu {
    context: Arc<CudaContext>,
    name: String,
    cudnn: usize,
    functions: HashMap<&'static str, CudaFunction>,
    signatures: Signatures,
    resident: Mutex<Option<Arc<Resident>>>,
}

impl Gpu {
    /// Opens a GPU and compiles the kernels for it.
    ///
    /// # Errors
    /// A missing library, a GPU that refuses, kernels that its compiler refuses.
    pub fn open(ordinal: usize) -> Result<Arc<Self>> {
        check_libraries()?;
        let context = CudaContext::new(ordinal).map_err(error::driver)?;
        let name = context.name().map_err(error::driver)?;
        let signatures = Signatures::read()?;
        let (major, minor) = context.compute_capability().map_err(error::driver)?;
        let options = vec![format!("--gpu-architecture=compute_{major}{minor}"), "--std=c++17".into()];
        let options = CompileOptions { options, name: Some("diffscope.cu".into()), ..CompileOptions::default() };
        let ptx = compile_ptx_with_opts(source(), options).map_err(|error| compiler(&error))?;
        let module = context.load_module(ptx).map_err(|error| {
            Error::Failed(format!("{name}: the driver refuses what NVRTC compiled ({error}): is it older than NVRTC?"))
        })?;
        let mut functions = HashMap::new();
        for kernel in signatures.names() {
            functions.insert(kernel, module.load_function(kernel).map_err(error::driver)?);
        }
        let cudnn = cudnn::result::get_version();
        Ok(Arc::new(Self { context, name, cudnn, functions, signatures, resident: Mutex::new(None) }))
    }

    /// Such as `cuda:0 NVIDIA H100 80GB HBM3`.
    pub fn name(&self) -> String {
        format!("cuda:{} {}", self.context.ordinal(), self.name)
    }

    /// Model, cuDNN's version and precision: the same id, the same bits.
    pub fn backend_id(&self, precision: Precision) -> String {
        let (model, version, precision) = (self.name.replace(' ', "-"), self.cudnn, precision.name());
        format!("cuda-{model}-cudnn{}.{}.{}-{precision}", version / 10_000, version / 100 % 100, version % 100)
    }

    /// A stream of its own for a replicate.
    ///
    /// # Errors
    /// A failing device.
    pub fn stream(&self) -> Result<Arc<CudaStream>> {
        self.context.new_stream().map_err(error::driver)
    }

    /// The data set on this GPU: there already, or loaded now.
    ///
    /// # Errors
    /// `Error::OutOfMemory` where it does not fit.
    pub fn resident(&self, dataset: &Dataset) -> Result<Arc<Resident>> {
        let mut resident = self.resident.lock().unwrap_or_else(PoisonError::into_inner);
        match &*resident {
            Some(there) if there.digest == dataset.digest => Ok(there.clone()),
            _ => {
                let loaded = Arc::new(Resident::load(&self.stream()?, dataset)?);
                *resident = Some(loaded.clone());
                Ok(loaded)
            }
        }
    }

    /// A kernel.
    ///
    /// # Errors
    /// `Error::Failed` where there is none of this name.
    pub fn function(&self, name: &str) -> Result<&CudaFunction> {
        self.functions.get(name).ok_or_else(|| Error::Failed(format!("a bug: there is no kernel {name}")))
    }

    /// What kernels take.
    pub fn signatures(&self) -> &Signatures {
        &self.signatures
    }
}

fn compiler(error: &CompileError) -> Error {
    let reason = match error {
        CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
        other => other.to_string(),
    };
    Error::Failed(format!("NVRTC cannot compile the kernels: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NVRTC needs no GPU: where it is installed, its verdict counts.
    #[test]
    fn nvrtc_compiles_the_kernels_for_every_generation_that_cuda_13_knows() {
        // SAFETY: opens a library by name.
        if !unsafe { nvrtc::sys::is_culib_present() } {
            eprintln!("SKIPPED: NVRTC is not on LD_LIBRARY_PATH");
            return;
        }
        for architecture in ["compute_75", "compute_80", "compute_90", "compute_100"] {
            let options = vec![format!("--gpu-architecture={architecture}"), "--std=c++17".into()];
            let options = CompileOptions { options, ..CompileOptions::default() };
            let ptx = compile_ptx_with_opts(source(), options).map_err(|error| compiler(&error)).unwrap().to_src();
            for name in Signatures::read().unwrap().names() {
                assert!(ptx.contains(&format!(".entry {name}(")), "{architecture}: {name}");
            }
        }
    }
}
