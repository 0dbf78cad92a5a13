//! How does a figure become a vector graphic? One file per kind of figure; several side by side make a sheet.
//!
//! Drawings name classes, no colours: a page's style sheet colours them by its reader's preference, a file carries the light
//! one. Names and numbers are never cut: margins grow with them.

pub mod axis;
mod bars;
pub mod canvas;
mod curves;
mod heatmap;
mod histogram;
mod pictures;
mod scatter;
pub mod sheet;
mod stacked;
pub mod style;

pub use canvas::Drawing;

use crate::analysis::Figure;
use crate::report::escape::xml;

/// Width of a figure whose content asks for no other.
pub const WIDTH: f64 = 440.0;

/// Gives an example's picture as a data URI, where there is one.
pub type PictureOf<'a> = dyn Fn(u32) -> Option<String> + 'a;

/// Draws a figure.
pub fn draw(figure: &Figure, picture: &PictureOf<'_>) -> Drawing {
    match figure {
        Figure::Heatmap { title, rows, columns, values } => heatmap::draw(title, rows, columns, values),
        Figure::Bars { title, unit, bars, lines } => bars::draw(title, unit, bars, lines),
        Figure::Stacked { title, unit, bars } => stacked::draw(title, unit, bars),
        Figure::Histogram { title, unit, edges, bins, lines } => histogram::draw(title, unit, edges, bins, lines),
        Figure::Scatter { title, x, y, points } => scatter::draw(title, x, y, points),
        Figure::Curves { title, x, y, curves, lines } => curves::draw(title, (x, y), curves, lines),
        Figure::Pictures { title, rows } => pictures::draw(title, rows, picture),
    }
}

/// A drawing as a file of its own: light, on white.
pub fn file(drawing: &Drawing) -> String {
    let Drawing { width, height, body } = drawing;
    let style = style::literal();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\"><style>{style}</style><rect width=\"{width}\" height=\"{height}\" \
         fill=\"#ffffff\"/>{body}</svg>\n"
    )
}

/// A drawing within a page that has [`style::variable`].
pub fn inline(drawing: &Drawing, name: &str) -> String {
    let Drawing { width, height, body } = drawing;
    let name = xml(name);
    format!(
        "<svg class=\"fig\" role=\"img\" aria-label=\"{name}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">{body}</svg>"
    )
}

#[cfg(test)]
pub(super) mod tests;
