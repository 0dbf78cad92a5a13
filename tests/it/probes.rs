//! Probes of whole networks: against a search by definition, within their memory, and interrupted.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests fail as tests do

use std::sync::Arc;

use diffscope::data::{self, Dataset, ImageShape};
use diffscope::models;
use diffscope::nn::{CpuKernels, Real, Tap, TapPoint};
use diffscope::random::Key;
use diffscope::scores::prediction_depth::Depths;
use diffscope::study::config::NormInit;
use diffscope::train::learner::{Images, Learner};
use diffscope::train::probes::{self, KEPT, Plan, Probe, Task};
use diffscope::{Error, Result};

use crate::studies::SMALL;

fn dataset() -> Arc<Dataset> {
    let config: diffscope::study::Config = toml::from_str(SMALL).unwrap();
    Arc::new(data::load(&config.data, 3, std::path::Path::new("nowhere")).unwrap())
}

fn learner<R: Real>(name: &str, dataset: &Arc<Dataset>) -> Learner<CpuKernels<R>> {
    let kernels = CpuKernels::new().on(dataset.clone());
    let model = models::parse(name).unwrap();
    let mut learner = Learner::new(kernels, &model, dataset.shape, dataset.classes()).unwrap();
    let key = Key { study_seed: 5, label: "net".into(), index: 0 };
    learner.initialise(&key, NormInit::Uniform).unwrap();
    learner
}

/// Every third training example is held out.
struct Split {
    references: Vec<u32>,
    roles: Vec<u8>,
}

impl Split {
    fn of(dataset: &Dataset) -> Self {
        let role = |position: usize| if position >= dataset.train { 2 } else { u8::from(position % 3 == 1) };
        let roles: Vec<u8> = (0..dataset.len()).map(role).collect();
        let references = (0..).zip(&roles).filter(|(_, role)| **role == 0).map(|(position, _)| position).collect();
        Self { references, roles }
    }

    fn task<'a>(&'a self, dataset: &'a Dataset) -> Task<'a> {
        let (labels, classes) = (&dataset.labels, dataset.classes());
        Task { references: &self.references, labels, roles: &self.roles, classes, k: 9, leave_one_out: true }
    }
}

fn ask<R: Real>(learner: &mut Learner<CpuKernels<R>>, task: &Task<'_>) -> Vec<Probe> {
    let mut asked = Vec::new();
    let take = &mut |number: usize, probe| {
        assert_eq!(number, asked.len());
        asked.push(probe);
        Ok::<(), Error>(())
    };
    probes::probe(learner, task, &mut || Ok(()), take).unwrap();
    asked
}

