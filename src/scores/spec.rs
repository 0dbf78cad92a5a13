//! Which scores does a study compute? From its `[scores]` to one spec per score and variant.

use std::collections::BTreeSet;

use super::settings::Settings;
use super::{Harder, Kind, LATER, Need, Observer, REGISTRY, ScoreKind, Sizes};
use crate::error::did_you_mean;
use crate::study::Timetable;
use crate::study::config::Observe;
use crate::{Error, Result};

/// A score with its settings, as a study computes it.
#[derive(Debug, Clone)]
pub struct ScoreSpec {
    /// Base, `@epoch` and every setting that isn't the default: `el2n@20`, `aum.logit`.
    pub name: String,
    kind: &'static ScoreKind,
    settings: Settings,
    observe: Observe,
}

impl PartialEq for ScoreSpec {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.settings == other.settings && self.observe == other.observe
    }
}

impl ScoreSpec {
    fn new(kind: &'static ScoreKind, settings: Settings, observe: Observe) -> Self {
        Self { name: settings.full_name(kind), kind, settings, observe }
    }

    /// The name without settings.
    pub fn base(&self) -> &'static str {
        self.kind.name
    }

    /// The difficult end.
    pub fn harder(&self) -> Harder {
        self.kind.harder
    }

    /// Its line in the registry.
    pub fn kind(&self) -> &'static ScoreKind {
        self.kind
    }

    /// What the replicate loop has to provide.
    pub fn needs(&self) -> Vec<Need> {
        (self.kind.needs)(&self.settings)
    }

    /// A fresh observer for a data set of `examples`, of which positions `0..observed` are observed, and a training
    /// of that length.
    pub fn observer(
        &self,
        examples: usize,
        observed: usize,
        classes: usize,
        timetable: &Timetable,
    ) -> Box<dyn Observer> {
        let (observed, timetable) = (observed.min(examples), *timetable);
        (self.kind.observer)(&self.settings, Sizes { examples, observed, classes, timetable })
    }

    /// What a user should know before a training of `epochs`: that this score will have no values.
    pub fn warning(&self, epochs: u32) -> Option<String> {
        let epoch = self.settings.last_epoch().filter(|epoch| *epoch > epochs)?;
        let name = &self.name;
        Some(format!("`{name}` needs epoch {epoch}, but training ends after {epochs}: it will have no values"))
    }

    /// All that defines the stored numbers, for the file that holds them: two scores are comparable where these agree.
    pub fn conventions(&self, timetable: &Timetable) -> serde_json::Value {
        let observations = match (self.kind.kind, self.observe) {
            (Kind::Prediction, _) => "a pass of its own: eval mode, plain input",
            (Kind::Trajectory, Observe::Minibatch) => "minibatch: train mode, augmented input, once per epoch",
            (Kind::Trajectory, Observe::Sweep) => "sweep: eval mode, plain input, after each epoch",
        };
        let seldom = self.kind.kind == Kind::Trajectory && timetable.every > 1;
        let every = if seldom { format!(", of every {} epochs one", timetable.every) } else { String::new() };
        serde_json::json!({
            "base": self.kind.name,
            "harder": self.kind.harder.name(),
            "definition": self.kind.definition,
            "source": self.kind.citation,
            "settings": self.settings.to_json(),
            "observations": format!("{observations}{every}"),
        })
    }
}

/// The epochs (0: initialisation) up to the last at whose end any of the scores needs logits, in order.
pub fn logit_epochs(specs: &[ScoreSpec], epochs: u32) -> BTreeSet<u32> {
    let needs: Vec<Need> = specs.iter().flat_map(ScoreSpec::needs).collect();
    needs.iter().flat_map(Need::passes_after).copied().filter(|epoch| *epoch <= epochs).collect()
}

/// The scores of a study: the trajectory scores and what `[scores]` asks for, in the registry's order.
///
/// # Errors
/// `Error::Usage` for an unknown score or setting, or one that `observe` cannot give.
pub fn resolve(scores: &toml::Table, observe: Observe) -> Result<Vec<ScoreSpec>> {
    if let Some(name) = scores.keys().find(|name| REGISTRY.iter().all(|kind| kind.name != *name)) {
        return Err(Error::Usage(no_such_score(name)));
    }
    let mut specs: Vec<ScoreSpec> = Vec::new();
    for kind in REGISTRY {
        let variants = match scores.get(kind.name) {
            Some(written) => variants(kind, written, observe)?,
            None if kind.kind == Kind::Trajectory => vec![Settings::default_of(kind)],
            None => Vec::new(),
        };
        for settings in variants {
            let spec = ScoreSpec::new(kind, settings, observe);
            if specs.iter().any(|other| other.name == spec.name) {
                return Err(Error::Usage(format!("{}: `{}` is asked for twice; leave one out", kind.name, spec.name)));
            }
            specs.push(spec);
        }
    }
    Ok(specs)
}

/// Every variant that a score's entry in `[scores]` asks for: a table of settings, or a list of tables.
fn variants(kind: &ScoreKind, written: &toml::Value, observe: Observe) -> Result<Vec<Settings>> {
    let list = written.as_array().map_or(std::slice::from_ref(written), Vec::as_slice);
    let tables: Option<Vec<&toml::Table>> = list.iter().map(toml::Value::as_table).collect();
    let tables = tables.filter(|tables| !tables.is_empty()).ok_or_else(|| {
        let name = kind.name;
        Error::Usage(format!(
            "{name}: expected a table of settings or a list of them ({{}} is the default), not {written}"
        ))
    })?;
    let mut variants = Vec::new();
    for table in tables {
        refuse_final(kind, table, observe)?;
        variants.extend(Settings::parse(kind, table)?);
    }
    Ok(variants)
}

/// Learned against the final network's prediction needs a sweep at initialisation, which training doesn't make yet.
fn refuse_final(kind: &ScoreKind, table: &toml::Table, observe: Observe) -> Result<()> {
    let against = table.get("against").and_then(toml::Value::as_str);
    if kind.name != "learned" || against != Some("final") {
        return Ok(());
    }
    let reason = match observe {
        Observe::Minibatch => "needs observe = \"sweep\" in [train]",
        Observe::Sweep => "is not yet in this version; leave it out",
    };
    Err(Error::Usage(format!("learned: against = \"final\" {reason}")))
}

fn no_such_score(name: &str) -> String {
    if LATER.contains(&name) {
        return format!("`{name}` is not yet in this version; leave it out");
    }
    let known: Vec<&str> = REGISTRY.iter().map(|kind| kind.name).collect();
    let near = did_you_mean(name, known.iter().copied());
    format!("there is no score `{name}`{near}; the scores are {}", known.join(", "))
}
