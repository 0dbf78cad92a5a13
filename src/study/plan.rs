//! Which replicates a study has, in the order in which they are trained.

use std::sync::Arc;

use super::config::{Config, Length, ModelConfig, Recipe};
use super::imported::ImportedScore;
use super::timetable::Timetable;
use crate::data::{self, HeldOut, Role};
use crate::random::Key;
use crate::scores::{ScoreSpec, Setup};
use crate::{Error, Result};

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
    /// What it does not train on.
    pub held_out: HeldOut,
    /// What the recipe means on the examples that it trains on.
    pub timetable: Timetable,
    /// Training examples of the data set, the held-out ones among them.
    pub examples: usize,
}

impl ReplicatePlan {
    fn of(config: &Config, model: &ModelConfig, index: u32, train: usize) -> Self {
        let recipe = config.train.recipe(model);
        let (label, held_out) = (model.label().to_owned(), config.held_out(model));
        Self {
            id: ReplicateId { label: label.clone(), index },
            model: model.name.clone(),
            key: Key { study_seed: config.train.seed, label, index },
            timetable: Timetable::new(&recipe, held_out.trained(train)),
            held_out,
            recipe,
            examples: train,
        }
    }

    /// A run that is known by its scores alone: it was never trained here, and holds nothing out.
    pub(super) fn imported(config: &Config, model: &ModelConfig, index: u32) -> Self {
        let plan = Self::of(config, model, index, 0);
        Self { held_out: HeldOut::default(), timetable: Timetable::default(), ..plan }
    }

    /// The role of every example of a data set of `train` training and `test` test examples.
    pub fn roles(&self, train: usize, test: usize) -> Arc<[Role]> {
        data::roles::roles(train, test, self.held_out, self.key.study_seed, self.key.index).into()
    }

    /// After how many epochs the learning rate drops, each time; within one where milestones are steps.
    pub fn milestones(&self) -> Vec<f64> {
        let unit = match self.recipe.length {
            Length::Epochs(_) => 1.0,
            Length::Steps(_) => self.timetable.steps_per_epoch as f64,
        };
        self.recipe.optimizer.milestones.iter().map(|milestone| f64::from(*milestone) / unit).collect()
    }
}

/// One of several parts of a study, such as `2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
        match numbers {
            Some((part, parts)) if part >= 1 && part <= parts => Ok(Self { part, parts }),
            _ => Err("expected i/n with i from 1 to n, such as 1/3".into()),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.part, self.parts)
    }
}

/// The whole study.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The config that this plan follows.
    pub config: Config,
    /// All replicates: index by index, the models in turn, so that early results compare the models.
    pub replicates: Vec<ReplicatePlan>,
    /// Every score that the study has: those that it computes, in the registry's order, then those from elsewhere.
    pub scores: Vec<ScoreSpec>,
    /// Scores from elsewhere; they follow the computed ones in `scores`.
    pub imported: Vec<ImportedScore>,
}

impl Plan {
    /// The plan of a (valid) config on so many training examples.
    ///
    /// # Errors
    /// `Error::Usage` where a score is unknown or cannot be had with this config, or nothing is left to train on.
    pub fn new(config: &Config, train: usize) -> Result<Self> {
        // Where nothing is trained, nothing is computed.
        let computed = || crate::scores::resolve(&config.scores, config.conditions());
        let scores = if config.is_imported() { Vec::new() } else { computed()? };
        if let Some(retrain) = config.data.retrain
            && config.models.iter().any(|model| config.held_out(model).retrain_count(train) == 0)
        {
            // Fine-tuning on nothing changes nothing: `holdout_retraining` would be 0 everywhere, and look like a finding.
            let fraction = retrain.fraction;
            let reason = format!("{fraction} of {train} training examples is none to fine-tune on");
            return Err(Error::Usage(format!("data.retrain.fraction: {reason}; set a larger share")));
        }
        for model in &config.models {
            if config.held_out(model).trained(train) == 0 {
                let reason = format!("nothing of {train} training examples is left for {}", model.label());
                return Err(Error::Usage(format!("data.holdout, data.retrain: {reason}; hold out less")));
            }
        }
        let most = config.models.iter().map(|model| model.replicates).max().unwrap_or(0);
        let replicates = (0..most)
            .flat_map(|index| {
                config.models.iter().filter(move |model| index < model.replicates).map(move |m| (m, index))
            })
            .map(|(model, index)| ReplicatePlan::of(config, model, index, train))
            .collect();
        Ok(Self { config: config.clone(), replicates, scores, imported: Vec::new() })
    }

    /// Keeps the replicates of one part. Each model's replicates go to the parts in turn, each model beginning with the
    /// next part, so that the parts are alike and stay the same when replicates or models are added.
    pub fn keep(&mut self, shard: Shard) {
        let place = |label: &str| self.config.models.iter().position(|model| model.label() == label).unwrap_or(0);
        let part = |id: &ReplicateId| (place(&id.label) as u64 + u64::from(id.index)) % u64::from(shard.parts.max(1));
        self.replicates.retain(|replicate| part(&replicate.id) + 1 == u64::from(shard.part));
    }

