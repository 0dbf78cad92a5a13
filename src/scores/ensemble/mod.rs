//! What do all replicates of a model say about an example together? Scores of the final networks' logits, one number per example.
//!
//! A replicate looks at an example from inside, where it was trained on it, or from outside, where it held it out; every replicate
//! looks at the test examples from outside.

pub(super) mod accuracy;
pub(super) mod agreement;
pub(super) mod consensus_consistency;
pub(super) mod consistency;
pub(super) mod memorization;
pub(super) mod prediction_entropy;

use super::at_epoch::PASS;
use super::{Conditions, Kind, ScoreKind, Settings};
use crate::data::Role;

/// What all ensemble scores share, for their lines in the registry.
const ENSEMBLE: ScoreKind = ScoreKind { kind: Kind::Ensemble, observer: |_, _| Box::new(super::Unseen), ..PASS };

/// Why a study in which nothing is held out cannot give a score that looks from outside.
fn needs_holdout(conditions: Conditions) -> Option<&'static str> {
    (!conditions.holds_out)
        .then_some("needs [data] holdout (and observe = \"sweep\"), so that replicates hold examples out")
}

/// One replicate's final network, eval mode, plain input.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// `[examples, classes]`
    pub logits: &'a [f32],
    /// What each example was to it.
    pub roles: &'a [Role],
}

/// The finished replicates of a model, in the order of their indices.
#[derive(Debug, Clone, Copy)]
pub struct Ensemble<'a> {
    /// The replicates.
    pub members: &'a [Member<'a>],
    /// Given label of each example.
    pub labels: &'a [u16],
    /// Classes.
    pub classes: usize,
}

/// Everything that is known of one example.
#[derive(Debug)]
pub struct Looks<'a> {
    /// Its given label.
    pub label: usize,
    /// Classes.
    pub classes: usize,
    /// The logits of the replicates that look from where the score asks, in order.
    pub asked: &'a [&'a [f32]],
    /// Those of the replicates that were trained on it.
    pub inside: &'a [&'a [f32]],
    /// Those of the replicates that were not.
    pub outside: &'a [&'a [f32]],
}

/// A score of an ensemble, with the number of replicates behind each example's value.
#[derive(Debug, Clone, PartialEq)]
pub struct Consensus {
    /// One per example; NaN where too few replicates say anything.
    pub values: Vec<f32>,
    /// How many replicates each value is of; where two groups are compared, how many the smaller one has.
    pub counts: Vec<u16>,
    /// Where those that were trained on the example are compared with those that were not: how many of each.
    pub in_and_out: Option<[Vec<u16>; 2]>,
}

/// From where a score looks, and what it makes of it.
#[derive(Debug, Clone, Copy)]
pub struct EnsembleScore {
    /// Whether it looks from outside alone, whatever role is asked for.
    pub outside_only: bool,
    /// Whether it compares the replicates that were trained on an example with those that were not.
    pub compares: bool,
    /// Its value for one example, and how many replicates are behind it.
    pub of: fn(&Settings, &Looks<'_>) -> (f64, usize),
}

impl EnsembleScore {
    /// The score of every example; `inside`: over the replicates that were trained on it, else over those that held it out.
    /// Test examples are always seen from outside.
    pub fn compute(&self, settings: &Settings, ensemble: &Ensemble<'_>, inside: bool) -> Consensus {
        let (mut values, mut counts) = (Vec::new(), Vec::new());
        let mut in_and_out = [Vec::new(), Vec::new()];
        let narrow = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let classes = ensemble.classes;
        let (mut trained, mut held_out): (Vec<&[f32]>, Vec<&[f32]>) = (Vec::new(), Vec::new());
        for (example, label) in ensemble.labels.iter().enumerate() {
            trained.clear();
            held_out.clear();
            let mut is_test = false;
            for member in ensemble.members {
                let row = member.logits.get(example * classes..(example + 1) * classes);
                match (row, member.roles.get(example)) {
                    (Some(row), Some(Role::Train)) => trained.push(row),
                    (Some(row), Some(role)) => {
                        is_test = *role == Role::Test;
                        held_out.push(row);
                    }
                    _ => {}
                }
            }
            let from_inside = inside && !self.outside_only && !is_test;
            let asked = if from_inside { &trained } else { &held_out };
            let label = usize::from(*label);
            let looks = Looks { label, classes, asked, inside: &trained, outside: &held_out };
            let (value, count) = (self.of)(settings, &looks);
            values.push(value as f32);
            counts.push(narrow(count));
            for (counts, side) in in_and_out.iter_mut().zip([&trained, &held_out]) {
                counts.push(narrow(side.len()));
            }
        }
        Consensus { values, counts, in_and_out: self.compares.then_some(in_and_out) }
    }
}

impl Looks<'_> {
    /// How many of the asked replicates predict each class.
    fn votes(&self) -> Vec<usize> {
        let mut votes = vec![0; self.classes];
        for class in self.asked.iter().map(|logits| predicted(logits)) {
            if let Some(votes) = votes.get_mut(class) {
                *votes += 1;
            }
        }
        votes
    }

    /// The share of the asked replicates that predict a class; NaN where none was asked.
    fn share(&self, class: usize) -> f64 {
        let votes = self.votes().get(class).copied().unwrap_or(0);
        votes as f64 / self.asked.len() as f64
    }
}

/// The class with the largest logit, the lowest of equals.
fn predicted(logits: &[f32]) -> usize {
    let larger = |best: usize, class: usize| if logits.get(class) > logits.get(best) { class } else { best };
    (0..logits.len()).reduce(larger).unwrap_or(0)
}

/// The softmax of some logits.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits.iter().map(|logit| libm::exp(f64::from(*logit) - f64::from(most))).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// The entropy of probabilities, in nats.
fn entropy(probabilities: impl Iterator<Item = f64>) -> f64 {
    -probabilities.filter(|p| *p > 0.0).map(|p| p * libm::log(p)).sum::<f64>()
}

#[cfg(test)]
mod tests;
