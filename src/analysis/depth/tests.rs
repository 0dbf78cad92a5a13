//! Every number against NumPy and SciPy (`tests/golden/depth.py`), and what missing runs, roles and files do.

use std::sync::{Arc, OnceLock};

use ndarray::{Array2, Array3};
use serde_json::Value;

use super::super::evidence::{Evidence, Look, Probes};
use super::super::golden::{assert_close, assert_kept_changes_no_answer, numbers};
use super::super::{Answer, Cell, Cohort, Figure, Input, ModelScores, Options, ScoreRuns, UNSEEN};
use super::bounds::{bands, beyond, bin, pearson, slope};
use super::corners::{CORNERS, nearest};
use super::*;
use crate::scores::Harder;
use crate::{Error, Result};

mod parts;

const ROLES: [&str; 3] = ["train", "val", "test"];

fn golden() -> &'static Value {
    static GOLDEN: OnceLock<Value> = OnceLock::new();
    GOLDEN.get_or_init(|| serde_json::from_str(include_str!("../../../tests/golden/depth.json")).unwrap())
}

fn classes(value: &Value) -> Vec<u16> {
    value.as_array().unwrap().iter().map(|class| class.as_u64().unwrap() as u16).collect()
}

fn rows<T>(value: &Value, of: impl Fn(&Value) -> Vec<T>) -> Array2<T> {
    let rows: Vec<Vec<T>> = value.as_array().unwrap().iter().map(of).collect();
    let shape = (rows.len(), rows[0].len());
    Array2::from_shape_vec(shape, rows.into_iter().flatten().collect()).unwrap()
}

/// The study's examples: `noisy` with true labels beside the given ones, else with the true ones alone.
fn cohort(role: usize, noisy: bool) -> Arc<Cohort> {
    let train = golden()["train"].as_u64().unwrap() as usize;
    let part = |all: Vec<u16>| if role == 2 { all[train..].to_vec() } else { all[..train].to_vec() };
    let (labels, truth) = (part(classes(&golden()["labels"])), part(classes(&golden()["truth"])));
    let ids = if role == 2 { 1130..1150 } else { 1000..1130 };
    let classes = ["ant", "bee", "cat"].map(String::from).to_vec();
    let (labels, true_labels) = if noisy { (labels, truth) } else { (truth, Vec::new()) };
    Arc::new(Cohort { ids: ids.collect(), labels, true_labels, classes, ..Cohort::default() })
}

/// A model's scores in the roles that it has; as `model_scores`, a role that it lacks is there without values.
fn models(name: &str, noisy: bool) -> Vec<ModelScores> {
    let of = &golden()["models"][name];
    let train = golden()["train"].as_u64().unwrap() as usize;
    let roles = rows(&of["roles"], classes);
    let one =
        |role: usize| {
            let first = if role == 2 { train } else { 0 };
            let shape = (roles.nrows(), if role == 2 { roles.ncols() - train } else { train });
            let here = |(run, example): (usize, usize)| usize::from(roles[[run, first + example]]) == role;
            let score = |name: &str, key: &str, harder| {
                let all = rows(&of[key], numbers);
                let value = |at: (usize, usize)| if here(at) { all[[at.0, first + at.1]] as f32 } else { f32::NAN };
                ScoreRuns { name: name.to_owned(), harder, values: Array2::from_shape_fn(shape, value) }
            };
            let predicted = rows(&of["predicted"], classes);
            ModelScores {
                model: name.to_owned(),
                role: ROLES[role],
                runs: (0..roles.nrows() as u32).collect(),
                scores: vec![
                    score("learned.final95", "learned", Harder::High),
                    score("output_margin", "output_margin", Harder::Low),
                    score("input_margin", "input_margin", Harder::Low),
                    score("prediction_depth", "depth", Harder::High),
                ],
                cohort: cohort(role, noisy),
                predicted: Array2::from_shape_fn(shape, |at| {
                    if here(at) { predicted[[at.0, first + at.1]] } else { UNSEEN }
                }),
            }
        };
    (0..3).map(one).collect()
}

fn both(noisy: bool) -> Vec<ModelScores> {
    [models("held", noisy), models("all", noisy)].concat()
}

