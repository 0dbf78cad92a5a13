//! Do examples with changed labels have other values than the rest? Welch's t-test over examples.

use super::super::bias::{student_neg_ln_p, t_and_freedom};
use super::super::{ModelScores, ScoreRuns};

/// One variant's values of changed labels and of the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Shuffled {
    /// The variant.
    pub variant: String,
    /// Mean, variance (divided by n - 1) and number of the examples whose label was changed.
    pub changed: (f64, f64, u32),
    /// The same of the rest.
    pub rest: (f64, f64, u32),
    /// Welch's t: positive where changed labels have larger values.
    pub t: f64,
    /// Its degrees of freedom.
    pub freedom: f64,
    /// -ln of its two-sided p value.
    pub neg_ln_p: f64,
}

impl Shuffled {
    /// Of each example's mean over the runs; none where fewer than two labels were changed or kept.
    pub fn new(model: &ModelScores, variant: &ScoreRuns) -> Option<Self> {
        let cohort = &model.cohort;
        let means = variant.means(None);
        let pairs = cohort.labels.iter().zip(&cohort.true_labels);
        let known = pairs.zip(means).filter(|(_, mean)| !mean.is_nan());
        let (changed, rest): (Vec<_>, Vec<_>) = known.partition(|((given, truth), _)| given != truth);
        let [changed, rest] =
            [changed, rest].map(|group| moments(&group.iter().map(|(_, mean)| *mean).collect::<Vec<_>>()));
        if changed.2 < 2 || rest.2 < 2 {
            return None;
        }
        let (t, freedom) = t_and_freedom(changed, rest)?;
        let neg_ln_p = student_neg_ln_p(t, freedom);
        Some(Self { variant: variant.name.clone(), changed, rest, t, freedom, neg_ln_p })
    }

    /// Half the width of a group's 90 % interval of its mean (normal).
    pub fn half_width((_, variance, count): (f64, f64, u32)) -> f64 {
        const Z: f64 = 1.644_853_626_951_472_2;
        Z * (variance / f64::from(count)).sqrt()
    }
}

fn moments(values: &[f64]) -> (f64, f64, u32) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (count - 1.0), values.len() as u32)
}
