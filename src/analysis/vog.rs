//! Does the variance of gradients rank what networks get wrong? (Agarwal et al. 2022; the figures are those of their sections 3 and 4.)
//!
//! Every variant of `vog` that the study has is looked at (`--score` chooses), by its raw value:
//! - **Error by decile** over test examples, figures 4, 5 and 8: each run ranks the examples by its own values, and the error is its own
//!   final network's; means over the runs, and their range. Equal values share a decile. Late and whole-training variants should rise,
//!   early ones fall. The lowest and the highest tenth stand beside all examples.
//! - **Classes**, figure 6: the class mean (only where `normalise = "none"`: else it is 0) against the class' false-negative rate, over
//!   test examples; Pearson, its p (Student's t), and Spearman.
//! - **Shuffled labels**: training examples whose label was changed against the rest, by their means over the runs; Welch's t.
//! - **Steadiness**: Spearman between all pairs of runs, and the standard deviation over runs beside that over examples; between models
//!   that differ in batch size (`--with` brings models of other studies), Spearman of their means.
//! - **The boundary**, the toy of section 2.1: Spearman between the values of a run and the distance to the boundary that it learned, as the score
//!   `input_margin` gives it to first order; negative where what is close varies most.
//!
//! A result per model: `model`, `runs`, `variants`, `harder` (each variant's difficult end), `test_examples`, `error` (`deciles[variant][10]`, `low`, `high`, `bottom`, `overall`, `top`,
//! `trend`: Spearman of decile and error), `classes` (`variant`, `mean[class]`, `false_negatives[class]`, `pearson`, `p`, `spearman`), `shuffled`
//! (`variant`, `changed`, `rest`: `n`, `mean`; `t`, `freedom`, `neg_ln_p`), `steadiness` (`variant`, `role`, `mean`, `low`, `high`, `sd_ratio`), `boundary`
//! (`variant`, `role`, `spearman`, `low`, `high`); then one with `batch_sizes`, a list of pairs (`models`, `batch_size`, `variant`, `role`, `spearman`).

mod answer;
mod classes;
mod deciles;
mod figures;
mod noise;
mod steadiness;

use super::again::{Memory, key};
use super::{Again, Analysis, Answer, Input, ModelScores, Options, ScoreRuns, Wants, select};
use crate::{Error, Result};

pub use classes::ClassMeans;
pub use deciles::{DECILES, Deciles};
pub use noise::Shuffled;
pub use steadiness::{Agreement, Steadiness};

/// The registry's line.
pub static ANALYSIS: Analysis = Analysis {
    name: "vog",
    question: "Does the variance of gradients rank what networks get wrong, and steadily so?",
    tab: Some(('9', "Depth·VoG")),
    compares: true,
    takes: &[],
    wants: Wants { all_roles: true, scores: &["vog", "input_margin"], about: &["vog"], ..Wants::SCORES },
    run,
    again: Some(|| Box::new(Kept::default())),
};

/// What is known of one model.
#[derive(Debug, Clone, Default)]
pub struct OfModel {
    /// Its label.
    pub model: String,
    /// Its runs.
    pub runs: usize,
    /// Test examples.
    pub test_examples: usize,
    /// Its class names.
    pub classes: Vec<String>,
    /// Error by decile, of each variant that has values for test examples.
    pub deciles: Vec<Deciles>,
    /// Class means against false-negative rates.
    pub class_means: Vec<ClassMeans>,
    /// Changed labels against the rest.
    pub shuffled: Vec<Shuffled>,
    /// How runs agree, by role.
    pub steadiness: Vec<Steadiness>,
    /// How values follow the distance to the boundary, by role.
    pub boundary: Vec<Agreement>,
    /// What is missing.
    pub warnings: Vec<String>,
}

/// Means of one variant of two models that differ in batch size.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchPair {
    /// The models.
    pub models: [String; 2],
    /// Their batch sizes.
    pub batch_size: [usize; 2],
    /// The variant.
    pub variant: String,
    /// The role of the examples.
    pub role: &'static str,
    /// Spearman's correlation of the means.
    pub spearman: f64,
}

