//! Against scikit-learn's components of the same normal scores, and what few scores or examples do.

use super::super::golden::{answer_of, assert_close, golden, matrix, model, numbers, with_runs};
use super::super::{Figure, ScoreRuns};
use super::*;
use crate::scores::Harder;

fn all(model: &ModelScores) -> Vec<usize> {
    (0..model.scores.len()).collect()
}

#[test]
fn explained_variance_and_coefficients_equal_scikit_learns_up_to_sign() {
    let (golden, model) = (&golden()["components"], model("a"));
    let ours = Prepared::new(&model).decompose(&all(&model));
    assert_eq!((ours.components.examples as u64, ours.left_out), (golden["examples"].as_u64().unwrap(), 1));
    for (ours, theirs) in ours.components.explained.iter().zip(numbers(&golden["explained"])) {
        assert_close(*ours, theirs, 1e-9, "explained");
    }
    for (ours, theirs) in ours.components.coefficients.outer_iter().zip(matrix(&golden["coefficients"]).outer_iter()) {
        assert!(ours.sum() > 0.0, "{ours}");
        let sign = theirs.sum().signum();
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!((ours - sign * theirs).abs() < 1e-9, "{ours} {theirs}");
        }
    }
}

#[test]
fn the_first_component_orders_examples_as_the_scores_do() {
    let model = model("a");
    let of = Prepared::new(&model).decompose(&[0, 2]);
    let means = model.scores[0].means(None);
    let ranks = |values: &[f64]| super::super::rank::Ranks::new(values);
    assert!(ranks(&of.first).correlation(&ranks(&means)) > 0.95);
    // Two equally scaled, positively correlated scores: equal weights.
    for weight in of.components.coefficients.row(0) {
        assert!((weight - 0.5_f64.sqrt()).abs() < 1e-6, "{weight}");
    }
}

#[test]
fn a_constant_score_is_left_out_and_one_of_the_ensemble_takes_part() {
    let mut model = model("a");
    let constant = ndarray::Array2::from_elem((8, 60), 4.0_f32);
    model.scores.push(ScoreRuns { name: "constant".into(), harder: Harder::High, values: constant });
    model.scores[1].values = model.scores[1].values.slice(ndarray::s![..1, ..]).to_owned();
    let answer = answer_of(&ANALYSIS, &[model], &Options { draws: Some(2), ..Options::default() });
    assert_eq!(answer.results[0]["scores"], serde_json::json!(["smooth", "ties", "low", "holes", "steady"]));
    assert!(answer.warnings.iter().any(|warning| warning.starts_with("a: `constant` is left out")));
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("a: 1 example lacks one of the scores and is left out"))
    );
    assert_eq!(answer.results[0]["first"]["n"].as_array().unwrap().len(), 4);
}

#[test]
fn steadiness_is_drawn_among_the_runs_that_have_every_score() {
    let mut short = with_runs(&model("a"), 6);
    short.scores[0].values.row_mut(2).fill(f32::NAN);
    let options = Options { draws: Some(3), ..Options::default() };
    let answer = answer_of(&ANALYSIS, &[short.clone()], &options);
    let first = &answer.results[0]["first"];
    assert_eq!((&first["n"], &first["valid"]), (&serde_json::json!([1, 2]), &serde_json::json!(5)));
    assert!(first["median"].as_array().unwrap().iter().all(serde_json::Value::is_f64), "{first}");
    let says = |answer: &super::super::Answer, what: &str| answer.warnings.iter().any(|warning| warning.contains(what));
    assert!(says(&answer, "component 1: 5 of 6 runs have all scores; sets are drawn among those, up to n = 2"));
    short.scores[0].values.slice_mut(ndarray::s![..5, ..]).fill(f32::NAN);
    let answer = answer_of(&ANALYSIS, &[short], &options);
    assert!(says(&answer, "component 1: 1 of 6 runs have all scores; 2 are needed"), "{:?}", answer.warnings);
    assert_eq!((answer.results[0]["first"]["n"].as_array().unwrap().len(), answer.figures.len()), (0, 2));
}

#[test]
fn too_few_runs_or_scores_say_what_is_needed() {
    let none = answer_of(&ANALYSIS, &[with_runs(&model("a"), 0)], &Options::default());
    assert!(none.results.is_empty() && none.warnings[0].contains("components need 1"), "{:?}", none.warnings);
    let single = Options { scores: vec!["smooth".into()], ..Options::default() };
    let single = answer_of(&ANALYSIS, &[model("a")], &single);
    assert!(single.results.is_empty() && single.warnings[0].contains("components need 2"), "{:?}", single.warnings);
    let one_run = answer_of(&ANALYSIS, &[with_runs(&model("a"), 1)], &Options::default());
    assert!(one_run.results[0].get("first").is_none() && one_run.results[0]["explained"][0].is_f64());
}

#[test]
fn the_answer_draws_stacked_parts_and_a_heatmap() {
    let answer = answer_of(&ANALYSIS, &[model("a")], &Options { draws: Some(2), ..Options::default() });
    let Figure::Stacked { bars, .. } = &answer.figures[0] else { panic!() };
    assert!((bars[0].1.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-9);
    let Figure::Heatmap { values, rows, columns, .. } = &answer.figures[1] else { panic!() };
    assert_eq!((values.dim(), rows.len(), columns.len()), ((5, 5), 5, 5));
    assert!(
        answer.reading.contains("the first component carries") && answer.reading.contains("n = 4 runs"),
        "{}",
        answer.reading
    );
}
