//! Training: one replicate per worker thread, steered by commands, told by events, seen on the board.

pub mod added_scores;
pub mod board;
mod commit;
pub mod crew;
pub mod devices;
pub mod eta;
pub mod events;
pub mod gpus;
pub mod learner;
mod passes;
pub mod probes;
mod pulse;
pub mod replicate;
pub mod steer;
pub mod wishes;

pub use crew::{Crew, Trainer};
