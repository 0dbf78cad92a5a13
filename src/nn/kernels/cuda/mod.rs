//! Kernels on an NVIDIA GPU: cuDNN's convolutions, cuBLAS's products, and our own fused kernels through NVRTC.
//!
//! ```text
//!  Gpu (one per device: context, compiled kernels, the data set) <-- many CudaKernels (one per replicate: its stream,
//!  its pool of buffers, its logs); a step sends a few hundred bytes down and reads nothing back
//! ```
//! Values are f32, activations NHWC; precision says how convolutions and products round their factors. Only algorithms
//! that give the same bits every time are used.

mod blas;
mod conv;
mod dense;
mod dnn;
mod error;
mod functions;
mod gpu;
mod launch;
mod memory;
mod norm;
mod transfer;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

pub use functions::{SOURCES, source};
pub use gpu::{Gpu, device_count, driver_is_there};
pub use memory::Buf;

use functions::Arg;
use gpu::Resident;
use launch::{Device, Grid};
use memory::{Pool, Scratch, to_device, to_host, zero};

use super::{Arenas, Conv, Dense, GroupNorm, Input, Kernels, Norm, Normed, Objective, Pool as MaxPool, SgdStep, Sink};
use crate::data::{Dataset, View};
use crate::nn::Shape;
use crate::scores::Record;
use crate::study::config::Precision;
use crate::{Error, Result};

/// The kernels of one replicate on one GPU, for one thread.
pub struct CudaKernels {
    device: Device,
    precision: Precision,
    pool: Pool,
    scratch: RefCell<Scratch>,
    products: blas::Products,
    dnn: dnn::Dnn,
    resident: Option<Arc<Resident>>,
    uploads: transfer::Uploads,
    seen: transfer::Log,
    posted: transfer::Log,
    /// Weights of convolutions, by their offset in the arena, as long as `version` holds.
    prepared: HashMap<usize, Rc<conv::Prepared>>,
    version: u64,
}

impl CudaKernels {
    /// On a GPU; batches come from the host.
    ///
    /// # Errors
    /// `Error::OutOfMemory`, or a failing device.
    pub fn new(gpu: &Arc<Gpu>, precision: Precision) -> Result<Self> {
        let stream = gpu.stream()?;
        Ok(Self {
            precision,
            pool: Pool::new(stream.clone()),
            scratch: RefCell::new(Scratch::new(stream.clone())),
            products: blas::Products::new(&stream, precision)?,
            dnn: dnn::Dnn::new(&stream, precision)?,
            resident: None,
            uploads: transfer::Uploads::new(stream.clone()),
            seen: transfer::Log::default(),
            posted: transfer::Log::default(),
            prepared: HashMap::new(),
            version: 0,
            device: Device { gpu: gpu.clone(), stream },
        })
    }

    /// On a GPU; batches come from a data set, which all replicates on this GPU share.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn on(gpu: &Arc<Gpu>, precision: Precision, dataset: &Dataset) -> Result<Self> {
        let resident = gpu.resident(dataset)?;
        let mut kernels = Self::new(gpu, precision)?;
        kernels.resident = Some(resident);
        Ok(kernels)
    }

    /// Bytes of the GPU that its buffers take, without weights, data set and libraries.
    pub fn bytes(&self) -> usize {
        self.pool.bytes() + self.scratch.borrow().bytes()
    }

    fn check_batch(shape: Shape, values: usize) -> Result<usize> {
        match values / shape.len() {
            batch if batch > 0 && batch * shape.len() == values => Ok(batch),
            _ => Err(Error::Failed(format!("{values} values are no batch of {shape} examples"))),
        }
    }
}

impl Drop for CudaKernels {
    fn drop(&mut self) {
        // The shared data set may be freed right after, on another stream.
        let _ = self.device.stream.synchronize();
    }
}

impl Kernels for CudaKernels {
    type Real = f32;
    type Buf = Buf;

    fn backend_id(&self) -> String {
        self.device.gpu.backend_id(self.precision)
    }

    fn device(&self) -> String {
        self.device.gpu.name()
    }

    fn upload(&mut self, shape: Shape, values: &[f32]) -> Result<Buf> {
        let batch = Self::check_batch(shape, values.len())?;
        let from = self.scratch.borrow_mut().take("host", 4 * values.len())?;
        to_device(&self.device.stream, from, values)?;
        let x = self.pool.take(shape.len(), batch)?;
        self.in_pixels(shape, from, &x)?;
        Ok(x)
    }

    fn download(&mut self, shape: Shape, x: &Buf, take: &mut dyn FnMut(&[f32])) -> Result<()> {
        let to = self.scratch.borrow_mut().take("host", 4 * x.len())?;
        self.in_planes(shape, x, to)?;
        let mut values = vec![0.0; x.len()];
        to_host(&self.device.stream, &mut values, to)?;
        take(&values);
        Ok(())
    }

    fn arena(&mut self, len: usize) -> Result<Buf> {
        Buf::arena(&self.device.stream, len)
    }

