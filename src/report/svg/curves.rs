//! Lines with bands, and a legend below; more curves than colours are told apart by dashes, and their bands left out.

use super::WIDTH;
use super::canvas::{Anchor, COLOURS, Canvas, Drawing};
use super::scatter::axes;
use super::stacked::legend;
use crate::analysis::figure::{Curve, Line};
use crate::analysis::table::significant;

/// Height of the plot.
const HEIGHT: f64 = 220.0;
/// Dashes each time that the colours come round again.
const DASHES: [&str; 4] =
    ["", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 3\"", " stroke-dasharray=\"8 3 2 3\""];
/// Points of so few steps are marked.
const MARKED: usize = 12;

/// Draws it.
pub fn draw(title: &str, (x, y): (&str, &str), curves: &[Curve], lines: &[Line]) -> Drawing {
    let mut canvas = Canvas::default();
    let top = canvas.title(title, WIDTH);
    let xs = || curves.iter().flat_map(|curve| curve.x.iter().copied()).collect();
    let ys = || {
        let bands = curves.iter().flat_map(|curve| curve.band.iter().flat_map(|(low, high)| [*low, *high]));
        let levels = lines.iter().map(|line| line.at);
        curves.iter().flat_map(|curve| curve.y.iter().copied()).chain(bands).chain(levels).collect()
    };
    let ((along, up), bottom) = axes(&mut canvas, top, (x, y), HEIGHT, (&xs, &ys));
    let place = |x: f64, y: f64| (along.at(x), up.at(y));
    // So many bands would lie upon each other that none could be followed.
    let banded = curves.len() <= COLOURS;
    for (number, curve) in curves.iter().enumerate().filter(|_| banded) {
        for run in runs(curve, |at| curve.band.get(at).is_some_and(|(low, high)| low.is_finite() && high.is_finite())) {
            let edge = |high: bool| {
                let band = curve.band.iter().zip(&curve.x).skip(run.start).take(run.len());
                band.map(move |((low, top), x)| place(*x, if high { *top } else { *low })).collect::<Vec<_>>()
            };
            let around: Vec<(f64, f64)> = edge(true).into_iter().chain(edge(false).into_iter().rev()).collect();
            canvas.through("polygon", &around, &format!("c{}", number % COLOURS), "");
        }
    }
    for (number, curve) in curves.iter().enumerate() {
        for run in runs(curve, |at| curve.y.get(at).is_some_and(|y| y.is_finite())) {
            let points: Vec<(f64, f64)> =
                curve.x.iter().zip(&curve.y).skip(run.start).take(run.len()).map(|(x, y)| place(*x, *y)).collect();
            canvas.through("polyline", &points, &format!("k{}", number % COLOURS), dashes(number));
            if curve.x.len() <= MARKED {
                let told = curve
                    .x
                    .iter()
                    .zip(&curve.y)
                    .skip(run.start)
                    .map(|(x, y)| format!("{} at {}: {}", curve.name, significant(*x), significant(*y)));
                points.iter().zip(told).for_each(|(point, told)| {
                    canvas.disc(*point, 2.6, &format!("c{}", number % COLOURS), &told);
                });
            }
        }
    }
    for line in lines.iter().filter(|line| line.at.is_finite()) {
        let y = up.at(line.at);
        canvas.line((along.from, y), (along.to, y), "l");
        canvas.text((along.to, y - 4.0), Anchor::End, "lv", &format!("{} {}", line.name, significant(line.at)));
    }
    let names: Vec<String> = curves.iter().map(|curve| curve.name.clone()).collect();
    let bottom = legend(&mut canvas, (super::canvas::MARGIN, bottom), WIDTH, &names, |canvas, place, (x, y)| {
        let ends = [(x, y - 4.0), (x + 19.0, y - 4.0)];
        canvas.through("polyline", &ends, &format!("k{}", place % COLOURS), dashes(place));
    });
    if banded || curves.iter().all(|curve| curve.band.is_empty()) {
        return canvas.done(WIDTH, bottom + super::canvas::MARGIN);
    }
    let note = format!("{} curves: their bands are left out", curves.len());
    canvas.text((super::canvas::MARGIN, bottom + 10.0), Anchor::Start, "s", &note);
    canvas.done(WIDTH, bottom + super::canvas::LINE + super::canvas::MARGIN)
}

fn dashes(number: usize) -> &'static str {
    DASHES.get(number / COLOURS % DASHES.len()).copied().unwrap_or("")
}

/// The stretches of a curve without a gap.
fn runs(curve: &Curve, is_there: impl Fn(usize) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..curve.x.len()).filter(|at| is_there(*at)) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}
