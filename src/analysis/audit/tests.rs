//! Detection as in scikit-learn, what is said where nothing is known, and where a convention turns a score around.

use std::sync::Arc;

use ndarray::{Array2, array};
use serde_json::Value;

use super::super::golden::{answer_of, assert_close, assert_kept_changes_no_answer, golden, model, numbers};
use super::super::summary::Replicates;
use super::super::{Answer, Cohort, Figure, ModelScores, Reviewed, ScoreRuns};
use super::*;
use crate::data::Verdict;
use crate::scores::Harder;

fn cases() -> Vec<Value> {
    let audit: Value = serde_json::from_str(include_str!("../../../tests/golden/audit.json")).unwrap();
    audit["detection"].as_array().unwrap().clone()
}

fn truth(case: &Value) -> Vec<bool> {
    numbers(&case["truth"]).into_iter().map(|truth| truth > 0.0).collect()
}

#[test]
fn detection_is_that_of_scikit_learn_with_and_without_ties_and_weights() {
    let shared = golden()["detection"].clone();
    let ordered = Ordered::new(&numbers(&shared["score"]), &truth(&shared));
    let found = ordered.measure([1, 1]);
    assert_close(found.auroc, shared["auroc"].as_f64().unwrap(), 1e-12, "AUROC");
    assert_close(found.average_precision, shared["average_precision"].as_f64().unwrap(), 1e-12, "AP");
    for case in cases() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let ordered = Ordered::new(&numbers(&case["score"]), &truth(&case));
        let times: Vec<u32> = numbers(&case["times"]).into_iter().map(|times| times as u32).collect();
        let (once, drawn) = (ordered.measure([1, 1]), ordered.measure_weighted(&times, [1, 1]));
        assert_close(once.auroc, number("auroc"), 1e-12, "AUROC");
        assert_close(once.average_precision, number("average_precision"), 1e-12, "AP");
        assert_close(drawn.auroc, number("auroc_weighted"), 1e-12, "weighted AUROC");
        assert_close(drawn.average_precision, number("average_precision_weighted"), 1e-12, "weighted AP");
    }
}

#[test]
fn curves_go_through_scikit_learns_points() {
    for case in cases() {
        let ordered = Ordered::new(&numbers(&case["score"]), &truth(&case));
        let [x, y] = [&case["roc"][0], &case["roc"][1]].map(numbers);
        let ours = ordered.receiver();
        assert_eq!((ours[0], *ours.last().unwrap()), ((0.0, 0.0), (1.0, 1.0)));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        for (false_positives, true_positives) in ours {
            assert!(x.iter().zip(&y).any(|(x, y)| near(*x, false_positives) && near(*y, true_positives)));
        }
        let [precision, recall] = [&case["precision_recall"][0], &case["precision_recall"][1]].map(numbers);
        for (found, share) in ordered.precision_recall() {
            assert!(recall.iter().zip(&precision).any(|(x, y)| near(*x, found) && near(*y, share)), "{found} {share}");
        }
    }
}

#[test]
fn precision_among_the_first_is_the_mean_over_all_orders_of_a_tie() {
    // Hardest first: a positive, then four equal ones with one positive, then a negative.
    let hard = [3.0, 2.0, 2.0, 2.0, 2.0, f64::NAN, 1.0];
    let positive = [true, true, false, false, false, true, false];
    let ordered = Ordered::new(&hard, &positive);
    assert_eq!(ordered.len(), 6, "one has no value");
    let [first, third] = ordered.measure([1, 3]).precision;
    assert!((first - 1.0).abs() < 1e-12 && (third - (1.0 + 2.0 / 4.0) / 3.0).abs() < 1e-12, "{first} {third}");
    let all = ordered.measure([6, 60]).precision;
    assert!((all[0] - 2.0 / 6.0).abs() < 1e-12 && (all[1] - 2.0 / 6.0).abs() < 1e-12, "no more than there are");
    let none = Ordered::new(&[1.0, 2.0], &[false, false]).measure([1, 1]);
    assert!(none.auroc.is_nan() && none.average_precision.is_nan());
    assert!(Ordered::new(&[], &[]).is_empty());
}

