//! Which labels are wrong, and do the scores find them?
//!
//! **Labels were changed** (true labels are known and some differ from the given ones; those examples are the positives): AUROC,
//! average precision and precision among the first k of every score, and of the first component of the chosen scores, each
//! ranked by its own difficult end. Ties are as in scikit-learn: half a pair for AUROC, one threshold per value for average
//! precision; precision@k is its mean over all orders of a tie at k. Intervals: the middle 90 % over bootstrap draws of
//! examples (seeded; all scores meet the same draws), so they know nothing of other runs: how far two disjoint halves of the
//! runs differ stands beside. Examples without a value are left out of that score and counted: it meets other examples than the
//! rest, so its k is at most the number of positives among them, chance is theirs, and the best other score on them is told.
//!
//! **A review list** is there in any case: the hardest examples by one score (the first of `--score`, else `aum`, else the
//! first that has values), with the 90 % interval of the rank over bootstrap draws of runs, the class that most final
//! networks see (ties: the lowest), the corner type where prediction depths exist in both roles, and people's verdicts.
//! How well each score agrees with the verdicts is AUROC of `mislabelled` against `fine`, over examples without dissent.
//!
//! A result per model: `model`, `role`, `runs`, `examples`, `changed`, `k`, `scores`, `auroc`, `average_precision`,
//! `precision_at` (a list per k), their `..._interval`, `left_out`,
//! `ranked` and `positives` (with a value), `k_of` (its two k), `chance`, `best_on_same_examples` (`score`, `auroc`), `halves` (`auroc_difference`, `spearman`, per score), `below_chance`,
//! `draws`, `seed` (these only where labels were changed); `review` (`score`, `draws`, `examples`: `id`, `label`, `truth`, `believed`, `votes`, `of`,
//! `rank`, `low`, `high` from 1 = hardest, `corner`, `verdicts`; `--per-example`: all examples), `verdicts` (`counts`, `dissent`, `scores`, `auroc`,
//! `auroc_interval`, `confirmed`: mislabelled verdicts on changed labels).

mod answer;
mod detect;
mod found;
mod rankings;
mod review;
mod verdicts;

use std::sync::Arc;

use self::rankings::{Ranking, Rankings};
use self::review::{Ranked, Said};
use super::again::{Memory, key};
use super::depth::{self, corners::Corner};
use super::{Again, Analysis, Answer, Input, ModelScores, Options, Wants, select};
use crate::Result;

pub use detect::{Measures, Ordered};

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "audit",
    question: "Which labels are probably wrong, and do the scores find those that are?",
    tab: Some(('0', "Audit")),
    compares: false,
    takes: &["--draws", "--seed", "--per-example"],
    wants: Wants { all_roles: true, verdicts: true, evidence: true, ..Wants::SCORES },
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// Width of all intervals.
const LEVEL: f64 = 0.9;

/// The places of the examples whose label was changed; none where nothing is known.
fn changed(model: &ModelScores) -> Vec<bool> {
    let cohort = &model.cohort;
    let pairs = cohort.labels.iter().zip(&cohort.true_labels);
    pairs.map(|(given, truth)| given != truth).collect()
}

/// The corner of each example by the model's depths when it trains on it and when it holds it out, where the study has both; none of
/// test examples.
fn corners(input: &Input, model: &ModelScores) -> Option<Vec<Option<Corner>>> {
    if model.role == "test" {
        return None;
    }
    let depth = |role: &str| {
        let scores = input.models.iter().find(|other| other.model == model.model && other.role == role)?;
        scores.scores.iter().find(|score| select::base(&score.name) == "prediction_depth")
    };
    let (train, val) = (depth("train")?, depth("val")?);
    let last = depth::last(input, (&model.model, &train.name), &model.runs, [train, val].into_iter());
    let means = [train, val].map(|depth| depth.means(None));
    if means.iter().any(|means| means.iter().all(|mean| mean.is_nan())) {
        return None;
    }
    let [train, val] = means;
    Some(val.iter().zip(&train).map(|(val, train)| Corner::of(*val, *train, last)).collect())
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

/// All that does not change with people's verdicts or with the choice of scores.
#[derive(Default)]
struct Kept {
    rankings: Rankings,
    found: found::Kept,
    corners: Memory<Option<Arc<Vec<Option<Corner>>>>>,
    believed: Memory<Arc<Vec<Option<review::Believed>>>>,
    ranked: Memory<Arc<Ranked>>,
}

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let mut parts = Vec::new();
        for model in input.models.iter().filter(|model| model.role == options.role) {
            parts.push(self.part(input, model, options)?);
        }
        let unfinished = parts.iter().any(answer::Part::is_unfinished);
        Ok(Answer { unfinished, ..answer::answer(&parts, options) })
    }
}

impl Kept {
    fn part<'a>(&mut self, input: &Input, model: &'a ModelScores, options: &Options) -> Result<answer::Part<'a>> {
        let places = select::scores(model, &options.scores)?;
        let changed = changed(model);
        let (rankings, warnings) = self.rankings.of(model, &places, &changed);
        let is_known = changed.contains(&true) && changed.contains(&false) && changed.len() == model.examples();
        let found = if is_known { self.found.detections(model, &rankings, &changed, options) } else { Vec::new() };
        let verdicts = verdicts::Verdicts::new(model, &rankings, &changed, options);
        let review = self.review(input, model, &places, options);
        let imported = input.is_imported(&model.model);
        Ok(answer::Part { model, imported, changed, found, review, verdicts, warnings })
    }

    /// The list by the first wanted score; its intervals are left out if somebody waits and they are not known.
    fn review(
        &mut self,
        input: &Input,
        model: &ModelScores,
        places: &[usize],
        options: &Options,
    ) -> Option<review::Review> {
        let score = review::score(model, places, options)?;
        let key_with = |draws: usize| key(model, &format!("{} {draws} {}", score.name, options.seed));
        let draws = review::draws(options);
        let draws = if options.quick && !self.ranked.has(&key_with(draws)) { 0 } else { draws };
        let ranked = self.ranked.get(key_with(draws), || Arc::new(Ranked::new(score, draws, options.seed)));
        let corners = self.corners.get(key(model, ""), || corners(input, model).map(Arc::new));
        let believed = self.believed.get(key(model, ""), || Arc::new(review::believed(model)));
        Some(review::Review { ranked, corners, believed, said: Said::of(model) })
    }
}

#[cfg(test)]
mod tests;
