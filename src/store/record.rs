//! What `replicate.json` and `epochs.jsonl` hold.

use serde::{Deserialize, Serialize};

/// What a replicate is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for a job.
    #[default]
    Queued,
    /// Trains.
    Running,
    /// Parked, or stopped after an epoch: goes on when told.
    Paused,
    /// All epochs done, all results written.
    Finished,
    /// Ended by an error; can be retried.
    Failed,
    /// Passed over by a person; can be retried.
    Skipped,
}

/// `replicate.json`: rewritten once a second while running, for viewers in other processes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicateRecord {
    /// What it is doing.
    pub state: State,
    /// Why, where that needs saying.
    pub reason: Option<String>,
    /// The architecture.
    pub model: String,
    /// The seed shown to people, in hexadecimal (JSON numbers cannot hold 64 bits).
    pub seed: String,
    /// Where it runs, such as `cpu`.
    pub device: String,
    /// Kernel set and instruction sets: the same id, the same bits.
    pub backend_id: String,
    /// How many parameters are trained.
    pub parameters: usize,
    /// `minibatch` or `sweep`: which examples the observations hold.
    pub observe: String,
    /// Examples in an observation row.
    pub observed: usize,
    /// Epochs whose rows are committed.
    pub epochs_done: u32,
    /// Epochs to do.
    pub epochs: u32,
    /// Steps done in the current epoch.
    pub step: usize,
    /// Steps in an epoch.
    pub steps: usize,
    /// Training examples per second, lately.
    pub examples_per_s: f64,
    /// Seconds since 1970 at the last rewrite while running.
    pub heartbeat: f64,
    /// Seconds since 1970 when it first started.
    pub started: Option<f64>,
    /// Seconds since 1970 when it finished.
    pub finished: Option<f64>,
    /// Seconds of work, over all processes.
    pub seconds: f64,
    /// Accuracy of the final network on the training examples, eval mode.
    pub train_accuracy: Option<f64>,
    /// Accuracy of the final network (or the last epoch's) on the test examples, eval mode.
    pub test_accuracy: Option<f64>,
    /// BLAKE3 of the final weights.
    pub weights_digest: Option<String>,
    /// Whether a loss became infinite or NaN: left out of every mean.
    pub non_finite: bool,
}

/// A line of `epochs.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// From 1.
    pub epoch: u32,
    /// Learning rate of the epoch.
    pub lr: f64,
    /// Mean loss over the epoch's steps (null: not finite).
    pub train_loss: Option<f64>,
    /// Share right over the epoch's steps.
    pub train_accuracy: f64,
    /// Mean loss on the test examples at the epoch's end (null: not finite).
    pub test_loss: Option<f64>,
    /// Share of test examples right at the epoch's end.
    pub test_accuracy: f64,
    /// Seconds that the epoch took.
    pub seconds: f64,
}
