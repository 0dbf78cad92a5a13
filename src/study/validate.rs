//! Checks that a config's values make sense, one sentence each.

use super::config::{
    Augment, BatchSize, Config, DataConfig, LabelNoise, Length, NoiseKind, Observe, Optimizer, TrainConfig,
};
use super::imported::{ImportedRuns, ImportedScore};
use toml::de::{DeArray, DeTable};

use crate::Error;

/// Replicates of one model, trained or imported.
pub const MOST_RUNS: u32 = 10_000;

/// A value that cannot be: the dotted key and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    key: String,
    reason: String,
}

impl Problem {
    fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }

    /// The error: with the `--set` that the value came from, else with the line of the key in the file.
    pub fn at(&self, text: &str, name: &str, settings: &[String]) -> Error {
        let set = |setting: &&String| {
            let path = setting.split('=').next().unwrap_or("").trim();
            self.key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if let Some(setting) = settings.iter().rev().find(set) {
            return Error::Usage(format!("--set {setting}: {}: {}", self.key, self.reason));
        }
        let line = line_of(text, &self.key).map_or(String::new(), |line| format!(":{line}"));
        Error::Usage(format!("{name}{line}: {}: {}", self.key, self.reason))
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

/// The line (from 1) where a dotted key stands in TOML text, however it is written there; where the key itself is left
/// out, that of what it would stand in.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let whole = DeTable::parse(text).ok()?;
    let mut table = Some(whole.get_ref());
    let mut items = None;
    let mut start = None;
    for part in key.split('.') {
        let (at, value) = match (table, items) {
            (Some(table), _) => {
                let found = table.iter().find(|(name, _)| name.get_ref() == part);
                let Some((name, value)) = found else { break };
                (name.span().start, value)
            }
            (None, Some(items)) => {
                let items: &DeArray = items;
                let Some(value) = part.parse().ok().and_then(|index: usize| items.get(index)) else { break };
                (value.span().start, value)
            }
            (None, None) => break,
        };
        start = Some(at);
        (table, items) = (value.get_ref().as_table(), value.get_ref().as_array());
    }
    text.get(..start?).map(|before| before.matches('\n').count() + 1)
}

/// Checks a whole config.
///
/// # Errors
/// The first problem, with its key.
pub fn check(config: &Config) -> Result<(), Problem> {
    check_name("name", &config.name)?;
    check_data(&config.data)?;
    check_train(&config.train)?;
    check_models(config)?;
    check_held_out(config)?;
    check_scores(config)
}

/// Checks the config in a study's folder: one whose scores were all computed elsewhere has a name and nothing to train.
///
/// # Errors
/// The first problem, with its key.
pub fn check_record(config: &Config, imported: &[ImportedScore]) -> Result<(), Problem> {
    if config.is_imported() {
        check_name("name", &config.name)?;
        if *config != Config::imported(&config.name) {
            return Err(Problem::new(
                "data.source",
                "`imported` scores have no training, models or scores of their own",
            ));
        }
    } else {
        check(config)?;
    }
    for score in imported {
        check_imported(score).map_err(|reason| Problem::new("imported", reason))?;
    }
    Ok(())
}

/// Checks what becomes a path, and what a plan multiplies.
fn check_imported(score: &ImportedScore) -> Result<(), String> {
    crate::scores::imported::check_name(&score.name)?;
    for (label, ImportedRuns { runs, .. }) in &score.models {
        check_label(label)?;
        if *runs > MOST_RUNS || (*runs > 0) != score.per_run {
            return Err(format!(
                "`{}` of `{label}`: {runs} runs; at most {MOST_RUNS}, and none without `per_run`",
                score.name
            ));
        }
    }
    Ok(())
}

/// Checks a model's label.
///
/// # Errors
/// What a label looks like.
pub fn check_label(label: &str) -> Result<(), String> {
    check_name("label", label).map_err(|problem| problem.reason)
}

/// Entry by entry, so that the problem has its line: entries of different scores cannot contradict each other.
fn check_scores(config: &Config) -> Result<(), Problem> {
    for (name, entry) in &config.scores {
        let alone = toml::Table::from_iter([(name.clone(), entry.clone())]);
        crate::scores::resolve(&alone, config.conditions())
            .map_err(|error| Problem::new(format!("scores.{name}"), error.to_string()))?;
    }
    Ok(())
}

fn check_name(key: &str, name: &str) -> Result<(), Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let reason = format!("`{name}` names a folder: use letters, digits, `-`, `_` and `.`, not starting with `.`");
        return Err(Problem::new(key, reason));
    }
    Ok(())
}

