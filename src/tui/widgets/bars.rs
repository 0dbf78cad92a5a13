//! How much? Horizontal bars in eighths of a column, for gauges and histograms.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{line, line_right};
use crate::tui::format;
use crate::tui::theme::Theme;

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A bar that fills a share of `width` columns; a share above 0 shows at least a sliver.
pub fn bar(share: f64, width: u16) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mut eighths = (share * f64::from(width) * 8.0).round() as usize;
    if share > 0.0 && width > 0 {
        eighths = eighths.max(1);
    }
    let whole = "█".repeat(eighths / 8);
    EIGHTHS.get(eighths % 8).map_or_else(String::new, |part| format!("{whole}{part}"))
}

/// The same from the right, in halves of a column, since there are no finer blocks of that side.
pub fn bar_to_the_left(share: f64, width: u16) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mut halves = (share * f64::from(width) * 2.0).round() as usize;
    if share > 0.0 && width > 0 {
        halves = halves.max(1);
    }
    format!("{}{}", if halves % 2 == 1 { "▐" } else { "" }, "█".repeat(halves / 2))
}

/// A gauge: the filled part in one style, the rest as a thin line.
pub fn gauge(share: f64, width: u16, filled: Style, rest: Style) -> Vec<Span<'static>> {
    let filled_part = bar(share, width);
    let left = usize::from(width).saturating_sub(filled_part.chars().count());
    vec![Span::styled(filled_part, filled), Span::styled("─".repeat(left), rest)]
}

/// A row of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What is counted.
    pub name: String,
    /// How many.
    pub count: usize,
    /// How the bar is drawn.
    pub style: Style,
}

/// A histogram with a row per bar: name, count, bar to the scale of the largest.
pub fn histogram(buf: &mut Buffer, area: Rect, theme: Theme, bars: &[Bar]) {
    let names = bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0) as u16;
    let counts = bars.iter().map(|bar| format::count(bar.count).chars().count()).max().unwrap_or(0) as u16;
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let start = names + counts + 3;
    for (y, row) in (area.top()..area.bottom()).zip(bars) {
        line(buf, area.x, y, names.min(area.width), Line::styled(row.name.clone(), theme.dim()));
        line_right(buf, area.x + (names + 1 + counts).min(area.width), y, counts, format::count(row.count));
        let room = area.width.saturating_sub(start);
        line(buf, area.x + start, y, room, Line::styled(bar(row.count as f64 / most as f64, room), row.style));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_by_eighths_and_never_more_than_their_room() {
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.28, 4), "█▏");
        assert_eq!(bar(1e-9, 4), "▏");
        assert_eq!(bar(7.0, 2), "██");
        assert_eq!([bar(f64::NAN, 3), bar(-1.0, 3), bar(1.0, 0)], ["", "", ""]);
        assert_eq!([bar_to_the_left(0.6, 4), bar_to_the_left(1e-9, 4), bar_to_the_left(7.0, 2)], ["▐██", "▐", "██"]);
        assert_eq!([bar_to_the_left(f64::NAN, 3), bar_to_the_left(1.0, 0)], ["", ""]);
    }
}
