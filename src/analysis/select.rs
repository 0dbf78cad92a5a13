//! Which scores does an analysis look at? A user's choice, or the first-listed variant of each score.

use std::collections::HashSet;

use super::ModelScores;
use crate::error::did_you_mean;
use crate::{Error, Result};

/// The name without `@epoch` and settings; that of an imported score is one word, whatever is in it.
pub fn base(name: &str) -> &str {
    let base = name.split(['@', '.']).next().unwrap_or(name);
    if crate::scores::imported::is_own(name) { base } else { name }
}

/// Places of the wanted scores in `model.scores`, in their order there. Nothing wanted: the first-listed variant of
/// each score, without `variability`, whose direction is a convention.
///
/// # Errors
/// `Error::Usage` for a score that the model has not, with those that it has.
pub fn scores(model: &ModelScores, wanted: &[String]) -> Result<Vec<usize>> {
    let names: Vec<&str> = model.scores.iter().map(|score| score.name.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        let near = did_you_mean(unknown, names.iter().copied());
        let known = names.join(", ");
        return Err(Error::Usage(format!("{} has no score `{unknown}`{near}; it has {known}", model.model)));
    }
    let chosen = if wanted.is_empty() {
        by_default(&names)
    } else {
        names.iter().map(|name| wanted.iter().any(|wanted| wanted == name)).collect()
    };
    Ok(chosen.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(place, _)| place).collect())
}

/// Which of the scores of these names are looked at where nobody chooses: the first-listed variant of each, without
/// `variability`.
pub fn by_default(names: &[&str]) -> Vec<bool> {
    let mut seen = HashSet::new();
    names.iter().map(|name| base(name) != "variability" && seen.insert(base(name).to_owned())).collect()
}

/// Why an analysis has to leave a score out, if so.
pub fn problem(score: &super::ScoreRuns) -> Option<String> {
    let name = &score.name;
    if score.values.iter().any(|value| value.is_infinite()) {
        return Some(format!("`{name}` is left out: its infinite values are for ranks and export only"));
    }
    if score.values.iter().all(|value| value.is_nan()) {
        return Some(format!("`{name}` is left out: it has no values"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::ScoreRuns;
    use super::*;
    use crate::scores::Harder;
    use ndarray::Array2;

    fn model(names: &[&str]) -> ModelScores {
        let score =
            |name: &&str| ScoreRuns { name: (*name).to_owned(), harder: Harder::High, values: Array2::zeros((1, 2)) };
        ModelScores {
            model: "m".into(),
            role: "train",
            runs: vec![0],
            scores: names.iter().map(score).collect(),
            cohort: std::sync::Arc::default(),
            predicted: Array2::default((0, 0)),
        }
    }

    #[test]
    fn the_default_is_the_first_variant_of_each_without_variability() {
        let model = model(&["loss", "variability", "aum.logit", "aum", "el2n@20", "el2n@0"]);
        assert_eq!(scores(&model, &[]).unwrap(), [0, 2, 4]);
        let imported = self::model(&["paper.loss", "paper.aum"]);
        assert_eq!(scores(&imported, &[]).unwrap(), [0, 1], "they are no variants of one score");
        let wanted = ["el2n@0", "variability"].map(String::from);
        assert_eq!(scores(&model, &wanted).unwrap(), [1, 5]);
    }

    #[test]
    fn an_unknown_score_is_refused_with_the_nearest() {
        let refusal = scores(&model(&["loss", "aum"]), &["los".to_owned()]).unwrap_err().to_string();
        assert!(refusal.contains("did you mean `loss`") && refusal.contains("loss, aum"), "{refusal}");
    }
}