fn check_data(data: &DataConfig) -> Result<(), Problem> {
    crate::data::sources::find(&data.source).map_err(|reason| Problem::new("data.source", reason))?;
    if data.limit == Some(0) {
        return Err(Problem::new("data.limit", "must be at least 1"));
    }
    if let Some(noise) = &data.label_noise {
        check_noise(noise)?;
    }
    Ok(())
}

fn check_noise(noise: &LabelNoise) -> Result<(), Problem> {
    if !(0.0..=1.0).contains(&noise.rate) {
        let reason = format!("must be a share of the training examples from 0 to 1, not {}", noise.rate);
        return Err(Problem::new("data.label_noise.rate", reason));
    }
    let key = "data.label_noise.matrix";
    match (&noise.matrix, noise.kind) {
        (None, NoiseKind::Matrix) => Err(Problem::new(key, "kind = \"matrix\" needs one: a row per class")),
        (Some(rows), NoiseKind::Matrix) => rows.iter().enumerate().try_for_each(|(class, row)| {
            let sums_to_one = (row.iter().sum::<f64>() - 1.0).abs() < 1e-6;
            if row.len() == rows.len() && sums_to_one && row.iter().all(|share| (0.0..=1.0).contains(share)) {
                return Ok(());
            }
            let reason = format!("row {class} must be {} probabilities that sum to 1", rows.len());
            Err(Problem::new(key, reason))
        }),
        (Some(_), _) => Err(Problem::new(key, "belongs to kind = \"matrix\"; leave it out")),
        (None, _) => Ok(()),
    }
}

/// Hold-outs need sweeps: a minibatch never sees what is held out.
fn check_held_out(config: &Config) -> Result<(), Problem> {
    let own = config.models.iter().enumerate();
    let own = own.map(|(index, model)| (format!("model.{index}.holdout"), model.holdout));
    let shares = own.chain([
        ("data.holdout".to_owned(), config.data.holdout),
        ("data.retrain.fraction".to_owned(), config.data.retrain.map(|retrain| retrain.fraction)),
    ]);
    for (key, share) in shares.filter_map(|(key, share)| Some((key, share?))) {
        if !(0.0..1.0).contains(&share) {
            let reason = format!("must be a share of the training examples from 0 to below 1, not {share}");
            return Err(Problem::new(key, reason));
        }
        if config.train.observe != Observe::Sweep {
            let reason = "needs observe = \"sweep\" in [train]: minibatches never show what is held out";
            return Err(Problem::new(key, reason));
        }
    }
    match config.data.retrain {
        Some(retrain) if !(0.0..=1e6).contains(&retrain.lr) => {
            Err(Problem::new("data.retrain.lr", format!("must be a finite number from 0 to 1e6, not {}", retrain.lr)))
        }
        Some(retrain) if retrain.epochs > 100_000 => Err(Problem::new("data.retrain.epochs", "must be at most 100000")),
        _ => Ok(()),
    }
}

fn check_train(train: &TrainConfig) -> Result<(), Problem> {
    check_length("train", train.epochs, train.steps)?;
    check_every("train.observe_every", train.observe_every)?;
    check_batch("train.batch_size", train.batch_size)?;
    check_optimizer("train.optimizer", &train.optimizer)?;
    check_augment("train.augment", train.augment)
}

