//! Against SciPy's numbers (`tests/golden/make.py`), and what few runs and odd scores do.

use std::sync::Arc;

use ndarray::Array2;
use serde_json::Value;

use super::super::summary::{self, Replicates, Spread};
use super::super::{Figure, Input, rank};
use super::*;
use crate::scores::Harder;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/correlation.json")).unwrap()
}

/// A list of numbers, null as NaN.
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

fn square(value: &Value) -> Array2<f64> {
    let cells: Vec<f64> = value.as_array().unwrap().iter().flat_map(numbers).collect();
    let side = value.as_array().unwrap().len();
    Array2::from_shape_vec((side, cells.len() / side), cells).unwrap()
}

fn model(golden: &Value) -> ModelScores {
    let names = golden["scores"].as_array().unwrap().iter().zip(golden["harder"].as_array().unwrap());
    let score = |(name, harder): (&Value, &Value)| ScoreRuns {
        name: name.as_str().unwrap().to_owned(),
        harder: if harder == "low" { Harder::Low } else { Harder::High },
        values: square(&golden["values"][name.as_str().unwrap()]).mapv(|value| value as f32),
    };
    ModelScores {
        model: "m".into(),
        role: "train",
        runs: (0..5).collect(),
        scores: names.map(score).collect(),
        cohort: Arc::default(),
        predicted: Array2::default((0, 0)),
    }
}

fn assert_close(ours: f64, theirs: f64, what: &str) {
    let same = (ours.is_nan() && theirs.is_nan()) || (ours - theirs).abs() <= 1e-6 * theirs.abs();
    assert!(same, "{what}: {ours}, SciPy {theirs}");
}

fn with_runs(model: &ModelScores, runs: usize) -> ModelScores {
    let mut cut = model.clone();
    cut.runs.truncate(runs);
    for score in &mut cut.scores {
        score.values = score.values.slice(ndarray::s![..runs, ..]).to_owned();
    }
    cut
}

fn all(model: &ModelScores) -> Vec<usize> {
    (0..model.scores.len()).collect()
}

fn answer_of(model: &ModelScores, options: &Options) -> Answer {
    (ANALYSIS.run)(&Input { models: std::slice::from_ref(model), replicates: &[], evidence: None }, options).unwrap()
}

#[test]
fn every_matrix_equals_scipys_signed_so_that_larger_is_harder() {
    let golden = golden();
    let model = model(&golden);
    let ours = Prepared::new(&model).correlate(&all(&model));
    let sign = |place: usize| model.scores[place].harder.sign();
    let matrices = [
        ("mean_mean", &ours.mean_mean),
        ("mean_run", &ours.mean_run),
        ("same_run", &ours.same_run),
        ("leave_one_out", ours.leave_one_out.as_ref().unwrap()),
    ];
    for (name, matrix) in matrices {
        let theirs = square(&golden[name]);
        assert_eq!(matrix.dim(), theirs.dim());
        for ((i, j), value) in matrix.indexed_iter() {
            assert_close(*value, sign(i) * sign(j) * theirs[[i, j]], &format!("{name} {i} {j}"));
        }
    }
}

#[test]
fn ranks_equal_scipys() {
    let golden = golden();
    for score in model(&golden).scores {
        let values: Vec<f64> = score.values.row(0).iter().map(|value| f64::from(*value)).collect();
        for (ours, theirs) in rank::average_ranks(&values).iter().zip(numbers(&golden["ranks"][&score.name])) {
            assert_close(f64::from(*ours), theirs, &score.name);
        }
    }
}

#[test]
fn intervals_equal_scipys_normal_quantile() {
    for case in golden()["interval"].as_array().unwrap() {
        let (low, high) = interval(case["rho"].as_f64().unwrap(), case["n"].as_u64().unwrap() as usize, 0.95);
        let bounds = numbers(&case["bounds"]);
        assert_close(low, bounds[0], "low");
        assert_close(high, bounds[1], "high");
    }
    assert_eq!(interval(1.0, 50, 0.95), (1.0, 1.0));
    assert_eq!(interval(0.3, 3, 0.95), (-1.0, 1.0));
}

#[test]
fn spreads_equal_numpys() {
    let golden = golden();
    for score in model(&golden).scores {
        let spread = Spread::of(&score);
        let theirs = numbers(&golden["summary"][&score.name]);
        assert_close(spread.mean, theirs[0], &score.name);
        assert!((spread.sd - theirs[1]).abs() < 1e-6, "{} {}", score.name, spread.sd);
        let n = match score.name.as_str() {
            "holes" => 33,
            "ragged" => 39,
            _ => 40,
        };
        assert_eq!(spread.n, n, "{}", score.name);
    }
}

