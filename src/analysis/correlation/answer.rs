//! What do the correlations say? A sentence, three signed heatmaps as in figure 4, tables and JSON.

use ndarray::Array2;
use serde_json::{Value, json};

use super::super::json::{self, nested};
use super::super::table::counted;
use super::super::{Answer, Cell, Figure, Table};
use super::{Correlations, interval};

/// The answer of some models' correlations; a model without runs, or with fewer than 2 scores, gives a warning instead.
pub fn answer(models: &[Correlations]) -> Answer {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for of in models {
        // Without a run every score is without values: saying so of each would bury the reason.
        answer.warnings.extend(of.warnings.iter().filter(|_| of.runs > 0).cloned());
        if let Some(lack) = lack(of) {
            answer.warnings.push(lack);
            continue;
        }
        readings.extend(reading(of));
        for (title, values) in pictures(of) {
            answer.tables.push(table(&title, &of.scores, &values));
            answer.figures.push(Figure::Heatmap { title, rows: of.scores.clone(), columns: of.scores.clone(), values });
        }
        answer.results.push(result(of));
    }
    if models.is_empty() {
        answer.warnings.push("no model has finished runs: correlation needs 1".to_owned());
    }
    answer.reading = match readings.join("; ") {
        none if none.is_empty() => "No two scores can be compared yet.".to_owned(),
        reading => reading + ".",
    };
    answer
}

/// What is missing for any correlation at all.
fn lack(of: &Correlations) -> Option<String> {
    let model = &of.model;
    match (of.runs, of.scores.len()) {
        (0, 0..=1) => Some(format!("{model}: no finished run; correlation needs 1, its run-by-run parts 2")),
        (_, scores @ 0..=1) => {
            Some(format!("{model}: {} with values; correlation needs 2", counted(scores, "score", "scores")))
        }
        _ => None,
    }
}

/// The three parts of Kwok's figure 4, left to right; with few runs, what is left of the middle one where the run is no part of
/// the mean.
fn pictures(of: &Correlations) -> Vec<(String, Array2<f64>)> {
    let runs = if of.runs == 1 { "run" } else { "runs" };
    let title = |part: &str| format!("{}: {part} ({} {runs}, {})", of.model, of.runs, of.role);
    let mut right = &of.same_run - &of.mean_run;
    right.diag_mut().fill(f64::NAN);
    let others = of.leave_one_out.as_ref();
    let others =
        others.map(|rest| (title("mean of the other runs with run, minus mean with mean"), rest - &of.mean_mean));
    [
        (title("mean with mean"), of.mean_mean.clone()),
        (title("mean with run (part of that mean), minus mean with mean"), &of.mean_run - &of.mean_mean),
        (title("within the same run, minus mean with run"), right),
    ]
    .into_iter()
    .chain(others)
    .collect()
}

/// The lowest and the highest correlation of two mean scores.
fn reading(of: &Correlations) -> Option<String> {
    let pairs = || {
        let above_diagonal = of.mean_mean.indexed_iter().filter(|((i, j), rho)| i < j && !rho.is_nan());
        above_diagonal.map(|((i, j), rho)| (*rho, i, j))
    };
    let by_rho = |a: &(f64, usize, usize), b: &(f64, usize, usize)| a.0.total_cmp(&b.0);
    let (lowest, highest) = (pairs().min_by(by_rho)?, pairs().max_by(by_rho)?);
    let (low, high) = interval(lowest.0, of.examples.get((lowest.1, lowest.2)).copied().unwrap_or(0), 0.95);
    let pair = |(_, i, j): (f64, usize, usize)| {
        let name = |place: usize| of.scores.get(place).map_or("", String::as_str);
        format!("{} with {}", name(i), name(j))
    };
    let runs = if of.runs == 1 { "1 run".to_owned() } else { format!("{} runs", of.runs) };
    if pairs().count() == 1 {
        return Some(format!(
            "{} ({runs}, {} examples): the mean scores correlate at {:.3} (95 % interval {low:.3} to {high:.3}), {}",
            of.model,
            of.role,
            lowest.0,
            pair(lowest)
        ));
    }
    Some(format!(
        "{} ({runs}, {} examples): mean scores correlate least at {:.3} (95 % interval {low:.3} to {high:.3}), {}; most \
         at {:.3}, {}",
        of.model,
        of.role,
        lowest.0,
        pair(lowest),
        highest.0,
        pair(highest)
    ))
}

fn table(title: &str, names: &[String], values: &Array2<f64>) -> Table {
    let row = |(name, row): (&String, ndarray::ArrayView1<f64>)| {
        std::iter::once(Cell::Text(name.clone())).chain(row.iter().map(|value| Cell::Number(*value))).collect()
    };
    Table {
        title: title.to_owned(),
        columns: std::iter::once("score".to_owned()).chain(names.iter().cloned()).collect(),
        rows: names.iter().zip(values.outer_iter()).map(row).collect(),
    }
}

fn result(of: &Correlations) -> Value {
    let mut result = json!({
        "model": of.model, "role": of.role, "scores": of.scores, "runs": of.runs, "examples": nested(&of.examples),
        "mean_mean": nested(&of.mean_mean), "mean_run": nested(&of.mean_run), "same_run": nested(&of.same_run),
    });
    if let Some(leave_one_out) = &of.leave_one_out {
        json::insert(&mut result, "leave_one_out", nested(leave_one_out));
    }
    result
}
