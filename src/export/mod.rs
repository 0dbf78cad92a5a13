//! What does a study say of every example, as one table that other programs open?
//!
//! A row per example: training examples first, then test examples. The columns of a model have its label in front of them, and
//! parts of a name are separated by `/`, which no label and no score can hold:
//!
//! | column | what it is |
//! |---|---|
//! | `id`, `role` | the example's id in its source; `train` or `test` |
//! | `given_label`, `given_class` | the label that training used, as a number and by name |
//! | `true_label`, `true_class` | the label as the source has it (label noise may have changed it) |
//! | `<model>/believed`, `<model>/believed_class` | the class that most final networks give; ties go to the lowest class |
//! | `<model>/votes`, `<model>/voters` | how many of how many runs give it |
//! | `<model>/<score>/mean`, `/sd`, `/n` | mean and standard deviation (n - 1) over the n runs that have a value; raw sign |
//! | `<model>/<score>/rank` | rank of that mean within its role, 1 = hardest; ties share their mean rank |
//! | `<model>/<score>/rank_low`, `/rank_high` | 90 % of the ranks when runs are drawn with replacement, ties to their ends; none with fewer than two values |
//! | `<model>/<score>/<run>`, such as `/003` | the value of one run (on request) |
//!
//! A training example's numbers are over the runs that trained on it. Where runs hold examples out, columns with `val` in them
//! (`<model>/val/believed`, `<model>/<score>/val/mean`, ...) are over the runs that held it out, and `<model>/<run>/role` says
//! beside the single runs what the example was to each. A value that does not exist is null in parquet and jsonl, NaN or -1 in npz
//! and csv, where a word is empty.

pub mod columns;
pub mod csv;
pub mod jsonl;
pub mod npz;
pub mod parquet;

use std::borrow::Cow;

use crate::analysis::UNSEEN;

/// A table, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<'a> {
    /// How many rows.
    pub rows: usize,
    /// The columns, each with a value per row.
    pub columns: Vec<Column<'a>>,
    /// One name per class.
    pub classes: Vec<String>,
    /// What the numbers were made with, for formats that have a place for it.
    pub about: serde_json::Value,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<'a> {
    /// Its name.
    pub name: String,
    /// A value per row.
    pub values: Values<'a>,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values<'a> {
    /// Ids; none is missing.
    Ids(Cow<'a, [u32]>),
    /// Counts and classes; [`UNSEEN`] is missing.
    Whole(Cow<'a, [u16]>),
    /// Words by number; [`UNSEEN`], and a number without a word, are missing.
    Words {
        /// The number of each row's word.
        of: Cow<'a, [u16]>,
        /// The words.
        words: Vec<String>,
        /// Whether these are names of classes, whose numbers stand beside them.
        classes: bool,
    },
    /// Numbers as scores are kept; NaN is missing.
    Single(Cow<'a, [f32]>),
    /// Numbers over several runs; NaN is missing.
    Double(Vec<f64>),
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// There is none.
    Missing,
    /// An id, count or class.
    Whole(u64),
    /// A word.
    Text(&'a str),
    /// A number; not NaN.
    Single(f32),
    /// A number; not NaN.
    Double(f64),
}

impl Values<'_> {
    /// The value of a row; beyond the last there is none.
    pub fn cell(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Self::Ids(values) => values.get(row).map(|value| Cell::Whole(u64::from(*value))),
            Self::Whole(values) => {
                values.get(row).filter(|value| **value != UNSEEN).map(|value| Cell::Whole(u64::from(*value)))
            }
            Self::Words { of, words, .. } => {
                of.get(row).and_then(|word| words.get(usize::from(*word))).map(|word| Cell::Text(word))
            }
            Self::Single(values) => values.get(row).filter(|value| !value.is_nan()).map(|value| Cell::Single(*value)),
            Self::Double(values) => values.get(row).filter(|value| !value.is_nan()).map(|value| Cell::Double(*value)),
        };
        cell.unwrap_or(Cell::Missing)
    }
}

/// A small table with everything that is awkward, for the tests of the formats.
#[cfg(test)]
fn awkward() -> Table<'static> {
    let column = |name: &str, values| Column { name: name.to_owned(), values };
    let words = ["plain", "with, comma", "a \"quote\"", "two\nlines", "ü日\\\u{1}"].map(String::from).to_vec();
    Table {
        rows: 5,
        columns: vec![
            column("id", Values::Ids(vec![7, 0, u32::MAX, 3, 9].into())),
            column("m/believed", Values::Whole(vec![3, UNSEEN, 0, 65_534, 1].into())),
            column("role", Values::Words { of: vec![0, 1, UNSEEN, 9, 1].into(), words: words.clone(), classes: false }),
            column("class", Values::Words { of: vec![2, 3, 4, UNSEEN, 0].into(), words: words.clone(), classes: true }),
            column("m/loss/000", Values::Single(vec![0.1, f32::NAN, f32::INFINITY, -1e-30, 3.0].into())),
            column("m/a.b@3/mean, \"n\"", Values::Double(vec![1.0 / 3.0, 1e300, f64::NAN, -0.0, f64::NEG_INFINITY])),
        ],
        classes: words,
        about: serde_json::json!({"diffscope": crate::VERSION}),
    }
}
