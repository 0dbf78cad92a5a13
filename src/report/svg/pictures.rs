//! Rows of examples' pictures, eight in a line, each with what is said of it.

use super::PictureOf;
use super::canvas::{Anchor, COLOURS, Canvas, Drawing, LINE, MARGIN, shortened, width_of, wrapped};
use crate::analysis::figure::Picture;
use crate::analysis::table::significant;

/// Pictures in a line, as in the paper's figure.
const ACROSS: usize = 8;
/// Side of a picture.
const SIDE: f64 = 84.0;
/// From one picture to the next.
const STEP: f64 = SIDE + 14.0;

/// Draws it.
pub fn draw(title: &str, rows: &[(String, Vec<Picture>)], picture: &PictureOf<'_>) -> Drawing {
    let most = rows.iter().map(|(_, all)| all.len()).max().unwrap_or(0).clamp(4, ACROSS);
    let width = 2.0 * MARGIN + STEP * most as f64;
    let mut canvas = Canvas::default();
    let mut y = canvas.title(title, width);
    let values = || rows.iter().flat_map(|(_, all)| all).flat_map(|one| &one.bars).map(|(_, value)| *value);
    let largest = values().map(f64::abs).filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    let scale = Scale { largest, signed: values().any(|value| value < 0.0) };
    for (name, all) in rows {
        y += LINE;
        canvas.text((MARGIN, y), Anchor::Start, "t", name);
        y += 6.0;
        for line in all.chunks(ACROSS) {
            let bottoms = line.iter().enumerate().map(|(place, one)| {
                draw_one(&mut canvas, (MARGIN + STEP * place as f64, y), one, picture(one.example).as_deref(), scale)
            });
            y = bottoms.fold(y, f64::max) + 8.0;
        }
    }
    canvas.done(width, y + MARGIN)
}

/// What all small bars share, so that they can be compared.
#[derive(Clone, Copy)]
struct Scale {
    /// The largest size.
    largest: f64,
    /// Whether some are negative: all of them begin at a line in the middle then.
    signed: bool,
}

impl Scale {
    /// Where the bar of a value begins, how long it is, and where 0 lies.
    fn place(self, value: f64) -> (f64, f64, f64) {
        let (zero, room) = if self.signed { (SIDE / 2.0, SIDE / 2.0) } else { (0.0, SIDE) };
        let length = (value.abs() / self.largest * room).max(0.5);
        (if value < 0.0 { zero - length } else { zero }, length, zero)
    }
}

/// Draws a picture, its caption and its bars; gives where they end.
fn draw_one(canvas: &mut Canvas, (x, y): (f64, f64), one: &Picture, uri: Option<&str>, scale: Scale) -> f64 {
    let square = (x, y, SIDE, SIDE);
    let told = format!("example {}: {}", one.example, one.caption);
    match uri {
        Some(uri) => canvas.image(square, uri, &told),
        None => canvas.rect(square, "e", "", &told),
    }
    if uri.is_none() {
        canvas.text((x + SIDE / 2.0, y + SIDE / 2.0 + 4.0), Anchor::Middle, "s", &one.example.to_string());
    }
    let mut y = y + SIDE;
    for line in wrapped(&one.caption, SIDE + 6.0, 10.0).iter().take(3) {
        y += 13.0;
        canvas.text((x, y), Anchor::Start, "s n", line);
    }
    for (place, (name, value)) in one.bars.iter().enumerate() {
        y += 13.0;
        let number = significant(*value);
        let room = ((SIDE - width_of(&number, 10.0) - 4.0) / (0.58 * 10.0)) as usize;
        canvas.text((x, y), Anchor::Start, "s n", &shortened(name, room.max(4)));
        canvas.text((x + SIDE, y), Anchor::End, "s n", &number);
        y += 5.0;
        canvas.rect((x, y - 2.0, SIDE, 4.0), "e", " stroke=\"none\"", "");
        let (from, length, zero) = scale.place(*value);
        if value.is_finite() {
            let colour = format!("c{}", place % COLOURS);
            canvas.rect((x + from, y - 2.0, length, 4.0), &colour, "", &format!("{name} {number}"));
        }
        if scale.signed {
            canvas.line((x + zero, y - 4.0), (x + zero, y + 4.0), "w");
        }
    }
    y
}
