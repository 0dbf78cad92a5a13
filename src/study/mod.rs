//! A study: its config, and the plan of replicates that follows from it.

pub mod config;
pub mod imported;
pub mod plan;
pub mod recipe;
pub mod timetable;
pub mod validate;

pub use config::Config;
pub use imported::ImportedScore;
pub use plan::{Plan, ReplicateId, Shard};
pub use timetable::Timetable;
