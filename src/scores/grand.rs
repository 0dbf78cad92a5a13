//! How much would the example move the network? The norm of its gradient over all parameters.

use super::at_epoch::{PASS, at_epoch};
use super::el2n::epoch;
use super::{Domain, Harder, Need, Pass, ScoreKind, Setting};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "grand",
    harder: Harder::High,
    citation: "Paul et al. 2021",
    definition: "Euclidean norm of the gradient of the cross-entropy over all trainable parameters, one example at a time, \
                 at the end of the epoch (0: initialisation); eval mode (running statistics in batch norms), plain input",
    settings: &[Setting { name: "epoch", domain: Domain::Epochs(20) }],
    needs: |settings, _| vec![Need::at(Pass::WeightNorms, epoch(settings))],
    observer: |settings, sizes| at_epoch(Pass::WeightNorms, epoch(settings), sizes, |row, _| first(row)),
    ..PASS
};

/// The number of a row that has one.
pub(super) fn first(row: &[f32]) -> f64 {
    row.first().map_or(f64::NAN, |value| f64::from(*value))
}
