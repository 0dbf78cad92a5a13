//! Training: one replicate per worker thread, steered by commands, told by events, seen on the board.

pub mod added_scores;
pub mod board;
mod commit;
pub mod crew;
pub mod devices;
pub mod ensembles;
pub mod eta;
pub mod events;
pub mod gpus;
pub mod late_passes;
pub mod learner;
pub mod moments;
mod passes;
pub mod probes;
mod pulse;
pub mod replicate;
mod score_passes;
pub mod steer;
pub mod wishes;

pub use crew::{Crew, Trainer};
