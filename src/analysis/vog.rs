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

use super::{Analysis, Answer, Input, ModelScores, Options, ScoreRuns, Wants, select};
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
    wants: Wants { all_roles: true, scores: &["vog", "input_margin"], ..Wants::SCORES },
    run,
    again: None,
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

fn of_model(input: &Input, label: &str, options: &Options) -> Result<OfModel> {
    let with_role = |role: &str| input.models.iter().find(|model| model.model == label && model.role == role);
    let mut of = OfModel { model: label.to_owned(), ..OfModel::default() };
    for model in [with_role("test"), with_role("train")].into_iter().flatten() {
        of.runs = model.runs.len();
        if of.runs == 0 {
            continue;
        }
        let variants = variants(model, options)?;
        if variants.is_empty() {
            of.warnings.push(format!("{label}: the study has no score vog; `[scores] vog = {{}}` brings it"));
            return Ok(of);
        }
        let (usable, empty): (Vec<&ScoreRuns>, Vec<&ScoreRuns>) =
            variants.into_iter().partition(|variant| select::problem(variant).is_none());
        let role = model.role;
        of.warnings.extend(
            empty.iter().map(|score| format!("{label}, {role}: `{}` has no values, or infinite ones", score.name)),
        );
        if role == "test" {
            of.test_examples = model.examples();
            of.classes.clone_from(&model.cohort.classes);
            of.deciles = usable.iter().filter_map(|variant| Deciles::new(model, variant)).collect();
            of.class_means = usable.iter().filter_map(|variant| ClassMeans::new(model, variant)).collect();
        } else {
            of.shuffled = usable.iter().filter_map(|variant| Shuffled::new(model, variant)).collect();
        }
        of.steadiness.extend(usable.iter().filter_map(|variant| Steadiness::new(model, variant)));
        if let Some(distance) = distance(model) {
            of.boundary.extend(usable.iter().filter_map(|variant| Agreement::new(model, variant, distance)));
        }
    }
    of.warnings.extend(lacks(&of, with_role("test").is_some(), with_role("train").and_then(distance).is_some()));
    Ok(of)
}

/// What a model lacks for some clause, and what would bring it.
fn lacks(of: &OfModel, has_test: bool, has_distance: bool) -> Vec<String> {
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
        lacks.push(format!("{label}: no changed labels among the training examples ([data] label_noise)"));
    }
    if of.runs < 2 {
        lacks.push(format!("{label}: steadiness over initialisations needs 2 runs"));
    }
    if !has_distance {
        lacks.push(format!(
            "{label}: the distance to the learned boundary needs the score input_margin (configs/toy.toml has it)"
        ));
    }
    lacks
}

/// Pairs of models whose batch sizes are known and differ, over the same examples.
fn batch_pairs(input: &Input, options: &Options) -> Result<Vec<BatchPair>> {
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
                let spearman = steadiness::between_means(x, y);
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
    let models = input.labels().into_iter().map(|label| of_model(input, label, options)).collect::<Result<Vec<_>>>()?;
    Ok(answer::answer(&models, &batch_pairs(input, options)?))
}

#[cfg(test)]
mod tests;
