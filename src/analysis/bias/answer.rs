//! What do the tests say? A ranking of (score, pair), a histogram each, classes, size against bias, and a sentence.

use serde_json::{Value, json};

use super::super::figure::{BEHIND, Bar, Bin, Line, Point};
use super::super::json::insert;
use super::super::quantile::{mean, quantile};
use super::super::table::significant;
use super::super::{Answer, Cell, Cohort, Figure, Options, Table};
use super::multiple::LEVEL;
use super::{Pair, Prepared, Tests, benjamini_hochberg, bonferroni};

/// Bars of a histogram below its tail.
const BINS: usize = 40;

/// The answer of all pairs.
pub fn answer(prepared: &Prepared, options: &Options) -> Answer {
    let mut answer = Answer { warnings: prepared.warnings.clone(), ..Answer::default() };
    answer.warnings.extend(prepared.pairs.iter().filter_map(few_runs));
    if prepared.pairs.is_empty() {
        answer.reading.push_str("No two models can be compared yet.");
        return answer;
    }
    answer.reading = reading(&prepared.pairs);
    answer.figures.push(ranking(&prepared.pairs));
    for pair in &prepared.pairs {
        answer.tables.push(table(pair));
        answer.figures.extend(pair.scores.iter().map(|tests| histogram(pair, tests)));
        let classes = by_class(pair);
        if !classes.is_empty() {
            answer.tables.push(class_table(pair, &classes));
            answer.figures.push(class_bars(pair, &classes));
        }
        answer.results.push(result(pair, &classes, options));
    }
    answer.figures.extend(size_against_bias(&prepared.pairs));
    answer
}

/// The shares and means of one set of tests.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    mean: f64,
    above: f64,
    by_benjamini_hochberg: f64,
}

impl Numbers {
    /// Shares are of all examples that have a test; the threshold is that of all examples.
    pub(super) fn of(neg_ln_p: &[f64]) -> Self {
        let threshold = bonferroni(neg_ln_p.len());
        let tested: Vec<f64> = neg_ln_p.iter().copied().filter(|value| !value.is_nan()).collect();
        let from = benjamini_hochberg(&tested);
        let share = |limit: f64| mean(&tested.iter().map(|value| f64::from(*value >= limit)).collect::<Vec<f64>>());
        Self { mean: mean(&tested), above: share(threshold), by_benjamini_hochberg: share(from) }
    }
}

impl Pair {
    fn threshold(&self) -> f64 {
        bonferroni(self.examples)
    }

    fn name(&self) -> String {
        self.models.join(" and ")
    }

    /// Over all its scores and examples.
    fn mean(&self) -> f64 {
        let all = self.scores.iter().flat_map(|tests| &tests.neg_ln_p).copied().filter(|value| !value.is_nan());
        mean(&all.collect::<Vec<f64>>())
    }
}

impl Tests {
    /// Of the examples above the threshold, the share that the first model finds harder.
    fn harder_for_first(&self, threshold: f64) -> f64 {
        let above = self.neg_ln_p.iter().zip(&self.difference).filter(|(value, _)| **value >= threshold);
        mean(&above.map(|(_, difference)| f64::from(*difference > 0.0)).collect::<Vec<f64>>())
    }
}

/// What few runs cannot show.
fn few_runs(pair: &Pair) -> Option<String> {
    let note = pair.permutation?;
    let how = if note.all { "all ways".to_owned() } else { format!("{} draws, seed {}", note.draws, note.seed) };
    let reach = if -note.smallest.ln() < pair.threshold() {
        "; no single example can pass Bonferroni's threshold by it"
    } else {
        ""
    };
    let [a, b] = pair.runs;
    Some(format!(
        "{}: with {a} and {b} runs the t-test leans on normality; a permutation test ({how}) stands beside it, whose p is at \
         least {}{reach}",
        pair.name(),
        significant(note.smallest)
    ))
}

