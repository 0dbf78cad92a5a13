//! Rows of examples' pictures, a caption and small bars below each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Cursor;
use crate::analysis::figure::Picture;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::pictures::Mode;
use crate::tui::screen::{Target, View};
use crate::tui::widgets::bars::{bar, bar_to_the_left};
use crate::tui::widgets::{line, lines, picture};

/// Rows of a picture with its name and texts below which a caption has one line.
const LOW: u16 = 7;

/// Pictures of so few columns give none away.
const NARROW: u16 = 12;

/// Draws the rows one below the other, each picture as large as it fits.
pub fn draw(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, rows: &[(String, Vec<Picture>)], cursor: Cursor) {
    let scale = Scale::of(rows);
    let area = without_pictures(app, buf, area);
    let height = area.height / rows.len().max(1) as u16;
    // Texts alone stand close together.
    let bars = rows.iter().flat_map(|(_, all)| all).map(|one| one.bars.len()).max().unwrap_or(0);
    let apart = if app.pictures_missing().is_some() { height.min(4 + bars as u16) } else { height };
    for (place, (name, all)) in rows.iter().enumerate() {
        let top = area.y + place as u16 * apart;
        line(buf, area.x, top, area.width, Line::styled(name.clone(), app.theme.strong()));
        let width = area.width / all.len().max(1) as u16;
        // All pictures of a row are equally high.
        let texts = all.iter().map(|one| caption(one, width.saturating_sub(1), 2).len()).max().unwrap_or(1) as u16;
        let texts = if height >= LOW { texts } else { 1 };
        for (column, one) in all.iter().enumerate() {
            let cell = Rect {
                x: area.x + column as u16 * width,
                y: top + 1,
                width: width.saturating_sub(1),
                height: apart.saturating_sub(1),
            };
            draw_one(app, view, buf, cell, (one, texts, scale), cursor == Cursor { row: place, column });
        }
    }
}

/// Says why there are no pictures, where there are none; returns the room below.
fn without_pictures(app: &App, buf: &mut Buffer, area: Rect) -> Rect {
    let Some(reason) = app.pictures_missing() else { return area };
    let said = format::wrap(reason, area.width.into());
    let rows = (said.len() as u16 + 1).min(area.height);
    lines(buf, area, said.into_iter().map(|part| Line::styled(part, app.theme.dim())));
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// The id and the caption, on so many lines at most: what has no room is left out between words, since a cut number is another one.
fn caption(one: &Picture, width: u16, lines: usize) -> Vec<String> {
    format::wrap_to_words(&format!("#{} {}", one.example, one.caption), width.into(), lines)
}

fn draw_one(
    app: &App,
    view: &mut View,
    buf: &mut Buffer,
    area: Rect,
    (one, captions, scale): (&Picture, u16, Scale),
    selected: bool,
) {
    let theme = app.theme;
    let texts = captions + one.bars.len() as u16;
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
    let texts = caption(one, area.width, captions.into());
    for (y, text) in (below..area.bottom()).zip(texts) {
        line(buf, area.x, y, area.width, Line::styled(text, style));
    }
    below += captions.saturating_sub(1);
    // Where there is room, a number stands apart from the next picture's bar.
    let width = if area.width > NARROW { area.width - 1 } else { area.width };
    for (place, (y, (_, value))) in (below + 1..area.bottom()).zip(&one.bars).enumerate() {
        line(buf, area.x, y, width, small_bar(*value, scale, width, (theme.model(place), theme.dim())));
    }
}

/// What all small bars of a figure share, so that they can be compared.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// The largest size.
    most: f64,
    /// Whether some are negative: all of them begin at a line in the middle then.
    signed: bool,
    /// Columns of the longest number.
    numbers: u16,
}

impl Scale {
    fn of(rows: &[(String, Vec<Picture>)]) -> Self {
        let values = || rows.iter().flat_map(|(_, all)| all).flat_map(|one| &one.bars).map(|(_, value)| *value);
        let sizes = values().map(f64::abs).filter(|size| size.is_finite());
        let numbers = values().map(|value| Span::raw(format::number(value)).width()).max().unwrap_or(0);
        Self {
            most: sizes.fold(f64::MIN_POSITIVE, f64::max),
            signed: values().any(|value| value < 0.0),
            numbers: numbers as u16,
        }
    }
}

/// A bar with its number: to the right of the left edge or, where there are signs, to both sides of a line. What has no room whole is
/// left out, the bar first.
fn small_bar(value: f64, scale: Scale, width: u16, (colour, rule): (Style, Style)) -> Line<'static> {
    if width < scale.numbers {
        return Line::default();
    }
    let number = Span::styled(format!("{:>1$}", format::number(value), usize::from(scale.numbers)), colour);
    let room = width.saturating_sub(scale.numbers + 1);
    let share = value.abs() / scale.most;
    if !scale.signed && room > 0 {
        let text = format!("{:<1$} ", bar(share, room), usize::from(room));
        return Line::from(vec![Span::styled(text, colour), number]);
    }
    let half = usize::from(room.saturating_sub(1) / 2);
    if half == 0 {
        return Line::from(number);
    }
    let (left, right) = if value < 0.0 {
        (bar_to_the_left(share, half as u16), String::new())
    } else {
        (String::new(), bar(share, half as u16))
    };
    Line::from(vec![
        Span::styled(format!("{left:>half$}"), colour),
        Span::styled("│", rule),
        Span::styled(format!("{right:<half$} "), colour),
        number,
    ])
}

/// The example's id, caption and numbers.
pub fn told(rows: &[(String, Vec<Picture>)], cursor: Cursor) -> Option<String> {
    let (name, all) = rows.get(cursor.row)?;
    let one = all.get(cursor.column)?;
    let numbers = one.bars.iter().map(|(name, value)| format!("{name} {}", format::number(*value)));
    let said: Vec<String> = std::iter::once(format!("#{} {}", one.example, one.caption)).chain(numbers).collect();
    Some(format!("{name}: {}. Enter opens it.", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[f64]) -> Vec<(String, Vec<Picture>)> {
        let one = |value: &f64| Picture { example: 1, caption: "cat".into(), bars: vec![("a".into(), *value)] };
        vec![("most".into(), values.iter().map(one).collect())]
    }

    fn drawn(values: &[f64], width: u16) -> Vec<String> {
        let scale = Scale::of(&rows(values));
        let text = |value: &f64| small_bar(*value, scale, width, (Style::new(), Style::new())).to_string();
        values.iter().map(text).collect()
    }

    #[test]
    fn small_bars_of_opposite_signs_lie_on_opposite_sides_of_a_line() {
        let shown = drawn(&[2.0, -2.0, 0.5, -0.5, f64::NAN], 15);
        let expected = ["    │████  2.00", "████│     -2.00", "    │█     .500", "   █│     -.500", "    │         ·"];
        assert_eq!(shown, expected);
        assert_eq!(drawn(&[2.0, 1.0], 9), ["████ 2.00", "██   1.00"], "without signs they begin at the left");
    }

    #[test]
    fn a_number_is_whole_or_left_out() {
        assert_eq!(drawn(&[-31_204.0, 5.0], 9), ["-31 204", "   5.00"]);
        assert_eq!(drawn(&[-31_204.0], 6), [""]);
        assert_eq!(drawn(&[0.5], 4), [".500"]);
    }
}
