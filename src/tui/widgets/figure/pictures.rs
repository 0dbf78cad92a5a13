//! Rows of examples' pictures, a caption and small bars below each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Cursor;
use crate::analysis::figure::Picture;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::pictures::Mode;
use crate::tui::screen::{Target, View};
use crate::tui::widgets::bars::bar;
use crate::tui::widgets::{line, picture};

/// Rows of a picture with its name and texts below which a caption has one line.
const LOW: u16 = 7;

/// Draws the rows one below the other, each picture as large as it fits.
pub fn draw(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, rows: &[(String, Vec<Picture>)], cursor: Cursor) {
    let height = area.height / rows.len().max(1) as u16;
    for (place, (name, all)) in rows.iter().enumerate() {
        let top = area.y + place as u16 * height;
        line(buf, area.x, top, area.width, Line::styled(name.clone(), app.theme.strong()));
        let width = area.width / all.len().max(1) as u16;
        // All pictures of a row are equally high.
        let lines = all.iter().map(|one| caption(one, width.saturating_sub(1)).len()).max().unwrap_or(1) as u16;
        let lines = if height >= LOW { lines } else { 1 };
        for (column, one) in all.iter().enumerate() {
            let cell = Rect {
                x: area.x + column as u16 * width,
                y: top + 1,
                width: width.saturating_sub(1),
                height: height.saturating_sub(1),
            };
            draw_one(app, view, buf, cell, (one, lines), cursor == Cursor { row: place, column });
        }
    }
}

/// The id and the caption, on two lines where one is too narrow.
fn caption(one: &Picture, width: u16) -> Vec<String> {
    format::wrap_to(&format!("#{} {}", one.example, one.caption), width.into(), 2)
}

fn draw_one(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, (one, lines): (&Picture, u16), selected: bool) {
    let theme = app.theme;
    let texts = lines + one.bars.len() as u16;
    let position = app.session.examples.ids.iter().position(|id| *id == one.example);
    let room = Rect { height: area.height.saturating_sub(texts), ..area };
    let mut below = area.y;
    if let (Some(position), Some(dataset)) = (position, &app.session.dataset)
        && app.pictures != Mode::Off
    {
        let place = picture::draw(buf, &mut view.gallery, theme, app.pictures, dataset, position, room);
        below = place.map_or(area.y, Rect::bottom);
        view.targets.push((area, Target::Example(position)));
    }
    let style = if selected { theme.accent() } else { theme.text() };
    let whole = format::fit(&format!("#{} {}", one.example, one.caption), usize::from(area.width));
    let texts = if lines > 1 { caption(one, area.width) } else { vec![whole] };
    for (y, text) in (below..area.bottom()).zip(texts) {
        line(buf, area.x, y, area.width, Line::styled(text, style));
    }
    below += lines.saturating_sub(1);
    let most = one.bars.iter().map(|(_, value)| value.abs()).fold(f64::MIN_POSITIVE, f64::max);
    for (place, (_, value)) in one.bars.iter().enumerate() {
        let text = bar(value.abs() / most, area.width.saturating_sub(6));
        let y = below + 1 + place as u16;
        if y < area.bottom() {
            line(
                buf,
                area.x,
                y,
                area.width,
                Line::styled(format!("{text} {}", format::number(*value)), theme.model(place)),
            );
        }
    }
}

/// The example's id, caption and numbers.
pub fn told(rows: &[(String, Vec<Picture>)], cursor: Cursor) -> Option<String> {
    let (name, all) = rows.get(cursor.row)?;
    let one = all.get(cursor.column)?;
    let numbers = one.bars.iter().map(|(name, value)| format!("{name} {}", format::number(*value)));
    let said: Vec<String> = std::iter::once(format!("#{} {}", one.example, one.caption)).chain(numbers).collect();
    Some(format!("{name}: {}. Enter opens it.", said.join(", ")))
}
