//! Which scores of a study were computed elsewhere? Their part of `study.toml`, and what a plan makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{Config, ModelConfig};
use super::plan::{Plan, ReplicatePlan};
use crate::scores::{Harder, ScoreSpec};

/// Where the data of a study come from that holds imported scores alone.
pub const SOURCE: &str = "imported";

/// `[[imported]]`: a score that came from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedScore {
    /// Its name.
    pub name: String,
    /// The difficult end.
    pub harder: Harder,
    /// Whether each run has its own values; else a model has one number per example.
    pub per_run: bool,
    /// The models that have it, by label.
    pub models: BTreeMap<String, ImportedRuns>,
}

/// The runs of a model that have an imported score.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedRuns {
    /// How many; 0 where the model has one number per example.
    pub runs: u32,
    /// Indices of those whose values are not all finite: kept, and left out of every mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_finite: Vec<u32>,
}

impl ImportedScore {
    /// The score among those that a study computes.
    pub fn spec(&self) -> ScoreSpec {
        ScoreSpec::imported(&self.name, self.harder, self.per_run)
    }
}

/// Labels that no model of the config has, in the order in which they came, with the number of their runs.
pub fn labels(imported: &[ImportedScore], config: &Config) -> Vec<(String, u32)> {
    let mut labels: Vec<(String, u32)> = Vec::new();
    let foreign = |label: &str| config.models.iter().all(|model| model.label() != label);
    for (label, ImportedRuns { runs, .. }) in
        imported.iter().flat_map(|score| &score.models).filter(|(label, _)| foreign(label))
    {
        match labels.iter_mut().find(|(known, _)| known == label) {
            Some((_, most)) => *most = (*most).max(*runs),
            None => labels.push((label.clone(), *runs)),
        }
    }
    labels
}

impl Plan {
    /// The same with scores from elsewhere, and with the runs of models that are known by such scores alone.
    #[must_use]
    pub fn with_imported(mut self, imported: &[ImportedScore]) -> Self {
        self.scores.extend(imported.iter().map(ImportedScore::spec));
        self.imported.extend_from_slice(imported);
        for (label, runs) in labels(imported, &self.config) {
            let model = ModelConfig::named(&label);
            let config = &self.config;
            let runs = (0..runs).map(|index| ReplicatePlan::imported(config, &model, index));
            self.replicates.extend(runs.collect::<Vec<_>>());
        }
        self
    }

    /// The same plan with what was imported since; none where that does not go on from what was there, so that places of
    /// scores would change.
    pub fn with_more_imported(&self, imported: &[ImportedScore]) -> Option<Self> {
        let same =
            |a: &ImportedScore, b: &ImportedScore| (&a.name, a.harder, a.per_run) == (&b.name, b.harder, b.per_run);
        let goes_on =
            imported.len() >= self.imported.len() && self.imported.iter().zip(imported).all(|(a, b)| same(a, b));
        if !goes_on {
            return None;
        }
        let mut own = self.clone();
        own.scores.truncate(own.scores.len() - own.imported.len());
        own.replicates.retain(|replicate| !self.is_imported(&replicate.id.label));
        own.imported.clear();
        Some(own.with_imported(imported))
    }

    /// Labels of models that are known by imported scores alone.
    pub fn imported_labels(&self) -> Vec<String> {
        labels(&self.imported, &self.config).into_iter().map(|(label, _)| label).collect()
    }

    /// Whether a model is known by imported scores alone.
    pub fn is_imported(&self, label: &str) -> bool {
        let trained = self.config.models.iter().any(|model| model.label() == label);
        !trained && self.imported.iter().any(|score| score.models.contains_key(label))
    }

    /// The labels of all models: those of the config, then those that are known by imported scores alone.
    pub fn labels(&self) -> Vec<String> {
        let own = self.config.models.iter().map(|model| model.label().to_owned());
        own.chain(self.imported_labels()).collect()
    }

    /// Whether a model can have values of a score: its own where it is trained, imported ones where they name it.
    pub fn has_score(&self, label: &str, score: &str) -> bool {
        match self.imported.iter().find(|imported| imported.name == score) {
            Some(imported) => imported.models.contains_key(label),
            None => !self.is_imported(label),
        }
    }

    /// How many of these replicates are trained, not imported.
    pub fn trained(&self) -> usize {
        self.replicates.iter().filter(|replicate| !self.is_imported(&replicate.id.label)).count()
    }
}
