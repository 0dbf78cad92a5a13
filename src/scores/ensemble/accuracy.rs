//! How many of the networks are right about the example?

use super::{ENSEMBLE, EnsembleScore};
use crate::scores::{Harder, ScoreKind};

/// The registry's line.
pub(crate) static KIND: ScoreKind = ScoreKind {
    name: "ensemble_accuracy",
    harder: Harder::Low,
    citation: "Meding et al. 2021",
    definition: "share of the replicates whose final network predicts the given label; eval mode, plain input",
    ensemble: Some(EnsembleScore {
        outside_only: false,
        compares: false,
        of: |_, looks| (looks.share(looks.label), looks.asked.len()),
    }),
    ..ENSEMBLE
};
