//! How do things agree? A matrix of signed numbers, blue below 0, white at 0, orange above.

use ndarray::Array2;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;

use super::line;
use crate::tui::format;
use crate::tui::theme::Theme;

/// A matrix with a cursor.
pub struct Heatmap<'a> {
    /// `[rows, columns]`; NaN is blank.
    pub values: &'a Array2<f64>,
    /// Columns per cell.
    pub width: u16,
    /// Rows per cell.
    pub height: u16,
    /// Full colour is reached at this value.
    pub scale: f64,
    /// Row and column of the cursor.
    pub cursor: Option<(usize, usize)>,
}

impl Heatmap<'_> {
    /// Whether the cells are too narrow for the point: numbers are then hundredths.
    pub fn in_hundredths(&self) -> bool {
        self.width < 5
    }

    /// The cells of one value.
    pub fn cell(&self, area: Rect, row: usize, column: usize) -> Rect {
        let at = |i: usize, size: u16| u16::try_from(i).unwrap_or(u16::MAX).saturating_mul(size);
        let (x, y) = (area.x.saturating_add(at(column, self.width)), area.y.saturating_add(at(row, self.height)));
        Rect { x, y, width: self.width, height: self.height }.intersection(area)
    }

    /// Draws it from the area's upper left corner on.
    pub fn draw(&self, buf: &mut Buffer, area: Rect, theme: Theme) {
        for ((row, column), value) in self.values.indexed_iter() {
            let cell = self.cell(area, row, column);
            if cell.is_empty() {
                continue;
            }
            let mut style = if value.is_nan() { theme.dim() } else { theme.signed(value / self.scale) };
            let here = self.cursor == Some((row, column));
            if here {
                style = style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
            }
            buf.set_style(cell.intersection(buf.area), style);
            let text = shown(*value, self.in_hundredths());
            let length = text.chars().count() as u16;
            if self.width >= length {
                let indent = (self.width - length).div_ceil(2);
                line(buf, cell.x + indent, cell.y + (cell.height - 1) / 2, self.width, Line::styled(text, style));
            }
        }
    }
}

/// Two digits after the point; as hundredths the point is left out.
fn shown(value: f64, in_hundredths: bool) -> String {
    if value.is_nan() {
        return format::MISSING.into();
    }
    if in_hundredths {
        // Adding 0 turns a negative zero around.
        return format!("{:.0}", (value * 100.0).round() + 0.0);
    }
    let text = format!("{value:.2}").replacen("0.", ".", 1);
    if text == "-.00" { ".00".into() } else { text }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tui::theme::{Choice, Depth};

    #[test]
    fn cells_show_two_digits_and_blanks_for_missing_values() {
        let values = array![[1.0, -0.034], [f64::NAN, -0.001]];
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
        let map = Heatmap { values: &values, width: 6, height: 1, scale: 1.0, cursor: Some((0, 1)) };
        map.draw(&mut buf, Rect::new(0, 0, 12, 2), Theme::new(Choice::Dark, Depth::True, None));
        let text: Vec<String> = (0..2).map(|y| (0..12).map(|x| buf[(x, y)].symbol().to_owned()).collect()).collect();
        assert_eq!(text, [" 1.00  -.03 ", "   ·    .00 "]);
        assert_eq!([1.0, -0.034, -0.001].map(|value| shown(value, true)), ["100", "-3", "0"]);
        assert!(buf[(6, 0)].modifier.contains(Modifier::REVERSED));
        assert_ne!(buf[(0, 0)].bg, buf[(6, 0)].bg);
    }
}
