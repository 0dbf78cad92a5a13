//! Which labels are wrong, and do the scores find them?
//!
//! **Labels were changed** (true labels are known and some differ from the given ones; those examples are the positives): AUROC,
//! average precision and precision among the first k of every score, and of the first component of the chosen scores, each
//! ranked by its own difficult end. Ties are as in scikit-learn: half a pair for AUROC, one threshold per value for average
//! precision; precision@k is its mean over all orders of a tie at k. Intervals: the middle 90 % over bootstrap draws of
//! examples (seeded; all scores meet the same draws), so they know nothing of other runs: how far two disjoint halves of the
//! runs differ stands beside. Examples without a value are left out of that score and counted: it meets other examples than the
//! rest, so its k is at most the number of positives among them, chance is theirs, and the best other score on them is told.
//!
//! **A review list** is there in any case: the hardest examples by one score (the first of `--score`, else `aum`, else the
//! first that has values), with the 90 % interval of the rank over bootstrap draws of runs, the class that most final
//! networks see (ties: the lowest), the corner type where prediction depths exist in both roles, and people's verdicts.
//! How well each score agrees with the verdicts is AUROC of `mislabelled` against `fine`, over examples without dissent.
//!
//! A result per model: `model`, `role`, `runs`, `examples`, `changed`, `k`, `scores`, `auroc`, `average_precision`,
//! `precision_at` (a list per k), their `..._interval`, `left_out`,
//! `ranked` and `positives` (with a value), `k_of` (its two k), `chance`, `best_on_same_examples` (`score`, `auroc`), `halves` (`auroc_difference`, `spearman`, per score), `below_chance`,
//! `draws`, `seed` (these only where labels were changed); `review` (`score`, `draws`, `examples`: `id`, `label`, `truth`, `believed`, `votes`, `of`,
//! `rank`, `low`, `high` from 1 = hardest, `corner`, `verdicts`; `--per-example`: all examples), `verdicts` (`counts`, `dissent`, `scores`, `auroc`,
//! `auroc_interval`, `confirmed`: mislabelled verdicts on changed labels).

mod answer;
mod detect;
mod review;
mod verdicts;

use rayon::prelude::*;

use super::components;
use super::depth::{self, corners::Corner};
use super::means::{self, SignedRuns};
use super::quantile::{mean, middle};
use super::rank::Ranks;
use super::{Analysis, Answer, Input, ModelScores, Options, Wants, select};
use crate::Result;
use crate::random::Key;

pub use detect::{Measures, Ordered};

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "audit",
    question: "Which labels are probably wrong, and do the scores find those that are?",
    tab: Some(('0', "Audit")),
    compares: false,
    takes: &["--draws", "--seed", "--per-example"],
    wants: Wants { all_roles: true, verdicts: true, evidence: true, ..Wants::SCORES },
    run,
    again: None,
};

/// Bootstrap draws of examples, unless others are wanted.
const DRAWS: usize = 500;
/// Draws of two disjoint halves of the runs.
const HALVES: usize = 10;
/// Width of all intervals.
const LEVEL: f64 = 0.9;
/// What the first component is called beside the scores.
const COMPONENT: &str = "component 1";

/// A ranking of the examples: a mean score, or the first component.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// The score's name.
    pub name: String,
    /// A value per example, larger = harder; NaN: none.
    pub hard: Vec<f64>,
    /// Two disjoint halves of the runs: mean |difference| of AUROC, mean Spearman correlation.
    pub halves: Option<(f64, f64)>,
}

/// How well one ranking finds the changed labels.
#[derive(Debug, Clone)]
pub struct Detection {
    /// What ranks.
    pub ranking: Ranking,
    /// Over all its examples.
    pub found: Measures,
    /// Intervals of AUROC, of average precision, and of each precision@k.
    pub intervals: [(f64, f64); 4],
    /// Examples without a value.
    pub left_out: usize,
    /// Examples with one, and how many of them had their label changed.
    pub examples: usize,
    /// See `examples`.
    pub positives: usize,
    /// The k of precision@k, at most as many as there are positives.
    pub ks: [usize; 2],
    /// Where examples are left out: what finds the changed labels among the others best beside this one, and its AUROC there.
    pub same: Option<(String, f64)>,
}

