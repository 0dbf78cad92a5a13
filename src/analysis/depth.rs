//! At which layer is an answer settled, and what does that tell? Prediction depth of Baldock et al. (2021), with every
//! relation that they show.
//!
//! **Depth** is the first-listed `prediction_depth` (or the one that `--score` names), L the number of the last probe. A depth
//! is undefined where the last probe contradicts the network: such pairs of run and example are counted and left out. An
//! example's depth is its mean over the runs in which it has the role and a depth; "truth" is the given label, as for the
//! scores (label noise is looked at in the splits of the probes alone).
//!
//! - **Agreement** (figure 2): Spearman's correlation of mean depths between models (of the even and the odd runs for a model
//!   with itself), and the mean correlation of single runs, over all pairs of the first [`agreement::RUNS`] of each model that
//!   share at least [`agreement::SHARED`] examples.
//! - **Consistency** (figure 3): the share of the runs that held an example out (tested it) that predict its label.
//!   **Consensus-consistency** and **entropy** (figures 4 and C.21): for each run with a depth, of all *other* runs that saw
//!   the example from outside, against their own consensus (ties: the label if it is among them, else the lowest class); then
//!   the mean over the runs. Pairs of run and example with fewer than `together::VOTES` others are counted and left out. Bounds are lines through what depth 0 should give
//!   (1; 0; entropy 0) whose slope leaves [`bounds::OUTSIDE`] of the examples of positive depth beyond it; the paper draws such
//!   lines by eye.
//! - **Iteration learned** (figure 5): the first of `learned.final95`, `learned.final`. **Margins** (figure 6): mean over the
//!   runs, then the natural logarithm (0 has none and is counted); Pearson's correlation with mean depth.
//! - **Layers** (figure 5): accuracy of each probe per split, mean over runs, beside the network's after each epoch. Where
//!   labels were changed: unchanged, mislabelled by the new and by the true label, test; else train, val, test.
//! - **Corners** (figures 7 and 8): the [`corners::NEAREST`] examples nearest to (0, 0), (0, 1), (1, 0), (1, 1) of (val depth,
//!   train depth), both divided by L; ties by order. Vote share and accuracy by layer are those of runs that held the example
//!   out: mean over its runs, then over the examples. The consensus class is here that of all runs that held it out. Corners
//!   are found with labels, so what is measured in them is in-sample.
//!
//! A result per model: `model`, `runs`, `score`, `probes` (names), `last` (L), `roles` (`role`, `examples`, `pairs`,
//! `undefined`, `mean`, `sd`, `mean_scaled`, `largest_mean`, `accuracy`, `histogram` by depth), `agreement` (`role`, `with`,
//! `means`, `single_runs`, `pairs`), `consistency`, `consensus_consistency`, `entropy` (a list by role: `role`, `examples`,
//! `left_out`, `slope`, `beyond`, `spearman`, `pairs`, `few_votes` of them, `votes_needed`; consistency: `slope`, then `matches` and `differs` with `examples`, `beyond`,
//! `spearman`), `by_depth` (`role`, `depth`, `pairs`, `share`, `accuracy`, `consensus_consistency`, `entropy`,
//! `iteration_learned`), `iteration_learned` (`score`, `role`, `examples`, `spearman`), `margins` (`margin`, `role`, `examples`,
//! `left_out`, `mean`, `pearson`, `trained_on_everything`), `layers` and `course` (`split`, `accuracy` by probe or epoch; `epochs`),
//! `corners` (`corner`, `examples` (ids), `tied`: how many were `taken` by order `of` so many equally near, `val_depth`, `train_depth`, `consensus_is_truth`, `consensus_consistency`,
//! `network_accuracy`, and by layer `truth_votes`, `truth_accuracy`, `consensus_votes`, `consensus_accuracy`), `middle_probe`
//! (`layer`, `name`, `corner`, `examples`, `probe_accuracy`, `network_accuracy`, `in_sample`), `grid` (`val` and `train` bins of the
//! two-axis picture, `counts[train][val]`); `--per-example` adds `per_example` (`role`, `depth`). What a study lacks is null, with
//! a warning.

pub mod agreement;
mod answer;
pub mod bounds;
pub mod corners;
mod figures;
mod layers;
mod relations;
mod subject;
mod together;

use super::{Analysis, Wants};

pub(super) use subject::last;

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "depth",
    question: "At which layer is an answer settled, and what does that tell of the example?",
    tab: Some(('9', "Depth·VoG")),
    compares: true,
    takes: &["--per-example"],
    wants: Wants {
        all_roles: true,
        evidence: true,
        scores: &[DEPTH, "learned", "output_margin", "input_margin"],
        about: &[DEPTH],
        ..Wants::SCORES
    },
    run: answer::run,
    again: Some(|| Box::new(answer::Kept::default())),
};

/// The score that is asked about.
const DEPTH: &str = "prediction_depth";

#[cfg(test)]
mod tests;
