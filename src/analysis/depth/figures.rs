//! The pictures of depth: histograms, curves with bands, the plane of two depths and its corners.

use ndarray::Array2;

use super::super::Figure;
use super::super::figure::{BEHIND, Bar, Bin, Curve, Line, Picture};
use super::agreement::Agreement;
use super::bounds::{BINS, Band};
use super::corners::CORNERS;
use super::layers::Layers;
use super::relations::{CornerFound, Histogram};
use super::subject::{Side, Subject};

/// Pictures in a corner's row.
const PICTURES: usize = 8;

/// Mean depths of the models, shallowest first, in units of the last depth.
pub(super) fn order(means: &[(String, f64)], role: &str) -> Figure {
    let bar = |(name, mean): &(String, f64)| Bar { name: name.clone(), value: *mean, ..Bar::default() };
    Figure::Bars {
        title: format!("Mean depth of each model ({role})"),
        unit: "mean depth / last depth".to_owned(),
        bars: means.iter().map(bar).collect(),
        lines: Vec::new(),
    }
}

/// The two matrices of one role.
pub(super) fn agreement(of: &Agreement, names: &[String]) -> [Figure; 2] {
    let heatmap = |what: &str, rows: &[Vec<f64>]| Figure::Heatmap {
        title: format!("Agreement of {what}, {} (Spearman of depths)", of.role),
        rows: names.to_vec(),
        columns: names.to_vec(),
        values: matrix(rows),
    };
    [heatmap("means", &of.means), heatmap("single runs", &of.single)]
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    let cell = |(row, column): (usize, usize)| rows.get(row).and_then(|row| row.get(column)).copied();
    Array2::from_shape_fn((rows.len(), columns), |at| cell(at).unwrap_or(f64::NAN))
}

/// How often each depth occurs; behind a bar are the examples whose mean depth is nearest to it.
pub(super) fn histogram(subject: &Subject, side: &Side, of: &Histogram) -> Figure {
    let means = side.means();
    let bin = |(depth, count): (usize, &usize)| {
        let distance = |example: usize| means.get(example).map_or(f64::NAN, |mean| (mean - depth as f64).abs());
        let mut near: Vec<usize> = (0..means.len()).filter(|example| distance(*example) <= 0.5).collect();
        near.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        let examples = near.into_iter().take(BEHIND).map(|example| side.scores.cohort.id(example)).collect();
        Bin { count: *count, examples }
    };
    Figure::Histogram {
        title: format!("{}: depths ({}, {} runs)", subject.label, side.role(), subject.runs.len()),
        unit: "pairs of run and example".to_owned(),
        edges: (0..=of.counts.len()).map(|edge| edge as f64 - 0.5).collect(),
        bins: of.counts.iter().enumerate().map(bin).collect(),
        lines: vec![Line { name: "mean".to_owned(), at: of.mean }],
    }
}

/// A curve of means over bins of depth, with the middle 98 % of the examples around it.
pub(super) fn banded(name: &str, bands: &[Band]) -> Curve {
    Curve {
        name: name.to_owned(),
        x: bands.iter().map(|band| band.depth).collect(),
        y: bands.iter().map(|band| band.mean).collect(),
        band: bands.iter().map(|band| band.range).collect(),
    }
}

/// A straight line over all depths, as far as it stays above 0 or below `most`; none that is level, which bounds nothing.
pub(super) fn straight(name: &str, start: f64, slope: f64, last: f64, most: f64) -> Option<Curve> {
    let points = (0..=20).map(|step| last * f64::from(step) / 20.0).map(|x| (x, start + slope * x));
    let (x, y): (Vec<f64>, Vec<f64>) = points.filter(|(_, y)| (-1e-9..=most + 1e-9).contains(y)).unzip();
    (slope.is_finite() && slope.abs() > 0.0 && x.len() > 1).then(|| Curve {
        name: name.to_owned(),
        x,
        y,
        band: Vec::new(),
    })
}

/// Curves over depth.
pub(super) fn over_depth(title: String, y: &str, curves: Vec<Curve>) -> Figure {
    Figure::Curves { title, x: "depth".to_owned(), y: y.to_owned(), curves, lines: Vec::new() }
}

