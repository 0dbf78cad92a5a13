//! What do the fingerprints say? Two rows of pictures, three bars per score, a table and a sentence.

use serde_json::{Value, json};

use super::super::figure::{Bar, Line, Picture};
use super::super::quantile::{mean, middle};
use super::super::table::significant;
use super::super::{Answer, Cell, Cohort, Figure, Options, Table};
use super::{Accuracy, EXAMPLES, Pair, Prepared, Share};

/// The answer of all pairs.
pub fn answer(of: &Prepared, cohort: &Cohort, options: &Options) -> Answer {
    let mut answer = Answer { warnings: of.warnings.clone(), ..Answer::default() };
    answer.warnings.extend(left_out(of));
    if of.pairs.is_empty() {
        answer.reading.push_str("No two models can be told apart yet.");
        return answer;
    }
    answer.reading = of.pairs.iter().map(|pair| reading(pair, of)).collect::<Vec<_>>().join("; ") + ".";
    answer.figures.push(pictures(of, cohort));
    for pair in &of.pairs {
        answer.tables.push(table(pair, of));
        answer.figures.push(bars(pair));
        answer.results.push(result(pair, of, cohort, options));
    }
    answer.tables.push(example_table(of, cohort));
    answer
}

/// Who is not ranked or not classified, by cause.
fn left_out(of: &Prepared) -> Vec<String> {
    let mut said = Vec::new();
    if of.incomplete > 0 {
        said.push(format!("{} examples lack a value in a fitted run and are left out", of.incomplete));
    }
    if of.untested > 0 {
        said.push(format!(
            "{} examples have two different constants by every score, no test, and are left out",
            of.untested
        ));
    }
    if of.some_untested > 0 {
        let some = of.some_untested;
        said.push(format!(
            "{some} examples have two different constants by some score, no test: ranked by their others"
        ));
    }
    for pair in &of.pairs {
        let lacking = |sets: fn(&Accuracy) -> usize| pair.scores.iter().map(sets).sum::<usize>();
        let (top, bottom) = (lacking(|score| score.top.lacking), lacking(|score| score.bottom.lacking));
        let random = lacking(|score| score.random.iter().map(|share| share.lacking).sum());
        if top + bottom + random > 0 {
            let [a, b] = &pair.models;
            said.push(format!(
                "{a} and {b}: tested runs that lack a value are not classified: {top} by the top, {bottom} by the bottom \
                 examples over all scores, {random} by random ones over all scores and draws"
            ));
        }
    }
    said
}

/// The mean of what there is.
fn known_mean(values: impl Iterator<Item = f64>) -> f64 {
    mean(&values.filter(|value| !value.is_nan()).collect::<Vec<f64>>())
}

/// Mean and middle 90 % of the random draws.
fn random(score: &Accuracy) -> (f64, (f64, f64)) {
    let draws: Vec<f64> = score.random.iter().map(|share| share.right).collect();
    (known_mean(draws.iter().copied()), middle(&draws, 0.9))
}

fn reading(pair: &Pair, of: &Prepared) -> String {
    let over_scores = |accuracy: fn(&Accuracy) -> f64| 100.0 * known_mean(pair.scores.iter().map(accuracy));
    let perfect = pair.scores.iter().filter(|score| score.top.right >= 1.0).count();
    let ([a, b], count) = (&pair.models, of.top.len());
    let random = match of.draws {
        // Still to be drawn.
        0 => String::new(),
        _ => format!(", {count} random ones in {} %", significant(over_scores(|score| random(score).0))),
    };
    let drawn =
        if of.draws == 0 { "random examples are being drawn".to_owned() } else { format!("{} random draws", of.draws) };
    format!(
        "{count} examples tell {a} from {b} in {} % of {} (mean over {}, perfectly by {perfect}){random} and the {count} least telling \
         in {} % (chance 50 %; {drawn}, seed {})",
        significant(over_scores(|score| score.top.right)),
        classified(pair),
        plural(pair.scores.iter().filter(|score| !score.top.right.is_nan()).count(), "score"),
        significant(over_scores(|score| score.bottom.right)),
        of.seed
    )
}