    fn images(&mut self, positions: &[u32], views: &[View]) -> Result<Buf> {
        self.batch_of(positions, views)
    }

    fn post(&mut self, shape: Shape, x: &Buf) -> Result<()> {
        let to = self.posted.grow(&self.device.stream, x.len())?;
        self.in_planes(shape, x, to)
    }

    fn collect(&mut self, take: &mut dyn FnMut(&[f32])) -> Result<()> {
        take(&self.posted.take::<f32>(&self.device.stream)?);
        Ok(())
    }

    fn write_arena(&mut self, arena: &Buf, values: &[f32]) -> Result<()> {
        if values.len() > arena.len() {
            return Err(Error::Failed(format!("{} values for an arena of {}", values.len(), arena.len())));
        }
        self.version += 1;
        to_device(&self.device.stream, arena.at(0), values)
    }

    fn read_arena(&self, arena: &Buf, take: &mut dyn FnMut(&[f32])) -> Result<()> {
        let mut values = vec![0.0; arena.len()];
        to_host(&self.device.stream, &mut values, arena.at(0))?;
        take(&values);
        Ok(())
    }

    fn norms_like(&mut self, like: &Buf) -> Result<Buf> {
        let norms = self.pool.take(1, like.batch())?;
        zero(&self.device.stream, norms.at(0), 4 * norms.len())?;
        Ok(norms)
    }

    fn conv(&mut self, conv: &Conv, _train: bool, weights: &Buf, x: &Buf) -> Result<Buf> {
        self.conv_forward(conv, weights, x)
    }

    fn conv_backward(
        &mut self,
        conv: &Conv,
        weights: &Buf,
        x: &Buf,
        dy: &Buf,
        input: Input<Buf>,
        sink: Sink<'_, Buf>,
    ) -> Result<Option<Buf>> {
        self.conv_weight(conv, weights, x, dy, &sink)?;
        match input {
            Input::Unwanted => Ok(None),
            Input::Wanted => self.conv_input(conv, weights, dy, None).map(Some),
            Input::Onto(onto) => self.conv_input(conv, weights, dy, Some(onto)).map(Some),
        }
    }

    fn dense(&mut self, dense: &Dense, weights: &Buf, x: &Buf) -> Result<Buf> {
        self.dense_forward(dense, weights, x)
    }

    fn dense_input_gradient(&mut self, dense: &Dense, weights: &Buf, dy: &Buf) -> Result<Buf> {
        self.dense_input(dense, weights, dy)
    }

    fn dense_weight_gradient(&mut self, dense: &Dense, x: &Buf, dy: &Buf, sink: Sink<'_, Buf>) -> Result<()> {
        self.dense_weight(dense, x, dy, &sink)
    }

    fn norm(
        &mut self,
        norm: &Norm,
        train: bool,
        arenas: &Arenas<Buf>,
        x: &Buf,
        skip: Option<&Buf>,
    ) -> Result<(Buf, Buf)> {
        self.norm_forward(norm, train, arenas, x, skip)
    }

    fn norm_backward(
        &mut self,
        norm: &Norm,
        train: bool,
        weights: &Buf,
        taped: &Normed<Buf>,
        dy: Buf,
        sink: Sink<'_, Buf>,
    ) -> Result<(Buf, Buf)> {
        self.norm_gradients(norm, train, weights, taped, dy, &sink)
    }

    fn group_norm(&mut self, norm: &GroupNorm, weights: &Buf, x: &Buf, skip: Option<&Buf>) -> Result<(Buf, Buf)> {
        self.group_norm_forward(norm, weights, x, skip)
    }

    fn group_norm_backward(
        &mut self,
        norm: &GroupNorm,
        weights: &Buf,
        taped: &Normed<Buf>,
        dy: Buf,
        sink: Sink<'_, Buf>,
    ) -> Result<(Buf, Buf)> {
        self.group_norm_gradients(norm, weights, taped, dy, &sink)
    }

    fn relu(&mut self, x: Buf) -> Result<Buf> {
        let x = self.pool.own(x)?;
        self.device.launch("relu", Grid::each(x.len()), &[Arg::Pointer(x.at(0)), Arg::size(x.len())?])?;
        Ok(x)
    }

    fn relu_backward(&mut self, y: &Buf, dy: Buf) -> Result<Buf> {
        let dy = self.pool.own(dy)?;
        let args = [Arg::Pointer(y.at(0)), Arg::Pointer(dy.at(0)), Arg::size(dy.len())?];
        self.device.launch("relu_backward", Grid::each(dy.len()), &args)?;
        Ok(dy)
    }

    fn root(&mut self, x: Buf) -> Result<Buf> {
        let x = self.pool.own(x)?;
        self.device.launch("root", Grid::each(x.len()), &[Arg::Pointer(x.at(0)), Arg::size(x.len())?])?;
        Ok(x)
    }

    fn add(&mut self, x: Buf, other: &Buf) -> Result<Buf> {
        let x = self.pool.own(x)?;
        let args = [Arg::Pointer(x.at(0)), Arg::Pointer(other.at(0)), Arg::size(x.len())?];
        self.device.launch("add", Grid::each(x.len()), &args)?;
        Ok(x)
    }

