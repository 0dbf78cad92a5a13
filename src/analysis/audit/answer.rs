//! What does the audit say? A sentence, tables, bars with chance, curves, pictures of what was found and missed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::found::{Detection, HALVES, counts_to_look_at, draws};
use super::review::{self, Review};
use super::verdicts::Verdicts;
use crate::analysis::figure::{BEHIND, Bar, Curve, Line, Picture};
use crate::analysis::json::insert;
use crate::analysis::table::{counted, significant};
use crate::analysis::{Answer, Cell, Figure, ModelScores, Options, Table};

/// Curves beside the worst ranking's, so that they can be told apart.
const CURVES: usize = 4;
/// Pictures in a row.
const PICTURES: usize = 8;

/// What is known of one model.
pub(super) struct Part<'a> {
    pub(super) model: &'a ModelScores,
    /// Whether its scores came from elsewhere, so that no setting of training would help.
    pub(super) imported: bool,
    /// Whether the label of each example was changed; empty where nothing is known.
    pub(super) changed: Vec<bool>,
    /// The best first; empty where nothing is known.
    pub(super) found: Vec<Detection>,
    pub(super) review: Option<Review>,
    pub(super) verdicts: Verdicts,
    pub(super) warnings: Vec<String>,
}

impl Part<'_> {
    /// Whether something is still to be drawn.
    pub(super) fn is_unfinished(&self) -> bool {
        self.found.iter().any(|one| one.sure.is_none())
            || self.review.as_ref().is_some_and(|list| list.ranked.draws == 0)
    }

    /// Over what the intervals of the rankings are.
    fn drawn(&self, options: &Options) -> String {
        if self.found.iter().any(|one| one.sure.is_none()) {
            return "intervals are being drawn".to_owned();
        }
        format!("90 % intervals over {} draws of examples, seed {}", draws(options), options.seed)
    }

    fn changed(&self) -> usize {
        self.changed.iter().filter(|changed| **changed).count()
    }
}

/// The answer about some models.
pub(super) fn answer(parts: &[Part], options: &Options) -> Answer {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for part in parts {
        answer.warnings.extend(part.warnings.iter().cloned());
        answer.warnings.extend(lacks(part));
        let Some(review) = part.review.as_ref().filter(|review| !review.ranked.rows.is_empty()) else { continue };
        readings.push(reading(part, review));
        let mut result = json!({
            "model": part.model.model, "role": options.role, "runs": part.model.runs.len(),
            "examples": part.model.examples(),
        });
        if !part.found.is_empty() {
            answer.tables.push(table(part, options));
            answer.figures.extend(figures(part, options));
            add_detections(&mut result, part, options);
        }
        answer.tables.push(review.table(part.model, options));
        answer.figures.push(review.pictures(part.model));
        insert(&mut result, "review", review.result(part.model, options));
        if part.verdicts.reviewed() > 0 {
            answer.tables.push(part.verdicts.table(&part.model.model));
            insert(&mut result, "verdicts", part.verdicts.result());
        }
        answer.results.push(result);
    }
    if parts.is_empty() {
        answer.warnings.push("no model has finished runs: an audit needs 1".to_owned());
    }
    answer.reading = match readings.join("; ") {
        none if none.is_empty() => "Nothing can be audited yet.".to_owned(),
        reading => reading + ".",
    };
    answer
}

/// What is missing, and what would bring it.
fn lacks(part: &Part) -> Vec<String> {
    let model = &part.model.model;
    let Some(review) = part.review.as_ref().filter(|review| !review.ranked.rows.is_empty()) else {
        return vec![format!("{model}: no finished run with a score for these examples; an audit needs 1")];
    };
    let mut lacks = Vec::new();
    if part.found.is_empty() {
        let advice = if part.imported { "" } else { " ([data] label_noise changes some)" };
        lacks.push(format!(
            "{model}: no changed label is known among the {} examples, so nothing tells whether the scores find wrong \
             ones{advice}",
            part.model.role
        ));
    }
    if part.model.runs.len() < 2 {
        lacks.push(format!("{model}: ranks have intervals from 2 runs on"));
    }
    if part.model.predicted.is_empty() {
        lacks.push(format!("{model}: without final networks nothing is known of the believed class"));
    }
    if review.corners.is_none() && !part.imported {
        lacks.push(format!(
            "{model}: corner types are left out: they need the score prediction_depth with [data] holdout, for depths in both roles"
        ));
    }
    let mut without: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for one in part.found.iter().filter(|one| one.left_out > 0) {
        without.entry(one.left_out).or_default().push(&one.ranking.name);
    }
    let counts: Vec<String> =
        without.iter().map(|(count, scores)| format!("{count} of {}", scores.join(", "))).collect();
    if !counts.is_empty() {
        lacks.push(format!("{model}: examples without a value are left out: {}", counts.join("; ")));
    }
    lacks
}

