//! Points in a plane, and curves with bands.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Cursor;
use crate::analysis::figure::{Curve, Line as Level, Point};
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::widgets::plot::{Plot, range};
use crate::tui::widgets::{line, whole_parts};

/// Marks of points, where they are few enough to be told apart by letters.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Columns for names at the ends of curves.
const NAMES: u16 = 18;

/// Draws points: letters with a legend where they are few, else dots of which the selected one is named.
pub fn scatter(buf: &mut Buffer, area: Rect, theme: Theme, (x, y, points): (&str, &str, &[Point]), selected: usize) {
    line(buf, area.x, area.y, area.width, Line::styled(format!("↑ {y}"), theme.dim()));
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let (xs, ys) = (range(points.iter().map(|point| point.x)), range(points.iter().map(|point| point.y)));
    let mut plot = Plot::new(area, widened(xs), widened(ys), NAMES);
    let lettered = points.len() <= LETTERS.len();
    for (place, (point, letter)) in points.iter().zip(LETTERS.chars().cycle()).enumerate() {
        match (lettered, place == selected) {
            (true, true) => plot.letter(point.x, point.y, letter, theme.selected()),
            (true, false) => plot.letter(point.x, point.y, letter, theme.model(place % 8)),
            (false, false) => plot.point(point.x, point.y, theme.model(place % 8)),
            (false, true) => {}
        }
    }
    if let Some(point) = points.get(selected).filter(|_| !lettered) {
        plot.cross(point.x, point.y, theme.accent());
        plot.label(point.y, format::fit(&point.name, usize::from(NAMES - 2)), theme.accent());
    }
    plot.draw(buf, theme, x);
    if lettered {
        legend(buf, area, theme, points, selected);
    }
}

/// The letters with their names, right of the plot.
fn legend(buf: &mut Buffer, area: Rect, theme: Theme, points: &[Point], selected: usize) {
    let place = Rect { x: area.right().saturating_sub(NAMES - 1), width: NAMES.min(area.width) - 1, ..area };
    let shown = super::window(points.len(), usize::from(area.height.saturating_sub(1)), selected);
    let named = points.iter().zip(LETTERS.chars()).enumerate().skip(shown.start).take(shown.len());
    for (y, (row, (point, letter))) in (place.y..).zip(named) {
        let style = if row == selected { theme.accent() } else { theme.model(row % 8) };
        let name = format::fit(&point.name, usize::from(place.width.saturating_sub(2)));
        line(buf, place.x, y, place.width, Line::styled(format!("{letter} {name}"), style));
    }
}

/// A range with some air around it.
fn widened((low, high): (f64, f64)) -> (f64, f64) {
    let air = 0.05 * (high - low);
    (low - air, high + air)
}

/// Draws curves over their bands, a colour each; the selected one is named in the accent.
pub fn curves(
    buf: &mut Buffer,
    area: Rect,
    theme: Theme,
    (x, y, curves, levels): (&str, &str, &[Curve], &[Level]),
    cursor: Cursor,
) {
    let mut legend = vec![Span::styled(format!("↑ {y}   "), theme.dim())];
    for (place, curve) in curves.iter().enumerate() {
        let style = if place == cursor.row { theme.model(place).patch(theme.strong()) } else { theme.model(place) };
        legend.push(Span::styled(format!("━ {}  ", curve.name), style));
    }
    line(buf, area.x, area.y, area.width, whole_parts(legend, area.width));
    let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let bands = curves.iter().flat_map(|curve| curve.band.iter().flat_map(|(low, high)| [*low, *high]));
    let heights = curves.iter().flat_map(|curve| curve.y.iter().copied()).chain(bands);
    let heights = range(heights.chain(levels.iter().map(|level| level.at)));
    let mut plot = Plot::new(area, range(curves.iter().flat_map(|curve| curve.x.iter().copied())), heights, NAMES);
    for (place, curve) in curves.iter().enumerate().filter(|(_, curve)| !curve.band.is_empty()) {
        let band: Vec<(f64, f64, f64)> =
            curve.x.iter().zip(&curve.band).map(|(x, (low, high))| (*x, *low, *high)).collect();
        plot.band(&band, theme.model(place).patch(theme.dim()));
    }
    for level in levels {
        plot.horizontal(level.at, theme.attention());
        plot.label(level.at, format::fit(&level.name, usize::from(NAMES - 2)), theme.attention());
    }
    for (place, curve) in curves.iter().enumerate() {
        plot.curve(curve.x.iter().copied().zip(curve.y.iter().copied()), theme.model(place));
    }
    if let Some(at) = curves.get(cursor.row).and_then(|curve| curve.x.get(cursor.column)) {
        plot.vertical(*at, theme.accent());
    }
    for (place, curve) in curves.iter().enumerate() {
        if let Some(end) = curve.y.iter().rev().find(|value| value.is_finite()) {
            plot.label(*end, format::fit(&curve.name, usize::from(NAMES - 2)), theme.model(place));
        }
    }
    plot.draw(buf, theme, x);
}

/// Name and place of a point.
pub fn told_point(x: &str, y: &str, points: &[Point], column: usize) -> Option<String> {
    let point = points.get(column)?;
    let name = if point.name.is_empty() { String::new() } else { format!("{}: ", point.name) };
    Some(format!("{name}{x} {}, {y} {}.", format::number(point.x), format::number(point.y)))
}

/// A curve's value at a step, with its band.
pub fn told_step(x: &str, curves: &[Curve], cursor: Cursor) -> Option<String> {
    let curve = curves.get(cursor.row)?;
    let (at, value) = (curve.x.get(cursor.column)?, curve.y.get(cursor.column)?);
    let band = curve
        .band
        .get(cursor.column)
        .map_or_else(String::new, |(low, high)| format!(" ({} to {})", format::number(*low), format::number(*high)));
    Some(format!("{}: {}{band} at {x} {}.", curve.name, format::number(*value), format::number(*at)))
}
