//! What do the probes say, layer by layer, and the network, epoch by epoch? Sums over the runs, one after the other.

use std::collections::BTreeMap;

use super::super::evidence::{Evidence, Look, Probes};
use super::super::quantile::mean;
use super::super::{Cohort, UNSEEN};
use super::subject::{Side, Subject};

/// A part of the examples, judged by given or true labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub name: &'static str,
    role: &'static str,
    /// Only those whose label was changed, or only those whose was not; all.
    changed: Option<bool>,
    by_true_label: bool,
}

const fn split(name: &'static str, role: &'static str, changed: Option<bool>, by_true_label: bool) -> Split {
    Split { name, role, changed, by_true_label }
}

/// With label noise (Baldock et al. 2021, figure 5).
const NOISY: [Split; 4] = [
    split("unchanged", "train", Some(false), false),
    split("mislabelled, new label", "train", Some(true), false),
    split("mislabelled, true label", "train", Some(true), true),
    split("test", "test", None, false),
];

/// Without.
const CLEAN: [Split; 3] =
    [split("train", "train", None, false), split("val", "val", None, false), split("test", "test", None, false)];

/// The splits that a model has examples for.
pub(super) fn splits(subject: &Subject) -> Vec<Split> {
    let all: &[Split] = if subject.noisy { &NOISY } else { &CLEAN };
    all.iter().copied().filter(|split| subject.side(split.role).is_some()).collect()
}

impl Split {
    /// The label that an example of it should get.
    fn label(&self, cohort: &Cohort, example: usize) -> Option<u16> {
        let given = *cohort.labels.get(example)?;
        let truth = cohort.true_labels.get(example).copied().unwrap_or(given);
        let within = self.changed.is_none_or(|changed| changed == (given != truth));
        within.then_some(if self.by_true_label { truth } else { given })
    }

    /// The share of its examples in a run that get their label from `predicted`, which begins with this role's first.
    fn accuracy<'a>(&self, side: &Side, run: usize, predicted: impl Iterator<Item = &'a u16>) -> f64 {
        let (mut right, mut all) = (0_usize, 0_usize);
        for (example, class) in predicted.enumerate().filter(|(example, _)| side.seen(run, *example)) {
            if let Some(label) = self.label(&side.scores.cohort, example) {
                right += usize::from(*class == label);
                all += 1;
            }
        }
        right as f64 / all as f64
    }
}

/// What a corner's examples look like through the layers: for truth and consensus, votes and accuracy, by layer.
#[derive(Debug, Clone, Default)]
pub(super) struct ThroughLayers {
    pub truth_votes: Vec<f64>,
    pub truth_accuracy: Vec<f64>,
    pub consensus_votes: Vec<f64>,
    pub consensus_accuracy: Vec<f64>,
    /// Of the network, on the same pairs of run and example.
    pub network: f64,
    /// Examples that some run with probes held out.
    pub examples: usize,
}

/// Sums of one example over the runs that held it out.
#[derive(Debug, Clone)]
struct ExampleSums {
    example: usize,
    truth: u16,
    consensus: u16,
    looks: usize,
    right: usize,
    /// Per layer: votes and predictions for truth and consensus.
    layers: Vec<[f64; 4]>,
}

/// Everything that is read run by run.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    pub splits: Vec<Split>,
    /// `[split][run][layer]`
    pub by_layer: Vec<Vec<Vec<f64>>>,
    /// By epoch: `[split][run]`
    pub by_epoch: BTreeMap<u32, Vec<Vec<f64>>>,
    corners: Vec<Vec<ExampleSums>>,
    /// Runs that left probes.
    pub runs: usize,
    /// What could not be read.
    pub problems: Vec<String>,
    /// Runs with depths that left no probes.
    pub without: usize,
}

impl Layers {
    /// Reads the evidence of a model; `corners` are the examples of each corner with their consensus class.
    pub fn read(subject: &Subject, evidence: &dyn Evidence, corners: &[Vec<(usize, u16)>]) -> Self {
        let splits = splits(subject);
        let val = subject.side("val");
        let sums = |(example, consensus): &(usize, u16)| ExampleSums {
            example: *example,
            truth: val.and_then(|side| side.labels().get(*example)).copied().unwrap_or(UNSEEN),
            consensus: *consensus,
            looks: 0,
            right: 0,
            layers: vec![[0.0; 4]; subject.probes.len()],
        };
        let mut layers = Self {
            by_layer: vec![Vec::new(); splits.len()],
            corners: corners.iter().map(|corner| corner.iter().map(sums).collect()).collect(),
            splits,
            ..Self::default()
        };
        for (place, run) in subject.runs.iter().enumerate() {
            if subject.sides.iter().all(|side| !side.has_depths(place)) {
                continue;
            }
            match evidence.probes(subject.label, *run, &subject.score) {
                Ok(Some(probes)) if probes.names == subject.probes => layers.add(subject, place, &probes),
                Ok(Some(_)) => layers.problems.push(format!("{}/{run:03}: its probes lie elsewhere", subject.label)),
                Ok(None) => layers.without += 1,
                Err(error) => layers.problems.push(format!("{}/{run:03}: {error}", subject.label)),
            }
            let read = evidence.course(subject.label, *run, &mut |look| layers.look(subject, place, look));
            if let Err(error) = read {
                layers.problems.push(format!("{}/{run:03}: {error}", subject.label));
            }
        }
        layers
    }

