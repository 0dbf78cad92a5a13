//! Inner products of many vectors with many others, each used again and again: neighbours.
//!
//! Vectors lie in panels as wide as a tile of sums, feature by feature: `[vectors / width, features, width]`. A panel is
//! the packed right side of a tile as it is, and its lanes are the factors of a left side, side by side; so nothing is
//! packed twice, however many others pass by. Sums run over [`DEPTH`] features in registers, so that both sides stay in
//! cache, always in the same order; meanwhile the next run's features are asked for.
#![allow(unsafe_code)]
// What isn't inlined into the function that enables an instruction set is compiled without it.
#![allow(clippy::inline_always)]

use std::ops::Range;

use super::real::Real;
use super::vector::{InstructionSet, Set, Vector, WIDEST, Work, prefetch};
use crate::{Error, Result};

/// Longest run of features that is summed in registers: a panel's part then fits into the first cache twice.
const DEPTH: usize = 128;
/// Registers of a panel.
const ABREAST: usize = 3;

/// Vectors of a panel on an instruction set.
pub fn width<R: Real>(set: InstructionSet) -> usize {
    set.run::<R, _>(Width)
}

struct Width;

impl<R: Real> Work<R> for Width {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) -> usize {
        ABREAST * S::Wide::WIDTH
    }
}

/// Values of so many vectors in panels.
pub fn len(count: usize, features: usize, width: usize) -> usize {
    count.next_multiple_of(width) * features
}

/// Writes vectors, which follow each other in `values`, into panels, from number `first` on.
///
/// # Errors
/// `Error::Failed` where there is no room for them.
pub fn write<R: Real>(panels: &mut [R], width: usize, features: usize, first: usize, values: &[R]) -> Result<()> {
    let (features, room) = (features.max(1), panels.len());
    let count = values.len() / features;
    if len(first + count, features, width) > room {
        return Err(Error::Failed(format!("{count} vectors from number {first} on for {room} values")));
    }
    for (number, values) in (first..).zip(values.chunks_exact(features)) {
        let lane = panels.iter_mut().skip(number / width * width * features + number % width).step_by(width);
        lane.zip(values).for_each(|(place, value)| *place = *value);
    }
    Ok(())
}

/// Some vectors of panels.
#[derive(Debug, Clone)]
pub struct Vectors<'a, R> {
    /// The panels.
    pub panels: &'a [R],
    /// Which of their vectors.
    pub range: Range<usize>,
}

impl<R: Real> Vectors<'_, R> {
    /// Whether the panels hold them.
    fn are_there(&self, features: usize, width: usize) -> bool {
        self.range.start <= self.range.end && len(self.range.end, features, width) <= self.panels.len()
    }

    /// The same vectors from the start of a panel on.
    fn moved(&self, features: usize, width: usize) -> Vec<R> {
        let mut panels = vec![R::ZERO; len(self.range.len(), features, width)];
        for (to, from) in self.range.clone().enumerate() {
            let from = self.panels.iter().skip(from / width * width * features + from % width).step_by(width);
            let to = panels.iter_mut().skip(to / width * width * features + to % width).step_by(width);
            to.zip(from).take(features).for_each(|(to, from)| *to = *from);
        }
        panels
    }
}

/// `out [left, right]`: the inner product of each vector on the left with each on the right, `features` long.
///
/// # Errors
/// `Error::Failed` where there are no such vectors, or `out` is not as long.
pub fn multiply<R: Real>(
    set: InstructionSet,
    features: usize,
    left: Vectors<'_, R>,
    right: Vectors<'_, R>,
    out: &mut [R],
) -> Result<()> {
    let (width, rows, columns) = (width::<R>(set), left.range.len(), right.range.len());
    let fits = left.are_there(features, width) && right.are_there(features, width) && out.len() == rows * columns;
    if !fits {
        return Err(Error::Failed(format!("no {rows} x {columns} products of vectors of {features} values there")));
    }
    if right.range.start.is_multiple_of(width) {
        set.run(Multiply { features, left, right, out });
    } else {
        let moved = right.moved(features, width);
        set.run(Multiply { features, left, right: Vectors { panels: &moved, range: 0..columns }, out });
    }
    Ok(())
}

