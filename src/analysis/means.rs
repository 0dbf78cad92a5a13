//! What is the mean score over some of the runs? Sums in f64 over any set of runs, missing values left out.

use std::borrow::Cow;

use ndarray::ArrayView2;

use super::{ModelScores, ScoreRuns, select};

/// A score that random sets of runs can be drawn from.
#[derive(Debug, Clone, Copy)]
pub struct SignedRuns<'a> {
    score: &'a ScoreRuns,
    /// Whether some run has no value for some example.
    holes: bool,
}

impl<'a> SignedRuns<'a> {
    /// Looks once whether values are missing.
    pub fn new(score: &'a ScoreRuns) -> Self {
        Self { score, holes: score.values.iter().any(|value| value.is_nan()) }
    }

    /// Its full name.
    pub fn name(&self) -> &'a str {
        &self.score.name
    }

    /// Its values, raw sign.
    pub fn values(&self) -> ArrayView2<'a, f32> {
        self.score.values.view()
    }

    /// The factor that makes larger values the harder ones.
    pub fn sign(&self) -> f64 {
        self.score.harder.sign()
    }

    /// The values of a run in one piece.
    fn row(&self, run: usize) -> Cow<'a, [f32]> {
        let row = self.score.values.row(run);
        row.to_slice().map_or_else(|| Cow::Owned(row.to_vec()), Cow::Borrowed)
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.score.values.nrows()
    }

    /// The runs that have a value for some example.
    pub fn valid(&self) -> Vec<usize> {
        let has_any = |run: &usize| !self.holes || self.score.values.row(*run).iter().any(|value| !value.is_nan());
        (0..self.runs()).filter(has_any).collect()
    }

    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.score.values.ncols()
    }

    /// Each example's mean over a set of runs, larger = harder; NaN where none of them has a value. A run may stand in
    /// the set more than once.
    pub fn means(&self, set: &[usize], means: &mut Vec<f64>) {
        means.clear();
        means.resize(self.examples(), 0.0);
        let sign = self.score.harder.sign();
        if self.holes {
            let rows = set.iter().map(|run| self.score.values.row(*run));
            let mut counts = vec![0_u32; means.len()];
            for row in rows {
                let cells = means.iter_mut().zip(&mut counts).zip(row).filter(|(_, value)| !value.is_nan());
                for ((sum, count), value) in cells {
                    *sum += f64::from(*value);
                    *count += 1;
                }
            }
            // 0 of 0 values: NaN.
            means.iter_mut().zip(counts).for_each(|(sum, count)| *sum *= sign / f64::from(count));
            return;
        }
        let rows: Vec<Cow<[f32]>> = set.iter().map(|run| self.row(*run)).collect();
        let scale = sign / set.len() as f64;
        // Sums of a block stay in cache while the rows pass.
        for (block, sums) in means.chunks_mut(BLOCK).enumerate() {
            for row in rows.iter().filter_map(|row| row.get(block * BLOCK..)) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            for sum in sums {
                *sum *= scale;
            }
        }
    }
}

/// Examples that are summed at a time.
const BLOCK: usize = 1024;

/// The scores at these places that have a value per run, and why the others of the model are left out.
pub fn per_run<'a>(model: &'a ModelScores, places: &[usize]) -> (Vec<SignedRuns<'a>>, Vec<String>) {
    let (mut scores, mut warnings, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for score in places.iter().filter_map(|place| model.scores.get(*place)) {
        match select::problem(score) {
            Some(reason) => warnings.push(reason),
            None if model.is_per_run(score) => scores.push(SignedRuns::new(score)),
            None => whole.push(format!("`{}`", score.name)),
        }
    }
    // One sentence for all of them: there may be many.
    if !whole.is_empty() {
        let (are, have) = if whole.len() == 1 { ("is", "it has") } else { ("are", "each has") };
        let names = whole.join(", ");
        warnings.push(format!("{names} {are} left out: {have} one value for the whole ensemble, none per run"));
    }
    // Models of one study often lack the same.
    (scores, warnings.into_iter().map(|warning| format!("{}: {warning}", model.model)).collect())
}
