//! By how much does the network prefer its class to the next? The margin of the converged network's output.

use super::at_epoch::{PASS, at_epoch};
use super::{Harder, Need, Pass, ScoreKind};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "output_margin",
    harder: Harder::Low,
    citation: "Baldock et al. 2021, section 3.3",
    definition: "largest minus second-largest logit of the network at the end of training; eval mode, plain input",
    settings: &[],
    needs: |_, timetable| vec![Need::at(Pass::Logits, timetable.epochs)],
    observer: |_, sizes| at_epoch(Pass::Logits, sizes.timetable.epochs, sizes, |logits, _| margin(logits)),
    ..PASS
};

/// The largest minus the second-largest of some logits; NaN where one is NaN.
fn margin(logits: &[f32]) -> f64 {
    let (mut first, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for logit in logits.iter().copied().map(f64::from) {
        if logit.is_nan() {
            return f64::NAN;
        }
        if logit > first {
            (first, second) = (logit, first);
        } else {
            second = second.max(logit);
        }
    }
    first - second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)] // exact by construction
    fn the_margin_is_between_the_two_largest_wherever_they_stand() {
        assert_eq!(margin(&[1.0, 4.0, 2.5]), 1.5);
        assert_eq!(margin(&[4.0, 1.0, 4.0]), 0.0);
        assert!(margin(&[1.0, f32::NAN]).is_nan());
    }
}
