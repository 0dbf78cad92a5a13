//! Do a few examples betray which model was trained? Those whose scores differ most between models, as features of a
//! classifier (Kwok et al. 2024, figure 1).
//!
//! Runs are dealt to two halves (seeded); of each, a score takes part with the runs that have a value of some example, and is left
//! out, with a reason, where these are too few. From the fitting halves alone come the ranking of the examples, by mean -ln p
//! (Welch) over all scores and pairs of models, the scale of the features, and one classifier per score and pair
//! (`logistic.rs` says how it is fitted); the other halves are only classified. Examples that lack a value in a fitted run,
//! or that have no test at all, are left out and counted; the mean is over the tests that there are, since a score with two
//! different constants has none. A tested run that lacks a value of some example in a set is not classified there, and
//! counted. Beside the 8 most telling examples stand the 8 least telling and 8 random ones (mean over draws). Accuracy is
//! the mean of both models' shares, so chance is 1/2.
//!
//! A result per pair: `models`, `role`, `fitted` and `tested` (runs of each model), `fitted_runs` (which), `scores`,
//! `candidates`, `left_out`, of which `incomplete` and `untested`, `some_untested` (candidates without a test in some score),
//! `top` and `bottom` (`id`, `label`, `neg_ln_p` of each example), `accuracy` (`top`, `bottom`, `random`, `random_draws`, a
//! number or an interval per score), `unclassified` (`top`, `bottom`, `random`: tested runs per score that lack a value, over
//! all draws), `draws`, `seed`.

mod answer;
mod logistic;
mod ranking;

use std::sync::Arc;

use rayon::prelude::*;

use self::ranking::{Ranking, Tests, rank};
use super::again::Memory;
use super::bias::{self, Side, why_not};
use super::means::SignedRuns;
use super::{Again, Analysis, Answer, Input, Options, Wants, quantile};
use crate::Result;
use crate::random::Key;
use logistic::Logistic;

pub use answer::answer;

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "fingerprint",
    question: "Do a few examples tell which model was trained?",
    tab: Some(('8', "Fingerprint")),
    compares: true,
    takes: &["--draws", "--seed"],
    wants: Wants::SCORES,
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// Examples in a fingerprint.
pub const EXAMPLES: usize = 8;

/// Runs that a model needs: two to fit, for a variance, and two to test.
const FEWEST: usize = 4;

/// Fitted runs that a score needs in each model, for a variance; of tested ones it needs one.
const FEWEST_FITTED: usize = 2;

/// Draws of random examples.
const DRAWS: usize = 100;

/// The fingerprints of all pairs.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// The pairs of models.
    pub pairs: Vec<Pair>,
    /// The most telling examples, most first: (column, mean -ln p on the fitting halves).
    pub top: Vec<(usize, f64)>,
    /// The least telling ones, least first.
    pub bottom: Vec<(usize, f64)>,
    /// Examples that took part.
    pub candidates: usize,
    /// Examples that did not, as they lack a value in a fitted run.
    pub incomplete: usize,
    /// Examples that did not, as they have no test in any score of any pair.
    pub untested: usize,
    /// Examples that took part without a test in some score of some pair.
    pub some_untested: usize,
    /// Draws of random examples, and their seed.
    pub draws: usize,
    /// Seed of the draws and of the halves.
    pub seed: u64,
    /// What a reader must know.
    pub warnings: Vec<String>,
}

/// How well a model is told from another.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Their labels.
    pub models: [String; 2],
    /// Runs of each that were fitted.
    pub fitted: [usize; 2],
    /// Which these are.
    pub fitted_runs: [Vec<u32>; 2],
    /// Runs of each that were tested.
    pub tested: [usize; 2],
    /// A score each.
    pub scores: Vec<Accuracy>,
}

/// The accuracies of one score's classifiers.
#[derive(Debug, Clone)]
pub struct Accuracy {
    /// The score's name.
    pub score: String,
    /// On the most telling examples.
    pub top: Share,
    /// On the least telling ones.
    pub bottom: Share,
    /// On random ones, per draw.
    pub random: Vec<Share>,
    /// Mean of the score by each model over the tested and fitted runs, of the top examples, then of the bottom ones.
    pub means: [Vec<f64>; 2],
}

/// How well the tested runs are told apart by one set of examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Mean of both models' shares right; NaN where a model has no run to classify.
    pub right: f64,
    /// Runs of both models that were classified.
    pub runs: usize,
    /// Runs that lack a value of some example, and were not.
    pub lacking: usize,
}

/// A model with its runs dealt to two halves.
struct Halved<'a, 'b> {
    side: &'b Side<'a>,
    fit: Vec<usize>,
    test: Vec<usize>,
}

impl Prepared {
    /// Ranks, fits and tests.
    pub fn new(input: &Input, options: &Options) -> Result<Self> {
        Self::with(&mut Memory::default(), input, options)
    }

