//! Which form of a score is meant? Settings, their defaults, their place in the name, and what a config may say.

use super::ScoreKind;
use crate::error::did_you_mean;
use crate::{Error, Result};

/// Something about a score that can be set.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in the config.
    pub name: &'static str,
    /// Which values it takes.
    pub domain: Domain,
}

/// Which values a setting takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Domain {
    /// One of these words; the first is the default.
    Words(&'static [&'static str]),
    /// The end of an epoch (0: initialisation), or a list of them for a score each; with its default.
    Epochs(u32),
    /// The last epoch (from 1) that counts; by default the last of training.
    LastEpoch,
    /// True or false; true is the default.
    Switch,
    /// A whole number.
    Number {
        /// What it is where nothing is said.
        default: u32,
        /// The smallest that makes sense.
        least: u32,
    },
}

impl Domain {
    /// What may be written, for people.
    fn allowed(&self) -> String {
        match self {
            Self::Words(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::Epochs(_) => "an epoch (a whole number, 0 for initialisation) or a list of epochs".to_owned(),
            Self::LastEpoch => "an epoch (a whole number from 1)".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Number { least, .. } => format!("a whole number from {least}"),
        }
    }

    fn default(&self) -> Value {
        match self {
            Self::Words(words) => Value::Word(words.first().copied().unwrap_or("")),
            Self::Epochs(number) | Self::Number { default: number, .. } => Value::Number(Some(*number)),
            Self::LastEpoch => Value::Number(None),
            Self::Switch => Value::Word("true"),
        }
    }

    /// The values that a config asks for; none where it is not one of those allowed.
    fn parse(&self, written: &toml::Value) -> Option<Vec<Value>> {
        let whole = |value: &toml::Value| value.as_integer().and_then(|number| u32::try_from(number).ok());
        match self {
            Self::Words(words) => {
                let word = words.iter().find(|word| Some(**word) == written.as_str())?;
                Some(vec![Value::Word(word)])
            }
            Self::Epochs(_) => {
                let list = written.as_array().map_or(std::slice::from_ref(written), Vec::as_slice);
                let values: Option<Vec<Value>> =
                    list.iter().map(|value| Some(Value::Number(Some(whole(value)?)))).collect();
                values.filter(|values| !values.is_empty())
            }
            Self::LastEpoch => whole(written).filter(|epoch| *epoch > 0).map(|epoch| vec![Value::Number(Some(epoch))]),
            Self::Switch => written.as_bool().map(|on| vec![Value::Word(if on { "true" } else { "false" })]),
            Self::Number { least, .. } => {
                whole(written).filter(|number| number >= least).map(|number| vec![Value::Number(Some(number))])
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Word(&'static str),
    Number(Option<u32>),
}

/// The values of a score's settings, all of them, in the registry's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(Vec<(&'static str, Value)>);

impl Settings {
    /// A score's defaults.
    pub fn default_of(kind: &ScoreKind) -> Self {
        Self(kind.settings.iter().map(|setting| (setting.name, setting.domain.default())).collect())
    }

    /// The settings that one table of a config asks for: several where it lists several epochs.
    ///
    /// # Errors
    /// `Error::Usage` for an unknown setting or value, naming what is allowed.
    pub fn parse(kind: &ScoreKind, table: &toml::Table) -> Result<Vec<Self>> {
        let mut variants = vec![Self::default_of(kind)];
        for (key, written) in table {
            let setting = kind.settings.iter().find(|setting| setting.name == key);
            let setting = setting.ok_or_else(|| unknown_setting(kind, key))?;
            let values = setting.domain.parse(written).ok_or_else(|| {
                let (name, allowed) = (kind.name, setting.domain.allowed());
                let near = match (&setting.domain, written.as_str()) {
                    (Domain::Words(words), Some(word)) => did_you_mean(word, words.iter().copied()),
                    _ => String::new(),
                };
                Error::Usage(format!("{name}: {key} = {written} is not {allowed}{near}"))
            })?;
            let with = |value: &Value| variants.iter().map(|variant| variant.with(key, *value)).collect::<Vec<_>>();
            variants = values.iter().flat_map(with).collect();
        }
        Ok(variants)
    }

    fn with(&self, key: &str, value: Value) -> Self {
        Self(self.0.iter().map(|(name, old)| (*name, if *name == key { value } else { *old })).collect())
    }

    fn get(&self, setting: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == setting).map(|(_, value)| *value)
    }

    /// The word that a setting has.
    pub fn word(&self, setting: &str) -> Option<&'static str> {
        match self.get(setting)? {
            Value::Word(word) => Some(word),
            Value::Number(_) => None,
        }
    }

    /// Whether a setting has this word.
    pub fn is(&self, setting: &str, word: &str) -> bool {
        self.word(setting) == Some(word)
    }

    /// The epoch that a setting has.
    pub fn number(&self, setting: &str) -> Option<u32> {
        match self.get(setting)? {
            Value::Word(_) => None,
            Value::Number(number) => number,
        }
    }

    /// Base, `@epoch`, then every setting that isn't the default, joined by `.`: `el2n@20`, `aum.until80`.
    pub fn full_name(&self, kind: &ScoreKind) -> String {
        let part = |(setting, (name, value)): (&Setting, &(&str, Value))| match (value, &setting.domain) {
            (Value::Number(Some(epoch)), Domain::Epochs(_)) => format!("@{epoch}"),
            (_, domain) if domain.default() == *value => String::new(),
            (Value::Number(Some(number)), _) => format!(".{name}{number}"),
            (Value::Word(_), Domain::Switch) => format!(".no_{name}"),
            (Value::Word(word), _) => format!(".{word}"),
            (Value::Number(None), _) => String::new(),
        };
        kind.name.to_owned() + &kind.settings.iter().zip(&self.0).map(part).collect::<String>()
    }

    /// All settings and their values, as JSON.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        let entry = |(name, value): &(&'static str, Value)| {
            let value = match value {
                Value::Word(word) => serde_json::Value::from(*word),
                Value::Number(number) => serde_json::Value::from(*number),
            };
            ((*name).to_owned(), value)
        };
        self.0.iter().map(entry).collect()
    }
}

fn unknown_setting(kind: &ScoreKind, key: &str) -> Error {
    let names: Vec<&str> = kind.settings.iter().map(|setting| setting.name).collect();
    let near = did_you_mean(key, names.iter().copied());
    let takes = if names.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", names.join(", ")) };
    Error::Usage(format!("{}: unknown setting `{key}`{near}; {takes}", kind.name))
}
