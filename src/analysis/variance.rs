//! Which examples' scores vary, between examples and between runs? (Kwok et al. 2024, figure 2)
//!
//! Examples stand in the order of the rank of their mean score, easy first, in bins of 1,000 (a fiftieth of them where
//! that is less). Per bin: the middle 90 % of the examples' means, and of all single values in it. Values keep the
//! score's own sign, so that a curve reads in the score's units. Beside it the spread of single runs around their
//! example's mean, as a standard deviation (with n - 1) averaged over the bin's examples.
//!
//! A result per model: `bin`, `runs` and per score `examples` (of each bin), `means` and `values` ([low, middle, high] of
//! each bin), `spread` (of each bin) and `harder_vary_more` (Spearman of an example's spread with its mean's rank).

use ndarray::Axis;
use serde_json::{Value, json};

use super::again::{Memory, key};
use super::figure::Curve;
use super::means::{self, SignedRuns};
use super::quantile::{mean, quantile};
use super::rank::{Ranker, Ranks};
use super::table::{counted, significant};
use super::{Again, Analysis, Answer, Cell, Figure, Input, ModelScores, Options, Table, Wants, select};
use crate::Result;

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "variance",
    question: "How much does an example's score vary from run to run, and is that so for easy and hard ones alike?",
    tab: Some(('3', "Variance")),
    compares: false,
    takes: &[],
    wants: Wants::SCORES,
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// A value of its own and one beside it.
const FEWEST: usize = 2;

/// Examples in a bin where there are enough of them.
const BIN: usize = 1000;

/// Some examples of neighbouring rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Bin {
    /// How many.
    pub examples: usize,
    /// 5th, 50th and 95th percentile of the examples' means.
    pub means: [f64; 3],
    /// The same of all single values.
    pub values: [f64; 3],
    /// Standard deviation of a run around its example's mean, averaged over the examples.
    pub spread: f64,
}

/// The bins of a score, from easy to hard.
#[derive(Debug, Clone)]
pub struct Binned {
    /// The score's name.
    pub score: String,
    /// The bins.
    pub bins: Vec<Bin>,
    /// Spearman's correlation of an example's spread over runs with its mean, larger = harder.
    pub harder_vary_more: f64,
}

/// All scores of a model.
#[derive(Debug, Clone)]
pub struct Prepared {
    model: String,
    role: String,
    runs: usize,
    bin: usize,
    scores: Vec<Binned>,
    warnings: Vec<String>,
}

impl Prepared {
    /// Bins the scores at these places.
    pub fn new(model: &ModelScores, places: &[usize]) -> Self {
        Self::with(&mut Memory::default(), model, places)
    }

    /// The same, with bins that are known.
    fn with(known: &mut Memory<Binned>, model: &ModelScores, places: &[usize]) -> Self {
        let (scores, warnings) = means::per_run(model, places);
        let bin = bin_size(model.examples());
        Self {
            model: model.model.clone(),
            role: model.role.to_owned(),
            runs: model.runs.len(),
            bin,
            scores: known.all(&scores, |score| key(model, score.name()), |score| binned(score, bin)),
            warnings,
        }
    }
}

fn bin_size(examples: usize) -> usize {
    (examples / 50).clamp(1, BIN)
}

fn binned(score: &SignedRuns, bin: usize) -> Binned {
    let all: Vec<usize> = (0..score.runs()).collect();
    let mut means = Vec::new();
    score.means(&all, &mut means);
    let spreads = spreads(score);
    let order = Ranker::default().order(&means);
    Binned {
        score: score.name().to_owned(),
        bins: order.chunks(bin).map(|examples| bin_of(score, examples, &means, &spreads)).collect(),
        harder_vary_more: Ranks::new(&means).correlation(&Ranks::new(&spreads)),
    }
}

fn bin_of(score: &SignedRuns, examples: &[usize], means: &[f64], spreads: &[f64]) -> Bin {
    let sign = score.sign();
    let own = |of: &[f64]| examples.iter().filter_map(|example| of.get(*example).copied()).collect::<Vec<f64>>();
    let all = score.values();
    let columns = examples.iter().map(|example| all.index_axis(Axis(1), *example));
    let mut values: Vec<f64> =
        columns.flat_map(|column| column.to_vec()).filter(|value| !value.is_nan()).map(f64::from).collect();
    let mut means: Vec<f64> = own(means).into_iter().map(|mean| sign * mean).collect();
    let spreads: Vec<f64> = own(spreads).into_iter().filter(|spread| !spread.is_nan()).collect();
    Bin {
        examples: examples.len(),
        means: [0.05, 0.5, 0.95].map(|share| quantile(&mut means, share)),
        values: [0.05, 0.5, 0.95].map(|share| quantile(&mut values, share)),
        spread: mean(&spreads),
    }
}

