//! How hard is each example? One file and one registry line per score.
//!
//! A score's line in [`REGISTRY`] says what it is and what it needs; its observer turns the records that training
//! hands out into one number per example. Values are accumulated in f64 (`exp` from `libm`) and stored as f32.
//!
//! Time is 0-based: observation t = 0..T-1 of an example is its t-th presentation in training (`minibatch`) or its
//! t-th sweep (`sweep`); T is the number of observations so far, so that live values are those of the history so far.

mod accuracy;
mod at_epoch;
mod aum;
mod confidence;
mod el2n;
pub mod ensemble;
mod entropy;
mod first_learned;
mod forgetting;
mod grand;
mod holdout_retraining;
pub mod imported;
mod input_margin;
mod learned;
mod loss;
mod max_confidence;
mod mean;
mod merge;
mod needs;
mod observation;
mod output_margin;
pub mod prediction_depth;
pub mod prototypes;
mod settings;
mod spec;
#[cfg(test)]
mod tests;
mod variability;
mod vog;

use std::sync::Arc;

use crate::data::Role;
use crate::study::Timetable;
use crate::study::config::{Observe, Retrain};

pub use merge::merged;
pub use needs::{Need, Pass, Space, Target};
pub use observation::{Observation, Record};
pub use settings::{Domain, Setting, Settings};
pub use spec::{ScoreSpec, passes, resolve};

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
    &grand::KIND,
    &vog::KIND,
    &output_margin::KIND,
    &input_margin::KIND,
    &prediction_depth::KIND,
    &prototypes::SUPERVISED,
    &prototypes::SELF_SUPERVISED,
    &holdout_retraining::KIND,
    &ensemble::accuracy::KIND,
    &ensemble::agreement::KIND,
    &ensemble::consistency::KIND,
    &ensemble::consensus_consistency::KIND,
    &ensemble::prediction_entropy::KIND,
    &ensemble::memorization::KIND,
];

/// Which end of a score is the difficult one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// From passes of their own: eval mode, plain input.
    Pass,
    /// From the final networks of all replicates of a model: one number per example.
    Ensemble,
    /// From elsewhere: the study folder holds the numbers.
    Imported,
}

/// What of a study decides which scores it can give.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Conditions {
    /// When examples are observed.
    pub observe: Observe,
    /// Whether replicates of some model hold examples out.
    pub holds_out: bool,
    /// The part that is kept for fine-tuning, and how.
    pub retrain: Option<Retrain>,
}

/// What of a model's training decides whether a score can have values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setup {
    /// The course of each replicate.
    pub timetable: Timetable,
    /// Replicates of the model.
    pub replicates: usize,
    /// Training examples that each replicate trains on.
    pub trained: usize,
    /// Training examples that each replicate holds out by itself.
    pub held_out: usize,
}

/// How large an observer's arrays are, and what each example is to the replicate.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// The role of each example of the data set: training examples first, then test.
    pub roles: Arc<[Role]>,
    /// Examples that are observed: positions `0..observed`.
    pub observed: usize,
    /// Classes.
    pub classes: usize,
    /// Epochs of the whole training, and which of them are observed.
    pub timetable: Timetable,
}

impl Sizes {
    /// Examples of the data set.
    pub fn examples(&self) -> usize {
        self.roles.len()
    }

    /// An accumulator of one number per observed example.
    fn zeros(&self) -> Vec<f64> {
        vec![0.0; self.observed.min(self.examples())]
    }
}

/// What a score is: a line of the registry.
#[derive(Debug)]
pub struct ScoreKind {
    /// Its name, without settings.
    pub name: &'static str,
    /// The difficult end.
    pub harder: Harder,
    /// The difficult end where settings decide it.
    pub harder_with: Option<fn(&Settings) -> Harder>,
    /// Its family.
    pub kind: Kind,
    /// Where it comes from.
    pub citation: &'static str,
    /// The formula, with every convention that is not a setting.
    pub definition: &'static str,
    /// What can be set, in the order in which settings enter the name.
    pub settings: &'static [Setting],
    /// Settings that have no effect beside others: conventions leave them out.
    pub unused: fn(&Settings) -> &'static [&'static str],
    /// Why a study of these conditions cannot give it, where it cannot: what to change.
    pub refusal: fn(&Settings, Conditions) -> Option<&'static str>,
    /// Why a model trained like this gives it no values, or none that say anything, where settings and training do not go
    /// together: the end of a sentence that begins with its name.
    pub futile: fn(&Settings, &Setup) -> Option<String>,
    /// The passes of its own, in a training of that course.
    pub needs: fn(&Settings, &Timetable) -> Vec<Need>,
    /// A fresh observer.
    pub observer: fn(&Settings, &Sizes) -> Box<dyn Observer>,
    /// How an ensemble score is made; none where each replicate has its own values.
    pub ensemble: Option<ensemble::EnsembleScore>,
}

/// Turns records into one value per example.
pub trait Observer: Send {
    /// The `t`-th observation (0-based) of every observed example; `labels` are the given labels of all examples.
    fn observe(&mut self, _t: u32, _record: &Record, _labels: &[u16]) {}

    /// What a pass gives after `epoch` (0: initialisation): a row of numbers per example of the data set.
    fn seen(&mut self, _pass: Pass, _epoch: u32, _rows: &[f32], _labels: &[u16]) {}

    /// The score so far, one value per example of the data set; NaN where it does not exist.
    fn values(&self) -> Vec<f32>;

    /// The named accumulators, each of fixed length, that a checkpoint saves and restores.
    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)>;
}

/// Observes nothing: a score that single replicates do not have.
struct Unseen;

impl Observer for Unseen {
    fn values(&self) -> Vec<f32> {
        Vec::new()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        Vec::new()
    }
}

/// One stored value per example of the data set: those of the observed ones, then NaN.
fn padded(examples: usize, observed: impl Iterator<Item = f64>) -> Vec<f32> {
    observed.map(|value| value as f32).chain(std::iter::repeat(f32::NAN)).take(examples).collect()
}
