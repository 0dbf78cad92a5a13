//! How much loss does the example cause on average over training?

use super::{Harder, ScoreKind, mean};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "loss",
    harder: Harder::High,
    citation: "Kwok et al. 2024, section 3",
    definition: "mean over t of -log p_t[y]",
    observer: |_, sizes| mean::over_time(sizes, |observation| observation.loss),
    ..mean::TRAJECTORY
};
