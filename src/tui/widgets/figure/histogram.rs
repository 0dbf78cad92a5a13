//! How often what value occurs: columns on a logarithmic scale, thresholds as lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::analysis::figure::{Bin, Line as Level};
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::widgets::{line, line_right};

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Columns for the counts on the left.
const AXIS: u16 = 7;

/// Draws it; the heights are those of the logarithms of the counts, so that a tail of single examples is seen.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    theme: Theme,
    (edges, bins, levels, unit): (&[f64], &[Bin], &[Level], &str),
    selected: usize,
) {
    let plot = Rect {
        x: area.x + AXIS.min(area.width),
        width: area.width.saturating_sub(AXIS),
        height: area.height.saturating_sub(2),
        ..area
    };
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return };
    let span = if last > first { last - first } else { 1.0 };
    let column = |value: f64| plot.x + ((value - first) / span * f64::from(plot.width)).clamp(0.0, 1e4) as u16;
    let height_of = |count: usize| (1.0 + count as f64).ln();
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    for ((place, bin), pair) in bins.iter().enumerate().zip(edges.windows(2)) {
        let (from, to) = (column(pair[0]), column(pair[1]).max(column(pair[0]) + 1).min(plot.right()));
        let mut eighths = (height_of(bin.count) / height_of(most) * f64::from(plot.height) * 8.0).round() as usize;
        if bin.count > 0 {
            eighths = eighths.max(1);
        }
        let style = if place == selected { theme.accent() } else { theme.difficulty(place as f32 / bins.len() as f32) };
        for (row, y) in (plot.top()..plot.bottom()).rev().enumerate() {
            let glyph = EIGHTHS.get(eighths.saturating_sub(8 * row).min(8)).copied().unwrap_or(" ");
            let width = to.saturating_sub(from);
            line(buf, from, y, width, Line::styled(glyph.repeat(usize::from(width)), style));
        }
    }
    for level in levels.iter().filter(|level| level.at.is_finite() && level.at >= *first && level.at <= *last) {
        let x = column(level.at).min(plot.right().saturating_sub(1));
        for y in plot.top()..plot.bottom() {
            line(buf, x, y, 1, Line::styled("┊", theme.attention()));
        }
        let text = format!("{} {}", level.name, format::number(level.at));
        let width = text.chars().count() as u16;
        let text = Line::styled(text, theme.attention());
        // A name that has no room to the right of its line stands to the left of it.
        if x + 1 + width <= plot.right() {
            line(buf, x + 1, plot.y, width, text);
        } else {
            line_right(buf, x, plot.y, width.min(x - plot.x), text);
        }
    }
    line_right(buf, plot.x.saturating_sub(1), plot.y, AXIS, Line::styled(format::count(most), theme.dim()));
    let below = plot.bottom();
    line(buf, plot.x, below, plot.width, Line::styled(format::number(*first), theme.dim()));
    line_right(buf, plot.right(), below, plot.width, Line::styled(format::number(*last), theme.dim()));
    line(buf, area.x, below + 1, area.width, Line::styled(format!("{unit}, logarithmic"), theme.dim()));
}

/// The bin's bounds and count.
pub fn told(edges: &[f64], bins: &[Bin], unit: &str, column: usize) -> Option<String> {
    let (bin, low, high) = (bins.get(column)?, edges.get(column)?, edges.get(column + 1)?);
    let behind = if bin.examples.is_empty() { "" } else { " Enter shows them." };
    let count = format::count(bin.count);
    Some(format!("{} to {}: {count} {unit}.{behind}", format::number(*low), format::number(*high)))
}
