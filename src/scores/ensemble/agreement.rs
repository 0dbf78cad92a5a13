//! How much do the networks differ about the example? The divergence between their softmax outputs.

use super::{ENSEMBLE, EnsembleScore, entropy, softmax};
use crate::scores::{Domain, Harder, ScoreKind, Setting};

/// The registry's line.
pub(crate) static KIND: ScoreKind = ScoreKind {
    name: "agreement",
    harder: Harder::High,
    citation: "Carlini et al. 2019 (`agr`)",
    definition: "mean over pairs of replicates in which the example has the same role of the Jensen-Shannon divergence of their \
                 final softmax outputs, in nats (0 to ln 2); generalised: entropy of the mean output minus the mean entropy (0 to \
                 the logarithm of the smaller of replicates and classes); at least two replicates",
    settings: &[Setting { name: "form", domain: Domain::Words(&["pairs", "generalised"]) }],
    futile: |_, setup| {
        (setup.replicates < 2).then(|| "needs two replicates, but there is one: it will have no values".to_owned())
    },
    ensemble: Some(EnsembleScore {
        outside_only: false,
        compares: false,
        of: |settings, looks| {
            let outputs: Vec<Vec<f64>> = looks.asked.iter().map(|logits| softmax(logits)).collect();
            let pairs = !settings.is("form", "generalised");
            (if pairs { over_pairs(&outputs) } else { divergence(&outputs) }, outputs.len())
        },
    }),
    ..ENSEMBLE
};

/// The mean divergence over all pairs; NaN where there are none.
fn over_pairs(outputs: &[Vec<f64>]) -> f64 {
    let entropies: Vec<f64> = outputs.iter().map(|output| entropy(output.iter().copied())).collect();
    let (mut sum, mut pairs) = (0.0, 0_usize);
    for (second, (b, of_b)) in outputs.iter().zip(&entropies).enumerate() {
        for (a, of_a) in outputs.iter().zip(&entropies).take(second) {
            let middle = entropy(a.iter().zip(b).map(|(a, b)| f64::midpoint(*a, *b)));
            // Rounding must not make equal outputs disagree by less than nothing.
            sum += (middle - f64::midpoint(*of_a, *of_b)).max(0.0);
            pairs += 1;
        }
    }
    sum / pairs as f64
}

/// The entropy of the mean output minus the mean entropy; NaN below two outputs.
fn divergence(outputs: &[Vec<f64>]) -> f64 {
    let count = outputs.len() as f64;
    if count < 2.0 {
        return f64::NAN;
    }
    let classes = outputs.first().map_or(0, Vec::len);
    let mean = (0..classes).map(|class| outputs.iter().filter_map(|output| output.get(class)).sum::<f64>() / count);
    let own: f64 = outputs.iter().map(|output| entropy(output.iter().copied())).sum();
    (entropy(mean) - own / count).max(0.0)
}
