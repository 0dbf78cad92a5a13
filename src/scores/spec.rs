//! Which scores does a study compute? From its `[scores]` to one spec per score and variant.

use std::collections::BTreeSet;

use super::ensemble::{Consensus, Ensemble};
use super::settings::Settings;
use super::{Conditions, Harder, Kind, Need, Observer, Pass, REGISTRY, ScoreKind, Setup, Sizes};
use crate::error::did_you_mean;
use crate::study::Timetable;
use crate::study::config::{Observe, Retrain};
use crate::{Error, Result};

/// A score with its settings, as a study computes it.
#[derive(Debug, Clone)]
pub struct ScoreSpec {
    /// Base, `@epoch` and every setting that isn't the default: `el2n@20`, `aum.logit`.
    pub name: String,
    kind: &'static ScoreKind,
    settings: Settings,
    observe: Observe,
    /// How the study fine-tunes, where it does.
    retrain: Option<Retrain>,
}

impl PartialEq for ScoreSpec {
    fn eq(&self, other: &Self) -> bool {
        let alike = self.name == other.name && std::ptr::eq(self.kind, other.kind);
        alike && self.settings == other.settings && (self.observe, self.retrain) == (other.observe, other.retrain)
    }
}

impl ScoreSpec {
    fn new(kind: &'static ScoreKind, settings: Settings, Conditions { observe, retrain, .. }: Conditions) -> Self {
        Self { name: settings.full_name(kind), kind, settings, observe, retrain }
    }

    /// A score that was computed elsewhere; `per_run` as opposed to one number per example of a model.
    pub fn imported(name: &str, harder: Harder, per_run: bool) -> Self {
        let kind = super::imported::kind(harder, per_run);
        Self { name: name.to_owned(), kind, settings: Settings::default(), observe: Observe::default(), retrain: None }
    }

    /// The name without settings.
    pub fn base(&self) -> &'static str {
        self.kind.name
    }

    /// The difficult end.
    pub fn harder(&self) -> Harder {
        self.kind.harder_with.map_or(self.kind.harder, |harder| harder(&self.settings))
    }

    /// Its line in the registry.
    pub fn kind(&self) -> &'static ScoreKind {
        self.kind
    }

    /// The passes of its own, in a training of that course.
    pub fn needs(&self, timetable: &Timetable) -> Vec<Need> {
        (self.kind.needs)(&self.settings, timetable)
    }

    /// A fresh observer.
    pub fn observer(&self, sizes: &Sizes) -> Box<dyn Observer> {
        (self.kind.observer)(&self.settings, sizes)
    }

    /// Whether the files of a finished replicate are enough to compute it, without its network.
    pub fn is_in_files(&self, timetable: &Timetable) -> bool {
        let stored = |need: &Need| need.after.iter().all(|epoch| need.pass.is_stored(*epoch, timetable.epochs, true));
        self.needs(timetable).iter().all(stored)
    }

    /// Whether it is a number per example of a model, not of each replicate.
    pub fn is_ensemble(&self) -> bool {
        self.kind.ensemble.is_some()
    }

    /// Whether it compares the replicates that were trained on an example with those that were not.
    pub fn compares_sides(&self) -> bool {
        self.kind.ensemble.is_some_and(|ensemble| ensemble.compares)
    }

    /// Whether each replicate computes it while it trains.
    pub fn is_observed(&self) -> bool {
        !self.is_ensemble() && !self.is_imported()
    }

    /// Whether it was computed elsewhere: nothing here can compute it again.
    pub fn is_imported(&self) -> bool {
        self.kind.kind == Kind::Imported
    }

    /// An ensemble score's values, `inside` or outside as [`EnsembleScore::compute`](super::ensemble::EnsembleScore::compute)
    /// says; none of a score that is no such.
    pub fn consensus(&self, ensemble: &Ensemble<'_>, inside: bool) -> Option<Consensus> {
        Some(self.kind.ensemble?.compute(&self.settings, ensemble, inside))
    }

    /// What a user should know before such a training: that this score will have no values, or none that say anything.
    pub fn warning(&self, setup: &Setup) -> Option<String> {
        let (name, timetable) = (&self.name, &setup.timetable);
        let epochs = timetable.epochs;
        let until = self.settings.number("until").filter(|until| *until > epochs);
        let unmet = self.needs(timetable).into_iter().find(|need| !need.is_met(epochs));
        let last = until.or_else(|| unmet.as_ref()?.after.iter().copied().find(|epoch| *epoch > epochs));
        match (last, unmet) {
            (Some(epoch), _) => {
                Some(format!("`{name}` needs epoch {epoch}, but training ends after {epochs}: it will have no values"))
            }
            (None, Some(_)) => Some(format!("`{name}` needs two checkpoints at least: it will have no values")),
            (None, None) => Some(format!("`{name}` {}", (self.kind.futile)(&self.settings, setup)?)),
        }
    }

    /// What its numbers are seen on, and when.
    fn observations(&self, timetable: &Timetable) -> String {
        let observations = match (self.kind.kind, self.observe) {
            (Kind::Ensemble, _) => "the final networks of all replicates: eval mode, plain input",
            (Kind::Imported, _) => "computed elsewhere",
            (Kind::Pass, _) => "a pass of its own: eval mode, plain input",
            (Kind::Trajectory, Observe::Minibatch) => "minibatch: train mode, augmented input, once per epoch",
            (Kind::Trajectory, Observe::Sweep) => "sweep: eval mode, plain input, after each epoch",
        };
        let seldom = self.kind.kind == Kind::Trajectory && timetable.every > 1;
        let every = if seldom { format!(", of every {} epochs one", timetable.every) } else { String::new() };
        format!("{observations}{every}")
    }

    /// All that defines the stored numbers, for the file that holds them: two scores are comparable where these agree.
    pub fn conventions(&self, timetable: &Timetable) -> serde_json::Value {
        serde_json::json!({
            "base": self.kind.name,
            "harder": self.harder().name(),
            "definition": self.kind.definition,
            "source": self.kind.citation,
            "settings": self.in_force(timetable),
            "observations": self.observations(timetable),
        })
    }

    /// The settings that have an effect, for people: `space = probability, until = the last epoch`.
    pub fn settings_text(&self, timetable: &Timetable) -> String {
        let value = |value: serde_json::Value| match value {
            serde_json::Value::Null => "the last epoch".to_owned(),
            serde_json::Value::String(word) => word,
            other => other.to_string(),
        };
        let settings = self.in_force(timetable).into_iter().map(|(name, of)| format!("{name} = {}", value(of)));
        settings.collect::<Vec<_>>().join(", ")
    }

    /// The conventions for people: settings, what is observed, the definition.
    pub fn about(&self, timetable: &Timetable) -> String {
        let parts = [self.settings_text(timetable), self.observations(timetable), self.kind.definition.to_owned()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
    }

    /// Every setting that has an effect, with its value: the score's own, and the study's for the fine-tuning.
    fn in_force(&self, timetable: &Timetable) -> serde_json::Map<String, serde_json::Value> {
        let mut settings = self.settings.to_json();
        for unused in (self.kind.unused)(&self.settings) {
            settings.remove(*unused);
        }
        if let Some(Retrain { fraction, epochs, lr }) = self.retrain
            && self.needs(timetable).iter().any(|need| need.pass == Pass::RetrainedLogits)
        {
            settings.insert("fraction".to_owned(), fraction.into());
            settings.insert("epochs".to_owned(), epochs.into());
            settings.insert("lr".to_owned(), lr.into());
        }
        settings
    }
}

