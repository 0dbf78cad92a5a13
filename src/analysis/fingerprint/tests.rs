//! Two models that differ on some examples, and what must not leak from the testing half.

use ndarray::Axis;

use super::super::golden::{answer_of, assert_close, assert_kept_changes_no_answer, model, with_runs};
use super::super::{Cohort, Figure, ModelScores};
use super::*;

/// `b` with 8 runs: `a` with a fifth of the examples 2 harder, and its runs in another order.
fn shifted() -> ModelScores {
    let mut shifted = model("a");
    shifted.model = "shifted".into();
    for score in &mut shifted.scores {
        let sign = score.harder.sign() as f32;
        for (column, mut values) in score.values.axis_iter_mut(Axis(1)).enumerate() {
            let moved = if column % 5 == 0 { 2.0 * sign } else { 0.0 };
            values.mapv_inplace(|value| value + moved);
        }
    }
    shifted
}

fn options() -> Options {
    Options { scores: vec!["smooth".into(), "low".into()], draws: Some(20), ..Options::default() }
}

#[test]
fn telling_examples_tell_models_apart_and_the_others_do_not() {
    let of = Prepared::new(&Input { models: &[model("a"), shifted()], replicates: &[], evidence: None }, &options())
        .unwrap();
    assert!(of.top.iter().all(|(column, _)| column % 5 == 0) && of.bottom.iter().all(|(column, _)| column % 5 != 0));
    let pair = &of.pairs[0];
    assert_eq!((pair.fitted, pair.tested, pair.scores.len()), ([4, 4], [4, 4], 2));
    assert!(pair.scores.iter().all(|score| score.top.right >= 0.99 && score.random.len() == 20), "{:?}", pair.scores);
    // Halves are drawn for each model by its own label, so the two models' testing runs differ.
    assert!(pair.scores.iter().all(|score| score.bottom.right < 0.9), "{:?}", pair.scores);
}

