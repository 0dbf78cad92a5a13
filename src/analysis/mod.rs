//! How far can the scores be trusted? One file and one registry line per question.
//!
//! An analysis takes arrays and gives tables, figures and one sentence; the command line, the tab and the report
//! each know how to draw those. Nothing here reads a file, starts a thread or looks at a clock.

pub mod again;
pub mod audit;
pub mod bias;
pub mod components;
pub mod correlation;
pub mod depth;
pub mod evidence;
pub mod figure;
pub mod fingerprint;
#[cfg(test)]
mod golden;
pub mod intervals;
pub mod json;
pub mod means;
pub mod quantile;
pub mod rank;
pub mod select;
pub mod stability;
pub mod summary;
pub mod table;
pub mod variance;
pub mod vog;

use std::sync::Arc;

use ndarray::Array2;
use serde_json::json;

use crate::Result;
use crate::data::Verdict;
use crate::scores::Harder;

pub use again::Again;
pub use evidence::Evidence;
pub use figure::Figure;

/// Every analysis of this version. Adding one is its file and its line here.
pub static REGISTRY: &[&Analysis] = &[
    &summary::ANALYSIS,
    &variance::ANALYSIS,
    &stability::ANALYSIS,
    &correlation::ANALYSIS,
    &components::ANALYSIS,
    &bias::ANALYSIS,
    &fingerprint::ANALYSIS,
    &depth::ANALYSIS,
    &vog::ANALYSIS,
    &audit::ANALYSIS,
];

/// A question that can be asked of a study: a line of the registry.
#[derive(Debug)]
pub struct Analysis {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it answers.
    pub question: &'static str,
    /// The key of its tab in the workbench, and the tab's name; none where it has no tab of this kind. Analyses of one key
    /// share a tab, which lists the figures of one after those of the other.
    pub tab: Option<(char, &'static str)>,
    /// Whether it compares models with each other; else each model has its own answer.
    pub compares: bool,
    /// The options beyond models, scores and role that it has a use for.
    pub takes: &'static [&'static str],
    /// What it looks at beside the scores of one role.
    pub wants: Wants,
    /// Answers it.
    pub run: fn(&Input, &Options) -> Result<Answer>,
    /// Answers it again and again, and keeps what is slow; none where nothing is.
    pub again: Option<fn() -> Box<dyn Again>>,
}

/// What an analysis looks at beside the scores of the role that is asked for; the rest is not loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Wants {
    /// The scores of every role, as models of their own with the same label.
    pub all_roles: bool,
    /// People's verdicts, in each model's cohort.
    pub verdicts: bool,
    /// What runs left beside their scores: probes, and how training went.
    pub evidence: bool,
    /// The scores that it reads, by their names without settings; empty: all of them.
    pub scores: &'static [&'static str],
    /// Those that it asks about, so that one may be chosen; empty: all that it reads.
    pub about: &'static [&'static str],
}

impl Wants {
    /// The scores of one role.
    pub const SCORES: Self = Self { all_roles: false, verdicts: false, evidence: false, scores: &[], about: &[] };
}

/// What an analysis is given: the caller has left out replicates that are unfinished or non-finite.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The scores of each model, for one role or several.
    pub models: &'a [ModelScores],
    /// How training went, for the models that the summary should list.
    pub replicates: &'a [summary::Replicates],
    /// What runs left beside their scores, where the analysis wants it.
    pub evidence: Option<&'a dyn Evidence>,
}

impl<'a> Input<'a> {
    /// The labels of the models, each once: a model stands there once for every role.
    pub fn labels(&self) -> Vec<&'a str> {
        let mut labels: Vec<&str> = Vec::new();
        for model in self.models {
            if !labels.contains(&model.model.as_str()) {
                labels.push(&model.model);
            }
        }
        labels
    }

    /// Whether the scores of a model came from elsewhere: no setting of training brings it others.
    pub fn is_imported(&self, label: &str) -> bool {
        self.replicates.iter().any(|replicates| replicates.model == label && replicates.network.is_empty())
    }
}

/// What a user may choose.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Full names of scores; empty: the first-listed variant of each, without `variability`.
    pub scores: Vec<String>,
    /// `train`, `val` or `test`.
    pub role: String,
    /// How many random draws, where the analysis' own number is not wanted.
    pub draws: Option<usize>,
    /// Seed of the draws.
    pub seed: u64,
    /// Whether the results hold a number for every example.
    pub per_example: bool,
    /// Where hard begins, as a percentile of the mean scores.
    pub threshold: f64,
    /// The median rank change to reach, as a share of the examples.
    pub target: f64,
    /// Whether parts that take longer than a moment may be left out: somebody waits at the screen, and is given them later.
    pub quick: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scores: Vec::new(),
            role: "train".to_owned(),
            draws: None,
            seed: 0,
            per_example: false,
            threshold: 50.0,
            target: 0.05,
            quick: false,
        }
    }
}

