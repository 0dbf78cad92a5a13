//! Which reference examples lie nearest to each example? Exact, by blocks of matrix products: |a - b|² = |a|² + |b|² - 2 a·b.
//!
//! Examples are numbered: references first, then queries. A [`Search`] holds a block of references; every other example
//! passes by in tiles, with all its features, and is compared with the block:
//!
//! ```text
//!              references            queries
//!          block 1 | block 2 | ... |
//! block 1:   held     tiles   tiles   tiles     each pair of references once: distances are symmetric, so that a
//! block 2:            held    tiles   tiles     tile serves the block's examples and the block serves the tile's
//! ```
//! Blocks of examples bound the memory with fewer passes than blocks of features would: a pair's distance is complete at
//! once, so that nothing but the nearest so far is kept, and a tile is made once for each block before it. [`Blocks`]
//! has the sizes.

mod nearest;
mod vectors;

use std::ops::Range;

use super::{Kernels, Real};
use crate::{Error, Result};
use nearest::Nearest;
use vectors::Vectors;

/// Examples whose distances to each other are worked out at once: their embeddings stay in cache for some features.
const AT_ONCE: usize = 480;
/// Tiles are multiples of this, so that they fill the panels of every instruction set.
const FULL: usize = 48;
/// Bytes of the references that are held.
const HELD: usize = 1 << 30;
/// Bytes of the examples that pass by at once; and of what lies between the network and the search.
const TILE: usize = 1 << 26;
/// Examples, evenly spread over the references, whose mean is the centre.
pub const CENTRE: usize = 256;

/// How a search is divided so that it fits into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// References that are held at once.
    pub held: usize,
    /// Examples that pass by at once.
    pub tile: usize,
}

impl Blocks {
    /// For so many features and references, of `value` bytes each.
    pub fn of(features: usize, references: usize, value: usize) -> Self {
        let example = (features * value).max(1);
        let held = (HELD / example).clamp(1, references.max(1));
        // Blocks of about the same size: the last one is none for a handful of examples.
        let held = references.div_ceil(references.div_ceil(held).max(1)).max(1);
        let tile = (TILE / example).clamp(1, AT_ONCE);
        Self { held, tile: if tile > FULL { tile / FULL * FULL } else { tile } }
    }

    /// Bytes that a search takes: the block, a tile on its way (as the network has it, as it gives it, less the centre, and
    /// in place), distances and their transpose, and the nearest of all examples.
    pub fn bytes(self, features: usize, examples: usize, k: usize, value: usize) -> usize {
        let lists = examples * ((k + 1) * 2 * value.max(4) + size_of::<Nearest<f64>>());
        (self.held + 4 * self.tile) * features * value + 2 * AT_ONCE * AT_ONCE * value + lists
    }
}

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Length of an embedding.
    pub features: usize,
    /// Examples among which neighbours are found: numbers `0..references`.
    pub references: usize,
    /// Other examples, which follow them.
    pub queries: usize,
    /// Neighbours of each.
    pub k: usize,
    /// Whether neighbours of the references are wanted too.
    pub among: bool,
    /// Whether a reference is no neighbour of itself.
    pub leave_one_out: bool,
}

impl Job {
    /// How it is divided.
    pub fn blocks<R>(&self) -> Blocks {
        Blocks::of(self.features, self.references, size_of::<R>())
    }

    fn examples(&self) -> usize {
        self.references + self.queries
    }

    /// Whom a block meets behind itself, in parts.
    pub fn passing(&self, block: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let references = if self.among { block.end..self.references } else { 0..0 };
        cut(references, most).chain(cut(self.references..self.examples(), most))
    }
}

/// A search in progress.
pub struct Search<K: Kernels> {
    job: Job,
    centre: Vec<K::Real>,
    /// The number of the first held reference.
    first: usize,
    held: Vectors<K>,
    tile: Vectors<K>,
    nearest: Vec<Nearest<K::Real>>,
    distances: Vec<K::Real>,
    turned: Vec<K::Real>,
    scratch: Vec<K::Real>,
}

impl<K: Kernels> Search<K> {
    /// Takes all memory of a search around a centre: about the mean of some embeddings `[some, features]`.
    ///
    /// # Errors
    /// No memory on the device.
    pub fn new(kernels: &mut K, job: Job, some: &[K::Real]) -> Result<Self> {
        let Blocks { held, tile } = job.blocks::<K::Real>();
        Ok(Self {
            job,
            centre: centre_of(some, job.features),
            first: 0,
            held: Vectors::new(kernels, job.features, held)?,
            tile: Vectors::new(kernels, job.features, tile)?,
            nearest: vec![Nearest::new(job.k); job.examples()],
            distances: vec![K::Real::ZERO; AT_ONCE * AT_ONCE],
            turned: vec![K::Real::ZERO; AT_ONCE * AT_ONCE],
            scratch: Vec::new(),
        })
    }

    /// Starts the block whose first reference has this number.
    pub fn begin(&mut self, first: usize) {
        self.first = first;
        self.held.clear();
    }

    /// Appends embeddings to the block, and compares the block's examples with them.
    ///
    /// # Errors
    /// What `obey` says, which is asked now and then; a failing device.
    pub fn hold<E: From<Error>>(
        &mut self,
        kernels: &mut K,
        values: &[K::Real],
        obey: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.held.count();
        self.held.push(kernels, values, &self.centre, &mut self.scratch)?;
        let new = if self.job.among { before..self.held.count() } else { 0..0 };
        for columns in parts(new) {
            for rows in parts(0..columns.start).chain([columns.clone()]) {
                obey()?;
                self.compare_held(kernels, rows, columns.clone())?;
            }
        }
        Ok(())
    }

