//! How often are networks wrong on each tenth of the examples, ordered by their values?

use super::super::quantile::mean;
use super::super::rank::{Ranker, Ranks};
use super::super::{ModelScores, ScoreRuns, UNSEEN};
use crate::scores::Harder;

/// Tenths.
pub const DECILES: usize = 10;

/// Error by decile of one variant, over runs.
#[derive(Debug, Clone)]
pub struct Deciles {
    /// The variant.
    pub variant: String,
    /// Its difficult end.
    pub harder: Harder,
    /// Of each run: the share of wrong examples in each tenth, smallest values first; NaN in an empty one.
    pub runs: Vec<[f64; DECILES]>,
    /// Of each run: the share of wrong examples.
    pub overall: Vec<f64>,
}

impl Deciles {
    /// Each run's own values against its own final network; none where no run has both.
    pub fn new(model: &ModelScores, variant: &ScoreRuns) -> Option<Self> {
        let labels = &model.cohort.labels;
        let mut of = Self { variant: variant.name.clone(), harder: variant.harder, runs: vec![], overall: vec![] };
        for (values, predicted) in variant.values.outer_iter().zip(model.predicted.outer_iter()) {
            let mut kept = Vec::new();
            let mut wrong = Vec::new();
            for ((value, class), label) in values.iter().zip(&predicted).zip(labels) {
                if !value.is_nan() && *class != UNSEEN {
                    kept.push(*value);
                    wrong.push(class != label);
                }
            }
            if !kept.is_empty() {
                of.runs.push(error_by_decile(&kept, &wrong));
                of.overall.push(wrong.iter().filter(|wrong| **wrong).count() as f64 / wrong.len() as f64);
            }
        }
        (!of.runs.is_empty()).then_some(of)
    }

    /// Mean over the runs of each tenth's error.
    pub fn means(&self) -> [f64; DECILES] {
        std::array::from_fn(|decile| mean(&self.of(decile)))
    }

    /// The runs' errors in a tenth, where they have examples there.
    pub fn of(&self, decile: usize) -> Vec<f64> {
        let errors = self.runs.iter().filter_map(|run| run.get(decile)).copied();
        errors.filter(|error| !error.is_nan()).collect()
    }

    /// Spearman's correlation of the decile's number and its mean error: positive where error rises.
    pub fn trend(&self) -> f64 {
        let numbers: Vec<f64> = (0..DECILES).map(|decile| decile as f64).collect();
        Ranks::new(&numbers).correlation(&Ranks::new(&self.means()))
    }
}

/// Share of wrong examples in each tenth of the ranking; equal values share the tenth of their average rank.
fn error_by_decile(values: &[f32], wrong: &[bool]) -> [f64; DECILES] {
    let mut deciles = Vec::new();
    let count = values.len();
    // Twice the average rank minus 1 is twice the place in the middle of the group.
    let decile = |doubled: usize| (doubled - 1) * DECILES / (2 * count);
    Ranker::default().map(values, DECILES, decile, &mut deciles);
    let mut sums = [(0.0, 0.0); DECILES];
    for (decile, wrong) in deciles.into_iter().zip(wrong) {
        if let Some((errors, all)) = sums.get_mut(decile) {
            *errors += f64::from(u8::from(*wrong));
            *all += 1.0;
        }
    }
    sums.map(|(errors, all)| errors / all)
}
