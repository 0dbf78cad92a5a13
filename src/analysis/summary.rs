//! What does the study hold? Replicates, accuracies, and how every score is spread.

use serde_json::json;

use super::{Analysis, Answer, Cell, Input, ModelScores, Options, ScoreRuns, Table, Wants, select};
use crate::Result;

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "summary",
    question: "What does the study hold: replicates, accuracies, and how is every score spread?",
    tab: None,
    compares: false,
    takes: &[],
    wants: Wants::SCORES,
    run,
    again: None,
};

/// How the training of one model went.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replicates {
    /// The model's label.
    pub model: String,
    /// The architecture; empty where scores alone were imported.
    pub network: String,
    /// Examples per training step, where known.
    pub batch_size: Option<usize>,
    /// Trained parameters of its network, where known.
    pub parameters: Option<usize>,
    /// Replicates that the study plans.
    pub replicates: usize,
    /// Replicates that are finished, the non-finite ones included.
    pub finished: usize,
    /// Replicates that ended by an error.
    pub failed: usize,
    /// Replicates whose loss became infinite or NaN.
    pub non_finite: usize,
    /// Accuracy of each finite finished replicate's final network on the training examples, eval mode.
    pub train_accuracy: Vec<f64>,
    /// The same on the test examples.
    pub test_accuracy: Vec<f64>,
}

/// Mean and spread of a score over the examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Mean over the examples of each one's mean over runs; NaN without values.
    pub mean: f64,
    /// Population standard deviation over the examples.
    pub sd: f64,
    /// Examples that have a value.
    pub n: usize,
}

impl Spread {
    /// The spread of a score, raw sign. Runs in which an example has no value don't count for it.
    pub fn of(score: &ScoreRuns) -> Self {
        let means: Vec<f64> = score.means(None).into_iter().filter(|mean| !mean.is_nan()).collect();
        let centre = mean(&means);
        let squares: Vec<f64> = means.iter().map(|value| (value - centre).powi(2)).collect();
        Self { mean: centre, sd: mean(&squares).sqrt(), n: means.len() }
    }
}

impl ScoreRuns {
    /// Each example's mean over the runs in which it has a value, but for the run at the place `without`; NaN: none.
    pub fn means(&self, without: Option<usize>) -> Vec<f64> {
        let mut sums = vec![(0.0_f64, 0_u32); self.values.ncols()];
        for (_, row) in self.values.outer_iter().enumerate().filter(|(run, _)| Some(*run) != without) {
            for ((sum, count), value) in sums.iter_mut().zip(row).filter(|(_, value)| !value.is_nan()) {
                *sum += f64::from(*value);
                *count += 1;
            }
        }
        sums.into_iter().map(|(sum, count)| if count > 0 { sum / f64::from(count) } else { f64::NAN }).collect()
    }
}

/// NaN for nothing.
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for replicates in input.replicates {
        let of_model = |model: &&ModelScores| model.model == replicates.model && model.role == options.role;
        let scores = match input.models.iter().find(of_model) {
            Some(model) => spreads(model, &options.scores)?,
            None => Vec::new(),
        };
        let imported = scores.iter().any(|(_, spread)| spread.n > 0);
        if replicates.finished > 0 || imported {
            answer.tables.push(score_table(replicates, &options.role, &scores));
        }
        answer.results.push(result(replicates, &scores));
        readings.push(reading(replicates));
    }
    if !answer.tables.is_empty() {
        answer.tables.insert(0, model_table(input.replicates));
    }
    answer.reading = readings.join("; ") + if readings.is_empty() { "No model." } else { "." };
    Ok(answer)
}

/// All scores, or those wanted.
fn spreads<'a>(model: &'a ModelScores, wanted: &[String]) -> Result<Vec<(&'a ScoreRuns, Spread)>> {
    let chosen = select::scores(model, wanted)?;
    let scores = model.scores.iter().enumerate().filter(|(place, _)| wanted.is_empty() || chosen.contains(place));
    Ok(scores.map(|(_, score)| (score, Spread::of(score))).collect())
}

fn reading(of: &Replicates) -> String {
    let counted = |count: usize, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    let accuracy = mean(&of.test_accuracy);
    let accuracy = if accuracy.is_nan() { String::new() } else { format!(", test accuracy {:.1} %", 100.0 * accuracy) };
    let (model, finished, replicates) = (&of.model, of.finished, of.replicates);
    if replicates == 0 {
        return format!("{model}: no replicates, scores of the model alone");
    }
    let troubles = counted(of.failed, "failed") + &counted(of.non_finite, "non-finite");
    format!("{model}: {finished} of {replicates} replicates finished{troubles}{accuracy}")
}

fn result(of: &Replicates, scores: &[(&ScoreRuns, Spread)]) -> serde_json::Value {
    let score = |(score, spread): &(&ScoreRuns, Spread)| {
        json!({
            "score": score.name, "direction": score.harder.name(),
            "mean": spread.mean, "sd": spread.sd, "n": spread.n,
        })
    };
    json!({
        "model": of.model, "replicates": of.replicates, "finished": of.finished,
        "failed": of.failed, "non_finite": of.non_finite,
        "train_accuracy": mean(&of.train_accuracy), "test_accuracy": mean(&of.test_accuracy),
        "scores": scores.iter().map(score).collect::<Vec<_>>(),
    })
}

fn model_table(models: &[Replicates]) -> Table {
    let columns = ["model", "replicates", "finished", "failed", "non-finite", "train accuracy", "test accuracy"];
    let row = |of: &Replicates| {
        let counts = [of.replicates, of.finished, of.failed, of.non_finite].map(|count| Cell::Count(count as u64));
        let accuracies = [&of.train_accuracy, &of.test_accuracy].map(|values| Cell::Number(mean(values)));
        [Cell::Text(of.model.clone())].into_iter().chain(counts).chain(accuracies).collect()
    };
    Table {
        title: "Replicates (accuracies: mean over finished runs)".to_owned(),
        columns: columns.map(String::from).to_vec(),
        rows: models.iter().map(row).collect(),
    }
}

fn score_table(of: &Replicates, role: &str, scores: &[(&ScoreRuns, Spread)]) -> Table {
    let row = |(score, spread): &(&ScoreRuns, Spread)| {
        vec![
            Cell::Text(score.name.clone()),
            Cell::Text(score.harder.name().to_owned()),
            Cell::Number(spread.mean),
            Cell::Number(spread.sd),
            Cell::Count(spread.n as u64),
        ]
    };
    Table {
        title: format!("{}: scores over {role} examples, mean over runs", of.model),
        columns: ["score", "harder", "mean", "sd", "n"].map(String::from).to_vec(),
        rows: scores.iter().map(row).collect(),
    }
}
