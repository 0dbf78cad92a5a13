//! How did it go over time? Curves and bands in braille, eight dots a cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{line, line_right};
use crate::tui::format;
use crate::tui::theme::Theme;

/// Columns left of a plot for the numbers of its axis.
const AXIS: u16 = 6;

/// How a curve is interrupted: so many dots drawn, so many left out, in turn; nothing interrupts an empty one.
pub type Dash = &'static [usize];

/// What tells curves of one colour apart, with the mark that says so in a legend.
pub const DASHES: [(Dash, &str); 4] = [(&[], "━━━"), (&[5, 4], "━ ━"), (&[1, 2], "···"), (&[7, 2, 1, 2], "━·━")];

/// How many rows a label moves at most where another one stands: further away it would name another curve.
const MOVED: u16 = 1;

/// A band has every second dot of a row, in turn: a tint rather than a wall.
const TINT: i32 = 2;

/// A hatched band has every fourth, in slanted lines.
const HATCH: i32 = 4;

/// Eight dots.
#[derive(Clone, Copy, Default)]
struct Cell {
    bits: u8,
    style: Style,
    /// Whether only a band was drawn here: a curve then takes the whole cell, since a cell has one colour.
    filling: bool,
}

/// A plot in work: dots first, then `draw`.
pub struct Plot {
    area: Rect,
    x: (f64, f64),
    y: (f64, f64),
    cells: Vec<Cell>,
    labels: Vec<(f64, String, Style)>,
    letters: Vec<(i32, i32, char, Style)>,
    right: u16,
}

impl Plot {
    /// An empty plot over these ranges; `right` columns are kept for labels at the curves' ends.
    pub fn new(area: Rect, x: (f64, f64), y: (f64, f64), right: u16) -> Self {
        let inner = Rect::new(
            area.x + AXIS.min(area.width),
            area.y,
            area.width.saturating_sub(AXIS + right),
            area.height.saturating_sub(1),
        );
        let x = if x.1 > x.0 { x } else { (x.0, x.0 + 1.0) };
        let y = if y.1 > y.0 { y } else { (y.0 - 1.0, y.0 + 1.0) };
        let cells = vec![Cell::default(); usize::from(inner.width) * usize::from(inner.height)];
        Self { area: inner, x, y, cells, labels: Vec::new(), letters: Vec::new(), right }
    }

    fn size(&self) -> (i32, i32) {
        (i32::from(self.area.width) * 2, i32::from(self.area.height) * 4)
    }

    /// The dot of a point, maybe outside; None for what is not finite.
    fn place(&self, x: f64, y: f64) -> Option<(i32, i32)> {
        let (width, height) = self.size();
        let right = (x - self.x.0) / (self.x.1 - self.x.0) * f64::from(width - 1);
        let down = (self.y.1 - y) / (self.y.1 - self.y.0) * f64::from(height - 1);
        // Far outside is as good as a little outside, and keeps lines short.
        let clip = |dot: f64, size: i32| dot.clamp(-1.0, f64::from(size)).round() as i32;
        (right.is_finite() && down.is_finite()).then(|| (clip(right, width), clip(down, height)))
    }

    fn dot(&mut self, at: (i32, i32), style: Style) {
        self.set(at, style, false);
    }

    fn set(&mut self, (x, y): (i32, i32), style: Style, filling: bool) {
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let (width, height) = self.size();
        if (0..width).contains(&x) && (0..height).contains(&y) {
            let cell = (y / 4) as usize * usize::from(self.area.width) + (x / 2) as usize;
            if let Some(cell) = self.cells.get_mut(cell) {
                let kept = if cell.filling && !filling { 0 } else { cell.bits };
                *cell = Cell { bits: kept | BITS[(x % 2) as usize][(y % 4) as usize], style, filling };
            }
        }
    }

    /// A single point.
    pub fn point(&mut self, x: f64, y: f64, style: Style) {
        if let Some(dot) = self.place(x, y) {
            self.dot(dot, style);
        }
    }

