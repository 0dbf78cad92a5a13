//! How well does each ranking find the changed labels, and how sure is that?

use std::sync::Arc;

use rayon::prelude::*;

use super::LEVEL;
use super::detect::{Measures, Ordered};
use super::rankings::Ranking;
use crate::analysis::again::{Memory, key};
use crate::analysis::means::SignedRuns;
use crate::analysis::quantile::{mean, middle};
use crate::analysis::rank::Ranks;
use crate::analysis::{ModelScores, Options};
use crate::random::Key;

/// Bootstrap draws of examples, unless others are wanted.
const DRAWS: usize = 500;
/// Draws of two disjoint halves of the runs.
pub(super) const HALVES: usize = 10;

/// Bootstrap draws of examples.
pub(super) fn draws(options: &Options) -> usize {
    options.draws.unwrap_or(DRAWS)
}

/// How well one ranking finds the changed labels.
#[derive(Debug, Clone)]
pub struct Detection {
    /// What ranks.
    pub ranking: Arc<Ranking>,
    /// Over all its examples.
    pub found: Measures,
    /// How sure that is; none while it is being drawn.
    pub sure: Option<Sure>,
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

/// What draws tell of one ranking.
#[derive(Debug, Clone, Copy)]
pub struct Sure {
    /// Intervals of AUROC, of average precision, and of each precision@k, over draws of examples.
    pub intervals: [(f64, f64); 4],
    /// Two disjoint halves of the runs: mean |difference| of AUROC, mean Spearman correlation; none of what has no value per run.
    pub halves: Option<(f64, f64)>,
}

impl Detection {
    /// The interval of a measure, by its place; NaN where there is none.
    pub fn interval(&self, place: usize) -> (f64, f64) {
        let interval = self.sure.as_ref().and_then(|sure| sure.intervals.get(place));
        interval.copied().unwrap_or((f64::NAN, f64::NAN))
    }

    /// Whether it finds changed labels worse than chance, beyond its interval.
    pub fn is_below_chance(&self) -> bool {
        self.interval(0).1 < 0.5
    }

    /// The precision of a ranking by chance, among the examples that this one ranks.
    pub fn chance(&self) -> f64 {
        self.positives as f64 / self.examples as f64
    }
}

/// What was drawn, and what rankings reach on the examples of others.
#[derive(Debug, Default)]
pub(super) struct Kept {
    sure: Memory<Sure>,
    same: Memory<Option<f64>>,
}

impl Kept {
    /// Every ranking's success, the best AUROC first; without what takes draws if somebody waits and it is not known of all.
    pub fn detections(
        &mut self,
        model: &ModelScores,
        rankings: &[Arc<Ranking>],
        changed: &[bool],
        options: &Options,
    ) -> Vec<Detection> {
        let ks = counts_to_look_at(changed);
        let drawn_as =
            |ranking: &&Arc<Ranking>| key(model, &format!("{} {} {}", ranking.of, draws(options), options.seed));
        let known = rankings.iter().all(|ranking| self.sure.has(&drawn_as(&ranking)));
        let sure = (known || !options.quick).then(|| {
            let of: Vec<&Arc<Ranking>> = rankings.iter().collect();
            self.sure.all_at_once(&of, drawn_as, |missing| sure(model, missing, changed, options))
        });
        let mut all: Vec<Detection> = Vec::new();
        for (place, ranking) in rankings.iter().enumerate() {
            let ordered = &ranking.ordered;
            let ks = capped(ks, ordered);
            all.push(Detection {
                found: ordered.measure(ks),
                sure: sure.as_ref().and_then(|sure| sure.get(place)).copied(),
                left_out: changed.len() - ordered.len(),
                examples: ordered.len(),
                positives: ordered.positives(),
                ks,
                same: self.best_on_the_same(model, ranking, rankings),
                ranking: ranking.clone(),
            });
        }
        all.sort_by(|a, b| b.found.auroc.total_cmp(&a.found.auroc));
        all
    }

