//! What do the comparisons say? Curves as in figure 3, a table per measure, how many runs it takes, and a sentence.

use serde_json::{Value, json};

use super::super::figure::{Curve, Line};
use super::super::json::insert;
use super::super::quantile::{mean, middle};
use super::super::table::significant;
use super::super::{Answer, Cell, Figure, Options, Table};
use super::draws::Change;
use super::needed::{Needed, needed};
use super::{Comparisons, FEWEST, Prepared};

/// A measure of a comparison.
type Measure = dyn Fn(&Change) -> f64;

/// The answer of some models' comparisons; a model with too few runs gives a warning instead.
pub fn answer(models: &[Prepared], options: &Options) -> Answer {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for of in models {
        if of.runs < FEWEST {
            answer.warnings.push(format!("{}: {} finished runs; stability needs {FEWEST}", of.model, of.runs));
            continue;
        }
        answer.warnings.extend(of.warnings.iter().cloned());
        let needs: Vec<Option<Needed>> = of.scores.iter().map(|score| needs(of, score, options)).collect();
        readings.extend(reading(of, &needs, options));
        for (name, measure) in measures(options.threshold) {
            let title = format!(
                "{}: {name} ({} runs, {}; mean of {} draws, seed {})",
                of.model, of.runs, of.role, of.draws, of.seed
            );
            answer.tables.push(table(&title, &of.scores, &measure));
            answer.figures.push(curves(title, name, &of.scores, &measure));
        }
        let title = format!(
            "{}: share of examples above the {} % threshold, which ties move ({} runs, {}; mean of {} draws, seed {})",
            of.model, options.threshold, of.runs, of.role, of.draws, of.seed
        );
        let threshold = options.threshold;
        answer.tables.push(table(&title, &of.scores, &move |change| change.share_above(threshold)));
        answer.tables.push(needs_table(of, &needs, options));
        answer.results.extend(of.scores.iter().zip(&needs).map(|(score, need)| result(of, score, *need, options)));
    }
    if models.is_empty() {
        answer.warnings.push(format!("no model has finished runs: stability needs {FEWEST}"));
    }
    answer.reading = match readings.join("; ") {
        none if none.is_empty() => "No ranking can be compared with another yet.".to_owned(),
        reading => reading + ".",
    };
    answer
}

fn measures(threshold: f64) -> [(String, Box<Measure>); 3] {
    [
        ("median rank change, share of examples".to_owned(), Box::new(|change| change.median)),
        ("95th percentile of rank change, share of examples".to_owned(), Box::new(|change| change.p95)),
        (
            format!("share of examples that change side of the {threshold} % threshold"),
            Box::new(move |change| change.disagreement(threshold)),
        ),
    ]
}

/// A measure of all draws of each n.
fn drawn(score: &Comparisons, measure: &Measure) -> Vec<Vec<f64>> {
    score.changes.iter().map(|draws| draws.iter().map(measure).collect()).collect()
}

fn needs(of: &Prepared, score: &Comparisons, options: &Options) -> Option<Needed> {
    needed(&drawn(score, &|change| change.median), options.target, of.seed)
}

/// A measure of some scores over n, with the middle 90 % of the draws as bands.
pub fn curves(title: String, name: impl Into<String>, scores: &[Comparisons], measure: &Measure) -> Figure {
    let curve = |score: &Comparisons| {
        let drawn = drawn(score, measure);
        Curve {
            name: score.score.clone(),
            x: (1..=drawn.len()).map(|n| n as f64).collect(),
            y: drawn.iter().map(|draws| mean(draws)).collect(),
            band: drawn.iter().map(|draws| middle(draws, 0.9)).collect(),
        }
    };
    let lines: Vec<Line> = Vec::new();
    Figure::Curves {
        title,
        x: "runs in the mean".to_owned(),
        y: name.into(),
        curves: scores.iter().map(curve).collect(),
        lines,
    }
}

/// The numbers of runs that a table shows: 1, 2, 3, 5, 10, 20, 50, ... and the last.
fn shown(most: usize) -> Vec<usize> {
    let steps = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500];
    steps.into_iter().filter(|n| *n < most).chain([most]).collect()
}

fn table(title: &str, scores: &[Comparisons], measure: &Measure) -> Table {
    let columns = shown(scores.iter().map(|score| score.changes.len()).max().unwrap_or(0));
    let row = |score: &Comparisons| {
        let drawn = drawn(score, measure);
        let cell = |n: &usize| Cell::Number(drawn.get(n - 1).map_or(f64::NAN, |draws| mean(draws)));
        std::iter::once(Cell::Text(score.score.clone())).chain(columns.iter().map(cell)).collect()
    };
    Table {
        title: title.to_owned(),
        columns: std::iter::once("score".to_owned()).chain(columns.iter().map(|n| format!("n = {n}"))).collect(),
        rows: scores.iter().map(row).collect(),
    }
}

