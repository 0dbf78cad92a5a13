//! `analyze DIR [QUESTION]`: an analysis over one or several studies, as tables or JSON.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Exit, print};
use crate::analysis::summary::Replicates;
use crate::analysis::{self, Analysis, Answer, Cohort, Input, ModelScores, Options};
use crate::data::{Examples, Role};
use crate::error::nearest;
use crate::results::{self, LeftOut, Study};
use crate::store::folder::StudyFolder;
use crate::store::record::State;
use crate::study::Plan;
use crate::train::board::ReplicateView;
use crate::train::ensembles::Ensembles;
use crate::{Error, Result, cli};

/// Questions that a later version answers: told apart from a mistyped name.
const LATER: [&str; 3] = ["depth", "vog", "audit"];

/// Runs the command.
///
/// # Errors
/// An unknown question, model or score; a folder that is no study; files in it that cannot be read.
pub fn analyze(options: &cli::Analyze) -> Result<Exit> {
    let analysis = find(options.question.as_deref().unwrap_or("summary"))?;
    let role = match options.role {
        cli::Role::Train => Role::Train,
        cli::Role::Val => Role::Val,
        cli::Role::Test => Role::Test,
    };
    let choices = choices(options, analysis, role)?;
    let (mut gathered, study) = Gathered::of(&options.dir, &options.with, role, &options.scores)?;
    gathered.keep(&options.models)?;
    let answer = gathered.answer(analysis, &choices)?;
    if options.json {
        print(&format!("{:#}", answer.envelope(analysis.name, &study)))?;
    } else {
        print(answer.text().trim_end())?;
    }
    Ok(Exit::Done)
}

/// The options as the analysis takes them; one that it has no use for is refused.
fn choices(options: &cli::Analyze, analysis: &Analysis, role: Role) -> Result<Options> {
    let given = [
        ("--draws", options.draws.is_some()),
        ("--seed", options.seed.is_some()),
        ("--per-example", options.per_example),
        ("--threshold", options.threshold.is_some()),
        ("--target", options.target.is_some()),
    ];
    if let Some((option, _)) = given.iter().find(|(option, given)| *given && !analysis.takes.contains(option)) {
        return Err(Error::Usage(format!("{option}: analyze {} has no use for it; leave it out", analysis.name)));
    }
    let default = Options::default();
    Ok(Options {
        scores: options.scores.clone(),
        role: role.name().to_owned(),
        draws: options.draws.map(|draws| draws as usize),
        seed: options.seed.unwrap_or(default.seed),
        per_example: options.per_example,
        threshold: options.threshold.unwrap_or(default.threshold),
        target: options.target.map_or(default.target, |percent| percent / 100.0),
    })
}

fn find(name: &str) -> Result<&'static Analysis> {
    let known = || analysis::REGISTRY.iter().map(|analysis| analysis.name);
    if let Some(found) = analysis::REGISTRY.iter().find(|analysis| analysis.name == name) {
        return Ok(found);
    }
    let base = name.split(['@', '.']).next().unwrap_or(name);
    if crate::scores::REGISTRY.iter().any(|score| score.name == base) {
        let advice = format!("`analyze DIR summary --score {name}` tells of it");
        return Err(Error::Usage(format!("analyze: `{name}` is a score, not a question; {advice}")));
    }
    let known_now = known().collect::<Vec<_>>().join(", ");
    if LATER.contains(&name) {
        return Err(Error::Usage(format!("analyze {name}: not yet in this version, which answers {known_now}")));
    }
    // A part of a name is often all that somebody remembers.
    let part = || known().chain(LATER).find(|known| name.len() > 2 && (known.contains(name) || name.contains(known)));
    let near = nearest(name, known().chain(LATER)).or_else(part);
    let near = near.map_or(String::new(), |near| {
        let later = if LATER.contains(&near) { ", which is not yet in this version" } else { "" };
        format!("; did you mean `{near}`{later}?")
    });
    let line = |analysis: &&Analysis| format!("\n  {:12} {}", analysis.name, analysis.question);
    let lines: String = analysis::REGISTRY.iter().map(line).collect();
    Err(Error::Usage(format!("analyze: no question `{name}`{near}; there are{lines}")))
}

