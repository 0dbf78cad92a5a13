//! Do seeds and models agree on which examples are settled late? Spearman's correlations of depths (figure 2).

use super::super::rank::Ranks;
use super::subject::{Side, Subject};

/// Runs of each model whose single depths are compared.
pub const RUNS: usize = 16;

/// Examples that two runs must share.
pub const SHARED: usize = 10;

/// The agreement of all models in one role.
#[derive(Debug, Clone)]
pub struct Agreement {
    /// The role.
    pub role: &'static str,
    /// The models' labels.
    pub labels: Vec<String>,
    /// `[model][model]`: of mean depths; of the even and the odd runs on the diagonal. NaN where there is none.
    pub means: Vec<Vec<f64>>,
    /// `[model][model]`: mean over pairs of single runs, a run with itself left out.
    pub single: Vec<Vec<f64>>,
    /// `[model][model]`: pairs behind `single`.
    pub pairs: Vec<Vec<usize>>,
}

/// Rankings of one model.
struct Ranked<'b, 'a> {
    side: &'b Side<'a>,
    mean: Ranks,
    halves: [Ranks; 2],
    runs: Vec<Ranks>,
}

/// The agreement in a role; none where no model has it.
pub(super) fn of(subjects: &[Subject], role: &'static str) -> Option<Agreement> {
    let ranked: Vec<Option<Ranked>> = subjects.iter().map(|subject| Some(rank(subject.side(role)?))).collect();
    if ranked.iter().all(Option::is_none) {
        return None;
    }
    let count = subjects.len();
    let mut of = Agreement {
        role,
        labels: subjects.iter().map(|subject| subject.label.to_owned()).collect(),
        means: vec![vec![f64::NAN; count]; count],
        single: vec![vec![f64::NAN; count]; count],
        pairs: vec![vec![0; count]; count],
    };
    for (i, a) in ranked.iter().enumerate() {
        for (j, b) in ranked.iter().enumerate() {
            let (Some(a), Some(b)) = (a, b) else { continue };
            if !same_examples(a.side, b.side) {
                continue;
            }
            let [even, odd] = &a.halves;
            let mean = if i == j { even.correlation(odd) } else { a.mean.correlation(&b.mean) };
            let (single, pairs) = single_runs(&a.runs, &b.runs, i == j);
            set(&mut of.means, i, j, mean);
            set(&mut of.single, i, j, single);
            set(&mut of.pairs, i, j, pairs);
        }
    }
    Some(of)
}

fn set<T>(matrix: &mut [Vec<T>], row: usize, column: usize, value: T) {
    if let Some(cell) = matrix.get_mut(row).and_then(|row| row.get_mut(column)) {
        *cell = value;
    }
}

fn rank<'b, 'a>(side: &'b Side<'a>) -> Ranked<'b, 'a> {
    let with_depths: Vec<usize> = (0..side.depth.values.nrows()).filter(|run| side.has_depths(*run)).collect();
    let half = |odd: usize| {
        let runs = with_depths.iter().enumerate().filter(|(place, _)| place % 2 == odd).map(|(_, run)| *run);
        Ranks::new(&means(side, &runs.collect::<Vec<usize>>()))
    };
    let row = |run: &usize| Ranks::of_stored(&side.depth.values.row(*run).to_vec());
    Ranked {
        side,
        mean: Ranks::new(&side.means()),
        halves: [half(0), half(1)],
        runs: with_depths.iter().take(RUNS).map(row).collect(),
    }
}

/// Mean depths over some runs.
fn means(side: &Side, runs: &[usize]) -> Vec<f64> {
    let mean = |example: usize| {
        let depths: Vec<f64> = runs.iter().filter_map(|run| side.depth_of(*run, example)).collect();
        super::super::quantile::mean(&depths)
    };
    (0..side.examples()).map(mean).collect()
}

/// The mean correlation of single runs, and of how many pairs it is.
fn single_runs(a: &[Ranks], b: &[Ranks], same: bool) -> (f64, usize) {
    let mut sum = 0.0;
    let mut pairs = 0;
    for (i, first) in a.iter().enumerate() {
        for second in b.iter().skip(if same { i + 1 } else { 0 }) {
            if first.shared(second) < SHARED {
                continue;
            }
            let rho = first.correlation(second);
            if !rho.is_nan() {
                sum += rho;
                pairs += 1;
            }
        }
    }
    (sum / f64::from(pairs), pairs as usize)
}

/// Whether two models have seen the same examples: ids alone don't tell, since those of every data set begin at 0.
fn same_examples(a: &Side, b: &Side) -> bool {
    let truth = |side: &Side| {
        let cohort = &side.scores.cohort;
        if cohort.true_labels.is_empty() { cohort.labels.clone() } else { cohort.true_labels.clone() }
    };
    a.examples() == b.examples() && a.scores.cohort.ids == b.scores.cohort.ids && truth(a) == truth(b)
}
