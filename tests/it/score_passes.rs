//! Do the scores of a real study's folder follow from its networks? Recomputed in f64 from the weights that lie there.
#![allow(clippy::unwrap_used, clippy::float_cmp)] // helpers of tests fail as tests do; equal bits are meant

use std::path::Path;
use std::sync::Arc;

use diffscope::commands::launch::Prepared;
use diffscope::data::roles::positions;
use diffscope::data::{Dataset, Role};
use diffscope::nn::{CpuKernels, Objective};
use diffscope::store::StudyFolder;
use diffscope::store::replicate::ReplicateDir;
use diffscope::store::tensors::Values;
use diffscope::study::Config;
use diffscope::train::learner::{Images, Learner, LearnerState};

use crate::studies::{SMALL, id, prepare, run};

const LABELS: [&str; 2] = ["net", "mlp-16x1"];

fn dir_of(study: &Path, label: &str, index: u32) -> ReplicateDir {
    StudyFolder::open(study).unwrap().replicate(&id(label, index))
}

fn score(dir: &ReplicateDir, name: &str) -> Vec<f32> {
    let scores = dir.scores().unwrap().unwrap();
    scores.into_iter().find(|score| score.name == name).unwrap_or_else(|| panic!("no {name}")).values
}

/// A replicate's final network in f64, on the study's own data.
struct Oracle {
    learner: Learner<CpuKernels<f64>>,
    dataset: Arc<Dataset>,
}

impl Oracle {
    fn new(prepared: &Prepared, label: &str) -> Self {
        let plan = prepared.plan.replicates.iter().find(|plan| plan.id == id(label, 0)).unwrap();
        let model = diffscope::models::parse(&plan.model).unwrap();
        let dataset = prepared.dataset.clone();
        let kernels = CpuKernels::<f64>::new().on(dataset.clone());
        let mut learner = Learner::new(kernels, &model, dataset.shape, dataset.classes()).unwrap();
        learner.initialise(&plan.key, plan.recipe.norm_init).unwrap();
        Self { learner, dataset }
    }

    /// With the weights of a finished replicate.
    fn trained(prepared: &Prepared, label: &str, dir: &ReplicateDir) -> Self {
        let mut oracle = Self::new(prepared, label);
        let weights = dir.weights().unwrap();
        let layout = oracle.learner.layout();
        let flat = |table: &[diffscope::nn::Entry]| {
            let values = |entry: &diffscope::nn::Entry| match &weights[&entry.name].values {
                Values::F32(values) => values.to_vec(),
                _ => unreachable!("weights are f32"),
            };
            table.iter().flat_map(values).collect::<Vec<f32>>()
        };
        let (weights, statistics) = (flat(&layout.parameters), flat(&layout.statistics));
        let momentum = vec![0.0; weights.len()];
        oracle.learner.restore(&LearnerState { weights, momentum, statistics }).unwrap();
        oracle
    }

    fn logits(&mut self, example: u32) -> Vec<f32> {
        let mut logits = Vec::new();
        self.learner.evaluate(Images::Of { positions: &[example], views: &[] }).unwrap();
        self.learner.collect(&mut logits).unwrap();
        logits
    }

    fn norm(&mut self, example: u32) -> f32 {
        let mut norm = Vec::new();
        let label = self.dataset.labels[example as usize];
        let images = Images::Of { positions: &[example], views: &[] };
        self.learner.gradient_norms(images, &[label], Objective::CrossEntropy).unwrap();
        self.learner.collect(&mut norm).unwrap();
        norm[0]
    }

    /// The gradient of one logit with respect to the image.
    fn gradient(&mut self, example: u32, class: usize) -> Vec<f64> {
        let mut gradient = Vec::new();
        let images = Images::Of { positions: &[example], views: &[] };
        let seed = |_: usize, _: &[f64], seeds: &mut [f64]| seeds[class] = 1.0;
        self.learner.input_gradients(images, seed, &mut gradient).unwrap();
        gradient.into_iter().map(f64::from).collect()
    }
}

fn near(found: f32, exact: f64, what: &str) {
    assert!((f64::from(found) - exact).abs() <= 2e-4 * exact.abs().max(1e-3), "{what}: {found} for {exact}");
}

/// Some training and some test examples of 120 + 1000.
const LOOKED_AT: [u32; 6] = [0, 7, 63, 119, 120, 1119];

