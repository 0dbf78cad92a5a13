//! Bars of parts that add up, with a legend of all parts below.

use super::WIDTH;
use super::canvas::{Anchor, COLOURS, Canvas, Drawing, LINE, MARGIN, width_of};
use crate::analysis::table::significant;

/// Height of a bar.
const HEIGHT: f64 = 26.0;
/// How solid the colours are each time that they come round again.
const SOLID: [&str; 4] = ["1", "0.7", "0.5", "0.35"];

/// Draws it.
pub fn draw(title: &str, unit: &str, bars: &[(String, Vec<(String, f64)>)]) -> Drawing {
    let left = MARGIN + bars.iter().map(|(name, _)| width_of(name, 12.0)).fold(0.0, f64::max) + 8.0;
    let width = WIDTH.max(left + 260.0);
    let room = width - left - 2.0 * MARGIN;
    let total = |parts: &[(String, f64)]| parts.iter().map(|(_, value)| part(*value)).sum::<f64>();
    let most = bars.iter().map(|(_, parts)| total(parts)).fold(f64::MIN_POSITIVE, f64::max);
    let mut canvas = Canvas::default();
    let mut y = canvas.title(title, width);
    for (name, parts) in bars {
        canvas.text((left - 8.0, y + 17.0), Anchor::End, "t", name);
        let mut x = left;
        for (place, (name, value)) in parts.iter().enumerate() {
            let wide = part(*value) / most * room;
            let tip = format!("{name}: {}", significant(*value));
            canvas.rect((x, y, (wide - 0.6).max(0.2), HEIGHT), &format!("c{}", place % COLOURS), &solid(place), &tip);
            let text = significant(*value);
            if width_of(&text, 10.0) + 6.0 < wide {
                canvas.text((x + wide / 2.0, y + 16.5), Anchor::Middle, "n lt", &text);
            }
            x += wide;
        }
        y += HEIGHT + 8.0;
    }
    canvas.text((left, y + 10.0), Anchor::Start, "s", unit);
    y += LINE + 4.0;
    let entries =
        bars.iter().flat_map(|(_, parts)| parts).fold(Vec::<(&str, Option<f64>)>::new(), |mut known, (name, value)| {
            if !known.iter().any(|(other, _)| other == name) {
                known.push((name, (bars.len() == 1).then_some(*value)));
            }
            known
        });
    let words = entries.iter().map(|(name, value)| match value {
        Some(value) => format!("{name} {}", significant(*value)),
        None => (*name).to_owned(),
    });
    y = legend(&mut canvas, (MARGIN, y), width, &words.collect::<Vec<_>>(), |canvas, place, (x, y)| {
        canvas.rect((x, y - 9.0, 10.0, 10.0), &format!("c{}", place % COLOURS), &solid(place), "");
    });
    canvas.done(width, y + MARGIN)
}

fn part(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

fn solid(place: usize) -> String {
    format!(" fill-opacity=\"{}\"", SOLID.get(place / COLOURS).copied().unwrap_or("0.25"))
}

/// Names behind their marks, in columns as wide as the longest; gives where it ends.
pub fn legend(
    canvas: &mut Canvas,
    (left, top): (f64, f64),
    width: f64,
    names: &[String],
    mark: impl Fn(&mut Canvas, usize, (f64, f64)),
) -> f64 {
    let widest = names.iter().map(|name| width_of(name, 11.0)).fold(0.0, f64::max) + 30.0;
    let columns = (((width - 2.0 * MARGIN) / widest) as usize).clamp(1, names.len().max(1));
    for (place, name) in names.iter().enumerate() {
        let (x, y) = (left + widest * (place % columns) as f64, top + LINE * (1 + place / columns) as f64);
        mark(canvas, place, (x, y));
        canvas.text((x + 24.0, y), Anchor::Start, "s", name);
    }
    top + LINE * names.len().div_ceil(columns) as f64 + 4.0
}