/// The variants that are looked at: those of `--score`, or all.
fn variants<'a>(model: &'a ModelScores, options: &Options) -> Result<Vec<&'a ScoreRuns>> {
    // A name that the model has not is refused with those that it has.
    let _ = select::scores(model, &options.scores)?;
    let wanted = |score: &&ScoreRuns| options.scores.is_empty() || options.scores.contains(&score.name);
    let all = model.scores.iter().filter(|score| select::base(&score.name) == "vog");
    let chosen: Vec<&ScoreRuns> = all.filter(wanted).collect();
    if chosen.is_empty() && !options.scores.is_empty() {
        let reason = "analyze vog looks at variants of vog, such as vog.late or vog.none";
        return Err(Error::Usage(format!("--score {}: {reason}", options.scores.join(", "))));
    }
    Ok(chosen)
}

/// The score by which distances to the boundary are known.
fn distance(model: &ModelScores) -> Option<&ScoreRuns> {
    model.scores.iter().find(|score| select::base(&score.name) == "input_margin" && select::problem(score).is_none())
}

/// What one variant says of the examples of one role.
#[derive(Debug, Clone)]
struct OfVariant {
    /// Why it cannot be looked at, if so.
    problem: Option<String>,
    deciles: Option<Deciles>,
    class_means: Option<ClassMeans>,
    shuffled: Option<Shuffled>,
}

impl OfVariant {
    fn new(model: &ModelScores, variant: &ScoreRuns) -> Self {
        let (label, role) = (&model.model, model.role);
        let problem = select::problem(variant)
            .map(|_| format!("{label}, {role}: `{}` has no values, or infinite ones", variant.name));
        let (fine, is_test) = (problem.is_none(), role == "test");
        Self {
            problem,
            deciles: (fine && is_test).then(|| Deciles::new(model, variant)).flatten(),
            class_means: (fine && is_test).then(|| ClassMeans::new(model, variant)).flatten(),
            shuffled: (fine && !is_test).then(|| Shuffled::new(model, variant)).flatten(),
        }
    }
}

/// What compares the runs of one variant with each other, and with their distances to the boundary: it ranks every run.
#[derive(Debug, Clone)]
struct OfRuns {
    steadiness: Option<Steadiness>,
    boundary: Option<Agreement>,
}

impl OfRuns {
    fn new(model: &ModelScores, variant: &ScoreRuns) -> Self {
        let distance = distance(model);
        Self {
            steadiness: Steadiness::new(model, variant),
            boundary: distance.and_then(|distance| Agreement::new(model, variant, distance)),
        }
    }
}

/// What was found of each variant.
#[derive(Default)]
struct Kept {
    variants: Memory<OfVariant>,
    runs: Memory<OfRuns>,
    /// Spearman's correlation of two models' means.
    pairs: Memory<f64>,
}

impl Kept {
    /// What is known of a model, and whether nothing was left out for the sake of a quick answer.
    fn of_model(&mut self, input: &Input, label: &str, options: &Options) -> Result<(OfModel, bool)> {
        let with_role = |role: &str| input.models.iter().find(|model| model.model == label && model.role == role);
        let (mut of, mut is_whole) = (OfModel { model: label.to_owned(), ..OfModel::default() }, true);
        for model in [with_role("test"), with_role("train")].into_iter().flatten() {
            of.runs = model.runs.len();
            if of.runs == 0 {
                continue;
            }
            let variants = variants(model, options)?;
            if variants.is_empty() {
                of.warnings.push(if input.is_imported(label) {
                    format!("{label}: no score vog was imported")
                } else {
                    format!("{label}: the study has no score vog; `[scores] vog = {{}}` brings it")
                });
                return Ok((of, is_whole));
            }
            if model.role == "test" {
                of.test_examples = model.examples();
                of.classes.clone_from(&model.cohort.classes);
            }
            is_whole &= self.add(&mut of, model, &variants, options);
        }
        let has = [with_role("test").is_some(), with_role("train").and_then(distance).is_some()];
        of.warnings.extend(lacks(&of, has, input.is_imported(label)));
        Ok((of, is_whole))
    }