    /// A point that stands out: a small cross.
    pub fn cross(&mut self, x: f64, y: f64, style: Style) {
        if let Some((column, row)) = self.place(x, y) {
            for by in -2..=2 {
                self.dot((column + by, row), style);
                self.dot((column, row + by), style);
            }
        }
    }

    /// A letter in a point's cell, over all dots.
    pub fn letter(&mut self, x: f64, y: f64, letter: char, style: Style) {
        let (width, height) = self.size();
        if let Some((column, row)) = self.place(x, y).filter(|_| width > 0 && height > 0) {
            self.letters.push((column.clamp(0, width - 1) / 2, row.clamp(0, height - 1) / 4, letter, style));
        }
    }

    /// A curve through points; it breaks where a value is not finite.
    pub fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, style: Style) {
        self.dashed(points, style, (&[], 0));
    }

    /// The same, interrupted; it begins so many dots behind the dash's first, so that the gaps of neighbours do not lie above each
    /// other.
    pub fn dashed(&mut self, points: impl IntoIterator<Item = (f64, f64)>, style: Style, (dash, from): (Dash, usize)) {
        let mut before: Option<(i32, i32)> = None;
        let mut drawn = from;
        for (x, y) in points {
            let here = self.place(x, y);
            match (before, here) {
                (Some(a), Some(b)) => drawn += self.segment((a, b), style, (dash, drawn)),
                (None, Some(b)) => self.dot(b, style),
                _ => {}
            }
            before = here;
        }
    }

    /// A straight part of a curve of which so many dots were passed before; gives how many more are passed now.
    fn segment(&mut self, (a, b): ((i32, i32), (i32, i32)), style: Style, (dash, before): (Dash, usize)) -> usize {
        let steps = (b.0 - a.0).abs().max((b.1 - a.1).abs());
        for step in 0..=steps {
            let whole = steps.max(1);
            let along = |from: i32, to: i32| from + ((to - from) * step + (to - from).signum() * whole / 2) / whole;
            if is_drawn(dash, before + step as usize) {
                self.dot((along(a.0, b.0), along(a.1, b.1)), style);
            }
        }
        steps as usize
    }

    /// A light filling between two curves over the same points.
    pub fn band(&mut self, points: &[(f64, f64, f64)], style: Style) {
        self.filling(points, style, TINT);
    }

    /// The same, lighter: what lies upon it can be told from it without a colour.
    pub fn hatched_band(&mut self, points: &[(f64, f64, f64)], style: Style) {
        self.filling(points, style, HATCH);
    }

    /// How many cells a curve of this style has for itself, bands left aside.
    pub fn shown(&self, style: Style) -> usize {
        self.cells.iter().filter(|cell| !cell.filling && cell.bits != 0 && cell.style == style).count()
    }

    fn filling(&mut self, points: &[(f64, f64, f64)], style: Style, every: i32) {
        for pair in points.windows(2) {
            let [(x0, low0, high0), (x1, low1, high1)] = pair else { continue };
            let (Some((left, _)), Some((right, _))) = (self.place(*x0, *low0), self.place(*x1, *low1)) else {
                continue;
            };
            for column in left..=right {
                let part = f64::from(column - left) / f64::from((right - left).max(1));
                let at = |a: f64, b: f64| a + part * (b - a);
                let bottom = self.place(*x0, at(*low0, *low1));
                let top = self.place(*x0, at(*high0, *high1));
                if let (Some((_, bottom)), Some((_, top))) = (bottom, top) {
                    (top..=bottom)
                        .filter(|row| (row + column) % every == 0)
                        .for_each(|row| self.set((column, row), style, true));
                }
            }
        }
    }

    /// A dotted vertical.
    pub fn vertical(&mut self, x: f64, style: Style) {
        if let Some((column, _)) = self.place(x, self.y.0) {
            (0..self.size().1).step_by(3).for_each(|row| self.dot((column, row), style));
        }
    }

    /// A dotted horizontal.
    pub fn horizontal(&mut self, y: f64, style: Style) {
        if let Some((_, row)) = self.place(self.x.0, y) {
            (0..self.size().0).step_by(4).for_each(|column| self.dot((column, row), style));
        }
    }

    /// A label right of the plot at a height.
    pub fn label(&mut self, y: f64, text: impl Into<String>, style: Style) {
        self.labels.push((y, text.into(), style));
    }

    /// Puts the dots, the axis and the labels into the buffer; `x_name` stands at the right end of the axis.
    pub fn draw(mut self, buf: &mut Buffer, theme: Theme, x_name: &str) {
        if self.area.is_empty() {
            return;
        }
        let width = usize::from(self.area.width);
        for (row, cells) in (self.area.y..).zip(self.cells.chunks(width)) {
            for (column, Cell { bits, style, .. }) in (self.area.x..).zip(cells).filter(|(_, cell)| cell.bits != 0) {
                if let (Some(glyph), Some(cell)) =
                    (char::from_u32(0x2800 + u32::from(*bits)), buf.cell_mut((column, row)))
                {
                    cell.set_char(glyph).set_style(*style);
                }
            }
        }
        for (column, row, letter, style) in &self.letters {
            if let Some(cell) = buf.cell_mut((self.area.x + *column as u16, self.area.y + *row as u16)) {
                cell.set_char(*letter).set_style(*style);
            }
        }
        self.draw_axes(buf, theme, x_name);
        self.draw_labels(buf);
    }

    fn row(&self, y: f64) -> Option<u16> {
        let (_, dot) = self.place(self.x.0, y)?;
        let row = u16::try_from(dot.max(0) / 4).ok()?.min(self.area.height.saturating_sub(1));
        Some(self.area.y + row)
    }

    fn draw_axes(&self, buf: &mut Buffer, theme: Theme, x_name: &str) {
        let middle = if self.y.0 < 0.0 && self.y.1 > 0.0 { 0.0 } else { f64::midpoint(self.y.0, self.y.1) };
        let mut taken = Vec::new();
        for value in [self.y.0, self.y.1, middle] {
            let Some(row) = self.row(value) else { continue };
            // The middle's number gives way where the plot is low.
            if taken.iter().all(|other: &u16| row.abs_diff(*other) > 0) {
                line_right(buf, self.area.x - 1, row, AXIS - 1, Line::styled(short(value), theme.dim()));
                taken.push(row);
            }
        }
        let below = self.area.bottom();
        line(buf, self.area.x, below, self.area.width, Line::styled(whole_or_number(self.x.0), theme.dim()));
        let end = format!("{x_name} {}", whole_or_number(self.x.1));
        line_right(buf, self.area.right(), below, self.area.width, Line::styled(end, theme.dim()));
    }

    /// The row of a height, or the nearest one that is not taken.
    fn free_row(&self, y: f64, taken: &[u16]) -> Option<u16> {
        let wanted = self.row(y)?;
        let rows = self.area.top()..self.area.bottom();
        let near = (0..=MOVED).flat_map(|by| [wanted.checked_add(by), wanted.checked_sub(by)]).flatten();
        near.filter(|row| rows.contains(row)).find(|row| !taken.contains(row))
    }

    fn draw_labels(&mut self, buf: &mut Buffer) {
        let mut taken = Vec::new();
        for (y, text, style) in std::mem::take(&mut self.labels) {
            let Some(row) = self.free_row(y, &taken) else { continue };
            line(buf, self.area.right() + 1, row, self.right.saturating_sub(1), Line::styled(text, style));
            taken.push(row);
        }
    }
}

