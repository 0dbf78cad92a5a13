//! What do the components say? Explained variance as stacked parts, a signed heatmap, the first one's steadiness.

use ndarray::{Array2, s};
use serde_json::{Value, json};

use super::super::json::{insert, nested};
use super::super::quantile::mean;
use super::super::stability::{Comparisons, add_measures, curves};
use super::super::table::{counted, significant};
use super::super::{Answer, Cell, Figure, Options, Table};
use super::{Decomposed, FEWEST_SCORES};

/// Components that tables and figures show, as in the paper.
const SHOWN: usize = 6;

/// The answer of some models' components; a model without runs, or with fewer than 2 scores, gives a warning instead.
pub fn answer(models: &[Decomposed], options: &Options) -> Answer {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for of in models {
        answer.warnings.extend(of.warnings.iter().filter(|_| of.runs > 0).cloned());
        if let Some(lack) = lack(of) {
            answer.warnings.push(lack);
            continue;
        }
        if of.left_out > 0 {
            let lack = counted(
                of.left_out,
                "example lacks one of the scores and is",
                "examples lack one of the scores and are",
            );
            answer.warnings.push(format!("{}: {lack} left out", of.model));
        }
        answer.warnings.extend(short(of));
        readings.push(reading(of, options));
        answer.tables.push(table(of));
        answer.figures.extend(figures(of, options));
        answer.results.push(result(of, options));
    }
    if models.is_empty() {
        answer.warnings.push("no model has finished runs: components need 1".to_owned());
    }
    answer.reading = match readings.join("; ") {
        none if none.is_empty() => "Nothing can be taken apart yet.".to_owned(),
        reading => reading + ".",
    };
    answer
}

fn lack(of: &Decomposed) -> Option<String> {
    let model = &of.model;
    match (of.runs, of.scores.len()) {
        (0, _) => Some(format!("{model}: no finished run; components need 1, the first one's steadiness 2")),
        (_, scores) if scores < FEWEST_SCORES => {
            let varying = counted(scores, "score that varies", "scores that vary");
            Some(format!("{model}: {varying}; components need {FEWEST_SCORES}"))
        }
        _ if of.components.examples < 2 => Some(format!("{model}: fewer than 2 examples have all scores")),
        _ => None,
    }
}

/// What a reader must know where some run lacks a score wholly.
fn short(of: &Decomposed) -> Option<String> {
    let Comparisons { valid, changes, .. } = of.steadiness.as_ref().filter(|steadiness| steadiness.valid < of.runs)?;
    let drawn = match changes.len() {
        0 => "2 are needed".to_owned(),
        most => format!("sets are drawn among those, up to n = {most}"),
    };
    Some(format!("{}: steadiness of component 1: {valid} of {} runs have all scores; {drawn}", of.model, of.runs))
}

/// How many components it takes to reach a share of the variance.
fn to_reach(explained: &[f64], share: f64) -> usize {
    let mut sum = 0.0;
    let short = explained.iter().take_while(|part| {
        sum += **part;
        sum < share
    });
    (short.count() + 1).min(explained.len())
}

fn reading(of: &Decomposed, options: &Options) -> String {
    let explained = &of.components.explained;
    let weights: Vec<f64> = of.components.coefficients.outer_iter().next().map(|row| row.to_vec()).unwrap_or_default();
    let range = |pick: fn(f64, f64) -> f64| weights.iter().copied().reduce(pick).unwrap_or(f64::NAN);
    let first = explained.first().copied().unwrap_or(f64::NAN);
    format!(
        "{} ({}, {} examples, {} scores): the first component carries {} % of the variance with weights from {} to {}, \
         and {} 98 %{}",
        of.model,
        counted(of.runs, "run", "runs"),
        of.role,
        of.scores.len(),
        significant(100.0 * first),
        significant(range(f64::min)),
        significant(range(f64::max)),
        counted(to_reach(explained, 0.98), "component reaches", "components reach"),
        steadiness_in_words(of, options)
    )
}

