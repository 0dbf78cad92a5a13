//! The study folder: what a crash, a second machine or another program sees.
//!
//! Whole files are replaced atomically ([`atomic`]), logs grow line by line ([`jsonl`]), observations are rows written
//! in place ([`observations`]); the checkpoint alone decides which of them count ([`checkpoint`]).

pub mod atomic;
pub mod checkpoint;
pub mod control;
pub mod differences;
pub mod examples;
pub mod folder;
pub mod imported;
pub mod jsonl;
pub mod lock;
pub mod npy;
pub mod observations;
pub mod places;
pub mod presence;
pub mod probes;
pub mod record;
pub mod replicate;
pub mod tensors;
pub mod verdicts;

pub use checkpoint::Checkpoint;
pub use control::Control;
pub use folder::{StudyFolder, StudyRecord};
pub use replicate::ReplicateDir;

/// Seconds since 1970, as written into records and logs.
pub fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |duration| duration.as_secs_f64())
}
