//! How much does a ranking change when it is made again from other runs? One draw: two disjoint sets of runs.

use crate::analysis::quantile::quantiles_of_counts;
use crate::analysis::rank::{MISSING, Ranker, Standing};
use crate::random::Key;

/// Thresholds are whole tenths of a percent.
pub const STEPS: usize = 1000;

/// Two disjoint sets of `n` of these runs, drawn without replacement: a function of seed, `n`, `draw` and the runs alone, so
/// that all scores with the same runs meet the same sets.
pub fn sets(seed: u64, runs: &[usize], n: usize, draw: usize) -> (Vec<usize>, Vec<usize>) {
    let mut order = runs.to_vec();
    Key::study(seed).stream_for("stability", n as u32, draw as u64).shuffle(&mut order);
    let second = order.iter().skip(n).take(n).copied().collect();
    order.truncate(n);
    (order, second)
}

/// What two sets of runs say of the same examples.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Examples that both rank.
    pub examples: usize,
    /// Median of |rank change|, as a share of the examples.
    pub median: f64,
    /// 95th percentile of |rank change|, as a share of the examples.
    pub p95: f64,
    /// At each threshold of 0, 0.1, ..., 100 %: how many change side.
    changed: Vec<u32>,
    /// At each threshold: how many lie above it, in both sets together.
    above: Vec<u32>,
}

impl Change {
    /// Share of the examples that change side of a threshold, given as a percentile.
    pub fn disagreement(&self, percent: f64) -> f64 {
        at(&self.changed, percent) / self.examples as f64
    }

    /// Share of the examples that lie above the threshold: with ties less than its percentile leaves.
    pub fn share_above(&self, percent: f64) -> f64 {
        at(&self.above, percent) / (2 * self.examples) as f64
    }
}

/// The count at a threshold.
fn at(counts: &[u32], percent: f64) -> f64 {
    let step = (percent * STEPS as f64 / 100.0).round() as usize;
    counts.get(step).copied().map_or(f64::NAN, f64::from)
}

/// Memory for comparisons, kept from one to the next.
#[derive(Debug, Default)]
pub struct Comparer {
    ranker: Ranker,
    standings: [Vec<Standing>; 2],
    changes: Vec<u32>,
    /// For a count of smaller values: how many thresholds a value with that many below it lies above.
    passed: Vec<u16>,
    passed_for: usize,
}

impl Comparer {
    /// Compares two means over the examples that both have: an example that one lacks is taken from the other too.
    pub fn compare(&mut self, first: &mut [f64], second: &mut [f64]) -> Change {
        for (a, b) in first.iter_mut().zip(second.iter_mut()).filter(|(a, b)| a.is_nan() != b.is_nan()) {
            (*a, *b) = (f64::NAN, f64::NAN);
        }
        for (values, standings) in [first, second].into_iter().zip(&mut self.standings) {
            self.ranker.standings(values, standings);
        }
        self.measure()
    }

    fn measure(&mut self) -> Change {
        let [first, second] = &self.standings;
        self.changes.clear();
        let present = first.iter().zip(second).filter(|(a, _)| a.below != MISSING);
        self.changes.extend(present.map(|(a, b)| a.doubled_rank.abs_diff(b.doubled_rank)));
        let examples = self.changes.len();
        self.prepare_thresholds(examples);
        let (changed, above) = self.sides();
        let [median, p95] = quantiles_of_counts(&mut self.changes, [0.5, 0.95]);
        let share = |doubled: f64| doubled / (2 * examples) as f64;
        Change { examples, median: share(median), p95: share(p95), changed, above }
    }

    /// A value lies above the percentile q when more than floor(q (n - 1)) values are smaller: interpolation between two
    /// neighbours never reaches the upper one.
    fn prepare_thresholds(&mut self, examples: usize) {
        if self.passed_for == examples && !self.passed.is_empty() {
            return;
        }
        let last = examples.saturating_sub(1);
        let mut step = 0;
        let passed = (0..=examples).map(|below| {
            while step <= STEPS && step * last / STEPS < below {
                step += 1;
            }
            step as u16
        });
        self.passed = passed.collect();
        self.passed_for = examples;
    }

    /// Per threshold: how many examples change side, and how many lie above in both sets together.
    fn sides(&self) -> (Vec<u32>, Vec<u32>) {
        let [first, second] = &self.standings;
        let mut changes = vec![0_i64; STEPS + 2];
        let mut ends = vec![0_i64; STEPS + 2];
        let passed =
            |standing: &Standing| self.passed.get(standing.below as usize).map_or(0, |passed| usize::from(*passed));
        for (a, b) in first.iter().zip(second).filter(|(a, _)| a.below != MISSING) {
            let (a, b) = (passed(a), passed(b));
            // Between the two counts one lies above and the other does not.
            changes[a.min(b)] += 1;
            changes[a.max(b)] -= 1;
            ends[a] += 1;
            ends[b] += 1;
        }
        let changed = running(&changes);
        let all: i64 = ends.iter().sum();
        let above = running(&ends).into_iter().map(|ended| (all - i64::from(ended)) as u32).collect();
        (changed, above)
    }
}

/// Running sums over the thresholds.
fn running(steps: &[i64]) -> Vec<u32> {
    let sums = steps.iter().take(STEPS + 1).scan(0, |sum, step| {
        *sum += step;
        Some(*sum as u32)
    });
    sums.collect()
}