    /// Adds what the variants say of a role's examples; whether that is all.
    fn add(&mut self, of: &mut OfModel, model: &ModelScores, variants: &[&ScoreRuns], options: &Options) -> bool {
        let kept_as = |variant: &&ScoreRuns| key(model, &variant.name);
        let found = self.variants.all(variants, kept_as, |variant| OfVariant::new(model, variant));
        let usable: Vec<&ScoreRuns> = variants
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.problem.is_none())
            .map(|(variant, _)| *variant)
            .collect();
        for found in found {
            of.warnings.extend(found.problem);
            of.deciles.extend(found.deciles);
            of.class_means.extend(found.class_means);
            of.shuffled.extend(found.shuffled);
        }
        if options.quick && !usable.iter().all(|variant| self.runs.has(&kept_as(variant))) {
            return false;
        }
        for runs in self.runs.all(&usable, kept_as, |variant| OfRuns::new(model, variant)) {
            of.steadiness.extend(runs.steadiness);
            of.boundary.extend(runs.boundary);
        }
        true
    }
}

/// What a model lacks for some clause, and what would bring it.
fn lacks(of: &OfModel, [has_test, has_distance]: [bool; 2], imported: bool) -> Vec<String> {
    let label = &of.model;
    if of.runs == 0 {
        return vec![format!("{label}: no finished run; vog needs 1")];
    }
    let mut lacks = Vec::new();
    if !has_test || of.deciles.is_empty() {
        lacks.push(format!(
            "{label}: error by decile needs test examples with labels, final networks and values of vog"
        ));
    }
    if of.class_means.is_empty() {
        lacks.push(format!(
            "{label}: class means need a variant with normalise = \"none\" (by class every mean is 0) and 3 classes"
        ));
    }
    if of.shuffled.is_empty() {
        let advice = if imported { "" } else { " ([data] label_noise)" };
        lacks.push(format!("{label}: no changed labels are known among the training examples{advice}"));
    }
    if of.runs < 2 {
        lacks.push(format!("{label}: steadiness over initialisations needs 2 runs"));
    }
    if !has_distance {
        let advice = if imported { "" } else { " (configs/toy.toml has it)" };
        lacks.push(format!("{label}: the distance to the learned boundary needs the score input_margin{advice}"));
    }
    lacks
}

/// Pairs of models whose batch sizes are known and differ, over the same examples.
fn batch_pairs(known: &mut Memory<f64>, input: &Input, options: &Options) -> Result<Vec<BatchPair>> {
    let batch_size = |label: &str| {
        let known = input.replicates.iter().find(|replicates| replicates.model == label)?;
        Some((known.network.clone(), known.batch_size?))
    };
    let sized = input.models.iter().filter_map(|model| Some((model, batch_size(&model.model)?)));
    let sized: Vec<_> = sized.filter(|(model, _)| matches!(model.role, "test" | "train")).collect();
    let mut pairs = Vec::new();
    for (place, (a, (network, size))) in sized.iter().enumerate() {
        for (b, (other_network, other_size)) in sized.iter().skip(place + 1) {
            let comparable = a.role == b.role && a.cohort.ids == b.cohort.ids && a.examples() == b.examples();
            if !comparable || network != other_network || size == other_size {
                continue;
            }
            let (ours, theirs) = (variants(a, options)?, variants(b, options)?);
            let same = ours.iter().filter_map(|x| Some((*x, *theirs.iter().find(|y| y.name == x.name)?)));
            pairs.extend(same.filter_map(|(x, y)| {
                let key = [format!("{}\n{}", a.model, b.model), a.role.to_owned(), x.name.clone()];
                let spearman = known.get(key, || steadiness::between_means(x, y));
                (!spearman.is_nan()).then(|| BatchPair {
                    models: [a.model.clone(), b.model.clone()],
                    batch_size: [*size, *other_size],
                    variant: x.name.clone(),
                    role: a.role,
                    spearman,
                })
            }));
        }
    }
    Ok(pairs)
}

fn run(input: &Input, options: &Options) -> Result<Answer> {
    Kept::default().answer(input, options)
}

impl Again for Kept {
    fn answer(&mut self, input: &Input, options: &Options) -> Result<Answer> {
        let (mut models, mut unfinished) = (Vec::new(), false);
        for label in input.labels() {
            let (of, is_whole) = self.of_model(input, label, options)?;
            models.push(of);
            unfinished |= !is_whole;
        }
        let pairs = batch_pairs(&mut self.pairs, input, options)?;
        Ok(Answer { unfinished, ..answer::answer(&models, &pairs) })
    }
}

#[cfg(test)]
mod tests;
