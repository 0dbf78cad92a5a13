//! By how much does the label beat its strongest rival, on average over training? The area under the margin.

use super::{Domain, Harder, Observation, ScoreKind, Setting, mean};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "aum",
    harder: Harder::Low,
    citation: "Kwok et al. 2024, section 3 (space = \"probability\"); Pleiss et al. 2020 (space = \"logit\", until)",
    definition: "mean over t of p_t[y] - max over c != y of p_t[c]; space = \"logit\": of z_t instead of p_t; \
                 until: over the observations of epochs 1 to until",
    settings: &[
        Setting { name: "space", domain: Domain::Words(&["probability", "logit"]) },
        Setting { name: "until", domain: Domain::LastEpoch },
    ],
    observer: |settings, sizes| {
        let until = settings.number("until");
        if settings.is("space", "logit") {
            mean::over_epochs(sizes, until, |observation| observation.margin)
        } else {
            mean::over_epochs(sizes, until, Observation::probability_margin)
        }
    },
    ..mean::TRAJECTORY
};