fn reading(pairs: &[Pair]) -> String {
    let sentence = |pair: &Pair| {
        let numbers: Vec<(&str, Numbers)> =
            pair.scores.iter().map(|tests| (tests.score.as_str(), tests.numbers)).collect();
        let by_mean = |a: &&(&str, Numbers), b: &&(&str, Numbers)| a.1.mean.total_cmp(&b.1.mean);
        let known = || numbers.iter().filter(|(_, numbers)| !numbers.mean.is_nan());
        let (Some(most), Some(least)) = (known().max_by(by_mean), known().min_by(by_mean)) else {
            return format!("{}: no example could be tested", pair.name());
        };
        let [a, b] = pair.runs;
        let (most_by, and_least) = if numbers.len() > 1 {
            let (mean, above) = (significant(least.1.mean), significant(100.0 * least.1.above));
            ("most by", format!(" and least by {} ({mean}, {above} %)", least.0))
        } else {
            ("by", String::new())
        };
        format!(
            "{} ({a} and {b} runs, {} examples) differ {most_by} {} (mean -ln p {}, {} % of examples above Bonferroni's {}){and_least}{}",
            pair.name(),
            pair.role,
            most.0,
            significant(most.1.mean),
            significant(100.0 * most.1.above),
            significant(pair.threshold()),
            class_in_words(pair)
        )
    };
    pairs.iter().map(sentence).collect::<Vec<_>>().join("; ") + "."
}

fn class_in_words(pair: &Pair) -> String {
    let classes = by_class(pair);
    let most = classes.iter().filter(|class| !class.above.is_nan()).max_by(|a, b| a.mean.total_cmp(&b.mean));
    most.map_or(String::new(), |class| {
        format!(
            ", most of all in class {} (mean {}, {} %)",
            class.name,
            significant(class.mean),
            significant(100.0 * class.above)
        )
    })
}

fn result(pair: &Pair, classes: &[Class], options: &Options) -> Value {
    let numbers: Vec<Numbers> = pair.scores.iter().map(|tests| tests.numbers).collect();
    let harder = |tests: &Tests| tests.harder_for_first(pair.threshold());
    let mut result = json!({
        "models": pair.models, "role": pair.role, "runs": pair.runs, "parameters": pair.parameters,
        "scores": pair.scores.iter().map(|tests| &tests.score).collect::<Vec<_>>(),
        "examples": pair.examples, "threshold": pair.threshold(), "level": LEVEL,
        "mean_neg_ln_p": numbers.iter().map(|numbers| numbers.mean).collect::<Vec<_>>(),
        "above": numbers.iter().map(|numbers| numbers.above).collect::<Vec<_>>(),
        "benjamini_hochberg": numbers.iter().map(|numbers| numbers.by_benjamini_hochberg).collect::<Vec<_>>(),
        "harder_for_first": pair.scores.iter().map(harder).collect::<Vec<_>>(),
        "left_out": pair.scores.iter().map(Tests::left_out).collect::<Vec<_>>(),
        "classes": classes.iter().map(Class::result).collect::<Vec<_>>(),
    });
    if let Some(permutation) = permutation_result(pair) {
        insert(&mut result, "permutation", permutation);
    }
    if options.per_example {
        let all: Vec<&Vec<f64>> = pair.scores.iter().map(|tests| &tests.neg_ln_p).collect();
        insert(&mut result, "neg_ln_p", json!(all));
    }
    result
}

fn permutation_result(pair: &Pair) -> Option<Value> {
    let note = pair.permutation?;
    let numbers: Vec<Numbers> = pair.scores.iter().filter_map(|tests| tests.permuted).collect();
    Some(json!({
        "all": note.all, "draws": note.draws, "seed": note.seed, "smallest_p": note.smallest,
        "mean_neg_ln_p": numbers.iter().map(|numbers| numbers.mean).collect::<Vec<_>>(),
        "above": numbers.iter().map(|numbers| numbers.above).collect::<Vec<_>>(),
        "benjamini_hochberg": numbers.iter().map(|numbers| numbers.by_benjamini_hochberg).collect::<Vec<_>>(),
    }))
}

