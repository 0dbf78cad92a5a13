//! Checks that a config's values make sense, one sentence each.

use super::config::{Augment, Config, DataConfig, Loss, Optimizer, Precision, TrainConfig};
use crate::Error;

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

    /// The error, with the line of the key where the text has it.
    pub fn at(&self, text: &str, name: &str) -> Error {
        let line = line_of(text, &self.key).map_or(String::new(), |line| format!(":{line}"));
        Error::Usage(format!("{name}{line}: {}: {}", self.key, self.reason))
    }
}

/// The line (from 1) where a dotted key stands in TOML text, as far as it is written the plain way.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let parts: Vec<&str> = key.split('.').collect();
    let (wanted, nth) = match parts.as_slice() {
        ["model", index, ..] => ("[[model]]".to_owned(), index.parse().unwrap_or(0)),
        [_] => (String::new(), 0),
        [section, ..] => (format!("[{section}]"), 0_usize),
        [] => return None,
    };
    let field = if parts.first() == Some(&"model") { parts.get(2) } else { parts.get(1).or(parts.first()) }?;
    let (mut inside, mut seen) = (wanted.is_empty(), 0);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line.starts_with(&wanted) && !wanted.is_empty() && seen == nth;
            seen += usize::from(!wanted.is_empty() && line.starts_with(&wanted));
        } else if inside && line.split('=').next().is_some_and(|key| key.trim() == *field) {
            return Some(number + 1);
        }
    }
    None
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
    check_scores(config)
}

/// Entry by entry, so that the problem has its line: entries of different scores cannot contradict each other.
fn check_scores(config: &Config) -> Result<(), Problem> {
    for (name, entry) in &config.scores {
        let alone = toml::Table::from_iter([(name.clone(), entry.clone())]);
        crate::scores::resolve(&alone, config.train.observe)
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
    let later = [
        ("data.label_noise", data.label_noise.is_some()),
        ("data.holdout", data.holdout.is_some()),
        ("data.retrain", data.retrain.is_some()),
    ];
    match later.iter().find(|(_, set)| *set) {
        Some((key, _)) => Err(Problem::new(*key, "not yet in this version; leave it out")),
        None => Ok(()),
    }
}

fn check_train(train: &TrainConfig) -> Result<(), Problem> {
    check_epochs("train.epochs", train.epochs)?;
    check_batch("train.batch_size", train.batch_size)?;
    check_optimizer("train.optimizer", &train.optimizer)?;
    check_augment("train.augment", train.augment)?;
    check_loss("train.loss", train.loss)?;
    match train.precision {
        Precision::Fp32 => Ok(()),
        _ => Err(Problem::new("train.precision", "a CPU trains in \"fp32\" only")),
    }
}

fn check_epochs(key: &str, epochs: u32) -> Result<(), Problem> {
    if !(1..=1_000_000).contains(&epochs) {
        return Err(Problem::new(key, format!("must be at least 1 (and at most 1000000), not {epochs}")));
    }
    Ok(())
}

fn check_batch(key: &str, size: usize) -> Result<(), Problem> {
    if !(1..=65_536).contains(&size) {
        return Err(Problem::new(key, format!("must be at least 1 (and at most 65536), not {size}")));
    }
    Ok(())
}

fn check_loss(key: &str, loss: Loss) -> Result<(), Problem> {
    match loss {
        Loss::CrossEntropy => Ok(()),
        Loss::ZeroHinge => Err(Problem::new(key, "\"0-hinge\" is not yet in this version; use \"cross-entropy\"")),
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
        if !(1..=10_000).contains(&model.replicates) {
            return Err(Problem::new(key("replicates"), "must be at least 1 (and at most 10000)"));
        }
        if config.models.iter().take(index).any(|other| other.label() == model.label()) {
            let reason = format!("`{}` stands twice; give one of them another label", model.label());
            return Err(Problem::new(key("label"), reason));
        }
        let recipe = config.train.recipe(model);
        check_epochs(&key("epochs"), recipe.epochs)?;
        check_batch(&key("batch_size"), recipe.batch_size)?;
        check_optimizer(&key("optimizer"), &recipe.optimizer)?;
        check_augment(&key("augment"), recipe.augment)?;
        check_loss(&key("loss"), model.loss.unwrap_or_default())?;
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
        let message = check_scores(&toml::from_str(text).unwrap()).unwrap_err().at(text, "study.toml").to_string();
        assert!(message.starts_with("study.toml:11: scores.aum: "), "{message}");
    }
}
