//! What a study is: the TOML file, its defaults, `--set`, and errors that name file, line and the nearest valid name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use super::recipe::{Augment, BatchSize, Length, Loss, NormInit, Observe, Optimizer, Precision, Recipe};
use super::validate;
use crate::data::HeldOut;
use crate::error::nearest;
use crate::scores::Conditions;
use crate::{Error, Result};

/// A study as configured. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The study's name; also the default folder.
    pub name: String,
    /// What is trained on.
    pub data: DataConfig,
    /// How it is trained; left out where all scores were computed elsewhere.
    #[serde(default, skip_serializing_if = "TrainConfig::is_default")]
    pub train: TrainConfig,
    /// The models and how many replicates of each.
    #[serde(rename = "model", default)]
    pub models: Vec<ModelConfig>,
    /// Scores beyond the trajectory scores, and other settings of those: name to a table of settings, or a list of them.
    #[serde(default)]
    pub scores: toml::Table,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `embedded`, `fashion-mnist`, `mnist`, `cifar10` or `cifar100`.
    pub source: String,
    /// Folder of the source's files; by default the source's folder among the user's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A stratified, seeded subset of so many training examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Wrong labels for some of the training examples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_noise: Option<LabelNoise>,
    /// Share of the training examples that each replicate holds out, its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<f64>,
    /// A part for the fine-tuning of `holdout_retraining`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrain: Option<Retrain>,
}

/// `[data] label_noise`: exactly the rounded share of the training examples is chosen; test examples keep their labels.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LabelNoise {
    /// What happens to the chosen.
    pub kind: NoiseKind,
    /// Share of the training examples that are chosen.
    pub rate: f64,
    /// For `matrix`: `matrix[c][d]` is the probability that a chosen example of class c gets label d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Vec<Vec<f64>>>,
}

/// What happens to the labels of the chosen examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoiseKind {
    /// Any other class, all alike.
    Symmetric,
    /// The next class, the last one's being the first.
    Pairs,
    /// As a matrix says, which may keep a label.
    Matrix,
    /// Any class, the own one included (Baldock et al. 2021).
    Random,
    /// Their labels are permuted among them (Agarwal et al. 2022).
    Shuffle,
}

/// `[data] retrain`: a part drawn by the study's seed and kept out of training; the trained network is fine-tuned on it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retrain {
    /// Share of the training examples.
    pub fraction: f64,
    /// Epochs of fine-tuning.
    pub epochs: u32,
    /// Its learning rate.
    pub lr: f64,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training examples; this or `steps`, unless every model has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    /// Steps of SGD instead of epochs; milestones are steps too then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Examples per step, or `"full"`.
    #[serde(default)]
    pub batch_size: BatchSize,
    /// Stochastic gradient descent and its schedule.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Random crop and flip.
    #[serde(default)]
    pub augment: Augment,
    /// What training minimises.
    #[serde(default)]
    pub loss: Loss,
    /// Arithmetic: `fp32` on a CPU; on CUDA also `tf32`, the default there, and `bf16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// When examples are observed.
    #[serde(default)]
    pub observe: Observe,
    /// Observations, test and line in `epochs.jsonl` every so many epochs (by default every one), and after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_every: Option<u32>,
    /// How norm weights start.
    #[serde(default)]
    pub norm_init: NormInit,
    /// At least this many seconds between checkpoints; 0: every epoch.
    #[serde(default = "default_checkpoint_seconds")]
    pub checkpoint_seconds: u64,
    /// Seed of the study; every replicate's seed comes from it.
    #[serde(default)]
    pub seed: u64,
}