/// The golden model with every fifth label changed, those examples moved to the hard end of `smooth` and `low`; and a score of
/// one row that has its hard end at the wrong side.
fn noisy() -> ModelScores {
    let mut noisy = model("a");
    let examples = noisy.examples();
    let is_changed = |column: usize| column.is_multiple_of(5);
    for score in noisy.scores.iter_mut().filter(|score| score.name != "ties") {
        let sign = score.harder.sign() as f32;
        for (column, mut values) in score.values.axis_iter_mut(ndarray::Axis(1)).enumerate() {
            values.mapv_inplace(|value| value + if is_changed(column) { 3.0 * sign } else { 0.0 });
        }
    }
    let turned = Array2::from_shape_fn(
        (8, examples),
        |(run, column)| {
            if is_changed(column) { 0.0 } else { (column + run) as f32 }
        },
    );
    noisy.scores.push(ScoreRuns { name: "forgetting".into(), harder: Harder::High, values: turned });
    let true_labels: Vec<u16> =
        (0..examples).map(|column| ((column + usize::from(is_changed(column))) % 3) as u16).collect();
    noisy.cohort = Arc::new(Cohort { true_labels, ..(*noisy.cohort).clone() });
    noisy.predicted = Array2::from_shape_fn((8, examples), |(run, column)| {
        if run == 0 { noisy.cohort.labels[column] } else { noisy.cohort.true_labels[column] }
    });
    noisy
}

fn audit(models: &[ModelScores], options: &Options) -> Answer {
    answer_of(&ANALYSIS, models, options)
}

fn options() -> Options {
    Options { draws: Some(100), ..Options::default() }
}

