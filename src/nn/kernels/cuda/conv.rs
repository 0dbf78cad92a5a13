//! Convolutions: through cuDNN, and where it has no deterministic way for some shapes, or sums over examples are not
//! wanted, through products of windows.

use std::rc::Rc;

use super::CudaKernels;
use super::blas::{Factor, Format, Size};
use super::dnn::Operation;
use super::functions::Arg;
use super::launch::Grid;
use super::memory::{Block, Buf};
use crate::Result;
use crate::nn::kernels::{Conv, Sink};
use crate::study::config::Precision;

/// Most values that windows, or gradients of examples, take at once: 64 MiB.
const MOST_VALUES: usize = 1 << 24;

/// A convolution's weights as it computes with them, good until the next step.
pub struct Prepared {
    /// `[outputs, kernel, kernel, inputs]`
    weight: Block,
    /// The same in bfloat16.
    narrowed: Option<Block>,
    /// 1 / deviation of each filter, where it is standardised.
    inverses: Block,
    /// Which weights these are.
    version: u64,
}

/// Windows of one image.
fn windows_in(conv: &Conv) -> usize {
    conv.output.pixels()
}

/// Values of one window, and of one filter.
fn window_len(conv: &Conv) -> usize {
    conv.input.channels * conv.kernel * conv.kernel
}

/// Whether windows are the pixels themselves.
fn is_pointwise(conv: &Conv) -> bool {
    conv.kernel == 1 && conv.stride == 1 && conv.padding == 0
}

impl CudaKernels {
    pub(super) fn conv_forward(&mut self, conv: &Conv, weights: &Buf, x: &Buf) -> Result<Buf> {
        let y = self.pool.take(conv.output.len(), x.batch())?;
        let prepared = self.prepared(conv, weights)?;
        if !self.dnn_forward(conv, &prepared, x, &y)? {
            self.chunks(x.batch(), windows_in(conv) * window_len(conv), |own, first, count| {
                let columns = own.columns(conv, x, first, count)?;
                let size = Size { m: count * windows_in(conv), n: conv.output.channels, k: window_len(conv) };
                let weight = Factor { at: prepared.weight.address(), transposed: true };
                let columns = Factor { at: columns, transposed: false };
                own.products.multiply(y.at(first * y.per_example()), size, columns, weight, false, Format::F32)
            })?;
        }
        if let Some(bias) = conv.bias {
            self.add_bias_to(&y, weights.at(bias.offset), conv.output.channels)?;
        }
        Ok(y)
    }

    fn dnn_forward(&mut self, conv: &Conv, prepared: &Prepared, x: &Buf, y: &Buf) -> Result<bool> {
        let Some(narrow) = &prepared.narrowed else {
            let operation = Operation::Forward { x: x.at(0), w: prepared.weight.address(), y: y.at(0) };
            return self.dnn.run(conv, x.batch(), operation, &mut self.scratch.borrow_mut());
        };
        let x16 = self.narrowed("left16", x.at(0), x.len())?;
        let y16 = self.scratch.borrow_mut().take("result16", 2 * y.len())?;
        let operation = Operation::Forward { x: x16, w: narrow.address(), y: y16 };
        let done = self.dnn.run(conv, x.batch(), operation, &mut self.scratch.borrow_mut())?;
        if done {
            self.widen(y16, y, false)?;
        }
        Ok(done)
    }

    pub(super) fn conv_input(&mut self, conv: &Conv, weights: &Buf, dy: &Buf, onto: Option<Buf>) -> Result<Buf> {
        let adds = onto.is_some();
        let dx = match onto {
            Some(onto) => self.pool.own(onto)?,
            None => self.pool.take(conv.input.len(), dy.batch())?,
        };
        let prepared = self.prepared(conv, weights)?;
        if self.dnn_input(conv, &prepared, dy, &dx, adds)? {
            return Ok(dx);
        }
        self.chunks(dy.batch(), windows_in(conv) * window_len(conv), |own, first, count| {
            let rows = count * windows_in(conv);
            let columns = own.scratch.borrow_mut().take("columns", 4 * rows * window_len(conv))?;
            let size = Size { m: rows, n: window_len(conv), k: conv.output.channels };
            let dy = Factor { at: dy.at(first * dy.per_example()), transposed: false };
            let weight = Factor { at: prepared.weight.address(), transposed: false };
            own.products.multiply(columns, size, dy, weight, false, Format::F32)?;
            let values = count * dx.per_example();
            let ends = [Arg::Pointer(columns), Arg::Pointer(dx.at(first * dx.per_example())), Arg::size(values)?];
            let args = [&ends[..], &geometry(conv)?, &[Arg::flag(adds)]].concat();
            own.device.launch("images_of", Grid::each(values), &args)
        })?;
        Ok(dx)
    }

