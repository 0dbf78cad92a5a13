//! Which depths of a model are there? Its roles side by side.

use ndarray::ArrayView1;

use super::super::again::{Memory, key};
use super::super::{Input, ModelScores, Options, ScoreRuns, UNSEEN, select};
use super::DEPTH;
use crate::{Error, Result};

/// A model that has depths.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub label: &'a str,
    /// Indices of the runs.
    pub runs: &'a [u32],
    /// The score that is asked about.
    pub score: String,
    /// Names of the probes; empty where no run left any.
    pub probes: Vec<String>,
    /// L: the largest depth that there can be.
    pub last: f64,
    /// The roles in which it has seen examples: train, val, test.
    pub sides: Vec<Side<'a>>,
    /// Labels differ from those of the source.
    pub noisy: bool,
}

/// The examples of one role as a model sees them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub scores: &'a ModelScores,
    pub depth: &'a ScoreRuns,
}

impl<'a> Side<'a> {
    pub fn role(&self) -> &'static str {
        self.scores.role
    }

    pub fn examples(&self) -> usize {
        self.depth.values.ncols()
    }

    pub fn labels(&self) -> &'a [u16] {
        &self.scores.cohort.labels
    }

    /// The class that each run gives an example; [`UNSEEN`] where it has another role there, empty where nothing is known.
    pub fn classes(&self, example: usize) -> ArrayView1<'a, u16> {
        let predicted = &self.scores.predicted;
        if example < predicted.ncols() { predicted.column(example) } else { ArrayView1::from(&[]) }
    }

    /// The class that a run gives an example of this role; none where it has another role there.
    pub fn class(&self, run: usize, example: usize) -> Option<u16> {
        self.scores.predicted.get((run, example)).copied().filter(|class| *class != UNSEEN)
    }

    /// Whether an example has this role in a run.
    pub fn seen(&self, run: usize, example: usize) -> bool {
        if self.scores.predicted.is_empty() {
            return self.depth_of(run, example).is_some();
        }
        self.class(run, example).is_some()
    }

    pub fn depth_of(&self, run: usize, example: usize) -> Option<f64> {
        self.depth.values.get((run, example)).map(|depth| f64::from(*depth)).filter(|depth| !depth.is_nan())
    }

    /// Whether a run has depths at all; one that was trained before the score was asked for has none.
    pub fn has_depths(&self, run: usize) -> bool {
        (0..self.examples()).any(|example| self.depth_of(run, example).is_some())
    }

    /// Examples' mean depths.
    pub fn means(&self) -> Vec<f64> {
        self.depth.means(None)
    }

    /// Pairs of run and example, and how many of them have no depth; runs without any depth don't count.
    pub fn pairs(&self) -> (usize, usize) {
        let (mut pairs, mut undefined) = (0, 0);
        for run in (0..self.depth.values.nrows()).filter(|run| self.has_depths(*run)) {
            for example in (0..self.examples()).filter(|example| self.seen(run, *example)) {
                pairs += 1;
                undefined += usize::from(self.depth_of(run, example).is_none());
            }
        }
        (pairs, undefined)
    }

    /// A score by its name without settings, if it has values per run; of several the first of `preferred`, then the first.
    pub fn score(&self, base: &str, preferred: &[&str]) -> Option<&'a ScoreRuns> {
        let of_base = |score: &&ScoreRuns| select::base(&score.name) == base && self.scores.is_per_run(score);
        let all: Vec<&ScoreRuns> = self.scores.scores.iter().filter(of_base).collect();
        let by_name = |name: &&str| all.iter().copied().find(|score| score.name == **name);
        if preferred.is_empty() { all.first().copied() } else { preferred.iter().find_map(by_name) }
    }
}

impl<'a> Subject<'a> {
    pub fn side(&self, role: &str) -> Option<&Side<'a>> {
        self.sides.iter().find(|side| side.role() == role)
    }

    /// The examples seen from outside: held out where there are such, else test examples.
    pub fn outside(&self) -> Option<&Side<'a>> {
        self.side("val").or_else(|| self.side("test"))
    }

    /// How many examples there are for training: test examples follow them in the probes.
    pub fn train(&self) -> usize {
        self.side("train").or_else(|| self.side("val")).map_or(0, Side::examples)
    }

    pub fn holds_out(&self) -> bool {
        self.side("val").is_some()
    }
}

