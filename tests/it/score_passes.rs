//! Do the scores of a real study's folder follow from its networks? Recomputed in f64 from the weights that lie there.
#![allow(clippy::unwrap_used, clippy::float_cmp)] // helpers of tests fail as tests do; equal bits are meant

use std::path::Path;
use std::sync::Arc;

use diffscope::commands::launch::Prepared;
use diffscope::data::Role;
use diffscope::data::roles::positions;
use diffscope::nn::CpuKernels;
use diffscope::store::StudyFolder;
use diffscope::store::replicate::ReplicateDir;
use diffscope::store::tensors::Values;
use diffscope::study::Config;
use diffscope::train::learner::{Learner, LearnerState};

use crate::studies::{SMALL, id, prepare, prepare_with_tests, run, run_prepared};

const LABELS: [&str; 2] = ["net", "mlp-16x1"];

fn dir_of(study: &Path, label: &str, index: u32) -> ReplicateDir {
    StudyFolder::open(study).unwrap().replicate(&id(label, index))
}

fn score(dir: &ReplicateDir, name: &str) -> Vec<f32> {
    let scores = dir.scores().unwrap().unwrap();
    scores.into_iter().find(|score| score.name == name).unwrap_or_else(|| panic!("no {name}")).values
}

/// A replicate's final network in f64, on the study's own data.
fn network_of(prepared: &Prepared, label: &str, dir: &ReplicateDir) -> Learner<CpuKernels<f64>> {
    let plan = prepared.plan.replicates.iter().find(|plan| plan.id == id(label, 0)).unwrap();
    let (model, dataset) = (diffscope::models::parse(&plan.model).unwrap(), &prepared.dataset);
    let kernels = CpuKernels::<f64>::new().on(dataset.clone());
    let mut learner = Learner::new(kernels, &model, dataset.shape, dataset.classes()).unwrap();
    let weights = dir.weights().unwrap();
    let flat = |table: &[diffscope::nn::Entry]| {
        let values = |entry: &diffscope::nn::Entry| match &weights[&entry.name].values {
            Values::F32(values) => values.to_vec(),
            _ => unreachable!("weights are f32"),
        };
        table.iter().flat_map(values).collect::<Vec<f32>>()
    };
    let layout = learner.layout();
    let (weights, statistics) = (flat(&layout.parameters), flat(&layout.statistics));
    let momentum = vec![0.0; weights.len()];
    learner.restore(&LearnerState { weights, momentum, statistics }).unwrap();
    learner
}

fn near(found: f32, exact: f64, what: &str) {
    assert!((f64::from(found) - exact).abs() <= 1e-4 * exact.abs(), "{what}: {found} for {exact}");
}

/// Some of 150 training examples, and a test example.
const LOOKED_AT: [u32; 6] = [0, 7, 63, 119, 120, 1119];

#[test]
fn a_network_that_is_no_number_leaves_every_score_of_a_pass_without_values() {
    let temp = tempfile::tempdir().unwrap();
    let settings = [
        "data.limit=120",
        "model.0.replicates=1",
        "model.1.replicates=1",
        // Decay alone multiplies every weight by a million in each step, until none is a number.
        "train.optimizer={ lr = 1e6, momentum = 0.0, weight_decay = 1.0, milestones = [] }",
        "scores.el2n={ epoch = 3 }",
        "scores.grand={ epoch = 3 }",
        "scores.vog=[{ stage = 'early' }, { stage = 'early', space = 'probability', normalise = 'none' }]",
        "scores.prediction_depth={ k = 5 }",
        "scores.output_margin={}",
        "scores.input_margin={}",
        "scores.prototypes={}",
        "scores.self_prototypes={}",
    ];
    run_prepared(&prepare_with_tests(temp.path(), &settings, 40), 2);
    for label in LABELS {
        let dir = dir_of(temp.path(), label, 0);
        assert!(dir.final_logits().unwrap().1.iter().all(|logit| logit.is_nan()), "{label}");
        for name in [
            "el2n@3",
            "grand@3",
            "vog.early",
            "vog.early.none.probability",
            "prediction_depth.k5",
            "output_margin",
            "input_margin",
            "prototypes",
            "self_prototypes",
        ] {
            let values = score(&dir, name);
            let defined = values.iter().filter(|value| !value.is_nan()).count();
            assert_eq!(defined, 0, "{label}: {name} has values such as {}", values[0]);
        }
        let log = dir.log_lines().unwrap();
        let told = "prediction depth is undefined for 160 of 160 examples";
        assert!(log.iter().any(|line| line.text == told), "{label}: {log:?}");
    }
}

