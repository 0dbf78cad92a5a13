//! How many runs does a ranking need? Two disjoint sets of n runs rank the same examples, and the ranks are compared
//! (Kwok et al. 2024, figure 3).
//!
//! For n = 1 to half of the runs, ten times each unless `--draws` says otherwise: the median and the 95th percentile of
//! |rank change| as shares of the examples, and the share of examples that change side of a threshold, the 50th
//! percentile unless `--threshold` says otherwise. Strictly above the percentile counts as above, so that ties can leave
//! less than half of the examples there; the share that really lies above is given. All numbers are means over the draws.
//! An example that one of two sets has no value for is left out of that comparison. A score without any value in some run is
//! drawn among its other runs, up to half of those, and a warning says so.
//!
//! A result per model and score: `runs`, `valid` (runs with values), `n`, `median`, `p95`, `disagreement`, `share_above`, each with the middle 90 % of
//! its draws (`median_draws`, ...), `examples` (the fewest behind a comparison), `runs_needed` (see [`needed`]).

mod answer;
pub mod draws;
pub mod needed;

use rayon::prelude::*;

use self::draws::{Change, Comparer};
use super::again::{Memory, key};
use super::means::{self, SignedRuns};
use super::{Again, Analysis, Answer, Input, ModelScores, Options, Wants, select};
use crate::Result;

pub use answer::{add_measures, answer, curves};

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "stability",
    question: "How much does a ranking change with other runs, and how many runs does it need?",
    tab: Some(('4', "Stability")),
    compares: false,
    takes: &["--draws", "--seed", "--threshold", "--target"],
    wants: Wants::SCORES,
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// Draws for each number of runs.
pub const DRAWS: usize = 10;

/// Draws that are enough for a first look.
const QUICK_DRAWS: usize = 2;

/// Two disjoint sets of one run each.
const FEWEST: usize = 2;

/// All comparisons of one model: every threshold and target is read off them.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The model's label.
    pub model: String,
    /// The role of the examples.
    pub role: String,
    /// How many runs there are.
    pub runs: usize,
    /// Draws for each number of runs.
    pub draws: usize,
    /// Their seed.
    pub seed: u64,
    /// The comparisons of each score.
    pub scores: Vec<Comparisons>,
    /// Scores that are left out, or lack runs.
    pub warnings: Vec<String>,
}

/// The comparisons of one score.
#[derive(Debug, Clone)]
pub struct Comparisons {
    /// The score's name.
    pub score: String,
    /// Runs that have values, among which the sets are drawn.
    pub valid: usize,
    /// Outer: n = 1, 2, ...; inner: the draws.
    pub changes: Vec<Vec<Change>>,
}

impl Prepared {
    /// Draws and compares, for the scores at these places.
    pub fn new(model: &ModelScores, places: &[usize], options: &Options) -> Self {
        Self::with(&mut Memory::default(), model, places, options)
    }

    /// The same, with comparisons that are known.
    fn with(known: &mut Memory<Comparisons>, model: &ModelScores, places: &[usize], options: &Options) -> Self {
        let (scores, mut warnings) = means::per_run(model, places);
        let (runs, draws, seed) = (model.runs.len(), options.draws.unwrap_or(DRAWS), options.seed);
        let compare = |score: &SignedRuns| {
            let valid = score.valid();
            Comparisons {
                score: score.name().to_owned(),
                valid: valid.len(),
                changes: over_sets(&valid, draws, seed, |(), set, means| score.means(set, means)),
            }
        };
        let compared = |score: &SignedRuns| known.get(kept_as(model, score.name(), options), || compare(score));
        let mut compared: Vec<Comparisons> = scores.iter().map(compared).collect();
        warnings.extend(compared.iter().filter_map(|score| short(score, runs)));
        compared.retain(|score| score.valid >= FEWEST);
        Self { model: model.model.clone(), role: model.role.to_owned(), runs, draws, seed, scores: compared, warnings }
    }
}

/// What a reader must know of a score without any value in some run.
fn short(score: &Comparisons, runs: usize) -> Option<String> {
    let Comparisons { score, valid, .. } = score;
    if *valid == runs {
        return None;
    }
    let had = format!("{valid} of {runs} runs have values");
    Some(if *valid < FEWEST {
        format!("`{score}` is left out: {had}; stability needs {FEWEST}")
    } else {
        format!("`{score}`: {had}; sets are drawn among those, up to n = {}", valid / 2)
    })
}

/// What the comparisons of a score are kept as.
fn kept_as(model: &ModelScores, score: &str, options: &Options) -> [String; 3] {
    key(model, &format!("{score} {} {}", options.draws.unwrap_or(DRAWS), options.seed))
}

/// Compares what `values` makes of two disjoint sets of the valid runs, for n = 1 to half of them and every draw.
pub fn over_sets<S: Default>(
    valid: &[usize],
    draws: usize,
    seed: u64,
    values: impl Fn(&mut S, &[usize], &mut Vec<f64>) + Sync,
) -> Vec<Vec<Change>> {
    let jobs: Vec<(usize, usize)> = (1..=valid.len() / 2).flat_map(|n| (0..draws).map(move |draw| (n, draw))).collect();
    let changes: Vec<Change> = jobs
        .into_par_iter()
        .map_init(Scratch::default, |scratch, (n, draw)| {
            let (first, second) = draws::sets(seed, valid, n, draw);
            scratch.compare(&first, &second, &values)
        })
        .collect();
    changes.chunks(draws.max(1)).map(<[Change]>::to_vec).collect()
}

/// What a thread keeps from one comparison to the next.
#[derive(Default)]
struct Scratch<S> {
    own: S,
    first: Vec<f64>,
    second: Vec<f64>,
    comparer: Comparer,
}

impl<S> Scratch<S> {
    fn compare(
        &mut self,
        first: &[usize],
        second: &[usize],
        values: impl Fn(&mut S, &[usize], &mut Vec<f64>),
    ) -> Change {
        values(&mut self.own, first, &mut self.first);
        values(&mut self.own, second, &mut self.second);
        self.comparer.compare(&mut self.first, &mut self.second)
    }
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// All comparisons of the scores that were looked at.
#[derive(Default)]
struct Kept(Memory<Comparisons>);

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let mut chosen = Vec::new();
        for model in input.models.iter().filter(|model| model.role == options.role) {
            chosen.push((model, select::scores(model, &options.scores)?));
        }
        let is_known = |model: &ModelScores, place: &usize| {
            model.scores.get(*place).is_some_and(|score| self.0.has(&kept_as(model, &score.name, options)))
        };
        let all_known = chosen.iter().all(|(model, places)| places.iter().all(|place| is_known(model, place)));
        // Somebody waits: a few draws of every score first.
        let unfinished = options.quick && options.draws.is_none() && !all_known;
        let options = if unfinished { &Options { draws: Some(QUICK_DRAWS), ..options.clone() } } else { options };
        let prepare = |(model, places): (_, Vec<usize>)| Prepared::with(&mut self.0, model, &places, options);
        let prepared: Vec<Prepared> = chosen.into_iter().map(prepare).collect();
        Ok(Answer { unfinished, ..answer(&prepared, options) })
    }
}

#[cfg(test)]
mod tests;