/// The models that have depths, in their order, and what is missing of others.
pub(super) fn subjects<'a>(
    input: &Input<'a>,
    options: &Options,
    probes: &mut Memory<Vec<String>>,
) -> Result<(Vec<Subject<'a>>, Vec<String>)> {
    let (mut subjects, mut warnings) = (Vec::new(), Vec::new());
    for label in input.labels() {
        let of_label: Vec<&ModelScores> = input.models.iter().filter(|model| model.model == label).collect();
        match subject(input, &of_label, options, (probes, &mut warnings))? {
            Some(subject) => subjects.push(subject),
            None => warnings.push(lacking(&of_label)),
        }
    }
    Ok((subjects, warnings))
}

fn lacking(models: &[&ModelScores]) -> String {
    let label = models.first().map_or("", |model| model.model.as_str());
    if models.iter().all(|model| model.runs.is_empty()) {
        return format!("{label}: no finished run yet");
    }
    let asked = models.iter().any(|model| model.scores.iter().any(|score| select::base(&score.name) == DEPTH));
    if asked {
        return format!("{label}: no run has prediction depths: they were trained before `{DEPTH}` was asked for");
    }
    format!("{label}: no prediction depths; train with `{DEPTH} = {{ k = 30 }}` in [scores]")
}

fn subject<'a>(
    input: &Input<'a>,
    models: &[&'a ModelScores],
    options: &Options,
    (probes, warnings): (&mut Memory<Vec<String>>, &mut Vec<String>),
) -> Result<Option<Subject<'a>>> {
    let mut sides = Vec::new();
    for model in models {
        if let Some(depth) = depth_of(model, options)? {
            sides.push(Side { scores: model, depth });
        }
    }
    sides.retain(|side| side.depth.values.iter().any(|depth| !depth.is_nan()));
    let Some(first) = sides.first() else { return Ok(None) };
    let (label, score) = (first.scores.model.as_str(), first.depth.name.clone());
    let without = (0..first.scores.runs.len()).filter(|run| sides.iter().all(|side| !side.has_depths(*run))).count();
    if without > 0 {
        let all = first.scores.runs.len();
        warnings.push(format!("{label}: {without} of {all} runs have no `{score}` and are left out of depths"));
    }
    let probes = probes.get(key(first.scores, &score), || names_of_probes(input, (label, &score), &first.scores.runs));
    let last = last_of(&probes, sides.iter().map(|side| side.depth));
    let noisy = sides.iter().any(|side| {
        let cohort = &side.scores.cohort;
        cohort.true_labels.len() == cohort.labels.len() && cohort.true_labels != cohort.labels
    });
    Ok(Some(Subject { label, runs: &first.scores.runs, score, probes, last, sides, noisy }))
}

/// L: the number of the last probe; where runs left none, the largest depth that any of them gives.
fn last_of<'s>(probes: &[String], depths: impl Iterator<Item = &'s ScoreRuns>) -> f64 {
    let largest = depths.flat_map(|depth| depth.values.iter()).copied().filter(|depth| !depth.is_nan());
    probes
        .len()
        .checked_sub(1)
        .map_or_else(|| largest.fold(0.0_f64, |most, d| most.max(f64::from(d))), |last| last as f64)
}

/// The same of a model that is known by its label, its runs and its depths in some roles.
pub(in crate::analysis) fn last<'s>(
    input: &Input,
    (label, score): (&str, &str),
    runs: &[u32],
    depths: impl Iterator<Item = &'s ScoreRuns>,
) -> f64 {
    last_of(&names_of_probes(input, (label, score), runs), depths)
}

/// The wanted score where one is named, else the first prediction depth.
fn depth_of<'a>(model: &'a ModelScores, options: &Options) -> Result<Option<&'a ScoreRuns>> {
    let per_run = |score: &&ScoreRuns| model.is_per_run(score);
    if options.scores.is_empty() {
        let is_depth = |score: &&ScoreRuns| select::base(&score.name) == DEPTH;
        return Ok(model.scores.iter().filter(per_run).find(is_depth));
    }
    let chosen = select::scores(model, &options.scores)?;
    let mut chosen = chosen.into_iter().filter_map(|place| model.scores.get(place));
    let Some(depth) = chosen.find(|score| select::base(&score.name) == DEPTH) else {
        let reason = "analyze depth looks at a prediction depth, such as prediction_depth or prediction_depth.k10";
        return Err(Error::Usage(format!("--score {}: {reason}", options.scores.join(", "))));
    };
    Ok(Some(depth).filter(per_run))
}

/// The names in the first file of probes that can be read.
fn names_of_probes(input: &Input, (label, score): (&str, &str), runs: &[u32]) -> Vec<String> {
    let Some(evidence) = input.evidence else { return Vec::new() };
    runs.iter()
        .find_map(|run| evidence.probes(label, *run, score).ok().flatten())
        .map(|probes| probes.names)
        .unwrap_or_default()
}
