//! Which examples lie nearest to each other? Exact, by blocks of matrix products: |a - b|² = |a|² + |b|² - 2 a·b.

use super::product::{Matrix, Products, Size};
use super::vector::InstructionSet;

/// Examples whose distances to each other are worked out at once.
const BLOCK: usize = 512;

/// The nearest of one example so far, nearest first.
#[derive(Debug, Clone)]
struct Nearest {
    k: usize,
    found: Vec<(f32, u32)>,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self { k, found: Vec::with_capacity(k + 1) }
    }

    /// What a distance must be below to enter.
    fn bound(&self) -> f32 {
        if self.found.len() < self.k { f32::INFINITY } else { self.found.last().map_or(f32::INFINITY, |last| last.0) }
    }

    /// Enters a neighbour; equal distances go to the lower index.
    fn enter(&mut self, distance: f32, index: u32) {
        let place = self.found.partition_point(|(other, at)| (*other, *at) < (distance, index));
        if place < self.k {
            self.found.insert(place, (distance, index));
            self.found.truncate(self.k);
        }
    }

    /// Enters those of a row of distances, of the examples from `first` on, that are near enough.
    fn scan(&mut self, distances: &[f32], first: usize, but: Option<usize>) {
        const LANES: usize = 16;
        for (chunk, values) in distances.chunks(LANES).enumerate() {
            let bound = self.bound();
            // Equal distances may still win by their index.
            if values.iter().copied().fold(f32::INFINITY, f32::min) > bound {
                continue;
            }
            for (lane, value) in values.iter().enumerate() {
                let index = first + chunk * LANES + lane;
                if *value <= self.bound() && Some(index) != but {
                    self.enter(*value, index as u32);
                }
            }
        }
    }
}

/// The `k` nearest of every example among the others, nearest first, from embeddings `[examples, dim]`: squared Euclidean
/// distance and index. Equal distances go to the lower index; fewer than `k` where there are fewer others.
///
/// Distances are symmetric, so that each block of products serves both its rows and its columns.
pub fn among(set: InstructionSet, embeddings: &[f32], dim: usize, k: usize) -> Vec<Vec<(f32, u32)>> {
    let examples = embeddings.len() / dim.max(1);
    let squares: Vec<f32> = embeddings.chunks_exact(dim.max(1)).map(square).collect();
    let mut nearest = vec![Nearest::new(k); examples];
    let mut products = Products::<f32>::new(set);
    let (mut block, mut turned) = (vec![0.0; BLOCK * BLOCK], vec![0.0; BLOCK * BLOCK]);
    for row in (0..examples).step_by(BLOCK) {
        let rows = BLOCK.min(examples - row);
        for column in (row..examples).step_by(BLOCK) {
            let columns = BLOCK.min(examples - column);
            let size = Size { m: rows, n: columns, k: dim };
            let out = &mut block[..rows * columns];
            let left = Matrix::rows(&embeddings[row * dim..], dim);
            products.multiply(out, size, left, Matrix::transposed(&embeddings[column * dim..], dim), false);
            for (out, own) in out.chunks_exact_mut(columns).zip(&squares[row..]) {
                out.iter_mut().zip(&squares[column..]).for_each(|(out, other)| *out = own + other - 2.0 * *out);
            }
            for (index, out) in out.chunks_exact(columns).enumerate() {
                nearest[row + index].scan(out, column, Some(row + index));
            }
            if column > row {
                let turned = &mut turned[..rows * columns];
                turn(out, columns, turned, rows);
                for (index, out) in turned.chunks_exact(rows).enumerate() {
                    nearest[column + index].scan(out, row, None);
                }
            }
        }
    }
    nearest.into_iter().map(|nearest| nearest.found).collect()
}

fn square(values: &[f32]) -> f32 {
    values.chunks(16).map(|part| part.iter().map(|value| value * value).sum::<f32>()).sum()
}

/// The transpose of a matrix with so many columns, by small tiles.
fn turn(from: &[f32], columns: usize, to: &mut [f32], rows: usize) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    /// By definition, in f64, sorted by distance and index.
    fn brute(embeddings: &[f32], dim: usize, k: usize) -> Vec<Vec<u32>> {
        let rows: Vec<&[f32]> = embeddings.chunks_exact(dim).collect();
        let distance =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
        let nearest = |own: usize| {
            let mut others: Vec<(f64, u32)> = (0..rows.len())
                .filter(|other| *other != own)
                .map(|other| (distance(rows[own], rows[other]), other as u32))
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            others.into_iter().take(k).map(|(_, index)| index).collect()
        };
        (0..rows.len()).map(nearest).collect()
    }

    #[test]
    fn the_nearest_are_those_of_a_search_by_definition_on_every_instruction_set() {
        for (examples, dim, k) in [(1, 3, 2), (5, 4, 30), (700, 33, 30), (1100, 7, 5)] {
            let mut stream = Key::study(2).stream("embeddings");
            // Whole numbers: many equal distances, and none that rounding could disturb.
            let embeddings: Vec<f32> = (0..examples * dim).map(|_| stream.below(5) as f32).collect();
            let expected = brute(&embeddings, dim, k);
            for set in InstructionSet::available() {
                let found = among(set, &embeddings, dim, k);
                let indices: Vec<Vec<u32>> =
                    found.iter().map(|row| row.iter().map(|(_, index)| *index).collect()).collect();
                assert_eq!(indices, expected, "{examples} examples, {set:?}");
            }
        }
    }
}
