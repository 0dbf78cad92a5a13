//! How undecided is the network about the example, whatever its label?

use super::{Harder, ScoreKind, mean};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "entropy",
    harder: Harder::High,
    citation: "Jiang et al. 2020",
    definition: "mean over t of -sum over c of p_t[c] log p_t[c], in nats",
    observer: |_, sizes| mean::over_time(sizes, |observation| observation.entropy),
    ..mean::TRAJECTORY
};
