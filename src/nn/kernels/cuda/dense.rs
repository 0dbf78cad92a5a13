//! Dense layers: three matrix products over the whole batch; in bf16 their operands are narrowed first.

use std::ops::Range;

use super::CudaKernels;
use super::blas::{Factor, Format, Size};
use super::functions::Arg;
use super::launch::{Grid, parts_of};
use super::memory::{Buf, to_host};
use crate::nn::kernels::{Dense, Sink};
use crate::study::config::Precision;
use crate::{Error, Result};

impl CudaKernels {
    pub(super) fn dense_forward(&mut self, dense: &Dense, weights: &Buf, x: &Buf) -> Result<Buf> {
        let y = self.pool.take(dense.outputs, x.batch())?;
        let size = Size { m: x.batch(), n: dense.outputs, k: dense.inputs };
        let (x, w) = ((x.at(0), x.len()), (weights.at(dense.weight.offset), dense.weight.len));
        self.product(y.at(0), size, (x, false), (w, true))?;
        self.add_bias(&y, weights.at(dense.bias.offset))?;
        Ok(y)
    }

    pub(super) fn dense_input(&mut self, dense: &Dense, weights: &Buf, dy: &Buf) -> Result<Buf> {
        let dx = self.pool.take(dense.inputs, dy.batch())?;
        let size = Size { m: dy.batch(), n: dense.inputs, k: dense.outputs };
        let (dy, w) = ((dy.at(0), dy.len()), (weights.at(dense.weight.offset), dense.weight.len));
        self.product(dx.at(0), size, (dy, false), (w, false))?;
        Ok(dx)
    }

    pub(super) fn dense_weight(&mut self, dense: &Dense, x: &Buf, dy: &Buf, sink: &Sink<'_, Buf>) -> Result<()> {
        if let Some(gradients) = sink.gradients {
            let size = Size { m: dense.outputs, n: dense.inputs, k: dy.batch() };
            let (left, right) = ((dy.at(0), dy.len()), (x.at(0), x.len()));
            self.product(gradients.at(dense.weight.offset), size, (left, true), (right, false))?;
            self.bias_gradient(dy, dense.outputs, gradients.at(dense.bias.offset))?;
        }
        if let Some(norms) = sink.norms {
            let pointers = [x.at(0), dy.at(0), norms.at(0)].map(Arg::Pointer);
            let args = [&pointers[..], &[Arg::size(dense.inputs)?, Arg::size(dense.outputs)?]].concat();
            self.device.launch("dense_squares", Grid::blocks(dy.batch(), 1), &args)?;
        }
        Ok(())
    }

    /// Inner products of vectors in two arenas, read back to the host.
    pub(super) fn products_of_vectors(
        &mut self,
        features: usize,
        (left, rows): (&Buf, Range<usize>),
        (right, columns): (&Buf, Range<usize>),
        out: &mut [f32],
    ) -> Result<()> {
        let size = Size { m: rows.len(), n: columns.len(), k: features };
        let fits = rows.end * features <= left.len() && columns.end * features <= right.len();
        if !fits || out.len() != size.m * size.n {
            return Err(Error::Failed(format!("no {} x {} products of vectors of {features} there", size.m, size.n)));
        }
        let to = self.scratch.borrow_mut().take("products", 4 * out.len())?;
        let left = Factor { at: left.at(rows.start * features), transposed: false };
        let right = Factor { at: right.at(columns.start * features), transposed: true };
        self.products.multiply(to, size, left, right, false, Format::Whole)?;
        to_host(&self.device.stream, out, to)
    }

    /// c = a b of f32 matrices, each an address and a length, in the precision of training.
    fn product(&mut self, c: u64, size: Size, a: ((u64, usize), bool), b: ((u64, usize), bool)) -> Result<()> {
        let (((mut left, a_len), a_turned), ((mut right, b_len), b_turned)) = (a, b);
        let format = if self.precision == Precision::Bf16 {
            left = self.narrowed("left16", left, a_len)?;
            right = self.narrowed("right16", right, b_len)?;
            Format::Bf16
        } else {
            Format::F32
        };
        let (a, b) = (Factor { at: left, transposed: a_turned }, Factor { at: right, transposed: b_turned });
        self.products.multiply(c, size, a, b, false, format)
    }

    /// A copy in bfloat16.
    pub(super) fn narrowed(&mut self, purpose: &'static str, from: u64, len: usize) -> Result<u64> {
        let to = self.scratch.borrow_mut().take(purpose, 2 * len)?;
        self.device.launch("narrow", Grid::each(len), &[Arg::Pointer(from), Arg::Pointer(to), Arg::size(len)?])?;
        Ok(to)
    }

    /// x += bias, in every row.
    pub(super) fn add_bias(&self, x: &Buf, bias: u64) -> Result<()> {
        self.add_bias_to(x, bias, x.per_example())
    }

    /// x += bias, in every row of so many channels.
    pub(super) fn add_bias_to(&self, x: &Buf, bias: u64, channels: usize) -> Result<()> {
        let args = [Arg::Pointer(x.at(0)), Arg::Pointer(bias), Arg::size(x.len())?, Arg::size(channels)?];
        self.device.launch("add_bias", Grid::each(x.len()), &args)
    }

    /// The sum of dy over its rows.
    pub(super) fn bias_gradient(&mut self, dy: &Buf, channels: usize, gradient: u64) -> Result<()> {
        let rows = dy.len() / channels;
        let (part, count) = parts_of(rows, channels);
        let parts = self.column_sums(dy, (rows, part, count), channels)?;
        let pointers = [parts, gradient, 0].map(Arg::Pointer);
        let args = [&pointers[..], &[Arg::size(count)?, Arg::size(channels)?]].concat();
        self.device.launch("column_totals", Grid::columns(1, channels), &args)
    }

    /// Sums of dy over each part of its rows; where they lie.
    pub(super) fn column_sums(
        &mut self,
        dy: &Buf,
        (rows, part, count): (usize, usize, usize),
        channels: usize,
    ) -> Result<u64> {
        let parts = self.scratch.borrow_mut().take("parts", 16 * count * channels)?;
        let sizes = [Arg::size(rows)?, Arg::size(part)?, Arg::size(channels)?];
        let args = [&[Arg::Pointer(dy.at(0)), Arg::Pointer(parts)][..], &sizes].concat();
        self.device.launch("column_sums", Grid::columns(count, channels), &args)?;
        Ok(parts)
    }
}
