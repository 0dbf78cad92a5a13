//! What does a whole study say, in one folder to take away?
//!
//! [`Report`] is what was asked and answered; [`Report::files`] is the folder: `report.html` (one file with everything in it),
//! `report.md`, `figures/` (vector graphics, one per figure and one sheet per analysis), `tables/` (CSV), `results/` (the complete
//! answers in JSON) and `report.json` (what it was made with). Every analysis of the registry is in it; one that cannot be
//! answered stands there with its reason.

pub mod escape;
pub mod folder;
mod html;
mod markdown;
pub mod picture;
pub mod svg;

use serde_json::{Value, json};

use crate::analysis::{Analysis, Answer, Cell, Figure, Table};
use crate::export::{Cell as Field, csv};
use crate::{Error, Result};

/// The file that says that a folder is a report, and what it was made with.
pub const MARKER: &str = "report.json";
/// Rows of a table that a page shows; the rest is in its CSV file.
const ROWS: usize = 60;

/// A study's answers.
pub struct Report {
    /// The study's name.
    pub study: String,
    /// What it was made with: names and values, in order.
    pub settings: Vec<(String, String)>,
    /// The studies' own records: the name of the file, and its text.
    pub records: Vec<(String, String)>,
    /// Every question with its answer.
    pub sections: Vec<Section>,
    /// What the whole lacks, such as pictures.
    pub notes: Vec<String>,
}

/// A question with its answer.
pub struct Section {
    /// The question.
    pub analysis: &'static Analysis,
    /// The answer, or why there is none.
    pub answer: Result<Answer>,
    /// Its figures, drawn.
    pub drawings: Vec<svg::Drawing>,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it lies in the folder.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Section {
    /// An answer with its figures drawn.
    pub fn new(analysis: &'static Analysis, answer: Result<Answer>, picture: &svg::PictureOf<'_>) -> Self {
        let figures = answer.as_ref().map_or(&[][..], |answer| answer.figures.as_slice());
        let drawings = figures.iter().map(|figure| svg::draw(figure, picture)).collect();
        Self { analysis, answer, drawings }
    }

    fn figures(&self) -> impl Iterator<Item = (&Figure, &svg::Drawing)> {
        self.answer.iter().flat_map(|answer| &answer.figures).zip(&self.drawings)
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.answer.iter().flat_map(|answer| &answer.tables)
    }

    /// What has to be said beside or instead of an answer.
    fn warnings(&self) -> Vec<String> {
        match &self.answer {
            Ok(answer) => answer.warnings.clone(),
            Err(error) => vec![error.to_string()],
        }
    }

    fn figure_path(&self, place: usize) -> String {
        format!("figures/{}-{:02}.svg", self.analysis.name, place + 1)
    }

    fn sheet_path(&self) -> String {
        format!("figures/{}.svg", self.analysis.name)
    }

    fn table_path(&self, place: usize) -> String {
        format!("tables/{}-{:02}.csv", self.analysis.name, place + 1)
    }

    fn result_path(&self) -> String {
        format!("results/{}.json", self.analysis.name)
    }

    fn files(&self, study: &str, files: &mut Vec<File>) -> Result<()> {
        for (place, (_, drawing)) in self.figures().enumerate() {
            files.push(File::text(self.figure_path(place), svg::file(drawing)));
        }
        if !self.drawings.is_empty() {
            let all: Vec<_> = self.figures().map(|(figure, drawing)| (figure.title(), drawing)).collect();
            files.push(File::text(self.sheet_path(), svg::file(&svg::sheet::of(&all))));
        }
        for (place, table) in self.tables().enumerate() {
            files.push(File { path: self.table_path(place), bytes: csv_of(table)? });
        }
        if let Ok(answer) = &self.answer {
            let envelope = answer.envelope(self.analysis.name, study);
            files.push(File::text(self.result_path(), format!("{envelope:#}\n")));
        }
        Ok(())
    }
}

impl File {
    fn text(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), bytes: text.into().into_bytes() }
    }
}

impl Report {
    /// Every file of the folder.
    ///
    /// # Errors
    /// None but that of a writer into memory.
    pub fn files(&self) -> Result<Vec<File>> {
        let mut files = vec![
            File::text(MARKER, format!("{:#}\n", self.about())),
            File::text("report.html", html::page(self)),
            File::text("report.md", markdown::page(self)),
        ];
        for (name, text) in &self.records {
            files.push(File::text(name, text));
        }
        for section in &self.sections {
            section.files(&self.study, &mut files)?;
        }
        Ok(files)
    }

    /// What it was made with, as the marker has it.
    fn about(&self) -> Value {
        let settings: serde_json::Map<String, Value> =
            self.settings.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let analyses: Vec<&str> = self.sections.iter().map(|section| section.analysis.name).collect();
        json!({
            "diffscope_report": 1, "study": self.study, "version": crate::VERSION, "numerics": crate::NUMERICS,
            "settings": settings, "analyses": analyses,
        })
    }
}

/// A table as CSV, with all digits.
fn csv_of(table: &Table) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let heads = csv::line(&mut bytes, table.columns.iter().map(|head| Field::Text(head)));
    let mut row = |row: &Vec<Cell>| csv::line(&mut bytes, row.iter().map(field));
    heads.and_then(|()| table.rows.iter().try_for_each(&mut row)).map_err(Error::io("a table in memory"))?;
    Ok(bytes)
}

fn field(cell: &Cell) -> Field<'_> {
    match cell {
        Cell::Text(text) => Field::Text(text),
        Cell::Count(count) => Field::Whole(*count),
        Cell::Number(number) if number.is_nan() => Field::Missing,
        Cell::Number(number) => Field::Double(*number),
    }
}

/// The first rows of a table, as a page shows them, and how many it doesn't.
fn shown(table: &Table) -> (&[Vec<Cell>], usize) {
    let rows = table.rows.get(..ROWS).unwrap_or(&table.rows);
    (rows, table.rows.len() - rows.len())
}

/// Names of figures in the paper that a question answers as the paper does (Kwok et al. 2024).
fn paper(analysis: &str) -> Option<&'static str> {
    let figures = ["fingerprint", "variance", "stability", "correlation", "components", "bias"];
    let numbers = ["figure 1", "figure 2", "figure 3", "figure 4", "figure 5", "figure 6"];
    figures.into_iter().zip(numbers).find(|(name, _)| *name == analysis).map(|(_, number)| number)
}

#[cfg(test)]
mod tests;