#[test]
fn gradient_norms_and_margins_are_those_of_the_networks_that_lie_there() {
    let temp = tempfile::tempdir().unwrap();
    let settings = [
        "data.limit=120",
        "train.epochs=2",
        "model.0.replicates=1",
        "model.1.replicates=1",
        "scores.grand={ epoch = [0, 2, 9] }",
        "scores.output_margin={}",
        "scores.input_margin={}",
    ];
    let prepared = prepare(temp.path(), &settings);
    run(temp.path(), &settings, 2);
    for label in LABELS {
        let dir = dir_of(temp.path(), label, 0);
        let mut start = Oracle::new(&prepared, label);
        let mut end = Oracle::trained(&prepared, label, &dir);
        let [first, last, never] = ["grand@0", "grand@2", "grand@9"].map(|name| score(&dir, name));
        let [output, input] = ["output_margin", "input_margin"].map(|name| score(&dir, name));
        assert!(never.iter().all(|value| value.is_nan()));
        for example in LOOKED_AT {
            let at = example as usize;
            near(first[at], f64::from(start.norm(example)), &format!("{label}: grand@0 of {example}"));
            near(last[at], f64::from(end.norm(example)), &format!("{label}: grand@2 of {example}"));
            let logits = end.logits(example);
            let mut order: Vec<usize> = (0..10).collect();
            order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
            near(output[at], f64::from(logits[order[0]] - logits[order[1]]), &format!("{label}: output margin"));
            let gradients: Vec<Vec<f64>> = (0..10).map(|class| end.gradient(example, class)).collect();
            let distance = |rival: &usize| {
                let (own, other) = (&gradients[order[0]], &gradients[*rival]);
                let norm = own.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                f64::from(logits[order[0]] - logits[*rival]) / norm
            };
            let exact = order[1..].iter().map(distance).fold(f64::INFINITY, f64::min);
            near(input[at], exact, &format!("{label}: input margin of {example}"));
        }
    }
}

#[test]
fn the_variance_of_gradients_is_that_of_the_networks_after_each_epoch() {
    let temp = tempfile::tempdir().unwrap();
    let common = ["data.limit=120", "model.0.replicates=1", "model.1.replicates=1", "train.optimizer.milestones=[]"];
    let network_after = |epoch: u32| {
        let dir = temp.path().join(epoch.to_string());
        run(&dir, &[&common[..], &[&format!("train.epochs={epoch}")]].concat(), 2);
        dir
    };
    // Shorter studies stop at the networks that the longer one passes through.
    let networks: Vec<_> = (1..=4).map(network_after).collect();
    let whole = temp.path().join("whole");
    let vog = "scores.vog=[{ every = 2, normalise = 'none' }, { stage = 'late', normalise = 'none', reduce = 'pooled' }, \
               { stage = 'early' }, { stage = 'early', normalise = 'none', reduce = 'variance', ddof = 1 }]";
    let settings = [&common[..], &["train.epochs=4", vog]].concat();
    let prepared = prepare(&whole, &settings);
    run(&whole, &settings, 2);
    for label in LABELS {
        let dir = dir_of(&whole, label, 0);
        let name = ["vog.none.every2", "vog.late.none.pooled", "vog.early.none.variance.ddof1"];
        let [all, late, early] = name.map(|name| score(&dir, name));
        let mut oracles: Vec<Oracle> =
            networks.iter().map(|study| Oracle::trained(&prepared, label, &dir_of(study, label, 0))).collect();
        for example in LOOKED_AT {
            let class = usize::from(prepared.dataset.labels[example as usize]);
            let maps: Vec<Vec<f64>> = oracles.iter_mut().map(|oracle| oracle.gradient(example, class)).collect();
            let variances = |epochs: &[usize]| {
                let count = epochs.len() as f64;
                let of = |pixel: usize| {
                    let values: Vec<f64> = epochs.iter().map(|epoch| maps[epoch - 1][pixel]).collect();
                    let mean = values.iter().sum::<f64>() / count;
                    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count
                };
                (0..784).map(of).collect::<Vec<f64>>()
            };
            let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
            let (at, what) = (example as usize, format!("{label}: vog of {example}"));
            near(all[at], mean(variances(&[2, 4]).into_iter().map(f64::sqrt).collect()), &what);
            near(late[at], mean(variances(&[2, 3, 4])).sqrt(), &what);
            near(early[at], mean(variances(&[1, 2, 3])) * 3.0 / 2.0, &what);
        }
        let by_class = score(&dir, "vog.early");
        for class in 0..10 {
            let own = (0..120).filter(|at| prepared.dataset.labels[*at] == class);
            let values: Vec<f64> = own.map(|at| f64::from(by_class[at])).collect();
            assert!(values.iter().sum::<f64>().abs() < 1e-4 * values.len() as f64, "{label}: class {class}");
        }
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
    let mut oracle = Oracle::trained(&prepared, "mlp-16x1", &dir);
    // The boundary that was learned: where the predicted class changes along the rows of a fine grid.
    let (side, step) = (241_u16, 0.05_f32);
    let at = |index: u16| f32::from(index) * step - 6.0;
    let mut boundary = Vec::new();
    for row in 0..side {
        let points: Vec<f32> = (0..side).flat_map(|column| [at(column), at(row)]).collect();
        let mut logits = Vec::new();
        oracle.learner.evaluate(&points).unwrap();
        oracle.learner.collect(&mut logits).unwrap();
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
        let oracle = Oracle::trained(&prepared, label, &dir);
        let mut learner = oracle.learner;
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
