//! Where does a picture go? Wanted from the gallery as sixels, or drawn here as half-blocks.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Style;

use crate::data::Dataset;
use crate::tui::pictures::{Gallery, Mode, Placement, Scale, pixels};
use crate::tui::theme::{Depth, Theme};

/// Draws an example's picture into the middle of an area, as large as it fits; returns the cells that it takes.
pub fn draw(
    buf: &mut Buffer,
    gallery: &mut Gallery,
    theme: Theme,
    mode: Mode,
    dataset: &Dataset,
    example: usize,
    area: Rect,
) -> Option<Rect> {
    let area = area.intersection(buf.area);
    let (scale, size) = mode.fit(dataset.shape, Size::new(area.width, area.height))?;
    let x = area.x + (area.width - size.width.min(area.width)) / 2;
    let place = Rect::new(x, area.y, size.width, size.height).intersection(area);
    match mode {
        Mode::Sixel { .. } => gallery.want(buf, Placement { example, area: place, scale }),
        _ => blocks(buf, theme, dataset, example, scale, place),
    }
    Some(place)
}

fn blocks(buf: &mut Buffer, theme: Theme, dataset: &Dataset, example: usize, scale: Scale, place: Rect) {
    let (rgb, width, height) = pixels(dataset, example, scale);
    let at = |x: usize, y: usize| if y < height { rgb.get(y * width + x).copied() } else { None };
    for position in place.positions() {
        let (x, y) = (usize::from(position.x - place.x), 2 * usize::from(position.y - place.y));
        let (Some(upper), Some(cell)) = (at(x, y), buf.cell_mut(position)) else { continue };
        let lower = at(x, y + 1).unwrap_or(upper);
        if theme.depth() == Depth::None {
            cell.set_char(shade(upper, lower));
        } else {
            let style = Style::new().fg(theme.color(upper)).bg(theme.color(lower));
            cell.set_char('▀').set_style(style);
        }
    }
}

/// Without colours: how bright the two pixels are together.
fn shade(upper: [u8; 3], lower: [u8; 3]) -> char {
    let sum: usize = upper.iter().chain(&lower).map(|v| usize::from(*v)).sum();
    [' ', '░', '▒', '▓', '█'][sum * 5 / (6 * 256)]
}
