//! Do classes with larger values have more false negatives?

use super::super::bias::student_neg_ln_p;
use super::super::quantile::mean;
use super::super::rank::Ranks;
use super::super::{ModelScores, ScoreRuns, UNSEEN};

/// Classes for a correlation.
const FEWEST: usize = 3;

/// Means of one variant by class, and how often each class is taken for another.
#[derive(Debug, Clone)]
pub struct ClassMeans {
    /// The variant.
    pub variant: String,
    /// Class, mean value over examples and runs, false-negative rate over examples and runs.
    pub classes: Vec<(u16, f64, f64)>,
    /// Pearson's correlation of the two.
    pub pearson: f64,
    /// Its two-sided p value by Student's t with n - 2 degrees of freedom.
    pub p: f64,
    /// Spearman's correlation.
    pub spearman: f64,
}

impl ClassMeans {
    /// Of a variant that isn't normalised by class; none with fewer than three classes that have values.
    pub fn new(model: &ModelScores, variant: &ScoreRuns) -> Option<Self> {
        if !variant.name.split('.').any(|part| part == "none") {
            return None;
        }
        let labels = &model.cohort.labels;
        let means = variant.means(None);
        let of_class = |class: u16| {
            let columns =
                || labels.iter().enumerate().filter(move |(_, label)| **label == class).map(|(column, _)| column);
            let values: Vec<f64> =
                columns().filter_map(|column| means.get(column).copied()).filter(|v| !v.is_nan()).collect();
            let missed = columns().filter(|column| *column < model.predicted.ncols()).flat_map(|column| {
                let seen = model.predicted.column(column).to_vec().into_iter().filter(|predicted| *predicted != UNSEEN);
                seen.map(move |predicted| f64::from(u8::from(predicted != class)))
            });
            (class, mean(&values), mean(&missed.collect::<Vec<_>>()))
        };
        let present: std::collections::BTreeSet<u16> = labels.iter().copied().collect();
        let classes: Vec<_> = present
            .into_iter()
            .map(of_class)
            .filter(|(_, value, missed)| !value.is_nan() && !missed.is_nan())
            .collect();
        if classes.len() < FEWEST {
            return None;
        }
        let (values, missed): (Vec<f64>, Vec<f64>) = classes.iter().map(|(_, value, missed)| (*value, *missed)).unzip();
        let pearson = pearson(&values, &missed);
        let freedom = classes.len() as f64 - 2.0;
        let t = pearson * (freedom / (1.0 - pearson * pearson)).sqrt();
        Some(Self {
            variant: variant.name.clone(),
            pearson,
            p: (-student_neg_ln_p(t, freedom)).exp(),
            spearman: Ranks::new(&values).correlation(&Ranks::new(&missed)),
            classes,
        })
    }
}

/// Pearson's correlation; NaN where one side is constant.
pub(super) fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let (mean_x, mean_y) = (mean(x), mean(y));
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
    };
    product(x, mean_x, y, mean_y) / (product(x, mean_x, x, mean_x) * product(y, mean_y, y, mean_y)).sqrt()
}
