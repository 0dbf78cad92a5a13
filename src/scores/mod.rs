//! How hard is each example? One file and one registry line per score.
//!
//! A score's line in [`REGISTRY`] says what it is and what it needs; its observer turns the records that training
//! hands out into one number per example.

use crate::Result;
use crate::study::config::Observe;

/// Which end of a score is the difficult one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harder {
    /// Large values are hard.
    High,
    /// Small values are hard.
    Low,
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

/// One epoch's observations of all observed examples, by position in the data set.
///
/// All vectors have one entry per observed example: the training examples with `minibatch`, all with `sweep`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// -log p[y], log-sum-exp form.
    pub loss: Vec<f32>,
    /// z[y] - max over c != y of z[c].
    pub margin: Vec<f32>,
    /// Entropy of the softmax, in nats.
    pub entropy: Vec<f32>,
    /// argmax z, ties to the lowest index.
    pub predicted: Vec<u16>,
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

/// A score with its settings, as a study computes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreSpec {
    /// Base, `@epoch` and every setting that isn't the default: `el2n@20`, `aum.logit`.
    pub name: String,
}

/// The scores of a study: the trajectory scores and what `[scores]` asks for, in the registry's order.
///
/// # Errors
/// `Error::Usage` for an unknown score or setting, or one that `observe` cannot give.
pub fn resolve(_scores: &toml::Table, _observe: Observe) -> Result<Vec<ScoreSpec>> {
    Ok(Vec::new())
}