impl Detection {
    /// Whether it finds changed labels worse than chance, beyond its interval.
    pub fn is_below_chance(&self) -> bool {
        self.intervals[0].1 < 0.5
    }

    /// The precision of a ranking by chance, among the examples that this one ranks.
    pub fn chance(&self) -> f64 {
        self.positives as f64 / self.examples as f64
    }
}

/// The rankings of a model by the wanted scores, then the first component of those that vary; and what is left out.
fn rankings(model: &ModelScores, places: &[usize]) -> (Vec<Ranking>, Vec<String>) {
    let (mut rankings, mut warnings) = (Vec::new(), Vec::new());
    for score in places.iter().filter_map(|place| model.scores.get(*place)) {
        if let Some(problem) = select::problem(score) {
            warnings.push(format!("{}: {problem}", model.model));
            continue;
        }
        let sign = score.harder.sign();
        let hard = score.means(None).into_iter().map(|mean| sign * mean).collect();
        rankings.push(Ranking { name: score.name.clone(), hard, halves: None });
    }
    let component = components::Prepared::new(model).decompose(places);
    if component.scores.len() > 1 && component.first.iter().any(|value| !value.is_nan()) {
        rankings.push(Ranking { name: COMPONENT.to_owned(), hard: component.first, halves: None });
    }
    (rankings, warnings)
}

/// The places of the examples whose label was changed; none where nothing is known.
fn changed(model: &ModelScores) -> Vec<bool> {
    let cohort = &model.cohort;
    let pairs = cohort.labels.iter().zip(&cohort.true_labels);
    pairs.map(|(given, truth)| given != truth).collect()
}

/// Every ranking's success, the best AUROC first.
fn detections(model: &ModelScores, rankings: &[Ranking], changed: &[bool], options: &Options) -> Vec<Detection> {
    let ks = counts_to_look_at(changed);
    let ordered: Vec<Ordered> = rankings.iter().map(|ranking| Ordered::new(&ranking.hard, changed)).collect();
    // More than there are cannot be found: with a larger k, even a perfect ranking stays below 1.
    let capped = |ordered: &Ordered| ks.map(|k| k.min(ordered.positives()));
    let drawn = bootstrap(&ordered, changed.len(), capped, options);
    let halves = halves(model, changed, options.seed);
    let of = |(place, (ranking, ordered)): (usize, (&Ranking, &Ordered))| {
        let draws: Vec<&Measures> = drawn.iter().filter_map(|draw| draw.get(place)).collect();
        let interval = |of: fn(&Measures) -> f64| middle(&draws.iter().map(|draw| of(draw)).collect::<Vec<_>>(), LEVEL);
        let known = halves.iter().find(|(name, _)| *name == ranking.name).map(|(_, halves)| *halves);
        Detection {
            ranking: Ranking { halves: known, ..ranking.clone() },
            found: ordered.measure(capped(ordered)),
            intervals: [
                interval(|draw| draw.auroc),
                interval(|draw| draw.average_precision),
                interval(|draw| draw.precision[0]),
                interval(|draw| draw.precision[1]),
            ],
            left_out: changed.len() - ordered.len(),
            examples: ordered.len(),
            positives: ordered.positives(),
            ks: capped(ordered),
            same: best_on_the_same(ranking, rankings, changed),
        }
    };
    let mut all: Vec<Detection> = rankings.iter().zip(&ordered).enumerate().map(of).collect();
    all.sort_by(|a, b| b.found.auroc.total_cmp(&a.found.auroc));
    all
}

