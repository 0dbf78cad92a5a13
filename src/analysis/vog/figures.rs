//! A figure per clause: error by decile, its ends, classes, changed labels, steadiness, the boundary.

use super::super::Figure;
use super::super::figure::{Bar, Curve, Line, Point};
use super::super::quantile::{mean, middle};
use super::super::table::significant;
use super::{BatchPair, DECILES, Deciles, OfModel, Shuffled};

/// Variants whose bands are shown.
const BANDS: usize = 2;

pub(super) fn of_model(of: &OfModel) -> Vec<Figure> {
    let some = |is_there: bool, figure: fn(&OfModel) -> Figure| is_there.then(|| figure(of));
    let mut figures: Vec<Figure> =
        [some(!of.deciles.is_empty(), deciles), some(!of.deciles.is_empty(), ends)].into_iter().flatten().collect();
    figures.extend(of.class_means.iter().map(|classes| self::classes(of, classes)));
    figures.extend(some(!of.shuffled.is_empty(), shuffled));
    figures.extend(some(!of.steadiness.is_empty(), steadiness));
    figures.extend(some(!of.boundary.is_empty(), boundary));
    figures
}

fn tenths() -> Vec<f64> {
    (1..=DECILES).map(|decile| decile as f64).collect()
}

fn deciles(of: &OfModel) -> Figure {
    // Bands of many variants would hide each other and the curves.
    let has_bands = of.deciles.len() <= BANDS && of.runs > 1;
    let ends = |deciles: &Deciles| (0..DECILES).map(|tenth| middle(&deciles.of(tenth), 1.0)).collect();
    let curve = |deciles: &Deciles| Curve {
        name: deciles.variant.clone(),
        x: tenths(),
        y: deciles.means().to_vec(),
        band: if has_bands { ends(deciles) } else { Vec::new() },
    };
    let bands = if has_bands { "; bands: lowest and highest" } else { "" };
    let overall = of.deciles.first().map_or(f64::NAN, |deciles| mean(&deciles.overall));
    Figure::Curves {
        title: format!("Test error by decile · {} (mean of {} runs{bands})", of.model, of.runs),
        x: "decile, lowest vog first".to_owned(),
        y: "test error".to_owned(),
        curves: of.deciles.iter().map(curve).collect(),
        lines: vec![Line { name: "all".to_owned(), at: overall }],
    }
}

fn ends(of: &OfModel) -> Figure {
    let bars = of.deciles.iter().flat_map(|deciles| {
        [("lowest 10 %", deciles.of(0)), ("highest 10 %", deciles.of(DECILES - 1))].map(|(end, errors)| Bar {
            name: format!("{}: {end}", deciles.variant),
            value: mean(&errors),
            interval: (errors.len() > 1).then(|| middle(&errors, 1.0)),
            examples: Vec::new(),
        })
    });
    let overall = of.deciles.first().map_or(f64::NAN, |deciles| mean(&deciles.overall));
    Figure::Bars {
        title: format!("Test error at both ends · {} (lowest and highest of {} runs)", of.model, of.runs),
        unit: "test error".to_owned(),
        bars: bars.collect(),
        lines: vec![Line { name: "all".to_owned(), at: overall }],
    }
}

fn classes(of: &OfModel, classes: &super::ClassMeans) -> Figure {
    let point = |(class, value, missed): &(u16, f64, f64)| Point {
        x: *value,
        y: *missed,
        name: of.classes.get(usize::from(*class)).cloned().unwrap_or_else(|| class.to_string()),
        examples: Vec::new(),
    };
    Figure::Scatter {
        title: format!(
            "Classes by {} · {} (Pearson {}, p {}, Spearman {})",
            classes.variant,
            of.model,
            significant(classes.pearson),
            significant(classes.p),
            significant(classes.spearman)
        ),
        x: format!("class mean of {}", classes.variant),
        y: "false-negative rate, test".to_owned(),
        points: classes.classes.iter().map(point).collect(),
    }
}

fn shuffled(of: &OfModel) -> Figure {
    let bars = of.shuffled.iter().flat_map(|one| {
        [("changed", one.changed), ("rest", one.rest)].map(|(name, group)| {
            let half = Shuffled::half_width(group);
            Bar {
                name: format!("{}: {name}", one.variant),
                value: group.0,
                interval: Some((group.0 - half, group.0 + half)),
                examples: Vec::new(),
            }
        })
    });
    Figure::Bars {
        title: format!("Changed labels, the rest · {} (90 % intervals of the means)", of.model),
        unit: "mean vog of training examples".to_owned(),
        bars: bars.collect(),
        lines: Vec::new(),
    }
}

fn steadiness(of: &OfModel) -> Figure {
    let bar = |one: &super::Steadiness| Bar {
        name: format!("{}: {}", one.variant, one.role),
        value: one.mean,
        interval: Some(one.range),
        examples: Vec::new(),
    };
    Figure::Bars {
        title: format!("Two initialisations · {} (Spearman; lowest and highest pair of {} runs)", of.model, of.runs),
        unit: "Spearman between runs".to_owned(),
        bars: of.steadiness.iter().map(bar).collect(),
        lines: Vec::new(),
    }
}

fn boundary(of: &OfModel) -> Figure {
    let curve = |one: &super::Agreement| Curve {
        name: format!("{}, {} {}", one.variant, one.role, significant(one.spearman)),
        x: tenths(),
        y: one.by_decile.clone(),
        band: Vec::new(),
    };
    Figure::Curves {
        title: format!("Distance to the boundary · {} (mean of {} runs; Spearman)", of.model, of.runs),
        x: "tenth by distance, nearest first".to_owned(),
        y: "mean vog".to_owned(),
        curves: of.boundary.iter().map(curve).collect(),
        lines: Vec::new(),
    }
}

pub(super) fn batches(pairs: &[BatchPair]) -> Figure {
    let bar = |pair: &BatchPair| {
        let [a, b] = pair.batch_size;
        Bar {
            name: format!("{a} and {b}: {}, {}", pair.variant, pair.role),
            value: pair.spearman,
            interval: None,
            examples: Vec::new(),
        }
    };
    Figure::Bars {
        title: "Batch sizes (Spearman of the means over the runs)".to_owned(),
        unit: "Spearman".to_owned(),
        bars: pairs.iter().map(bar).collect(),
        lines: Vec::new(),
    }
}
