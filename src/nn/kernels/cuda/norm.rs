//! Batch norm and group norm: one pass over a batch each way, beside the passes that sum.

use super::CudaKernels;
use super::functions::Arg;
use super::launch::{Grid, parts_of};
use super::memory::Buf;
use crate::Result;
use crate::nn::kernels::{Arenas, GroupNorm, Norm, Normed, Sink};

/// The address of a buffer that may be missing.
fn address(buffer: Option<&Buf>) -> Arg {
    Arg::Pointer(buffer.map_or(0, |buffer| buffer.at(0)))
}

fn pointer(buffer: &Buf) -> Arg {
    Arg::Pointer(buffer.at(0))
}

impl CudaKernels {
    pub(super) fn norm_forward(
        &mut self,
        norm: &Norm,
        train: bool,
        arenas: &Arenas<Buf>,
        x: &Buf,
        skip: Option<&Buf>,
    ) -> Result<(Buf, Buf)> {
        let channels = norm.shape.channels;
        let moments = self.pool.take(2 * channels, 1)?;
        let [mean, variance] = [norm.mean, norm.variance].map(|place| Arg::Pointer(arenas.statistics.at(place.offset)));
        if train {
            let rows = x.len() / channels;
            let (part, count) = parts_of(rows, channels);
            let parts = Arg::Pointer(self.scratch.borrow_mut().take("parts", 16 * count * channels)?);
            let [channels_arg, rows_arg] = [Arg::size(channels)?, Arg::size(rows)?];
            let args = [pointer(x), parts, rows_arg, Arg::size(part)?, channels_arg];
            self.device.launch("norm_sums", Grid::columns(count, channels), &args)?;
            let sizes = [Arg::size(count)?, rows_arg, channels_arg];
            let args = [&[parts, pointer(x), mean, variance, pointer(&moments)][..], &sizes].concat();
            self.device.launch("norm_moments", Grid::columns(1, channels), &args)?;
        } else {
            let args = [mean, variance, pointer(&moments), Arg::size(channels)?];
            self.device.launch("norm_running", Grid::each(channels), &args)?;
        }
        let y = self.pool.take(norm.shape.len(), x.batch())?;
        let args = [
            pointer(x),
            address(skip),
            pointer(&moments),
            Arg::Pointer(arenas.weights.at(norm.weight.offset)),
            Arg::Pointer(arenas.weights.at(norm.bias.offset)),
            pointer(&y),
            Arg::size(x.len())?,
            Arg::size(channels)?,
            Arg::flag(norm.relu),
        ];
        self.device.launch("norm_apply", Grid::each(x.len()), &args)?;
        Ok((y, moments))
    }

    pub(super) fn norm_gradients(
        &mut self,
        norm: &Norm,
        train: bool,
        weights: &Buf,
        Normed { x, moments, y }: &Normed<Buf>,
        dy: Buf,
        sink: &Sink<'_, Buf>,
    ) -> Result<(Buf, Buf)> {
        let (channels, pixels) = (norm.shape.channels, norm.shape.pixels());
        let rows = x.len() / channels;
        // Per-example norms need the sums of each example: parts are examples then.
        let (part, count) = if sink.norms.is_some() { (pixels, x.batch()) } else { parts_of(rows, channels) };
        let needs_sums = train || y.is_some() || sink.norms.is_some() || sink.gradients.is_some();
        let dz = if y.is_some() { self.pool.own(dy)? } else { dy };
        let parts = Arg::Pointer(self.scratch.borrow_mut().take("parts", 16 * count * channels)?);
        if needs_sums {
            let sizes = [Arg::size(rows)?, Arg::size(part)?, Arg::size(channels)?];
            let args = [pointer(x), address(y.as_ref()), pointer(&dz), pointer(&dz), pointer(moments), parts];
            let args = [&args[..], &sizes].concat();
            self.device.launch("norm_backward_sums", Grid::columns(count, channels), &args)?;
        }
        if let Some(norms) = sink.norms {
            self.device.launch(
                "add_squares",
                Grid::blocks(count, 1),
                &[parts, pointer(norms), Arg::size(channels)?],
            )?;
        }
        let coefficients = Arg::Pointer(self.scratch.borrow_mut().take("coefficients", 12 * channels)?);
        let gradient = |offset| Arg::Pointer(sink.gradients.map_or(0, |gradients| gradients.at(offset)));
        let args = [
            parts,
            pointer(moments),
            Arg::Pointer(weights.at(norm.weight.offset)),
            gradient(norm.weight.offset),
            gradient(norm.bias.offset),
            coefficients,
            Arg::size(if needs_sums { count } else { 0 })?,
            Arg::size(rows)?,
            Arg::size(channels)?,
            Arg::flag(train),
        ];
        self.device.launch("norm_backward_finish", Grid::columns(1, channels), &args)?;
        let dx = self.pool.take(norm.shape.len(), x.batch())?;
        let args = [pointer(x), pointer(&dz), coefficients, pointer(&dx)];
        let args = [&args[..], &[Arg::size(x.len())?, Arg::size(channels)?, Arg::flag(train)]].concat();
        self.device.launch("norm_backward_apply", Grid::each(x.len()), &args)?;
        Ok((dx, dz))
    }