/// Products whose sizes were checked; the right side starts with a panel.
struct Multiply<'a, R> {
    features: usize,
    left: Vectors<'a, R>,
    right: Vectors<'a, R>,
    out: &'a mut [R],
}

impl<R: Real> Work<R> for Multiply<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Set<R>>(self) {
        // SAFETY: the caller has the set; sizes were checked.
        unsafe {
            if S::MANY {
                self.runs::<S::Wide, 8>();
            } else {
                self.runs::<S::Wide, 4>();
            }
        }
    }
}

impl<R: Real> Multiply<'_, R> {
    /// Runs of features outside, then panels of the right side, which stay in cache while all of the left side passes.
    ///
    /// # Safety
    /// Both sides hold their vectors, `out` all products, the right side starts with a panel; the processor has the
    /// register's instruction set.
    #[inline(always)]
    unsafe fn runs<V: Vector<Item = R>, const ROWS: usize>(self) {
        let Self { features, left, right, out } = self;
        let (width, columns) = (ABREAST * V::WIDTH, right.range.len());
        if features == 0 {
            out.fill(R::ZERO);
        }
        for first in (0..features).step_by(DEPTH) {
            let depth = DEPTH.min(features - first);
            for column in (0..columns).step_by(width) {
                let panel = &right.panels[(right.range.start + column) * features + first * width..][..depth * width];
                let right = Side { panel, columns: width.min(columns - column), fresh: column == 0 };
                let place = Place { out: &mut out[column..], stride: columns, add: first > 0 };
                // SAFETY: the caller's contract.
                unsafe { pass::<R, V, ROWS>(&left, (features, first, depth), &right, place) };
            }
        }
    }
}

/// One panel of the right side, as long as a run.
struct Side<'a, R> {
    panel: &'a [R],
    /// How many of its vectors are wanted.
    columns: usize,
    /// Whether the left side passes for the first time in this run.
    fresh: bool,
}

/// Where sums go: rows of the result from this panel's columns on.
struct Place<'a, R> {
    out: &'a mut [R],
    stride: usize,
    add: bool,
}

/// All of the left side against a panel, in one run of features (first and depth of `features`).
///
/// # Safety
/// As for [`Multiply::runs`].
#[inline(always)]
unsafe fn pass<R: Real, V: Vector<Item = R>, const ROWS: usize>(
    left: &Vectors<'_, R>,
    (features, first, depth): (usize, usize, usize),
    right: &Side<'_, R>,
    mut place: Place<'_, R>,
) {
    let width = ABREAST * V::WIDTH;
    let (mut row, rows) = (0, left.range.len());
    while row < rows {
        let (number, lane) = (left.range.start + row, (left.range.start + row) % width);
        let run = &left.panels[(number - lane) * features + first * width..][..depth * width];
        // The next run lies behind this one, of both sides; each tile asks for its share.
        let next = if right.fresh { run } else { right.panel };
        let next = (right.fresh || row < width).then(|| next.as_ptr().wrapping_add(depth * width + lane * depth));
        let tile = Tile { factors: &run[lane..], values: right.panel, next };
        // Tiles don't cross the border of a panel of the left side.
        let here = (rows - row).min(width - lane);
        // SAFETY: `depth` rows of the left panel have `here` more lanes, those of the right one `ABREAST` registers; the
        // result has as many rows left.
        unsafe {
            row += if here >= ROWS {
                tile.run::<V, ROWS>(row, right.columns, &mut place);
                ROWS
            } else if here >= 2 {
                tile.run::<V, 2>(row, right.columns, &mut place);
                2
            } else {
                tile.run::<V, 1>(row, right.columns, &mut place);
                1
            };
        }
    }
}

/// What a tile reads: lanes of the left panel from the first one on, and the right panel.
struct Tile<'a, R> {
    factors: &'a [R],
    values: &'a [R],
    /// What to ask for meanwhile.
    next: Option<*const R>,
}

