//! Bars from 0 to the right or the left, and bars of parts that add up.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::Cursor;
use super::legend::packed;
use crate::analysis::figure::{Bar, Line as Level};
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::widgets::{line, line_right, lines, window};

/// A name, and the parts of its bar.
type Stack = (String, Vec<(String, f64)>);

/// Columns for a number and its blanks.
const NUMBER: u16 = 9;

/// A row per bar: name, number, bar; the interval is a thin line through the bar's end, levels are dotted.
pub fn signed(
    buf: &mut Buffer,
    area: Rect,
    theme: Theme,
    (bars, levels, unit): (&[Bar], &[Level], &str),
    selected: usize,
) {
    let names = names_of(bars.iter().map(|bar| bar.name.as_str()), area);
    let ends = bars.iter().flat_map(|bar| {
        let (low, high) = bar.interval.unwrap_or((bar.value, bar.value));
        [bar.value, low, high]
    });
    let all = ends.chain(levels.iter().map(|level| level.at)).filter(|value| value.is_finite());
    let (low, high) = all.fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let span = if high > low { high - low } else { 1.0 };
    let start = area.x + names + NUMBER + 1;
    let width = area.right().saturating_sub(start);
    let column = |value: f64| start + (((value - low) / span) * f64::from(width.saturating_sub(1))).round() as u16;
    let rows = window(bars.len(), usize::from(area.height.saturating_sub(1)), selected);
    for (y, (place, bar)) in (area.y..).zip(bars.iter().enumerate().skip(rows.start).take(rows.len())) {
        let style = if place == selected { theme.accent() } else { theme.text() };
        line(buf, area.x, y, names, Line::styled(format::fit(&bar.name, usize::from(names)), style));
        line_right(buf, area.x + names + NUMBER, y, NUMBER, format::number(bar.value));
        if bar.value.is_finite() {
            let (from, to) = (column(bar.value.min(0.0)), column(bar.value.max(0.0)));
            let colour = theme.signed((bar.value / span).clamp(-1.0, 1.0) * 0.9);
            let plain = if place == selected { theme.accent() } else { theme.model(0) };
            let colour = if low < 0.0 { ratatui::style::Style::new().fg(colour.bg.unwrap_or_default()) } else { plain };
            line(buf, from, y, to - from + 1, Line::styled("█".repeat(usize::from(to - from + 1)), colour));
        }
        for level in levels.iter().filter(|level| level.at.is_finite()) {
            line(buf, column(level.at), y, 1, Line::styled("┊", theme.attention()));
        }
        if let Some((low, high)) = bar.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) {
            line(buf, column(low), y, 1, Line::styled("├", theme.dim()));
            line(buf, column(high), y, 1, Line::styled("┤", theme.dim()));
        }
    }
    let named = levels.iter().map(|level| format!("┊ {} {}  ", level.name, format::number(level.at)));
    let told = std::iter::once(format!("{unit}  ")).chain(named);
    below(buf, area, theme, told.map(|text| Span::styled(text, theme.dim())));
}

/// A legend in the last row.
fn below(buf: &mut Buffer, area: Rect, theme: Theme, parts: impl Iterator<Item = Span<'static>>) {
    let last = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
    lines(buf, last, packed(parts.collect(), area.width, 1, theme));
}

/// A bar of parts for each name, and a legend of the parts below the selected one.
pub fn stacked(buf: &mut Buffer, area: Rect, theme: Theme, (bars, unit): (&[Stack], &str), cursor: Cursor) {
    let names = names_of(bars.iter().map(|(name, _)| name.as_str()), area);
    let width = area.width.saturating_sub(names + 1);
    let total = |parts: &[(String, f64)]| parts.iter().map(|(_, value)| value.max(0.0)).sum::<f64>();
    let most = bars.iter().map(|(_, parts)| total(parts)).fold(0.0_f64, f64::max);
    let rows = window(bars.len(), usize::from(area.height.saturating_sub(2) / 2), cursor.row);
    for (index, (place, (name, parts))) in bars.iter().enumerate().skip(rows.start).take(rows.len()).enumerate() {
        let y = area.y + 2 * index as u16;
        let style = if place == cursor.row { theme.accent() } else { theme.text() };
        line(buf, area.x, y, names, Line::styled(format::fit(name, usize::from(names)), style));
        let mut before = 0.0;
        for (part, (_, value)) in parts.iter().enumerate() {
            let edge = |at: f64| ((at / most.max(f64::MIN_POSITIVE)) * f64::from(width)).round() as u16;
            let (from, to) = (edge(before), edge(before + value.max(0.0)));
            before += value.max(0.0);
            let glyph = if part == cursor.column && place == cursor.row { "▓" } else { "█" };
            let text = glyph.repeat(usize::from(to.saturating_sub(from)));
            line(buf, area.x + names + 1 + from, y, width.saturating_sub(from), Line::styled(text, theme.model(part)));
        }
    }
    let Some((_, parts)) = bars.get(cursor.row) else { return };
    let unit = Span::styled(format!("{unit}: "), theme.dim());
    let named = parts
        .iter()
        .enumerate()
        .map(|(part, (name, value))| Span::styled(format!("█ {name} {}  ", format::number(*value)), theme.model(part)));
    below(buf, area, theme, std::iter::once(unit).chain(named));
}

/// Columns of the longest name, at most a third of the area.
fn names_of<'a>(names: impl Iterator<Item = &'a str>, area: Rect) -> u16 {
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    longest.min(usize::from(area.width) / 3) as u16
}

/// Name, number, interval.
pub fn told(bars: &[Bar], unit: &str, row: usize) -> Option<String> {
    let bar = bars.get(row)?;
    let interval = bar
        .interval
        .map_or_else(String::new, |(low, high)| format!(" ({} to {})", format::number(low), format::number(high)));
    let behind = if bar.examples.is_empty() { "" } else { " Enter shows the examples behind it." };
    Some(format!("{}: {}{interval} {unit}.{behind}", bar.name, format::number(bar.value)))
}

/// Names of bar and part, and the number.
pub fn told_part(bars: &[Stack], unit: &str, cursor: Cursor) -> Option<String> {
    let (name, parts) = bars.get(cursor.row)?;
    let (part, value) = parts.get(cursor.column)?;
    Some(format!("{name}, {part}: {} {unit}.", format::number(*value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Choice, Depth};

    #[test]
    fn bars_grow_from_0_to_both_sides_and_odd_values_draw_nothing_wrong() {
        let theme = Theme::new(Choice::Dark, Depth::None, None);
        let mut buf = Buffer::empty(Rect::new(0, 0, 40, 4));
        let of = |name: &str, value| Bar { name: name.into(), value, interval: None, examples: vec![] };
        let bars = [of("up", 2.0), of("down", -1.0), of("none", f64::NAN)];
        let area = buf.area;
        signed(&mut buf, area, theme, (&bars, &[], "units"), 0);
        let row = |y: u16| (0..40).map(|x| buf[(x, y)].symbol()).collect::<String>();
        let count = |y: u16| row(y).matches('█').count();
        assert!(count(0) > count(1) && count(1) > 3 && count(2) == 0, "{}\n{}\n{}", row(0), row(1), row(2));
        let filled = |y: u16| (0..40_u16).filter(|x| buf[(*x, y)].symbol() == "█").collect::<Vec<u16>>();
        assert!(filled(0).first() >= filled(1).last(), "{}\n{}", row(0), row(1));
        signed(&mut buf, Rect::new(0, 0, 3, 1), theme, (&bars, &[], "units"), 9);
    }
}