fn steadiness_in_words(of: &Decomposed, options: &Options) -> String {
    let Some(steadiness) = &of.steadiness else { return String::new() };
    let n = steadiness.changes.len().min(5);
    let Some(draws) = n.checked_sub(1).and_then(|place| steadiness.changes.get(place)) else { return String::new() };
    let median = mean(&draws.iter().map(|change| change.median).collect::<Vec<f64>>());
    let sides = mean(&draws.iter().map(|change| change.disagreement(options.threshold)).collect::<Vec<f64>>());
    format!(
        "; as a score from n = {n} runs its median rank change is {} % and {} % of examples change side",
        significant(100.0 * median),
        significant(100.0 * sides)
    )
}

fn names(components: usize) -> Vec<String> {
    (1..=components).map(|component| format!("component {component}")).collect()
}

fn shown(of: &Decomposed) -> Array2<f64> {
    let rows = of.components.coefficients.nrows().min(SHOWN);
    of.components.coefficients.slice(s![..rows, ..]).to_owned()
}

fn figures(of: &Decomposed, options: &Options) -> Vec<Figure> {
    let title = |what: &str| format!("{}: {what} ({}, {})", of.model, counted(of.runs, "run", "runs"), of.role);
    let coefficients = shown(of);
    let parts = names(of.scores.len()).into_iter().zip(of.components.explained.iter().copied());
    let mut figures = vec![
        Figure::Stacked {
            title: title("explained variance"),
            unit: "share".to_owned(),
            bars: vec![("variance".to_owned(), parts.collect())],
        },
        Figure::Heatmap {
            title: title("coefficients"),
            rows: names(coefficients.nrows()),
            columns: of.scores.clone(),
            values: coefficients,
        },
    ];
    if let Some(steadiness) = of.steadiness.as_ref().filter(|steadiness| !steadiness.changes.is_empty()) {
        let threshold = options.threshold;
        let scores = std::slice::from_ref(steadiness);
        let title = |what: &str| title(&format!("component 1 as a score, {what}"));
        let median = "median rank change, share of examples";
        let sides = "share of examples that change side";
        figures.push(curves(title(median), median, scores, &|change| change.median));
        figures.push(curves(title(sides), sides, scores, &move |change| change.disagreement(threshold)));
    }
    figures
}

fn table(of: &Decomposed) -> Table {
    let coefficients = shown(of);
    let mut running = 0.0;
    let mut row = |(place, coefficients): (usize, ndarray::ArrayView1<f64>)| {
        let explained = of.components.explained.get(place).copied().unwrap_or(f64::NAN);
        running += explained;
        let numbers = [explained, running].into_iter().chain(coefficients.iter().copied()).map(Cell::Number);
        std::iter::once(Cell::Text(format!("{}", place + 1))).chain(numbers).collect()
    };
    let heads = ["component", "explained", "together"].map(String::from);
    Table {
        title: format!(
            "{}: principal components of mean scores ({}, {} {} examples), coefficients of each score",
            of.model,
            counted(of.runs, "run", "runs"),
            of.components.examples,
            of.role
        ),
        columns: heads.into_iter().chain(of.scores.iter().cloned()).collect(),
        rows: coefficients.outer_iter().enumerate().map(&mut row).collect(),
    }
}

fn result(of: &Decomposed, options: &Options) -> Value {
    let mut result = json!({
        "model": of.model, "role": of.role, "runs": of.runs, "scores": of.scores,
        "examples": of.components.examples, "left_out": of.left_out,
        "explained": of.components.explained, "coefficients": nested(&of.components.coefficients),
        "to_reach_98": to_reach(&of.components.explained, 0.98),
    });
    if let Some(steadiness) = &of.steadiness {
        let draws = steadiness.changes.first().map_or(0, Vec::len);
        let mut first = json!({
            "n": (1..=steadiness.changes.len()).collect::<Vec<_>>(), "valid": steadiness.valid, "draws": draws, "seed": options.seed,
            "threshold": options.threshold,
        });
        add_measures(&mut first, steadiness, options.threshold);
        insert(&mut result, "first", first);
    }
    result
}
