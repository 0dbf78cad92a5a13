//! The golden arrays that the analyses' tests share (`tests/golden/analyses.py`).

use std::sync::Arc;

use ndarray::Array2;
use serde_json::Value;

use super::{Analysis, Answer, Cohort, Input, ModelScores, Options, ScoreRuns};
use crate::scores::Harder;

pub(super) fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/analyses.json")).unwrap()
}

/// A list of numbers, null as NaN.
pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

pub(super) fn matrix(value: &Value) -> Array2<f64> {
    let cells: Vec<f64> = value.as_array().unwrap().iter().flat_map(numbers).collect();
    let rows = value.as_array().unwrap().len();
    Array2::from_shape_vec((rows, cells.len() / rows), cells).unwrap()
}

/// Model `a` (8 runs) or `b` (5 runs).
pub(super) fn model(name: &str) -> ModelScores {
    let golden = golden();
    let score = |score: &Value| {
        let score = score.as_str().unwrap();
        ScoreRuns {
            name: score.to_owned(),
            harder: if score == "low" { Harder::Low } else { Harder::High },
            values: matrix(&golden[name][score]).mapv(|value| value as f32),
        }
    };
    let scores: Vec<ScoreRuns> = golden["scores"].as_array().unwrap().iter().map(score).collect();
    let (runs, examples) = scores[0].values.dim();
    ModelScores {
        model: name.to_owned(),
        role: "train",
        runs: (0..runs as u32).collect(),
        scores,
        cohort: Arc::new(Cohort {
            ids: (100..100 + examples as u32).collect(),
            labels: (0..examples).map(|example| (example % 3) as u16).collect(),
            classes: ["ant", "bee", "cat"].map(String::from).to_vec(),
            ..Cohort::default()
        }),
        predicted: Array2::default((0, 0)),
    }
}

/// The first runs of a model.
pub(super) fn with_runs(model: &ModelScores, runs: usize) -> ModelScores {
    let mut cut = model.clone();
    cut.runs.truncate(runs);
    for score in &mut cut.scores {
        score.values = score.values.slice(ndarray::s![..runs, ..]).to_owned();
    }
    cut
}

pub(super) fn answer_of(analysis: &Analysis, models: &[ModelScores], options: &Options) -> Answer {
    (analysis.run)(&Input { models, replicates: &[], evidence: None }, options).unwrap()
}

pub(super) fn assert_close(ours: f64, theirs: f64, relative: f64, what: &str) {
    let same = (ours.is_nan() && theirs.is_nan()) || (ours - theirs).abs() <= relative * theirs.abs();
    assert!(same, "{what}: {ours}, the peer {theirs}");
}

/// Whatever was asked before, the answer is the one that is given afresh; and what is left out for somebody who waits is there
/// as soon as it is known.
pub(super) fn assert_kept_changes_no_answer(analysis: &Analysis, input: &Input, turns: &[Options]) {
    let mut kept = analysis.again.unwrap()();
    for options in turns {
        let waits = Options { quick: true, ..options.clone() };
        let first = kept.answer(input, &waits).unwrap();
        let (known, afresh) = (kept.answer(input, options).unwrap(), (analysis.run)(input, options).unwrap());
        let later = kept.answer(input, &waits).unwrap();
        assert!(!known.unfinished && !afresh.unfinished && !later.unfinished, "{}", analysis.name);
        for answer in [&known, &later].into_iter().chain((!first.unfinished).then_some(&first)) {
            assert_eq!(answer.text(), afresh.text(), "{}", analysis.name);
            assert_eq!(answer.results, afresh.results, "{}", analysis.name);
            assert_eq!(format!("{:?}", answer.figures), format!("{:?}", afresh.figures), "{}", analysis.name);
        }
    }
}
