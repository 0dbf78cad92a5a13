//! How often is the example classified right during training?

use super::{Harder, ScoreKind, mean};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "accuracy",
    harder: Harder::Low,
    citation: "Kwok et al. 2024, section 3",
    definition: "mean over t of c_t: 1 where argmax z_t = y (ties: lowest index), else 0",
    observer: |_, sizes| mean::over_time(sizes, |observation| f64::from(u8::from(observation.right))),
    ..mean::TRAJECTORY
};