fn percent(share: f64) -> String {
    format!("{} %", significant(100.0 * share))
}

fn reading(part: &Part, review: &Review) -> String {
    let model = &part.model.model;
    let said = match (part.verdicts.reviewed(), part.verdicts.confirmed) {
        (0, _) => String::new(),
        (reviewed, Some((called, right))) if called > 0 => {
            let reviewed = counted(reviewed, "example has", "examples have");
            format!("; {reviewed} a verdict, {right} of the {called} called mislabelled were changed")
        }
        (reviewed, _) => format!("; {} a verdict", counted(reviewed, "example has", "examples have")),
    };
    let Some(best) = part.found.first() else {
        let first = review.ranked.rows.first().map_or(0, |row| part.model.cohort.id(row.column));
        let (score, of) = (&review.ranked.score, review.ranked.rows.len());
        let hardest = match review.ranked.hardest() {
            all if all == of && of > 1 => {
                return format!("{model}: `{score}` is the same for all {of} examples: nothing tells them apart{said}");
            }
            0 | 1 => format!("the hardest by {score}"),
            several => format!("one of the {several} hardest by {score}"),
        };
        let doubted = |row: &&review::Row| {
            let label = part.model.cohort.labels.get(row.column);
            review.believed(row.column).is_some_and(|(class, ..)| label.is_some_and(|label| *label != class))
        };
        // Without labels and classes of final networks, nothing is known of doubt.
        let known = !part.model.cohort.labels.is_empty()
            && review.ranked.rows.iter().any(|row| review.believed(row.column).is_some());
        let doubted = known.then(|| {
            let doubted = review.ranked.rows.iter().filter(doubted).count();
            format!("; of {of} examples most runs see another class than the label in {doubted}")
        });
        let doubted = doubted.unwrap_or_default();
        return format!("{model}: review first #{first}, {hardest}{doubted}{said}");
    };
    let sure = match best.interval(0) {
        (low, high) if low.is_nan() || high.is_nan() => String::new(),
        (low, high) => format!(" ({} to {})", significant(low), significant(high)),
    };
    let below: Vec<String> = part
        .found
        .iter()
        .filter(|one| one.is_below_chance())
        .map(|one| format!("{} ({})", one.ranking.name, significant(one.found.auroc)))
        .collect();
    let below = match below.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} falls below chance, so its easy end holds the changed labels"),
        several => format!("; below chance fall {}, whose easy ends hold the changed labels", several.join(", ")),
    };
    let over = match (best.left_out, &best.same) {
        (0, _) => String::new(),
        (_, None) => format!(" over {} examples with {} of them", best.examples, best.positives),
        (_, Some((other, auroc))) => format!(
            " over {} examples with {} of them, where {other} reaches {}",
            best.examples,
            best.positives,
            significant(*auroc)
        ),
    };
    format!(
        "{model}: {} of {} labels were changed; {} finds them best, AUROC {}{sure}{over}, {} of the first {} are changed (chance {}){below}{said}",
        part.changed(),
        part.changed.len(),
        best.ranking.name,
        significant(best.found.auroc),
        percent(best.found.precision[1]),
        best.ks[1],
        percent(best.chance()),
    )
}

/// Which rankings meet how many of the examples, where not all do.
fn fewer(part: &Part) -> String {
    let fewer: Vec<_> = part.found.iter().filter(|one| one.left_out > 0).collect();
    let counts = || fewer.iter().map(|one| one.examples);
    match (fewer.len(), counts().min(), counts().max()) {
        (NAMED.., Some(least), Some(most)) if least == most => format!("; most scores over {most} of them"),
        (NAMED.., Some(least), Some(most)) => format!("; most scores over {least} to {most} of them"),
        _ => {
            let named = fewer.iter().map(|one| format!("; {}: {} examples", one.ranking.name, one.examples));
            named.collect::<Vec<_>>().concat()
        }
    }
}

/// From so many scores on that lack examples, a title names none of them.
const NAMED: usize = 3;