/// The models of all studies that are looked at.
#[derive(Default)]
pub(super) struct Gathered {
    models: Vec<ModelScores>,
    replicates: Vec<Replicates>,
    /// What was left out of them.
    left_out: Vec<LeftOut>,
    /// The scores that are asked for; none: all.
    wanted: Vec<String>,
}

impl Gathered {
    /// Those of a study and of further ones set beside it, with the first one's name.
    pub(super) fn of(dir: &Path, with: &[PathBuf], role: Role, wanted: &[String]) -> Result<(Self, String)> {
        let mut gathered = Self { wanted: wanted.to_vec(), ..Self::default() };
        let study = gathered.add(dir, false, role)?;
        for further in with {
            gathered.add(further, true, role)?;
        }
        Ok((gathered, study))
    }

    /// What an analysis says of them, and of what was left out.
    pub(super) fn answer(&self, analysis: &Analysis, options: &Options) -> Result<Answer> {
        let input = Input { models: &self.models, replicates: &self.replicates };
        let mut answer = (analysis.run)(&input, options)?;
        answer.warnings.extend(self.left_out());
        Ok(answer)
    }

    /// Every model's label with its finished and all its replicates.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.replicates.iter().map(|model| (model.model.as_str(), model.finished, model.replicates))
    }

    /// Adds a study's models, `beside` others with its name in front of theirs; gives the study's name.
    fn add(&mut self, dir: &Path, beside: bool, role: Role) -> Result<String> {
        let folder = StudyFolder::open(dir)?;
        let plan = folder.plan()?;
        let examples = results::examples(&folder)?;
        let (views, ensembles) = (results::views(&folder, &plan, &examples), Ensembles::of(&folder, &plan, &examples));
        if role == Role::Val && views.iter().all(|view| !view.roles.contains(&Role::Val)) {
            let reason = "no replicate of this study holds examples out ([data] holdout)";
            return Err(Error::Usage(format!("--role val: {}: {reason}", dir.display())));
        }
        let name = plan.config.name.clone();
        let study = Study { views: &views, ensembles: &ensembles };
        let (mut models, mut replicates) = gather(study, &plan, &examples, role, &self.wanted);
        for model in &mut replicates {
            model.parameters = parameters(&folder, &views, &model.model);
        }
        let labels = plan.labels();
        let mut left_out: Vec<_> = labels.iter().flat_map(|label| results::left_out(&views, &plan, label)).collect();
        if beside {
            let labels = models.iter_mut().map(|model| &mut model.model);
            let labels = labels.chain(left_out.iter_mut().map(|left_out| &mut left_out.model));
            for label in labels.chain(replicates.iter_mut().map(|model| &mut model.model)) {
                *label = format!("{name}/{label}");
            }
        }
        self.models.append(&mut models);
        self.replicates.append(&mut replicates);
        self.left_out.append(&mut left_out);
        Ok(name)
    }

    /// Runs of the models that have no values of some imported scores, if those are looked at.
    fn left_out(&self) -> impl Iterator<Item = String> {
        let asked = |one: &&LeftOut| {
            let kept = self.models.iter().any(|model| model.model == one.model);
            kept && (self.wanted.is_empty() || self.wanted.contains(&one.score))
        };
        self.left_out.iter().filter(asked).map(ToString::to_string)
    }

    /// Keeps the wanted models only; none wanted keeps all.
    fn keep(&mut self, wanted: &[String]) -> Result<()> {
        let known: Vec<String> = self.replicates.iter().map(|model| model.model.clone()).collect();
        if let Some(unknown) = wanted.iter().find(|label| !known.contains(label)) {
            return Err(Error::Usage(format!("--model {unknown}: there is none; there are {}", known.join(", "))));
        }
        if !wanted.is_empty() {
            self.models.retain(|model| wanted.contains(&model.model));
            self.replicates.retain(|model| wanted.contains(&model.model));
        }
        Ok(())
    }
}

/// Every model's scores of a role, and how its replicates went; what is asked for by name is there, with values or without.
fn gather(
    study: Study<'_>,
    plan: &Plan,
    examples: &Examples,
    role: Role,
    wanted: &[String],
) -> (Vec<ModelScores>, Vec<Replicates>) {
    let labels = plan.labels();
    let cohort = Arc::new(cohort(examples, role));
    let scores = |label: &String| ModelScores {
        cohort: cohort.clone(),
        ..results::model_scores(study, &plan.scores, label, role, examples.train)
    };
    let mut models: Vec<ModelScores> = labels.iter().map(scores).collect();
    for model in &mut models {
        drop_foreign(plan, model, wanted);
    }
    (models, labels.iter().map(|label| counts(study.views, label)).collect())
}

