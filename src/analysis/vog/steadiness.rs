//! Do other initialisations, batch sizes or distances to the boundary rank the examples alike? Spearman's correlations.

use super::super::quantile::{mean, middle};
use super::super::rank::Ranks;
use super::super::{ModelScores, ScoreRuns};
use rayon::prelude::*;

/// How the runs of a model agree about one variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Steadiness {
    /// The variant.
    pub variant: String,
    /// The role of the examples.
    pub role: &'static str,
    /// Mean over all pairs of runs.
    pub mean: f64,
    /// Lowest and highest of them.
    pub range: (f64, f64),
    /// Mean over examples of the standard deviation over runs, divided by the standard deviation of the means over examples.
    pub sd_ratio: f64,
}

impl Steadiness {
    /// Of two runs or more; none where no pair can be compared.
    pub fn new(model: &ModelScores, variant: &ScoreRuns) -> Option<Self> {
        let rows: Vec<Vec<f64>> = rows(variant);
        let ranks: Vec<Ranks> = rows.par_iter().map(|row| Ranks::new(row)).collect();
        let pairs =
            ranks.iter().enumerate().flat_map(|(place, a)| ranks.iter().skip(place + 1).map(move |b| a.correlation(b)));
        let all: Vec<f64> = pairs.filter(|rho| !rho.is_nan()).collect();
        (!all.is_empty()).then(|| Self {
            variant: variant.name.clone(),
            role: model.role,
            mean: mean(&all),
            range: middle(&all, 1.0),
            sd_ratio: sd_ratio(&rows),
        })
    }
}

/// How the values of each run follow another score of the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The variant.
    pub variant: String,
    /// The role of the examples.
    pub role: &'static str,
    /// Mean over the runs of Spearman's correlation.
    pub spearman: f64,
    /// Lowest and highest run.
    pub range: (f64, f64),
    /// Mean over runs of the mean value in each tenth of the other score, smallest first.
    pub by_decile: Vec<f64>,
}

impl Agreement {
    /// Run by run; none where no run has both.
    pub fn new(model: &ModelScores, variant: &ScoreRuns, other: &ScoreRuns) -> Option<Self> {
        let pairs: Vec<(Vec<f64>, Vec<f64>)> = rows(variant).into_iter().zip(rows(other)).collect();
        let all: Vec<f64> = pairs
            .par_iter()
            .map(|(values, other)| Ranks::new(values).correlation(&Ranks::new(other)))
            .filter(|rho| !rho.is_nan())
            .collect();
        let tenths: Vec<Vec<f64>> = pairs.iter().map(|(values, other)| by_decile(values, other)).collect();
        let over_runs = |decile: usize| {
            let known = tenths.iter().filter_map(|run| run.get(decile)).copied().filter(|value| !value.is_nan());
            mean(&known.collect::<Vec<_>>())
        };
        (!all.is_empty()).then(|| Self {
            variant: variant.name.clone(),
            role: model.role,
            spearman: mean(&all),
            range: middle(&all, 1.0),
            by_decile: (0..super::DECILES).map(over_runs).collect(),
        })
    }
}

/// Spearman's correlation of two models' means over their runs.
pub(super) fn between_means(a: &ScoreRuns, b: &ScoreRuns) -> f64 {
    Ranks::new(&a.means(None)).correlation(&Ranks::new(&b.means(None)))
}

fn rows(score: &ScoreRuns) -> Vec<Vec<f64>> {
    score.values.outer_iter().map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect()
}

/// Mean value in each tenth of the other score's order, smallest first.
fn by_decile(values: &[f64], other: &[f64]) -> Vec<f64> {
    let both: Vec<(f64, f64)> =
        other.iter().copied().zip(values.iter().copied()).filter(|(x, y)| !x.is_nan() && !y.is_nan()).collect();
    let mut ordered = both;
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = ordered.len();
    let tenth = |decile: usize| {
        let (from, to) = (decile * count / super::DECILES, (decile + 1) * count / super::DECILES);
        mean(&ordered.get(from..to).unwrap_or_default().iter().map(|(_, value)| *value).collect::<Vec<_>>())
    };
    (0..super::DECILES).map(tenth).collect()
}

fn sd_ratio(rows: &[Vec<f64>]) -> f64 {
    let examples = rows.first().map_or(0, Vec::len);
    let over_runs =
        (0..examples).map(|example| rows.iter().filter_map(|row| row.get(example)).copied().collect::<Vec<_>>());
    let complete: Vec<Vec<f64>> = over_runs.filter(|values| values.iter().all(|value| !value.is_nan())).collect();
    let deviations: Vec<f64> = complete.iter().map(|values| deviation(values)).collect();
    let means: Vec<f64> = complete.iter().map(|values| mean(values)).collect();
    mean(&deviations) / deviation(&means)
}

/// Standard deviation, divided by n - 1.
fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}
