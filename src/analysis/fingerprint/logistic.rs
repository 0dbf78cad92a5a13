//! Which of two models does a run belong to? Logistic regression without regularisation.
//!
//! Newton's method (iteratively reweighted least squares) from zero, at most 100 steps, each halved until the likelihood
//! doesn't fall; a singular Hessian is inverted on its range, so that with more features than runs the weights stay in the
//! span of the runs. Separable data has no finite optimum: the steps end when every fitted probability is within 1e-6 of
//! its label, or when the log-likelihood gains less than 1e-12 of itself.

use nalgebra::{DMatrix, DVector};

const STEPS: usize = 100;
const SEPARATED: f64 = 1e-6;
const GAIN: f64 = 1e-12;

/// A fitted classifier on standardised features.
#[derive(Debug, Clone)]
pub struct Logistic {
    /// Mean and standard deviation of each feature on the fitting runs; deviation 0 stands for "no information".
    scales: Vec<(f64, f64)>,
    /// A weight per feature, then the intercept.
    weights: DVector<f64>,
}

impl Logistic {
    /// Fits runs (a row of features each) to whether they belong to the second model.
    pub fn fit(rows: &[Vec<f64>], second: &[bool]) -> Self {
        let features = rows.first().map_or(0, Vec::len);
        let scales: Vec<(f64, f64)> = (0..features).map(|feature| scale(rows, feature)).collect();
        let design = DMatrix::from_row_iterator(
            rows.len(),
            features + 1,
            rows.iter().flat_map(|row| standardised(row, &scales)),
        );
        let labels = DVector::from_iterator(second.len(), second.iter().map(|second| f64::from(*second)));
        Self { weights: maximise(&design, &labels), scales }
    }

    /// The share right of runs of one model: 1, 0, or 1/2 for each where the classifier is undecided.
    pub fn accuracy(&self, rows: &[Vec<f64>], second: bool) -> f64 {
        let right = |row: &Vec<f64>| {
            let logit: f64 = standardised(row, &self.scales).zip(self.weights.iter()).map(|(x, w)| x * w).sum();
            if logit == 0.0 { 0.5 } else { f64::from((logit > 0.0) == second) }
        };
        rows.iter().map(right).sum::<f64>() / rows.len() as f64
    }
}

fn scale(rows: &[Vec<f64>], feature: usize) -> (f64, f64) {
    let values = || rows.iter().filter_map(|row| row.get(feature));
    let count = rows.len() as f64;
    let mean = values().sum::<f64>() / count;
    (mean, (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// The features of a row, each standardised, then the intercept's 1.
fn standardised<'a>(row: &'a [f64], scales: &'a [(f64, f64)]) -> impl Iterator<Item = f64> + 'a {
    let one = |(value, (mean, deviation)): (&f64, &(f64, f64))| {
        if *deviation > 0.0 { (value - mean) / deviation } else { 0.0 }
    };
    row.iter().zip(scales).map(one).chain([1.0])
}

fn maximise(design: &DMatrix<f64>, labels: &DVector<f64>) -> DVector<f64> {
    let mut weights = DVector::zeros(design.ncols());
    let mut likelihood = log_likelihood(design, labels, &weights);
    for _ in 0..STEPS {
        let fitted = (design * &weights).map(probability);
        let residual = labels - &fitted;
        if residual.amax() < SEPARATED {
            break;
        }
        let curvature = DMatrix::from_diagonal(&fitted.map(|p| p * (1.0 - p)));
        let hessian = design.transpose() * curvature * design;
        let Some(step) = solve(hessian, &(design.transpose() * residual)) else { break };
        let (moved, reached) = uphill(design, labels, &weights, &step, likelihood);
        let gain = reached - likelihood;
        (weights, likelihood) = (moved, reached);
        if gain <= GAIN * likelihood.abs() {
            break;
        }
    }
    weights
}

/// The step, halved until the likelihood doesn't fall.
fn uphill(
    design: &DMatrix<f64>,
    labels: &DVector<f64>,
    weights: &DVector<f64>,
    step: &DVector<f64>,
    likelihood: f64,
) -> (DVector<f64>, f64) {
    for halvings in 0..30 {
        let moved = weights + step * 0.5_f64.powi(halvings);
        let reached = log_likelihood(design, labels, &moved);
        if reached >= likelihood {
            return (moved, reached);
        }
    }
    (weights.clone(), likelihood)
}

/// The shortest solution of a symmetric system on its range.
fn solve(hessian: DMatrix<f64>, gradient: &DVector<f64>) -> Option<DVector<f64>> {
    let largest = hessian.amax();
    hessian.svd(true, true).solve(gradient, largest * 1e-10).ok()
}

fn log_likelihood(design: &DMatrix<f64>, labels: &DVector<f64>, weights: &DVector<f64>) -> f64 {
    let logits = design * weights;
    // ln(1 + e^z) without overflow.
    let softplus = |z: f64| z.max(0.0) + (-z.abs()).exp().ln_1p();
    logits.iter().zip(labels.iter()).map(|(z, y)| y * z - softplus(*z)).sum()
}

fn probability(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::super::super::golden::{assert_close, golden, matrix, numbers};
    use super::*;

    #[test]
    fn weights_equal_scikit_learns_without_penalty() {
        let golden = &golden()["logistic"];
        let x = matrix(&golden["x"]);
        let rows: Vec<Vec<f64>> = x.outer_iter().map(|row| row.to_vec()).collect();
        let second: Vec<bool> = numbers(&golden["y"]).into_iter().map(|label| label > 0.5).collect();
        let fitted = Logistic::fit(&rows, &second);
        let mut intercept = fitted.weights[3];
        for (feature, theirs) in numbers(&golden["coefficients"]).into_iter().enumerate() {
            let (mean, deviation) = fitted.scales[feature];
            let weight = fitted.weights[feature] / deviation;
            intercept -= weight * mean;
            assert_close(weight, theirs, 1e-5, "coefficient");
        }
        assert_close(intercept, golden["intercept"].as_f64().unwrap(), 1e-4, "intercept");
    }

    #[test]
    fn separable_runs_are_told_apart_with_more_features_than_runs() {
        let run = |second: bool, noise: f64| {
            (0..8).map(|feature| if second { 1.0 } else { 0.0 } + noise * f64::from(feature % 3)).collect::<Vec<f64>>()
        };
        let rows = [run(false, 0.1), run(false, 0.0), run(true, 0.05), run(true, -0.1)];
        let fitted = Logistic::fit(&rows, &[false, false, true, true]);
        assert!(fitted.weights.iter().all(|weight| weight.is_finite()));
        assert_close(fitted.accuracy(&[run(true, 0.02)], true), 1.0, 0.0, "second");
        assert_close(fitted.accuracy(&[run(false, 0.02), run(true, 0.0)], false), 0.5, 0.0, "first");
    }

    #[test]
    fn features_without_information_leave_chance() {
        let rows = vec![vec![3.0, 3.0]; 4];
        let fitted = Logistic::fit(&rows, &[false, false, true, true]);
        assert_close(fitted.accuracy(&rows, true), 0.5, 0.0, "undecided");
    }
}
