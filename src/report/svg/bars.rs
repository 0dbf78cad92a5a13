//! A bar per name to both sides of 0, with intervals as whiskers and levels as dashed lines.

use super::WIDTH;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Drawing, LINE, MARGIN, shortened, width_of};
use crate::analysis::figure::{Bar, Line};
use crate::analysis::table::significant;

/// From one bar to the next.
const ROW: f64 = 19.0;
/// Longer names are shortened in the middle; the tooltip has them whole.
const LONGEST: usize = 60;

/// Draws it.
pub fn draw(title: &str, unit: &str, bars: &[Bar], lines: &[Line]) -> Drawing {
    let names: Vec<String> = bars.iter().map(|bar| shortened(&bar.name, LONGEST)).collect();
    let left = MARGIN + names.iter().map(|name| width_of(name, 12.0)).fold(20.0, f64::max) + 8.0;
    let number = bars.iter().map(|bar| width_of(&significant(bar.value), 11.0)).fold(0.0, f64::max);
    let width = WIDTH.max(left + 200.0 + number + 2.0 * MARGIN);
    let ends = bars.iter().flat_map(|bar| {
        let (low, high) = bar.interval.unwrap_or((bar.value, bar.value));
        [bar.value, low, high]
    });
    let all = ends.chain(lines.iter().map(|line| line.at)).chain([0.0]);
    let axis = Axis::over(all, left, width - number - 3.0 * MARGIN, 5);
    let mut canvas = Canvas::default();
    let lines: Vec<&Line> = lines.iter().filter(|line| line.at.is_finite()).collect();
    let top = canvas.title(title, width) + LINE * lines.len() as f64;
    let bottom = top + ROW * bars.len() as f64 + 4.0;
    for (at, name) in axis.ticks() {
        canvas.line((axis.at(at), top), (axis.at(at), bottom), "g");
        canvas.text((axis.at(at), bottom + 14.0), Anchor::Middle, "s", &name);
    }
    for ((place, bar), name) in bars.iter().enumerate().zip(&names) {
        let y = top + ROW * place as f64 + 3.0;
        canvas.text((left - 8.0, y + 10.5), Anchor::End, "t", name);
        canvas.text((width - MARGIN, y + 10.5), Anchor::End, "s", &significant(bar.value));
        if bar.value.is_finite() {
            let (from, to) = (axis.at(bar.value.min(0.0)), axis.at(bar.value.max(0.0)));
            canvas.rect((from, y, (to - from).max(0.8), 13.0), "c0", "", &told(bar, unit));
        }
        if let Some((low, high)) = bar.interval.filter(|(low, high)| low.is_finite() && high.is_finite()) {
            let middle = y + 6.5;
            canvas.line((axis.at(low), middle), (axis.at(high), middle), "w");
            for end in [low, high] {
                canvas.line((axis.at(end), middle - 3.5), (axis.at(end), middle + 3.5), "w");
            }
        }
    }
    canvas.line((axis.at(0.0), top), (axis.at(0.0), bottom), "a");
    let lines: Vec<(f64, &Line)> = lines.into_iter().map(|line| (axis.at(line.at), line)).collect();
    levels(&mut canvas, (axis.from, axis.to), &lines, top, bottom);
    canvas.text((f64::midpoint(left, axis.to), bottom + 29.0), Anchor::Middle, "s", unit);
    canvas.done(width, bottom + 29.0 + MARGIN)
}

/// Dashed lines down to the bottom, at pixels within a range, each with its name on a line of text of its own above the plot.
///
/// Names run to the right, the leftmost on top, so that no line crosses a name; those without room there run to the left below.
pub fn levels(canvas: &mut Canvas, (from, to): (f64, f64), lines: &[(f64, &Line)], top: f64, bottom: f64) {
    let named = lines.iter().map(|(x, line)| (x.clamp(from, to), format!("{} {}", line.name, significant(line.at))));
    let (mut right, mut left): (Vec<_>, Vec<_>) = named.partition(|(x, name)| x + 4.0 + width_of(name, 11.0) <= to);
    right.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    left.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let anchors = right.iter().map(|one| (one, Anchor::Start)).chain(left.iter().map(|one| (one, Anchor::End)));
    for (place, ((x, name), anchor)) in anchors.enumerate() {
        let y = top - LINE * (lines.len() - 1 - place) as f64;
        canvas.line((*x, y - 11.0), (*x, bottom), "l");
        canvas.text((if anchor == Anchor::End { x - 4.0 } else { x + 4.0 }, y - 4.0), anchor, "lv", name);
    }
}

fn told(bar: &Bar, unit: &str) -> String {
    let interval = bar.interval.map(|(low, high)| format!(" ({} to {})", significant(low), significant(high)));
    format!("{}: {}{} {unit}", bar.name, significant(bar.value), interval.unwrap_or_default())
}