    fn dnn_input(&mut self, conv: &Conv, prepared: &Prepared, dy: &Buf, dx: &Buf, onto: bool) -> Result<bool> {
        let Some(narrow) = &prepared.narrowed else {
            let (w, dy_at) = (prepared.weight.address(), dy.at(0));
            let operation = Operation::Input { w, dy: dy_at, dx: dx.at(0), onto };
            return self.dnn.run(conv, dy.batch(), operation, &mut self.scratch.borrow_mut());
        };
        let dy16 = self.narrowed("left16", dy.at(0), dy.len())?;
        let dx16 = self.scratch.borrow_mut().take("result16", 2 * dx.len())?;
        let operation = Operation::Input { w: narrow.address(), dy: dy16, dx: dx16, onto: false };
        let done = self.dnn.run(conv, dy.batch(), operation, &mut self.scratch.borrow_mut())?;
        if done {
            self.widen(dx16, dx, onto)?;
        }
        Ok(done)
    }

    pub(super) fn conv_weight(
        &mut self,
        conv: &Conv,
        weights: &Buf,
        x: &Buf,
        dy: &Buf,
        sink: &Sink<'_, Buf>,
    ) -> Result<()> {
        let prepared = self.prepared(conv, weights)?;
        if let Some(gradients) = sink.gradients {
            self.weight_sums(conv, &prepared, x, dy, gradients)?;
        }
        match sink.norms {
            Some(norms) => self.weight_norms(conv, &prepared, x, dy, norms),
            None => Ok(()),
        }
    }

    /// Gradients summed over the batch, into the arena.
    fn weight_sums(&mut self, conv: &Conv, prepared: &Prepared, x: &Buf, dy: &Buf, gradients: &Buf) -> Result<()> {
        let dw = self.scratch.borrow_mut().take("weight gradient", 4 * conv.weight.len)?;
        let narrow = self.precision == Precision::Bf16;
        let (from_x, from_dy) = if narrow {
            (self.narrowed("left16", x.at(0), x.len())?, self.narrowed("right16", dy.at(0), dy.len())?)
        } else {
            (x.at(0), dy.at(0))
        };
        let operation = Operation::Weight { x: from_x, dy: from_dy, dw };
        let by_dnn = self.dnn.run(conv, x.batch(), operation, &mut self.scratch.borrow_mut())?;
        if !by_dnn {
            self.chunks(x.batch(), windows_in(conv) * window_len(conv), |own, first, count| {
                let columns = Factor { at: own.columns(conv, x, first, count)?, transposed: false };
                let size = Size { m: conv.output.channels, n: window_len(conv), k: count * windows_in(conv) };
                let dy = Factor { at: dy.at(first * dy.per_example()), transposed: true };
                own.products.multiply(dw, size, dy, columns, first > 0, Format::F32)
            })?;
        }
        // cuDNN gives a gradient in the format of its operands, products give f32.
        let (wide, narrow) = if narrow && by_dnn { (0, dw) } else { (dw, 0) };
        let args = [
            Arg::Pointer(wide),
            Arg::Pointer(narrow),
            Arg::Pointer(prepared.weight.address()),
            Arg::Pointer(prepared.inverses.address()),
            Arg::Pointer(gradients.at(conv.weight.offset)),
            Arg::size(conv.input.channels)?,
            Arg::size(conv.kernel * conv.kernel)?,
            Arg::flag(conv.standardised),
        ];
        self.device.launch("finish_weight_gradient", Grid::blocks(conv.output.channels, 1), &args)?;
        match conv.bias {
            Some(bias) => self.bias_gradient(dy, conv.output.channels, gradients.at(bias.offset)),
            None => Ok(()),
        }
    }

