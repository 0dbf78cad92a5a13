//! What the answer says of two models, and what few runs, few models and odd examples do.

use super::super::golden::{answer_of, assert_close, golden, model, numbers, with_runs};
use super::super::{Answer, Figure, summary::Replicates};
use super::*;

fn both() -> Vec<ModelScores> {
    vec![model("a"), model("b")]
}

fn answered(options: &Options) -> Answer {
    answer_of(&ANALYSIS, &both(), options)
}

#[test]
fn means_and_shares_are_those_of_scipys_p_values() {
    let answer = answered(&Options { per_example: true, ..Options::default() });
    let result = &answer.results[0];
    assert_close(result["threshold"].as_f64().unwrap(), (60.0_f64 / 0.01).ln(), 1e-12, "threshold");
    assert!(answer.tables.iter().any(|table| table.columns.iter().any(|name| name == "by Benjamini-Hochberg at 0.01")));
    for (place, score) in ["smooth", "ties", "low", "holes", "steady"].iter().enumerate() {
        // SciPy has no number for two equal constants (p = 1, so 0) nor for two different ones (left out).
        let ours = numbers(&result["neg_ln_p"][place]);
        let theirs = numbers(&golden()["bias"]["neg_ln_p"][*score]);
        let known: Vec<f64> = theirs.iter().copied().filter(|value| !value.is_nan()).collect();
        let tested = ours.iter().filter(|value| !value.is_nan()).count();
        let mean = known.iter().sum::<f64>() / tested as f64;
        assert_close(numbers(&result["mean_neg_ln_p"])[place], mean, 1e-9, score);
        let above = known.iter().filter(|value| **value >= (60.0_f64 / 0.01).ln()).count() as f64 / tested as f64;
        assert_close(numbers(&result["above"])[place], above, 1e-12, score);
    }
}

#[test]
fn constants_and_missing_values_are_counted() {
    let answer = answered(&Options { per_example: true, ..Options::default() });
    let result = &answer.results[0];
    let steady = numbers(&result["neg_ln_p"][4]);
    assert_close(steady[6], 0.0, 0.0, "the same constant in both");
    assert!(steady[8].is_nan(), "2 in one, 3 in the other");
    assert!(numbers(&result["left_out"])[4] >= 1.0);
    let values = |name: &str, example: usize| {
        let column = model(name).scores[3].values.column(example).to_vec();
        column.into_iter().filter(|value| !value.is_nan()).count()
    };
    let few = (0..60).filter(|example| values("a", *example) < 2 || values("b", *example) < 2).count();
    assert_close(numbers(&result["left_out"])[3], few as f64, 0.0, "fewer than two values of `holes` on a side");
    assert!(few >= 1);
}

#[test]
fn swapping_the_models_changes_the_side_alone() {
    let mut swapped = both();
    swapped.reverse();
    let (one, other) = (answered(&Options::default()), answer_of(&ANALYSIS, &swapped, &Options::default()));
    assert_eq!(other.results[0]["models"], serde_json::json!(["b", "a"]));
    for key in ["mean_neg_ln_p", "above", "benjamini_hochberg", "left_out"] {
        assert_eq!(one.results[0][key], other.results[0][key], "{key}");
    }
    // Where b is shifted by 1 it is the harder one.
    assert!(one.results[0]["harder_for_first"][0].as_f64().unwrap() < 0.5);
    assert!(other.results[0]["harder_for_first"][0].as_f64().unwrap() > 0.5);
}

#[test]
fn few_runs_get_a_permutation_test_and_its_limit_is_stated() {
    let few = [with_runs(&model("a"), 4), with_runs(&model("b"), 4)];
    let answer = answer_of(&ANALYSIS, &few, &Options::default());
    let permutation = &answer.results[0]["permutation"];
    assert_close(permutation["smallest_p"].as_f64().unwrap(), 2.0 / 70.0, 1e-12, "all 70 ways");
    assert_eq!((permutation["all"].as_bool(), permutation["above"][0].as_f64()), (Some(true), Some(0.0)));
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("no single example can pass")),
        "{:?}",
        answer.warnings
    );
    assert!(answered(&Options::default()).results[0].get("permutation").is_none(), "8 and 5 runs");
}

#[test]
fn too_few_models_or_runs_say_what_is_needed() {
    for models in [vec![], vec![model("a")], vec![model("a"), with_runs(&model("b"), 1)]] {
        let answer = answer_of(&ANALYSIS, &models, &Options::default());
        assert!(answer.results.is_empty() && answer.reading.contains("yet"));
        assert!(answer.warnings.iter().any(|warning| warning.contains("bias needs 2 models")), "{:?}", answer.warnings);
    }
    let one = answer_of(&ANALYSIS, &[model("a"), with_runs(&model("b"), 1)], &Options::default());
    assert_eq!(one.warnings[0], "b: 1 finished run; bias needs 2");
    let mut other = model("b");
    other.cohort = Arc::new(Cohort { ids: vec![9], ..Cohort::default() });
    let answer = answer_of(&ANALYSIS, &[model("a"), other], &Options::default());
    assert!(answer.warnings[0].contains("different examples"), "{:?}", answer.warnings);
}

#[test]
fn figures_carry_examples_classes_and_sizes() {
    let replicates = [("a", 100), ("b", 400)].map(|(model, parameters)| Replicates {
        model: model.into(),
        parameters: Some(parameters),
        ..Replicates::default()
    });
    let input = Input { models: &both(), replicates: &replicates, evidence: None };
    let answer = (ANALYSIS.run)(&input, &Options::default()).unwrap();
    let Figure::Bars { bars, .. } = &answer.figures[0] else { panic!() };
    assert!(bars.len() == 5 && bars[0].value >= bars[4].value);
    assert!(bars[0].examples.len() >= 58 && bars[0].examples.iter().all(|id| (100..160).contains(id)));
    let Figure::Histogram { edges, bins, lines, .. } = &answer.figures[1] else { panic!() };
    assert_eq!((edges.len(), bins.iter().map(|bin| bin.count).sum::<usize>()), (bins.len() + 1, 60));
    assert_eq!(lines[0].name, "Bonferroni");
    let above: usize = bins.iter().map(|bin| bin.examples.len()).sum();
    assert!(above > 0, "the tail names its examples");
    let Some(Figure::Scatter { points, .. }) = answer.figures.last() else { panic!() };
    assert_close(points[0].x, 4.0, 0.0, "ratio of sizes");
    let classes = answer.results[0]["classes"].as_array().unwrap();
    assert_eq!(classes.iter().map(|class| class["examples"].as_u64().unwrap()).collect::<Vec<_>>(), [20, 20, 20]);
    assert!(answer.reading.contains("most of all in class"), "{}", answer.reading);
}