/// A study that holds out a fifth, with a part for fine-tuning.
const HELD_OUT: [&str; 8] = [
    "data.limit=150",
    "data.holdout=0.2",
    "train.observe=sweep",
    "scores.learned=[{}, { against = 'final' }, { against = 'final95' }]",
    "scores.consistency={}",
    "scores.memorization={ least = 1 }",
    "scores.agreement={}",
    "scores.ensemble_accuracy={}",
];

#[test]
fn every_index_holds_out_its_own_examples_and_nothing_of_them_reaches_the_weights() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, changed) = (temp.path().join("a"), temp.path().join("b"));
    run(&dir, &HELD_OUT, 2);
    let roles = |label, index| dir_of(&dir, label, index).roles().unwrap();
    assert_eq!(positions(&roles("net", 0), Role::Val).len(), 30);
    assert_eq!(roles("net", 1), roles("mlp-16x1", 1));
    assert_ne!(roles("net", 0), roles("net", 1));
    // Other pictures and labels where replicate 0 never looks.
    let settings: Vec<String> = HELD_OUT
        .iter()
        .chain(&["model.0.replicates=1", "model.1.replicates=1"])
        .map(|text| (*text).to_owned())
        .collect();
    let config = Config::parse(SMALL, "small.toml", &settings).unwrap();
    let prepared = Prepared::new(&config, changed.clone()).unwrap();
    let mut dataset = (*prepared.dataset).clone();
    for position in positions(&roles("net", 0), Role::Val) {
        let at = position as usize;
        dataset.labels[at] = (dataset.labels[at] + 1) % 10;
        dataset.pixels[at * 784..(at + 1) * 784].fill(77);
    }
    let prepared = Prepared { dataset: Arc::new(dataset), ..prepared };
    let running = prepared.start(2, false, Arc::new(|_, _| ())).unwrap();
    let _ = crate::studies::progress_when(&running, "all is done", |all| {
        all.iter().all(|one| one.state == diffscope::store::record::State::Finished)
    });
    running.crew.end(false);
    for label in LABELS {
        let dirs = [&dir, &changed].map(|study| dir_of(study, label, 0));
        let [one, other] = dirs.each_ref().map(|dir| dir.record().unwrap().unwrap());
        assert_eq!(one.weights_digest, other.weights_digest, "{label}");
        assert!(one.val_accuracy.is_some() && one.train_accuracy == other.train_accuracy, "{label}");
        let [one, other] = dirs.each_ref().map(|dir| score(dir, "loss"));
        for (at, role) in roles("net", 0).iter().enumerate() {
            assert_eq!(one[at] == other[at], *role != Role::Val, "{label}: example {at}");
        }
    }
}

