//! How far can the scores be trusted? One file and one registry line per question.
//!
//! An analysis takes arrays and gives tables, figures and one sentence; the command line, the tab and the report
//! each know how to draw those. Nothing here reads a file, starts a thread or looks at a clock.

use ndarray::Array2;

use crate::scores::Harder;

/// One score of one model: a value per run and example.
#[derive(Debug, Clone)]
pub struct ScoreRuns {
    /// Full name, such as `el2n@20`.
    pub name: String,
    /// The difficult end.
    pub harder: Harder,
    /// `[runs, examples]`, raw sign; NaN where a value does not exist.
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