/// What the runs left, but for one file that is damaged and one that is not there.
#[derive(Debug, Default)]
struct Left {
    damaged: Option<u32>,
    without: Option<u32>,
}

impl Evidence for Left {
    fn probes(&self, model: &str, run: u32, score: &str) -> Result<Option<Probes>> {
        assert!(score.starts_with("prediction_depth"), "{score}");
        if self.damaged == Some(run) {
            return Err(Error::Failed("probes.safetensors is damaged".into()));
        }
        let of = &golden()["models"][model];
        let predicted = rows(&of["probes"][run as usize], classes);
        let votes: Vec<u8> = of["votes"][run as usize].as_array().unwrap().iter().flat_map(flat).collect();
        let shape = (predicted.nrows(), predicted.ncols(), 3);
        let names = ["input", "a", "b", "c", "d", "softmax"].map(String::from).to_vec();
        let votes = Array3::from_shape_vec(shape, votes).unwrap();
        Ok((self.without != Some(run)).then_some(Probes { names, predicted, votes }))
    }

    fn course(&self, model: &str, run: u32, take: &mut dyn FnMut(Look<'_>)) -> Result<()> {
        let of = &golden()["models"][model];
        let tested = numbers(&of["test_accuracy"][run as usize]);
        for (place, epoch) in of["course"][run as usize].as_array().unwrap().iter().enumerate() {
            let predicted = classes(epoch);
            take(Look { epoch: 2 * place as u32, predicted: &predicted, test_accuracy: tested[place] });
        }
        Ok(())
    }
}

fn flat(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().flat_map(|row| classes(row).into_iter().map(|votes| votes as u8)).collect()
}

fn answered(models: &[ModelScores], evidence: Option<&dyn Evidence>) -> Answer {
    (ANALYSIS.run)(&Input { models, replicates: &[], evidence }, &Options::default()).unwrap()
}

/// Whether every number that the peer has is ours too; keys that it doesn't know are left.
fn assert_same(ours: &Value, theirs: &Value, what: &str) {
    match theirs {
        Value::Object(map) => {
            for (key, value) in map {
                assert_same(&ours[key], value, &format!("{what}.{key}"));
            }
        }
        Value::Array(list) => {
            assert_eq!(ours.as_array().map(Vec::len), Some(list.len()), "{what}");
            list.iter().enumerate().for_each(|(at, value)| assert_same(&ours[at], value, &format!("{what}[{at}]")));
        }
        Value::Number(_) | Value::Null => {
            let (ours, theirs) = (ours.as_f64().unwrap_or(f64::NAN), theirs.as_f64().unwrap_or(f64::NAN));
            if theirs == 0.0 {
                assert!(ours.abs() < 1e-9, "{what}: {ours}, the peer 0");
            } else {
                assert_close(ours, theirs, 1e-6, what);
            }
        }
        _ => assert_eq!(ours, theirs, "{what}"),
    }
}

#[test]
fn relations_are_those_of_numpy_and_scipy() {
    let answer = answered(&both(true), Some(&Left::default()));
    for (place, name) in ["held", "all"].iter().enumerate() {
        let (ours, theirs) = (&answer.results[place], &golden()["expected"][*name]);
        assert_eq!(ours["model"], **name);
        for key in
            ["roles", "by_depth", "consistency", "consensus_consistency", "entropy", "iteration_learned", "margins"]
        {
            assert_same(&ours[key], &theirs[key], &format!("{name}: {key}"));
        }
    }
    let left_out: u64 =
        answer.results[0]["margins"].as_array().unwrap().iter().map(|one| one["left_out"].as_u64().unwrap()).sum();
    assert!(left_out >= 2, "a margin of 0 has no logarithm");
    let undefined = answer.results[0]["roles"][1]["undefined"].as_u64().unwrap();
    assert!(undefined > 0 && answer.reading.contains(&format!("val, {undefined} of")), "{}", answer.reading);
}

#[test]
fn what_is_kept_changes_no_answer() {
    let mut models = both(true);
    for model in &mut models {
        let mut other = model.scores.iter().find(|score| score.name == "prediction_depth").unwrap().clone();
        "prediction_depth.k10".clone_into(&mut other.name);
        other.values.mapv_inplace(|depth| (depth - 1.0).max(0.0));
        model.scores.push(other);
    }
    let input = Input { models: &models, replicates: &[], evidence: Some(&Left::default()) };
    let of = |name: &str, role: &str| Options { scores: vec![name.into()], role: role.into(), ..Options::default() };
    let turns = [
        Options::default(),
        of("prediction_depth.k10", "train"),
        of("prediction_depth", "val"),
        Options { per_example: true, ..of("prediction_depth.k10", "test") },
    ];
    assert_kept_changes_no_answer(&ANALYSIS, &input, &turns);
    // Nothing of what takes reading is said before it was read.
    let waits = Options { quick: true, ..Options::default() };
    let first = ANALYSIS.again.unwrap()().answer(&input, &waits).unwrap();
    assert!(first.unfinished && first.results[0]["layers"].is_null() && first.results[0]["roles"].is_array());
}

#[test]
fn agreement_is_spearmans_of_means_halves_and_single_runs() {
    let answer = answered(&both(true), Some(&Left::default()));
    for (place, result) in answer.results.iter().enumerate() {
        for one in result["agreement"].as_array().unwrap() {
            let theirs = &golden()["agreement"][one["role"].as_str().unwrap()];
            let other = usize::from(one["with"] == "all");
            for key in ["means", "single_runs", "pairs"] {
                assert_same(&one[key], &theirs[key][place][other], &format!("{one}: {key}"));
            }
        }
    }
    // The same ids with other labels are other examples.
    let mut models = both(true);
    for model in models.iter_mut().filter(|model| model.model == "all") {
        let mut cohort = (*model.cohort).clone();
        cohort.true_labels.rotate_left(1);
        model.cohort = Arc::new(cohort);
    }
    let apart = answered(&models, None);
    let with = |answer: &Answer, other: &str| {
        answer.results[0]["agreement"].as_array().unwrap().iter().find(|one| one["with"] == other).unwrap().clone()
    };
    assert!(with(&apart, "all")["means"].is_null() && with(&apart, "held")["means"].is_number());
}

#[test]
fn learning_curves_are_split_by_changed_labels_where_there_are_any() {
    for (noisy, key) in [(true, "noisy"), (false, "clean")] {
        let answer = answered(&both(noisy), Some(&Left::default()));
        for (place, name) in ["held", "all"].iter().enumerate() {
            let theirs = &golden()["expected"][*name][key];
            for what in ["layers", "course"] {
                let known: Vec<&Value> =
                    theirs[what].as_array().unwrap().iter().filter(|split| split[0].is_number()).collect();
                let ours = answer.results[place][what].as_array().unwrap();
                assert_eq!(ours.len(), known.len(), "{name} {key}: {ours:?}");
                for (ours, theirs) in ours.iter().zip(known) {
                    assert_same(&ours["accuracy"], theirs, &format!("{name} {key} {what} {}", ours["split"]));
                }
            }
            assert_eq!(answer.results[place]["course"][0]["epochs"], serde_json::json!([0, 2, 4]));
        }
        let lacks = answer.warnings.iter().any(|warning| warning.contains("label_noise = { kind = \"random\""));
        assert_eq!(lacks, !noisy);
    }
}

#[test]
fn corners_their_layers_and_the_middle_probe_are_those_of_numpy() {
    let answer = answered(&both(true), Some(&Left::default()));
    let theirs = &golden()["expected"]["held"];
    let ours = &answer.results[0];
    assert_same(&ours["grid"]["counts"], &theirs["grid"], "grid");
    for (ours, theirs) in ours["corners"].as_array().unwrap().iter().zip(theirs["corners"].as_array().unwrap()) {
        for (key, value) in theirs.as_object().unwrap().iter().filter(|(key, _)| *key != "examples") {
            assert_same(&ours[key], value, &format!("{}: {key}", ours["corner"]));
        }
        let ids: Vec<f64> = numbers(&theirs["examples"]).iter().map(|at| at + 1000.0).collect();
        assert!(numbers(&ours["examples"]) == ids, "{}", ours["corner"]);
    }
    let (third, middle) = (&theirs["corners"][2], &ours["middle_probe"]);
    assert_same(&middle["probe_accuracy"], &third["truth_accuracy"][4], "probe 4");
    assert_same(&middle["network_accuracy"], &third["network_accuracy"], "the network");
    assert!(middle["in_sample"] == true && middle["name"] == "d" && answer.reading.contains("in-sample"));
    // Nothing is held out by the other model.
    for key in ["corners", "grid", "consistency", "middle_probe"] {
        let value = &answer.results[1][key];
        let test_alone = key == "consistency" && value.as_array().is_some_and(|all| all.len() == 1);
        assert!(value.is_null() || test_alone, "{key}: {value}");
    }
}

#[test]
fn figures_show_every_relation_and_pictures_name_examples() {
    let answer = answered(&both(true), Some(&Left::default()));
    let titles: Vec<&str> = answer.figures.iter().map(Figure::title).collect();
    for part in [
        "Mean depth of each model",
        "Agreement of means, val",
        "held: depths (train",
        "held: consistency, val",
        "held: consensus of others, val",
        "held: consensus of others, test",
        "held: entropy of others, val",
        "held: right by depth, val",
        "held: iteration learned",
        "all: output margin",
        "all: input margin",
        "held: probes by layer",
        "held: network by epoch",
        "held: two depths, mistaken",
        "held: the corners",
        "held: votes for the truth",
        "held: consensus predicted",
    ] {
        assert!(titles.iter().any(|title| title.starts_with(part)), "no figure `{part}` in {titles:?}");
    }
    let pictures = answer.figures.iter().find_map(|figure| match figure {
        Figure::Pictures { rows, .. } => Some(rows),
        _ => None,
    });
    let rows = pictures.unwrap();
    assert_eq!(rows.len(), 4);
    let ids = numbers(&answer.results[0]["corners"][3]["examples"]);
    assert!(rows[3].1.iter().map(|picture| f64::from(picture.example)).eq(ids.into_iter().take(8)));
    let Some(Figure::Histogram { bins, .. }) =
        answer.figures.iter().find(|figure| figure.title().starts_with("held: depths"))
    else {
        panic!()
    };
    assert_eq!(bins.len(), 6);
    assert!(bins.iter().any(|bin| !bin.examples.is_empty() && bin.examples.iter().all(|id| (1000..1130).contains(id))));
}

#[test]
fn a_study_is_told_what_it_lacks_and_the_rest_is_answered() {
    let says = |answer: &Answer, part: &str| answer.warnings.iter().any(|warning| warning.contains(part));
    let mut alone = models("all", false);
    for model in &mut alone {
        model.scores.retain(|score| score.name == "prediction_depth");
    }
    let answer = answered(&alone, None);
    for part in [
        "another [[model]]",
        "`holdout = 0.1`",
        "against = \"final95\"",
        "`output_margin = {}`",
        "`input_margin = {}`",
        "label_noise",
    ] {
        assert!(says(&answer, part), "{part}: {:?}", answer.warnings);
    }
    assert!(answer.results[0]["roles"][0]["mean"].is_number() && answer.results[0]["layers"].is_null());
    assert_eq!(answer.results[0]["last"], 5.0, "without probes: the largest depth that occurs");
    for model in &mut alone {
        model.scores.clear();
    }
    let answer = answered(&alone, None);
    assert!(says(&answer, "prediction_depth = { k = 30 }") && answer.results.is_empty(), "{:?}", answer.warnings);
    assert!(says(&answered(&[], None), "no model"));
}

#[test]
fn damaged_and_missing_probes_leave_their_runs_out() {
    let whole = answered(&models("held", true), Some(&Left::default()));
    let left = Left { damaged: Some(1), without: Some(3) };
    let answer = answered(&models("held", true), Some(&left));
    assert!(answer.warnings.iter().any(|warning| warning.contains("held/001: probes.safetensors is damaged")));
    assert!(answer.warnings.iter().any(|warning| warning.contains("1 of 5 runs left no probes")));
    assert_eq!(answer.results[0]["roles"], whole.results[0]["roles"]);
    assert_ne!(answer.results[0]["layers"], whole.results[0]["layers"]);
    let runs = [0, 2, 4].map(|run| &golden()["models"]["held"]["probes"][run]);
    let roles = rows(&golden()["models"]["held"]["roles"], classes);
    let (labels, truth) = (classes(&golden()["labels"]), classes(&golden()["truth"]));
    let unchanged = runs.iter().zip([0, 2, 4]).map(|(probes, run)| {
        let last = classes(&probes[5]);
        let own: Vec<usize> = (0..130).filter(|at| roles[[run, *at]] == 0 && labels[*at] == truth[*at]).collect();
        own.iter().filter(|at| last[**at] == labels[**at]).count() as f64 / own.len() as f64
    });
    let mean = unchanged.sum::<f64>() / 3.0;
    assert_close(answer.results[0]["layers"][0]["accuracy"][5].as_f64().unwrap(), mean, 1e-12, "three runs");
}

#[test]
fn a_run_without_depths_is_told() {
    let mut held = models("held", true);
    for model in &mut held {
        let depth = model.scores.iter_mut().find(|score| score.name == "prediction_depth").unwrap();
        depth.values.row_mut(2).fill(f32::NAN);
        let other = ScoreRuns { name: "prediction_depth.k5".into(), ..depth.clone() };
        model.scores.push(other);
    }
    let answer = answered(&held, Some(&Left::default()));
    let part = "1 of 5 runs have no `prediction_depth`";
    assert!(answer.warnings.iter().any(|warning| warning.contains(part)), "{part}: {:?}", answer.warnings);
    let pairs = |answer: &Answer| answer.results[0]["roles"][0]["pairs"].as_u64().unwrap();
    assert_eq!(pairs(&answer), pairs(&answered(&models("held", true), None)) / 5 * 4);
}

/// Four runs that hold five examples out, by hand; label 2 throughout.
#[test]
fn consensus_and_entropy_leave_out_the_run_that_supplies_the_depth() {
    const NO: f32 = f32::NAN;
    let predicted = ndarray::array![
        [1_u16, 0, 0, UNSEEN, 0],
        [1, 1, 1, UNSEEN, 1],
        [2, 2, UNSEEN, 2, UNSEEN],
        [2, 1, 1, UNSEEN, UNSEEN]
    ];
    let depths = ndarray::array![
        [0.0_f32, 1.0, 1.0, NO, 2.0],
        [0.0, NO, 1.0, NO, 2.0],
        [2.0, 2.0, NO, 1.0, NO],
        [1.0, 0.0, 2.0, NO, NO]
    ];
    let one = ModelScores {
        model: "m".into(),
        role: "val",
        runs: vec![0, 1, 2, 3],
        scores: vec![ScoreRuns { name: "prediction_depth".into(), harder: Harder::High, values: depths }],
        cohort: Arc::new(Cohort { labels: vec![2; 5], ..Cohort::default() }),
        predicted,
    };
    let side = subject::Side { scores: &one, depth: &one.scores[0] };
    let of = together::Together::of(&side, None, 2.0, true);
    // Example 0: of three others two always agree. Example 1: run 1 has no depth; others of runs 0 and 2 agree by two, those of run 3
    // say 0, 1 and 2 (tie, label wins: 1/3). The rest: two others, none and one, which are too few.
    let two_agree = (1.5_f64.ln() * 2.0 + 3.0_f64.ln()) / 3.0;
    for (example, consistency) in [(0, 2.0 / 3.0), (1, 5.0 / 9.0)] {
        assert_close(of.others_consistency[example], consistency, 1e-11, "consensus-consistency");
    }
    for (example, entropy) in [(0, two_agree), (1, (2.0 * two_agree + 3.0_f64.ln()) / 3.0)] {
        assert_close(of.others_entropy[example], entropy, 1e-11, "entropy");
    }
    for example in 2..5 {
        assert!(of.others_consistency[example].is_nan() && of.others_entropy[example].is_nan(), "{example}");
    }
    assert_eq!(of.voted, together::Voted { pairs: 13, few: 6 });
    // Among all: a tie with the label; 1 twice; again; the only one; a tie without the label, the lowest.
    assert_eq!(of.consensus, [2, 1, 1, 2, 0]);
    assert_eq!((of.matches(0, &[2; 5]), of.matches(1, &[2; 5])), (Some(true), Some(false)));
    assert_eq!(of.by_depth.iter().map(|at| at.pairs).collect::<Vec<_>>(), [3, 5, 5]);
    assert_close(of.by_depth[1].accuracy(), 2.0 / 5.0, 1e-12, "right at depth 1: examples 0 and 3");
    assert_eq!(side.pairs(), (14, 1), "pairs that have the role, and those of them without a depth");
}

#[test]
fn what_makes_the_bounds_is_said_where_they_are_drawn() {
    let answer = answered(&models("held", true), None);
    let title = |part: &str| answer.figures.iter().find(|figure| figure.title().starts_with(part)).unwrap().title();
    for (part, start) in [("held: consistency, val", "1"), ("held: consensus of", "1"), ("held: entropy of", "0")] {
        let said = format!("bound through {start} at depth 0, slope: 99th percentile of gap / depth");
        assert!(title(part).contains(&said), "{}", title(part));
    }
    let table = answer.tables.iter().find(|table| table.title.contains("linear bounds")).unwrap();
    assert!(
        table.title.contains("through 1 at depth 0") && table.title.contains("entropy: through 0"),
        "{}",
        table.title
    );
}

#[test]
fn published_numbers_stand_beside_ours_where_there_are_any() {
    let beside = |answer: &Answer| answer.tables.iter().find(|table| table.title.contains("Baldock")).cloned();
    let answer = answered(&both(true), Some(&Left::default()));
    let table = beside(&answer).unwrap();
    assert_eq!(table.columns[3..], ["published", "ours: held", "ours: all"].map(String::from));
    let row = |quantity: &str| table.rows.iter().find(|row| row[0].shown().starts_with(quantity)).unwrap().clone();
    let margins = answer.results[1]["margins"].as_array().unwrap();
    let of = |name: &str, key: &str| {
        let is = |one: &&Value| one["margin"] == name && one["role"] == "test";
        Cell::Number(margins.iter().find(is).unwrap()[key].as_f64().unwrap())
    };
    assert_eq!(
        row("ln input margin")[3..],
        [Cell::Text("-0.69".into()), row("ln input margin")[4].clone(), of("input_margin", "pearson")]
    );
    assert_eq!(row("mean output margin")[5], of("output_margin", "mean"));
    let middle = &answer.results[0]["middle_probe"];
    assert_eq!(row("layer 4's")[4], Cell::Number(middle["probe_accuracy"].as_f64().unwrap()));
    assert_eq!(row("the network right")[4], Cell::Number(middle["network_accuracy"].as_f64().unwrap()));
    assert_eq!(row("layer 4's")[5].shown(), "·", "nothing is held out there");
    let trained: Vec<ModelScores> = models("all", true).into_iter().filter(|model| model.role == "train").collect();
    assert!(beside(&answered(&trained, None)).is_none());
}

#[test]
fn a_consensus_of_few_or_of_all_gives_no_bound() {
    let few = answered(&models("all", true), None);
    let said = "test: 60 of 60 pairs of run and example have fewer than 3 other votes";
    let undefined = few.results[0]["roles"][1]["undefined"].as_u64().unwrap();
    let said = said.replace("60", &(60 - undefined).to_string());
    assert!(
        few.warnings.iter().any(|warning| warning.contains(&said) && warning.contains("neither")),
        "{:?}",
        few.warnings
    );
    assert!(few.results[0]["entropy"].is_null() && !few.reading.contains("consensus-consistency"), "{}", few.reading);
    assert!(!few.figures.iter().any(|figure| figure.title().contains("of others")));
    let partly = answered(&models("held", true), None);
    let of_val = &partly.results[0]["consensus_consistency"][0];
    let said = format!("val: {} of {} pairs", of_val["few_votes"], of_val["pairs"]);
    assert!(partly.warnings.iter().any(|warning| warning.contains(&said)), "{said}: {:?}", partly.warnings);
    assert!(partly.tables.iter().any(|table| table.title.contains(&said["val: ".len()..said.len() - 6])));
    let mut agreed = models("held", true);
    for model in &mut agreed {
        model.predicted.mapv_inplace(|class| if class == UNSEEN { class } else { 1 });
    }
    let agreed = answered(&agreed, None);
    assert!(agreed.reading.contains("no bound: it is 1 for 100 % of"), "{}", agreed.reading);
}