impl<R: Real> Tile<'_, R> {
    /// Computes `ROWS` rows of sums in registers and stores their first columns.
    ///
    /// # Safety
    /// Every row of the left panel has `ROWS` lanes here, and there are as many rows as in the right one; the result has
    /// `ROWS` rows from `row` on; the processor has the register's instruction set.
    #[inline(always)]
    unsafe fn run<V: Vector<Item = R>, const ROWS: usize>(self, row: usize, columns: usize, place: &mut Place<'_, R>) {
        let width = ABREAST * V::WIDTH;
        let (mut factors, mut values) = (self.factors.as_ptr(), self.values.as_ptr());
        let mut next = self.next.unwrap_or(values);
        let mut lanes = [R::ZERO; ABREAST * WIDEST];
        // SAFETY: the loop runs over the right panel's rows, so all that is read exists by this function's contract;
        // `lanes` holds `ABREAST` of the widest registers.
        unsafe {
            let mut sums = [[V::zero(); ABREAST]; ROWS];
            for _ in 0..self.values.len() / width {
                let mut loaded = [V::zero(); ABREAST];
                for (index, loaded) in loaded.iter_mut().enumerate() {
                    *loaded = V::load(values.add(index * V::WIDTH));
                }
                prefetch(next);
                for (row, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*factors.add(row));
                    for (sum, loaded) in sums.iter_mut().zip(loaded) {
                        *sum = sum.plus_product(factor, loaded);
                    }
                }
                factors = factors.wrapping_add(width);
                values = values.wrapping_add(width);
                next = next.wrapping_add(ROWS);
            }
            for (index, sums) in sums.into_iter().enumerate() {
                let out = &mut place.out[(row + index) * place.stride..][..columns];
                if columns == width {
                    for (out, sum) in out.chunks_exact_mut(V::WIDTH).zip(sums) {
                        let out = out.as_mut_ptr();
                        (if place.add { V::load(out).plus(sum) } else { sum }).store(out);
                    }
                    continue;
                }
                for (index, sum) in sums.into_iter().enumerate() {
                    sum.store(lanes.as_mut_ptr().add(index * V::WIDTH));
                }
                for (out, sum) in out.iter_mut().zip(&lanes) {
                    *out = if place.add { *out + *sum } else { *sum };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    #[test]
    fn products_equal_their_definition_for_any_part_on_every_instruction_set() {
        let mut stream = Key::study(3).stream("vectors");
        for (count, features) in [(130, 300), (50, 128), (7, 1), (101, 33)] {
            let values: Vec<f64> = (0..count * features).map(|_| stream.normal()).collect();
            let row = |number: usize| &values[number * features..][..features];
            for set in InstructionSet::available() {
                let width = width::<f64>(set);
                let mut panels = vec![f64::NAN; len(count, features, width)];
                let (head, tail) = values.split_at(count / 3 * features);
                write(&mut panels, width, features, 0, head).unwrap();
                write(&mut panels, width, features, count / 3, tail).unwrap();
                for (rows, columns) in [(0..count, 0..count), (3..count - 1, 1..6), (2..5, 0..3), (4..4, 0..2)] {
                    let mut out = vec![f64::NAN; rows.len() * columns.len()];
                    let of = |range: &Range<usize>| Vectors { panels: &panels, range: range.clone() };
                    multiply(set, features, of(&rows), of(&columns), &mut out).unwrap();
                    let pairs = rows.clone().flat_map(|row| columns.clone().map(move |column| (row, column)));
                    for ((a, b), found) in pairs.zip(&out) {
                        let expected: f64 = row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum();
                        assert!((found - expected).abs() < 1e-10, "{set:?} {a} {b}: {found} for {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn vectors_that_are_not_there_are_refused() {
        let set = InstructionSet::detect();
        let width = width::<f32>(set);
        let mut panels = vec![0.0_f32; len(width, 5, width)];
        assert!(write(&mut panels, width, 5, 1, &vec![0.0; 5 * width]).is_err());
        let of = |range| Vectors { panels: &panels, range };
        let mut out = vec![0.0; 2 * width];
        assert!(multiply(set, 5, of(0..2), of(0..width), &mut out).is_ok());
        assert!(multiply(set, 5, of(0..2), of(0..width), &mut out[1..]).is_err());
        assert!(multiply(set, 5, of(0..2), of(1..width + 1), &mut out).is_err());
    }
}