    pub(super) fn group_norm_forward(
        &mut self,
        norm: &GroupNorm,
        weights: &Buf,
        x: &Buf,
        skip: Option<&Buf>,
    ) -> Result<(Buf, Buf)> {
        let y = self.pool.take(norm.shape.len(), x.batch())?;
        let moments = self.pool.take(2 * norm.groups, x.batch())?;
        let args = [
            pointer(x),
            address(skip),
            Arg::Pointer(weights.at(norm.weight.offset)),
            Arg::Pointer(weights.at(norm.bias.offset)),
            pointer(&y),
            pointer(&moments),
            Arg::size(norm.shape.pixels())?,
            Arg::size(norm.shape.channels)?,
            Arg::size(norm.groups)?,
            Arg::flag(norm.relu),
        ];
        self.device.launch("group_norm", Grid::blocks(x.batch(), norm.groups), &args)?;
        Ok((y, moments))
    }

    pub(super) fn group_norm_gradients(
        &mut self,
        norm: &GroupNorm,
        weights: &Buf,
        Normed { x, moments, y }: &Normed<Buf>,
        dy: Buf,
        sink: &Sink<'_, Buf>,
    ) -> Result<(Buf, Buf)> {
        let dz = if y.is_some() { self.pool.own(dy)? } else { dy };
        let dx = self.pool.take(norm.shape.len(), x.batch())?;
        let (batch, channels) = (x.batch(), norm.shape.channels);
        let sizes = [Arg::size(norm.shape.pixels())?, Arg::size(channels)?, Arg::size(norm.groups)?];
        let weight = Arg::Pointer(weights.at(norm.weight.offset));
        let args =
            [pointer(x), address(y.as_ref()), pointer(&dz), pointer(&dz), pointer(moments), weight, pointer(&dx)];
        let args = [&args[..], &sizes].concat();
        self.device.launch("group_norm_backward", Grid::blocks(batch, norm.groups), &args)?;
        if sink.norms.is_none() && sink.gradients.is_none() {
            return Ok((dx, dz));
        }
        let parts = Arg::Pointer(self.scratch.borrow_mut().take("parts", 16 * batch * channels)?);
        let args = [&[pointer(x), pointer(&dz), pointer(moments), parts][..], &sizes].concat();
        self.device.launch("group_norm_sums", Grid::columns(batch, channels), &args)?;
        if let Some(norms) = sink.norms {
            self.device.launch(
                "add_squares",
                Grid::blocks(batch, 1),
                &[parts, pointer(norms), Arg::size(channels)?],
            )?;
        }
        if let Some(gradients) = sink.gradients {
            let [bias, weight] = [norm.bias, norm.weight].map(|place| Arg::Pointer(gradients.at(place.offset)));
            let args = [parts, bias, weight, Arg::size(batch)?, Arg::size(channels)?];
            self.device.launch("column_totals", Grid::columns(1, channels), &args)?;
        }
        Ok((dx, dz))
    }
}