#[test]
fn many_runs_have_no_leave_one_out_form() {
    let model = model(&golden());
    let mut many = model.clone();
    many.runs = (0..20).collect();
    for score in &mut many.scores {
        let copies = vec![score.values.view(); 4];
        score.values = ndarray::concatenate(ndarray::Axis(0), &copies).unwrap();
    }
    let (few, many) = (Prepared::new(&model).correlate(&[0, 1]), Prepared::new(&many).correlate(&[0, 1]));
    assert!(few.leave_one_out.is_some() && many.leave_one_out.is_none());
    assert_close(many.same_run[[0, 1]], few.same_run[[0, 1]], "runs four times over");
}

#[test]
fn too_few_runs_say_how_many_are_needed() {
    let model = model(&golden());
    let none = answer_of(&with_runs(&model, 0), &Options::default());
    assert!(none.results.is_empty() && none.warnings.len() == 1 && none.warnings[0].contains("needs 1"), "{none:?}");
    let one = answer_of(&with_runs(&model, 1), &Options::default());
    assert!(one.warnings.iter().any(|warning| warning.contains("need 2")), "{:?}", one.warnings);
    assert!(one.results[0]["mean_mean"][0][1].is_f64() && one.results[0]["same_run"][0][1].is_null());
    assert!(one.results[0].get("leave_one_out").is_none());
}

#[test]
fn the_answer_reads_and_draws_what_the_numbers_say() {
    let golden = golden();
    let answer = answer_of(&model(&golden), &Options::default());
    assert!(
        answer.reading.contains("least at 0.755") && answer.reading.contains("ties with ragged"),
        "{}",
        answer.reading
    );
    assert!(answer.reading.contains("most at 0.922, smooth with holes"), "{}", answer.reading);
    assert!(answer.warnings.iter().any(|warning| warning.contains("`constant` is the same")), "{:?}", answer.warnings);
    assert!(answer.warnings.iter().any(|warning| warning.contains("`flat_run` is constant in 1 of 5")));
    let Figure::Heatmap { values: centre, .. } = &answer.figures[1] else { panic!() };
    assert_close(centre[[0, 0]], square(&golden["mean_run"])[[0, 0]] - 1.0, "centre's diagonal is rho - 1");
    let Figure::Heatmap { values: right, .. } = &answer.figures[2] else { panic!() };
    assert!(right.diag().iter().all(|value| value.is_nan()) && right[[0, 1]].is_finite());
    let envelope = answer.envelope("correlation", "study");
    assert!(envelope["results"][0]["mean_mean"][0][5].is_null() && envelope["version"] == crate::VERSION);
    assert!(answer.text().contains("m: mean with mean (5 runs, train)"));
}

#[test]
fn scores_are_chosen_and_the_infinite_ones_refused() {
    let mut model = model(&golden());
    model.scores[1].values[[0, 0]] = f32::INFINITY;
    model.scores[3].values.fill(f32::NAN);
    let options =
        Options { scores: ["smooth", "ties", "ragged", "holes"].map(String::from).to_vec(), ..Options::default() };
    let answer = answer_of(&model, &options);
    assert_eq!(answer.results[0]["scores"], serde_json::json!(["smooth", "holes"]));
    assert!(answer.warnings[0].contains("`ties` is left out: its infinite"), "{:?}", answer.warnings);
    assert!(answer.warnings[1].contains("`ragged` is left out: it has no values"), "{:?}", answer.warnings);
    let other_role = Options { role: "test".into(), ..Options::default() };
    assert!(answer_of(&model, &other_role).results.is_empty());
}

#[test]
fn a_summary_counts_replicates_and_lists_every_score_with_its_raw_sign() {
    let golden = golden();
    let replicates = [Replicates {
        model: "m".into(),
        parameters: None,
        replicates: 7,
        finished: 5,
        failed: 1,
        non_finite: 0,
        train_accuracy: vec![0.5, 0.7],
        test_accuracy: vec![],
        ..Replicates::default()
    }];
    let input = Input { models: &[model(&golden)], replicates: &replicates, evidence: None };
    let answer = (summary::ANALYSIS.run)(&input, &Options::default()).unwrap();
    let result = &answer.results[0];
    assert!(answer.reading.contains("m: 5 of 7 replicates finished, 1 failed"), "{}", answer.reading);
    assert!(result["test_accuracy"].is_null() && (result["train_accuracy"].as_f64().unwrap() - 0.6).abs() < 1e-12);
    let holes = &result["scores"][2];
    assert_eq!((&holes["score"], &holes["direction"], &holes["n"]), (&"holes".into(), &"low".into(), &33.into()));
    assert_close(holes["mean"].as_f64().unwrap(), numbers(&golden["summary"]["holes"])[0], "raw sign");
    assert_eq!(answer.tables.len(), 2);
}
