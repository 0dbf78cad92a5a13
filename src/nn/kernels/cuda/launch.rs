//! How is a kernel started? On the replicate's stream, in blocks whose number depends on shapes alone.
#![allow(unsafe_code)]

use std::sync::Arc;

use cudarc::driver::{CudaStream, LaunchConfig, PushKernelArg};

use super::error;
use super::functions::Arg;
use super::gpu::Gpu;
use crate::{Error, Result};

/// Threads of a block, as in `common.cu`.
const THREADS: usize = 256;
/// Most blocks of a kernel that goes over elements: each thread takes several beyond that.
const MOST_BLOCKS: usize = 16_384;
/// Most parts that a sum over rows is made of.
const MOST_PARTS: usize = 256;
/// Rows that each thread of a part sums, at least.
const LEAST_ROWS: usize = 4;

/// Blocks and threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    blocks: (usize, usize),
    threads: (usize, usize),
}

impl Grid {
    /// Over so many elements.
    pub fn each(count: usize) -> Self {
        Self { blocks: (count.div_ceil(THREADS).clamp(1, MOST_BLOCKS), 1), threads: (THREADS, 1) }
    }

    /// A block for each of x and y.
    pub fn blocks(x: usize, y: usize) -> Self {
        Self { blocks: (x, y), threads: (THREADS, 1) }
    }

    /// A block of one warp for each row.
    pub fn rows(count: usize) -> Self {
        Self { blocks: (count, 1), threads: (32, 1) }
    }

    /// Blocks of (channels, rows) threads: so many parts of the rows, by all channels.
    pub fn columns(parts: usize, channels: usize) -> Self {
        let wide = channels.next_power_of_two().clamp(8, 64);
        Self { blocks: (parts, channels.div_ceil(wide)), threads: (wide, THREADS / wide) }
    }

    fn config(self) -> Result<LaunchConfig> {
        let size = |(x, y): (usize, usize), most: usize| {
            let fits = u32::try_from(x).ok().zip(u32::try_from(y).ok()).filter(|_| x > 0 && y > 0 && y <= most);
            fits.map(|(x, y)| (x, y, 1))
                .ok_or_else(|| Error::Failed(format!("{x} x {y} blocks are more than a GPU has")))
        };
        Ok(LaunchConfig {
            grid_dim: size(self.blocks, 65_535)?,
            block_dim: size(self.threads, 1024)?,
            shared_mem_bytes: 0,
        })
    }
}

/// Rows of a matrix in parts: how many rows each has, and how many parts there are.
pub fn parts_of(rows: usize, channels: usize) -> (usize, usize) {
    let high = Grid::columns(1, channels).threads.1;
    let part = rows.div_ceil(MOST_PARTS).max(LEAST_ROWS * high);
    (part, rows.div_ceil(part))
}

/// A GPU and the stream of one replicate.
pub struct Device {
    /// The GPU.
    pub gpu: Arc<Gpu>,
    /// The replicate's own.
    pub stream: Arc<CudaStream>,
}

impl Device {
    /// Starts a kernel behind all that the stream does already.
    ///
    /// # Errors
    /// Arguments that it does not take, or a failing device.
    pub fn launch(&self, name: &str, grid: Grid, args: &[Arg]) -> Result<()> {
        self.gpu.signatures().check(name, args)?;
        let mut launch = self.stream.launch_builder(self.gpu.function(name)?);
        for arg in args {
            match arg {
                Arg::Pointer(value) => launch.arg(value),
                Arg::Int(value) => launch.arg(value),
                Arg::Float(value) => launch.arg(value),
                Arg::Double(value) => launch.arg(value),
            };
        }
        // SAFETY: number and kinds of the arguments were checked against the kernel's source; the callers in this
        // module pass addresses of blocks of this stream, as long as the kernel's sizes say.
        unsafe { launch.launch(grid.config()?) }.map(|_| ()).map_err(error::driver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_rows_and_stay_few() {
        for (rows, channels) in [(1, 1), (3, 10), (64, 64), (131_072, 16), (8192, 512), (1_000_003, 3)] {
            let (part, count) = parts_of(rows, channels);
            assert!(part * count >= rows && part * (count - 1) < rows && count <= MOST_PARTS, "{rows} {part} {count}");
        }
    }

    #[test]
    fn grids_have_whole_blocks_of_threads() {
        for channels in [1, 3, 8, 10, 16, 64, 100, 512] {
            let grid = Grid::columns(7, channels);
            assert_eq!(grid.threads.0 * grid.threads.1, THREADS);
            assert!(grid.threads.0 * grid.blocks.1 >= channels);
        }
        assert_eq!(Grid::each(0).blocks.0, 1);
        assert!(Grid::each(usize::MAX / 2).blocks.0 == MOST_BLOCKS && Grid::blocks(1, 70_000).config().is_err());
    }
}