/// Epochs or steps, in the table `place`, not both.
fn check_length(place: &str, epochs: Option<u32>, steps: Option<u64>) -> Result<(), Problem> {
    if epochs.is_some() && steps.is_some() {
        return Err(Problem::new(format!("{place}.steps"), "there is `epochs` too; leave one of them out"));
    }
    let (most, length) = match Length::of(epochs, steps) {
        None => return Ok(()),
        Some(length @ Length::Epochs(_)) => (1_000_000, length),
        Some(length @ Length::Steps(_)) => (1_000_000_000, length),
    };
    if !(1..=most).contains(&length.number()) {
        let reason = format!("must be at least 1 (and at most {most}), not {}", length.number());
        return Err(Problem::new(format!("{place}.{}", length.unit()), reason));
    }
    Ok(())
}

fn check_every(key: &str, every: Option<u32>) -> Result<(), Problem> {
    if every == Some(0) {
        return Err(Problem::new(key, "must be at least 1: observed after every epoch"));
    }
    Ok(())
}

fn check_batch(key: &str, size: BatchSize) -> Result<(), Problem> {
    match size {
        BatchSize::Examples(size) if !(1..=65_536).contains(&size) => {
            let reason = format!("must be at least 1 (and at most 65536) or \"full\", not {size}");
            Err(Problem::new(key, reason))
        }
        BatchSize::Examples(_) | BatchSize::Full => Ok(()),
    }
}

fn check_augment(key: &str, augment: Augment) -> Result<(), Problem> {
    if augment.crop > 64 {
        return Err(Problem::new(format!("{key}.crop"), format!("must be at most 64 pixels, not {}", augment.crop)));
    }
    Ok(())
}

fn check_optimizer(key: &str, optimizer: &Optimizer) -> Result<(), Problem> {
    let within = |name: &str, value: f64, low: f64, high: f64| {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(Problem::new(format!("{key}.{name}"), format!("must be a finite number from {low} to {high}, not {value}")))
    };
    within("lr", optimizer.lr, 0.0, 1e6)?;
    within("momentum", optimizer.momentum, 0.0, 1.0)?;
    within("weight_decay", optimizer.weight_decay, 0.0, 1e6)?;
    within("gamma", optimizer.gamma, 0.0, 1e6)?;
    if !optimizer.milestones.is_sorted_by(|a, b| a < b) {
        return Err(Problem::new(format!("{key}.milestones"), "must rise"));
    }
    Ok(())
}

fn check_models(config: &Config) -> Result<(), Problem> {
    if config.models.is_empty() {
        return Err(Problem::new("model", "a study needs at least one [[model]]"));
    }
    for (index, model) in config.models.iter().enumerate() {
        let key = |field: &str| format!("model.{index}.{field}");
        crate::models::parse(&model.name).map_err(|reason| Problem::new(key("name"), reason))?;
        check_name(&key("label"), model.label())?;
        if !(1..=MOST_RUNS).contains(&model.replicates) {
            let reason = format!("must be at least 1 (and at most {MOST_RUNS})");
            return Err(Problem::new(key("replicates"), reason));
        }
        if config.models.iter().take(index).any(|other| other.label() == model.label()) {
            let reason = format!("`{}` stands twice; give one of them another label", model.label());
            return Err(Problem::new(key("label"), reason));
        }
        check_length(&format!("model.{index}"), model.epochs, model.steps)?;
        if [model.epochs, config.train.epochs].iter().all(Option::is_none)
            && [model.steps, config.train.steps].iter().all(Option::is_none)
        {
            let reason = format!("how long is {} trained? give a number of epochs, or of steps", model.label());
            return Err(Problem::new("train.epochs", reason));
        }
        let recipe = config.train.recipe(model);
        check_every(&key("observe_every"), model.observe_every)?;
        check_batch(&key("batch_size"), recipe.batch_size)?;
        check_optimizer(&key("optimizer"), &recipe.optimizer)?;
        check_augment(&key("augment"), recipe.augment)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_score_is_named_with_its_line() {
        let text = "name = 'x'\n[data]\nsource = 'embedded'\n[train]\nepochs = 2\n[[model]]\nname = 'resnet8'\n\
                    replicates = 1\n[scores]\nel2n = {}\naum = { space = 'logits' }\n";
        let message = check_scores(&toml::from_str(text).unwrap()).unwrap_err().at(text, "study.toml", &[]).to_string();
        assert!(message.starts_with("study.toml:11: scores.aum: "), "{message}");
    }
}