/// Each example's standard deviation over its runs; NaN with fewer than two.
fn spreads(score: &SignedRuns) -> Vec<f64> {
    let moments = super::bias::Moments::of(&score.values());
    moments.variance.iter().map(|variance| variance.sqrt()).collect()
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// The bins of the scores that were looked at.
#[derive(Default)]
struct Kept(Memory<Binned>);

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        answer(&mut self.0, input, options)
    }
}

fn answer(known: &mut Memory<Binned>, input: &Input, options: &Options) -> Result<Answer> {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for model in input.models.iter().filter(|model| model.role == options.role) {
        if model.runs.len() < FEWEST {
            let found = counted(model.runs.len(), "finished run", "finished runs");
            answer.warnings.push(format!("{}: {found}; variance needs {FEWEST}", model.model));
            continue;
        }
        let of = Prepared::with(known, model, &select::scores(model, &options.scores)?);
        answer.warnings.extend(of.warnings.iter().cloned());
        answer.tables.push(table(&of));
        answer.figures.extend(of.scores.iter().map(|score| curves(&of, score)));
        readings.extend(reading(&of));
        answer.results.push(result(&of));
    }
    answer.reading = match readings.join("; ") {
        none if none.is_empty() => "Nothing can vary yet.".to_owned(),
        reading => reading + ".",
    };
    Ok(answer)
}

/// The score over the rank of its mean: means and single runs, each with its band.
fn curves(of: &Prepared, score: &Binned) -> Figure {
    let middles = |scale: &dyn Fn(&Bin) -> [f64; 3], name: &str| {
        let mut x = Vec::new();
        let mut before = 0;
        for bin in &score.bins {
            x.push(before as f64 + (bin.examples + 1) as f64 / 2.0);
            before += bin.examples;
        }
        let all: Vec<[f64; 3]> = score.bins.iter().map(scale).collect();
        Curve {
            name: name.to_owned(),
            x,
            y: all.iter().map(|[_, middle, _]| *middle).collect(),
            band: all.iter().map(|[low, _, high]| (*low, *high)).collect(),
        }
    };
    Figure::Curves {
        title: format!("{}: {} ({} runs, {}; middle 90 %)", of.model, score.score, of.runs, of.role),
        x: "rank of the mean, easy to hard".to_owned(),
        y: score.score.clone(),
        curves: vec![middles(&|bin| bin.values, "single runs"), middles(&|bin| bin.means, "means over runs")],
        lines: Vec::new(),
    }
}

/// Bins of a tenth of the examples, as their neighbours' mean: at the easy end, the middle, the hard end.
fn table(of: &Prepared) -> Table {
    let row = |score: &Binned| {
        let ends = thirds(score).map(Cell::Number);
        let width = |of: &dyn Fn(&Bin) -> [f64; 3]| {
            mean(&score.bins.iter().map(|bin| of(bin)[2] - of(bin)[0]).collect::<Vec<f64>>())
        };
        let widths = [width(&|bin| bin.means), width(&|bin| bin.values)].map(Cell::Number);
        let shape = [Cell::Number(score.harder_vary_more)];
        std::iter::once(Cell::Text(score.score.clone())).chain(ends).chain(widths).chain(shape).collect()
    };
    let columns = [
        "score",
        "sd of runs: easiest tenth",
        "middle tenth",
        "hardest tenth",
        "90 % of means",
        "90 % of runs",
        "harder vary more (rho)",
    ];
    Table {
        title: format!("{}: spread over {} runs, {}, bins of {}", of.model, of.runs, of.role, of.bin),
        columns: columns.map(String::from).to_vec(),
        rows: of.scores.iter().map(row).collect(),
    }
}

/// Mean spread over the easiest, the middle and the hardest tenth of the bins.
fn thirds(score: &Binned) -> [f64; 3] {
    let bins = score.bins.len();
    let tenth = bins.div_ceil(10);
    let starts = [0, (bins - tenth) / 2, bins - tenth];
    let spread = |bin: &Bin| bin.spread;
    starts.map(|start| mean(&score.bins.iter().skip(start).take(tenth).map(spread).collect::<Vec<f64>>()))
}

