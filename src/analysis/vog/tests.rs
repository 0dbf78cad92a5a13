//! Every clause against SciPy on a made study whose error follows the score.

use std::sync::Arc;

use ndarray::Array2;
use serde_json::Value;

use super::super::golden::{assert_close, assert_kept_changes_no_answer, matrix, numbers};
use super::super::summary::Replicates;
use super::super::{Cohort, Figure};
use super::*;
use crate::scores::Harder;

fn golden() -> Value {
    let audit: Value = serde_json::from_str(include_str!("../../../tests/golden/audit.json")).unwrap();
    audit["vog"].clone()
}

/// The golden study, its examples in a role.
fn study(role: &'static str) -> ModelScores {
    let golden = golden();
    let values = matrix(&golden["values"]).mapv(|value| value as f32);
    let classes = |name: &str| numbers(&golden[name]).into_iter().map(|class| class as u16).collect::<Vec<_>>();
    let score = |name: &str, harder, values: Array2<f32>| ScoreRuns { name: name.into(), harder, values };
    ModelScores {
        model: "net".into(),
        role,
        runs: vec![0, 1, 2],
        scores: vec![
            score("loss", Harder::High, values.clone()),
            score("vog.none", Harder::High, values.clone()),
            score("vog.early", Harder::Low, -&values),
            score("input_margin", Harder::Low, values.mapv(|value| (-value).exp())),
        ],
        cohort: Arc::new(Cohort {
            ids: (0..values.ncols() as u32).collect(),
            labels: classes("labels"),
            true_labels: classes("true_labels"),
            classes: (0..8).map(|class| format!("class {class}")).collect(),
            ..Cohort::default()
        }),
        predicted: matrix(&golden["predicted"]).mapv(|class| class as u16),
    }
}

fn answered(models: &[ModelScores], replicates: &[Replicates], options: &Options) -> Answer {
    (ANALYSIS.run)(&Input { models, replicates, evidence: None }, options).unwrap()
}

#[test]
fn error_by_decile_is_each_runs_own() {
    let (golden, model) = (golden(), study("test"));
    let deciles = Deciles::new(&model, &model.scores[1]).unwrap();
    for (ours, theirs) in deciles.runs.iter().zip(golden["deciles"].as_array().unwrap()) {
        for (ours, theirs) in ours.iter().zip(numbers(theirs)) {
            assert_close(*ours, theirs, 1e-12, "a tenth");
        }
    }
    assert!(deciles.trend() > 0.8 && deciles.means()[9] > 0.5);
    let early = Deciles::new(&model, &model.scores[2]).unwrap();
    assert!((early.trend() + deciles.trend()).abs() < 0.1, "{}", early.trend());
}

#[test]
fn ties_share_a_tenth_and_missing_values_have_none() {
    let mut model = study("test");
    let mut values = Array2::from_elem((3, 400), 1.0_f32);
    values
        .row_mut(1)
        .iter_mut()
        .enumerate()
        .for_each(|(column, value)| *value = if column < 40 { 0.0 } else { f32::NAN });
    values.row_mut(2).fill(f32::NAN);
    model.scores[1].values = values;
    let deciles = Deciles::new(&model, &model.scores[1]).unwrap();
    assert_eq!(deciles.runs.len(), 2, "a run without values says nothing");
    for run in &deciles.runs {
        assert!(run.iter().enumerate().all(|(tenth, error)| error.is_nan() == (tenth != 5)), "{run:?}");
    }
}

#[test]
fn classes_noise_and_steadiness_are_scipys() {
    let golden = golden();
    let number = |name: &str| golden[name].as_f64().unwrap();
    let (test, train) = (study("test"), study("train"));
    let classes = ClassMeans::new(&test, &test.scores[1]).unwrap();
    for (place, (class, mean, missed)) in classes.classes.iter().enumerate() {
        assert_eq!(usize::from(*class), place);
        assert_close(*mean, numbers(&golden["class_mean"])[place], 1e-9, "class mean");
        assert_close(*missed, numbers(&golden["false_negatives"])[place], 1e-12, "false negatives");
    }
    assert_close(classes.pearson, number("pearson"), 1e-9, "Pearson");
    assert_close(classes.p, number("p"), 1e-6, "p");
    assert_close(classes.spearman, number("class_spearman"), 1e-9, "Spearman");
    assert!(ClassMeans::new(&test, &test.scores[2]).is_none(), "class means of what is normalised by class are 0");
    let shuffled = Shuffled::new(&train, &train.scores[1]).unwrap();
    assert_close(shuffled.t, number("t"), 1e-8, "t");
    assert_close(shuffled.freedom, number("freedom"), 1e-8, "degrees of freedom");
    assert_close(shuffled.neg_ln_p, number("neg_ln_p"), 1e-6, "-ln p");
    let steady = Steadiness::new(&train, &train.scores[1]).unwrap();
    let pairs = numbers(&golden["spearman"]);
    assert_close(steady.mean, pairs.iter().sum::<f64>() / 3.0, 1e-6, "Spearman between runs");
    assert_close(steady.range.0, pairs.iter().copied().fold(f64::INFINITY, f64::min), 1e-6, "lowest");
    assert_close(steady.sd_ratio, number("sd_ratio"), 1e-6, "ratio of deviations");
}

