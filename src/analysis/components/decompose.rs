//! In which directions do mean scores vary together? Normal scores, their covariance, its eigenvectors.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::Array2;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::analysis::rank::Ranker;

/// Principal components of some scores, largest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    /// Share of the variance along each; NaN where nothing varies.
    pub explained: Vec<f64>,
    /// `[components, scores]`, rows of unit length whose coefficients sum to more than 0.
    pub coefficients: Array2<f64>,
    /// Examples that have all scores.
    pub examples: usize,
}

/// Memory for decompositions, kept from one to the next.
#[derive(Debug, Default)]
pub struct Decomposer {
    ranker: Ranker,
    kept: Vec<f64>,
    /// The normal quantile of each half rank.
    quantiles: Vec<f64>,
    quantiles_for: usize,
    /// Places of the examples that have all scores; empty where all have.
    complete: Vec<usize>,
    normal: Vec<Vec<f64>>,
}

impl Decomposer {
    /// The components of means (larger = harder), a list per score.
    pub fn decompose(&mut self, means: &[Vec<f64>]) -> Components {
        self.transform(means);
        let scores = means.len();
        let mut covariance = DMatrix::zeros(scores, scores);
        for i in 0..scores {
            for j in i..scores {
                covariance[(i, j)] = product(&self.normal[i], &self.normal[j]);
                covariance[(j, i)] = covariance[(i, j)];
            }
        }
        components(covariance, self.normal.first().map_or(0, Vec::len))
    }

    /// The first component of the last decomposition as a score: NaN for an example that lacks one of the scores.
    pub fn first(&self, components: &Components, examples: usize, values: &mut Vec<f64>) {
        values.clear();
        let weights: Vec<f64> = components.coefficients.outer_iter().next().map(|row| row.to_vec()).unwrap_or_default();
        let kept = self.normal.first().map_or(0, Vec::len);
        let mut projected = vec![0.0; kept];
        for (weight, normal) in weights.iter().zip(&self.normal) {
            projected.iter_mut().zip(normal).for_each(|(sum, value)| *sum += weight * value);
        }
        if kept == examples {
            values.extend(projected);
            return;
        }
        values.resize(examples, f64::NAN);
        for (place, value) in self.complete.iter().zip(projected) {
            if let Some(cell) = values.get_mut(*place) {
                *cell = value;
            }
        }
    }

    /// Each score to the normal, centred: the quantile of (rank - 0.5) / n, over the examples that have all scores.
    fn transform(&mut self, means: &[Vec<f64>]) {
        let examples = means.first().map_or(0, Vec::len);
        let has_all = |example: &usize| means.iter().all(|score| !score[*example].is_nan());
        self.complete.clear();
        self.complete.extend((0..examples).filter(has_all));
        self.prepare_quantiles(self.complete.len());
        self.normal.resize(means.len(), Vec::new());
        for (score, normal) in means.iter().zip(&mut self.normal) {
            let values = if self.complete.len() == examples {
                score
            } else {
                self.kept.clear();
                self.kept.extend(self.complete.iter().map(|place| score[*place]));
                &self.kept
            };
            let quantiles = &self.quantiles;
            let quantile = |doubled: usize| quantiles.get(doubled).copied().unwrap_or(f64::NAN);
            self.ranker.map(values, f64::NAN, quantile, normal);
            centre(normal);
        }
    }

    fn prepare_quantiles(&mut self, n: usize) {
        if self.quantiles_for == n {
            return;
        }
        let normal = Normal::standard();
        let quantile = |doubled: usize| match doubled {
            // No rank is less than 1.
            0 | 1 => f64::NAN,
            _ => normal.inverse_cdf((doubled as f64 / 2.0 - 0.5) / n as f64),
        };
        self.quantiles = (0..=2 * n).map(quantile).collect();
        self.quantiles_for = n;
    }
}

/// Sum of products, in eight lanes that the compiler can keep in vector registers.
fn product(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (x_chunks, y_chunks) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f64 = x_chunks.remainder().iter().zip(y_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in x_chunks.zip(y_chunks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Takes the mean out: normal scores without ties are symmetric about 0, with ties they are not.
fn centre(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    for value in values {
        *value -= mean;
    }
}

/// Eigenvectors of a scatter matrix, largest eigenvalue first, turned so that their coefficients sum to more than 0.
fn components(covariance: DMatrix<f64>, examples: usize) -> Components {
    let scores = covariance.nrows();
    let none = || Components {
        explained: vec![f64::NAN; scores],
        coefficients: Array2::from_elem((scores, scores), f64::NAN),
        examples,
    };
    if scores == 0 || covariance.iter().any(|value| !value.is_finite()) {
        return none();
    }
    let eigen = SymmetricEigen::new(covariance);
    let mut order: Vec<usize> = (0..scores).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    // Rounding can leave a tiny negative variance where there is none.
    let variances: Vec<f64> = order.iter().map(|place| eigen.eigenvalues[*place].max(0.0)).collect();
    let total: f64 = variances.iter().sum();
    let sign = |component: usize| if eigen.eigenvectors.column(component).sum() < 0.0 { -1.0 } else { 1.0 };
    let coefficient = |(component, score): (usize, usize)| {
        let place = order[component];
        sign(place) * eigen.eigenvectors[(score, place)]
    };
    Components {
        explained: variances.iter().map(|variance| variance / total).collect(),
        coefficients: Array2::from_shape_fn((scores, scores), coefficient),
        examples,
    }
}