#[test]
fn the_ranking_never_sees_the_testing_half() {
    let models = [model("a"), shifted()];
    let before = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    let mut changed = models.clone();
    for model in &mut changed {
        let (sides, _) = sides(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
        let side = sides.iter().find(|side| side.model.model == model.model).unwrap();
        let tested = halve(side, 0).test;
        for score in &mut model.scores {
            for run in &tested {
                score.values.row_mut(*run).mapv_inplace(|value| value * -3.0 + 1.0);
            }
        }
    }
    let after = Prepared::new(&Input { models: &changed, replicates: &[], evidence: None }, &options()).unwrap();
    assert_eq!((before.top, before.bottom), (after.top, after.bottom));
}

#[test]
fn missing_values_take_an_example_out_and_are_counted() {
    let all = Options { draws: Some(3), ..Options::default() };
    let of = Prepared::new(&Input { models: &[model("a"), shifted()], replicates: &[], evidence: None }, &all).unwrap();
    assert!(of.incomplete > 30 && of.candidates + of.incomplete + of.untested == 60, "`holes` lacks a quarter");
    assert!(left_out_says(&of, &format!("{} examples lack a value in a fitted run", of.incomplete)));
}

fn left_out_says(of: &Prepared, what: &str) -> bool {
    answer(of, &Cohort::default(), &options()).warnings.iter().any(|warning| warning.contains(what))
}

/// The runs of a model in its fitting and in its testing half.
fn halves(models: &[ModelScores], name: &str) -> [Vec<usize>; 2] {
    let (sides, _) = sides(&Input { models, replicates: &[], evidence: None }, &options()).unwrap();
    let half = halve(sides.iter().find(|side| side.model.model == name).unwrap(), 0);
    [half.fit, half.test]
}

#[test]
fn a_missing_value_in_a_tested_run_costs_that_run_and_not_the_example() {
    let models = [model("a"), shifted()];
    let before = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    let mut changed = models.clone();
    let tested = halves(&models, "shifted")[1][0];
    let telling = before.top[0].0;
    changed[1].scores.iter_mut().find(|score| score.name == "smooth").unwrap().values[[tested, telling]] = f32::NAN;
    let after = Prepared::new(&Input { models: &changed, replicates: &[], evidence: None }, &options()).unwrap();
    assert_eq!((&before.top, &before.bottom, after.incomplete), (&after.top, &after.bottom, 0));
    let [smooth, low] = [0, 1].map(|score| after.pairs[0].scores[score].top);
    assert_eq!((smooth.runs, smooth.lacking, low.runs, low.lacking), (7, 1, 8, 0));
    assert!(smooth.right >= 0.99 && after.pairs[0].scores[0].means[1][0].is_finite());
    assert!(left_out_says(&after, "not classified: 1 by the top, 0 by the bottom"));
    let result = &answer(&after, &Cohort::default(), &options()).results[0];
    assert_eq!(result["unclassified"]["top"], serde_json::json!([1, 0]));
    let mut fitted: Vec<usize> = halves(&models, "shifted")[0].clone();
    fitted.sort_unstable();
    assert_eq!(result["fitted_runs"][1], serde_json::json!(fitted));
}

#[test]
fn two_different_constants_by_one_score_leave_an_example_to_its_other_scores() {
    let mut models = [model("a"), shifted()];
    let before = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    let telling = before.top[0].0;
    for (model, constant) in models.iter_mut().zip([0.0, 9.0]) {
        model.scores.iter_mut().find(|score| score.name == "low").unwrap().values.column_mut(telling).fill(constant);
    }
    let after = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    assert_eq!((after.candidates, after.untested, after.some_untested), (60, 0, 1));
    assert!(after.top.iter().any(|(column, _)| *column == telling), "{:?}", after.top);
    assert!(left_out_says(&after, "1 examples have two different constants by some score"));
    for (model, constant) in models.iter_mut().zip([0.0, 9.0]) {
        model.scores.iter_mut().for_each(|score| score.values.column_mut(telling).fill(constant));
    }
    let none = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    assert_eq!((none.candidates, none.untested, none.some_untested), (59, 1, 0));
    assert!(left_out_says(&none, "1 examples have two different constants by every score"));
}

#[test]
fn too_few_models_or_runs_say_what_is_needed() {
    for models in [vec![model("a")], vec![model("a"), with_runs(&shifted(), 3)]] {
        let answer = answer_of(&ANALYSIS, &models, &Options::default());
        assert!(answer.results.is_empty());
        assert!(answer.warnings.iter().any(|warning| warning.contains("2 models with 4 finished runs")), "{answer:?}");
    }
}

#[test]
fn the_answer_shows_pictures_and_bars_with_chance() {
    let answer = answer_of(&ANALYSIS, &[model("a"), shifted()], &options());
    let Figure::Pictures { rows, .. } = &answer.figures[0] else { panic!() };
    assert_eq!((rows.len(), rows[0].1.len(), rows[1].1.len()), (2, EXAMPLES, EXAMPLES));
    assert_eq!(rows[0].1[0].bars.len(), 2);
    let Figure::Bars { bars, lines, .. } = &answer.figures[1] else { panic!() };
    assert_eq!(bars.len(), 6);
    assert_close(lines[0].at, 0.5, 0.0, "chance");
    assert_eq!(answer.results[0]["top"].as_array().unwrap().len(), EXAMPLES);
    assert!(answer.reading.contains("8 examples tell a from shifted in "), "{}", answer.reading);
}

/// A score that half of a model's runs lack takes part with the others; one that nearly all lack is left out with the reason.
#[test]
fn a_score_that_some_runs_lack_takes_part_with_the_others() {
    let mut models = [model("a"), shifted()];
    let [fit, test] = halves(&models, "a");
    let lacking = |models: &mut [ModelScores; 2], runs: &[usize]| {
        let score = models[0].scores.iter_mut().find(|score| score.name == "smooth").unwrap();
        for run in runs {
            score.values.row_mut(*run).fill(f32::NAN);
        }
    };
    lacking(&mut models, &[fit[0], test[0]]);
    let of = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    assert_eq!((of.incomplete, of.candidates, of.pairs[0].scores.len()), (0, 60, 2));
    let [smooth, low] = [0, 1].map(|score| of.pairs[0].scores[score].top);
    assert_eq!((smooth.runs, smooth.lacking, low.runs), (7, 1, 8));
    let said = answer(&of, &Cohort::default(), &options());
    assert!(said.reading.contains("of the 7 to 8 of 8 tested runs that have their values"), "{}", said.reading);
    lacking(&mut models, &fit[1..]);
    let of = Prepared::new(&Input { models: &models, replicates: &[], evidence: None }, &options()).unwrap();
    assert_eq!((of.incomplete, of.pairs[0].scores.len()), (0, 1));
    assert!(left_out_says(&of, "`smooth` is left out: 3 and 8 runs have values"), "{:?}", of.warnings);
}

#[test]
fn what_is_kept_changes_no_answer() {
    let models = [model("a"), shifted()];
    let input = Input { models: &models, replicates: &[], evidence: None };
    let of = |names: &[&str], seed| Options {
        scores: names.iter().map(|name| (*name).into()).collect(),
        seed,
        draws: Some(5),
        ..Options::default()
    };
    let turns = [of(&["smooth"], 0), of(&["smooth", "low"], 0), of(&["low"], 0), of(&["smooth", "low"], 3)];
    assert_kept_changes_no_answer(&ANALYSIS, &input, &turns);
    let waits = Options { quick: true, ..options() };
    let first = ANALYSIS.again.unwrap()().answer(&input, &waits).unwrap();
    assert!(
        first.unfinished && !first.reading.contains('·') && first.reading.contains("being drawn"),
        "{}",
        first.reading
    );
}
