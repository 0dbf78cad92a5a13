//! Lengths in steps, full batches, the 0-hinge and looks every n epochs: what lies in the folder afterwards.

use std::path::Path;

use diffscope::commands::launch::Prepared;
use diffscope::data::ImageShape;
use diffscope::models;
use diffscope::nn::{CpuKernels, Objective, Real, SgdStep};
use diffscope::random::Key;
use diffscope::results;
use diffscope::scores::Record;
use diffscope::store::StudyFolder;
use diffscope::store::record::EpochLine;
use diffscope::store::replicate::ReplicateDir;
use diffscope::study::{Config, Plan};
use diffscope::train::learner::Learner;

use crate::studies::{SMALL, id, prepare, run};

fn dir_of(dir: &Path, label: &str) -> ReplicateDir {
    StudyFolder::open(dir).unwrap().replicate(&id(label, 0))
}

/// Epochs with a line, rows of observations, and what the record says of the rows.
fn looks(dir: &ReplicateDir) -> (Vec<u32>, usize, u32) {
    let lines = dir.epochs().unwrap().iter().map(|line| line.epoch).collect();
    (lines, dir.open_observations().unwrap().unwrap().epochs(), dir.record().unwrap().unwrap().rows)
}

#[test]
fn a_cut_last_epoch_has_a_line_and_a_row_in_sweeps_but_none_of_minibatches() {
    let temp = tempfile::tempdir().unwrap();
    let few = ["train.steps=17", "model.0.replicates=1", "model.1.replicates=1"];
    let (minibatch, sweep) = (temp.path().join("minibatch"), temp.path().join("sweep"));
    run(&minibatch, &few, 2);
    run(&sweep, &[&few[..], &["train.observe=sweep"]].concat(), 2);
    for label in ["net", "mlp-16x1"] {
        assert_eq!(looks(&dir_of(&minibatch, label)), (vec![1, 2, 3], 2, 2), "{label}");
        assert_eq!(looks(&dir_of(&sweep, label)), (vec![1, 2, 3], 3, 3), "{label}");
        let record = dir_of(&minibatch, label).record().unwrap().unwrap();
        assert_eq!((record.epochs, record.steps, record.total_steps, record.epochs_done), (3, 7, 17, 3));
    }
    // T is the number of rows: what was never learned has it for its score.
    let folder = StudyFolder::open(&minibatch).unwrap();
    let plan = Plan::new(&folder.record().config, folder.record().train).unwrap();
    let views = results::views(&folder, &plan, &results::examples(&folder).unwrap());
    for view in &views {
        let place = plan.scores.iter().position(|spec| spec.name == "learned").unwrap();
        let learned = &view.scores.as_ref().unwrap().values[place][..200];
        assert!(learned.iter().all(|value| (0.0..=2.0).contains(value)), "{learned:?}");
        assert_eq!(view.margins.len(), 2);
    }
}

#[test]
fn an_only_epoch_that_is_cut_leaves_no_scores_of_observations_and_says_so_before() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    let few = ["train.steps=3", "model.0.replicates=1", "model.1.replicates=1", "scores.el2n={ epoch = 0 }"];
    let warnings = prepare(&dir, &few).plan.warnings().join("\n");
    assert!(warnings.contains("net: its only epoch is cut") && warnings.contains("sweep"), "{warnings}");
    run(&dir, &few, 1);
    assert_eq!(looks(&dir_of(&dir, "net")), (vec![1], 0, 0));
    let scores = dir_of(&dir, "net").scores().unwrap().unwrap();
    let values = |name: &str| &scores.iter().find(|score| score.name == name).unwrap().values[..200];
    assert!(values("loss").iter().all(|value| value.is_nan()));
    assert!(values("el2n@0").iter().all(|value| value.is_finite()), "a pass of its own is none of them");
}