/// The tested runs that the top examples classify: some lack a value of one of them.
fn classified(pair: &Pair) -> String {
    let tested = pair.tested.iter().sum::<usize>();
    let runs = || pair.scores.iter().filter(|score| !score.top.right.is_nan()).map(|score| score.top.runs);
    match (runs().min(), runs().max()) {
        (Some(least), Some(most)) if least < most => {
            format!("the {least} to {most} of {tested} tested runs that have their values")
        }
        (Some(all), _) if all < tested => format!("the {all} of {tested} tested runs that have their values"),
        _ => format!("the {tested} tested runs"),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

/// Wilson's 95 % interval of a share of a few runs.
fn interval(of: Share) -> (f64, f64) {
    let (share, n, z) = (of.right, of.runs as f64, 1.959_963_984_540_054);
    let centre = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    ((centre - half) / scale, (centre + half) / scale)
}

fn table(pair: &Pair, of: &Prepared) -> Table {
    let row = |score: &Accuracy| {
        let (low, high) = interval(score.top);
        let (random, (least, most)) = random(score);
        let numbers = [score.top.right, low, high, random, least, most, score.bottom.right].map(Cell::Number);
        std::iter::once(Cell::Text(score.score.clone())).chain(numbers).collect()
    };
    let columns = ["score", "top 8", "95 % low", "95 % high", "random 8", "5 % of draws", "95 % of draws", "bottom 8"];
    Table {
        title: format!(
            "{} and {}: accuracy on {} and {} runs, fitted on {} and {} (chance 0.5; {} random draws, seed {})",
            pair.models[0],
            pair.models[1],
            pair.tested[0],
            pair.tested[1],
            pair.fitted[0],
            pair.fitted[1],
            of.draws,
            of.seed
        ),
        columns: columns.map(String::from).to_vec(),
        rows: pair.scores.iter().map(row).collect(),
    }
}

fn label(cohort: &Cohort, column: usize) -> String {
    cohort.labels.get(column).map_or(String::new(), |label| cohort.class(*label))
}

fn example_table(of: &Prepared, cohort: &Cohort) -> Table {
    let row = |(place, which): (&(usize, f64), &str)| {
        let words = [which.to_owned(), cohort.id(place.0).to_string(), label(cohort, place.0)].map(Cell::Text);
        words.into_iter().chain([Cell::Number(place.1)]).collect()
    };
    let top = of.top.iter().map(|place| (place, "top"));
    let bottom = of.bottom.iter().map(|place| (place, "bottom"));
    Table {
        title: "Examples by mean -ln p over all scores and pairs, fitting halves only".to_owned(),
        columns: ["", "id", "label", "mean -ln p"].map(String::from).to_vec(),
        rows: top.chain(bottom).map(row).collect(),
    }
}

/// Top and bottom row; below each picture both models' means by the first score of the first pair.
fn pictures(of: &Prepared, cohort: &Cohort) -> Figure {
    let picture = |(place, (column, neg_ln_p)): (usize, &(usize, f64))| {
        let score = of.pairs.first().and_then(|pair| Some((pair, pair.scores.first()?)));
        let bars = score.map(|(pair, score)| {
            let mean = |(model, means): (&String, &Vec<f64>)| Some((model.clone(), *means.get(place)?));
            pair.models.iter().zip(&score.means).filter_map(mean).collect()
        });
        Picture {
            example: cohort.id(*column),
            caption: format!("{} {}", label(cohort, *column), significant(*neg_ln_p)).trim().to_owned(),
            bars: bars.unwrap_or_default(),
        }
    };
    let all: Vec<Picture> = of.top.iter().chain(&of.bottom).enumerate().map(picture).collect();
    let (top, bottom) = all.split_at(of.top.len());
    let score = of.pairs.first().and_then(|pair| pair.scores.first()).map_or("", |score| score.score.as_str());
    Figure::Pictures {
        title: format!(
            "The {EXAMPLES} most and least telling examples (label, mean -ln p, mean {score} by each model)"
        ),
        rows: vec![("most telling".to_owned(), top.to_vec()), ("least telling".to_owned(), bottom.to_vec())],
    }
}

fn bars(pair: &Pair) -> Figure {
    let bar = |name: String, value: f64, interval: (f64, f64)| Bar {
        name,
        value,
        interval: Some(interval),
        examples: vec![],
    };
    let of_score = |score: &Accuracy| {
        let (mean, draws) = random(score);
        let random = bar(format!("{}: random {EXAMPLES}", score.score), mean, draws);
        let ends = [
            bar(format!("{}: top {EXAMPLES}", score.score), score.top.right, interval(score.top)),
            bar(format!("{}: bottom {EXAMPLES}", score.score), score.bottom.right, interval(score.bottom)),
        ];
        let [top, bottom] = ends;
        [Some(top), Some(random).filter(|_| !score.random.is_empty()), Some(bottom)].into_iter().flatten()
    };
    Figure::Bars {
        title: format!("{} or {}: accuracy per score", pair.models[0], pair.models[1]),
        unit: "accuracy on the testing half".to_owned(),
        bars: pair.scores.iter().flat_map(of_score).collect(),
        lines: vec![Line { name: "chance".to_owned(), at: 0.5 }],
    }
}

fn result(pair: &Pair, of: &Prepared, cohort: &Cohort, options: &Options) -> Value {
    let example = |(column, neg_ln_p): &(usize, f64)| json!({"id": cohort.id(*column), "label": label(cohort, *column), "neg_ln_p": neg_ln_p});
    let each = |of: &dyn Fn(&Accuracy) -> Value| pair.scores.iter().map(of).collect::<Vec<Value>>();
    json!({
        "models": pair.models, "role": options.role, "fitted": pair.fitted, "tested": pair.tested,
        "fitted_runs": pair.fitted_runs,
        "scores": pair.scores.iter().map(|score| &score.score).collect::<Vec<_>>(),
        "candidates": of.candidates, "left_out": of.incomplete + of.untested, "incomplete": of.incomplete,
        "untested": of.untested, "some_untested": of.some_untested, "draws": of.draws, "seed": of.seed,
        "top": of.top.iter().map(example).collect::<Vec<_>>(),
        "bottom": of.bottom.iter().map(example).collect::<Vec<_>>(),
        "accuracy": {
            "top": each(&|score| score.top.right.into()),
            "bottom": each(&|score| score.bottom.right.into()),
            "random": each(&|score| random(score).0.into()),
            "random_draws": each(&|score| json!(random(score).1)),
        },
        "unclassified": {
            "top": each(&|score| score.top.lacking.into()),
            "bottom": each(&|score| score.bottom.lacking.into()),
            "random": each(&|score| score.random.iter().map(|share| share.lacking).sum::<usize>().into()),
        },
    })
}