fn reading(of: &Prepared) -> Option<String> {
    let known: Vec<(&str, [f64; 3])> = of.scores.iter().map(|score| (score.score.as_str(), thirds(score))).collect();
    let wider: Vec<&(&str, [f64; 3])> = known.iter().filter(|(_, [easy, _, hard])| hard > easy).collect();
    let ratio = |(_, [easy, _, hard]): &(&str, [f64; 3])| hard / easy;
    let most = known.iter().filter(|score| !ratio(score).is_nan()).max_by(|a, b| ratio(a).total_cmp(&ratio(b)))?;
    let comparable = known.iter().filter(|(_, [easy, _, hard])| !easy.is_nan() && !hard.is_nan()).count();
    let rest: Vec<&str> = known.iter().filter(|(_, [easy, _, hard])| hard <= easy).map(|(name, _)| *name).collect();
    let except = if rest.is_empty() { String::new() } else { format!("; not so for {}", rest.join(", ")) };
    let factor =
        if ratio(most).is_finite() { format!("{} times", significant(ratio(most))) } else { "more than".to_owned() };
    Some(format!(
        "{} ({} runs, {} examples): for {} of {} scores the hardest tenth varies more from run to run than the easiest, \
         most for {} ({factor} the easiest tenth's standard deviation){except}",
        of.model,
        of.runs,
        of.role,
        wider.len(),
        comparable,
        most.0
    ))
}

fn result(of: &Prepared) -> Value {
    let score = |score: &Binned| {
        json!({
            "score": score.score,
            "examples": score.bins.iter().map(|bin| bin.examples).collect::<Vec<_>>(),
            "means": score.bins.iter().map(|bin| bin.means).collect::<Vec<_>>(),
            "values": score.bins.iter().map(|bin| bin.values).collect::<Vec<_>>(),
            "spread": score.bins.iter().map(|bin| bin.spread).collect::<Vec<_>>(),
            "harder_vary_more": score.harder_vary_more,
        })
    };
    json!({
        "model": of.model, "role": of.role, "runs": of.runs, "bin": of.bin,
        "scores": of.scores.iter().map(score).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::{answer_of, model, with_runs};
    use super::*;

    #[test]
    fn bins_hold_a_thousand_examples_or_a_fiftieth() {
        let cases = [(50_000, 1000), (1_281_167, 1000), (4000, 80), (60, 1), (3, 1), (0, 1)];
        assert_eq!(cases.map(|(examples, _)| bin_size(examples)), cases.map(|(_, bin)| bin));
    }

    #[test]
    fn a_bin_of_one_example_is_its_own_mean_and_its_runs() {
        let model = model("a");
        let of = Prepared::new(&model, &[0, 2]);
        let Binned { bins, .. } = &of.scores[1];
        assert_eq!(bins.iter().map(|bin| bin.examples).sum::<usize>(), 60);
        // `low`: small is hard, so its own values fall from easy to hard.
        assert!(bins.windows(2).all(|pair| pair[0].means[1] >= pair[1].means[1]));
        let means = model.scores[0].means(None);
        let easiest = (0..60).min_by(|a, b| means[*a].total_cmp(&means[*b])).unwrap();
        let mut values: Vec<f64> =
            model.scores[0].values.column(easiest).iter().map(|value| f64::from(*value)).collect();
        let first = &of.scores[0].bins[0];
        assert!((first.means[0] - means[easiest]).abs() < 1e-12);
        assert!((first.values[2] - quantile(&mut values, 0.95)).abs() < 1e-12);
        let variance = values.iter().map(|value| (value - means[easiest]).powi(2)).sum::<f64>() / 7.0;
        assert!((first.spread - variance.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_answer_has_a_figure_per_score_and_needs_two_runs() {
        let answer = answer_of(&ANALYSIS, &[model("a"), model("b")], &Options::default());
        assert_eq!((answer.figures.len(), answer.results.len()), (10, 2));
        let holes = &answer.results[0]["scores"][3];
        assert_eq!(holes["examples"].as_array().unwrap().len(), 59, "one example has no value at all");
        assert!(answer.reading.starts_with("a (8 runs, train examples): for "), "{}", answer.reading);
        let one = answer_of(&ANALYSIS, &[with_runs(&model("a"), 1)], &Options::default());
        assert!(one.results.is_empty() && one.warnings == ["a: 1 finished run; variance needs 2"], "{one:?}");
    }

    #[test]
    fn what_is_left_out_says_of_which_model() {
        let mut models = [model("a"), model("b")];
        for model in &mut models {
            model.scores[0].values.fill(f32::NAN);
        }
        let warnings = answer_of(&ANALYSIS, &models, &Options::default()).warnings;
        assert_eq!(warnings, ["a", "b"].map(|model| format!("{model}: `smooth` is left out: it has no values")));
    }
}
