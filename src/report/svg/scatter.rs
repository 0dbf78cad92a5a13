//! Points in a plane, named where there is room for the names.

use super::WIDTH;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawing, LINE, MARGIN, width_of, wrapped};
use crate::analysis::figure::Point;
use crate::analysis::table::significant;

/// Height of the plot.
const HEIGHT: f64 = 260.0;
/// More names than this would hide the points.
const NAMED: usize = 40;

/// A rectangle: left, top, right, bottom.
type Box = [f64; 4];

/// Draws it.
pub fn draw(title: &str, x: &str, y: &str, points: &[Point]) -> Drawing {
    let points: Vec<&Point> = points.iter().filter(|point| point.x.is_finite() && point.y.is_finite()).collect();
    let mut canvas = Canvas::default();
    let top = canvas.title(title, WIDTH);
    let (frame, bottom) = axes(
        &mut canvas,
        top,
        (x, y),
        HEIGHT,
        (&|| points.iter().map(|point| point.x).collect(), &|| points.iter().map(|point| point.y).collect()),
    );
    let (along, up) = frame;
    let places: Vec<(f64, f64)> = points.iter().map(|point| (along.at(point.x), up.at(point.y))).collect();
    let radius = if points.len() > 300 { 2.0 } else { 4.0 };
    for (point, place) in points.iter().zip(&places) {
        let told = format!("{} ({}, {})", point.name, significant(point.x), significant(point.y));
        canvas.disc(*place, radius, "c0", told.trim());
    }
    if points.iter().filter(|point| !point.name.is_empty()).count() <= NAMED {
        let mut taken: Vec<Box> = places.iter().map(|(x, y)| [x - 5.0, y - 5.0, x + 5.0, y + 5.0]).collect();
        for (point, place) in points.iter().zip(&places).filter(|(point, _)| !point.name.is_empty()) {
            name(&mut canvas, &point.name, *place, &mut taken);
        }
    }
    canvas.done(WIDTH, bottom)
}

/// Writes a name beside its point, where it covers nothing; where there is no room its tooltip has to do.
fn name(canvas: &mut Canvas, name: &str, (x, y): (f64, f64), taken: &mut Vec<Box>) {
    let wide = width_of(name, 11.0);
    let sides =
        [(7.0, 4.0, Anchor::Start), (-7.0, 4.0, Anchor::End), (0.0, -8.0, Anchor::Middle), (0.0, 16.0, Anchor::Middle)];
    for (dx, dy, anchor) in sides {
        let left = match anchor {
            Anchor::Start => x + dx,
            Anchor::End => x + dx - wide,
            Anchor::Middle => x - wide / 2.0,
        };
        let area = [left, y + dy - 10.0, left + wide, y + dy + 2.0];
        let inside = area[0] > 2.0 && area[2] < WIDTH - 2.0;
        if inside && !taken.iter().any(|other| overlap(area, *other)) {
            canvas.text((x + dx, y + dy), anchor, "s", name);
            taken.push(area);
            return;
        }
    }
}

fn overlap(a: Box, b: Box) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Gives all values along an axis.
type All<'a> = &'a dyn Fn() -> Vec<f64>;

/// Grid, numbers and names of two axes; gives them and where everything ends. What goes up is named above the plot, where long
/// names have room.
pub fn axes(
    canvas: &mut Canvas,
    top: f64,
    (x, y): (&str, &str),
    height: f64,
    (xs, ys): (All<'_>, All<'_>),
) -> ((Axis, Axis), f64) {
    let mut top = top;
    for line in wrapped(y, WIDTH - 2.0 * MARGIN, 11.0) {
        canvas.text((MARGIN, top + 8.0), Anchor::Start, "s", &line);
        top += LINE;
    }
    top += 4.0;
    let bottom = top + height;
    let up = Axis::over(ys().into_iter(), bottom, top, 5);
    let left = MARGIN + up.ticks().iter().map(|(_, name)| width_of(name, 11.0)).fold(16.0, f64::max) + 6.0;
    let right = WIDTH - 2.0 * MARGIN;
    let xs = xs();
    let known = || xs.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let counts = !xs.is_empty() && known().all(|value| value.fract() == 0.0 && value.abs() < 1e9) && high - low < 1e4;
    let along = if counts { Axis::whole(low, high, left, right) } else { Axis::over(known(), left, right, 6) };
    for (at, name) in up.ticks() {
        canvas.line((left, up.at(at)), (right, up.at(at)), "g");
        canvas.text((left - 5.0, up.at(at) + 4.0), Anchor::End, "s", &name);
    }
    for (at, name) in along.ticks() {
        canvas.line((along.at(at), bottom), (along.at(at), bottom + 4.0), "a");
        canvas.text((along.at(at), bottom + 15.0), Anchor::Middle, "s", &name);
    }
    canvas.line((left, bottom), (right, bottom), "a");
    canvas.line((left, top), (left, bottom), "a");
    canvas.text((f64::midpoint(left, right), bottom + 30.0), Anchor::Middle, "s", x);
    ((along, up), bottom + 30.0 + MARGIN)
}
