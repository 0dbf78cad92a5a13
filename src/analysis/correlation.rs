//! Do the scores measure different things? Spearman's correlations between them (Kwok et al. 2024, figure 4).
//!
//! Scores are signed so that larger = harder. Ranks average ties. A correlation is over the examples that have both
//! values; one with a constant does not exist (NaN), and a mean over runs is over those runs in which it exists. Ranks
//! are made once per score and run ([`Prepared`]); a change of selection only multiplies them ([`Prepared::correlate`]).

mod answer;

use ndarray::Array2;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::again::{Memory, key};
use super::rank::{MeanRanks, Ranks};
use super::{Again, Analysis, Answer, Input, ModelScores, Options, ScoreRuns, Wants, select};
use crate::Result;

pub use answer::answer;

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "correlation",
    question: "Do the scores measure different things, and how much of that is noise of single runs?",
    tab: None,
    compares: false,
    takes: &[],
    wants: Wants::SCORES,
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// Below this many runs a run's part in its own mean matters, and the leave-one-out form stands beside.
const LEAVE_ONE_OUT_BELOW: usize = 20;

/// One model's scores as ranks: all that a correlation needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    model: String,
    role: String,
    runs: usize,
    scores: Vec<PreparedScore>,
}

/// The ranks of one score, harder = higher.
#[derive(Debug, Clone)]
struct PreparedScore {
    name: String,
    /// Why it has to be left out, if so.
    problem: Option<String>,
    mean: Ranks,
    runs: Vec<Ranks>,
    mean_of_runs: Option<MeanRanks>,
    /// Ranks of the mean without each run, below 20 runs.
    without: Vec<Ranks>,
}

/// The correlations between some scores of one model. Matrices are `[scores, scores]`; NaN where there is none.
#[derive(Debug, Clone)]
pub struct Correlations {
    /// The model's label.
    pub model: String,
    /// The role of the examples.
    pub role: String,
    /// How many runs stand behind the numbers.
    pub runs: usize,
    /// Names of the scores.
    pub scores: Vec<String>,
    /// How many examples have a mean of both scores.
    pub examples: Array2<usize>,
    /// corr(mean X, mean Y).
    pub mean_mean: Array2<f64>,
    /// Row X, column Y: corr(mean X, Y of a run), averaged over runs; at least 2 runs.
    pub mean_run: Array2<f64>,
    /// corr(X, Y) of the same run, averaged over runs; at least 2 runs.
    pub same_run: Array2<f64>,
    /// As `mean_run`, with the run left out of the mean; for 2 to 19 runs.
    pub leave_one_out: Option<Array2<f64>>,
    /// Scores left out, runs in which a score is constant, too few runs.
    pub warnings: Vec<String>,
}

impl Prepared {
    /// Ranks every score, its runs and its means.
    pub fn new(model: &ModelScores) -> Self {
        let scores = model.scores.iter().map(|score| PreparedScore::new(score, model.is_per_run(score))).collect();
        Self { model: model.model.clone(), role: model.role.to_owned(), runs: model.runs.len(), scores }
    }

    /// The correlations between the scores at these places (of `ModelScores::scores`).
    pub fn correlate(&self, selection: &[usize]) -> Correlations {
        let chosen: Vec<&PreparedScore> = selection.iter().filter_map(|place| self.scores.get(*place)).collect();
        let (left_out, used): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|score| score.problem.is_some());
        let several = self.runs > 1;
        let over_runs = |of: fn(&PreparedScore, &PreparedScore) -> f64| {
            if several { matrix(&used, of) } else { Array2::from_elem((used.len(), used.len()), f64::NAN) }
        };
        Correlations {
            model: self.model.clone(),
            role: self.role.clone(),
            runs: self.runs,
            scores: used.iter().map(|score| score.name.clone()).collect(),
            examples: matrix(&used, |x, y| x.mean.shared(&y.mean)),
            mean_mean: symmetric(&used, |x, y| x.mean.correlation(&y.mean)),
            mean_run: over_runs(PreparedScore::mean_against_runs),
            same_run: if several { symmetric(&used, PreparedScore::in_same_run) } else { over_runs(|_, _| f64::NAN) },
            leave_one_out: (several && self.runs < LEAVE_ONE_OUT_BELOW)
                .then(|| matrix(&used, PreparedScore::rest_against_runs)),
            warnings: self.doubts(&left_out, &used),
        }
    }

    fn doubts(&self, left_out: &[&PreparedScore], used: &[&PreparedScore]) -> Vec<String> {
        let problems = left_out.iter().filter_map(|score| score.problem.clone());
        let few = "1 finished run; correlations of means with runs, and within runs, need 2".to_owned();
        let few = (self.runs == 1).then_some(few);
        let doubts = problems.chain(few).chain(used.iter().filter_map(|score| score.doubt()));
        doubts.map(|doubt| format!("{}: {doubt}", self.model)).collect()
    }
}

