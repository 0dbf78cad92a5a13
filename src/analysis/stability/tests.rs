//! Against NumPy's and SciPy's numbers on given sets of runs, and what few runs do.

use proptest::prelude::*;

use super::super::golden::{answer_of, assert_close, golden, model, numbers, with_runs};
use super::super::{Figure, means::SignedRuns};
use super::*;

fn set(value: &serde_json::Value) -> Vec<usize> {
    numbers(value).into_iter().map(|run| run as usize).collect()
}

#[test]
fn comparisons_of_given_sets_equal_scipys() {
    let (golden, model) = (golden(), model("a"));
    for case in golden["stability"].as_array().unwrap() {
        let percent = case["percent"].as_f64().unwrap();
        for score in &model.scores {
            let runs = SignedRuns::new(score);
            let mut scratch = Scratch::<()>::default();
            let change =
                scratch.compare(&set(&case["first"]), &set(&case["second"]), |(), set, out| runs.means(set, out));
            let theirs = numbers(&case["values"][&score.name]);
            let what = |measure: &str| format!("{measure} of {} at {percent} %", score.name);
            assert_close(change.examples as f64, theirs[0], 0.0, &what("examples"));
            assert_close(change.median, theirs[1], 1e-12, &what("median"));
            assert_close(change.p95, theirs[2], 1e-12, &what("p95"));
            assert_close(change.disagreement(percent), theirs[3], 1e-12, &what("disagreement"));
            assert_close(change.share_above(percent), theirs[4], 1e-12, &what("share above"));
        }
    }
}

proptest! {
    #[test]
    fn sets_are_disjoint_of_the_right_size_and_seeded(seed: u64, runs in 2_usize..60, draw in 0_usize..50, part in 0.0..1.0_f64) {
        let n = 1 + ((runs / 2 - 1) as f64 * part) as usize;
        let runs: Vec<usize> = (3..runs + 3).collect();
        let (first, second) = draws::sets(seed, &runs, n, draw);
        prop_assert_eq!((first.len(), second.len()), (n, n));
        let mut all = [first.clone(), second.clone()].concat();
        all.sort_unstable();
        all.dedup();
        prop_assert!(all.len() == 2 * n && all.iter().all(|run| runs.contains(run)));
        prop_assert_eq!(draws::sets(seed, &runs, n, draw), (first, second));
    }

    #[test]
    fn the_order_of_the_examples_does_not_matter(seed: u64) {
        let (a, mut b) = (model("a"), model("a"));
        let mut order: Vec<usize> = (0..a.examples()).collect();
        crate::random::Key::study(seed).stream("test").shuffle(&mut order);
        for (from, to) in a.scores.iter().zip(&mut b.scores) {
            to.values = from.values.select(ndarray::Axis(1), &order);
        }
        let all: Vec<usize> = (0..a.scores.len()).collect();
        let of = |model| Prepared::new(model, &all, &Options { draws: Some(2), ..Options::default() });
        for (a, b) in of(&a).scores.iter().zip(&of(&b).scores) {
            prop_assert_eq!(&a.changes, &b.changes);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let model = model("a");
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| answer_of(&ANALYSIS, std::slice::from_ref(&model), &Options::default()).results)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_constant_score_never_moves_and_an_ensemble_score_is_left_out() {
    let mut model = model("a");
    model.scores[0].values.fill(3.0);
    model.scores[1].values = model.scores[1].values.slice(ndarray::s![..1, ..]).to_owned();
    let answer = answer_of(&ANALYSIS, &[model], &Options::default());
    let constant = &answer.results[0];
    assert_eq!((constant["median"][0].as_f64(), constant["share_above"][0].as_f64()), (Some(0.0), Some(0.0)));
    assert_eq!(constant["runs_needed"]["runs"].as_f64(), Some(1.0));
    assert!(answer.warnings.iter().any(|warning| warning.contains("`ties` is left out: it has one value")));
    assert_eq!(answer.results.len(), 4);
}

#[test]
fn a_run_without_any_value_is_not_drawn() {
    let mut short = with_runs(&model("a"), 6);
    short.scores[0].values.row_mut(2).fill(f32::NAN);
    let answer = answer_of(&ANALYSIS, &[short.clone()], &Options::default());
    let result = &answer.results[0];
    assert_eq!((result["runs"].as_u64(), result["valid"].as_u64()), (Some(6), Some(5)));
    assert_eq!(result["n"], serde_json::json!([1, 2]));
    assert!(result["median"][0].as_f64().is_some() && result["runs_needed"]["runs"].as_f64().is_some(), "{result}");
    let warning = "`smooth`: 5 of 6 runs have values; sets are drawn among those, up to n = 2";
    assert!(answer.warnings.iter().any(|said| said == warning), "{:?}", answer.warnings);
    assert!(answer.reading.contains("means over 2 runs") && answer.reading.contains("(smooth)"), "{}", answer.reading);
    // As if the run had never been there; scores that lack nothing are drawn as before.
    let all: Vec<usize> = (0..5).collect();
    let of = Prepared::new(&short, &all, &Options::default());
    let mut without = short.clone();
    without.scores[0].values = short.scores[0].values.select(ndarray::Axis(0), &[0, 1, 3, 4, 5]);
    without.runs.truncate(5);
    assert_eq!(of.scores[0].changes, Prepared::new(&without, &[0], &Options::default()).scores[0].changes);
    let whole = Prepared::new(&with_runs(&model("a"), 6), &all, &Options::default());
    assert_eq!(of.scores[1].changes, whole.scores[1].changes);
    assert_eq!(answer.results[1]["n"], serde_json::json!([1, 2, 3]));

    short.scores[0].values.slice_mut(ndarray::s![..5, ..]).fill(f32::NAN);
    let answer = answer_of(&ANALYSIS, &[short], &Options::default());
    assert!(answer.warnings.iter().any(|said| said.contains("1 of 6 runs have values; stability needs 2")));
    assert!(answer.results.iter().all(|result| result["score"] != "smooth"));
}

#[test]
fn too_few_runs_say_how_many_are_needed_and_two_are_enough() {
    let model = model("a");
    for runs in [0, 1] {
        let answer = answer_of(&ANALYSIS, &[with_runs(&model, runs)], &Options::default());
        assert!(answer.results.is_empty() && answer.warnings[0].contains("stability needs 2"), "{answer:?}");
    }
    let two = answer_of(&ANALYSIS, &[with_runs(&model, 2)], &Options::default());
    assert_eq!(two.results[0]["n"], serde_json::json!([1]));
    assert!(two.reading.contains("between two single runs"), "{}", two.reading);
}

#[test]
fn the_answer_has_draws_seed_curves_and_the_runs_needed() {
    let options = Options { draws: Some(4), seed: 7, threshold: 90.0, ..Options::default() };
    let answer = answer_of(&ANALYSIS, &[model("a")], &options);
    let result = &answer.results[0];
    assert_eq!((result["draws"].as_u64(), result["seed"].as_u64()), (Some(4), Some(7)));
    assert_eq!(result["n"].as_array().unwrap().len(), 4);
    assert!(result["share_above"][3].as_f64().unwrap() < 0.11);
    let Figure::Curves { curves, .. } = &answer.figures[0] else { panic!() };
    assert_eq!((curves.len(), curves[0].band.len()), (5, 4));
    assert!(curves[0].y[3] < curves[0].y[0], "more runs, less change");
    let text = answer.text();
    assert!(
        text.contains("runs until the median rank change stays at 5 % or less")
            && text.contains("mean of 4 draws, seed 7"),
        "{text}"
    );
}
