//! Which replicates a study has, in the order in which they are trained.

use super::config::{Config, ModelConfig, Recipe};
use crate::random::Key;
use crate::scores::ScoreSpec;

/// One replicate: a model's label and an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicateId {
    /// The model's label.
    pub label: String,
    /// From 0.
    pub index: u32,
}

impl std::fmt::Display for ReplicateId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{:03}", self.label, self.index)
    }
}

/// What one replicate is and how it is trained.
#[derive(Debug, Clone)]
pub struct ReplicatePlan {
    /// Its name.
    pub id: ReplicateId,
    /// The architecture.
    pub model: String,
    /// The key of all its randomness.
    pub key: Key,
    /// How it is trained.
    pub recipe: Recipe,
}

/// The whole study.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The config that this plan follows.
    pub config: Config,
    /// All replicates: index by index, the models in turn, so that early results compare the models.
    pub replicates: Vec<ReplicatePlan>,
    /// Every score that the study computes, in the registry's order.
    pub scores: Vec<ScoreSpec>,
}

impl Plan {
    /// The plan of a (valid) config.
    ///
    /// # Errors
    /// `Error::Usage` where a score is unknown or cannot be had with this config.
    pub fn new(config: &Config) -> crate::Result<Self> {
        let scores = crate::scores::resolve(&config.scores, config.train.observe)?;
        let most = config.models.iter().map(|model| model.replicates).max().unwrap_or(0);
        let replicates = (0..most)
            .flat_map(|index| {
                config.models.iter().filter(move |model| index < model.replicates).map(move |m| (m, index))
            })
            .map(|(model, index)| Self::replicate(config, model, index))
            .collect();
        Ok(Self { config: config.clone(), replicates, scores })
    }

    /// What a user should know before it starts: scores without values, milestones that are never reached.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for model in &self.config.models {
            let recipe = self.config.train.recipe(model);
            let unused = recipe.optimizer.milestones.iter().filter(|milestone| **milestone >= recipe.epochs);
            let unused: Vec<String> = unused.map(ToString::to_string).collect();
            let label = model.label();
            if !unused.is_empty() {
                let (which, epochs) = (unused.join(", "), recipe.epochs);
                warnings.push(format!("{label}: milestones {which} come after its {epochs} epochs and change nothing"));
            }
            let scores = self.scores.iter().filter_map(|spec| spec.warning(recipe.epochs));
            warnings.extend(scores.map(|warning| format!("{label}: {warning}")));
        }
        warnings
    }

    fn replicate(config: &Config, model: &ModelConfig, index: u32) -> ReplicatePlan {
        let label = model.label().to_owned();
        ReplicatePlan {
            id: ReplicateId { label: label.clone(), index },
            model: model.name.clone(),
            key: Key { study_seed: config.train.seed, label, index },
            recipe: config.train.recipe(model),
        }
    }
}