#[test]
fn scores_over_the_held_out_follow_from_the_stored_logits_predictions_and_roles() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), &HELD_OUT, 2);
    let folder = StudyFolder::open(temp.path()).unwrap();
    let table = folder.examples().unwrap();
    for label in LABELS {
        let dirs = [0, 1].map(|index| dir_of(temp.path(), label, index));
        let roles = dirs.each_ref().map(|dir| dir.roles().unwrap());
        let predicted = dirs.each_ref().map(|dir| {
            let (classes, logits) = dir.final_logits().unwrap();
            let most = |row: &[f32]| (0..classes).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u16;
            logits.chunks_exact(classes).map(most).collect::<Vec<u16>>()
        });
        let stored = diffscope::store::tensors::read(&folder.ensemble(label)).unwrap();
        let values = |name: &str| stored.tensors[name].values.clone().into_f32().unwrap();
        let counts = |name: &str| stored.tensors[name].values.clone().into_u16().unwrap();
        let (trained, held_out) = (counts("memorization.least1/count/in"), counts("memorization.least1/count/out"));
        let (consistency, memorization, accuracy) =
            (values("consistency"), values("memorization.least1"), values("ensemble_accuracy/val"));
        for example in 0..table.len() {
            let right = |of: Role| {
                let seen = (0..2).filter(|index| roles[*index][example] == of);
                let right: Vec<f64> =
                    seen.map(|index| f64::from(u8::from(predicted[index][example] == table.labels[example]))).collect();
                right.iter().sum::<f64>() / right.len() as f64
            };
            let same = |found: f32, exact: f64| {
                assert!(
                    (f64::from(found) - exact).abs() < 1e-6 || (found.is_nan() && exact.is_nan()),
                    "{found} {exact}"
                );
            };
            let outside = if example < 150 { right(Role::Val) } else { right(Role::Test) };
            same(consistency[example], outside);
            same(accuracy[example], outside);
            same(memorization[example], right(Role::Train) - right(Role::Val));
            let number = |of: Role| (0..2).filter(|index| roles[*index][example] == of).count();
            let outside = number(Role::Val) + number(Role::Test);
            assert_eq!([trained[example], held_out[example]].map(usize::from), [number(Role::Train), outside]);
        }
        let (dir, observations) = (&dirs[0], dirs[0].open_observations().unwrap().unwrap());
        let looks: Vec<Vec<u16>> = std::iter::once(dir.initial_predicted().unwrap().unwrap())
            .chain((0..3).map(|row| observations.row(row).unwrap().predicted))
            .collect();
        let iteration =
            |at: usize| (0..=3).find(|from| looks[*from..].iter().all(|look| look[at] == looks[3][at])).unwrap();
        let iterations: Vec<usize> = (0..table.len()).map(iteration).collect();
        let (plain, scaled) = (score(dir, "learned.final"), score(dir, "learned.final95"));
        let mut trained: Vec<usize> =
            positions(&roles[0], Role::Train).iter().map(|at| iterations[*at as usize]).collect();
        trained.sort_unstable();
        let place = 0.95 * (trained.len() - 1) as f64;
        let at = |place: f64| trained[place as usize] as f64;
        let percentile = at(place.floor()) + place.fract() * (at(place.ceil()) - at(place.floor()));
        for (at, exact) in iterations.iter().enumerate() {
            assert_eq!(plain[at], *exact as f32);
            near(scaled[at], *exact as f64 / percentile, "learned.final95");
        }
    }
}

#[test]
fn fine_tuning_changes_nothing_but_its_own_score_and_none_where_it_takes_no_step() {
    let temp = tempfile::tempdir().unwrap();
    let tuned = |epochs: u32| {
        let dir = temp.path().join(epochs.to_string());
        let retrain = format!("data.retrain={{ fraction = 0.2, epochs = {epochs}, lr = 0.05 }}");
        let settings = [
            "data.limit=150",
            "train.observe=sweep",
            "model.0.replicates=1",
            "model.1.replicates=1",
            "scores.holdout_retraining={}",
            &retrain,
        ];
        run(&dir, &settings, 2);
        dir
    };
    let (none, two) = (tuned(0), tuned(2));
    for label in LABELS {
        let [still, moved] = [&none, &two].map(|study| dir_of(study, label, 0));
        let digest = |dir: &ReplicateDir| dir.record().unwrap().unwrap().weights_digest;
        assert_eq!(digest(&still), digest(&moved), "{label}");
        let roles = still.roles().unwrap();
        assert_eq!(positions(&roles, Role::Val).len(), 30);
        let [zero, some] = [&still, &moved].map(|dir| score(dir, "holdout_retraining"));
        for (at, role) in roles.iter().enumerate() {
            if *role == Role::Train {
                assert!(zero[at] == 0.0 && some[at] > 0.0, "{label}: {} {}", zero[at], some[at]);
            } else {
                assert!(zero[at].is_nan() && some[at].is_nan());
            }
        }
    }
}

