//! The report as text that every forge and editor shows, with the figures of the folder.

use std::fmt::Write;

use super::escape::markdown;
use super::{Report, Section, paper, shown};
use crate::analysis::{Cell, Table};

/// The page.
pub fn page(report: &Report) -> String {
    let mut page = format!("# {}\n\nExample difficulty, by diffscope {}.\n", markdown(&report.study), crate::VERSION);
    report.notes.iter().for_each(|note| warn(&mut page, note));
    for part in &report.sections {
        section(&mut page, part);
    }
    page.push_str("\n## How it was made\n\n| | |\n|---|---|\n");
    for (name, value) in &report.settings {
        let _ = writeln!(page, "| {} | {} |", markdown(name), markdown(value));
    }
    for (name, _) in &report.records {
        let _ = write!(page, "\n[{name}]({name})");
    }
    page.push('\n');
    page
}

fn warn(page: &mut String, text: &str) {
    let _ = write!(page, "\n> {}\n", markdown(text));
}

fn section(page: &mut String, section: &Section) {
    let name = section.analysis.name;
    let _ = write!(page, "\n## {name}\n\n*{}*\n", markdown(section.analysis.question));
    if let Some(answer) = section.answer.as_ref().ok().filter(|answer| !answer.reading.is_empty()) {
        let _ = write!(page, "\n{}\n", markdown(&answer.reading));
    }
    section.warnings().iter().for_each(|warning| warn(page, warning));
    if !section.drawings.is_empty() {
        let about = paper(name).map_or_else(|| name.to_owned(), |number| format!("{name}: {number} of Kwok et al."));
        let _ = write!(page, "\n![{}]({})\n", markdown(&about), section.sheet_path());
    }
    for (place, one) in section.tables().enumerate() {
        table(page, one, &section.table_path(place));
    }
    if section.answer.is_ok() {
        let _ = write!(page, "\nThe complete answer: [{path}]({path})\n", path = section.result_path());
    }
}

fn table(page: &mut String, table: &Table, path: &str) {
    let _ = write!(page, "\n**{}** ([CSV]({path}))\n\n", markdown(&table.title));
    let heads = table.columns.iter().map(|head| markdown(head)).collect::<Vec<_>>().join(" | ");
    let rules = (0..table.columns.len()).map(|column| {
        let words = table.rows.iter().all(|row| matches!(row.get(column), Some(Cell::Text(_))));
        if words { "---" } else { "---:" }
    });
    let _ = write!(page, "| {heads} |\n|{}|\n", rules.collect::<Vec<_>>().join("|"));
    let (rows, more) = shown(table);
    for row in rows {
        let cells = row.iter().map(|cell| markdown(&cell.shown())).collect::<Vec<_>>().join(" | ");
        let _ = writeln!(page, "| {cells} |");
    }
    if more > 0 {
        let _ = write!(page, "\n{more} more rows: [{path}]({path})\n");
    }
}
