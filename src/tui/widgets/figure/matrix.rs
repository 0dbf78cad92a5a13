//! A matrix of signed values, names at both sides.

use ndarray::Array2;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cursor;
use crate::tui::format;
use crate::tui::theme::Theme;
use crate::tui::widgets::heatmap::Heatmap;
use crate::tui::widgets::line;

/// Draws it: column names above the cells, as much of them as fits.
pub fn draw(
    buf: &mut Buffer,
    area: Rect,
    theme: Theme,
    (rows, columns, values): (&[String], &[String], &Array2<f64>),
    cursor: Cursor,
) {
    let names = rows.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(usize::from(area.width) / 3) as u16;
    let room = area.width.saturating_sub(names + 1);
    let width = (room / columns.len().max(1) as u16).clamp(4, 14);
    let height = if usize::from(area.height) > 2 * rows.len() + 1 { 2 } else { 1 };
    let cells = Rect { x: area.x + names + 1, y: area.y + 1, width: room, height: area.height.saturating_sub(1) };
    let largest = values.iter().filter(|value| value.is_finite()).fold(0.0_f64, |most, value| most.max(value.abs()));
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let map = Heatmap { values, width, height, scale, cursor: Some((cursor.row, cursor.column)) };
    map.draw(buf, cells, theme);
    for (row, name) in rows.iter().enumerate() {
        let cell = map.cell(cells, row, 0);
        let style = if row == cursor.row { theme.accent() } else { theme.text() };
        if !cell.is_empty() {
            line(buf, area.x, cell.y, names, Line::styled(format::fit(name, usize::from(names)), style));
        }
    }
    for (column, name) in columns.iter().enumerate() {
        let cell = map.cell(cells, 0, column);
        let style = if column == cursor.column { theme.accent() } else { theme.dim() };
        let name = format::fit(name, usize::from(width.saturating_sub(1)));
        line(buf, cell.x, area.y, cell.width, Line::styled(name, style));
    }
}

/// Both names and the number.
pub fn told(rows: &[String], columns: &[String], values: &Array2<f64>, cursor: Cursor) -> Option<String> {
    let (row, column) = (rows.get(cursor.row)?, columns.get(cursor.column)?);
    let value = values.get((cursor.row, cursor.column))?;
    Some(format!("{row}, {column}: {}.", format::number(*value)))
}