/// Ranks of values, ties in any order: enough for a correlation of what hardly ties.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    order.into_iter().enumerate().for_each(|(rank, at)| ranks[at] = rank as f64);
    ranks
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |x: &[f64], m: f64, y: &[f64], n: f64| x.iter().zip(y).map(|(x, y)| (x - m) * (y - n)).sum::<f64>();
    product(a, mean_a, b, mean_b) / (product(a, mean_a, a, mean_a) * product(b, mean_b, b, mean_b)).sqrt()
}

#[test]
fn on_the_toy_the_variance_of_gradients_ranks_points_by_closeness_to_the_boundary() {
    let temp = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string("configs/toy.toml").unwrap();
    let config = Config::parse(&text, "toy.toml", &[]).unwrap();
    let prepared = Prepared::new(&config, temp.path().to_path_buf()).unwrap();
    let running = prepared.start(2, false, Arc::new(|_, _| ())).unwrap();
    let _ = crate::studies::progress_when(&running, "all is done", |all| {
        all.iter().all(|one| one.state == diffscope::store::record::State::Finished)
    });
    running.crew.end(false);
    let dir = dir_of(temp.path(), "mlp-16x1", 0);
    let mut learner = network_of(&prepared, "mlp-16x1", &dir);
    // The boundary that was learned: where the predicted class changes along the rows of a fine grid.
    let (side, step) = (241_u16, 0.05_f32);
    let at = |index: u16| f32::from(index) * step - 6.0;
    let mut boundary = Vec::new();
    for row in 0..side {
        let points: Vec<f32> = (0..side).flat_map(|column| [at(column), at(row)]).collect();
        let mut logits = Vec::new();
        learner.evaluate(&points).unwrap();
        learner.collect(&mut logits).unwrap();
        let first: Vec<bool> = logits.chunks_exact(2).map(|pair| pair[0] >= pair[1]).collect();
        let changes = (1..side).filter(|column| first[usize::from(*column)] != first[usize::from(*column) - 1]);
        boundary.extend(changes.map(|column| (at(column) - step / 2.0, at(row))));
    }
    let distance = |point: &[f32]| {
        let to = |(x, y): &(f32, f32)| f64::from((x - point[0]).hypot(y - point[1]));
        boundary.iter().map(to).fold(f64::INFINITY, f64::min)
    };
    let distances: Vec<f64> = (0..1000).map(|example| distance(prepared.dataset.values(example))).collect();
    let of = |name: &str| score(&dir, name)[..1000].iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
    let by_variance = correlation(&ranks(&of("vog.none.probability.every1")), &ranks(&distances));
    assert!(by_variance < -0.5, "{by_variance}");
    // And the linear approximation of the distance is near the distance itself.
    let by_margin = correlation(&ranks(&of("input_margin")), &ranks(&distances));
    assert!(by_margin > 0.9, "{by_margin}");
}