fn table(pair: &Pair) -> Table {
    let row = |tests: &Tests| {
        let numbers = tests.numbers;
        let shares =
            [numbers.mean, numbers.above, numbers.by_benjamini_hochberg, tests.harder_for_first(pair.threshold())];
        let by_permutation = tests.permuted.map(|numbers| numbers.mean);
        let cells = shares.into_iter().chain(by_permutation).map(Cell::Number);
        let name = std::iter::once(Cell::Text(tests.score.clone()));
        name.chain(cells).chain([Cell::Count(tests.left_out() as u64)]).collect()
    };
    let harder = format!("of these harder for {}", pair.models[0]);
    let by_permutation = pair.permutation.map(|_| "mean -ln p by permutation");
    let by_rate = format!("by Benjamini-Hochberg at {LEVEL}");
    let columns = ["score", "mean -ln p", "above Bonferroni", &by_rate, &harder];
    Table {
        title: format!(
            "{}: Welch's t-test per example, {}, {} examples, Bonferroni's threshold {} (p = {LEVEL} / examples)",
            pair.name(),
            pair.role,
            pair.examples,
            significant(pair.threshold())
        ),
        columns: columns.into_iter().chain(by_permutation).chain(["left out"]).map(String::from).collect(),
        rows: pair.scores.iter().map(row).collect(),
    }
}

/// All (score, pair) by mean -ln p, highest first.
fn ranking(pairs: &[Pair]) -> Figure {
    let bar = |pair: &Pair, tests: &Tests| Bar {
        name: if pairs.len() > 1 { format!("{}, {}", tests.score, pair.name()) } else { tests.score.clone() },
        value: tests.numbers.mean,
        interval: None,
        examples: top(&tests.neg_ln_p, &pair.cohort, |_| true),
    };
    let mut bars: Vec<Bar> =
        pairs.iter().flat_map(|pair| pair.scores.iter().map(move |tests| bar(pair, tests))).collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    Figure::Bars {
        title: "What differs most between models".to_owned(),
        unit: "mean -ln p".to_owned(),
        bars,
        lines: Vec::new(),
    }
}

/// Ids of the examples with the largest of some values, largest first.
fn top(values: &[f64], cohort: &Cohort, wanted: impl Fn(f64) -> bool) -> Vec<u32> {
    let mut places: Vec<usize> = (0..values.len()).filter(|place| wanted(values[*place])).collect();
    let by_value = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]);
    places.retain(|place| !values[*place].is_nan());
    if places.len() > BEHIND {
        places.select_nth_unstable_by(BEHIND, by_value);
        places.truncate(BEHIND);
    }
    places.sort_by(by_value);
    places.into_iter().map(|place| cohort.id(place)).collect()
}

/// Bars of equal width to half as far again as the threshold, or to where 99 % end; the last one is all that lies beyond.
fn histogram(pair: &Pair, tests: &Tests) -> Figure {
    let threshold = pair.threshold();
    let mut tested: Vec<f64> = tests.neg_ln_p.iter().copied().filter(|value| !value.is_nan()).collect();
    let tail = quantile(&mut tested, 0.99).max(1.5 * threshold);
    let largest = tested.iter().fold(tail, |most, value| most.max(*value));
    let width = tail / BINS as f64;
    let mut edges: Vec<f64> = (0..=BINS).map(|edge| edge as f64 * width).collect();
    edges.push(largest);
    let mut bins = vec![Bin::default(); BINS + 1];
    let place = |value: f64| ((value / width) as usize).min(BINS);
    for value in &tested {
        bins[place(*value)].count += 1;
    }
    for (number, bin) in bins.iter_mut().enumerate().skip(place(threshold)) {
        bin.examples = top(&tests.neg_ln_p, &pair.cohort, |value| !value.is_nan() && place(value) == number);
    }
    let lines = [("Bonferroni", threshold), ("Benjamini-Hochberg", benjamini_hochberg(&tested))];
    let shown = lines.into_iter().filter(|(_, at)| at.is_finite());
    Figure::Histogram {
        title: format!("{}: {} ({} and {} runs)", pair.name(), tests.score, pair.runs[0], pair.runs[1]),
        unit: "-ln p".to_owned(),
        edges,
        bins,
        lines: shown.map(|(name, at)| Line { name: name.to_owned(), at }).collect(),
    }
}