/// Accuracy of the probes through the layers, then of the network through its epochs.
pub(super) fn learning(subject: &Subject, layers: &Layers) -> Vec<Figure> {
    let curve = |name: &str, points: Vec<(f64, (f64, f64, f64))>| Curve {
        name: name.to_owned(),
        x: points.iter().map(|(x, _)| *x).collect(),
        y: points.iter().map(|(_, (mean, ..))| *mean).collect(),
        band: points.iter().map(|(_, (_, least, most))| (*least, *most)).collect(),
    };
    let figure = |title: &str, x: &str, curves: Vec<Curve>| {
        let empty = curves.iter().all(|curve| curve.x.is_empty());
        (!empty).then(|| Figure::Curves {
            title: format!("{}: {title} (mean and range over runs)", subject.label),
            x: x.to_owned(),
            y: "accuracy".to_owned(),
            curves,
            lines: Vec::new(),
        })
    };
    let splits = || layers.splits.iter().enumerate();
    let by_layer = splits().map(|(place, split)| {
        let points = layers.layer_means(place).into_iter().enumerate().map(|(layer, spread)| (layer as f64, spread));
        curve(split.name, points.collect())
    });
    let by_epoch = splits().map(|(place, split)| {
        let points = layers.epoch_means(place).into_iter().map(|(epoch, spread)| (f64::from(epoch), spread));
        curve(split.name, points.collect())
    });
    let probes = figure("probes by layer", "probe (0: the input)", by_layer.collect());
    let network = figure("network by epoch", "epoch", by_epoch.collect());
    [probes, network].into_iter().flatten().collect()
}

/// The plane of val depth and train depth: the logarithm of the examples in each cell, the deepest train depth on top.
pub(super) fn plane(label: &str, which: &str, counts: &[Vec<usize>]) -> Figure {
    let names = |prefix: &str| -> Vec<String> {
        (0..BINS).map(|bin| format!("{prefix}{:.1}", bin as f64 / BINS as f64)).collect()
    };
    let cell = |(row, column): (usize, usize)| {
        let count = counts.get(BINS - 1 - row).and_then(|row| row.get(column)).copied().unwrap_or(0);
        if count == 0 { f64::NAN } else { libm::log10(count as f64) }
    };
    Figure::Heatmap {
        title: format!("{label}: two depths, {which}"),
        rows: names("train ").into_iter().rev().collect(),
        columns: names(""),
        values: Array2::from_shape_fn((BINS, BINS), cell),
    }
}

/// The most extreme examples of each corner, with what the runs that held them out take them for.
pub(super) fn pictures(subject: &Subject, side: &Side, corners: &[CornerFound]) -> Figure {
    let cohort = &side.scores.cohort;
    let row = |of: &CornerFound| {
        let picture = |(example, consensus): &(usize, u16)| {
            let class = cohort.class(*consensus);
            let label =
                cohort.labels.get(*example).filter(|label| *label != consensus).map(|label| cohort.class(*label));
            let caption = label.map_or(class.clone(), |label| format!("{class}, not {label}"));
            Picture { example: cohort.id(*example), caption, bars: Vec::new() }
        };
        let tied = of.chosen.map_or_else(String::new, |(taken, tied)| format!(" ({taken} of {tied} equally near)"));
        (format!("{}{tied}", of.corner.name), of.examples.iter().take(PICTURES).map(picture).collect())
    };
    Figure::Pictures {
        title: format!("{}: the corners (consensus of the runs that held it out)", subject.label),
        rows: corners.iter().map(row).collect(),
    }
}

/// Vote share and accuracy of truth and consensus through the layers, a curve per corner.
pub(super) fn through_layers(subject: &Subject, corners: &[CornerFound]) -> Vec<Figure> {
    let figure = |what: &str, y: &str, of: &dyn Fn(&CornerFound) -> Vec<f64>| {
        let curve = |(place, found): (usize, &CornerFound)| {
            let y = of(found);
            let name = CORNERS.get(place).map_or("", |corner| corner.short).to_owned();
            Curve { name, x: (0..y.len()).map(|layer| layer as f64).collect(), y, band: Vec::new() }
        };
        Figure::Curves {
            title: format!("{}: {what} (in the corners, held out)", subject.label),
            x: "probe (0: the input)".to_owned(),
            y: y.to_owned(),
            curves: corners.iter().enumerate().map(curve).collect(),
            lines: Vec::new(),
        }
    };
    if corners.iter().all(|found| found.layers.truth_votes.is_empty()) {
        return Vec::new();
    }
    vec![
        figure("votes for the truth", "share of votes", &|found| found.layers.truth_votes.clone()),
        figure("votes for the consensus", "share of votes", &|found| found.layers.consensus_votes.clone()),
        figure("truth predicted", "accuracy", &|found| found.layers.truth_accuracy.clone()),
        figure("consensus predicted", "accuracy", &|found| found.layers.consensus_accuracy.clone()),
    ]
}
