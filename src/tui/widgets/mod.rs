//! What are the tabs drawn with? Small widgets that draw into a buffer and never outside their area.

pub mod bars;
pub mod figure;
pub mod heatmap;
pub mod picture;
pub mod plot;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::theme::Theme;

/// Writes a line from a place on, at most `width` columns and never outside the buffer; returns the column after it.
pub fn line<'a>(buf: &mut Buffer, x: u16, y: u16, width: u16, text: impl Into<Line<'a>>) -> u16 {
    let room = Rect::new(x, y, width, 1).intersection(buf.area);
    if room.is_empty() {
        return x;
    }
    buf.set_line(room.x, room.y, &text.into(), room.width).0
}

/// Writes a line so that it ends at a column.
pub fn line_right<'a>(buf: &mut Buffer, right: u16, y: u16, width: u16, text: impl Into<Line<'a>>) {
    let text = text.into();
    let used = u16::try_from(text.width()).unwrap_or(u16::MAX).min(width);
    line(buf, right.saturating_sub(used), y, used, text);
}

/// As many of the parts as fit whole into so many columns.
pub fn whole_parts(parts: Vec<Span<'_>>, width: u16) -> Line<'_> {
    let mut used = 0;
    let fits = |part: &Span| {
        used += part.width();
        used <= usize::from(width)
    };
    Line::from(parts.into_iter().take_while(fits).collect::<Vec<_>>())
}

/// A framed pane with a title of which whole parts are shown; returns the room inside.
pub fn pane(buf: &mut Buffer, area: Rect, theme: Theme, title: Vec<Span>, focused: bool) -> Rect {
    let area = area.intersection(buf.area);
    let style = if focused { theme.accent() } else { theme.frame() };
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(style);
    let inner = block.inner(area);
    let mut parts = vec![Span::raw(" ")];
    parts.extend(title);
    let mut title = whole_parts(parts, area.width.saturating_sub(3));
    title.push_span(Span::raw(" "));
    block.title_style(Style::new().fg(Color::Reset)).title(title).render(area, buf);
    inner
}

/// A framed box over everything else, in the middle of the area; returns the room inside.
pub fn popup(buf: &mut Buffer, area: Rect, theme: Theme, title: &str, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height);
    popup_at(buf, place, theme, title)
}

/// The same at a place.
pub fn popup_at(buf: &mut Buffer, place: Rect, theme: Theme, title: &str) -> Rect {
    Clear.render(place, buf);
    let inner = pane(buf, place, theme, vec![Span::styled(title.to_owned(), theme.strong())], true);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

/// Several lines from the top of an area; what doesn't fit is left out.
pub fn lines<'a>(buf: &mut Buffer, area: Rect, text: impl IntoIterator<Item = Line<'a>>) {
    for (y, text) in (area.top()..area.bottom()).zip(text) {
        line(buf, area.x, y, area.width, text);
    }
}

/// The first row to show so that the selected one is visible, moving the former one as little as possible.
pub fn scrolled(offset: usize, selected: usize, rows: usize, all: usize) -> usize {
    let rows = rows.max(1);
    let lowest = (selected + 1).saturating_sub(rows);
    offset.clamp(lowest, selected.max(lowest)).min(all.saturating_sub(rows))
}

/// The rows to show of a list so that the selected one is among them.
pub fn window(rows: usize, room: usize, selected: usize) -> std::ops::Range<usize> {
    let first = scrolled(0, selected.min(rows.saturating_sub(1)), room, rows);
    first..rows.min(first + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrolling_keeps_the_selection_visible_and_moves_little() {
        assert_eq!(scrolled(0, 4, 5, 10), 0);
        assert_eq!(scrolled(0, 5, 5, 10), 1);
        assert_eq!(scrolled(6, 3, 5, 10), 3);
        assert_eq!(scrolled(9, 9, 5, 10), 5);
        assert_eq!(scrolled(3, 0, 5, 0), 0);
    }

    #[test]
    fn nothing_is_written_outside_the_buffer() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 3, 1));
        line(&mut buf, 2, 0, 10, "abc");
        line(&mut buf, 5, 5, 10, "abc");
        line_right(&mut buf, 3, 0, 1, "xyz");
        assert_eq!(buf, Buffer::with_lines(["  x"]));
    }
}
