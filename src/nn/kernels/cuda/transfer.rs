//! What goes between host and device inside an epoch: a few hundred bytes down per step, and logs that are read back
//! when somebody asks.
#![allow(unsafe_code)]

use std::sync::Arc;

use cudarc::driver::{CudaEvent, CudaStream, PinnedHostSlice, result};

use super::CudaKernels;
use super::error;
use super::functions::Arg;
use super::launch::Grid;
use super::memory::{Block, Buf, copy_within, to_host};
use crate::data::View;
use crate::nn::Shape;
use crate::nn::kernels::Objective;
use crate::scores::Record;
use crate::{Error, Result};

/// Uploads that may be under way at once: the host runs at most so far ahead of the device.
const RING: usize = 16;
/// Words of an example in the log of observations.
const RECORD: usize = 4;

/// A place of the ring: host memory that the device reads by itself, and where it goes.
struct Slot {
    host: PinnedHostSlice<u32>,
    device: Block,
    sent: CudaEvent,
}

/// Small uploads that wait for nothing.
pub struct Uploads {
    stream: Arc<CudaStream>,
    ring: Vec<Slot>,
    next: usize,
}

impl Uploads {
    /// An empty ring.
    pub fn new(stream: Arc<CudaStream>) -> Self {
        Self { stream, ring: Vec::new(), next: 0 }
    }

    /// Sends words; where they will lie for what the stream does next.
    ///
    /// # Errors
    /// `Error::OutOfMemory`, or a failing device.
    pub fn send(&mut self, words: impl ExactSizeIterator<Item = u32>) -> Result<u64> {
        let count = words.len();
        let place = self.next % RING;
        self.next = place + 1;
        if self.ring.get(place).is_none_or(|slot| slot.host.len() < count) {
            let slot = self.slot(count)?;
            match self.ring.get_mut(place) {
                Some(small) => {
                    // The device may still read the old slot's host memory.
                    small.sent.synchronize().map_err(error::driver)?;
                    *small = slot;
                }
                None => self.ring.push(slot),
            }
        }
        let slot =
            self.ring.get_mut(place).ok_or_else(|| Error::Failed("a bug: the ring of uploads is empty".into()))?;
        slot.sent.synchronize().map_err(error::driver)?;
        let host = slot.host.as_mut_slice().map_err(error::driver)?;
        host.iter_mut().zip(words).for_each(|(place, word)| *place = word);
        // SAFETY: the block is as long as the host memory, which is not touched before the event says it was read.
        unsafe { result::memcpy_htod_async(slot.device.address(), &host[..count], self.stream.cu_stream()) }
            .map_err(error::driver)?;
        slot.sent.record(&self.stream).map_err(error::driver)?;
        Ok(slot.device.address())
    }

    fn slot(&self, count: usize) -> Result<Slot> {
        let len = count.next_power_of_two().max(256);
        // SAFETY: the memory is written before it is sent, and words have no invalid value.
        let host = unsafe { self.stream.context().alloc_pinned::<u32>(len) }.map_err(error::driver)?;
        let sent = self.stream.context().new_event(None).map_err(error::driver)?;
        Ok(Slot { host, device: Block::new(&self.stream, 4 * len)?, sent })
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        // Host memory must outlive the copies from it.
        let _ = self.stream.synchronize();
    }
}

/// Values that the device appends and the host reads at once.
#[derive(Default)]
pub struct Log {
    block: Option<Block>,
    words: usize,
}

impl Log {
    /// Room for so many words (of 4 bytes) more; where they go.
    ///
    /// # Errors
    /// `Error::OutOfMemory`.
    pub fn grow(&mut self, stream: &Arc<CudaStream>, words: usize) -> Result<u64> {
        let (start, end) = (4 * self.words, 4 * (self.words + words));
        let held = self.block.as_ref().map_or(0, Block::bytes);
        if held < end {
            let larger = Block::new(stream, end.max(2 * held))?;
            if let Some(block) = &self.block {
                copy_within(stream, larger.address(), block.address(), start)?;
            }
            self.block = Some(larger);
        }
        self.words += words;
        self.block
            .as_ref()
            .map(|block| block.address() + start as u64)
            .ok_or_else(|| Error::Failed("a bug: no log".into()))
    }