    fn max_pool(&mut self, pool: &MaxPool, x: &Buf) -> Result<Buf> {
        let y = self.pool.take(pool.output.len(), x.batch())?;
        let args = [Arg::Pointer(x.at(0)), Arg::Pointer(y.at(0))];
        let args = [&args[..], &windows(pool, y.len())?].concat();
        self.device.launch("max_pool", Grid::each(y.len()), &args)?;
        Ok(y)
    }

    fn max_pool_backward(&mut self, pool: &MaxPool, x: &Buf, dy: &Buf) -> Result<Buf> {
        let dx = self.pool.take(pool.input.len(), dy.batch())?;
        let args = [x.at(0), dy.at(0), dx.at(0)].map(Arg::Pointer);
        let args = [&args[..], &windows(pool, dx.len())?].concat();
        self.device.launch("max_pool_backward", Grid::each(dx.len()), &args)?;
        Ok(dx)
    }

    fn mean_pool(&mut self, input: Shape, x: &Buf) -> Result<Buf> {
        let y = self.pool.take(input.channels, x.batch())?;
        let sizes = [Arg::size(input.pixels())?, Arg::size(input.channels)?];
        let args = [&[Arg::Pointer(x.at(0)), Arg::Pointer(y.at(0))][..], &sizes].concat();
        self.device.launch("mean_pool", Grid::columns(x.batch(), input.channels), &args)?;
        Ok(y)
    }

    fn mean_pool_backward(&mut self, input: Shape, dy: &Buf) -> Result<Buf> {
        let dx = self.pool.take(input.len(), dy.batch())?;
        let sizes = [Arg::size(dx.len())?, Arg::size(input.pixels())?, Arg::size(input.channels)?];
        let args = [&[Arg::Pointer(dy.at(0)), Arg::Pointer(dx.at(0))][..], &sizes].concat();
        self.device.launch("mean_pool_backward", Grid::each(dx.len()), &args)?;
        Ok(dx)
    }

    fn flatten(&mut self, shape: Shape, x: Buf) -> Result<Buf> {
        if shape.pixels() == 1 || shape.channels == 1 {
            return Ok(x);
        }
        let y = self.pool.take(shape.len(), x.batch())?;
        self.in_planes(shape, &x, y.at(0))?;
        Ok(y)
    }

    fn unflatten(&mut self, shape: Shape, dy: Buf) -> Result<Buf> {
        if shape.pixels() == 1 || shape.channels == 1 {
            return Ok(dy);
        }
        let dx = self.pool.take(shape.len(), dy.batch())?;
        self.in_pixels(shape, dy.at(0), &dx)?;
        Ok(dx)
    }

    fn loss(&mut self, objective: Objective, logits: &Buf, labels: &[u16], scale: f64) -> Result<Buf> {
        self.loss_of(objective, logits, labels, scale)
    }

    fn waits_for_record(&self) -> bool {
        true
    }

    fn take_record(&mut self, seen: &mut Record) -> Result<()> {
        self.observations(seen)
    }

    fn new_vectors(&mut self, features: usize, count: usize) -> Result<Buf> {
        Buf::arena(&self.device.stream, features * count)
    }

    fn write_vectors(&mut self, vectors: &Buf, features: usize, first: usize, values: &[f32]) -> Result<()> {
        let (own, given) = (vectors.len(), values.len());
        if first * features + given > own {
            return Err(Error::Failed(format!("{given} values from vector {first} on where there is room for {own}")));
        }
        to_device(&self.device.stream, vectors.at(first * features), values)
    }

    fn inner_products(
        &mut self,
        features: usize,
        left: (&Buf, Range<usize>),
        right: (&Buf, Range<usize>),
        out: &mut [f32],
    ) -> Result<()> {
        self.products_of_vectors(features, left, right, out)
    }

    fn accumulate(&mut self, sum: &Buf, gradients: &Buf) -> Result<()> {
        let args = [Arg::Pointer(sum.at(0)), Arg::Pointer(gradients.at(0)), Arg::size(sum.len())?];
        self.device.launch("add", Grid::each(sum.len()), &args)
    }

    fn sgd(&mut self, arenas: &Arenas<Buf>, sgd: SgdStep) -> Result<()> {
        self.version += 1;
        let n = arenas.weights.len();
        let pointers = [&arenas.weights, &arenas.momentum, &arenas.gradients].map(|arena| Arg::Pointer(arena.at(0)));
        let [rate, keep, decay] = [sgd.rate, sgd.momentum, sgd.weight_decay].map(|value| Arg::Float(value as f32));
        let args = [&pointers[..], &[rate, keep, decay, Arg::size(n)?]].concat();
        self.device.launch("sgd", Grid::each(n), &args)
    }
}

/// What kernels of max pools need to know, for so many values.
fn windows(pool: &MaxPool, values: usize) -> Result<Vec<Arg>> {
    [values, pool.input.channels, pool.input.height, pool.input.width, pool.side].into_iter().map(Arg::size).collect()
}
