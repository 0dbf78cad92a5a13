//! The integration tests: one binary, since each one links the whole program again.

// The lints leave `#[test]` functions alone, but not the helpers they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod candle_peers;
mod candle_scores;
mod commands;
mod configs;
mod ctl;
#[cfg(feature = "cuda")]
mod cuda;
mod devices;
mod export;
mod extending;
#[cfg(feature = "hub")]
mod fetch;
mod full;
mod import;
mod kernel_sets;
mod kernels;
mod kills;
mod learner;
mod looking;
mod nn_candle;
mod nn_oracles;
mod probes;
mod program;
mod recipes;
mod report;
mod room;
mod score_passes;
mod sharing;
mod steering;
mod store;
mod stored_scores;
mod studies;
mod taps;
mod terminal;