const fn default_checkpoint_seconds() -> u64 {
    60
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: None,
            steps: None,
            batch_size: BatchSize::default(),
            optimizer: Optimizer::default(),
            augment: Augment::default(),
            loss: Loss::default(),
            precision: None,
            observe: Observe::default(),
            observe_every: None,
            norm_init: NormInit::default(),
            checkpoint_seconds: default_checkpoint_seconds(),
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// Whether nothing is said about training.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[[model]]`: an architecture, how often, and what differs from `[train]` for it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The architecture, such as `resnet20`, `resnet8-8` or `mlp-512x7`.
    pub name: String,
    /// Names the folder; by default the architecture's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many replicates.
    pub replicates: u32,
    /// Over `[train]`'s epochs or steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    /// Over `[train]`'s epochs or steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Over `[train]`'s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<BatchSize>,
    /// Over `[train]`'s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observe_every: Option<u32>,
    /// Over `[data]`'s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holdout: Option<f64>,
    /// Over `[train]`'s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Optimizer>,
    /// Over `[train]`'s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Over `[train]`'s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
}

impl ModelConfig {
    /// A model of which nothing but the name is known.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            label: None,
            replicates: 0,
            epochs: None,
            steps: None,
            batch_size: None,
            observe_every: None,
            holdout: None,
            optimizer: None,
            augment: None,
            loss: None,
        }
    }

    /// The label, or the name where there is none.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

impl Config {
    /// What decides which scores the study can give.
    pub fn conditions(&self) -> Conditions {
        let holds_out = |model: &ModelConfig| self.held_out(model).holdout > 0.0;
        Conditions {
            observe: self.train.observe,
            holds_out: self.models.iter().any(holds_out),
            retrain: self.data.retrain,
        }
    }

    /// What replicates of a model do not train on.
    pub fn held_out(&self, model: &ModelConfig) -> HeldOut {
        HeldOut {
            holdout: model.holdout.or(self.data.holdout).unwrap_or(0.0),
            retrain: self.data.retrain.map_or(0.0, |retrain| retrain.fraction),
        }
    }

    /// What the folder of a study says whose scores were all computed elsewhere.
    pub fn imported(name: &str) -> Self {
        let data = DataConfig {
            source: super::imported::SOURCE.to_owned(),
            path: None,
            limit: None,
            label_noise: None,
            holdout: None,
            retrain: None,
        };
        let train = TrainConfig::default();
        Self { name: name.to_owned(), data, train, models: Vec::new(), scores: toml::Table::new() }
    }

    /// Whether all scores of the study were computed elsewhere.
    pub fn is_imported(&self) -> bool {
        self.data.source == super::imported::SOURCE
    }

    /// Reads a config file and applies `--set key=value` to it.
    ///
    /// # Errors
    /// `Error::Usage` with file, line, the nearest valid name and what was expected.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::Usage(match error.kind() {
                std::io::ErrorKind::NotFound => format!("{}: no such config file", path.display()),
                _ => Error::io(path)(error).to_string(),
            })
        })?;
        let mut config = Self::parse(&text, &path.display().to_string(), settings)?;
        if let Some(data) = &config.data.path {
            // A path given by --set is the caller's; one in the file is relative to the file.
            let own = !settings.iter().any(|setting| setting.trim_start().starts_with("data.path"));
            let base = if own { path.parent().unwrap_or(Path::new("")) } else { Path::new("") };
            let path = base.join(expand_home(data));
            // study.toml keeps it: it must mean the same from every folder.
            config.data.path = Some(std::path::absolute(&path).map_err(Error::io(&path))?);
        }
        Ok(config)
    }

    /// Replicates of all models.
    pub fn replicates(&self) -> usize {
        self.models.iter().map(|model| model.replicates as usize).sum()
    }

    /// Parses a config's text; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, name: &str, settings: &[String]) -> Result<Self> {
        let place = |error: &toml::de::Error| -> Error { Error::Usage(describe(error, text, name)) };
        if settings.is_empty() {
            let config: Self = toml::from_str(text).map_err(|error| place(&error))?;
            return validate::check(&config)
                .map(|()| config.clone())
                .map_err(|problem| problem.at(text, name, settings));
        }
        let mut table: toml::Table = toml::from_str(text).map_err(|error| place(&error))?;
        for setting in settings {
            apply(&mut table, setting)?;
        }
        let config: Self = table.try_into().map_err(|error: toml::de::Error| {
            // The file's own mistakes have a line; what is left came in through --set.
            match toml::from_str::<Self>(text) {
                Err(own) => place(&own),
                Ok(_) => Error::Usage(format!("--set {}: {}", settings.join(" --set "), suggestion(error.message()))),
            }
        })?;
        validate::check(&config).map_err(|problem| problem.at(text, name, settings))?;
        Ok(config)
    }
}

