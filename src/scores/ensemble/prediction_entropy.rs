//! Over how many classes do the networks that never saw the example scatter? The entropy of their votes.

use super::{ENSEMBLE, EnsembleScore, entropy};
use crate::scores::{Harder, ScoreKind};

/// The registry's line.
pub(crate) static KIND: ScoreKind = ScoreKind {
    name: "prediction_entropy",
    harder: Harder::High,
    citation: "Baldock et al. 2021, appendix C.2, equation 3",
    definition: "entropy in nats of the histogram of the classes that the replicates that held the example out predict",
    refusal: |_, conditions| super::needs_holdout(conditions),
    ensemble: Some(EnsembleScore {
        outside_only: true,
        compares: false,
        of: |_, looks| {
            let count = looks.asked.len();
            let shares = looks.votes().into_iter().map(|votes| votes as f64 / count as f64);
            (if count == 0 { f64::NAN } else { entropy(shares) }, count)
        },
    }),
    ..ENSEMBLE
};
