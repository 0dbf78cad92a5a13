//! diffscope: train replicates of image classifiers, score every training example, and look at it live.
//!
//! Data goes one way; nothing below `tui` knows that a screen exists.
//! ```text
//!  study.toml --> study --> data ---------+
//!                   |                     v
//!                   +--> train (worker threads, one per running replicate)
//!                          | models + nn (one backward: weights | per-example norms | inputs)
//!                          | scores (observers fed by training)
//!                          v
//!                  events --------> board (a snapshot the screen reads)      commands <-- keys
//!                          |
//!                          v
//!                        store (the study folder: atomic, resumable) --> analysis --> tui tabs | tables
//! ```
#![deny(unsafe_code)]

pub mod analysis;
pub mod cli;
pub mod commands;
pub mod data;
pub mod error;
pub mod export;
pub mod headless;
pub mod models;
pub mod nn;
pub mod random;
pub mod report;
pub mod results;
pub mod scores;
pub mod store;
pub mod study;
pub mod train;
pub mod tui;

pub use error::{Error, Result};

/// Version of the numerics (initialisation, order, arithmetic): a change of results is a new version.
pub const NUMERICS: u32 = 1;
/// Version of the program, as written into every study.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
