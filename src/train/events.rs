//! What workers tell (`Event`) and are told (`Command`): small messages without tensors.

use crate::store::record::State;
use crate::study::ReplicateId;

/// A change of state.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A replicate is in another state now.
    State {
        /// Which replicate.
        id: ReplicateId,
        /// Its new state.
        state: State,
        /// Why, where that needs saying.
        reason: Option<String>,
    },
    /// A replicate ended an epoch; its scores and margins are on the board.
    Epoch {
        /// Which replicate.
        id: ReplicateId,
        /// Epochs done.
        epoch: u32,
        /// Mean training loss.
        train_loss: f64,
        /// Share of training examples right.
        train_accuracy: f64,
        /// Share of test examples right.
        test_accuracy: f64,
        /// Seconds that the epoch took.
        seconds: f64,
    },
    /// A line for the log.
    Log {
        /// Whose line, if a replicate's.
        id: Option<ReplicateId>,
        /// What happened.
        text: String,
    },
    /// So many replicates are trained at once from now on.
    Jobs(usize),
    /// The whole crew was asked to leave from outside this process.
    Ending {
        /// The running epochs are ended first.
        after_epoch: bool,
    },
    /// Nothing can be written any more: all replicates went back to their last checkpoints and wait, paused.
    Halted {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Nothing runs, waits or is paused any more: all is finished, failed, skipped or left. Workers stay for commands.
    Idle,
}

/// Whom a command is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One replicate.
    One(ReplicateId),
    /// All that are not finished.
    All,
}

/// What the workbench asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Park at the next step; keeps its place among the jobs. A waiting replicate waits on.
    Pause(Target),
    /// Go on.
    Resume(Target),
    /// End the current epoch, write a checkpoint, give the job to the next replicate.
    StopAfterEpoch(Target),
    /// Give up on this replicate for now; what it has is kept.
    Skip(ReplicateId),
    /// Queue a failed, skipped or stopped replicate again.
    Retry(ReplicateId),
    /// Train this waiting replicate next.
    Next(ReplicateId),
    /// Run so many replicates at once.
    Jobs(usize),
    /// End all work: after the current epochs, or now (back to the last checkpoints).
    Quit {
        /// Let every running replicate end its epoch and write a checkpoint first.
        after_epoch: bool,
    },
}
