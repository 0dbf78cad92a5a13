//! How is a figure of an analysis drawn? One function per kind of figure, each with a cursor on its marks.
//!
//! A figure's marks lie in rows and columns: the cells of a heatmap; a row per bar; the bins of a histogram, the points of a
//! scatter and the steps of curves from left to right; the pictures of a row.

mod bars;
mod histogram;
mod legend;
mod matrix;
mod pictures;
mod plane;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::analysis::Figure;
use crate::tui::app::App;
use crate::tui::screen::View;

/// Where the cursor is among the marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Row, from the top.
    pub row: usize,
    /// Column, from the left.
    pub column: usize,
}

/// Rows and columns of a figure's marks; (0, 0) where it has none.
pub fn size(figure: &Figure) -> (usize, usize) {
    match figure {
        Figure::Heatmap { values, .. } => values.dim(),
        Figure::Bars { bars, .. } => (bars.len(), 1),
        Figure::Stacked { bars, .. } => (bars.len(), bars.iter().map(|(_, parts)| parts.len()).max().unwrap_or(0)),
        Figure::Histogram { bins, .. } => (1, bins.len()),
        Figure::Scatter { points, .. } => (1, points.len()),
        Figure::Curves { curves, .. } => (curves.len(), curves.iter().map(|curve| curve.x.len()).max().unwrap_or(0)),
        Figure::Pictures { rows, .. } => (rows.len(), rows.iter().map(|(_, all)| all.len()).max().unwrap_or(0)),
    }
}

/// Draws a figure into an area.
pub fn draw(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, figure: &Figure, cursor: Cursor) {
    if area.is_empty() {
        return;
    }
    match figure {
        Figure::Heatmap { rows, columns, values, .. } => {
            matrix::draw(buf, area, app.theme, (rows, columns, values), cursor);
        }
        Figure::Bars { bars, lines, unit, .. } => bars::signed(buf, area, app.theme, (bars, lines, unit), cursor.row),
        Figure::Stacked { bars, unit, .. } => bars::stacked(buf, area, app.theme, (bars, unit), cursor),
        Figure::Histogram { edges, bins, lines, unit, .. } => {
            histogram::draw(buf, area, app.theme, (edges, bins, lines, unit), cursor.column);
        }
        Figure::Scatter { x, y, points, .. } => plane::scatter(buf, area, app.theme, (x, y, points), cursor.column),
        Figure::Curves { x, y, curves, lines, .. } => {
            plane::curves(buf, area, app.theme, (x, y, curves, lines), cursor);
        }
        Figure::Pictures { rows, .. } => pictures::draw(app, view, buf, area, rows, cursor),
    }
}

/// What the mark under the cursor says.
pub fn told(figure: &Figure, cursor: Cursor) -> Option<String> {
    match figure {
        Figure::Heatmap { rows, columns, values, .. } => matrix::told(rows, columns, values, cursor),
        Figure::Bars { bars, unit, .. } => bars::told(bars, unit, cursor.row),
        Figure::Stacked { bars, unit, .. } => bars::told_part(bars, unit, cursor),
        Figure::Histogram { edges, bins, unit, .. } => histogram::told(edges, bins, unit, cursor.column),
        Figure::Scatter { x, y, points, .. } => plane::told_point(x, y, points, cursor.column),
        Figure::Curves { x, curves, .. } => plane::told_step(x, curves, cursor),
        Figure::Pictures { rows, .. } => pictures::told(rows, cursor),
    }
}

/// The ids of the examples behind the mark under the cursor.
pub fn behind(figure: &Figure, cursor: Cursor) -> Vec<u32> {
    match figure {
        Figure::Bars { bars, .. } => bars.get(cursor.row).map(|bar| bar.examples.clone()),
        Figure::Histogram { bins, .. } => bins.get(cursor.column).map(|bin| bin.examples.clone()),
        Figure::Scatter { points, .. } => points.get(cursor.column).map(|point| point.examples.clone()),
        Figure::Pictures { rows, .. } => {
            rows.get(cursor.row).and_then(|(_, all)| all.get(cursor.column)).map(|picture| vec![picture.example])
        }
        Figure::Heatmap { .. } | Figure::Stacked { .. } | Figure::Curves { .. } => None,
    }
    .unwrap_or_default()
}