/// The tests of a class's examples over all scores.
struct Class {
    name: String,
    examples: usize,
    mean: f64,
    above: f64,
    harder_for_first: f64,
    telling: Vec<u32>,
}

impl Class {
    fn result(&self) -> Value {
        json!({
            "class": self.name, "examples": self.examples, "mean_neg_ln_p": self.mean, "above": self.above,
            "harder_for_first": self.harder_for_first,
        })
    }
}

/// The classes, most different first; none where labels are unknown.
fn by_class(pair: &Pair) -> Vec<Class> {
    let labels = &pair.cohort.labels;
    if labels.len() != pair.examples {
        return Vec::new();
    }
    let most = labels.iter().max().map_or(0, |class| usize::from(*class));
    let mut members = vec![Vec::new(); most + 1];
    for (place, label) in labels.iter().enumerate() {
        members[usize::from(*label)].push(place);
    }
    let classes = members.iter().enumerate().filter(|(_, members)| !members.is_empty());
    let mut classes: Vec<Class> = classes.map(|(class, members)| class_of(pair, class as u16, members)).collect();
    classes.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    classes
}

fn class_of(pair: &Pair, class: u16, members: &[usize]) -> Class {
    let mut sums = vec![0.0; members.len()];
    let (mut all, mut harder) = (Vec::new(), Vec::new());
    for tests in &pair.scores {
        for (sum, place) in sums.iter_mut().zip(members) {
            let (value, difference) = (tests.neg_ln_p[*place], tests.difference[*place]);
            if value.is_nan() {
                continue;
            }
            all.push(value);
            *sum += value;
            if value >= pair.threshold() {
                harder.push(f64::from(difference > 0.0));
            }
        }
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]));
    Class {
        name: pair.cohort.class(class),
        examples: members.len(),
        mean: mean(&all),
        above: mean(&all.iter().map(|value| f64::from(*value >= pair.threshold())).collect::<Vec<f64>>()),
        harder_for_first: mean(&harder),
        telling: order.into_iter().take(BEHIND).map(|member| pair.cohort.id(members[member])).collect(),
    }
}

fn class_table(pair: &Pair, classes: &[Class]) -> Table {
    let row = |class: &Class| {
        let numbers = [class.mean, class.above, class.harder_for_first].map(Cell::Number);
        [Cell::Text(class.name.clone()), Cell::Count(class.examples as u64)].into_iter().chain(numbers).collect()
    };
    let harder = format!("of these harder for {}", pair.models[0]);
    Table {
        title: format!("{}: classes, over all scores", pair.name()),
        columns: ["class", "examples", "mean -ln p", "above Bonferroni", &harder].map(String::from).to_vec(),
        rows: classes.iter().map(row).collect(),
    }
}

fn class_bars(pair: &Pair, classes: &[Class]) -> Figure {
    let bar = |class: &Class| Bar {
        name: class.name.clone(),
        value: class.mean,
        interval: None,
        examples: class.telling.clone(),
    };
    Figure::Bars {
        title: format!("{}: by class, over all scores", pair.name()),
        unit: "mean -ln p".to_owned(),
        bars: classes.iter().map(bar).collect(),
        lines: vec![Line { name: "all examples".to_owned(), at: pair.mean() }],
    }
}

/// Mean -ln p over everything against the ratio of parameter counts, where all are known.
fn size_against_bias(pairs: &[Pair]) -> Option<Figure> {
    let point = |pair: &Pair| {
        let [Some(a), Some(b)] = pair.parameters else { return None };
        let ratio = a.max(b) as f64 / a.min(b).max(1) as f64;
        Some(Point { x: ratio, y: pair.mean(), name: pair.name(), examples: Vec::new() })
    };
    let points: Vec<Point> = pairs.iter().filter_map(point).collect();
    (!points.is_empty()).then(|| Figure::Scatter {
        title: "Size against bias".to_owned(),
        x: "ratio of parameter counts".to_owned(),
        y: "mean -ln p".to_owned(),
        points,
    })
}
