//! A matrix of signed values: blue below 0, white at 0, orange above, with the numbers in the cells.

use ndarray::Array2;

use super::canvas::{Anchor, Canvas, Drawing, LINE, MARGIN, SLANT, width_of};
use crate::analysis::table::significant;

/// Height of a cell.
const HEIGHT: f64 = 24.0;
/// Size of the numbers.
const NUMBER: f64 = 10.0;
/// Width of the strip of all colours.
const STRIP: f64 = 147.0;
const BLUE: [f64; 3] = [33.0, 102.0, 172.0];
const WHITE: [f64; 3] = [250.0, 250.0, 250.0];
const ORANGE: [f64; 3] = [217.0, 95.0, 2.0];

/// Draws it.
pub fn draw(title: &str, rows: &[String], columns: &[String], values: &Array2<f64>) -> Drawing {
    let largest = values.iter().filter(|value| value.is_finite()).fold(0.0_f64, |most, value| most.max(value.abs()));
    let scale = if largest > 0.5 && largest <= 1.0 { 1.0 } else { largest };
    let text = |value: f64| in_cell(value, largest);
    let widest = values.iter().map(|value| width_of(&text(*value), NUMBER)).fold(16.0, f64::max);
    let cell = widest + 8.0;
    let rise = SLANT.to_radians().sin();
    let overhang = columns
        .iter()
        .enumerate()
        .map(|(place, name)| width_of(name, 12.0) * SLANT.to_radians().cos() - (place as f64 + 0.5) * cell);
    let names = rows.iter().map(|name| width_of(name, 12.0)).chain(overhang).fold(0.0, f64::max);
    let left = MARGIN + names + 8.0;
    let below = columns.iter().map(|name| width_of(name, 12.0) * rise).fold(0.0, f64::max);
    let width = (left + (cell * columns.len() as f64).max(STRIP) + 2.0 * MARGIN).max(320.0);
    let mut canvas = Canvas::default();
    let top = canvas.title(title, width);
    for (row, name) in rows.iter().enumerate() {
        let y = top + row as f64 * HEIGHT;
        canvas.text((left - 6.0, y + 16.0), Anchor::End, "t", name);
        for (column, head) in columns.iter().enumerate() {
            let Some(value) = values.get((row, column)).copied() else { continue };
            let x = left + column as f64 * cell;
            let tip = format!("{name}, {head}: {}", significant(value));
            if value.is_nan() {
                canvas.rect((x, y, cell - 1.0, HEIGHT - 1.0), "e", "", &tip);
                continue;
            }
            let (colour, is_dark) = colour_of(value, scale);
            canvas.rect((x, y, cell - 1.0, HEIGHT - 1.0), "", &format!(" fill=\"{colour}\""), &tip);
            let class = if is_dark { "n lt" } else { "n dk" };
            canvas.text((x + (cell - 1.0) / 2.0, y + 15.5), Anchor::Middle, class, &text(value));
        }
    }
    let bottom = top + rows.len() as f64 * HEIGHT;
    for (column, head) in columns.iter().enumerate() {
        canvas.slanted((left + (column as f64 + 0.5) * cell + 4.0, bottom + 12.0), "t", head);
    }
    let y = bottom + below + 22.0;
    legend(&mut canvas, (left, y), scale);
    canvas.done(width, y + LINE + MARGIN + 4.0)
}

/// A strip of all colours with its ends named.
fn legend(canvas: &mut Canvas, (x, y): (f64, f64), scale: f64) {
    for step in 0..21 {
        let share = f64::from(step - 10) / 10.0;
        let (colour, _) = colour_of(share * scale, scale);
        canvas.rect(
            (x + STRIP / 21.0 * f64::from(step), y, STRIP / 21.0 + 0.2, 8.0),
            "",
            &format!(" fill=\"{colour}\""),
            "",
        );
    }
    let ends = [(0.0, Anchor::Start, -scale), (STRIP / 2.0, Anchor::Middle, 0.0), (STRIP, Anchor::End, scale)];
    for (along, anchor, value) in ends {
        let name = if value == 0.0 { "0".to_owned() } else { significant(value) };
        canvas.text((x + along, y + 20.0), anchor, "s", &name);
    }
}

/// A number with as many digits as tell the largest apart.
fn in_cell(value: f64, largest: f64) -> String {
    if value.is_nan() {
        return String::new();
    }
    if largest >= 100.0 {
        return significant(value);
    }
    let decimals = if largest > 0.0 { (1.0 - largest.log10().floor()).clamp(0.0, 4.0) as usize } else { 0 };
    let text = format!("{value:.*}", decimals.max(if largest >= 10.0 { 1 } else { 2 }));
    // -0.00 says no more than 0.00.
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_owned() } else { text }
}

/// The colour of a value, and whether it is so dark that letters on it are white.
fn colour_of(value: f64, scale: f64) -> (String, bool) {
    let share = if scale > 0.0 { (value / scale).clamp(-1.0, 1.0) } else { 0.0 };
    let end = if share < 0.0 { BLUE } else { ORANGE };
    let [r, g, b] = std::array::from_fn(|channel| WHITE[channel] + share.abs() * (end[channel] - WHITE[channel]));
    let light = 0.299 * r + 0.587 * g + 0.114 * b;
    (format!("#{:02x}{:02x}{:02x}", r as u8, g as u8, b as u8), light < 140.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_white_the_ends_are_blue_and_orange() {
        assert_eq!(colour_of(0.0, 1.0), ("#fafafa".into(), false));
        assert_eq!(colour_of(-1.0, 1.0), ("#2166ac".into(), true));
        assert_eq!(colour_of(9.0, 1.0), ("#d95f02".into(), true));
        assert_eq!(colour_of(0.0, 0.0), ("#fafafa".into(), false));
    }

    #[test]
    fn cells_show_two_digits_of_the_largest() {
        assert_eq!(
            [in_cell(0.987, 1.0), in_cell(-0.004, 1.0), in_cell(0.004, 0.02), in_cell(123.4, 200.0)],
            ["0.99", "0.00", "0.004", "123"]
        );
    }
}