#[test]
fn changed_labels_are_found_and_a_score_below_chance_is_called_so() {
    let answer = audit(&[noisy()], &options());
    let result = &answer.results[0];
    let scores: Vec<&str> = result["scores"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(
        (result["changed"].as_u64(), scores.len()),
        (Some(12), 7),
        "six scores and the first component: {scores:?}"
    );
    assert!(scores.contains(&"component 1"));
    let auroc = numbers(&result["auroc"]);
    assert!(auroc.windows(2).all(|pair| pair[0] >= pair[1]) && auroc[0] > 0.95, "{auroc:?}");
    for (auroc, interval) in auroc.iter().zip(result["auroc_interval"].as_array().unwrap()) {
        let interval = numbers(interval);
        assert!(interval[0] <= *auroc && *auroc <= interval[1], "{auroc} {interval:?}");
    }
    let last = scores.len() - 1;
    assert_eq!((scores[last], result["below_chance"][last].as_bool()), ("forgetting", Some(true)));
    assert!(
        answer.reading.contains("forgetting (0") && answer.reading.contains("falls below chance"),
        "{}",
        answer.reading
    );
    assert!(answer.reading.contains("12 of 60 labels were changed"), "{}", answer.reading);
    let holes = scores.iter().position(|name| *name == "holes").unwrap();
    assert_eq!(result["left_out"][holes].as_u64(), Some(1));
    assert_eq!(answer.figures.len(), 6);
    let Figure::Pictures { rows, .. } = &answer.figures[4] else { panic!() };
    assert!(rows.iter().all(|(_, pictures)| pictures.len() == 8));
    assert!(rows[0].1[0].caption.ends_with(" · rank 1") && rows[0].1[0].caption.contains('('));
    assert!(!rows[1].1[0].caption.contains('('));
    let Figure::Bars { bars, lines, .. } = &answer.figures[0] else { panic!() };
    assert!(bars[0].examples.len() == 60 && bars[0].examples[0] % 5 == 0 && (lines[0].at - 0.5).abs() < 1e-12);
}

#[test]
fn a_score_of_fewer_examples_has_its_own_k_and_chance() {
    let mut noisy = noisy();
    // Of 60 examples with 12 changed labels, `sure` knows 24, among them 4 changed ones, and ranks those perfectly.
    let sure = |column: usize| match column {
        0..20 => f32::from(column.is_multiple_of(5)),
        41..45 => 0.5,
        _ => f32::NAN,
    };
    let values = Array2::from_shape_fn((8, 60), |(_, column)| sure(column));
    noisy.scores.push(ScoreRuns { name: "sure".into(), harder: Harder::High, values });
    let answer = audit(&[noisy], &Options { scores: vec!["smooth".into(), "sure".into()], ..options() });
    let result = &answer.results[0];
    let place = |name: &str| result["scores"].as_array().unwrap().iter().position(|score| score == name).unwrap();
    let (sure, smooth) = (place("sure"), place("smooth"));
    assert_eq!((result["ranked"][sure].as_u64(), result["positives"][sure].as_u64()), (Some(24), Some(4)));
    assert_eq!((numbers(&result["k_of"][sure]), numbers(&result["k_of"][smooth])), (vec![4.0, 4.0], vec![10.0, 12.0]));
    // A perfect ranking finds nothing else first.
    assert_close(result["precision_at"][1][sure].as_f64().unwrap(), 1.0, 1e-12, "precision");
    assert_close(result["chance"][sure].as_f64().unwrap(), 4.0 / 24.0, 1e-12, "chance");
    assert_close(result["chance"][smooth].as_f64().unwrap(), 0.2, 1e-12, "chance of all");
    let best = &result["best_on_same_examples"];
    assert!(best[smooth].is_null() && best[sure]["auroc"].is_number(), "{best}");
    let table = &answer.tables[0];
    assert!(
        table.title.contains("among 60 examples (train; ") && table.title.contains("sure: 24 examples"),
        "{}",
        table.title
    );
    assert!(table.columns.contains(&"P@≤12".to_owned()));
    assert!(answer.figures[1].title().contains("sure: 24 examples"), "{}", answer.figures[1].title());
    assert!(answer.reading.contains("over 24 examples with 4 of them, where "), "{}", answer.reading);
}

#[test]
fn the_same_seed_draws_the_same_and_another_does_not() {
    let noisy = [noisy()];
    let of = |seed| audit(&noisy, &Options { seed, ..options() }).results[0]["auroc_interval"].clone();
    assert_eq!(of(0), of(0));
    assert_ne!(of(0), of(1));
}

#[test]
fn what_is_kept_changes_no_answer_and_verdicts_are_heard_at_once() {
    let mut models = [noisy()];
    let of = |names: &[&str]| Options { scores: names.iter().map(|name| (*name).into()).collect(), ..options() };
    let turns =
        [of(&["smooth", "low"]), of(&["low", "holes", "forgetting"]), Options { seed: 3, ..options() }, options()];
    let input = Input { models: &models, replicates: &[], evidence: None };
    assert_kept_changes_no_answer(&ANALYSIS, &input, &turns);
    let mut kept = ANALYSIS.again.unwrap()();
    let waits = Options { quick: true, ..options() };
    let first = kept.answer(&input, &waits).unwrap();
    assert!(first.unfinished && first.results[0]["auroc_interval"][0][0].is_null());
    assert!(!first.reading.contains("NaN") && first.tables[0].title.contains("being drawn"), "{}", first.text());
    let whole = kept.answer(&input, &options()).unwrap();
    assert_eq!(first.results[0]["auroc"], whole.results[0]["auroc"]);
    let reviews = vec![Reviewed { id: 105, verdict: Verdict::Fine, new_label: None, reviewer: "ann".into() }];
    models[0].cohort = Arc::new(Cohort { reviews, ..(*models[0].cohort).clone() });
    let input = Input { models: &models, replicates: &[], evidence: None };
    let heard = kept.answer(&input, &waits).unwrap();
    assert_eq!(heard.results[0]["verdicts"]["counts"]["fine"].as_u64(), Some(1));
    assert_eq!(heard.text(), audit(&models, &options()).text());
}

#[test]
fn without_known_changes_there_is_a_list_to_review() {
    let plain = ModelScores { predicted: noisy().predicted, ..model("a") };
    let answer = audit(std::slice::from_ref(&plain), &Options { scores: vec!["low".into()], ..options() });
    assert!(answer.reading.contains("review first #"), "{}", answer.reading);
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("no changed label is known")),
        "{:?}",
        answer.warnings
    );
    assert!(answer.warnings.iter().any(|warning| warning.contains("corner types are left out")));
    let review = &answer.results[0]["review"];
    assert_eq!((review["score"].as_str(), answer.results[0].get("auroc")), (Some("low"), None));
    let examples = review["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 60);
    let low = plain.scores[2].means(None);
    let hardest = (0..60).min_by(|a, b| low[*a].total_cmp(&low[*b])).unwrap();
    assert_eq!(examples[0]["id"].as_u64(), Some(100 + hardest as u64));
    for (place, example) in examples.iter().enumerate() {
        let [low, rank, high] = ["low", "rank", "high"].map(|key| example[key].as_f64().unwrap());
        assert!((rank - place as f64 - 1.0).abs() < 1e-9 && low <= high && low >= 1.0 && high <= 60.0);
    }
    assert_eq!(
        (examples[0]["votes"].as_u64(), examples[0]["of"].as_u64()),
        (Some(7 + u64::from(hardest % 5 != 0)), Some(8))
    );
    assert_eq!(audit(&[], &options()).reading, "Nothing can be audited yet.");
    assert!(answer.reading.contains("of 60 examples most runs see"), "{}", answer.reading);
    let imported = ModelScores { predicted: Array2::zeros((0, 0)), ..plain.clone() };
    let unlabelled = ModelScores { cohort: Arc::default(), ..plain };
    for model in [imported, unlabelled] {
        let reading = audit(&[model], &options()).reading;
        assert!(reading.contains("review first") && !reading.contains("another class"), "{reading}");
    }
}