    /// Compares the block with at most a tile of embeddings, of the examples from number `first` on: references behind
    /// the block, or queries, never both.
    ///
    /// # Errors
    /// As for [`Self::hold`].
    pub fn pass<E: From<Error>>(
        &mut self,
        kernels: &mut K,
        first: usize,
        values: &[K::Real],
        obey: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        self.tile.clear();
        self.tile.push(kernels, values, &self.centre, &mut self.scratch)?;
        let columns = 0..self.tile.count();
        for rows in parts(0..self.held.count()) {
            obey()?;
            let area = rows.len() * columns.len();
            let out = self.distances.get_mut(..area).unwrap_or(&mut []);
            self.held.distances(kernels, rows.clone(), &self.tile, columns.clone(), out)?;
            if first < self.job.references {
                self.scan_rows(rows.clone(), columns.len(), first, None);
            }
            self.scan_columns(rows, columns.len(), first);
        }
        Ok(())
    }

    /// Each example's neighbours: squared distance and number, nearest first; fewer than `k` where there are fewer.
    pub fn neighbours(&self) -> impl Iterator<Item = &[(K::Real, u32)]> {
        self.nearest.iter().map(Nearest::found)
    }

    /// Rows of the block with columns of the block: the same ones, or others.
    fn compare_held(&mut self, kernels: &mut K, rows: Range<usize>, columns: Range<usize>) -> Result<()> {
        let area = rows.len() * columns.len();
        let out = self.distances.get_mut(..area).unwrap_or(&mut []);
        self.held.distances(kernels, rows.clone(), &self.held, columns.clone(), out)?;
        let first = self.first + columns.start;
        if rows == columns {
            out.iter_mut().step_by(columns.len() + 1).for_each(|own| *own = K::Real::ZERO);
            self.scan_rows(rows, columns.len(), first, self.job.leave_one_out.then_some(first));
            return Ok(());
        }
        self.scan_rows(rows.clone(), columns.len(), first, None);
        self.scan_columns(rows, columns.len(), first);
        Ok(())
    }

    /// The columns' examples, from number `first` on, as neighbours of rows of the block; without each one's own, whose
    /// numbers start at `own`.
    fn scan_rows(&mut self, rows: Range<usize>, columns: usize, first: usize, own: Option<usize>) {
        let nearest = self.nearest.iter_mut().skip(self.first + rows.start).take(rows.len());
        for (row, (nearest, distances)) in nearest.zip(self.distances.chunks_exact(columns.max(1))).enumerate() {
            nearest.scan(distances, first, own.map(|own| own + row));
        }
    }

    /// Rows of the block as neighbours of the columns' examples, from number `first` on.
    fn scan_columns(&mut self, rows: Range<usize>, columns: usize, first: usize) {
        let area = rows.len() * columns;
        let (from, to) = (self.distances.get(..area), self.turned.get_mut(..area));
        let (Some(from), Some(to)) = (from, to) else { return };
        turn(from, columns, to, rows.len());
        let nearest = self.nearest.iter_mut().skip(first).take(columns);
        for (nearest, distances) in nearest.zip(to.chunks_exact(rows.len().max(1))) {
            nearest.scan(distances, self.first + rows.start, None);
        }
    }
}

/// A range in parts of at most [`AT_ONCE`].
fn parts(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    cut(range, AT_ONCE)
}

/// A range in parts.
pub fn cut(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(most.max(1)).map(move |start| start..(start + most).min(range.end))
}

/// About the mean of embeddings `[some, features]`; 0 where there are none.
///
/// A centre of eight binary digits is near enough, and takes none away from values that have few: equal distances of
/// whole numbers stay equal.
fn centre_of<R: Real>(some: &[R], features: usize) -> Vec<R> {
    let mut sums = vec![0.0; features];
    for values in some.chunks_exact(features.max(1)) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value.to_f64());
    }
    let count = (some.len() / features.max(1)).max(1) as f64;
    sums.into_iter().map(|sum| R::from_f64(shortened(sum / count))).collect()
}

/// A number to eight binary digits; 0 for what is no number, since any finite centre leaves distances as they are.
fn shortened(value: f64) -> f64 {
    let (digits, exponent) = libm::frexp(value);
    let short = libm::scalbn(libm::round(256.0 * digits) / 256.0, exponent);
    if short.is_finite() { short } else { 0.0 }
}

/// The transpose of a matrix with so many columns, by small tiles.
fn turn<R: Real>(from: &[R], columns: usize, to: &mut [R], rows: usize) {
    const TILE: usize = 16;
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for column in left..(left + TILE).min(columns) {
                for row in top..(top + TILE).min(rows) {
                    to[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}

/// The neighbours of embeddings that are all at hand, references first: what a search in blocks finds.
///
/// # Errors
/// A failing device.
pub fn search<K: Kernels>(kernels: &mut K, job: Job, embeddings: &[K::Real]) -> Result<Search<K>> {
    let features = job.features;
    let at = |range: Range<usize>| embeddings.get(range.start * features..range.end * features).unwrap_or(&[]);
    let step = job.references.div_ceil(CENTRE).max(1);
    let some: Vec<K::Real> = (0..job.references).step_by(step).flat_map(|own| at(own..own + 1)).copied().collect();
    let mut search = Search::new(kernels, job, &some)?;
    let Blocks { held, tile } = job.blocks::<K::Real>();
    let mut obey = || Ok::<(), Error>(());
    for block in cut(0..job.references, held) {
        search.begin(block.start);
        for part in cut(block.clone(), tile) {
            search.hold(kernels, at(part), &mut obey)?;
        }
        for part in job.passing(&block, tile) {
            search.pass(kernels, part.start, at(part), &mut obey)?;
        }
    }
    Ok(search)
}

#[cfg(test)]
mod tests;
