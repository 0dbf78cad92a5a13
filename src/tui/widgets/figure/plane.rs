//! Points in a plane, and curves with bands.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Cursor;
use super::legend::packed;
use crate::analysis::figure::{Curve, Line as Level, Point};
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::widgets::plot::{DASHES, Dash, Plot, range};
use crate::tui::widgets::{line, lines};

/// Marks of points, where they are few enough to be told apart by letters.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A legend takes a row of so many at most.
const LEGEND: u16 = 6;

/// A curve that shows in fewer than one of so many columns counts as hidden.
const HIDDEN: usize = 8;

/// Dots drawn and left out of a curve that comes through the one that hides it.
const THROUGH: Dash = &[8, 8];

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
        plot.label(point.y, short(&point.name), theme.accent());
    }
    plot.draw(buf, theme, x);
    if lettered {
        legend(buf, area, theme, points, selected);
    }
}

/// A name at the end of its curve, cut between words: a number in it is whole.
fn short(name: &str) -> String {
    format::wrap_to_words(name, usize::from(NAMES - 2), 1).concat()
}

/// The letters with their names, right of the plot.
fn legend(buf: &mut Buffer, area: Rect, theme: Theme, points: &[Point], selected: usize) {
    let place = Rect { x: area.right().saturating_sub(NAMES - 1), width: NAMES.min(area.width) - 1, ..area };
    let shown = crate::tui::widgets::window(points.len(), usize::from(area.height.saturating_sub(1)), selected);
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

/// Draws curves over their bands, a colour each; more curves than colours are told apart by dashes, and only the selected one has
/// its band then.
pub fn curves(
    buf: &mut Buffer,
    area: Rect,
    theme: Theme,
    (x, y, curves, levels): (&str, &str, &[Curve], &[Level]),
    cursor: Cursor,
) {
    let many = curves.len() > theme.colours();
    let legend = names(theme, y, curves, cursor.row);
    let legend = packed(legend, area.width, (area.height / LEGEND).max(1).into(), theme);
    let rows = legend.len() as u16;
    lines(buf, area, legend);
    let area = Rect { y: area.y + rows, height: area.height.saturating_sub(rows), ..area };
    let bands = curves.iter().flat_map(|curve| curve.band.iter().flat_map(|(low, high)| [*low, *high]));
    let heights = curves.iter().flat_map(|curve| curve.y.iter().copied()).chain(bands);
    let heights = range(heights.chain(levels.iter().map(|level| level.at)));
    let mut plot = Plot::new(area, range(curves.iter().flat_map(|curve| curve.x.iter().copied())), heights, NAMES);
    let banded = |(place, curve): &(usize, &Curve)| {
        !curve.band.is_empty() && (!has_one_band(theme, curves) || *place == cursor.row)
    };
    bands_of(&mut plot, theme, curves.iter().enumerate().filter(banded).collect());
    for level in levels {
        plot.horizontal(level.at, theme.attention());
        plot.label(level.at, short(&level.name), theme.attention());
    }
    // The selected curve lies on top.
    let (on_top, others): (Vec<_>, Vec<_>) = curves.iter().enumerate().partition(|(place, _)| *place == cursor.row);
    for (place, curve) in others.iter().chain(&on_top) {
        let points = curve.x.iter().copied().zip(curve.y.iter().copied());
        plot.dashed(points, theme.model(*place), (dashes(theme, *place).0, 4 * place));
    }
    for (place, curve) in others.iter().filter(|_| !many) {
        // Where other curves lie upon the whole of it, it comes through in stretches.
        if plot.shown(theme.model(*place)) * HIDDEN < usize::from(area.width) {
            plot.dashed(curve.x.iter().copied().zip(curve.y.iter().copied()), theme.model(*place), (THROUGH, 0));
        }
    }
    if let Some(at) = curves.get(cursor.row).and_then(|curve| curve.x.get(cursor.column)) {
        plot.vertical(*at, theme.accent());
    }
    // Where names are too many for the rows, the selected curve has its own.
    for (place, curve) in on_top.iter().chain(&others) {
        if let Some(end) = curve.y.iter().rev().find(|value| value.is_finite()) {
            plot.label(*end, short(&curve.name), theme.model(*place));
        }
    }
    plot.draw(buf, theme, x);
}

/// Whether the selected curve alone has its band: those of more curves than there are colours would be one; two differ by their dots.
fn has_one_band(theme: Theme, curves: &[Curve]) -> bool {
    curves.len() > theme.colours().max(2)
}

/// Draws bands in the shades of their curves, the widest first; where there are several it is hatched, so that those within it can be
/// told from it without colours too.
fn bands_of(plot: &mut Plot, theme: Theme, mut banded: Vec<(usize, &Curve)>) {
    let width = |curve: &Curve| {
        let widths = || curve.band.iter().map(|(low, high)| high - low).filter(|width| width.is_finite());
        widths().sum::<f64>() / widths().count().max(1) as f64
    };
    banded.sort_by(|(_, a), (_, b)| width(b).total_cmp(&width(a)));
    let several = banded.len() > 1;
    for (rank, (place, curve)) in banded.into_iter().enumerate() {
        let band: Vec<(f64, f64, f64)> =
            curve.x.iter().zip(&curve.band).map(|(x, (low, high))| (*x, *low, *high)).collect();
        if several && rank == 0 {
            plot.hatched_band(&band, theme.shade(place));
        } else {
            plot.band(&band, theme.shade(place));
        }
    }
}

/// Dashes each time that the colours come round again, and their mark in a legend.
fn dashes(theme: Theme, place: usize) -> (Dash, &'static str) {
    DASHES.get(place / theme.colours() % DASHES.len()).copied().unwrap_or((&[], "━"))
}

/// What goes up, and the curves' names with their marks.
fn names(theme: Theme, y: &str, curves: &[Curve], selected: usize) -> Vec<Span<'static>> {
    let many = curves.len() > theme.colours();
    let one_band = has_one_band(theme, curves);
    let banded = curves.get(selected).filter(|curve| one_band && !curve.band.is_empty());
    let band = banded.map_or_else(String::new, |curve| format!(" (band: {})", curve.name));
    let mut parts = vec![Span::styled(format!("↑ {y}{band}   "), theme.dim())];
    for (place, curve) in curves.iter().enumerate() {
        let style = if place == selected { theme.model(place).patch(theme.strong()) } else { theme.model(place) };
        let mark = if many { dashes(theme, place).1 } else { "━" };
        parts.push(Span::styled(format!("{mark} {}  ", curve.name), style));
    }
    parts
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Choice, Depth};

    fn many(count: usize) -> Vec<Curve> {
        let curve = |place: usize| Curve {
            name: format!("score{place:02}"),
            x: vec![1.0, 2.0, 3.0],
            y: vec![place as f64; 3],
            band: vec![(place as f64 - 0.3, place as f64 + 0.3); 3],
        };
        (0..count).map(curve).collect()
    }

    fn drawn(curves: &[Curve], depth: Depth, size: (u16, u16), row: usize) -> Buffer {
        let mut buf = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        let theme = Theme::new(Choice::Dark, depth, None);
        super::curves(
            &mut buf,
            Rect::new(0, 0, size.0, size.1),
            theme,
            ("runs", "change", curves, &[]),
            Cursor { row, column: 0 },
        );
        buf
    }

    fn text(buf: &Buffer, y: u16) -> String {
        (0..buf.area.width).map(|x| buf[(x, y)].symbol()).collect()
    }

    #[test]
    fn more_curves_than_colours_have_dashes_and_all_their_names() {
        let buf = drawn(&many(18), Depth::True, (110, 40), 7);
        let legend: String = (0..4).map(|y| text(&buf, y)).collect();
        for place in 0..18 {
            assert!(legend.contains(&format!("score{place:02}")), "{legend}");
        }
        assert!(
            legend.contains("━━━ score00") && legend.contains("━ ━ score06") && legend.contains("··· score12"),
            "{legend}"
        );
        assert!(legend.contains("(band: score07)"), "{legend}");
    }

    #[test]
    fn curves_of_one_colour_differ_in_their_dots() {
        // Without colours all are of one; on flat curves a row of cells shows the dash alone.
        let buf = drawn(&many(4), Depth::None, (80, 20), 9);
        let dots = (1..19)
            .map(|y| text(&buf, y).chars().skip(6).take(56).filter(|c| !c.is_ascii() && *c != '·').collect::<String>());
        let mut looks: Vec<String> = dots.filter(|row| row.chars().count() > 8).collect();
        assert_eq!(looks.len(), 4, "{looks:?}");
        looks.sort();
        looks.dedup();
        assert_eq!(looks.len(), 4, "{looks:?}");
    }

    /// A wide band and a narrow one in it about the same middle, as of single runs and of their means.
    fn nested() -> Vec<Curve> {
        let curve = |name: &str, half: f64| Curve {
            name: name.into(),
            x: vec![0.0, 1.0],
            y: vec![0.0; 2],
            band: vec![(-half, half); 2],
        };
        vec![curve("means over runs", 0.3), curve("single runs", 1.0)]
    }

    #[test]
    fn a_band_within_another_and_a_curve_below_another_can_be_seen() {
        let theme = Theme::new(Choice::Dark, Depth::True, None);
        for row in [0, 1] {
            let buf = drawn(&nested(), Depth::True, (80, 30), row);
            let cells = |style: ratatui::style::Style| {
                let is = |(x, y): &(u16, u16)| buf[(*x, *y)].fg == style.fg.unwrap();
                (6..62).flat_map(|x| (1..29).map(move |y| (x, y))).filter(is).count()
            };
            let (narrow, wide) = (cells(theme.shade(0)), cells(theme.shade(1)));
            assert!(narrow > 200 && wide > narrow, "{narrow} of the narrow band, {wide} of the wide one");
            let curves = [cells(theme.model(0)), cells(theme.model(1))];
            assert!(curves.iter().all(|count| *count > 20), "{curves:?} where {row} is selected");
        }
    }

    #[test]
    fn nested_bands_differ_in_their_dots_where_there_are_no_colours() {
        let buf = drawn(&nested(), Depth::None, (80, 30), 0);
        let dots = |y: u16| {
            let braille = |x: u16| {
                buf[(x, y)].symbol().chars().next().map_or(0, |c| (c as u32).saturating_sub(0x2800).count_ones())
            };
            (8..60).map(braille).sum::<u32>()
        };
        assert_eq!((dots(4), dots(11)), (52 * 2, 52 * 4), "the wide one's end, the narrow one");
    }

    #[test]
    fn names_without_room_are_counted() {
        let buf = drawn(&many(18), Depth::True, (60, 14), 0);
        let legend: String = (0..2).map(|y| text(&buf, y)).collect();
        let shown = (0..18).filter(|place| legend.contains(&format!("score{place:02}  "))).count();
        assert!(legend.contains(&format!("+{} more", 18 - shown)), "{legend}");
    }
}