    /// What a user should know before it starts: scores without values, milestones that are never reached.
    pub fn warnings(&self) -> Vec<String> {
        self.firsts().flat_map(|replicate| self.warnings_of(replicate)).collect()
    }

    /// The first replicate of each model that has any here: in a shard it need not be number 0.
    pub fn firsts(&self) -> impl Iterator<Item = &ReplicatePlan> {
        let of = |label| self.replicates.iter().find(move |replicate| replicate.id.label == label);
        self.config.models.iter().filter_map(move |model| of(model.label()))
    }

    fn warnings_of(&self, replicate: &ReplicatePlan) -> Vec<String> {
        let ReplicatePlan { id, recipe, timetable, .. } = replicate;
        let mut warnings = Vec::new();
        let (label, length, unit) = (&id.label, recipe.length.number(), recipe.length.unit());
        let unused = recipe.optimizer.milestones.iter().filter(|milestone| u64::from(**milestone) >= length);
        let unused: Vec<String> = unused.map(ToString::to_string).collect();
        if !unused.is_empty() {
            let which = unused.join(", ");
            warnings.push(format!("{label}: milestones {which} come after its {length} {unit} and change nothing"));
        }
        if timetable.rows == 0 {
            let cut = "its only epoch is cut before every example was seen: no observations, and no scores of them";
            warnings.push(format!("{label}: {cut}; train longer, or observe = \"sweep\""));
        }
        let setup = self.setup(replicate);
        let scores = self.scores.iter().filter_map(|spec| spec.warning(&setup));
        warnings.extend(scores.map(|warning| format!("{label}: {warning}")));
        warnings
    }

    /// What decides which scores the model of a replicate can have: all its replicates, also those of other parts.
    fn setup(&self, ReplicatePlan { id, held_out, timetable, examples, .. }: &ReplicatePlan) -> Setup {
        let model = self.config.models.iter().find(|model| model.label() == id.label);
        Setup {
            timetable: *timetable,
            replicates: model.map_or(0, |model| model.replicates as usize),
            trained: held_out.trained(*examples),
            held_out: held_out.holdout_count(*examples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(replicates: u32) -> Plan {
        let text = format!(
            "name = \"s\"\ndata = {{ source = \"embedded\" }}\ntrain = {{ epochs = 1 }}\n[[model]]\nname = \"resnet8\"\n\
             replicates = {replicates}\n[[model]]\nname = \"mlp-4x1\"\nreplicates = 3\n"
        );
        Plan::new(&Config::parse(&text, "s.toml", &[]).unwrap(), 100).unwrap()
    }

    fn part(replicates: u32, shard: &str) -> Vec<String> {
        let mut plan = plan(replicates);
        plan.keep(shard.parse().unwrap());
        plan.replicates.iter().map(|replicate| replicate.id.to_string()).collect()
    }

    #[test]
    fn every_model_warns_in_every_part_that_has_some_of_it() {
        for shard in ["1/2", "2/2"] {
            let mut plan = plan(4);
            for replicate in &mut plan.replicates {
                replicate.recipe.optimizer.milestones = vec![5];
            }
            plan.keep(shard.parse().unwrap());
            let warnings = plan.warnings();
            assert_eq!(warnings.len(), 2, "{shard}: {warnings:?}");
            assert!(warnings[0].starts_with("resnet8: ") && warnings[1].starts_with("mlp-4x1: "), "{warnings:?}");
        }
    }

    #[test]
    fn the_parts_are_alike_and_together_the_whole() {
        assert_eq!(part(4, "1/2"), ["resnet8/000", "mlp-4x1/001", "resnet8/002"]);
        assert_eq!(part(4, "2/2"), ["mlp-4x1/000", "resnet8/001", "mlp-4x1/002", "resnet8/003"]);
        assert_eq!(part(4, "1/1").len(), 7);
        let parts: Vec<String> = (1..=9).flat_map(|i| part(4, &format!("{i}/9"))).collect();
        assert_eq!(parts.len(), 7, "more parts than replicates of a model: {parts:?}");
    }

    #[test]
    fn more_replicates_move_none_to_another_part() {
        let (few, many) = (part(2, "2/3"), part(9, "2/3"));
        assert!(few.iter().all(|id| many.contains(id)), "{few:?} {many:?}");
    }

    #[test]
    fn a_shard_that_is_none_is_refused() {
        for text in ["0/2", "3/2", "1", "1/0", "a/b", "", "1/2/3", "-1/2"] {
            assert!(text.parse::<Shard>().unwrap_err().contains("i/n"), "{text}");
        }
        assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
    }
}
