//! Does a network that never saw the example get it right? The share of those that do.

use super::{ENSEMBLE, EnsembleScore};
use crate::scores::{Harder, ScoreKind};

/// The registry's line.
pub(crate) static KIND: ScoreKind = ScoreKind {
    name: "consistency",
    harder: Harder::Low,
    citation: "Jiang et al. 2021",
    definition: "share of the replicates that held the example out whose final network predicts the given label; eval mode, \
                 plain input",
    refusal: |_, conditions| super::needs_holdout(conditions),
    ensemble: Some(EnsembleScore {
        outside_only: true,
        compares: false,
        of: |_, looks| (looks.share(looks.label), looks.asked.len()),
    }),
    ..ENSEMBLE
};