#[test]
fn the_answer_has_a_table_and_a_figure_for_every_clause() {
    let mut wide = study("train");
    wide.model = "wide".into();
    wide.scores[1].values.mapv_inplace(|value| value + 0.3 * (value * 7.0).sin());
    let sizes = [("net", 128), ("wide", 256)].map(|(model, batch_size)| Replicates {
        model: model.into(),
        network: "resnet18".into(),
        batch_size: Some(batch_size),
        ..Replicates::default()
    });
    let answer = answered(&[study("test"), study("train"), wide], &sizes, &Options::default());
    let result = &answer.results[0];
    assert_eq!(result["variants"], serde_json::json!(["vog.none", "vog.early"]));
    let boundary = result["boundary"][0]["spearman"].as_f64().unwrap();
    assert!((boundary + 1.0).abs() < 1e-6, "the margin falls as the value rises: {boundary}");
    let Figure::Curves { curves, lines, .. } = &answer.figures[0] else { panic!() };
    assert_eq!((curves.len(), curves[0].band.len(), lines.len()), (2, 10, 1));
    let kinds: Vec<&str> =
        answer.figures.iter().map(|figure| figure.title().split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(answer.figures.len(), 10, "{kinds:?}");
    assert!(
        answer.reading.contains("test error goes from") && answer.reading.contains("between batch sizes"),
        "{}",
        answer.reading
    );
    assert!(!answer.reading.contains("not as published"), "{}", answer.reading);
    let pairs = answer.results.last().unwrap()["batch_sizes"].as_array().unwrap();
    assert_eq!((pairs.len(), &pairs[0]["batch_size"]), (2, &serde_json::json!([128, 256])));
    assert!(
        pairs[0]["spearman"].as_f64().unwrap() < 1.0 && (pairs[1]["spearman"].as_f64().unwrap() - 1.0).abs() < 1e-6
    );
}

#[test]
fn what_is_missing_is_named_with_what_would_bring_it() {
    let mut bare = study("test");
    bare.scores.truncate(1);
    let answer = answered(&[bare.clone()], &[], &Options::default());
    assert!(answer.figures.is_empty() && answer.warnings[0].contains("no score vog"), "{:?}", answer.warnings);
    let imported = Replicates { model: "net".into(), ..Replicates::default() };
    let imported = answered(&[bare.clone()], &[imported], &Options::default());
    assert_eq!(imported.warnings[0], "net: no score vog was imported");
    let alone = ModelScores { runs: vec![0], predicted: Array2::default((0, 0)), ..study("train") };
    let mut alone = alone;
    alone.scores.iter_mut().for_each(|score| score.values = score.values.slice(ndarray::s![..1, ..]).to_owned());
    alone.scores.truncate(3);
    alone.cohort = Arc::new(Cohort { true_labels: vec![], ..(*alone.cohort).clone() });
    let warnings = answered(&[alone], &[], &Options::default()).warnings.join("\n");
    for says in
        ["error by decile needs", "normalise = \"none\"", "label_noise", "needs 2 runs", "input_margin", "batch size"]
    {
        assert!(warnings.contains(says), "{says}: {warnings}");
    }
    let refused = |score: &str| {
        let options = Options { scores: vec![score.into()], ..Options::default() };
        (ANALYSIS.run)(&Input { models: &[study("test")], replicates: &[], evidence: None }, &options)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("loss").contains("variants of vog") && refused("vog.last").contains("it has loss"));
    let one = Options { scores: vec!["vog.early".into()], ..Options::default() };
    assert_eq!(answered(&[study("test")], &[], &one).results[0]["variants"], serde_json::json!(["vog.early"]));
}

#[test]
fn what_is_kept_changes_no_answer() {
    let models = [study("train"), study("test")];
    let input = Input { models: &models, replicates: &[], evidence: None };
    let of =
        |names: &[&str]| Options { scores: names.iter().map(|name| (*name).into()).collect(), ..Options::default() };
    let turns = [of(&["vog.none"]), of(&["vog.none", "vog.early"]), of(&["vog.early"]), Options::default()];
    assert_kept_changes_no_answer(&ANALYSIS, &input, &turns);
    let waits = Options { quick: true, ..Options::default() };
    let first = ANALYSIS.again.unwrap()().answer(&input, &waits).unwrap();
    assert!(first.unfinished && first.results[0]["steadiness"].as_array().unwrap().is_empty());
    assert_eq!(first.results[0]["error"]["deciles"].as_array().unwrap().len(), 2);
}
