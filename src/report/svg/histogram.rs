//! How often what value occurs: heights are logarithms of counts, so that a tail of single examples is seen.
//!
//! Bins are equally wide on paper: a last one that holds all that lies beyond doesn't squeeze the others.

use super::WIDTH;
use super::axis::Axis;
use super::bars::levels;
use super::canvas::{Anchor, Canvas, Drawing, LINE, MARGIN, width_of};
use crate::analysis::figure::{Bin, Line};
use crate::analysis::table::significant;

/// Height of the plot.
const HEIGHT: f64 = 190.0;

/// Draws it.
pub fn draw(title: &str, unit: &str, edges: &[f64], bins: &[Bin], lines: &[Line]) -> Drawing {
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let (left, right) = (MARGIN + width_of(&most.to_string(), 11.0).max(20.0) + 6.0, WIDTH - 2.0 * MARGIN);
    let lines: Vec<&Line> = lines.iter().filter(|line| line.at.is_finite()).collect();
    let mut canvas = Canvas::default();
    let top = canvas.title(title, WIDTH) + LINE * (lines.len() as f64 + 1.0);
    let bottom = top + HEIGHT;
    canvas.text((MARGIN, top - LINE * lines.len() as f64 - 5.0), Anchor::Start, "s", "examples (logarithmic)");
    let height = |count: usize| (1.0 + count as f64).ln() / (1.0 + most as f64).ln() * HEIGHT;
    for count in (0..).map_while(|power| 10_usize.checked_pow(power)).take_while(|count| *count <= most) {
        let y = bottom - height(count);
        canvas.line((left, y), (right, y), "g");
        canvas.text((left - 5.0, y + 4.0), Anchor::End, "s", &count.to_string());
    }
    let wide = (right - left) / bins.len().max(1) as f64;
    for ((place, bin), pair) in bins.iter().enumerate().zip(edges.windows(2)) {
        let (low, high) = (pair.first().copied().unwrap_or(f64::NAN), pair.last().copied().unwrap_or(f64::NAN));
        let tip = format!("{} to {}: {}", significant(low), significant(high), bin.count);
        let tall = if bin.count == 0 { 0.0 } else { height(bin.count) };
        canvas.rect((left + wide * place as f64, bottom - tall, (wide - 0.8).max(0.5), tall), "c0", "", &tip);
    }
    canvas.line((left, bottom), (right, bottom), "a");
    let x = |value: f64| left + wide * along(edges, value);
    ticks(&mut canvas, edges, &x, bottom);
    let lines: Vec<(f64, &Line)> = lines.into_iter().map(|line| (x(line.at), line)).collect();
    levels(&mut canvas, (left, right), &lines, top, bottom);
    canvas.text((f64::midpoint(left, right), bottom + 30.0), Anchor::Middle, "s", unit);
    canvas.done(WIDTH, bottom + 30.0 + MARGIN)
}

/// How many bins lie before a value, with the share of its own bin.
fn along(edges: &[f64], value: f64) -> f64 {
    let place = edges.partition_point(|edge| *edge <= value);
    match (place.checked_sub(1).and_then(|before| edges.get(before)), edges.get(place)) {
        (Some(low), Some(high)) => (place - 1) as f64 + (value - low) / (high - low),
        (None, _) => 0.0,
        (_, None) => edges.len().saturating_sub(1) as f64,
    }
}

/// Round numbers as far as the bins are equally wide, and the end of the last.
fn ticks(canvas: &mut Canvas, edges: &[f64], x: &dyn Fn(f64) -> f64, bottom: f64) {
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return };
    let widths = || edges.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?));
    let tail = match (widths().next(), widths().next_back()) {
        (Some(one), Some(end)) => end > 1.5 * one,
        _ => false,
    };
    let end = if tail { edges.iter().rev().nth(1).unwrap_or(last) } else { last };
    let round = Axis::over([*first, *end].into_iter(), 0.0, 1.0, 6);
    let room = if tail { x(*last) - width_of(&significant(*last), 11.0) - 16.0 } else { f64::INFINITY };
    for (at, name) in round.ticks().into_iter().filter(|(at, _)| at >= first && at <= end && x(*at) < room) {
        canvas.line((x(at), bottom), (x(at), bottom + 4.0), "a");
        canvas.text((x(at), bottom + 15.0), Anchor::Middle, "s", &name);
    }
    if tail {
        canvas.text((x(*last) + 8.0, bottom + 15.0), Anchor::End, "s", &format!("…{}", significant(*last)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bin_whatever_its_width() {
        let edges = [0.0, 1.0, 2.0, 102.0];
        let all = [-5.0, 0.0, 0.5, 2.0, 52.0, 102.0, 1e9].map(|value| along(&edges, value));
        assert_eq!(all.map(|place| (10.0 * place).round() as i32), [0, 0, 5, 20, 25, 30, 30]);
        assert!(along(&[], 1.0).abs() < 1e-12);
    }
}
