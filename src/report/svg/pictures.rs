//! Rows of examples' pictures, eight in a line, each with what is said of it.

use super::PictureOf;
use super::canvas::{Anchor, Canvas, Drawing, LINE, MARGIN, shortened, width_of, wrapped};
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
    let largest = rows.iter().flat_map(|(_, all)| all).flat_map(|one| &one.bars);
    let largest =
        largest.map(|(_, value)| value.abs()).filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    for (name, all) in rows {
        y += LINE;
        canvas.text((MARGIN, y), Anchor::Start, "t", name);
        y += 6.0;
        for line in all.chunks(ACROSS) {
            let bottoms = line.iter().enumerate().map(|(place, one)| {
                draw_one(&mut canvas, (MARGIN + STEP * place as f64, y), one, picture(one.example).as_deref(), largest)
            });
            y = bottoms.fold(y, f64::max) + 8.0;
        }
    }
    canvas.done(width, y + MARGIN)
}

/// Draws a picture, its caption and its bars; gives where they end.
fn draw_one(canvas: &mut Canvas, (x, y): (f64, f64), one: &Picture, uri: Option<&str>, largest: f64) -> f64 {
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
    for (name, value) in &one.bars {
        y += 13.0;
        let number = significant(*value);
        let room = ((SIDE - width_of(&number, 10.0) - 4.0) / (0.58 * 10.0)) as usize;
        canvas.text((x, y), Anchor::Start, "s n", &shortened(name, room.max(4)));
        canvas.text((x + SIDE, y), Anchor::End, "s n", &number);
        y += 5.0;
        canvas.rect((x, y - 2.0, SIDE, 4.0), "e", " stroke=\"none\"", "");
        if value.is_finite() {
            canvas.rect(
                (x, y - 2.0, (value.abs() / largest * SIDE).max(0.5), 4.0),
                "c0",
                "",
                &format!("{name} {number}"),
            );
        }
    }
    y
}
