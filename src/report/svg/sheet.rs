//! An analysis's figures set side by side, as in the paper: up to three in a row, each model (or pair) in rows of its own.

use super::canvas::{Canvas, Drawing, MARGIN};

/// Figures in a row.
const ACROSS: usize = 3;

/// Sets drawings side by side. A figure's title begins with whom it is about, up to the first `: `: a new one begins a new row.
pub fn of(figures: &[(&str, &Drawing)]) -> Drawing {
    let mut canvas = Canvas::default();
    let (mut y, mut width) = (0.0_f64, 0.0_f64);
    for group in figures.chunk_by(|a, b| about(a.0) == about(b.0)) {
        // Four are two rows of two, not three and a lonely one.
        let across = if group.len() == ACROSS + 1 { 2 } else { ACROSS };
        for row in group.chunks(across) {
            let (mut x, mut height) = (0.0, 0.0_f64);
            for (_, drawing) in row {
                canvas.nest((x, y), drawing);
                x += drawing.width + MARGIN;
                height = height.max(drawing.height);
            }
            width = width.max(x - MARGIN);
            y += height + MARGIN;
        }
    }
    canvas.done(width.max(1.0), (y - MARGIN).max(1.0))
}

/// Whom a figure is about.
fn about(title: &str) -> &str {
    title.split_once(": ").map_or("", |(about, _)| about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triptych_is_one_row_and_another_model_begins_the_next() {
        let drawing = Drawing { width: 100.0, height: 50.0, body: String::new() };
        let all = ["a: x", "a: y", "a: z", "b: x", "b: y", "b: z"].map(|title| (title, &drawing));
        let sheet = of(&all);
        assert_eq!((sheet.width as u32, sheet.height as u32), (320, 110));
        assert_eq!(of(&all[..2]).width as u32, 210);
        assert!(of(&[]).width > 0.0);
    }
}
