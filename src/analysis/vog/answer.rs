//! What does the variance of gradients say? A sentence, a table per clause, the numbers.

use serde_json::{Value, json};

use super::super::json::insert;
use super::super::quantile::{mean, middle};
use super::super::table::significant;
use super::super::{Answer, Cell, Table};
use super::{Agreement, BatchPair, DECILES, Deciles, OfModel, figures};
use crate::scores::Harder;

/// -ln p at which the paper calls a difference significant: p = 0.001.
const SIGNIFICANT: f64 = 6.907_755_278_982_137;

/// The answer about some models and about pairs that differ in batch size.
pub(super) fn answer(models: &[OfModel], pairs: &[BatchPair]) -> Answer {
    let mut answer = Answer::default();
    let mut readings = Vec::new();
    for of in models {
        answer.warnings.extend(of.warnings.iter().cloned());
        let figures = figures::of_model(of);
        if figures.is_empty() {
            continue;
        }
        readings.push(reading(of));
        answer.figures.extend(figures);
        answer.tables.extend(tables(of));
        answer.results.push(result(of));
    }
    if pairs.is_empty() {
        let reason = "no two models of the same architecture differ in batch size: how steady vog is over batch sizes is not known \
                      (`--with` sets another study beside this one)";
        answer.warnings.push(reason.to_owned());
    } else {
        answer.tables.push(batch_table(pairs));
        answer.figures.push(figures::batches(pairs));
        answer.results.push(json!({"batch_sizes": pairs.iter().map(batch_result).collect::<Vec<_>>()}));
        let least = pairs.iter().map(|pair| pair.spearman).fold(f64::INFINITY, f64::min);
        readings.push(format!("between batch sizes means correlate with at least {}", significant(least)));
    }
    if models.is_empty() {
        answer.warnings.push("no model has finished runs: vog needs 1".to_owned());
    }
    answer.reading = match readings.join("; ") {
        none if none.is_empty() => "The variance of gradients cannot be judged yet.".to_owned(),
        reading => reading + ".",
    };
    answer
}

fn percent(share: f64) -> String {
    format!("{} %", significant(100.0 * share))
}

/// The first variant's error, then who goes another way than expected, then noise and steadiness.
fn reading(of: &OfModel) -> String {
    let mut parts = Vec::new();
    for deciles in of.deciles.iter().take(1) {
        parts.push(format!(
            "test error goes from {} in the tenth with the lowest {} to {} in the highest (all: {})",
            percent(mean(&deciles.of(0))),
            deciles.variant,
            percent(mean(&deciles.of(DECILES - 1))),
            percent(mean(&deciles.overall)),
        ));
    }
    let contrary: Vec<&str> =
        of.deciles.iter().filter(|one| !goes_as_expected(one)).map(|one| one.variant.as_str()).collect();
    if !contrary.is_empty() {
        parts.push(format!("not as published (late rises, early falls): {}", contrary.join(", ")));
    }
    for classes in of.class_means.iter().take(1) {
        parts.push(format!(
            "class means of {} and false negatives correlate by {} (p {}, {} classes)",
            classes.variant,
            significant(classes.pearson),
            significant(classes.p),
            classes.classes.len()
        ));
    }
    for shuffled in of.shuffled.iter().take(1) {
        let side = if shuffled.t > 0.0 { "higher" } else { "lower" };
        let p = if shuffled.neg_ln_p > SIGNIFICANT {
            "p < 0.001".to_owned()
        } else {
            format!("p {}", significant((-shuffled.neg_ln_p).exp()))
        };
        parts.push(format!("changed labels have {side} {} ({p})", shuffled.variant));
    }
    for steady in of.steadiness.iter().take(1) {
        parts.push(format!(
            "two runs rank {} examples with rho {} ({})",
            steady.role,
            significant(steady.mean),
            steady.variant
        ));
    }
    for boundary in of.boundary.iter().take(1) {
        parts.push(format!(
            "{} and the distance to the boundary: rho {}",
            boundary.variant,
            significant(boundary.spearman)
        ));
    }
    format!("{}: {}", of.model, parts.join("; "))
}

