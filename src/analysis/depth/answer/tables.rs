//! The numbers of depth as tables.

use super::super::agreement::Agreement;
use super::super::corners::NEEDS_LABEL;
use super::super::relations::Found;
use super::super::together::VOTES;
use super::{Cell, Table, drawn, middle};

/// Rows of the learning curve at most, its end besides.
const EPOCHS: usize = 16;

fn text(words: &str) -> Cell {
    Cell::Text(words.to_owned())
}

fn count(number: usize) -> Cell {
    Cell::Count(number as u64)
}

fn table(title: String, columns: &[&str], rows: Vec<Vec<Cell>>) -> Option<Table> {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    (!rows.is_empty()).then_some(Table { title, columns, rows })
}

/// Every model and role: how deep, and how many pairs have no depth.
pub(super) fn roles(found: &[Found]) -> Table {
    let columns = [
        "model",
        "role",
        "runs",
        "examples",
        "mean depth",
        "sd",
        "of",
        "mean / last",
        "largest mean",
        "undefined",
        "of pairs",
        "accuracy",
    ];
    let row = |found: &Found| {
        let (label, runs, last) = (found.subject.label, found.subject.runs.len(), found.subject.last);
        let of_side = |of: &super::OfSide| {
            let h = &of.histogram;
            vec![
                text(label),
                text(of.role),
                count(runs),
                count(h.examples),
                Cell::Number(h.mean),
                Cell::Number(h.sd),
                count(last as usize),
                Cell::Number(h.mean / last),
                Cell::Number(h.largest),
                count(h.undefined),
                count(h.pairs),
                Cell::Number(h.accuracy),
            ]
        };
        found.known.sides.iter().map(of_side).collect::<Vec<_>>()
    };
    let mut all: Vec<(f64, Vec<Vec<Cell>>)> = found
        .iter()
        .map(|found| {
            (found.known.sides.first().map_or(f64::NAN, |of| of.histogram.mean / found.subject.last), row(found))
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    Table {
        title: "Depths, shallowest model first (means over runs; an undefined depth: the last probe contradicts the network)"
            .to_owned(),
        columns: columns.map(String::from).to_vec(),
        rows: all.into_iter().flat_map(|(_, rows)| rows).collect(),
    }
}

/// A row per model: means, then single runs.
pub(super) fn agreement(of: &Agreement, names: &[String]) -> Table {
    let row = |place: usize, name: &String| {
        let cells = |matrix: &[Vec<f64>]| matrix.get(place).cloned().unwrap_or_default().into_iter().map(Cell::Number);
        std::iter::once(text(name)).chain(cells(&of.means)).chain(cells(&of.single)).collect::<Vec<Cell>>()
    };
    let columns = std::iter::once("model".to_owned())
        .chain(names.iter().map(|name| format!("means: {name}")))
        .chain(names.iter().map(|name| format!("single runs: {name}")));
    Table {
        title: format!("Agreement on {} examples, Spearman (with itself: even and odd runs; pairs of runs)", of.role),
        columns: columns.collect(),
        rows: names.iter().enumerate().map(|(place, name)| row(place, name)).collect(),
    }
}

/// The tables of one model.
pub(super) fn of(found: &Found) -> Vec<Table> {
    [by_depth(found), bounds(found), learned(found), margins(found), layers(found), course(found), corners(found)]
        .into_iter()
        .flatten()
        .chain(through_layers(found))
        .collect()
}

fn by_depth(found: &Found) -> Option<Table> {
    let mut rows = Vec::new();
    for of in found.known.sides.iter() {
        let all: usize = of.together.by_depth.iter().map(|by_depth| by_depth.pairs).sum();
        for (depth, at) in of.together.by_depth.iter().enumerate().filter(|(_, at)| at.pairs > 0) {
            let share = at.pairs as f64 / all as f64;
            let numbers = [share, at.accuracy(), at.consistency(), at.entropy(), at.learned()].map(Cell::Number);
            rows.push([text(of.role), count(depth), count(at.pairs)].into_iter().chain(numbers).collect());
        }
    }
    let columns =
        ["role", "depth", "pairs", "share", "accuracy", "consensus-consistency", "entropy", "iteration learned"];
    let title = "by the depth in a single run (consensus-consistency and entropy: of the other runs)";
    table(format!("{}: {title}", found.subject.label), &columns, rows)
}

fn bounds(found: &Found) -> Option<Table> {
    let mut rows = Vec::new();
    for of in found.known.sides.iter() {
        let consistency = of.consistency.iter().flatten();
        let consensus = of.consensus.iter().flatten();
        let names = ["consistency, consensus = truth", "consistency, it is not"];
        let named = names.into_iter().zip(consistency);
        for (name, relation) in named.chain(["consensus-consistency", "entropy"].into_iter().zip(consensus)) {
            rows.push(vec![
                text(of.role),
                text(name),
                count(relation.examples),
                count(relation.left_out),
                Cell::Number(relation.slope),
                Cell::Number(relation.beyond),
                Cell::Number(relation.spearman),
            ]);
        }
    }
    let columns = ["role", "against mean depth", "examples", "left out", "slope of bound", "share beyond", "Spearman"];
    let roles = found.known.sides.iter().filter(|of| of.together.voted.pairs > 0);
    let few = roles.map(|of| format!("{} of {} {} pairs", of.together.voted.few, of.together.voted.pairs, of.role));
    let few: Vec<String> = few.collect();
    let title = format!(
        "{}: linear bounds, {}, examples of positive depth (entropy: through 0; consensus of {VOTES} other runs at least: {} have fewer and are left out)",
        found.subject.label,
        drawn("1"),
        few.join(", ")
    );
    table(title, &columns, rows)
}

fn learned(found: &Found) -> Option<Table> {
    let row = |of: &super::OfSide| {
        let learned = of.learned.as_ref()?;
        let numbers = [count(learned.examples), Cell::Number(learned.spearman)];
        Some([text(of.role), text(&learned.score)].into_iter().chain(numbers).collect())
    };
    let rows = found.known.sides.iter().filter_map(row).collect();
    let columns = ["role", "score", "examples", "Spearman"];
    table(format!("{}: iteration learned against mean depth", found.subject.label), &columns, rows)
}

fn margins(found: &Found) -> Option<Table> {
    let trained_on_all = if found.subject.holds_out() { "no" } else { "yes" };
    let row = |margin: &super::super::relations::Margin| {
        vec![
            text(margin.name),
            text(margin.role),
            count(margin.examples),
            count(margin.left_out),
            Cell::Number(margin.mean),
            Cell::Number(margin.pearson),
            text(trained_on_all),
        ]
    };
    let columns = ["margin", "role", "examples", "left out", "mean", "Pearson", "trained on all examples"];
    let title = format!("{}: ln of the mean margin against mean depth", found.subject.label);
    table(title, &columns, found.known.margins.iter().map(row).collect())
}

/// A column per split.
fn layers(found: &Found) -> Option<Table> {
    let layers = found.known.layers.as_ref()?;
    let splits: Vec<Vec<f64>> = (0..layers.splits.len())
        .map(|split| layers.layer_means(split).into_iter().map(|(mean, ..)| mean).collect())
        .collect();
    let row = |(layer, name): (usize, &String)| {
        let cells = splits.iter().map(|split| Cell::Number(split.get(layer).copied().unwrap_or(f64::NAN)));
        [count(layer), text(name)].into_iter().chain(cells).collect()
    };
    let columns: Vec<&str> =
        ["layer", "probe"].into_iter().chain(layers.splits.iter().map(|split| split.name)).collect();
    let rows = if layers.runs > 0 { found.subject.probes.iter().enumerate().map(row).collect() } else { Vec::new() };
    table(format!("{}: accuracy of the probes (mean over {} runs)", found.subject.label, layers.runs), &columns, rows)
}

fn course(found: &Found) -> Option<Table> {
    let layers = found.known.layers.as_ref()?;
    let splits: Vec<Vec<f64>> = (0..layers.splits.len())
        .map(|split| layers.epoch_means(split).into_iter().map(|(_, (mean, ..))| mean).collect())
        .collect();
    let row = |(place, epoch): (usize, &u32)| {
        let cells = splits.iter().map(|split| Cell::Number(split.get(place).copied().unwrap_or(f64::NAN)));
        std::iter::once(Cell::Count(u64::from(*epoch))).chain(cells).collect()
    };
    let columns: Vec<&str> = std::iter::once("epoch").chain(layers.splits.iter().map(|split| split.name)).collect();
    // A row for each of 160 epochs would hide all other tables; figure and JSON have them all.
    let count = layers.by_epoch.len();
    let every = count.div_ceil(EPOCHS).max(1);
    let is_shown = |(place, _): &(usize, &u32)| place % every == 0 || place + 1 == count;
    let rows = layers.by_epoch.keys().enumerate().filter(is_shown).map(row).collect();
    let which = if every > 1 { format!("every {every} epochs; --json has all; ") } else { String::new() };
    table(format!("{}: accuracy of the network ({which}mean over runs)", found.subject.label), &columns, rows)
}

fn corners(found: &Found) -> Option<Table> {
    let row = |(place, corner): (usize, &super::CornerFound)| {
        let probe = middle(found.subject, corner).map_or(f64::NAN, |(probe, _)| probe);
        let numbers = [
            corner.depths.0,
            corner.depths.1,
            corner.matches,
            corner.consistency,
            corner.layers.network,
            if place == NEEDS_LABEL { probe } else { f64::NAN },
        ];
        let cells = numbers.map(Cell::Number);
        let (taken, tied) = corner.chosen.unwrap_or_default();
        [text(corner.corner.name), count(corner.examples.len()), count(taken), count(tied)]
            .into_iter()
            .chain(cells)
            .collect()
    };
    let columns = [
        "corner",
        "examples",
        "taken by order",
        "of equally near",
        "val depth",
        "train depth",
        "consensus = truth",
        "consensus-consistency",
        "network right",
        "probe 4 right",
    ];
    let title = "the corners of val and train depth (held-out runs alone; in-sample: found with labels)";
    let rows = found.known.corners.iter().enumerate().map(row).collect();
    table(format!("{}: {title}", found.subject.label), &columns, rows)
}

fn through_layers(found: &Found) -> Vec<Table> {
    let of_corner = |corner: &super::CornerFound| {
        let layers = &corner.layers;
        let parts = [&layers.truth_votes, &layers.truth_accuracy, &layers.consensus_votes, &layers.consensus_accuracy];
        let row = |layer: usize| {
            let name = found.subject.probes.get(layer).map_or("", String::as_str);
            let cells = parts.map(|part| Cell::Number(part.get(layer).copied().unwrap_or(f64::NAN)));
            [count(layer), text(name)].into_iter().chain(cells).collect()
        };
        let columns = ["layer", "probe", "votes for truth", "truth right", "votes for consensus", "consensus right"];
        let title = format!(
            "{}: {}, {} examples, by layer (held out)",
            found.subject.label, corner.corner.name, layers.examples
        );
        table(title, &columns, (0..layers.truth_votes.len()).map(row).collect())
    };
    found.known.corners.iter().filter_map(of_corner).collect()
}