impl PreparedScore {
    /// A score of the whole ensemble (not `per_run`) has a mean alone.
    fn new(score: &ScoreRuns, per_run: bool) -> Self {
        let sign = score.harder.sign();
        let ranks = |values: Vec<f64>| Ranks::new(&values.iter().map(|value| sign * value).collect::<Vec<f64>>());
        let stored = |run: usize| score.values.row(run).iter().map(|value| sign as f32 * value).collect::<Vec<f32>>();
        let count = if per_run { score.values.nrows() } else { 0 };
        let runs: Vec<Ranks> = (0..count).into_par_iter().map(|run| Ranks::of_stored(&stored(run))).collect();
        let left_out = if (2..LEAVE_ONE_OUT_BELOW).contains(&count) { count } else { 0 };
        let without = (0..left_out).into_par_iter().map(|run| ranks(score.means(Some(run))));
        Self {
            name: score.name.clone(),
            problem: select::problem(score),
            mean: ranks(score.means(None)),
            mean_of_runs: MeanRanks::new(&runs),
            without: without.collect(),
            runs,
        }
    }

    fn mean_against_runs(&self, other: &Self) -> f64 {
        let at_once = other.mean_of_runs.as_ref().and_then(|mean| mean.correlation(&self.mean));
        at_once.unwrap_or_else(|| mean_of_existing(other.runs.iter().map(|run| self.mean.correlation(run))))
    }

    fn rest_against_runs(&self, other: &Self) -> f64 {
        mean_of_existing(self.without.iter().zip(&other.runs).map(|(rest, run)| rest.correlation(run)))
    }

    fn in_same_run(&self, other: &Self) -> f64 {
        mean_of_existing(self.runs.iter().zip(&other.runs).map(|(x, y)| x.correlation(y)))
    }

    fn doubt(&self) -> Option<String> {
        let (name, runs) = (&self.name, self.runs.len());
        if self.mean.is_constant() {
            return Some(format!("`{name}` is the same for every example: it correlates with nothing"));
        }
        let count = |wanted: fn(&Ranks) -> bool| self.runs.iter().filter(|run| wanted(run)).count();
        let missing = count(|run| run.present() == 0);
        let constant = count(|run| run.present() > 0 && run.is_constant());
        let part = |count: usize, what: &str| (count > 0).then(|| format!("{what} in {count} of {runs} runs"));
        let parts: Vec<String> = [part(missing, "missing"), part(constant, "constant")].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("`{name}` is {}: those are left out of means", parts.join(" and ")))
    }
}

/// The mean of the correlations that exist; NaN where none does.
fn mean_of_existing(correlations: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for correlation in correlations.filter(|correlation| !correlation.is_nan()) {
        sum += correlation;
        count += 1.0;
    }
    sum / count
}

fn matrix<T: Default + Clone + Send>(
    scores: &[&PreparedScore],
    of: fn(&PreparedScore, &PreparedScore) -> T,
) -> Array2<T> {
    let side = scores.len();
    let mut matrix = Array2::default((side, side));
    let cells: Vec<T> =
        (0..side * side).into_par_iter().map(|cell| of(scores[cell / side], scores[cell % side])).collect();
    matrix.iter_mut().zip(cells).for_each(|(cell, value)| *cell = value);
    matrix
}

/// As [`matrix`], where both orders give the same: half the work.
fn symmetric(scores: &[&PreparedScore], of: fn(&PreparedScore, &PreparedScore) -> f64) -> Array2<f64> {
    let pairs: Vec<(usize, usize)> = (0..scores.len()).flat_map(|i| (i..scores.len()).map(move |j| (i, j))).collect();
    let values: Vec<f64> = pairs.par_iter().map(|(i, j)| of(scores[*i], scores[*j])).collect();
    let mut matrix = Array2::zeros((scores.len(), scores.len()));
    for ((i, j), value) in pairs.into_iter().zip(values) {
        matrix[[i, j]] = value;
        matrix[[j, i]] = value;
    }
    matrix
}

/// The interval of a Spearman correlation of `n` examples at a level such as 0.95: Fisher's z, with the standard error
/// of Bonett and Wright (2000) for ranks, sqrt((1 + rho²/2) / (n - 3)). The whole range -1..1 below 4 examples.
pub fn interval(rho: f64, n: usize, level: f64) -> (f64, f64) {
    if n < 4 {
        return (-1.0, 1.0);
    }
    let error = ((1.0 + rho * rho / 2.0) / (n - 3) as f64).sqrt();
    let half = Normal::standard().inverse_cdf(0.5 + level / 2.0) * error;
    let z = rho.clamp(-1.0, 1.0).atanh();
    ((z - half).tanh(), (z + half).tanh())
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// The ranks of every model.
#[derive(Default)]
struct Kept(Memory<Prepared>);

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let mut correlations = Vec::new();
        for model in input.models.iter().filter(|model| model.role == options.role) {
            let prepared = self.0.look(key(model, ""), || Prepared::new(model));
            correlations.push(prepared.correlate(&select::scores(model, &options.scores)?));
        }
        Ok(answer(&correlations))
    }
}

#[cfg(test)]
mod tests;