/// Whether a dash has a dot at a place.
fn is_drawn(dash: Dash, at: usize) -> bool {
    let mut left = at.checked_rem(dash.iter().sum()).unwrap_or(0);
    for (part, length) in dash.iter().enumerate() {
        if left < *length {
            return part % 2 == 0;
        }
        left -= length;
    }
    true
}

/// Epochs are counted: they have no digits after the point.
fn whole_or_number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e6 { format!("{value:.0}") } else { format::number(value) }
}

/// The smallest range that holds all finite values, with a little air.
pub fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high { (-1.0, 1.0) } else { (low, high) }
}

/// A number that fits the axis: a cut one would be another number.
fn short(value: f64) -> String {
    let text = format::number(value);
    if text.chars().count() < usize::from(AXIS) { text } else { format!("{value:.0e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{Choice, Depth};

    fn drawn(points: &[(f64, f64)]) -> Vec<String> {
        let mut buf = Buffer::empty(Rect::new(0, 0, 14, 4));
        let mut plot = Plot::new(buf.area, (0.0, 7.0), (0.0, 11.0), 0);
        plot.curve(points.iter().copied(), Style::new());
        plot.draw(&mut buf, Theme::new(Choice::Dark, Depth::None, None), "epoch");
        (0..3).map(|y| (6..14).map(|x| buf[(x, y)].symbol().to_owned()).collect()).collect()
    }

    #[test]
    fn a_rising_line_runs_from_the_lower_left_to_the_upper_right() {
        let rows = drawn(&[(0.0, 0.0), (7.0, 11.0)]);
        assert!(rows[2].starts_with(['⡠', '⣀', '⢀', '⡀', '⡰', '⡔']), "{rows:?}");
        assert!(!rows[0].ends_with(' '), "{rows:?}");
    }

    #[test]
    fn a_curve_breaks_at_missing_values_instead_of_bridging_them() {
        let rows = drawn(&[(0.0, 0.0), (1.0, f64::NAN), (7.0, 0.0)]);
        assert_eq!(rows[2].trim_matches(|c: char| !c.is_whitespace()).trim().len(), 0, "{rows:?}");
    }

    #[test]
    fn a_dash_goes_on_over_the_points_of_a_curve() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 30, 3));
        let mut plot = Plot::new(buf.area, (0.0, 47.0), (0.0, 1.0), 0);
        plot.dashed((0..=47).map(|x| (f64::from(x), 0.0)), Style::new(), (DASHES[1].0, 0));
        plot.draw(&mut buf, Theme::new(Choice::Dark, Depth::None, None), "epoch");
        let row: String = (6..30).map(|x| buf[(x, 1)].symbol().to_owned()).collect();
        // Five dots and four gaps, whatever the points are.
        assert_eq!(row, "⣀⣀⡀ ⢀⣀⣀  ⣀⣀⡀ ⢀⣀⣀  ⣀⣀⡀ ⢀⣀");
    }

    #[test]
    fn a_label_moves_a_little_where_another_one_stands() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 20, 9));
        let mut plot = Plot::new(buf.area, (0.0, 1.0), (0.0, 1.0), 4);
        for name in ["a", "b", "c"] {
            plot.label(1.0, name, Style::new());
        }
        plot.draw(&mut buf, Theme::new(Choice::Dark, Depth::None, None), "epoch");
        let column: String = (0..8).map(|y| buf[(17, y)].symbol().to_owned()).collect();
        assert_eq!(column, "ab      ", "a third would stand too far away");
    }

    #[test]
    fn odd_ranges_and_infinite_values_draw_something() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 9, 3));
        let mut plot = Plot::new(buf.area, (1.0, 1.0), (f64::INFINITY, 0.0), 2);
        plot.band(&[(0.0, f64::NEG_INFINITY, 1e300), (1e300, 0.0, 1.0)], Style::new());
        plot.vertical(1.0, Style::new());
        plot.label(f64::NAN, "x", Style::new());
        plot.draw(&mut buf, Theme::new(Choice::Dark, Depth::None, None), "epoch");
        assert_eq!(range([f64::NAN]), (-1.0, 1.0));
    }
}