/// One score of one model: a value per run and example.
#[derive(Debug, Clone)]
pub struct ScoreRuns {
    /// Full name, such as `el2n@20`.
    pub name: String,
    /// The difficult end.
    pub harder: Harder,
    /// `[runs, examples]`, raw sign; NaN where a run has no value for an example. A score of the whole ensemble has one
    /// row, however many runs there are.
    pub values: Array2<f32>,
}

/// Who the examples of a role are, in the order of the columns of their scores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cohort {
    /// Ids; empty where nothing is known.
    pub ids: Vec<u32>,
    /// Given labels; empty where there are none.
    pub labels: Vec<u16>,
    /// True labels, which label noise may have changed; empty where they are not known to differ from `labels`.
    pub true_labels: Vec<u16>,
    /// One name per class.
    pub classes: Vec<String>,
    /// People's verdicts, for the analyses that ask for them.
    pub reviews: Vec<Reviewed>,
}

/// A reviewer's verdict on an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewed {
    /// The example's id.
    pub id: u32,
    /// What is said.
    pub verdict: Verdict,
    /// The class that it should have, where one was named.
    pub new_label: Option<u16>,
    /// Who says so.
    pub reviewer: String,
}

impl Cohort {
    /// The id of the example in a column; the column itself where ids are unknown.
    pub fn id(&self, column: usize) -> u32 {
        self.ids.get(column).copied().unwrap_or(column as u32)
    }

    /// The name of a class, or its number where it has none.
    pub fn class(&self, class: u16) -> String {
        self.classes.get(usize::from(class)).cloned().unwrap_or_else(|| class.to_string())
    }
}

/// The scores of one model over its replicates, for the examples of one role.
#[derive(Debug, Clone)]
pub struct ModelScores {
    /// The model's label.
    pub model: String,
    /// `train`, `val` or `test`.
    pub role: &'static str,
    /// Index of each run, in the order of the rows.
    pub runs: Vec<u32>,
    /// The scores, all over the same runs and examples.
    pub scores: Vec<ScoreRuns>,
    /// The examples, where they are known.
    pub cohort: Arc<Cohort>,
    /// `[runs, examples]`: the class that the final network of each run gives; [`UNSEEN`] where an example has another role
    /// in the run. Empty where networks are not at hand, as with imported scores.
    pub predicted: Array2<u16>,
}

/// Stands for the class where a run says nothing of an example.
pub const UNSEEN: u16 = u16::MAX;

impl ModelScores {
    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.scores.first().map_or(0, |score| score.values.ncols())
    }

    /// Whether a score has a value per run, which a score of the whole ensemble has not.
    pub fn is_per_run(&self, score: &ScoreRuns) -> bool {
        score.values.nrows() == self.runs.len()
    }
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, shown with three significant digits; NaN is shown as `·`.
    Number(f64),
    /// A count.
    Count(u64),
}

/// A table with a title.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Column heads.
    pub columns: Vec<String>,
    /// Rows, as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// What an analysis answers.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// One sentence with the numbers in it.
    pub reading: String,
    /// What a reader must know: left-out scores, too few runs.
    pub warnings: Vec<String>,
    /// Tables for the command line.
    pub tables: Vec<Table>,
    /// Figures for the screen and the report.
    pub figures: Vec<Figure>,
    /// One JSON object per model: the complete numbers.
    pub results: Vec<serde_json::Value>,
    /// Whether parts were left out because of [`Options::quick`].
    pub unfinished: bool,
}

impl Answer {
    /// What `analyze --json` prints; NaN is null.
    pub fn envelope(&self, analysis: &str, study: &str) -> serde_json::Value {
        json!({
            "analysis": analysis,
            "study": study,
            "version": crate::VERSION,
            "reading": self.reading,
            "warnings": self.warnings,
            "results": self.results,
        })
    }

    /// What `analyze` prints: the tables, the warnings, and the reading at the end, where a terminal stands.
    pub fn text(&self) -> String {
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        let reading = std::iter::once(self.reading.clone()).filter(|reading| !reading.is_empty());
        let sentences: Vec<String> = warnings.chain(reading).collect();
        let parts = self.tables.iter().map(Table::text).chain([sentences.join("\n") + "\n"]);
        parts.collect::<Vec<_>>().join("\n")
    }
}