fn table(part: &Part, options: &Options) -> Table {
    let [few, many] = counts_to_look_at(&part.changed);
    let columns = ["score", "AUROC", "low", "high", "AP", "low", "high"].map(String::from);
    let is_capped = part.found.iter().any(|one| one.ks != [few, many]);
    let at = |k: usize| if is_capped { format!("P@≤{k}") } else { format!("P@{k}") };
    let at = [at(few), "low".into(), "high".into(), at(many), "low".into(), "high".into()];
    let rest =
        ["halves differ", "halves rho", "examples", "positives", "chance", "k", "best other there"].map(String::from);
    let row = |one: &Detection| {
        let (differ, rho) = one.sure.and_then(|sure| sure.halves).unwrap_or((f64::NAN, f64::NAN));
        let other =
            one.same.as_ref().map_or_else(String::new, |(name, auroc)| format!("{name} {}", significant(*auroc)));
        let found = [one.found.auroc, one.found.average_precision, one.found.precision[0], one.found.precision[1]];
        let numbers = found.into_iter().enumerate().flat_map(|(place, value)| {
            let (low, high) = one.interval(place);
            [value, low, high]
        });
        std::iter::once(Cell::Text(one.ranking.name.clone()))
            .chain(numbers.chain([differ, rho]).map(Cell::Number))
            .chain([one.examples, one.positives].map(|count| Cell::Count(count as u64)))
            .chain([Cell::Number(one.chance())])
            .chain([format!("{}, {}", one.ks[0], one.ks[1]), other].map(Cell::Text))
            .collect()
    };
    Table {
        title: format!(
            "{}: finding {many} changed labels among {} examples ({}{}; {}; halves: AUROC's mean difference and Spearman over {HALVES} \
             draws of runs)",
            part.model.model,
            part.changed.len(),
            options.role,
            fewer(part),
            part.drawn(options)
        ),
        columns: columns.into_iter().chain(at).chain(rest).collect(),
        rows: part.found.iter().map(row).collect(),
    }
}

fn figures(part: &Part, options: &Options) -> Vec<Figure> {
    let model = &part.model.model;
    let chance = part.changed() as f64 / part.changed.len() as f64;
    let (examples, fewer) = (part.changed.len(), fewer(part));
    let notes = format!("{examples} examples; {}{fewer}", part.drawn(options));
    let bars = |of: fn(&Detection) -> (f64, (f64, f64)), title: String, unit: &str, chance: f64| {
        let bar = |one: &Detection| {
            let (value, interval) = of(one);
            let interval = one.sure.is_some().then_some(interval);
            Bar { name: one.ranking.name.clone(), value, interval, examples: hardest(part, one) }
        };
        let mut bars: Vec<Bar> = part.found.iter().map(bar).collect();
        bars.sort_by(|a, b| b.value.total_cmp(&a.value));
        Figure::Bars { title, unit: unit.to_owned(), bars, lines: vec![Line { name: "chance".into(), at: chance }] }
    };
    vec![
        bars(
            |one| (one.found.auroc, one.interval(0)),
            format!("AUROC of changed labels · {model} ({notes})"),
            "AUROC",
            0.5,
        ),
        bars(
            |one| (one.found.average_precision, one.interval(1)),
            format!("Average precision · {model} ({notes})"),
            "average precision",
            chance,
        ),
        receiver(part),
        precision_recall(part, chance),
        pictures(part),
    ]
}

/// The ids of the hardest examples by a ranking.
fn hardest(part: &Part, one: &Detection) -> Vec<u32> {
    one.ranking.ordered.examples().take(BEHIND).map(|(column, _)| part.model.cohort.id(column)).collect()
}

/// The best rankings, and the worst where it is not among them.
fn telling(found: &[Detection]) -> impl Iterator<Item = &Detection> {
    found.iter().take(CURVES).chain(found.iter().skip(CURVES).last())
}

fn curve(name: String, points: Vec<(f64, f64)>) -> Curve {
    let (x, y) = points.into_iter().unzip();
    Curve { name, x, y, band: Vec::new() }
}

fn receiver(part: &Part) -> Figure {
    let of = |one: &Detection| {
        let points = one.ranking.ordered.receiver();
        curve(format!("{} {}", one.ranking.name, significant(one.found.auroc)), points)
    };
    let chance = curve("chance".to_owned(), vec![(0.0, 0.0), (1.0, 1.0)]);
    Figure::Curves {
        title: format!(
            "Receiver operating curves · {} (the best {CURVES} and the worst{})",
            part.model.model,
            fewer(part)
        ),
        x: "share of unchanged labels passed".to_owned(),
        y: "share of changed labels found".to_owned(),
        curves: telling(&part.found).map(of).chain([chance]).collect(),
        lines: Vec::new(),
    }
}

