//! Does a network need to have seen the example to get it right? What being trained on it is worth.

use super::{ENSEMBLE, EnsembleScore, predicted};
use crate::scores::{Domain, Harder, ScoreKind, Setting};

/// The registry's line.
pub(crate) static KIND: ScoreKind = ScoreKind {
    name: "memorization",
    harder: Harder::High,
    citation: "Feldman and Zhang 2020",
    definition: "share of the replicates trained on the example whose final network predicts the given label, minus that share of \
                 the replicates that held it out; both must be at least `least` replicates",
    settings: &[Setting { name: "least", domain: Domain::Number { default: 2, least: 1 } }],
    refusal: |_, conditions| super::needs_holdout(conditions),
    futile: |settings, setup| {
        let least = settings.number("least").unwrap_or(2);
        let none = "it will have no values";
        if setup.held_out == 0 {
            return Some(format!("needs replicates of this model that hold examples out: {none}"));
        }
        (setup.replicates < 2 * least as usize).then(|| {
            let (inside, of) = (format!("{least} replicates with an example and {least} without it"), setup.replicates);
            format!("needs {inside}, but there are {of} in all: {none}")
        })
    },
    ensemble: Some(EnsembleScore {
        outside_only: true,
        compares: true,
        of: |settings, looks| {
            let least = settings.number("least").unwrap_or(2) as usize;
            let fewest = looks.inside.len().min(looks.outside.len());
            let share = |of: &[&[f32]]| {
                of.iter().filter(|logits| predicted(logits) == looks.label).count() as f64 / of.len() as f64
            };
            (if fewest < least { f64::NAN } else { share(looks.inside) - share(looks.outside) }, fewest)
        },
    }),
    ..ENSEMBLE
};