    /// The same, with tests that are known.
    fn with(known: &mut Memory<Arc<Tests>>, input: &Input, options: &Options) -> Result<Self> {
        let (sides, mut warnings) = sides(input, options)?;
        let enough: Vec<&Side> = sides.iter().filter(|side| side.model.runs.len() >= FEWEST).collect();
        let pairs = pairs_of(&enough, &mut warnings);
        if pairs.is_empty() {
            let found = enough.len();
            warnings.push(format!("fingerprint needs 2 models with {FEWEST} finished runs each; there are {found}"));
            return Ok(Self { warnings, ..Self::default() });
        }
        let halved: Vec<Halved> = enough.iter().map(|side| halve(side, options.seed)).collect();
        let mut matched = Vec::new();
        for (a, b) in &pairs {
            if let (Some(a), Some(b)) = (halved.get(*a), halved.get(*b)) {
                matched.push(Matched::all(a, b, options, &mut warnings));
            }
        }
        matched.retain(|scores| !scores.is_empty());
        let Ranking { ranked, incomplete, untested, some_untested } = rank(known, &matched.concat());
        if ranked.is_empty() {
            return Ok(Self { incomplete, untested, warnings, ..Self::default() });
        }
        let few = ranked.len().min(EXAMPLES);
        let top: Vec<(usize, f64)> = ranked.iter().take(few).copied().collect();
        let bottom: Vec<(usize, f64)> = ranked.iter().rev().take(few).copied().collect();
        if ranked.len() < 2 * EXAMPLES {
            warnings.push(format!("only {} examples can be ranked: top and bottom overlap", ranked.len()));
        }
        let draws = options.draws.unwrap_or(DRAWS);
        let sets = Sets { top: columns(&top), bottom: columns(&bottom), random: random(&ranked, draws, options.seed) };
        Ok(Self {
            pairs: matched.iter().filter_map(|scores| Pair::new(scores, &sets)).collect(),
            candidates: ranked.len(),
            incomplete,
            untested,
            some_untested,
            top,
            bottom,
            draws,
            seed: options.seed,
            warnings,
        })
    }
}

/// The models with enough runs, and what is left out.
fn sides<'a>(input: &Input<'a>, options: &Options) -> Result<(Vec<Side<'a>>, Vec<String>)> {
    bias::sides(input, options, ("fingerprint", FEWEST))
}

/// Places of the models that can be compared.
fn pairs_of(sides: &[&Side], warnings: &mut Vec<String>) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for (i, first) in sides.iter().enumerate() {
        for (j, second) in sides.iter().enumerate().skip(i + 1) {
            match why_not(first, second) {
                Some(reason) => warnings.push(reason),
                None => pairs.push((i, j)),
            }
        }
    }
    pairs
}

/// Half of the runs to fit, the others to test.
fn halve<'a, 'b>(side: &'b Side<'a>, seed: u64) -> Halved<'a, 'b> {
    let mut order: Vec<usize> = (0..side.model.runs.len()).collect();
    let key = Key { study_seed: seed, label: side.model.model.clone(), index: 0 };
    key.stream("fingerprint halves").shuffle(&mut order);
    let test = order.split_off(order.len() / 2);
    Halved { side, fit: order, test }
}

impl Halved<'_, '_> {
    /// The runs of the fitting half by their own numbers, rising.
    fn fitted_runs(&self) -> Vec<u32> {
        let mut runs: Vec<u32> = self.fit.iter().filter_map(|run| self.side.model.runs.get(*run).copied()).collect();
        runs.sort_unstable();
        runs
    }
}

/// A score that two models have in common, with the runs of their halves that have it.
#[derive(Clone)]
struct Matched<'a, 'b> {
    halves: [&'b Halved<'a, 'b>; 2],
    scores: [&'b SignedRuns<'a>; 2],
    fit: [Vec<usize>; 2],
    test: [Vec<usize>; 2],
    /// Of the halves.
    seed: u64,
}

impl<'a, 'b> Matched<'a, 'b> {
    /// The scores of two models that enough of their runs have; the others are told.
    fn all(a: &'b Halved<'a, 'b>, b: &'b Halved<'a, 'b>, options: &Options, warnings: &mut Vec<String>) -> Vec<Self> {
        let mut all = Vec::new();
        for score in &a.side.scores {
            let Some(other) = b.side.scores.iter().find(|other| other.name() == score.name()) else { continue };
            let (halves, scores) = ([a, b], [score, other]);
            let valid = scores.map(SignedRuns::valid);
            let with_values = |side: usize, runs: &[usize]| -> Vec<usize> {
                runs.iter().copied().filter(|run| valid[side].contains(run)).collect()
            };
            let fit = [0, 1].map(|side| with_values(side, &halves[side].fit));
            let test = [0, 1].map(|side| with_values(side, &halves[side].test));
            if fit.iter().any(|runs| runs.len() < FEWEST_FITTED) || test.iter().any(Vec::is_empty) {
                let [x, y] = halves.map(|half| half.side.model.model.as_str());
                warnings.push(format!(
                    "{x} and {y}: `{}` is left out: {} and {} runs have values, so that after the deal (seed {}) there are too \
                     few of them to fit or to test",
                    score.name(),
                    valid[0].len(),
                    valid[1].len(),
                    options.seed
                ));
                continue;
            }
            all.push(Self { halves, scores, fit, test, seed: options.seed });
        }
        all
    }

