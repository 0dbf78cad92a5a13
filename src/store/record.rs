//! What `replicate.json` and `epochs.jsonl` hold.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// A running or parked replicate rewrites its record so often.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// The reason of a replicate whose process has left it, or died.
pub const STOPPED: &str = "stopped; goes on from its last checkpoint";
/// The reason of a replicate that is paused with its process and its job.
pub const PARKED: &str = "parked by request";
/// A running replicate whose heartbeat is older than this has stopped without saying so, in seconds.
const STALE: f64 = 10.0;

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

impl State {
    /// The word that people and files use for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
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
    /// Where it runs, such as `cpu` or `cuda:0 NVIDIA H100`.
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
    /// Epochs that a kill cannot take away: those behind the last checkpoint.
    pub epochs_committed: u32,
    /// Epochs to do.
    pub epochs: u32,
    /// Steps done in the current epoch.
    pub step: usize,
    /// Steps in a whole epoch.
    pub steps: usize,
    /// Steps in all: a last epoch may be cut.
    pub total_steps: u64,
    /// Epochs from one look (line, test, observations) to the next; the last epoch is looked at too.
    pub observe_every: u32,
    /// Rows of the observations that count so far.
    pub rows: u32,
    /// Training examples per second, lately.
    #[serde(deserialize_with = "number")]
    pub examples_per_s: f64,
    /// Seconds since 1970 at the last rewrite while running.
    #[serde(deserialize_with = "number")]
    pub heartbeat: f64,
    /// Seconds since 1970 when it first started.
    pub started: Option<f64>,
    /// Seconds since 1970 when it finished.
    pub finished: Option<f64>,
    /// Seconds of work, over all processes.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
    /// Accuracy of the final network on the examples that it was trained on, eval mode.
    pub train_accuracy: Option<f64>,
    /// Accuracy of the final network on the examples that it held out, eval mode; none where it held none out.
    pub val_accuracy: Option<f64>,
    /// Accuracy of the final network (or the last epoch's) on the test examples, eval mode.
    pub test_accuracy: Option<f64>,
    /// BLAKE3 of the final weights.
    pub weights_digest: Option<String>,
    /// Whether a loss became infinite or NaN: left out of every mean.
    pub non_finite: bool,
}

impl ReplicateRecord {
    /// Whether it claims to run but nobody has rewritten it lately: its process was killed, or its machine.
    pub fn is_stopped(&self, now: f64) -> bool {
        // Asked this way round, a heartbeat that is no number is not fresh.
        let is_fresh = now - self.heartbeat <= STALE;
        self.claims_to_run() && !is_fresh
    }

    /// Whether it says that a process has it under way: it trains, or is parked with its job.
    pub fn claims_to_run(&self) -> bool {
        match self.state {
            State::Running => true,
            State::Paused => self.reason.as_deref() == Some(PARKED),
            _ => false,
        }
    }
}

/// A number; JSON writes those that are not finite as null.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// A line of `epochs.jsonl`, one for every epoch that is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochLine {
    /// From 1.
    pub epoch: u32,
    /// Learning rate of the epoch's last step.
    #[serde(deserialize_with = "number")]
    pub lr: f64,
    /// Mean cross-entropy over the epoch's steps, whatever is minimised (null: not finite).
    pub train_loss: Option<f64>,
    /// Share right over the epoch's steps.
    #[serde(deserialize_with = "number")]
    pub train_accuracy: f64,
    /// Mean cross-entropy on the test examples at the epoch's end (null: not finite).
    pub test_loss: Option<f64>,
    /// Share of test examples right at the epoch's end.
    #[serde(deserialize_with = "number")]
    pub test_accuracy: f64,
    /// Seconds that this epoch took.
    #[serde(deserialize_with = "number")]
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_replicate_with_an_old_heartbeat_is_stopped() {
        let record = |state, heartbeat| ReplicateRecord { state, heartbeat, ..ReplicateRecord::default() };
        assert!(record(State::Running, 89.0).is_stopped(100.0));
        assert!(record(State::Running, f64::NAN).is_stopped(100.0));
        assert!(!record(State::Running, 91.0).is_stopped(100.0));
        // A clock that is ahead on the other machine.
        assert!(!record(State::Running, 105.0).is_stopped(100.0));
        assert!(!record(State::Finished, 0.0).is_stopped(100.0));
    }

    #[test]
    fn numbers_that_are_not_finite_survive_json() {
        let record = ReplicateRecord { examples_per_s: f64::INFINITY, ..ReplicateRecord::default() };
        let text = serde_json::to_string(&record).unwrap();
        let back: ReplicateRecord = serde_json::from_str(&text).unwrap();
        assert!(back.examples_per_s.is_nan() && back.heartbeat == 0.0);
    }
}
