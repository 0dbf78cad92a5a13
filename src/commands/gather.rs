//! What analyses are given: the scores of the finished, finite replicates of one or several studies, and what lies beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::analysis::summary::Replicates;
use crate::analysis::{self, Analysis, Answer, Cohort, Evidence, Input, ModelScores, Options, Reviewed, Wants};
use crate::data::{Examples, Role};
use crate::results::evidence::{FolderEvidence, Source};
use crate::results::{self, LeftOut, Study};
use crate::scores::ScoreSpec;
use crate::store::folder::StudyFolder;
use crate::store::record::State;
use crate::store::verdicts::{self, Review};
use crate::study::Plan;
use crate::study::recipe::BatchSize;
use crate::train::board::ReplicateView;
use crate::train::ensembles::Ensembles;
use crate::{Error, Result};

/// What is observed for each score, and its settings.
type Conventions = BTreeMap<String, String>;

/// The models of all studies that are looked at.
#[derive(Default)]
pub(super) struct Gathered {
    models: Vec<ModelScores>,
    replicates: Vec<Replicates>,
    /// What was left out of them.
    left_out: Vec<LeftOut>,
    /// The scores that are asked for; none: all.
    wanted: Vec<String>,
    /// What the analysis looks at.
    wants: Wants,
    /// What could not be read, verdicts aside.
    warnings: Vec<String>,
    /// How the scores of the first study are computed.
    conventions: Option<(String, Conventions)>,
    /// Why people's verdicts cannot be read.
    unread: Option<String>,
    /// What the runs left beside their scores, where the analysis is given it.
    evidence: Option<FolderEvidence>,
}

impl Gathered {
    /// Those of a study and of further ones set beside it, with the first one's name.
    pub(super) fn of_studies(
        dir: &Path,
        with: &[PathBuf],
        role: Role,
        wanted: &[String],
        wants: Wants,
    ) -> Result<(Self, String)> {
        let mut gathered = Self { wanted: wanted.to_vec(), wants, ..Self::default() };
        let study = gathered.add(dir, false, role)?;
        for further in with {
            gathered.add(further, true, role)?;
        }
        Ok((gathered, study))
    }

    /// What an analysis says of them, and of what was left out.
    pub(super) fn answer(&self, analysis: &Analysis, options: &Options) -> Result<Answer> {
        let mut answer = (analysis.run)(&self.of(""), options)?;
        answer.warnings.extend(self.left_out());
        answer.warnings.extend(self.warnings().cloned());
        Ok(answer)
    }

    /// Every model's label with its finished and all its replicates.
    pub(super) fn runs(&self) -> impl Iterator<Item = (&str, usize, usize)> {
        self.replicates.iter().map(|model| (model.model.as_str(), model.finished, model.replicates))
    }

