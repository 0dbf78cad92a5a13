//! Matrix products on one core, without allocation: a register tile, compiled for each instruction set.
//!
//! A tile broadcasts values of the left matrix against packed rows of the right one. The sum over k runs in blocks of
//! at most [`BLOCK`], in an order that depends on the sizes alone: never on cache sizes (as the `gemm` crate's does,
//! which also allocates in every call).
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use super::conv::room;
use super::real::Real;
use super::vector::{InstructionSet, Set, TURN, Vector, WIDEST, Work};

/// Longest run of k that is summed in registers before it is added to the result.
const BLOCK: usize = 512;
/// A matrix whose rows and columns may lie anywhere apart: a transposed one has them exchanged.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, R> {
    /// The values.
    pub values: &'a [R],
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub column: usize,
}

impl<'a, R> Matrix<'a, R> {
    /// Row by row, each `row` values long.
    pub fn rows(values: &'a [R], row: usize) -> Self {
        Self { values, row, column: 1 }
    }

    /// The transpose of a matrix that lies row by row.
    pub fn transposed(values: &'a [R], row: usize) -> Self {
        Self { values, row: 1, column: row }
    }

    /// Whether all of `[rows, columns]` exists.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        let last = rows.saturating_sub(1) * self.row + columns.saturating_sub(1) * self.column;
        rows * columns == 0 || last < self.values.len()
    }
}

/// Rows, columns and depth of a product: `[m, k]` times `[k, n]`.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// Length of the sums.
    pub k: usize,
}

/// The products of one thread, with their scratch.
#[derive(Debug)]
pub struct Products<R> {
    set: InstructionSet,
    panel: Vec<R>,
}

impl<R: Real> Products<R> {
    /// With an instruction set.
    pub fn new(set: InstructionSet) -> Self {
        Self { set, panel: Vec::new() }
    }

    /// `out [m, n]` = (or, with `add`, +=) `left [m, k]` times `right [k, n]`; `out` lies row by row.
    pub fn multiply(&mut self, out: &mut [R], size: Size, left: Matrix<'_, R>, right: Matrix<'_, R>, add: bool) {
        let Size { m, n, k } = size;
        assert!(out.len() == m * n && left.holds(m, k) && right.holds(k, n));
        let panel = room(&mut self.panel, BLOCK.min(k) * 2 * WIDEST);
        self.set.run(Multiply { product: Product { size, left, right, add }, out, panel });
    }
}

/// A product and where it goes.
struct Multiply<'a, R> {
    product: Product<'a, R>,
    out: &'a mut [R],
    panel: &'a mut [R],
}

impl<R: Real> Work<R> for Multiply<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        // SAFETY: the caller has the set; lengths were checked before.
        unsafe {
            if S::MANY {
                self.product.run::<S, S::Wide, 8, 16>(self.out, self.panel);
            } else {
                self.product.run::<S, S::Wide, 4, 8>(self.out, self.panel);
            }
        }
    }
}

/// What is multiplied.
#[derive(Clone, Copy)]
struct Product<'a, R> {
    size: Size,
    left: Matrix<'a, R>,
    right: Matrix<'a, R>,
    add: bool,
}

impl<R: Real> Product<'_, R> {
    /// Blocks of k outside, then panels of columns, which stay in cache while all rows pass: panels of two registers,
    /// `TALL` rows for a panel of one.
    ///
    /// # Safety
    /// `out` is `[m, n]`, both matrices hold what `size` says, `panel` holds min(k, `BLOCK`) rows of two registers; the
    /// processor has the register's instruction set.
    #[inline(always)]
    unsafe fn run<S: Set<R>, V: Vector<Item = R>, const ROWS: usize, const TALL: usize>(
        self,
        out: &mut [R],
        panel: &mut [R],
    ) {
        let Size { m: _, n, k } = self.size;
        if k == 0 && !self.add {
            out.fill(R::ZERO);
        }
        let mut first = 0;
        while first < k {
            let mut column = 0;
            while column < n {
                let block = Block { first, depth: BLOCK.min(k - first), column };
                // SAFETY: the caller's contract.
                unsafe {
                    if n - column <= V::WIDTH {
                        self.panel::<S, V, 1, TALL>(block, out, panel);
                        column += V::WIDTH;
                    } else {
                        self.panel::<S, V, 2, ROWS>(block, out, panel);
                        column += 2 * V::WIDTH;
                    }
                }
            }
            first += BLOCK;
        }
    }

    /// One panel of `ABREAST` registers against all rows.
    ///
    /// # Safety
    /// As for [`Self::run`].
    #[inline(always)]
    unsafe fn panel<S: Set<R>, V: Vector<Item = R>, const ABREAST: usize, const ROWS: usize>(
        self,
        Block { first, depth, column }: Block,
        out: &mut [R],
        panel: &mut [R],
    ) {
        let Size { m, n, .. } = self.size;
        let width = ABREAST * V::WIDTH;
        let columns = width.min(n - column);
        let right = &self.right.values[first * self.right.row + column * self.right.column..];
        let right = Matrix { values: right, ..self.right };
        // Narrow panels are padded; where many tiles read a panel, rows far apart cost more than a copy.
        let packs = columns < width || right.column != 1 || m > 4 * ROWS;
        if packs {
            // SAFETY: the caller's contract.
            unsafe { pack::<R, S>(panel, right, depth, (columns, width)) };
        }
        let (source, stride) = if packs { (&*panel, width) } else { (right.values, right.row) };
        let mut row = 0;
        while row < m {
            let values = &self.left.values[row * self.left.row + first * self.left.column..];
            let tile = Tile { left: Matrix { values, ..self.left }, right: source, stride, depth };
            let mut place = Place { out: &mut out[row * n + column..], stride: n, columns, add: self.add || first > 0 };
            // SAFETY: these rows of left and `depth` rows of `width` values of `source` exist.
            unsafe {
                if m - row >= ROWS {
                    tile.run::<V, ABREAST, ROWS>(&mut place);
                    row += ROWS;
                } else if m - row >= 4 {
                    tile.run::<V, ABREAST, 4>(&mut place);
                    row += 4;
                } else if m - row >= 2 {
                    tile.run::<V, ABREAST, 2>(&mut place);
                    row += 2;
                } else {
                    tile.run::<V, ABREAST, 1>(&mut place);
                    row += 1;
                }
            }
        }
    }
}

