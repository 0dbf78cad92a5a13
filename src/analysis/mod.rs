//! How far can the scores be trusted? One file and one registry line per question.
//!
//! An analysis takes arrays and gives tables, figures and one sentence; the command line, the tab and the report
//! each know how to draw those. Nothing here reads a file, starts a thread or looks at a clock.

pub mod correlation;
pub mod rank;
pub mod select;
pub mod summary;
pub mod table;

use ndarray::Array2;
use serde_json::json;

use crate::Result;
use crate::scores::Harder;

/// Every analysis of this version. Adding one is its file and its line here.
pub static REGISTRY: &[&Analysis] = &[&summary::ANALYSIS, &correlation::ANALYSIS];

/// A question that can be asked of a study: a line of the registry.
#[derive(Debug)]
pub struct Analysis {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it answers.
    pub question: &'static str,
    /// Answers it.
    pub run: fn(&Input, &Options) -> Result<Answer>,
}

/// What an analysis is given: the caller has left out replicates that are unfinished or non-finite.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The scores of each model, for one role or several.
    pub models: &'a [ModelScores],
    /// How training went, for the models that the summary should list.
    pub replicates: &'a [summary::Replicates],
}

/// What a user may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Full names of scores; empty: the first-listed variant of each, without `variability`.
    pub scores: Vec<String>,
    /// `train` or `test`.
    pub role: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { scores: Vec::new(), role: "train".to_owned() }
    }
}

/// One score of one model: a value per run and example.
#[derive(Debug, Clone)]
pub struct ScoreRuns {
    /// Full name, such as `el2n@20`.
    pub name: String,
    /// The difficult end.
    pub harder: Harder,
    /// `[runs, examples]`, raw sign; NaN where a value does not exist. A score of
    /// the whole ensemble has one row, however many runs there are.
    pub values: Array2<f32>,
}

/// The scores of one model over its replicates, for the examples of one role.
#[derive(Debug, Clone)]
pub struct ModelScores {
    /// The model's label.
    pub model: String,
    /// `train` or `test`.
    pub role: &'static str,
    /// Index of each run, in the order of the rows.
    pub runs: Vec<u32>,
    /// The scores, all over the same runs and examples.
    pub scores: Vec<ScoreRuns>,
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

/// A picture of numbers, as marks without pixels.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// A matrix of values.
    Heatmap {
        /// What it shows.
        title: String,
        /// Row names, top to bottom.
        rows: Vec<String>,
        /// Column names, left to right.
        columns: Vec<String>,
        /// `[rows, columns]`; NaN is blank.
        values: Array2<f64>,
    },
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

    /// What `analyze` prints: the reading, the warnings, then the tables.
    pub fn text(&self) -> String {
        let reading = std::iter::once(self.reading.clone()).filter(|reading| !reading.is_empty());
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        let sentences: Vec<String> = reading.chain(warnings).collect();
        let parts = std::iter::once(sentences.join("\n") + "\n").chain(self.tables.iter().map(Table::text));
        parts.collect::<Vec<_>>().join("\n")
    }
}