    /// The ranking, and its AUROC, that does best on the examples of another one that misses some; none where that misses none, or no
    /// other ranking has all of its examples.
    fn best_on_the_same(
        &mut self,
        model: &ModelScores,
        ranking: &Ranking,
        rankings: &[Arc<Ranking>],
    ) -> Option<(String, f64)> {
        if ranking.is_whole() {
            return None;
        }
        let mut best: Option<(String, f64)> = None;
        for other in rankings.iter().filter(|other| other.of != ranking.of) {
            let [label, role, _] = key(model, "");
            let key = [label + "/" + &role, ranking.of.clone(), other.of.clone()];
            let Some(auroc) = self.same.get(key, || auroc_among(ranking, other)) else { continue };
            if best.as_ref().is_none_or(|(_, most)| auroc >= *most) {
                best = Some((other.name.clone(), auroc));
            }
        }
        best
    }
}

/// What another ranking reaches on the examples of one, if it has them all.
fn auroc_among(ranking: &Ranking, other: &Ranking) -> Option<f64> {
    let mut both = ranking.hard.iter().zip(&other.hard);
    if !both.all(|(own, other)| own.is_nan() || !other.is_nan()) {
        return None;
    }
    let once: Vec<u32> = ranking.hard.iter().map(|value| u32::from(!value.is_nan())).collect();
    Some(other.ordered.measure_weighted(&once, [1, 1]).auroc).filter(|auroc| !auroc.is_nan())
}

/// The k of precision@k: one example in a hundred (at least 10), and as many as were changed.
pub(super) fn counts_to_look_at(changed: &[bool]) -> [usize; 2] {
    [(changed.len() / 100).max(10).min(changed.len()), changed.iter().filter(|changed| **changed).count()]
}

/// More than there are cannot be found: with a larger k, even a perfect ranking stays below 1.
fn capped(ks: [usize; 2], ordered: &Ordered) -> [usize; 2] {
    ks.map(|k| k.min(ordered.positives()))
}

/// Draws for some rankings.
fn sure(model: &ModelScores, rankings: &[&&Arc<Ranking>], changed: &[bool], options: &Options) -> Vec<Sure> {
    let ks = counts_to_look_at(changed);
    let ordered: Vec<&Ordered> = rankings.iter().map(|ranking| &ranking.ordered).collect();
    let drawn = bootstrap(&ordered, changed.len(), |ordered| capped(ks, ordered), options);
    let of = |(place, ranking): (usize, &&&Arc<Ranking>)| {
        let draws: Vec<&Measures> = drawn.iter().filter_map(|draw| draw.get(place)).collect();
        let interval = |of: fn(&Measures) -> f64| middle(&draws.iter().map(|draw| of(draw)).collect::<Vec<_>>(), LEVEL);
        Sure {
            intervals: [
                interval(|draw| draw.auroc),
                interval(|draw| draw.average_precision),
                interval(|draw| draw.precision[0]),
                interval(|draw| draw.precision[1]),
            ],
            halves: halves(model, &ranking.of, changed, options.seed),
        }
    };
    rankings.par_iter().enumerate().map(of).collect()
}

/// What every ranking finds among examples that are drawn with replacement, as many as there are.
pub(super) fn bootstrap(
    ordered: &[&Ordered],
    examples: usize,
    ks: impl Fn(&Ordered) -> [usize; 2] + Sync,
    options: &Options,
) -> Vec<Vec<Measures>> {
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
    (0..draws(options)).into_par_iter().map(one).collect()
}

/// Of a score with a value per run: how far two disjoint halves of the runs differ in AUROC, and how they correlate.
fn halves(model: &ModelScores, name: &str, changed: &[bool], seed: u64) -> Option<(f64, f64)> {
    let half = model.runs.len() / 2;
    let score = model.scores.iter().find(|score| score.name == name && model.is_per_run(score))?;
    if half == 0 {
        return None;
    }
    let score = SignedRuns::new(score);
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
    Some((mean(&differences), mean(&correlations)))
}