/// Which part of the sums and of the columns.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    depth: usize,
    column: usize,
}

/// Copies `depth` rows of `columns` values into rows of `width`, padded with zeros.
///
/// # Safety
/// The processor has the set.
#[inline(always)]
unsafe fn pack<R: Real, S: Set<R>>(
    panel: &mut [R],
    right: Matrix<'_, R>,
    depth: usize,
    (columns, width): (usize, usize),
) {
    if right.column == 1 {
        for row in 0..depth {
            let (values, padding) = panel[row * width..][..width].split_at_mut(columns);
            values.copy_from_slice(&right.values[row * right.row..][..columns]);
            padding.fill(R::ZERO);
        }
        return;
    }
    let panel = &mut panel[..depth * width];
    if columns < width {
        panel.fill(R::ZERO);
    }
    for row in (0..depth).step_by(TURN) {
        for column in (0..columns).step_by(TURN) {
            let (rows, columns) = (TURN.min(depth - row), TURN.min(columns - column));
            let from = &right.values[row * right.row + column * right.column..];
            let to = &mut panel[row * width + column..];
            if rows == TURN && columns == TURN && right.row == 1 {
                assert!(from.len() > (TURN - 1) * right.column + TURN - 1 && to.len() >= (TURN - 1) * width + TURN);
                // SAFETY: the caller has the set; both squares exist.
                unsafe { S::turn(from.as_ptr(), right.column, to.as_mut_ptr(), width) };
            } else {
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    to[row * width + column] = from[row * right.row + column * right.column];
                }
            }
        }
    }
}

/// What a tile reads.
#[derive(Clone, Copy)]
struct Tile<'a, R> {
    left: Matrix<'a, R>,
    right: &'a [R],
    stride: usize,
    depth: usize,
}

/// Where a tile goes.
struct Place<'a, R> {
    out: &'a mut [R],
    stride: usize,
    columns: usize,
    add: bool,
}

impl<R: Real> Tile<'_, R> {
    /// Computes `ROWS` rows of sums in registers and stores their first columns.
    ///
    /// # Safety
    /// `left` has `ROWS` rows of `depth` values; `right` has `depth` rows of `ABREAST` (1 or 2) registers, `stride`
    /// apart; the processor has the register's instruction set.
    #[inline(always)]
    unsafe fn run<V: Vector<Item = R>, const ABREAST: usize, const ROWS: usize>(self, place: &mut Place<'_, R>) {
        let mut lanes = [R::ZERO; 2 * WIDEST];
        // SAFETY: row < `ROWS` and the loop runs over `depth`, so all that is read exists by this function's contract;
        // `lanes` holds two of the widest registers.
        unsafe {
            let mut sums = [[V::zero(); ABREAST]; ROWS];
            let (mut factors, mut values) = (self.left.values.as_ptr(), self.right.as_ptr());
            for _ in 0..self.depth {
                let mut loaded = [V::zero(); ABREAST];
                for (index, loaded) in loaded.iter_mut().enumerate() {
                    *loaded = V::load(values.add(index * V::WIDTH));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*factors.add(row * self.left.row));
                    for (sum, loaded) in sums.iter_mut().zip(loaded) {
                        *sum = sum.plus_product(factor, loaded);
                    }
                }
                factors = factors.wrapping_add(self.left.column);
                values = values.wrapping_add(self.stride);
            }
            for (row, sums) in sums.into_iter().enumerate() {
                if place.columns == ABREAST * V::WIDTH {
                    let out = place.out[row * place.stride..][..place.columns].as_mut_ptr();
                    for (index, sum) in sums.into_iter().enumerate() {
                        let out = out.add(index * V::WIDTH);
                        (if place.add { V::load(out).plus(sum) } else { sum }).store(out);
                    }
                    continue;
                }
                for (index, sum) in sums.into_iter().enumerate() {
                    sum.store(lanes.as_mut_ptr().add(index * V::WIDTH));
                }
                store(&mut place.out[row * place.stride..][..place.columns], &lanes[..place.columns], place.add);
            }
        }
    }
}

