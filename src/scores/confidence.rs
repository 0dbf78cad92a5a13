//! How probable is the example's label to the network on average over training?

use super::{Harder, Observation, ScoreKind, mean};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "confidence",
    harder: Harder::Low,
    citation: "Swayamdipta et al. 2020",
    definition: "mean over t of p_t[y]",
    observer: |_, sizes| mean::over_time(sizes, Observation::label_probability),
    ..mean::TRAJECTORY
};
