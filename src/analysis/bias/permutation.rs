//! Do two small groups of runs differ? All ways to deal the values to two groups of the same sizes, and how many of them
//! have means at least as far apart as those seen.
//!
//! With fewer than five runs a side, variances are poorly known and the t-test leans on normality; this test leans on
//! nothing, but its p cannot be less than one in the number of ways. Where there are more than the wanted number of draws,
//! that many are drawn instead, and the seen one counts as one of them (Phipson and Smyth 2010).

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::random::Key;

/// With fewer runs on a side than this, the test stands beside Welch's.
pub const BELOW: usize = 5;

/// Ways that are tried at most, unless `--draws` says otherwise.
pub const DRAWS: usize = 1000;

/// Which of all values go to the first group.
#[derive(Debug, Clone)]
struct Ways {
    /// Places of the first group's values.
    firsts: Vec<Vec<usize>>,
    /// Whether these are all ways there are.
    all: bool,
}

/// The test for two groups of up to `a` and `b` values, all examples alike.
#[derive(Debug)]
pub struct Permutations {
    /// By number of values in the first and the second group (missing values make them smaller).
    ways: Vec<Vec<Option<Ways>>>,
}

impl Permutations {
    /// Prepares the ways for every pair of sizes up to these.
    pub fn new(a: usize, b: usize, draws: usize, seed: u64) -> Self {
        let of = |m: usize, n: usize| (m > 0 && n > 0).then(|| Ways::new(m, n, draws, seed));
        Self { ways: (0..=a).map(|m| (0..=b).map(|n| of(m, n)).collect()).collect() }
    }

    /// The smallest p that groups of full size can have, and whether all ways are tried.
    pub fn smallest(&self) -> (f64, bool) {
        let full = self.ways.last().and_then(|row| row.last()).and_then(Option::as_ref);
        // In groups of one size the mirrored way has the same difference.
        let mirrored = if self.ways.len() == self.ways.first().map_or(0, Vec::len) { 2.0 } else { 1.0 };
        full.map_or((f64::NAN, true), |ways| {
            let tried = ways.firsts.len() as f64;
            (if ways.all { mirrored / tried } else { 1.0 / (tried + 1.0) }, ways.all)
        })
    }

    /// -ln p of every example, from `[runs, examples]` of both models; NaN where one has no value.
    pub fn neg_ln_p(&self, a: &ArrayView2<f32>, b: &ArrayView2<f32>) -> Vec<f64> {
        let examples = a.ncols().min(b.ncols());
        let present = |side: &ArrayView2<f32>, example: usize| -> Vec<f64> {
            side.column(example).iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).collect()
        };
        let test = |example| -self.p(&present(a, example), &present(b, example)).ln();
        (0..examples).into_par_iter().map(test).collect()
    }

    fn p(&self, a: &[f64], b: &[f64]) -> f64 {
        let Some(ways) = self.ways.get(a.len()).and_then(|row| row.get(b.len())).and_then(Option::as_ref) else {
            return f64::NAN;
        };
        let values: Vec<f64> = a.iter().chain(b).copied().collect();
        let total: f64 = values.iter().sum();
        let (m, n) = (a.len() as f64, b.len() as f64);
        let apart = |first: f64| (first / m - (total - first) / n).abs();
        let seen = apart(a.iter().sum());
        // Sums in another order differ in their last digits: such ways are as far apart as the seen one.
        let limit = seen - 1e-12 * values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let sum = |places: &Vec<usize>| places.iter().filter_map(|place| values.get(*place)).sum::<f64>();
        let as_far = ways.firsts.iter().filter(|places| apart(sum(places)) >= limit).count();
        let (hits, tried) = if ways.all { (as_far, ways.firsts.len()) } else { (as_far + 1, ways.firsts.len() + 1) };
        hits as f64 / tried as f64
    }
}

impl Ways {
    fn new(m: usize, n: usize, draws: usize, seed: u64) -> Self {
        if number_of_ways(m, n) <= draws as f64 {
            return Self { firsts: subsets(m + n, m), all: true };
        }
        let draw = |draw: usize| {
            let mut places: Vec<usize> = (0..m + n).collect();
            let purpose = format!("permutation of {m} and {n}");
            Key::study(seed).stream_for(&purpose, 0, draw as u64).shuffle(&mut places);
            places.truncate(m);
            places
        };
        Self { firsts: (0..draws).map(draw).collect(), all: false }
    }
}

/// Binomial coefficient (m + n over m).
fn number_of_ways(m: usize, n: usize) -> f64 {
    (1..=m).fold(1.0, |ways, i| ways * (n + i) as f64 / i as f64).round()
}

/// All sets of `size` of the places `0..places`, in order.
fn subsets(places: usize, size: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for chosen in 0..size {
        let longer = |set: Vec<usize>| {
            let first = set.last().map_or(0, |last: &usize| last + 1);
            // Enough places must be left for the rest of the set.
            let last = places - (size - chosen);
            (first..=last).map(move |place| [set.as_slice(), &[place]].concat()).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::super::golden::{assert_close, golden, numbers};
    use super::*;

    #[test]
    fn exact_tests_equal_scipys() {
        for case in golden()["permutation"].as_array().unwrap() {
            let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
            let p = Permutations::new(a.len(), b.len(), DRAWS, 0).p(&a, &b);
            assert_close(p, case["p"].as_f64().unwrap(), 1e-12, &format!("{a:?} {b:?}"));
        }
    }

    #[test]
    fn where_ways_are_too_many_draws_come_near_the_exact_p() {
        let (a, b) = (vec![1.0, 1.4, 0.7, 1.9, 2.2], vec![0.6, 0.1, 0.9, 1.2, -0.4]);
        let exact = Permutations::new(5, 5, DRAWS, 0);
        let drawn = Permutations::new(5, 5, 200, 3);
        assert_eq!((exact.smallest(), drawn.smallest()), ((2.0 / 252.0, true), (1.0 / 201.0, false)));
        let (exact, drawn) = (exact.p(&a, &b), drawn.p(&a, &b));
        assert!((exact - drawn).abs() < 0.05, "{exact} {drawn}");
    }

    #[test]
    fn missing_values_make_a_group_smaller_and_an_empty_one_has_no_test() {
        let a = ndarray::array![[1.0, f32::NAN], [2.0, f32::NAN]];
        let b = ndarray::array![[5.0, 1.0], [f32::NAN, 2.0]];
        let p = Permutations::new(2, 2, DRAWS, 0).neg_ln_p(&a.view(), &b.view());
        assert_close(p[0], 3.0_f64.ln(), 1e-12, "1, 2 | 5: one way of three");
        assert!(p[1].is_nan());
        assert_eq!((subsets(4, 2).len(), subsets(3, 3).len(), number_of_ways(4, 4) as usize), (6, 1, 70));
    }
}