    /// Each example's squared norm, added to `norms`: its own gradient is formed, squared and forgotten.
    fn weight_norms(&mut self, conv: &Conv, prepared: &Prepared, x: &Buf, dy: &Buf, norms: &Buf) -> Result<()> {
        let (filters, window) = (conv.output.channels, window_len(conv));
        let values = (windows_in(conv) * window).max(conv.weight.len);
        self.chunks(x.batch(), values, |own, first, count| {
            let columns = Factor { at: own.columns(conv, x, first, count)?, transposed: false };
            let each = own.scratch.borrow_mut().take("weight gradients", 4 * count * conv.weight.len)?;
            let parts = own.scratch.borrow_mut().take("parts", 8 * count * filters)?;
            let size = Size { m: filters, n: window, k: windows_in(conv) };
            let dy = Factor { at: dy.at(first * dy.per_example()), transposed: true };
            own.products.multiply_each(each, size, dy, columns, false, Format::F32, count)?;
            let ends = [each, prepared.weight.address(), prepared.inverses.address(), parts].map(Arg::Pointer);
            let sizes = [Arg::size(filters)?, Arg::size(window)?, Arg::flag(conv.standardised)];
            let args = [&ends[..], &sizes].concat();
            own.device.launch("weight_gradient_squares", Grid::blocks(count, filters), &args)?;
            let args = [Arg::Pointer(parts), Arg::Pointer(norms.at(first)), Arg::size(filters)?];
            own.device.launch("add_rows", Grid::blocks(count, 1), &args)
        })?;
        if conv.bias.is_some() {
            let rows = (x.batch() * windows_in(conv), windows_in(conv), x.batch());
            let parts = self.column_sums(dy, rows, filters)?;
            let args = [Arg::Pointer(parts), Arg::Pointer(norms.at(0)), Arg::size(filters)?];
            self.device.launch("add_squares", Grid::blocks(x.batch(), 1), &args)?;
        }
        Ok(())
    }

    /// Does something with so many examples at a time that `values` of each stay within [`MOST_VALUES`].
    fn chunks(
        &mut self,
        batch: usize,
        values: usize,
        mut work: impl FnMut(&mut Self, usize, usize) -> Result<()>,
    ) -> Result<()> {
        let most = (MOST_VALUES / values.max(1)).max(1);
        (0..batch).step_by(most).try_for_each(|first| work(self, first, most.min(batch - first)))
    }

    /// The windows of some examples as a matrix `[windows, window]`; where it lies.
    fn columns(&mut self, conv: &Conv, x: &Buf, first: usize, count: usize) -> Result<u64> {
        let images = x.at(first * x.per_example());
        if is_pointwise(conv) {
            return Ok(images);
        }
        let values = count * windows_in(conv) * window_len(conv);
        let columns = self.scratch.borrow_mut().take("columns", 4 * values)?;
        let ends = [Arg::Pointer(images), Arg::Pointer(columns), Arg::size(values)?];
        let args = [&ends[..], &geometry(conv)?].concat();
        self.device.launch("windows_of", Grid::each(values), &args)?;
        Ok(columns)
    }

    fn widen(&self, from: u64, to: &Buf, onto: bool) -> Result<()> {
        let args = [Arg::Pointer(from), Arg::Pointer(to.at(0)), Arg::size(to.len())?, Arg::flag(onto)];
        self.device.launch("widen", Grid::each(to.len()), &args)
    }

    /// Room for a convolution's weights.
    fn unprepared(&self, conv: &Conv) -> Result<Prepared> {
        let stream = &self.device.stream;
        let narrow = self.precision == Precision::Bf16;
        Ok(Prepared {
            weight: Block::new(stream, 4 * conv.weight.len)?,
            narrowed: narrow.then(|| Block::new(stream, 2 * conv.weight.len)).transpose()?,
            inverses: Block::new(stream, 4 * conv.output.channels)?,
            version: 0,
        })
    }

    /// The weights in the order, format and scale of the convolution, made once per step.
    fn prepared(&mut self, conv: &Conv, weights: &Buf) -> Result<Rc<Prepared>> {
        if let Some(known) = self.prepared.get(&conv.weight.offset).filter(|known| known.version == self.version) {
            return Ok(known.clone());
        }
        let old = self.prepared.remove(&conv.weight.offset).and_then(Rc::into_inner);
        let prepared = Prepared { version: self.version, ..old.map_or_else(|| self.unprepared(conv), Ok)? };
        let args = [
            Arg::Pointer(weights.at(conv.weight.offset)),
            Arg::Pointer(prepared.weight.address()),
            Arg::Pointer(prepared.narrowed.as_ref().map_or(0, Block::address)),
            Arg::Pointer(prepared.inverses.address()),
            Arg::size(conv.input.channels)?,
            Arg::size(conv.kernel * conv.kernel)?,
            Arg::flag(conv.standardised),
        ];
        self.device.launch("prepare_weights", Grid::blocks(conv.output.channels, 1), &args)?;
        let prepared = Rc::new(prepared);
        self.prepared.insert(conv.weight.offset, prepared.clone());
        Ok(prepared)
    }
}

/// What kernels over windows need to know of a convolution.
fn geometry(conv: &Conv) -> Result<Vec<Arg>> {
    let (input, output) = (conv.input, conv.output);
    let sizes = [
        input.channels,
        input.height,
        input.width,
        conv.kernel,
        conv.stride,
        conv.padding,
        output.height,
        output.width,
    ];
    sizes.into_iter().map(Arg::size).collect()
}
