//! Which examples tell the models apart? Welch's tests of the fitting halves, all scores and pairs together.

use std::sync::Arc;

use ndarray::Axis;

use super::Matched;
use crate::analysis::again::Memory;
use crate::analysis::bias::Moments;
use crate::analysis::means::SignedRuns;

/// The candidates, and how many examples are none.
#[derive(Default)]
pub(super) struct Ranking {
    /// (Column, mean -ln p), most telling first.
    pub ranked: Vec<(usize, f64)>,
    pub incomplete: usize,
    pub untested: usize,
    pub some_untested: usize,
}

/// The tests of all examples by one score of one pair.
#[derive(Debug)]
pub(super) struct Tests {
    /// NaN where both models have a constant, and not the same.
    neg_ln_p: Vec<f64>,
    /// Whether a fitted run has no value.
    incomplete: Vec<bool>,
}

impl Tests {
    /// Of the fitting halves, as far as they have the score.
    fn of(matched: &Matched) -> Self {
        let moments = |score: &SignedRuns, runs: &[usize]| Moments::of(&score.values().select(Axis(0), runs).view());
        let [(x, fit_x), (y, fit_y)] = [0, 1].map(|side| (matched.scores[side], &matched.fit[side]));
        let (of_x, of_y) = (moments(x, fit_x), moments(y, fit_y));
        let counts = of_x.count.iter().zip(&of_y.count);
        let incomplete = counts.map(|(in_x, in_y)| (*in_x as usize, *in_y as usize) != (fit_x.len(), fit_y.len()));
        Self { incomplete: incomplete.collect(), neg_ln_p: of_x.against(&of_y) }
    }
}

/// The tests of one example.
#[derive(Clone, Copy, Default)]
struct Evidence {
    sum: f64,
    tests: u32,
    /// Whether a fitted run has no value.
    incomplete: bool,
}

/// Examples that all fitted runs have values of, by mean -ln p over the tests of all scores and pairs, largest first. The
/// other halves are never looked at.
pub(super) fn rank(known: &mut Memory<Arc<Tests>>, matched: &[Matched]) -> Ranking {
    let mut evidence: Vec<Evidence> = Vec::new();
    let all = known.all(matched, Matched::kept_as, |matched| Arc::new(Tests::of(matched)));
    let possible = all.len() as u32;
    for tests in all {
        evidence.resize(tests.neg_ln_p.len(), Evidence::default());
        for ((one, value), incomplete) in evidence.iter_mut().zip(&tests.neg_ln_p).zip(&tests.incomplete) {
            one.incomplete |= incomplete;
            // Two different constants have no test, and would otherwise cost the example those of its other scores.
            if !value.is_nan() {
                one.sum += value;
                one.tests += 1;
            }
        }
    }
    let mut ranking = Ranking::default();
    for (column, Evidence { sum, tests, incomplete }) in evidence.into_iter().enumerate() {
        match tests {
            _ if incomplete => ranking.incomplete += 1,
            0 => ranking.untested += 1,
            _ => {
                ranking.some_untested += usize::from(tests < possible);
                ranking.ranked.push((column, sum / f64::from(tests)));
            }
        }
    }
    ranking.ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranking
}