#[test]
fn depths_and_distances_follow_from_what_the_probes_left_and_from_the_embeddings() {
    let temp = tempfile::tempdir().unwrap();
    let settings = [
        "data.limit=150",
        "data.holdout=0.2",
        "train.observe=sweep",
        "train.epochs=2",
        "model.0.replicates=1",
        "model.1.replicates=1",
        "scores.prediction_depth=[{ k = 5 }, { k = 5, leave_one_out = false }]",
        "scores.prototypes={ metric = 'euclidean', leave_one_out = false }",
        "scores.self_prototypes={ k = 3 }",
    ];
    let prepared = prepare(temp.path(), &settings);
    run(temp.path(), &settings, 2);
    for (label, probes) in [("net", 6), ("mlp-16x1", 3)] {
        let dir = dir_of(temp.path(), label, 0);
        let (classes, logits) = dir.final_logits().unwrap();
        let name = "prediction_depth.k5.no_leave_one_out";
        let own = dir.path().join("probes.k5.no_leave_one_out.safetensors");
        let stored = diffscope::store::tensors::read(&own).unwrap();
        assert_eq!((stored.metadata["score"].as_str(), stored.metadata["k"].as_u64()), (Some(name), Some(5)));
        let first = dir.probes("prediction_depth.k5").unwrap().unwrap();
        assert!(first.leave_one_out && dir.path().join("probes.safetensors").exists());
        let count = logits.len() / classes;
        assert_eq!(stored.tensors["votes"].shape, [probes, count, classes], "{label}: {}", stored.metadata);
        let predicted = stored.tensors["predicted"].values.clone().into_u16().unwrap();
        let most = |row: &[f32]| (0..classes).rev().max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u16;
        let depth = score(&dir, name);
        for (example, logits) in logits.chunks_exact(classes).enumerate() {
            let agrees = |probe: &usize| predicted[probe * count + example] == most(logits);
            let run = (0..probes).rev().take_while(agrees).count();
            let exact = if run == 0 { f32::NAN } else { (probes - run) as f32 };
            assert!(depth[example] == exact || (depth[example].is_nan() && exact.is_nan()), "{label}: {example}");
        }
        let left_out = score(&dir, "prediction_depth.k5");
        assert!((150..count).all(|at| left_out[at].to_bits() == depth[at].to_bits()), "test examples leave nobody out");
        // An MLP's embedding is what its last dense layer is given: distances to class means, by hand.
        let mut learner = network_of(&prepared, label, &dir);
        let all: Vec<u32> = (0..count as u32).collect();
        let embeddings =
            diffscope::train::probes::embeddings(&mut learner, &all, &mut || Ok::<(), diffscope::Error>(()));
        let embeddings = embeddings.unwrap();
        let features = embeddings.len() / count;
        let row = |at: usize| &embeddings[at * features..(at + 1) * features];
        let trained = positions(&dir.roles().unwrap(), Role::Train);
        let distance = score(&dir, "prototypes.euclidean.no_leave_one_out");
        for example in LOOKED_AT {
            let (at, own) = (example as usize, prepared.dataset.labels[example as usize]);
            let members: Vec<usize> =
                trained.iter().map(|at| *at as usize).filter(|at| prepared.dataset.labels[*at] == own).collect();
            let mean = |feature: usize| {
                members.iter().map(|at| f64::from(row(*at)[feature])).sum::<f64>() / members.len() as f64
            };
            let exact = (0..features).map(|f| (f64::from(row(at)[f]) - mean(f)).powi(2)).sum::<f64>().sqrt();
            near(distance[at], exact, &format!("{label}: prototypes of {example}"));
        }
        // A ReLU may close on every feature of an example: then its embedding has no direction.
        let to_centres = score(&dir, "self_prototypes.k3");
        let empty = |at: usize| row(at).iter().all(|value| *value == 0.0);
        for (at, distance) in to_centres.iter().enumerate() {
            assert!(if empty(at) { distance.is_nan() } else { (-1e-6..=2.0).contains(distance) }, "{label}: {at}");
        }
        let neighbours = diffscope::store::npy::read::<u32>(&dir.path().join("neighbours.npy")).unwrap();
        assert_eq!(neighbours.0, [count, 8]);
        assert!(neighbours.1.iter().all(|at| trained.contains(at)), "neighbours are among the examples trained on");
    }
}