#[inline(always)]
fn store<R: Real>(out: &mut [R], sums: &[R], add: bool) {
    if add {
        for (out, sum) in out.iter_mut().zip(sums) {
            *out += *sum;
        }
    } else {
        out.copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Key;

    fn values(count: usize, purpose: &str) -> Vec<f64> {
        let mut stream = Key::study(5).stream(purpose);
        (0..count).map(|_| stream.normal()).collect()
    }

    /// The definition.
    fn naive(size: Size, left: Matrix<'_, f64>, right: Matrix<'_, f64>) -> Vec<f64> {
        let at = |matrix: Matrix<'_, f64>, row, column| matrix.values[row * matrix.row + column * matrix.column];
        let cell = |row, column| (0..size.k).map(|step| at(left, row, step) * at(right, step, column)).sum();
        (0..size.m * size.n).map(|index| cell(index / size.n, index % size.n)).collect()
    }

    fn close(one: &[f64], other: &[f64]) -> bool {
        one.len() == other.len() && one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-10 * (1.0 + b.abs()))
    }

    proptest! {
        #[test]
        fn products_equal_their_definition_on_every_instruction_set(
            (m, n, k) in (0_usize..40, 0_usize..70, 0_usize..40),
            left_turned: bool,
            right_turned: bool,
        ) {
            let size = Size { m, n, k };
            let (a, b) = (values(m * k, "a"), values(k * n, "b"));
            let left = if left_turned { Matrix::transposed(&a, m) } else { Matrix::rows(&a, k) };
            let right = if right_turned { Matrix::transposed(&b, k) } else { Matrix::rows(&b, n) };
            let expected = naive(size, left, right);
            for set in InstructionSet::available() {
                let mut products = Products::<f64>::new(set);
                let mut out = vec![f64::NAN; m * n];
                products.multiply(&mut out, size, left, right, false);
                prop_assert!(close(&out, &expected), "{set:?}");
                products.multiply(&mut out, size, left, right, true);
                let twice: Vec<f64> = expected.iter().map(|value| 2.0 * value).collect();
                prop_assert!(close(&out, &twice), "{set:?}, added");
            }
        }
    }

    #[test]
    fn sums_longer_than_a_block_are_whole() {
        let size = Size { m: 3, n: 5, k: 2 * BLOCK + 77 };
        let (a, b) = (values(size.m * size.k, "a"), values(size.k * size.n, "b"));
        let (left, right) = (Matrix::rows(&a, size.k), Matrix::rows(&b, size.n));
        let mut out = vec![1.0; 15];
        Products::new(InstructionSet::detect()).multiply(&mut out, size, left, right, false);
        assert!(close(&out, &naive(size, left, right)));
    }

    #[test]
    fn the_fused_sets_give_the_same_bits() {
        let size = Size { m: 13, n: 45, k: 700 };
        let narrow = |purpose, count| values(count, purpose).iter().map(|value| *value as f32).collect::<Vec<f32>>();
        let (a, b) = (narrow("a", size.m * size.k), narrow("b", size.k * size.n));
        let fused = InstructionSet::available().filter(|set| *set != InstructionSet::Portable);
        let results: Vec<Vec<u32>> = fused
            .map(|set| {
                let mut out = vec![0.0; size.m * size.n];
                let (left, right) = (Matrix::rows(&a, size.k), Matrix::rows(&b, size.n));
                Products::new(set).multiply(&mut out, size, left, right, false);
                out.iter().map(|value| value.to_bits()).collect()
            })
            .collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn short_operands_are_refused_before_memory_is_touched() {
        let size = Size { m: 2, n: 2, k: 8 };
        for (out, left, right) in [(3, 16, 16), (4, 15, 16), (4, 16, 15)] {
            let refused = std::panic::catch_unwind(|| {
                let (mut out, left, right) = (vec![0.0_f32; out], vec![0.0; left], vec![0.0; right]);
                let (left, right) = (Matrix::rows(&left, 8), Matrix::transposed(&right, 8));
                Products::new(InstructionSet::detect()).multiply(&mut out, size, left, right, false);
            });
            assert!(refused.is_err());
        }
    }
}
