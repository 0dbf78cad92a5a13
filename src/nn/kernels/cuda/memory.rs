//! Memory of a GPU: blocks, counted handles on them, and a pool that hands blocks out again.
//!
//! All memory of a replicate is used on its own stream alone. So no event has to order its uses, and a block that is
//! dropped is freed behind whatever the stream still does with it.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, result};

use super::error;
use crate::Result;

/// A piece of memory, arbitrary at first.
pub struct Block {
    memory: CudaSlice<u8>,
    address: u64,
}

impl Block {
    /// So many bytes (at least one).
    ///
    /// # Errors
    /// `Error::OutOfMemory` where there are not so many.
    pub fn new(stream: &Arc<CudaStream>, bytes: usize) -> Result<Self> {
        // SAFETY: bytes have no invalid value, and nothing is read before a kernel or a copy has written it.
        let memory = unsafe { stream.alloc::<u8>(bytes.max(1)) }.map_err(error::driver)?;
        let address = memory.device_ptr(stream).0;
        Ok(Self { memory, address })
    }

    /// Where it lies.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.memory.len()
    }
}

/// A counted handle on f32 values: `per_example` for each example of a batch.
#[derive(Clone)]
pub struct Buf {
    block: Rc<Block>,
    per_example: usize,
    batch: usize,
}

impl Buf {
    /// A buffer outside any pool.
    ///
    /// # Errors
    /// `Error::OutOfMemory`.
    pub fn arena(stream: &Arc<CudaStream>, len: usize) -> Result<Self> {
        let block = Rc::new(Block::new(stream, 4 * len)?);
        let arena = Self { block, per_example: len, batch: 1 };
        zero(stream, arena.at(0), 4 * len)?;
        Ok(arena)
    }

    /// Examples in it.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Values of one example.
    pub fn per_example(&self) -> usize {
        self.per_example
    }

    /// Values in it.
    #[allow(clippy::len_without_is_empty)] // no batch is empty
    pub fn len(&self) -> usize {
        self.per_example * self.batch
    }

    /// Where a value lies.
    pub fn at(&self, place: usize) -> u64 {
        debug_assert!(4 * place <= self.block.bytes());
        self.block.address + 4 * place as u64
    }
}

/// Blocks by the bytes of one example, so that a partial batch uses the same ones.
///
/// How many of a class are alive at once depends on the pass alone, hence a pass that was made once finds all it needs.
pub struct Pool {
    stream: Arc<CudaStream>,
    classes: HashMap<usize, Vec<Rc<Block>>>,
}

impl Pool {
    /// An empty one.
    pub fn new(stream: Arc<CudaStream>) -> Self {
        Self { stream, classes: HashMap::new() }
    }

    /// A buffer with arbitrary content.
    ///
    /// # Errors
    /// `Error::OutOfMemory`.
    pub fn take(&mut self, per_example: usize, batch: usize) -> Result<Buf> {
        let bytes = 4 * per_example * batch;
        let blocks = self.classes.entry(per_example).or_default();
        // The smallest that is large enough, so that a large batch later finds the large ones.
        let free = blocks.iter().filter(|block| Rc::strong_count(block) == 1);
        let fitting = free.filter(|block| block.bytes() >= bytes).min_by_key(|block| block.bytes()).cloned();
        if let Some(block) = fitting {
            return Ok(Buf { block, per_example, batch });
        }
        // A free one that is too small makes room for its successor.
        if let Some(place) = blocks.iter().position(|block| Rc::strong_count(block) == 1) {
            blocks.swap_remove(place);
        }
        let block = Rc::new(Block::new(&self.stream, bytes)?);
        blocks.push(block.clone());
        Ok(Buf { block, per_example, batch })
    }

    /// The buffer itself where nobody else holds it, else a copy: what in-place work starts from.
    ///
    /// # Errors
    /// `Error::OutOfMemory`.
    pub fn own(&mut self, x: Buf) -> Result<Buf> {
        if Rc::strong_count(&x.block) <= 2 {
            return Ok(x);
        }
        let copy = self.take(x.per_example, x.batch)?;
        copy_within(&self.stream, copy.at(0), x.at(0), 4 * x.len())?;
        Ok(copy)
    }

    /// Bytes in all its blocks.
    pub fn bytes(&self) -> usize {
        self.classes.values().flatten().map(|block| block.bytes()).sum()
    }
}

/// What operations need for a moment, by its purpose; each only grows.
pub struct Scratch {
    stream: Arc<CudaStream>,
    blocks: HashMap<&'static str, Block>,
}

impl Scratch {
    /// An empty one.
    pub fn new(stream: Arc<CudaStream>) -> Self {
        Self { stream, blocks: HashMap::new() }
    }

    /// The address of at least so many bytes for a purpose; what was there is arbitrary now.
    ///
    /// # Errors
    /// `Error::OutOfMemory`.
    pub fn take(&mut self, purpose: &'static str, bytes: usize) -> Result<u64> {
        if let Some(block) = self.blocks.get(purpose).filter(|block| block.bytes() >= bytes) {
            return Ok(block.address());
        }
        self.blocks.remove(purpose);
        let block = Block::new(&self.stream, bytes)?;
        let address = block.address();
        self.blocks.insert(purpose, block);
        Ok(address)
    }

    /// Bytes in all its blocks.
    pub fn bytes(&self) -> usize {
        self.blocks.values().map(Block::bytes).sum()
    }
}

/// Sets bytes to 0.
///
/// # Errors
/// A failing device.
pub fn zero(stream: &CudaStream, address: u64, bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    stream.context().bind_to_thread().map_err(error::driver)?;
    // SAFETY: callers pass a block of this stream and at most its length.
    unsafe { result::memset_d8_async(address, 0, bytes, stream.cu_stream()) }.map_err(error::driver)
}

/// Copies bytes between blocks.
///
/// # Errors
/// A failing device.
pub fn copy_within(stream: &CudaStream, to: u64, from: u64, bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    stream.context().bind_to_thread().map_err(error::driver)?;
    // SAFETY: callers pass blocks of this stream and at most their lengths.
    unsafe { result::memcpy_dtod_async(to, from, bytes, stream.cu_stream()) }.map_err(error::driver)
}

/// Copies host values to a block and waits for it.
///
/// # Errors
/// A failing device.
pub fn to_device<T: Copy>(stream: &CudaStream, to: u64, from: &[T]) -> Result<()> {
    if from.is_empty() {
        return Ok(());
    }
    stream.context().bind_to_thread().map_err(error::driver)?;
    // SAFETY: callers pass a block of this stream that is as long; `from` outlives the copy, which is waited for.
    unsafe { result::memcpy_htod_async(to, from, stream.cu_stream()) }.map_err(error::driver)?;
    stream.synchronize().map_err(error::driver)
}

/// Copies a block to the host and waits for it.
///
/// # Errors
/// A failing device.
pub fn to_host<T: Copy>(stream: &CudaStream, to: &mut [T], from: u64) -> Result<()> {
    if to.is_empty() {
        return Ok(());
    }
    stream.context().bind_to_thread().map_err(error::driver)?;
    // SAFETY: callers pass a block of this stream that is as long; `T` is a plain number; the copy is waited for.
    unsafe { result::memcpy_dtoh_async(to, from, stream.cu_stream()) }.map_err(error::driver)?;
    stream.synchronize().map_err(error::driver)
}