/// Who the examples of a role are.
fn cohort(examples: &Examples, role: Role) -> Cohort {
    let of_role = |length: usize| {
        let train = examples.train.min(length);
        if role == Role::Test { train..length } else { 0..train }
    };
    Cohort {
        ids: examples.ids.get(of_role(examples.ids.len())).unwrap_or_default().to_vec(),
        labels: examples.labels.get(of_role(examples.labels.len())).unwrap_or_default().to_vec(),
        true_labels: examples.true_labels.get(of_role(examples.true_labels.len())).unwrap_or_default().to_vec(),
        classes: examples.class_names.clone(),
    }
}

/// Trained parameters of a model's network, as far as a replicate tells.
fn parameters(folder: &StudyFolder, views: &[ReplicateView], label: &str) -> Option<usize> {
    let of_model = views.iter().map(|view| &view.progress.id).filter(|id| id.label == label);
    let mut records = of_model.filter_map(|id| folder.replicate(id).record().ok().flatten());
    records.find_map(|record| Some(record.parameters).filter(|count| *count > 0))
}

/// Drops the scores that a model cannot have, since they were imported for others or it was imported itself; what is asked for stays.
fn drop_foreign(plan: &Plan, model: &mut ModelScores, wanted: &[String]) {
    let ModelScores { model: label, scores, .. } = model;
    scores.retain(|score| plan.has_score(label, &score.name) || wanted.contains(&score.name));
}

/// How the replicates of a model went.
fn counts(views: &[ReplicateView], label: &str) -> Replicates {
    let progress: Vec<_> = views.iter().map(|view| &view.progress).filter(|one| one.id.label == label).collect();
    let in_state = |state| progress.iter().filter(|one| one.state == state).count();
    let counted = || progress.iter().filter(|one| one.state == State::Finished && !one.non_finite);
    Replicates {
        model: label.to_owned(),
        parameters: None,
        replicates: progress.len(),
        finished: in_state(State::Finished),
        failed: in_state(State::Failed),
        non_finite: progress.iter().filter(|one| one.non_finite).count(),
        train_accuracy: counted().filter_map(|one| one.train_accuracy).collect(),
        test_accuracy: counted().filter_map(|one| one.test_accuracy).collect(),
    }
}

/// The summary of a study that is at hand.
pub fn summary(study: Study<'_>, plan: &Plan, examples: &Examples) -> Answer {
    let (models, replicates) = gather(study, plan, examples, Role::Train, &[]);
    let input = Input { models: &models, replicates: &replicates };
    answered(&analysis::summary::ANALYSIS, &input)
}

/// What an analysis says of one model of a study that is at hand, or of all where the label is empty; for the screen.
pub fn answer_of(
    analysis: &Analysis,
    study: Study<'_>,
    folder: &StudyFolder,
    plan: &Plan,
    examples: &Examples,
    label: &str,
) -> Answer {
    let (mut models, mut replicates) = gather(study, plan, examples, Role::Train, &[]);
    models.retain(|model| label.is_empty() || model.model == label);
    replicates.retain(|model| label.is_empty() || model.model == label);
    for model in &mut replicates {
        model.parameters = parameters(folder, study.views, &model.model);
    }
    answered(analysis, &Input { models: &models, replicates: &replicates })
}

/// The correlations of one model's scores, for the screen.
pub fn correlation_of(study: Study<'_>, plan: &Plan, model: &str, train: usize) -> Answer {
    let mut scores = results::model_scores(study, &plan.scores, model, Role::Train, train);
    drop_foreign(plan, &mut scores, &[]);
    answered(&analysis::correlation::ANALYSIS, &Input { models: &[scores], replicates: &[] })
}

/// An answer with the default options; an error becomes its warning.
fn answered(analysis: &Analysis, input: &Input) -> Answer {
    let failed = |error: Error| Answer { warnings: vec![error.to_string()], ..Answer::default() };
    (analysis.run)(input, &Options::default()).unwrap_or_else(failed)
}
