//! How hard is each example? One file and one registry line per score.
//!
//! A score's line in [`REGISTRY`] says what it is and what it needs; its observer turns the records that training
//! hands out into one number per example. Values are accumulated in f64 (`exp` from `libm`) and stored as f32.
//!
//! Time is 0-based: observation t = 0..T-1 of an example is its t-th presentation in training (`minibatch`) or its
//! t-th sweep (`sweep`); T is the number of observations so far, so that live values are those of the history so far.

mod accuracy;
mod aum;
mod confidence;
mod el2n;
mod entropy;
mod first_learned;
mod forgetting;
mod learned;
mod loss;
mod max_confidence;
mod mean;
mod observation;
pub mod prediction_depth;
pub mod prototypes;
mod settings;
mod spec;
#[cfg(test)]
mod tests;
mod variability;

use crate::study::Timetable;

pub use observation::{Observation, Record};
pub use settings::{Domain, Setting, Settings};
pub use spec::{ScoreSpec, logit_epochs, resolve};

/// Every score of this version. Adding one is its file and its line here.
pub static REGISTRY: &[&ScoreKind] = &[
    &loss::KIND,
    &accuracy::KIND,
    &confidence::KIND,
    &variability::KIND,
    &entropy::KIND,
    &max_confidence::KIND,
    &aum::KIND,
    &forgetting::KIND,
    &first_learned::KIND,
    &learned::KIND,
    &el2n::KIND,
];

/// Scores that a later version will have: named, so that asking for one is told apart from a mistyped name.
const LATER: &[&str] = &[
    "grand",
    "vog",
    "prediction_depth",
    "output_margin",
    "input_margin",
    "prototypes",
    "self_prototypes",
    "ensemble_accuracy",
    "agreement",
    "holdout_retraining",
    "consistency",
    "consensus_consistency",
    "prediction_entropy",
    "memorization",
];

/// Which end of a score is the difficult one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harder {
    /// Large values are hard.
    High,
    /// Small values are hard.
    Low,
}

impl Harder {
    /// `high` or `low`, as written in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
        }
    }

    /// The factor that makes larger values the harder ones.
    pub fn sign(self) -> f64 {
        match self {
            Self::High => 1.0,
            Self::Low => -1.0,
        }
    }
}

/// What family a score belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From the observations of training; always on, free.
    Trajectory,
    /// From the logits of a pass at given epochs.
    Prediction,
}

/// A pass or record that a score asks the replicate loop for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// The record of every observation.
    Observations,
    /// Eval-mode logits of all plain examples at the end of these epochs (0: initialisation).
    LogitsAt(Vec<u32>),
}

impl Need {
    /// Epochs (0: initialisation) after which this takes a pass of its own.
    pub fn passes_after(&self) -> &[u32] {
        match self {
            Self::Observations => &[],
            Self::LogitsAt(epochs) => epochs,
        }
    }

    /// Whether what it needs after this epoch can still be had from a finished replicate's files.
    pub fn is_stored(&self, epoch: u32, epochs: u32) -> bool {
        match self {
            Self::Observations => true,
            Self::LogitsAt(_) => epoch == epochs,
        }
    }
}

/// How large an observer's arrays are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Examples of the data set: training, then test.
    pub examples: usize,
    /// Examples that are observed: positions `0..observed`.
    pub observed: usize,
    /// Classes.
    pub classes: usize,
    /// Epochs of the whole training, and which of them are observed.
    pub timetable: Timetable,
}

impl Sizes {
    /// An accumulator of one number per observed example.
    fn zeros(self) -> Vec<f64> {
        vec![0.0; self.observed]
    }
}

/// What a score is: a line of the registry.
#[derive(Debug)]
pub struct ScoreKind {
    /// Its name, without settings.
    pub name: &'static str,
    /// The difficult end.
    pub harder: Harder,
    /// Its family.
    pub kind: Kind,
    /// Where it comes from.
    pub citation: &'static str,
    /// The formula, with every convention that is not a setting.
    pub definition: &'static str,
    /// What can be set, in the order in which settings enter the name.
    pub settings: &'static [Setting],
    /// What the replicate loop has to provide.
    pub needs: fn(&Settings) -> Vec<Need>,
    /// A fresh observer.
    pub observer: fn(&Settings, Sizes) -> Box<dyn Observer>,
}

/// Turns records into one value per example.
pub trait Observer: Send {
    /// The `t`-th observation (0-based) of every observed example; `labels` are the given labels of all examples.
    fn observe(&mut self, _t: u32, _record: &Record, _labels: &[u16]) {}

    /// Eval-mode logits `[examples, classes]` of all plain examples after `epoch` (0: initialisation).
    fn logits(&mut self, _epoch: u32, _logits: &[f32], _labels: &[u16]) {}

    /// The score so far, one value per example of the data set; NaN where it does not exist.
    fn values(&self) -> Vec<f32>;

    /// The named accumulators, each of fixed length, that a checkpoint saves and restores.
    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)>;
}

/// One stored value per example of the data set: those of the observed ones, then NaN.
fn padded(examples: usize, observed: impl Iterator<Item = f64>) -> Vec<f32> {
    observed.map(|value| value as f32).chain(std::iter::repeat(f32::NAN)).take(examples).collect()
}