fn needs_table(of: &Prepared, needs: &[Option<Needed>], options: &Options) -> Table {
    let row = |(score, need): (&Comparisons, &Option<Needed>)| {
        let (runs, low, high) = need.map_or((f64::NAN, f64::NAN, f64::NAN), |n| (n.runs, n.interval.0, n.interval.1));
        let how = need.map_or("", |need| if need.read_off { "read off" } else { "extrapolated" });
        let numbers = [runs, low, high].map(|runs| whole(runs).map_or(Cell::Number(runs), Cell::Count));
        std::iter::once(Cell::Text(score.score.clone())).chain(numbers).chain([Cell::Text(how.to_owned())]).collect()
    };
    Table {
        title: format!(
            "{}: runs until the median rank change stays at {} % or less (95 %: over redraws of these runs; other runs may need more or fewer)",
            of.model,
            percent(options.target)
        ),
        columns: ["score", "runs", "95 % low", "95 % high", "how"].map(String::from).to_vec(),
        rows: of.scores.iter().zip(needs).map(row).collect(),
    }
}

fn percent(share: f64) -> String {
    let percent = significant(100.0 * share);
    match percent.split_once('.') {
        Some(_) => percent.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => percent,
    }
}

/// The steadiest and the least steady score at 5 runs, or the most that every score has.
fn reading(of: &Prepared, needs: &[Option<Needed>], options: &Options) -> Option<String> {
    let n = of.scores.iter().map(|score| score.changes.len()).min()?.min(5);
    let at = |score: &Comparisons, measure: &Measure| {
        score.changes.get(n - 1).map_or(f64::NAN, |draws| mean(&draws.iter().map(measure).collect::<Vec<_>>()))
    };
    let range = |measure: &Measure| {
        let values = of.scores.iter().map(|score| (at(score, measure), score.score.as_str()));
        let values: Vec<_> = values.filter(|(value, _)| !value.is_nan()).collect();
        let low = values.iter().min_by(|a, b| a.0.total_cmp(&b.0)).copied()?;
        let high = values.iter().max_by(|a, b| a.0.total_cmp(&b.0)).copied()?;
        Some(format!("{} % ({}) to {} % ({})", significant(100.0 * low.0), low.1, significant(100.0 * high.0), high.1))
    };
    let median = range(&|change| change.median)?;
    let threshold = options.threshold;
    let sides = range(&move |change| change.disagreement(threshold))?;
    let noun = if n == 1 { "single runs".to_owned() } else { format!("means over {n} runs") };
    Some(format!(
        "{} ({} runs, {} examples): between two {noun} an example's rank changes by a median of {median} of all examples, \
         and {sides} change side of the {} % threshold{}",
        of.model,
        of.runs,
        of.role,
        options.threshold,
        needed_in_words(of, needs, options)
    ))
}

/// A number of runs as a count; none where it is infinite or so large that its digits mean nothing.
fn whole(runs: f64) -> Option<u64> {
    (runs < 1e6).then_some(runs.round() as u64)
}

fn needed_in_words(of: &Prepared, needs: &[Option<Needed>], options: &Options) -> String {
    let known = || of.scores.iter().zip(needs).filter_map(|(score, need)| Some((score.score.as_str(), (*need)?)));
    let by_runs = |a: &(&str, Needed), b: &(&str, Needed)| a.1.runs.total_cmp(&b.1.runs);
    let (Some(least), Some(most)) = (known().min_by(by_runs), known().max_by(by_runs)) else { return String::new() };
    let words = |(score, need): (&str, Needed)| {
        let how = if need.read_off { "read off" } else { "extrapolated" };
        let text = |runs: f64| whole(runs).map_or_else(|| significant(runs), |runs| runs.to_string());
        let noun = if whole(need.runs) == Some(1) { "run" } else { "runs" };
        let (low, high) = (text(need.interval.0), text(need.interval.1));
        format!("{} {noun} ({score}, {how}, 95 % of redraws {low} to {high})", text(need.runs))
    };
    format!("; a median under {} % takes {} to {}", percent(options.target), words(least), words(most))
}

fn result(of: &Prepared, score: &Comparisons, need: Option<Needed>, options: &Options) -> Value {
    let examples = score.changes.iter().flatten().map(|change| change.examples).min();
    let mut result = json!({
        "model": of.model, "role": of.role, "score": score.score, "runs": of.runs, "valid": score.valid,
        "n": (1..=score.changes.len()).collect::<Vec<_>>(), "draws": of.draws, "seed": of.seed,
        "threshold": options.threshold, "examples": examples,
        "runs_needed": need.map(|need| json!({
            "target": options.target, "runs": need.runs, "low": need.interval.0, "high": need.interval.1,
            "how": if need.read_off { "read off" } else { "extrapolated" },
        })),
    });
    add_measures(&mut result, score, options.threshold);
    result
}

/// Each measure's means over the draws under its name, and the middle 90 % of the draws beside.
pub fn add_measures(result: &mut Value, score: &Comparisons, threshold: f64) {
    let measures: [(&str, Box<Measure>); 4] = [
        ("median", Box::new(|change| change.median)),
        ("p95", Box::new(|change| change.p95)),
        ("disagreement", Box::new(move |change| change.disagreement(threshold))),
        ("share_above", Box::new(move |change| change.share_above(threshold))),
    ];
    for (name, measure) in measures {
        let drawn = drawn(score, &measure);
        insert(result, name, drawn.iter().map(|draws| mean(draws)).collect::<Vec<f64>>());
        let bounds = drawn.iter().map(|draws| middle(draws, 0.9)).map(|(low, high)| json!([low, high]));
        insert(result, &format!("{name}_draws"), bounds.collect::<Vec<Value>>());
    }
}