/// The passes that any of the scores needs in a training of that course, each with its epochs (0: initialisation), in order.
pub fn passes(specs: &[ScoreSpec], timetable: &Timetable) -> Vec<(Pass, BTreeSet<u32>)> {
    let mut passes: Vec<(Pass, BTreeSet<u32>)> = Vec::new();
    for need in specs.iter().flat_map(|spec| spec.needs(timetable)) {
        let epochs = need.after.iter().copied().filter(|epoch| *epoch <= timetable.epochs);
        match passes.iter_mut().find(|(pass, _)| *pass == need.pass) {
            Some((_, known)) => known.extend(epochs),
            None => passes.push((need.pass, epochs.collect())),
        }
    }
    passes.retain(|(_, epochs)| !epochs.is_empty());
    passes
}

/// The scores of a study: the trajectory scores and what `[scores]` asks for, in the registry's order.
///
/// # Errors
/// `Error::Usage` for an unknown score or setting, or one that the study cannot give.
pub fn resolve(scores: &toml::Table, conditions: Conditions) -> Result<Vec<ScoreSpec>> {
    if let Some(name) = scores.keys().find(|name| REGISTRY.iter().all(|kind| kind.name != *name)) {
        return Err(Error::Usage(no_such_score(name)));
    }
    let mut specs: Vec<ScoreSpec> = Vec::new();
    for kind in REGISTRY {
        let variants = match scores.get(kind.name) {
            Some(written) => variants(kind, written, conditions)?,
            None if kind.kind == Kind::Trajectory => vec![Settings::default_of(kind)],
            None => Vec::new(),
        };
        for settings in variants {
            let spec = ScoreSpec::new(kind, settings, conditions);
            if specs.iter().any(|other| other.name == spec.name) {
                return Err(Error::Usage(format!("{}: `{}` is asked for twice; leave one out", kind.name, spec.name)));
            }
            specs.push(spec);
        }
    }
    Ok(specs)
}

/// Every variant that a score's entry in `[scores]` asks for: a table of settings, or a list of tables.
fn variants(kind: &ScoreKind, written: &toml::Value, conditions: Conditions) -> Result<Vec<Settings>> {
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
        variants.extend(Settings::parse(kind, table)?);
    }
    if let Some(reason) = variants.iter().find_map(|settings| (kind.refusal)(settings, conditions)) {
        return Err(Error::Usage(format!("{}: {reason}", kind.name)));
    }
    Ok(variants)
}

fn no_such_score(name: &str) -> String {
    let known: Vec<&str> = REGISTRY.iter().map(|kind| kind.name).collect();
    let near = did_you_mean(name, known.iter().copied());
    format!("there is no score `{name}`{near}; the scores are {}", known.join(", "))
}