    /// One model, or all where the label is empty.
    pub(super) fn of(&self, label: &str) -> Input<'_> {
        let of = |name: &str| label.is_empty() || name == label;
        let models = part(&self.models, |model| of(&model.model));
        let replicates = part(&self.replicates, |model| of(&model.model));
        Input { models, replicates, evidence: self.evidence.as_ref().map(|evidence| evidence as &dyn Evidence) }
    }

    /// What could not be read.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        self.warnings.iter().chain(&self.unread)
    }

    /// Reads again what people say of a study's examples: it changes while the runs stay the same.
    pub(super) fn hear(&mut self, folder: &StudyFolder) {
        let (reviews, unread) = reviews(folder, self.wants);
        self.unread = unread;
        for model in self.models.iter_mut().filter(|model| model.cohort.reviews != reviews) {
            Arc::make_mut(&mut model.cohort).reviews.clone_from(&reviews);
        }
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
        let source = Arc::new(Source { folder, plan, examples });
        self.take(&source, Study { views: &views, ensembles: &ensembles }, role, beside.then_some(&name));
        Ok(name)
    }

    /// Those of a study that is at hand; what is of one model stands together.
    pub(super) fn at_hand(source: &Arc<Source>, study: Study<'_>, role: Role, wants: Wants) -> Self {
        let mut gathered = Self { wants, ..Self::default() };
        gathered.take(source, study, role, None);
        let Self { models, replicates, .. } = &mut gathered;
        models.sort_by_key(|model| replicates.iter().position(|other| other.model == model.model));
        gathered
    }

    /// Takes the models of a study, and what lies beside them; their labels have the study's name in front where it stands
    /// `beside` others.
    fn take(&mut self, source: &Arc<Source>, study: Study<'_>, role: Role, beside: Option<&String>) {
        let Source { folder, plan, examples } = &**source;
        let known_as = |label: &str| beside.map_or_else(|| label.to_owned(), |name| format!("{name}/{label}"));
        let (reviews, unread) = reviews(folder, self.wants);
        self.unread = self.unread.take().or(unread);
        self.warnings.extend(failures(study.views));
        self.warnings.extend(noise(examples, beside));
        self.compare_conventions(plan);
        let (mut models, mut replicates) = gather(study, plan, examples, (self.wants, role), (&self.wanted, &reviews));
        for model in &mut models {
            model.model = known_as(&model.model);
        }
        for model in &mut replicates {
            model.parameters = parameters(folder, study.views, &model.model);
            model.model = known_as(&model.model);
        }
        for label in plan.labels() {
            let left_out = results::left_out(study.views, plan, &label).into_iter();
            self.left_out.extend(left_out.map(|one| LeftOut { model: known_as(&one.model), ..one }));
            if self.wants.evidence {
                self.evidence.get_or_insert_default().add(&known_as(&label), source, &label);
            }
        }
        self.models.append(&mut models);
        self.replicates.append(&mut replicates);
    }

    /// Tells which scores of a further study are computed otherwise than those of the first.
    fn compare_conventions(&mut self, plan: &Plan) {
        let (name, own) = (plan.config.name.clone(), conventions(plan));
        let Some((first, known)) = &self.conventions else {
            self.conventions = Some((name, own));
            return;
        };
        let mut differ: BTreeMap<(&String, &String), Vec<String>> = BTreeMap::new();
        for (score, here) in &own {
            if let Some(there) = known.get(score).filter(|there| *there != here) {
                differ.entry((here, there)).or_default().push(format!("`{score}`"));
            }
        }
        let told = differ.into_iter().map(|((here, there), scores)| {
            format!("computed otherwise in {name} ({here}) than in {first} ({there}): {}", scores.join(", "))
        });
        self.warnings.extend(told);
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
    pub(super) fn keep(&mut self, wanted: &[String]) -> Result<()> {
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

/// The neighbours for which something holds.
fn part<T>(all: &[T], holds: impl Fn(&T) -> bool) -> &[T] {
    all.chunk_by(|a, b| holds(a) == holds(b)).find(|chunk| chunk.first().is_some_and(&holds)).unwrap_or(&[])
}

/// The roles whose scores an analysis is given.
fn roles(wants: Wants, asked: &Role) -> &[Role] {
    if wants.all_roles { &Role::ALL } else { std::slice::from_ref(asked) }
}

/// People's verdicts, where the analysis has a use for them, or why they cannot be read.
fn reviews(folder: &StudyFolder, wants: Wants) -> (Vec<Reviewed>, Option<String>) {
    if !wants.verdicts {
        return (Vec::new(), None);
    }
    let reviewed = |review: Review| {
        let Review { id, verdict, new_label, reviewer, .. } = review;
        Some(Reviewed { id, verdict: verdict?, new_label, reviewer })
    };
    match verdicts::read(folder.path()) {
        Ok(reviews) => (reviews.into_iter().filter_map(reviewed).collect(), None),
        Err(error) => (Vec::new(), Some(format!("verdicts are left out: {error}"))),
    }
}

/// How a study's scores are computed; as a model's training is long, if models differ.
fn conventions(plan: &Plan) -> Conventions {
    let Some(replicate) = plan.replicates.first() else { return Conventions::new() };
    let of = |spec: &ScoreSpec| {
        let observed = spec.conventions(&replicate.timetable)["observations"].as_str().unwrap_or_default().to_owned();
        let parts = [spec.settings_text(&replicate.timetable), observed];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        (spec.name.clone(), parts.join("; "))
    };
    plan.scores.iter().map(of).collect()
}

/// That labels were changed is part of every answer.
fn noise(examples: &Examples, beside: Option<&String>) -> Option<String> {
    let changed = examples.mislabelled();
    let study = beside.map_or_else(String::new, |name| format!("{name}: "));
    (changed > 0).then(|| {
        format!("{study}{changed} of {} training labels were changed; scores are by the given labels", examples.train)
    })
}

/// Why replicates failed, or cannot be read: they are no part of any answer.
fn failures(views: &[ReplicateView]) -> impl Iterator<Item = String> {
    let failed = views.iter().map(|view| &view.progress).filter(|progress| progress.state == State::Failed);
    failed.map(|progress| format!("{} is left out: {}", progress.id, progress.reason.as_deref().unwrap_or("it failed")))
}

/// Every model's scores of the roles that an analysis wants, and how its replicates went; what is asked for by name is there, with values or without.
pub(super) fn gather(
    study: Study<'_>,
    plan: &Plan,
    examples: &Examples,
    (wants, role): (Wants, Role),
    (wanted, reviews): (&[String], &[Reviewed]),
) -> (Vec<ModelScores>, Vec<Replicates>) {
    let labels = plan.labels();
    let mut models = Vec::new();
    for role in roles(wants, &role) {
        let cohort = Arc::new(Cohort { reviews: reviews.to_vec(), ..cohort(examples, *role) });
        for label in &labels {
            let mut model = results::model_scores(study, &plan.scores, label, *role, examples.train);
            model.cohort = cohort.clone();
            drop_foreign(plan, &mut model, wanted);
            model.scores.retain(|score| {
                let base = analysis::select::base(&score.name);
                wants.scores.is_empty() || wants.scores.contains(&base) || wanted.contains(&score.name)
            });
            models.push(model);
        }
    }
    (models, labels.iter().map(|label| counts(study.views, plan, label)).collect())
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
        reviews: Vec::new(),
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
fn counts(views: &[ReplicateView], plan: &Plan, label: &str) -> Replicates {
    let planned = plan.replicates.iter().find(|replicate| replicate.id.label == label);
    let planned = planned.filter(|_| !plan.is_imported(label));
    let progress: Vec<_> = views.iter().map(|view| &view.progress).filter(|one| one.id.label == label).collect();
    let in_state = |state| progress.iter().filter(|one| one.state == state).count();
    let counted = || progress.iter().filter(|one| one.counts());
    Replicates {
        model: label.to_owned(),
        network: planned.map_or_else(String::new, |planned| planned.model.clone()),
        batch_size: planned.and_then(|planned| match planned.recipe.batch_size {
            BatchSize::Examples(size) => Some(size),
            BatchSize::Full => None,
        }),
        parameters: None,
        replicates: progress.len(),
        finished: in_state(State::Finished),
        failed: in_state(State::Failed),
        non_finite: progress.iter().filter(|one| one.non_finite).count(),
        train_accuracy: counted().filter_map(|one| one.train_accuracy).collect(),
        test_accuracy: counted().filter_map(|one| one.test_accuracy).collect(),
    }
}
