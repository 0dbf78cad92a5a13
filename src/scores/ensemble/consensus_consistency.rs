//! Do the networks that never saw the example agree with each other? The share that predicts their consensus.

use super::{ENSEMBLE, EnsembleScore, Looks};
use crate::scores::{Harder, ScoreKind};

/// The registry's line.
pub(crate) static KIND: ScoreKind = ScoreKind {
    name: "consensus_consistency",
    harder: Harder::Low,
    citation: "Baldock et al. 2021, section 3.1 and appendix A.6.2",
    definition: "share of the replicates that held the example out whose final network predicts their consensus class, the one \
                 that most of them predict (ties: the given label where it is among them, else the lowest class)",
    refusal: |_, conditions| super::needs_holdout(conditions),
    ensemble: Some(EnsembleScore {
        outside_only: true,
        compares: false,
        of: |_, looks| (looks.share(consensus(looks)), looks.asked.len()),
    }),
    ..ENSEMBLE
};

/// The class that most of the asked replicates predict.
pub(super) fn consensus(looks: &Looks<'_>) -> usize {
    let votes = looks.votes();
    let most = votes.iter().copied().max().unwrap_or(0);
    if votes.get(looks.label) == Some(&most) {
        return looks.label;
    }
    votes.iter().position(|votes| *votes == most).unwrap_or(0)
}