#[test]
fn where_nothing_tells_examples_apart_none_is_called_the_hardest() {
    let reading = |values: &dyn Fn(usize) -> f32| {
        let mut same = model("a");
        for score in &mut same.scores {
            score.values = Array2::from_shape_fn(score.values.dim(), |(_, column)| values(column));
        }
        let options = Options { scores: vec!["smooth".into()], ..options() };
        audit(&[same], &options).reading
    };
    assert_eq!(reading(&|_| 4.0), "a: `smooth` is the same for all 60 examples: nothing tells them apart.");
    let tied = reading(&|column| if column < 3 { 9.0 } else { column as f32 * 0.01 });
    assert!(tied.contains("one of the 3 hardest by smooth"), "{tied}");
}

#[test]
fn imported_scores_are_given_no_advice_to_train_otherwise() {
    let models = [ModelScores { predicted: Array2::zeros((0, 0)), ..model("a") }];
    let warnings = |network: &str| {
        let replicates = [Replicates { model: "a".into(), network: network.into(), ..Replicates::default() }];
        let input = Input { models: &models, replicates: &replicates, evidence: None };
        (ANALYSIS.run)(&input, &options()).unwrap().warnings.join("\n")
    };
    let (trained, imported) = (warnings("net"), warnings(""));
    assert!(trained.contains("[data]") && !imported.contains("[data]"), "{imported}");
    assert!(imported.contains("no changed label is known"), "{imported}");
}