fn precision_recall(part: &Part, chance: f64) -> Figure {
    let of = |one: &Detection| {
        let points = one.ranking.ordered.precision_recall();
        curve(format!("{} {}", one.ranking.name, significant(one.found.average_precision)), points)
    };
    Figure::Curves {
        title: format!("Precision and recall · {} (the best {CURVES} and the worst{})", part.model.model, fewer(part)),
        x: "recall".to_owned(),
        y: "precision".to_owned(),
        curves: telling(&part.found).map(of).collect(),
        lines: vec![Line { name: "chance".to_owned(), at: chance }],
    }
}

/// By the best ranking: changed labels at its hard end, unchanged ones there, changed ones at its easy end.
fn pictures(part: &Part) -> Figure {
    let Some(best) = part.found.first() else { return Figure::Pictures { title: String::new(), rows: Vec::new() } };
    let all: Vec<(usize, bool)> = best.ranking.ordered.examples().collect();
    let picture = |(place, (column, changed)): (usize, &(usize, bool))| {
        let label = review::label(part.model, *column);
        let truth = review::truth(part.model, *column).filter(|_| *changed);
        let truth = truth.map_or_else(String::new, |truth| format!(" ({truth})"));
        Picture {
            example: part.model.cohort.id(*column),
            caption: format!("{label}{truth} · rank {}", place + 1),
            bars: Vec::new(),
        }
    };
    let numbered = || all.iter().enumerate();
    let of = |wanted: bool| move |(_, (_, changed)): &(usize, &(usize, bool))| *changed == wanted;
    let found: Vec<Picture> = numbered().filter(of(true)).take(PICTURES).map(picture).collect();
    let taken: Vec<Picture> = numbered().filter(of(false)).take(PICTURES).map(picture).collect();
    let missed: Vec<Picture> = numbered().rev().filter(of(true)).take(PICTURES).map(picture).collect();
    let rows = [
        ("found: changed labels at the hard end (true class)", found),
        ("unchanged labels at the hard end", taken),
        ("missed: changed labels at the easy end (true class)", missed),
    ];
    Figure::Pictures {
        title: format!("Found and missed by {} · {}", best.ranking.name, part.model.model),
        rows: rows.into_iter().map(|(name, pictures)| (name.to_owned(), pictures)).collect(),
    }
}

fn add_detections(result: &mut Value, part: &Part, options: &Options) {
    let each = |of: &dyn Fn(&Detection) -> Value| part.found.iter().map(of).collect::<Vec<Value>>();
    let interval = |place: usize| each(&|one| json!(one.interval(place)));
    insert(result, "changed", part.changed());
    insert(result, "k", json!(counts_to_look_at(&part.changed)));
    insert(result, "scores", each(&|one| json!(one.ranking.name)));
    insert(result, "auroc", each(&|one| json!(one.found.auroc)));
    insert(result, "auroc_interval", interval(0));
    insert(result, "average_precision", each(&|one| json!(one.found.average_precision)));
    insert(result, "average_precision_interval", interval(1));
    insert(
        result,
        "precision_at",
        json!([each(&|one| json!(one.found.precision[0])), each(&|one| json!(one.found.precision[1])),]),
    );
    insert(result, "precision_at_interval", json!([interval(2), interval(3)]));
    insert(result, "left_out", each(&|one| json!(one.left_out)));
    insert(result, "ranked", each(&|one| json!(one.examples)));
    insert(result, "positives", each(&|one| json!(one.positives)));
    insert(result, "k_of", each(&|one| json!(one.ks)));
    insert(result, "chance", each(&|one| json!(one.chance())));
    let same = |(score, auroc): &(String, f64)| json!({"score": score, "auroc": auroc});
    insert(result, "best_on_same_examples", each(&|one| one.same.as_ref().map_or(Value::Null, same)));
    insert(result, "below_chance", each(&|one| json!(one.is_below_chance())));
    let halves = json!({
        "auroc_difference": each(&|one| json!(one.sure.and_then(|sure| sure.halves).map(|(difference, _)| difference))),
        "spearman": each(&|one| json!(one.sure.and_then(|sure| sure.halves).map(|(_, rho)| rho))),
        "draws": HALVES,
    });
    insert(result, "halves", halves);
    insert(result, "draws", draws(options));
    insert(result, "seed", options.seed);
}