/// Error rises with the value where large is hard, and falls where it is easy.
fn goes_as_expected(of: &Deciles) -> bool {
    match of.harder {
        Harder::High => of.trend() > 0.0,
        Harder::Low => of.trend() < 0.0,
    }
}

fn harder(of: &Deciles) -> &'static str {
    if of.harder == Harder::High { "high" } else { "low" }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn named<const N: usize>(columns: [&str; N]) -> Vec<String> {
    columns.map(String::from).to_vec()
}

fn tables(of: &OfModel) -> Vec<Table> {
    let all = [
        error_table(of),
        decile_table(of),
        class_table(of),
        shuffled_table(of),
        steadiness_table(of),
        boundary_table(of),
    ];
    all.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn error_table(of: &OfModel) -> Table {
    let row = |deciles: &Deciles| {
        let numbers = [mean(&deciles.of(0)), mean(&deciles.overall), mean(&deciles.of(DECILES - 1)), deciles.trend()];
        [text(&deciles.variant), text(harder(deciles))].into_iter().chain(numbers.map(Cell::Number)).collect()
    };
    Table {
        title: format!("{}: error on {} test examples, mean of {} runs", of.model, of.test_examples, of.runs),
        columns: named(["variant", "hard end", "lowest 10 %", "all", "highest 10 %", "trend rho"]),
        rows: of.deciles.iter().map(row).collect(),
    }
}

fn decile_table(of: &OfModel) -> Table {
    let row = |deciles: &Deciles| {
        let errors = deciles.means().map(Cell::Number);
        std::iter::once(text(&deciles.variant)).chain(errors).collect()
    };
    let columns = std::iter::once("variant".to_owned()).chain((1..=DECILES).map(|decile| decile.to_string())).collect();
    let title = format!("{}: test error by decile, lowest values first", of.model);
    Table { title, columns, rows: of.deciles.iter().map(row).collect() }
}

fn class_table(of: &OfModel) -> Table {
    let row = |classes: &super::ClassMeans| {
        let numbers = [classes.pearson, classes.p, classes.spearman].map(Cell::Number);
        [text(&classes.variant)].into_iter().chain(numbers).chain([Cell::Count(classes.classes.len() as u64)]).collect()
    };
    Table {
        title: format!("{}: class mean and false-negative rate, test examples", of.model),
        columns: named(["variant", "Pearson", "p", "Spearman", "classes"]),
        rows: of.class_means.iter().map(row).collect(),
    }
}

fn shuffled_table(of: &OfModel) -> Table {
    let row = |one: &super::Shuffled| {
        let numbers = [one.changed.0, one.rest.0, one.t, one.freedom, one.neg_ln_p].map(Cell::Number);
        let counts = [one.changed.2, one.rest.2].map(|count| Cell::Count(u64::from(count)));
        [text(&one.variant)].into_iter().chain(numbers).chain(counts).collect()
    };
    Table {
        title: format!("{}: changed labels against the rest, training examples (Welch)", of.model),
        columns: named(["variant", "mean changed", "mean rest", "t", "freedom", "-ln p", "changed", "rest"]),
        rows: of.shuffled.iter().map(row).collect(),
    }
}

fn steadiness_table(of: &OfModel) -> Table {
    let row = |one: &super::Steadiness| {
        let numbers = [one.mean, one.range.0, one.range.1, one.sd_ratio].map(Cell::Number);
        [text(&one.variant), text(one.role)].into_iter().chain(numbers).collect()
    };
    Table {
        title: format!("{}: Spearman between pairs of {} runs; sd over runs / sd over examples", of.model, of.runs),
        columns: named(["variant", "role", "mean", "lowest", "highest", "sd ratio"]),
        rows: of.steadiness.iter().map(row).collect(),
    }
}

fn boundary_table(of: &OfModel) -> Table {
    let row = |one: &Agreement| {
        let numbers = [one.spearman, one.range.0, one.range.1].map(Cell::Number);
        [text(&one.variant), text(one.role)].into_iter().chain(numbers).collect()
    };
    Table {
        title: format!("{}: Spearman with the distance to the run's own boundary (input_margin), over runs", of.model),
        columns: named(["variant", "role", "mean", "lowest", "highest"]),
        rows: of.boundary.iter().map(row).collect(),
    }
}

fn batch_table(pairs: &[BatchPair]) -> Table {
    let row = |pair: &BatchPair| {
        let [a, b] = pair.batch_size.map(|size| Cell::Count(size as u64));
        let words = [pair.models.join(", "), pair.variant.clone(), pair.role.to_owned()].map(Cell::Text);
        words.into_iter().chain([a, b, Cell::Number(pair.spearman)]).collect()
    };
    Table {
        title: "Means of models that differ in batch size: Spearman".to_owned(),
        columns: named(["models", "variant", "role", "batch", "batch", "rho"]),
        rows: pairs.iter().map(row).collect(),
    }
}

fn batch_result(pair: &BatchPair) -> Value {
    json!({
        "models": pair.models, "batch_size": pair.batch_size, "variant": pair.variant, "role": pair.role,
        "spearman": pair.spearman,
    })
}

fn result(of: &OfModel) -> Value {
    let each = |number: &dyn Fn(&Deciles) -> Value| of.deciles.iter().map(number).collect::<Vec<Value>>();
    let ends = |of: &Deciles, high: bool| -> Value {
        let end = |decile| {
            let (low, most) = middle(&of.of(decile), 1.0);
            if high { most } else { low }
        };
        (0..DECILES).map(end).collect::<Vec<f64>>().into()
    };
    let mut result = json!({
        "model": of.model, "runs": of.runs, "test_examples": of.test_examples,
        "variants": each(&|one| json!(one.variant)), "harder": each(&|one| json!(harder(one))),
        "error": {
            "deciles": each(&|one| json!(one.means())),
            "low": each(&|one| ends(one, false)), "high": each(&|one| ends(one, true)),
            "bottom": each(&|one| json!(mean(&one.of(0)))), "overall": each(&|one| json!(mean(&one.overall))),
            "top": each(&|one| json!(mean(&one.of(DECILES - 1)))), "trend": each(&|one| json!(one.trend())),
        },
    });
    let classes = of.class_means.iter().map(|one| {
        json!({
            "variant": one.variant, "classes": one.classes.iter().map(|(class, ..)| class).collect::<Vec<_>>(),
            "mean": one.classes.iter().map(|(_, value, _)| value).collect::<Vec<_>>(),
            "false_negatives": one.classes.iter().map(|(.., missed)| missed).collect::<Vec<_>>(),
            "pearson": one.pearson, "p": one.p, "spearman": one.spearman,
        })
    });
    insert(&mut result, "classes", classes.collect::<Vec<_>>());
    let group = |(mean, _, count): (f64, f64, u32)| json!({"n": count, "mean": mean});
    let shuffled = of.shuffled.iter().map(|one| {
        json!({
            "variant": one.variant, "changed": group(one.changed), "rest": group(one.rest),
            "t": one.t, "freedom": one.freedom, "neg_ln_p": one.neg_ln_p,
        })
    });
    insert(&mut result, "shuffled", shuffled.collect::<Vec<_>>());
    let steadiness = of.steadiness.iter().map(|one| {
        json!({
            "variant": one.variant, "role": one.role, "mean": one.mean, "low": one.range.0, "high": one.range.1,
            "sd_ratio": one.sd_ratio,
        })
    });
    insert(&mut result, "steadiness", steadiness.collect::<Vec<_>>());
    let boundary = of.boundary.iter().map(|one| {
        json!({"variant": one.variant, "role": one.role, "spearman": one.spearman, "low": one.range.0, "high": one.range.1})
    });
    insert(&mut result, "boundary", boundary.collect::<Vec<_>>());
    result
}