    fn add(&mut self, subject: &Subject, run: usize, probes: &Probes) {
        self.runs += 1;
        for (split, runs) in self.splits.iter().zip(&mut self.by_layer) {
            let Some(side) = subject.side(split.role) else { continue };
            let first = if split.role == "test" { subject.train() } else { 0 };
            let accuracy = |predicted: ndarray::ArrayView1<u16>| {
                split.accuracy(side, run, predicted.iter().skip(first).take(side.examples()))
            };
            runs.push(probes.predicted.outer_iter().map(accuracy).collect());
        }
        let Some(val) = subject.side("val") else { return };
        for one in self.corners.iter_mut().flatten() {
            one.add(val, run, probes);
        }
    }

    fn look(&mut self, subject: &Subject, run: usize, look: Look<'_>) {
        let count = self.splits.len();
        let splits = self.by_epoch.entry(look.epoch).or_insert_with(|| vec![Vec::new(); count]);
        for (split, runs) in self.splits.iter().zip(splits) {
            let Some(side) = subject.side(split.role) else { continue };
            let accuracy = match split.role {
                "test" => look.test_accuracy,
                _ => split.accuracy(side, run, look.predicted.iter().take(side.examples())),
            };
            runs.push(accuracy);
        }
    }

    /// Mean accuracy of each layer of a split, with the least and the most of any run.
    pub fn layer_means(&self, split: usize) -> Vec<(f64, f64, f64)> {
        let runs = self.by_layer.get(split).map_or(&[][..], Vec::as_slice);
        let layers = runs.first().map_or(0, Vec::len);
        (0..layers).map(|layer| spread(runs.iter().filter_map(|run| run.get(layer)))).collect()
    }

    /// Epochs, and the mean accuracy of a split after each, with the least and the most of any run.
    pub fn epoch_means(&self, split: usize) -> Vec<(u32, (f64, f64, f64))> {
        let of = |(epoch, splits): (&u32, &Vec<Vec<f64>>)| (*epoch, spread(splits.get(split).into_iter().flatten()));
        self.by_epoch.iter().map(of).collect()
    }

    /// A corner through the layers.
    pub fn corner(&self, corner: usize) -> ThroughLayers {
        let known: Vec<&ExampleSums> =
            self.corners.get(corner).into_iter().flatten().filter(|one| one.looks > 0).collect();
        let layers = known.first().map_or(0, |one| one.layers.len());
        let by_layer = |what: usize| -> Vec<f64> {
            let of = |layer: usize| {
                let share = |one: &&ExampleSums| {
                    let sums = one.layers.get(layer).and_then(|sums| sums.get(what)).copied();
                    sums.unwrap_or(f64::NAN) / one.looks as f64
                };
                mean(&known.iter().map(share).collect::<Vec<f64>>())
            };
            (0..layers).map(of).collect()
        };
        let network = known.iter().map(|one| one.right as f64 / one.looks as f64).collect::<Vec<f64>>();
        ThroughLayers {
            truth_votes: by_layer(0),
            truth_accuracy: by_layer(1),
            consensus_votes: by_layer(2),
            consensus_accuracy: by_layer(3),
            network: mean(&network),
            examples: known.len(),
        }
    }
}

impl ExampleSums {
    fn add(&mut self, val: &Side, run: usize, probes: &Probes) {
        let Some(class) = val.class(run, self.example) else { return };
        self.looks += 1;
        self.right += usize::from(class == self.truth);
        for (layer, sums) in self.layers.iter_mut().enumerate() {
            let votes = |class: u16| probes.votes.get((layer, self.example, usize::from(class))).copied().unwrap_or(0);
            let all: usize = probes
                .votes
                .outer_iter()
                .nth(layer)
                .and_then(|votes| {
                    votes.outer_iter().nth(self.example).map(|row| row.iter().map(|v| usize::from(*v)).sum())
                })
                .unwrap_or(0);
            let predicted = probes.predicted.get((layer, self.example)).copied();
            for (place, class) in [(0, self.truth), (2, self.consensus)] {
                // Nobody votes where an embedding is no number.
                let share = if all > 0 { f64::from(votes(class)) / all as f64 } else { 0.0 };
                let right = if predicted == Some(class) { 1.0 } else { 0.0 };
                for (sum, value) in sums.iter_mut().skip(place).zip([share, right]) {
                    *sum += value;
                }
            }
        }
    }
}

/// Mean, least and most of the values that are numbers.
fn spread<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64, f64) {
    let values: Vec<f64> = values.copied().filter(|value| !value.is_nan()).collect();
    let least = values.iter().copied().fold(f64::NAN, f64::min);
    (mean(&values), least, values.iter().copied().fold(f64::NAN, f64::max))
}
