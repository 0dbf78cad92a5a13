//! How sure is the network of whatever it predicts?

use super::{Harder, Observation, ScoreKind, mean};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "max_confidence",
    harder: Harder::Low,
    citation: "Jiang et al. 2020",
    definition: "mean over t of max over c of p_t[c]",
    observer: |_, sizes| mean::over_time(sizes, Observation::confidence),
    ..mean::TRAJECTORY
};