    fn models(&self) -> [String; 2] {
        self.halves.map(|half| half.side.model.model.clone())
    }

    /// What its tests are kept as.
    fn kept_as(&self) -> [String; 3] {
        let role = self.halves[0].side.model.role;
        [self.models().join("\n"), format!("{role} {}", self.seed), self.scores[0].name().to_owned()]
    }
}

/// The examples that classifiers are made of.
struct Sets {
    top: Vec<usize>,
    bottom: Vec<usize>,
    random: Vec<Vec<usize>>,
}

fn columns(ranked: &[(usize, f64)]) -> Vec<usize> {
    ranked.iter().map(|(column, _)| *column).collect()
}

/// Sets of different examples, drawn from all candidates.
fn random(ranked: &[(usize, f64)], draws: usize, seed: u64) -> Vec<Vec<usize>> {
    let draw = |draw: usize| {
        let mut stream = Key::study(seed).stream_for("fingerprint examples", 0, draw as u64);
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < ranked.len().min(EXAMPLES) {
            let place = stream.below(ranked.len() as u64) as usize;
            match ranked.get(place) {
                Some((column, _)) if !chosen.contains(column) => chosen.push(*column),
                _ => {}
            }
        }
        chosen
    };
    (0..draws).map(draw).collect()
}

impl Pair {
    /// By the scores of two models; none without any.
    fn new(scores: &[Matched], sets: &Sets) -> Option<Self> {
        let first = scores.first()?;
        let accuracy = |matched: &Matched| Accuracy {
            score: matched.scores[0].name().to_owned(),
            top: classify(matched, &sets.top),
            bottom: classify(matched, &sets.bottom),
            random: sets.random.par_iter().map(|columns| classify(matched, columns)).collect(),
            means: matched.scores.map(|score| means(score, sets)),
        };
        Some(Self {
            models: first.models(),
            fitted: first.halves.map(|half| half.fit.len()),
            fitted_runs: first.halves.map(Halved::fitted_runs),
            tested: first.halves.map(|half| half.test.len()),
            scores: scores.iter().map(accuracy).collect(),
        })
    }
}

/// Raw means over the runs that have a value, of the top examples, then of the bottom ones.
fn means(score: &SignedRuns, sets: &Sets) -> Vec<f64> {
    let values = score.values();
    let mean = |column: &usize| {
        let known = values.column(*column).into_iter().filter(|value| !value.is_nan());
        quantile::mean(&known.map(|value| f64::from(*value)).collect::<Vec<f64>>())
    };
    sets.top.iter().chain(&sets.bottom).map(mean).collect()
}

/// What the classifier, fitted on the fitting halves, makes of the other halves' runs that have all values.
fn classify(matched: &Matched, columns: &[usize]) -> Share {
    let rows = |side: usize, runs: &[usize]| -> Vec<Vec<f64>> {
        let values = matched.scores[side].values();
        let row = |run: &usize| columns.iter().map(|column| f64::from(values[[*run, *column]])).collect();
        runs.iter().map(row).collect()
    };
    let [fit_a, fit_b] = [0, 1].map(|side| rows(side, &matched.fit[side]));
    let labels = [vec![false; fit_a.len()], vec![true; fit_b.len()]].concat();
    let classifier = Logistic::fit(&[fit_a, fit_b].concat(), &labels);
    let [of_a, of_b] = [0, 1].map(|side| {
        let mut rows = rows(side, &matched.test[side]);
        rows.retain(|row| row.iter().all(|value| !value.is_nan()));
        rows
    });
    let runs = of_a.len() + of_b.len();
    Share {
        right: f64::midpoint(classifier.accuracy(&of_a, false), classifier.accuracy(&of_b, true)),
        runs,
        lacking: matched.halves.iter().map(|half| half.test.len()).sum::<usize>() - runs,
    }
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// The tests of each score of each pair, and the fingerprints that were taken.
#[derive(Default)]
struct Kept {
    tests: Memory<Arc<Tests>>,
    taken: Memory<Prepared>,
}

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let Options { scores, role, draws, seed, .. } = options;
        let key = [input.labels().join("\n"), role.clone(), format!("{} {draws:?} {seed}", scores.join("\n"))];
        // Somebody waits: random examples are many classifiers, which follow.
        let unfinished = options.quick && !self.taken.has(&key);
        let Self { tests, taken } = self;
        let taken = if unfinished {
            Prepared::with(tests, input, &Options { draws: Some(0), ..options.clone() })?
        } else {
            taken.try_get(key, || Prepared::with(tests, input, options))?
        };
        let cohort = input.models.iter().find(|model| model.role == *role).map(|model| model.cohort.clone());
        Ok(Answer { unfinished, ..answer(&taken, &cohort.unwrap_or_default(), options) })
    }
}

#[cfg(test)]
mod tests;