#[test]
fn corner_types_come_from_depths_in_both_roles() {
    let (train, val) = ([0.0, 8.0, 1.0, 7.0, f64::NAN], [1.0, 2.0, 8.0, 8.0, 3.0]);
    let depth = |values: &[f64], role| {
        let mut model = model("a");
        let values = Array2::from_shape_fn((8, 60), |(_, column)| values[column % values.len()] as f32);
        model.scores.push(ScoreRuns { name: "prediction_depth".into(), harder: Harder::High, values });
        ModelScores { role, ..model }
    };
    let answer = audit(&[depth(&train, "train"), depth(&val, "val")], &options());
    let first = &answer.results[0]["review"]["examples"][0];
    let column = first["id"].as_u64().unwrap() as usize - 100;
    let expected = ["easy", "looks like a different class", "ambiguous unless the label is given", "ambiguous"];
    assert_eq!(first["corner"].as_str(), expected.get(column % 5).copied());
    assert!(!answer.warnings.iter().any(|warning| warning.contains("corner")), "{:?}", answer.warnings);
    // Means reach 4 at most, single runs 8: 3 is in the lower half, as for the analysis of depth.
    let uneven = |role| {
        let mut model = depth(&[3.0], role);
        let depth = model.scores.last_mut().unwrap();
        depth.values.column_mut(0).assign(&ndarray::Array1::from_shape_fn(8, |run| 8.0 * f32::from(run % 2 == 0)));
        model
    };
    let answer = audit(&[uneven("train"), uneven("val")], &options());
    let listed = answer.results[0]["review"]["examples"].as_array().unwrap();
    assert!(listed.iter().all(|one| (one["corner"] == "easy") == (one["id"] != 100)), "{listed:?}");
}

#[test]
fn verdicts_are_counted_and_compared_with_the_rankings() {
    let mut noisy = noisy();
    let said = |id, verdict, reviewer: &str| Reviewed { id, verdict, new_label: Some(1), reviewer: reviewer.into() };
    let mut reviews: Vec<Reviewed> = [100, 105, 110].map(|id| said(id, Verdict::Mislabelled, "ann")).to_vec();
    reviews.extend([101, 102, 103].map(|id| said(id, Verdict::Fine, "ann")));
    reviews.extend([said(106, Verdict::Mislabelled, "ann"), said(100, Verdict::Mislabelled, "bob")]);
    reviews.extend([
        said(107, Verdict::Fine, "ann"),
        said(107, Verdict::Drop, "bob"),
        said(9999, Verdict::Drop, "ann"),
    ]);
    noisy.cohort = Arc::new(Cohort { reviews, ..(*noisy.cohort).clone() });
    let answer = audit(&[noisy], &options());
    let verdicts = &answer.results[0]["verdicts"];
    assert_eq!(verdicts["counts"]["mislabelled"].as_u64(), Some(4));
    assert_eq!((verdicts["counts"]["fine"].as_u64(), verdicts["dissent"].as_u64()), (Some(3), Some(1)));
    assert_eq!(
        (verdicts["confirmed"]["mislabelled"].as_u64(), verdicts["confirmed"]["changed"].as_u64()),
        (Some(4), Some(3))
    );
    let smooth = verdicts["scores"].as_array().unwrap().iter().position(|name| name == "smooth").unwrap();
    assert!(verdicts["auroc"][smooth].as_f64().unwrap() > 0.7, "{verdicts}");
    assert!(
        answer.reading.contains("8 examples have a verdict, 3 of the 4 called mislabelled were changed"),
        "{}",
        answer.reading
    );
    let listed = answer.results[0]["review"]["examples"].as_array().unwrap();
    let first = listed.iter().find(|example| example["id"] == 100).unwrap();
    assert_eq!(first["verdicts"][1]["reviewer"], "bob");
    assert_eq!(first["verdicts"][0]["verdict"], "mislabelled (bee)");
}

#[test]
fn what_most_networks_see_is_the_lowest_of_equals() {
    let mut model = model("a");
    model.predicted = array![[2, 1], [1, 1], [super::super::UNSEEN, 0]];
    let answer = audit(&[model], &options());
    let listed = answer.results[0]["review"]["examples"].as_array().unwrap();
    let of = |id: u64| listed.iter().find(|example| example["id"] == id).unwrap().clone();
    assert_eq!(
        (of(100)["believed"].as_str(), of(100)["votes"].as_u64(), of(100)["of"].as_u64()),
        (Some("bee"), Some(1), Some(2))
    );
    assert_eq!((of(101)["votes"].as_u64(), of(102)["believed"].is_null()), (Some(2), true));
}