    /// Reads all of it and forgets it.
    ///
    /// # Errors
    /// A failing device.
    pub fn take<T: Copy + Default>(&mut self, stream: &CudaStream) -> Result<Vec<T>> {
        debug_assert_eq!(size_of::<T>(), 4);
        let mut values = vec![T::default(); self.words];
        if let Some(block) = &self.block {
            to_host(stream, &mut values, block.address())?;
        }
        self.words = 0;
        Ok(values)
    }
}

impl CudaKernels {
    /// Images at positions of the resident data set.
    pub(super) fn batch_of(&mut self, positions: &[u32], views: &[View]) -> Result<Buf> {
        let resident = self.resident.clone().ok_or_else(|| Error::Failed("these kernels have no data set".into()))?;
        let (shape, count) = (resident.shape, positions.len());
        let view = |index| packed(views.get(index).copied().unwrap_or_default());
        let words: Vec<u32> = positions.iter().copied().chain((0..count).map(view)).collect();
        let batch = self.uploads.send(words.into_iter())?;
        let y = self.pool.take(shape.len(), count)?;
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(Arg::size);
        let args = [
            Arg::Pointer(resident.pixels()),
            Arg::Pointer(resident.tables()),
            Arg::Pointer(batch),
            Arg::Pointer(y.at(0)),
            Arg::size(count)?,
            Arg::size(resident.examples)?,
            channels?,
            height?,
            width?,
        ];
        self.device.launch("images", Grid::each(y.len()), &args)?;
        Ok(y)
    }

    /// The gradient of the logits; the observations go to the log.
    pub(super) fn loss_of(&mut self, objective: Objective, logits: &Buf, labels: &[u16], scale: f64) -> Result<Buf> {
        let (rows, classes) = (logits.batch(), logits.per_example());
        if labels.len() != rows {
            return Err(Error::Failed(format!("{} labels for {rows} rows of logits", labels.len())));
        }
        let labels = self.uploads.send(labels.iter().map(|label| u32::from(*label)))?;
        let gradient = self.pool.take(classes, rows)?;
        let seen = self.seen.grow(&self.device.stream, RECORD * rows)?;
        let pointers = [logits.at(0), labels, gradient.at(0), seen].map(Arg::Pointer);
        let hinge = Arg::flag(objective == Objective::ZeroHinge);
        let args = [&pointers[..], &[Arg::size(classes)?, Arg::Double(scale), hinge]].concat();
        self.device.launch("loss", Grid::rows(rows), &args)?;
        Ok(gradient)
    }

    /// Reads the log of observations.
    pub(super) fn observations(&mut self, seen: &mut Record) -> Result<()> {
        let words: Vec<u32> = self.seen.take(&self.device.stream)?;
        for word in words.chunks_exact(RECORD) {
            seen.loss.push(f32::from_bits(word[0]));
            seen.margin.push(f32::from_bits(word[1]));
            seen.entropy.push(f32::from_bits(word[2]));
            seen.predicted.push(u16::try_from(word[3]).unwrap_or(u16::MAX));
        }
        Ok(())
    }

    /// Writes a buffer in the host's order, `[B, C, H, W]`.
    pub(super) fn in_planes(&self, shape: Shape, x: &Buf, to: u64) -> Result<()> {
        if shape.pixels() == 1 || shape.channels == 1 {
            return copy_within(&self.device.stream, to, x.at(0), 4 * x.len());
        }
        let args = [Arg::size(x.len())?, Arg::size(shape.pixels())?, Arg::size(shape.channels)?];
        let args = [&[Arg::Pointer(x.at(0)), Arg::Pointer(to)][..], &args].concat();
        self.device.launch("to_planes", Grid::each(x.len()), &args)
    }

    /// Reads values in the host's order into a buffer's own.
    pub(super) fn in_pixels(&self, shape: Shape, from: u64, y: &Buf) -> Result<()> {
        if shape.pixels() == 1 || shape.channels == 1 {
            return copy_within(&self.device.stream, y.at(0), from, 4 * y.len());
        }
        let args = [Arg::size(y.len())?, Arg::size(shape.pixels())?, Arg::size(shape.channels)?];
        let args = [&[Arg::Pointer(from), Arg::Pointer(y.at(0))][..], &args].concat();
        self.device.launch("to_pixels", Grid::each(y.len()), &args)
    }
}

/// A view in a word: top and left as signed bytes, the flip above them.
fn packed(view: View) -> u32 {
    u32::from(view.top.cast_unsigned()) | u32::from(view.left.cast_unsigned()) << 8 | u32::from(view.flip) << 16
}
