//! Which examples does one model find harder than another, beyond the noise of its runs? Welch's two-sample t-test per
//! example and score for every pair of models (Kwok et al. 2024, figure 6).
//!
//! -ln p is natural and exact also where p is 0 in f64. The threshold is Bonferroni's over the examples at level 0.01
//! (the paper doesn't state its count); Benjamini and Hochberg's share at the same level stands beside it. An example with
//! two different constants, or with fewer than two values on a side, has no test and is counted as left out; two equal
//! constants have p = 1. With fewer than five runs on a side a permutation test of the means stands beside.
//!
//! A result per pair: what `analyze --json` promises, and `runs`, `benjamini_hochberg` (shares), `harder_for_first` (of the
//! examples above the threshold), `parameters` (both models), `classes`, with few runs `permutation`; `--per-example` adds
//! `neg_ln_p[score][example]`.

mod answer;
mod multiple;
mod permutation;
mod welch;

use std::sync::Arc;

use super::again::Memory;
use super::means::{self, SignedRuns};
use super::table::counted;
use super::{Again, Analysis, Answer, Cohort, Input, ModelScores, Options, Wants, select};
use crate::Result;
use permutation::Permutations;

pub use answer::{Numbers, answer};
pub use multiple::{benjamini_hochberg, bonferroni};
pub use welch::{Moments, student_neg_ln_p, t_and_freedom};

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "bias",
    question: "Which examples, and which classes, does one model find harder than another?",
    tab: Some(('7', "Bias")),
    compares: true,
    takes: &["--draws", "--seed", "--per-example"],
    wants: Wants::SCORES,
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// Runs that a model needs: a variance.
const FEWEST: usize = 2;

/// Every test between every two models: thresholds are read off them.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// Each pair of models with enough runs.
    pub pairs: Vec<Pair>,
    /// Left-out scores and models.
    pub warnings: Vec<String>,
}

/// The tests between two models.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Their labels.
    pub models: [String; 2],
    /// Their numbers of runs.
    pub runs: [usize; 2],
    /// Trained parameters of each, where known.
    pub parameters: [Option<usize>; 2],
    /// The role of the examples.
    pub role: String,
    /// Who the examples are.
    pub cohort: Arc<Cohort>,
    /// How many there are.
    pub examples: usize,
    /// The tests of each score.
    pub scores: Vec<Tests>,
    /// What stands beside with few runs.
    pub permutation: Option<PermutationNote>,
}

/// The tests of one score.
#[derive(Debug, Clone)]
pub struct Tests {
    /// The score's name.
    pub score: String,
    /// -ln p of each example; NaN where there is no test.
    pub neg_ln_p: Vec<f64>,
    /// Mean of the first model minus mean of the second, larger = harder.
    pub difference: Vec<f64>,
    numbers: Numbers,
    /// The same of the permutation tests, with few runs.
    permuted: Option<Numbers>,
}

/// How the permutation tests were made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PermutationNote {
    /// The smallest p that these numbers of runs allow.
    pub smallest: f64,
    /// Whether all ways were tried.
    pub all: bool,
    /// Ways tried at most.
    pub draws: usize,
    /// Seed of the drawn ones.
    pub seed: u64,
}

/// A model with the scores that have values per run.
pub(super) struct Side<'a> {
    pub(super) model: &'a ModelScores,
    parameters: Option<usize>,
    pub(super) scores: Vec<SignedRuns<'a>>,
}

impl Prepared {
    /// Tests every pair of the models that have enough runs.
    pub fn new(input: &Input, options: &Options) -> Result<Self> {
        Self::with(&mut Memory::default(), input, options)
    }

    /// The same, with tests that are known.
    fn with(known: &mut Memory<Tests>, input: &Input, options: &Options) -> Result<Self> {
        let (sides, mut warnings) = sides(input, options, ("bias", FEWEST))?;
        let mut pairs = Vec::new();
        for (place, first) in sides.iter().enumerate() {
            for second in sides.iter().skip(place + 1) {
                match why_not(first, second) {
                    Some(reason) => warnings.push(reason),
                    None => pairs.push(Pair::new(known, first, second, options)),
                }
            }
        }
        if sides.len() < 2 {
            let found = sides.len();
            warnings.push(format!("bias needs 2 models with {FEWEST} finished runs each; there are {found}"));
        }
        Ok(Self { pairs, warnings })
    }
}