#[test]
fn looks_every_n_epochs_are_those_of_a_training_looked_at_every_time() {
    let temp = tempfile::tempdir().unwrap();
    let (often, seldom) = (temp.path().join("often"), temp.path().join("seldom"));
    let few = ["train.epochs=8", "model.0.replicates=1", "model.1.replicates=1"];
    let added = ["train.observe_every=3", "scores.forgetting=[{}, { never_learned = \"zero\" }]"];
    run(&often, &few, 2);
    run(&seldom, &[&few[..], &added[..1]].concat(), 2);
    for label in ["net", "mlp-16x1"] {
        let (often, seldom) = (dir_of(&often, label), dir_of(&seldom, label));
        assert_eq!(looks(&seldom), (vec![3, 6, 8], 3, 3), "{label}");
        assert!(often.weights().unwrap() == seldom.weights().unwrap(), "{label}: looking changes no weight");
        let (all, some) = (often.open_observations().unwrap().unwrap(), seldom.open_observations().unwrap().unwrap());
        for (row, epoch) in [(0, 3), (1, 6), (2, 8)] {
            assert!(some.row(row).unwrap() == all.row(epoch - 1).unwrap(), "{label} row {row}");
        }
        let lines = |dir: &ReplicateDir| -> Vec<EpochLine> {
            let kept = |line: &EpochLine| [3, 6, 8].contains(&line.epoch);
            dir.epochs().unwrap().into_iter().filter(kept).map(|line| EpochLine { seconds: 0.0, ..line }).collect()
        };
        assert_eq!(lines(&often), lines(&seldom), "{label}");
    }
    // A score that is added later is replayed from the rows that there are.
    run(&seldom, &[&few[..], &added].concat(), 2);
    let early = temp.path().join("early");
    run(&early, &[&few[..], &added].concat(), 2);
    let score =
        |dir: &Path| dir_of(dir, "net").scores().unwrap().unwrap().into_iter().find(|s| s.name.ends_with("zero"));
    let bits = |dir: &Path| score(dir).unwrap().values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&seldom), bits(&early));
}

#[test]
fn full_batches_descend_and_losses_are_recorded_as_cross_entropy() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("s");
    let settings = [
        "data.limit=600",
        "train.steps=40",
        "train.batch_size=full",
        "train.loss=0-hinge",
        "model.0.name=mlp-24x2",
        "train.augment={ crop = 0, flip = false }",
        "train.optimizer={ lr = 0.02, momentum = 0.9, weight_decay = 0.0 }",
        "model.0.replicates=1",
        "model.1.replicates=1",
        "model.1.loss=cross-entropy",
        "model.1.optimizer={ lr = 0.1 }",
    ];
    run(&dir, &settings, 2);
    for label in ["net", "mlp-16x1"] {
        let dir = dir_of(&dir, label);
        let lines = dir.epochs().unwrap();
        assert_eq!(lines.len(), 40, "a step is an epoch");
        // Ten classes: chance is 0.1. How far either loss gets in 40 steps is no promise, that it learns is.
        assert!(lines[39].train_accuracy > lines[0].train_accuracy + 0.3, "{label}: {lines:?}");
        // The line's loss is the mean of the observed ones: -log p of the label, by either loss.
        let observed = dir.open_observations().unwrap().unwrap().row(39).unwrap();
        let mean = observed.loss.iter().map(|loss| f64::from(*loss)).sum::<f64>() / 600.0;
        assert!((lines[39].train_loss.unwrap() / mean - 1.0).abs() < 1e-6);
        let p = |n: usize| f64::from(observed.loss[n]).exp().recip();
        assert!((0..600).all(|n| (0.0..=1.0).contains(&p(n))), "{label}: -log p is never negative");
    }
}

#[test]
fn a_full_batch_with_batch_norm_is_refused_unless_it_fits_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let prepared = |settings: &[&str]| {
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let config = Config::parse(SMALL, "small.toml", &settings).unwrap();
        Prepared::new(&config, temp.path().join("s"))
            .map(|_| ())
            .map_err(|error| (error.exit_code(), error.to_string()))
    };
    let (code, message) = prepared(&["data.limit=300", "train.batch_size=full"]).unwrap_err();
    assert!(
        code == 2 && message.contains("train.batch_size: net has batch norm") && message.contains("256"),
        "{message}"
    );
    let (_, message) = prepared(&["data.limit=300", "model.0.batch_size=full"]).unwrap_err();
    assert!(message.contains("model.0.batch_size"), "{message}");
    prepared(&["data.limit=200", "train.batch_size=full"]).unwrap();
    prepared(&["data.limit=300", "model.1.batch_size=full"]).unwrap();
}

const SGD: SgdStep = SgdStep { rate: 0.05, momentum: 0.9, weight_decay: 1e-3 };
const SHAPE: ImageShape = ImageShape { channels: 1, height: 6, width: 5 };

fn learner<R: Real>(name: &str) -> Learner<CpuKernels<R>> {
    let mut learner = Learner::new(CpuKernels::new(), &models::parse(name).unwrap(), SHAPE, 3).unwrap();
    let key = Key { study_seed: 3, label: "net".into(), index: 1 };
    learner.initialise(&key, diffscope::study::config::NormInit::One).unwrap();
    learner
}