/// What a place shows of all examples, in f64; the output as its softmax.
fn shown<R: Real>(learner: &mut Learner<CpuKernels<R>>, place: &TapPoint, examples: usize) -> Vec<Vec<f64>> {
    let (positions, mut seen): (Vec<u32>, _) = ((0..examples as u32).collect(), Vec::new());
    learner.look(Images::Of { positions: &positions, views: &[] }, std::slice::from_ref(place), &mut seen).unwrap();
    let rows = seen[0].chunks_exact(place.shape.len()).map(|row| row.iter().map(|value| value.to_f64()).collect());
    let softmax = |row: Vec<f64>| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = row.iter().map(|z| (z - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    };
    if place.tap == Tap::Output { rows.map(softmax).collect() } else { rows.collect() }
}

/// The nearest references of every example, by definition.
fn nearest(rows: &[Vec<f64>], references: &[u32], k: usize, leave_one_out: bool) -> Vec<Vec<u32>> {
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let of = |own: usize| {
        let others = references.iter().filter(|other| **other as usize != own || !leave_one_out);
        let mut others: Vec<(f64, u32)> =
            others.map(|other| (distance(&rows[own], &rows[*other as usize]), *other)).collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        others.into_iter().take(k).map(|(_, other)| other).collect()
    };
    (0..rows.len()).map(of).collect()
}

fn votes_of(nearest: &[Vec<u32>], task: &Task<'_>) -> Vec<u8> {
    let mut votes = vec![0; nearest.len() * task.classes];
    for (own, nearest) in nearest.iter().enumerate() {
        for other in nearest {
            votes[own * task.classes + usize::from(task.labels[*other as usize])] += 1;
        }
    }
    votes
}

#[test]
fn votes_of_every_probe_are_those_of_a_search_by_definition() {
    let dataset = dataset();
    let split = Split::of(&dataset);
    for (name, leave_one_out) in
        [("resnet8-4", true), ("vgg11-plain-2", false), ("mlp-24x2", true), ("lenet5", true), ("logistic", true)]
    {
        let task = Task { leave_one_out, ..split.task(&dataset) };
        let mut learner = learner::<f64>(name, &dataset);
        let asked = ask(&mut learner, &task);
        let places = probes::places(&learner);
        assert_eq!(asked.len(), places.len());
        for (probe, place) in asked.iter().zip(&places) {
            let rows = shown(&mut learner, place, dataset.len());
            let expected = votes_of(&nearest(&rows, task.references, task.k, leave_one_out), &task);
            assert!(probe.votes == expected, "{name}: {place:?}");
            for (votes, predicted) in probe.votes.chunks_exact(task.classes).zip(&probe.predicted) {
                let (most, predicted) = (*votes.iter().max().unwrap(), usize::from(*predicted));
                assert!(votes[predicted] == most && votes[..predicted].iter().all(|votes| *votes < most));
            }
        }
        assert_eq!(asked[asked.len() - 1].name, "softmax");
    }
}

#[test]
fn probes_in_f32_are_the_same_every_time_and_those_of_f64_but_for_near_ties() {
    let dataset = dataset();
    let split = Split::of(&dataset);
    let task = split.task(&dataset);
    let asked = ask(&mut learner::<f32>("resnet8-8", &dataset), &task);
    assert!(asked == ask(&mut learner::<f32>("resnet8-8", &dataset), &task));
    for (probe, exact) in asked.iter().zip(ask(&mut learner::<f64>("resnet8-8", &dataset), &task)) {
        let others = probe.votes.iter().zip(&exact.votes).filter(|(a, b)| a != b).count();
        assert!(others * 200 <= probe.votes.len(), "{}: {others} of {}", probe.name, probe.votes.len());
    }
}

#[test]
fn accuracies_are_those_of_the_roles_and_depths_follow() {
    let dataset = dataset();
    let split = Split::of(&dataset);
    let task = split.task(&dataset);
    let asked = ask(&mut learner::<f32>("mlp-24x2", &dataset), &task);
    for role in 0..3 {
        let of_role: Vec<usize> = (0..dataset.len()).filter(|own| usize::from(split.roles[*own]) == role).collect();
        let right = of_role.iter().filter(|own| asked[1].predicted[**own] == dataset.labels[**own]).count();
        assert!((f64::from(asked[1].accuracy[role]) - right as f64 / of_role.len() as f64).abs() < 1e-6);
    }
    let mut depths = Depths::new(asked[asked.len() - 1].predicted.clone());
    asked.iter().enumerate().for_each(|(number, probe)| depths.ask(number, probe.answers()));
    assert_eq!(depths.undefined(), 0);
    for (own, depth) in depths.values().iter().enumerate() {
        let (last, depth) = (asked[asked.len() - 1].predicted[own], *depth as usize);
        assert!(asked[depth..].iter().all(|probe| probe.predicted[own] == last));
        assert!(depth == 0 || asked[depth - 1].predicted[own] != last);
    }
}

#[test]
fn the_nearest_training_examples_are_those_by_the_penultimate_embedding() {
    let dataset = dataset();
    let split = Split::of(&dataset);
    let task = split.task(&dataset);
    let mut learner = learner::<f64>("resnet8-8", &dataset);
    let found = probes::nearest(&mut learner, &task, &mut || Ok::<(), Error>(())).unwrap();
    let place = probes::embedding_place(&learner).unwrap();
    let rows = shown(&mut learner, &place, dataset.len());
    assert!(found == nearest(&rows, task.references, KEPT, true).concat());
    let positions: Vec<u32> = (0..dataset.len() as u32).collect();
    let embeddings = probes::embeddings(&mut learner, &positions, &mut || Ok::<(), Error>(())).unwrap();
    assert!(embeddings.iter().map(|value| f64::from(*value)).zip(rows.concat()).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn fewer_references_than_neighbours_leave_places_empty() {
    let dataset = dataset();
    let split = Split { references: vec![2, 4, 9], ..Split::of(&dataset) };
    let task = split.task(&dataset);
    let mut learner = learner::<f32>("mlp-8x1", &dataset);
    let found = probes::nearest(&mut learner, &task, &mut || Ok::<(), Error>(())).unwrap();
    for (own, row) in found.chunks_exact(KEPT).enumerate() {
        let there = row.iter().filter(|other| **other != u32::MAX).count();
        assert_eq!(there, if task.references.contains(&(own as u32)) { 2 } else { 3 });
    }
    let asked = ask(&mut learner, &task);
    assert!(
        asked
            .iter()
            .all(|probe| probe.votes.iter().map(|votes| usize::from(*votes)).sum::<usize>()
                == found.len() / KEPT * 3 - 3)
    );
}

#[test]
fn an_interruption_ends_the_probes_at_once() {
    let dataset = dataset();
    let split = Split::of(&dataset);
    let mut asked = 0;
    let stopped: Result<()> = probes::probe(
        &mut learner::<f32>("resnet8-4", &dataset),
        &split.task(&dataset),
        &mut || {
            asked += 1;
            if asked > 4 { Err(Error::Failed("stop".into())) } else { Ok(()) }
        },
        &mut |_, _| Ok(()),
    );
    assert_eq!(stopped.unwrap_err().to_string(), "stop");
    assert_eq!(asked, 5);
    let task = Task { k: 256, ..split.task(&dataset) };
    let refused = probes::probe(&mut learner::<f32>("mlp-8x1", &dataset), &task, &mut || Ok(()), &mut |_, _| Ok(()));
    assert!(matches!(refused, Err(Error::Usage(_))));
}

/// Bytes of the largest search, for 50,000 training and 10,000 test images of CIFAR's size.
#[test]
fn probes_of_every_model_stay_within_their_memory_at_cifars_size() {
    let (references, labels, roles): (Vec<u32>, _, _) = ((0..50_000).collect(), vec![0; 60_000], vec![0; 60_000]);
    let task =
        Task { references: &references, labels: &labels, roles: &roles, classes: 10, k: 30, leave_one_out: true };
    let input = ImageShape { channels: 3, height: 32, width: 32 };
    for name in [
        "resnet20",
        "resnet20-64",
        "resnet32",
        "resnet44",
        "resnet56",
        "resnet110",
        "resnet18",
        "resnet18-gn",
        "resnet34",
        "vgg11",
        "vgg13",
        "vgg16",
        "vgg16-16",
        "vgg16-plain",
        "vgg19",
        "mlp-512x7",
        "mlp-2048x7",
        "mlp-4096x7",
        "lenet5",
        "logistic",
    ] {
        let network = models::parse(name).unwrap().build::<CpuKernels<f32>>(input, 10).unwrap();
        let (marked, last): (Vec<_>, Vec<_>) =
            network.taps().iter().cloned().partition(|point| point.tap != Tap::Embedding);
        for (places, k) in [(marked, 30), (last, KEPT)] {
            let plan = Plan::new(&task, &places, k, 4);
            assert!(plan.bytes() < 1400 << 20, "{name}: {} bytes", plan.bytes());
            let probes: Vec<usize> = plan.groups().into_iter().flatten().collect();
            assert_eq!(probes, (0..places.len()).collect::<Vec<_>>(), "{name}");
        }
    }
}