/// The models with enough runs for the analysis of a name, and what is left out.
pub(super) fn sides<'a>(
    input: &Input<'a>,
    options: &Options,
    (analysis, fewest): (&str, usize),
) -> Result<(Vec<Side<'a>>, Vec<String>)> {
    let (mut sides, mut warnings) = (Vec::new(), Vec::new());
    for model in input.models.iter().filter(|model| model.role == options.role) {
        if model.runs.len() < fewest {
            let found = counted(model.runs.len(), "finished run", "finished runs");
            warnings.push(format!("{}: {found}; {analysis} needs {fewest}", model.model));
            continue;
        }
        let (scores, left_out) = means::per_run(model, &select::scores(model, &options.scores)?);
        warnings.extend(left_out);
        let replicates = input.replicates.iter().find(|replicates| replicates.model == model.model);
        sides.push(Side { model, parameters: replicates.and_then(|replicates| replicates.parameters), scores });
    }
    Ok((sides, warnings))
}

/// Why two models cannot be compared.
pub(super) fn why_not(first: &Side, second: &Side) -> Option<String> {
    let names = || format!("{} and {}", first.model.model, second.model.model);
    if first.model.examples() != second.model.examples() || first.model.cohort.ids != second.model.cohort.ids {
        return Some(format!("{} have different examples", names()));
    }
    let shared = first.scores.iter().any(|score| second.scores.iter().any(|other| other.name() == score.name()));
    (!shared).then(|| format!("{} have no score in common", names()))
}

impl Pair {
    fn new(known: &mut Memory<Tests>, first: &Side, second: &Side, options: &Options) -> Self {
        let names = [first, second].map(|side| side.model.model.clone());
        let runs = [first.model.runs.len(), second.model.runs.len()];
        let draws = options.draws.unwrap_or(permutation::DRAWS);
        let few = runs.iter().any(|runs| *runs < permutation::BELOW);
        let permutations = few.then(|| Permutations::new(runs[0], runs[1], draws, options.seed));
        let in_both = first.scores.iter().filter_map(|a| {
            let b = second.scores.iter().find(|b| b.name() == a.name())?;
            Some((a, b))
        });
        let scores: Vec<_> = in_both.collect();
        let tested = |(a, _): &(&SignedRuns, &SignedRuns)| {
            [format!("{} {draws} {}", options.role, options.seed), names.join("\n"), a.name().to_owned()]
        };
        Self {
            runs,
            parameters: [first.parameters, second.parameters],
            role: options.role.clone(),
            cohort: first.model.cohort.clone(),
            examples: first.model.examples(),
            scores: known.all(&scores, tested, |(a, b)| Tests::new(a, b, permutations.as_ref())),
            models: names,
            permutation: permutations.as_ref().map(|permutations| {
                let (smallest, all) = permutations.smallest();
                PermutationNote { smallest, all, draws, seed: options.seed }
            }),
        }
    }
}

impl Tests {
    fn new(a: &SignedRuns, b: &SignedRuns, permutations: Option<&Permutations>) -> Self {
        let (of_a, of_b) = (Moments::of(&a.values()), Moments::of(&b.values()));
        let difference = |(x, y): (&f64, &f64)| a.sign() * (x - y);
        let neg_ln_p = of_a.against(&of_b);
        let by_permutation = permutations.map(|permutations| permutations.neg_ln_p(&a.values(), &b.values()));
        Self {
            score: a.name().to_owned(),
            numbers: Numbers::of(&neg_ln_p),
            permuted: by_permutation.as_deref().map(Numbers::of),
            neg_ln_p,
            difference: of_a.mean.iter().zip(&of_b.mean).map(difference).collect(),
        }
    }

    /// Examples without a test.
    pub fn left_out(&self) -> usize {
        self.neg_ln_p.iter().filter(|value| value.is_nan()).count()
    }
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// The tests of the scores that were looked at.
#[derive(Default)]
struct Kept(Memory<Tests>);

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        Ok(answer(&Prepared::with(&mut self.0, input, options)?, options))
    }
}

#[cfg(test)]
mod tests;