fn batch(count: usize) -> (Vec<f32>, Vec<u16>) {
    let mut stream = Key::study(8).stream("images");
    let images = (0..count * SHAPE.len()).map(|_| stream.normal() as f32).collect();
    (images, (0..count).map(|_| u16::try_from(stream.below(3)).unwrap()).collect())
}

/// Steps on a batch in parts of so many examples.
fn in_parts<R: Real>(learner: &mut Learner<CpuKernels<R>>, objective: Objective, part: usize, steps: usize) {
    let (images, labels) = batch(11);
    for _ in 0..steps {
        for (images, own) in images.chunks(part * SHAPE.len()).zip(labels.chunks(part)) {
            learner.train_part(&images.to_vec(), own, objective, labels.len()).unwrap();
        }
        learner.step_by_parts(SGD).unwrap();
    }
}

#[test]
fn steps_in_parts_are_steps_on_the_whole_batch() {
    for (name, objective) in [("mlp-12x2", Objective::CrossEntropy), ("mlp-12x2", Objective::ZeroHinge)] {
        let (images, labels) = batch(11);
        let mut whole = learner::<f64>(name);
        for _ in 0..4 {
            whole.train_step(&images, &labels, objective, SGD).unwrap();
        }
        let expected = whole.state().unwrap();
        for part in [1, 4, 11] {
            let mut parts = learner::<f64>(name);
            in_parts(&mut parts, objective, part, 4);
            let found = parts.state().unwrap();
            let worst = found.weights.iter().zip(&expected.weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-6, "{name} in parts of {part}: {worst}");
            // Parts of the same size sum in the same order.
            let mut again = learner::<f64>(name);
            in_parts(&mut again, objective, part, 4);
            assert_eq!(again.state().unwrap(), found);
        }
        let (mut all, mut own) = (Record::default(), Record::default());
        whole.take_record(&mut all).unwrap();
        let mut parts = learner::<f64>(name);
        in_parts(&mut parts, objective, 4, 1);
        parts.take_record(&mut own).unwrap();
        assert_eq!(own.loss.len(), 11);
        assert_eq!(own.predicted, all.predicted[..11]);
    }
}

/// The 0-hinge of a batch by its definition, from eval-mode logits: the mean over examples of the sum over classes.
fn hinge(learner: &mut Learner<CpuKernels<f64>>, images: &Vec<f32>, labels: &[u16]) -> f64 {
    let mut logits = Vec::new();
    learner.evaluate(images).unwrap();
    learner.collect(&mut logits).unwrap();
    let of = |(z, label): (&[f32], &u16)| z.iter().map(|other| (other - z[usize::from(*label)]).max(0.0)).sum::<f32>();
    logits.chunks(3).zip(labels).map(|example| f64::from(of(example))).sum::<f64>() / labels.len() as f64
}

#[test]
fn descent_on_the_0_hinge_makes_the_0_hinge_fall() {
    let (images, labels) = batch(11);
    let mut learner = learner::<f64>("mlp-12x2");
    let plain = SgdStep { rate: 0.01, momentum: 0.0, weight_decay: 0.0 };
    let mut course = vec![hinge(&mut learner, &images, &labels)];
    for _ in 0..40 {
        learner.train_step(&images, &labels, Objective::ZeroHinge, plain).unwrap();
        course.push(hinge(&mut learner, &images, &labels));
    }
    // Small plain steps: every one of the first goes down, and a good part is gone at the end.
    assert!(course[..6].is_sorted_by(|before, after| after < before), "{course:?}");
    assert!(course[40] < 0.5 * course[0], "{course:?}");
}

#[test]
fn parts_of_a_step_that_was_left_are_forgotten_and_no_parts_are_no_step() {
    let mut one = learner::<f32>("mlp-12x2");
    let start = one.state().unwrap();
    assert!(one.step_by_parts(SGD).is_err());
    let (images, labels) = batch(11);
    one.train_part(&images, &labels, Objective::CrossEntropy, 22).unwrap();
    one.restore(&start).unwrap();
    in_parts(&mut one, Objective::CrossEntropy, 4, 2);
    let mut other = learner::<f32>("mlp-12x2");
    in_parts(&mut other, Objective::CrossEntropy, 4, 2);
    assert_eq!(one.state().unwrap(), other.state().unwrap());
}