/// `file:line:column: message`, with the nearest valid name where one is near.
fn describe(error: &toml::de::Error, text: &str, name: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    format!("{name}:{line}:{column}: {}", suggestion(error.message()))
}

/// Adds "did you mean" to serde's "unknown field `x`, expected one of `a`, `b`".
fn suggestion(message: &str) -> String {
    let message = message.trim_end().replace('\n', ": ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let near = match (message.starts_with("unknown "), quoted.next()) {
        (true, Some(wrong)) => nearest(wrong, quoted).map(str::to_owned),
        _ => None,
    };
    near.map_or(message.clone(), |near| format!("{message}; did you mean `{near}`?"))
}

/// `~/x` is under the user's home.
fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_path_buf(),
    }
}

/// Applies one `dotted.path=value`; list items go by index, the value is TOML (a bare word is taken as a string).
/// A length replaces the others that stood for it.
fn apply(table: &mut toml::Table, setting: &str) -> Result<()> {
    let bad = |reason: &str| Error::Usage(format!("--set {setting}: {reason}"));
    let (path, text) = setting.split_once('=').ok_or_else(|| bad("expected key=value, such as train.epochs=2"))?;
    let value = parse_value(text.trim()).ok_or_else(|| bad("the value is not TOML; strings need quotes"))?;
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    forget_lengths(table, &keys);
    let last = keys.pop().filter(|key| !key.is_empty()).ok_or_else(|| bad("the key is empty"))?;
    let mut root = toml::Value::Table(std::mem::take(table));
    let mut place = &mut root;
    for key in keys {
        place = step_into(place, key).ok_or_else(|| bad(&format!("there is no `{key}` to go into")))?;
    }
    match place {
        toml::Value::Table(inner) => {
            inner.insert(last.to_owned(), value);
        }
        toml::Value::Array(items) => {
            let item = last.parse().ok().and_then(|index: usize| items.get_mut(index));
            *item.ok_or_else(|| bad(&format!("the list has no item `{last}`")))? = value;
        }
        _ => return Err(bad(&format!("`{last}` lies inside something that is no table"))),
    }
    if let toml::Value::Table(changed) = root {
        *table = changed;
    }
    Ok(())
}

/// A length that is set stands alone: epochs replace steps, and those of `[train]` every model's own.
fn forget_lengths(table: &mut toml::Table, keys: &[&str]) {
    let mut forget = |table: &mut toml::Value| {
        if let toml::Value::Table(table) = table {
            table.retain(|key, _| key != "epochs" && key != "steps");
        }
    };
    match keys {
        ["train", "epochs" | "steps"] => {
            table.get_mut("train").map(&mut forget);
            let models = table.get_mut("model").and_then(toml::Value::as_array_mut);
            models.into_iter().flatten().for_each(forget);
        }
        ["model", index, "epochs" | "steps"] => {
            let models = table.get_mut("model").and_then(toml::Value::as_array_mut);
            let index = index.parse::<usize>().ok();
            models.zip(index).and_then(|(models, index)| models.get_mut(index)).map(forget);
        }
        _ => {}
    }
}

fn parse_value(text: &str) -> Option<toml::Value> {
    let parsed = |text: &str| format!("value = {text}").parse::<toml::Table>().ok()?.remove("value");
    let word = |c: char| c.is_ascii_alphanumeric() || "-_/.~".contains(c);
    parsed(text).or_else(|| text.chars().all(word).then(|| toml::Value::String(text.to_owned())))
}

/// The table or list item at `key`, a new table where a table has none.
fn step_into<'a>(place: &'a mut toml::Value, key: &str) -> Option<&'a mut toml::Value> {
    match place {
        toml::Value::Table(table) => Some(table.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()))),
        toml::Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    }
}