/// The ranking, and its AUROC, that does best on the examples of another one that misses some; none where that misses none, or no other
/// ranking has all of its examples.
fn best_on_the_same(ranking: &Ranking, rankings: &[Ranking], changed: &[bool]) -> Option<(String, f64)> {
    if !ranking.hard.iter().any(|value| value.is_nan()) {
        return None;
    }
    let auroc = |other: &Ranking| {
        let both = ranking.hard.iter().zip(&other.hard);
        let covers = both.clone().all(|(own, other)| own.is_nan() || !other.is_nan());
        let hard: Vec<f64> = both.map(|(own, other)| if own.is_nan() { f64::NAN } else { *other }).collect();
        covers.then(|| (other.name.clone(), Ordered::new(&hard, changed).measure([1, 1]).auroc))
    };
    let others = rankings.iter().filter(|other| other.name != ranking.name).filter_map(auroc);
    others.filter(|(_, auroc)| !auroc.is_nan()).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The k of precision@k: one example in a hundred (at least 10), and as many as were changed.
fn counts_to_look_at(changed: &[bool]) -> [usize; 2] {
    [(changed.len() / 100).max(10).min(changed.len()), changed.iter().filter(|changed| **changed).count()]
}

/// What every ranking finds among examples that are drawn with replacement, as many as there are.
fn bootstrap(
    ordered: &[Ordered],
    examples: usize,
    ks: impl Fn(&Ordered) -> [usize; 2] + Sync,
    options: &Options,
) -> Vec<Vec<Measures>> {
    let draws = options.draws.unwrap_or(DRAWS);
    let one = |draw: usize| {
        let mut stream = Key::study(options.seed).stream_for("audit", 0, draw as u64);
        let mut times = vec![0_u32; examples];
        for _ in 0..examples {
            if let Some(count) = times.get_mut(stream.below(examples as u64) as usize) {
                *count += 1;
            }
        }
        ordered.iter().map(|ordered| ordered.measure_weighted(&times, ks(ordered))).collect()
    };
    (0..draws).into_par_iter().map(one).collect()
}

/// For each score with a value per run: how far two disjoint halves of the runs differ in AUROC, and how they correlate.
fn halves(model: &ModelScores, changed: &[bool], seed: u64) -> Vec<(String, (f64, f64))> {
    let half = model.runs.len() / 2;
    if half == 0 {
        return Vec::new();
    }
    let all: Vec<usize> = (0..model.scores.len()).collect();
    let (scores, _) = means::per_run(model, &all);
    let of = |score: &SignedRuns| {
        let one = |draw: usize| {
            let mut order: Vec<usize> = (0..model.runs.len()).collect();
            Key::study(seed).stream_for("audit halves", 0, draw as u64).shuffle(&mut order);
            let sets = [order.get(..half), order.get(half..2 * half)].map(Option::unwrap_or_default);
            let [a, b] = sets.map(|set| {
                let mut means = Vec::new();
                score.means(set, &mut means);
                means
            });
            let auroc = |hard: &[f64]| Ordered::new(hard, changed).measure([1, 1]).auroc;
            ((auroc(&a) - auroc(&b)).abs(), Ranks::new(&a).correlation(&Ranks::new(&b)))
        };
        let draws: Vec<(f64, f64)> = (0..HALVES).map(one).collect();
        let (differences, correlations): (Vec<f64>, Vec<f64>) = draws.into_iter().unzip();
        (score.name().to_owned(), (mean(&differences), mean(&correlations)))
    };
    scores.par_iter().map(of).collect()
}

/// The corner of each example by the model's depths when it trains on it and when it holds it out, where the study has both; none of
/// test examples.
fn corners(input: &Input, model: &ModelScores) -> Option<Vec<Option<Corner>>> {
    if model.role == "test" {
        return None;
    }
    let depth = |role: &str| {
        let scores = input.models.iter().find(|other| other.model == model.model && other.role == role)?;
        scores.scores.iter().find(|score| select::base(&score.name) == "prediction_depth")
    };
    let (train, val) = (depth("train")?, depth("val")?);
    let last = depth::last(input, &model.model, &model.runs, [train, val].into_iter());
    let means = [train, val].map(|depth| depth.means(None));
    if means.iter().any(|means| means.iter().all(|mean| mean.is_nan())) {
        return None;
    }
    let [train, val] = means;
    Some(val.iter().zip(&train).map(|(val, train)| Corner::of(*val, *train, last)).collect())
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    let mut parts = Vec::new();
    for model in input.models.iter().filter(|model| model.role == options.role) {
        let places = select::scores(model, &options.scores)?;
        let (rankings, warnings) = rankings(model, &places);
        let changed = changed(model);
        let is_known = changed.contains(&true) && changed.contains(&false) && changed.len() == model.examples();
        let found = if is_known { detections(model, &rankings, &changed, options) } else { Vec::new() };
        let review = review::Review::new(model, &places, corners(input, model).as_deref(), options);
        let verdicts = verdicts::Verdicts::new(model, &rankings, &changed, options);
        parts.push(answer::Part { model, changed, found, review, verdicts, warnings });
    }
    Ok(answer::answer(&parts, options))
}

#[cfg(test)]
mod tests;
