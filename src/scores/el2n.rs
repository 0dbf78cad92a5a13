//! How far is the prediction from the label early in training? The norm of the error vector.

use super::at_epoch::{PASS, at_epoch};
use super::{Domain, Harder, Need, Pass, ScoreKind, Setting, Settings};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "el2n",
    harder: Harder::High,
    citation: "Paul et al. 2021",
    definition: "Euclidean norm (not squared) of p - onehot(y) at the end of the epoch (0: initialisation); eval mode, \
                 plain input, a pass of its own",
    settings: &[Setting { name: "epoch", domain: Domain::Epochs(20) }],
    needs: |settings, _| vec![Need::at(Pass::Logits, epoch(settings))],
    observer: |settings, sizes| at_epoch(Pass::Logits, epoch(settings), sizes, error_norm),
    ..PASS
};

/// The epoch at whose end it looks.
pub(super) fn epoch(settings: &Settings) -> u32 {
    settings.number("epoch").unwrap_or_default()
}

/// ‖softmax(z) - onehot(label)‖₂ of one example's logits z.
fn error_norm(logits: &[f32], label: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| libm::exp(f64::from(logit) - f64::from(largest));
    let total: f64 = logits.iter().copied().map(weight).sum();
    let squared_error = |(class, logit): (usize, &f32)| {
        let target = if class == label { 1.0 } else { 0.0 };
        (weight(*logit) / total - target).powi(2)
    };
    libm::sqrt(logits.iter().enumerate().map(squared_error).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_vectors_have_known_norms() {
        let uniform = error_norm(&[3.0; 4], 1);
        assert!((uniform - (0.75_f64.powi(2) + 3.0 * 0.25_f64.powi(2)).sqrt()).abs() < 1e-15);
        assert!((error_norm(&[1e4, -1e4, 0.0], 1) - core::f64::consts::SQRT_2).abs() < 1e-15);
        assert!(error_norm(&[1e4, -1e4, 0.0], 0) < 1e-15);
        assert!(error_norm(&[f32::NAN, 1.0], 0).is_nan());
    }
}
