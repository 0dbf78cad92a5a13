//! How does an example's picture reach the screen? As half-blocks in the text, or as sixels beside it.
//!
//! While drawing, a picture is only *wanted*: its cells are marked so that the text leaves them alone. After the
//! text is out, the [`Gallery`] sends what is wanted and not shown yet. Whatever is no longer wanted was overwritten
//! by the text, since its cells are ordinary ones again.

use std::io::Write;

use icy_sixel::{EncodeOptions, sixel_encode};
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::{Rect, Size};

use crate::data::{Dataset, ImageShape};

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    Off,
    /// A cell shows two pixels, one above the other.
    Blocks,
    /// As sixels, in a terminal with cells of this many pixels.
    Sixel {
        /// Pixels per column.
        width: u16,
        /// Pixels per row.
        height: u16,
    },
}

/// Whole-number change of size: pictures stay crisp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Every pixel becomes a square of so many.
    Up(u16),
    /// Every square of so many becomes one pixel, its mean.
    Down(u16),
}

/// A picture at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The example's position.
    pub example: usize,
    /// The cells that it takes.
    pub area: Rect,
    /// Its size.
    pub scale: Scale,
}

impl Mode {
    /// The scale and cells of a picture that fits into this space; None where none does.
    pub fn fit(self, shape: ImageShape, space: Size) -> Option<(Scale, Size)> {
        let (cell_width, cell_height) = match self {
            Self::Off => return None,
            Self::Blocks => (1, 2),
            Self::Sixel { width, height } => (width, height),
        };
        let width = u16::try_from(shape.width).ok().filter(|w| *w > 0)?;
        let height = u16::try_from(shape.height).ok().filter(|h| *h > 0)?;
        let room = (space.width.saturating_mul(cell_width), space.height.saturating_mul(cell_height));
        let up = (room.0 / width).min(room.1 / height);
        let scale = if up > 0 {
            Scale::Up(up)
        } else {
            let down = width.div_ceil(room.0.max(1)).max(height.div_ceil(room.1.max(1)));
            Some(Scale::Down(down)).filter(|_| room.0 > 0 && room.1 > 0 && width / down > 3)?
        };
        let (w, h) = (scale.applied(width), scale.applied(height));
        Some((scale, Size::new(w.div_ceil(cell_width), h.div_ceil(cell_height))))
    }
}

impl Scale {
    fn applied(self, pixels: u16) -> u16 {
        match self {
            Self::Up(times) => pixels.saturating_mul(times),
            Self::Down(times) => pixels.div_ceil(times.max(1)),
        }
    }
}

/// Red, green and blue of a picture at a scale, row by row, with its width and height.
pub fn pixels(dataset: &Dataset, example: usize, scale: Scale) -> (Vec<[u8; 3]>, usize, usize) {
    let ImageShape { channels, height, width } = dataset.shape;
    let image = dataset.image(example);
    let at = |channel: usize, x: usize, y: usize| {
        let plane = channel.min(channels.saturating_sub(1));
        image.get((plane * height + y) * width + x).copied().unwrap_or(0)
    };
    let (w, h) = (scale.applied(width as u16).into(), scale.applied(height as u16).into());
    let pixel = |x: usize, y: usize| -> [u8; 3] {
        std::array::from_fn(|channel| match scale {
            Scale::Up(times) => at(channel, x / usize::from(times.max(1)), y / usize::from(times.max(1))),
            Scale::Down(times) => {
                let t = usize::from(times.max(1));
                let xs = x * t..((x + 1) * t).min(width);
                let n = xs.len() * (((y + 1) * t).min(height).saturating_sub(y * t));
                let sum: usize = (y * t..((y + 1) * t).min(height))
                    .flat_map(|y| xs.clone().map(move |x| (x, y)))
                    .map(|(x, y)| usize::from(at(channel, x, y)))
                    .sum();
                (sum / n.max(1)) as u8
            }
        })
    };
    let all = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
    (all, w, h)
}

/// What is to be seen and what the terminal shows.
#[derive(Debug, Default)]
pub struct Gallery {
    wanted: Vec<Placement>,
    shown: Vec<Placement>,
}

impl Gallery {
    /// A new frame begins: nothing is wanted yet.
    pub fn begin(&mut self) {
        self.wanted.clear();
    }

    /// Wants a picture; its cells are blank to the text.
    pub fn want(&mut self, buf: &mut Buffer, placement: Placement) {
        mark(buf, placement.area, CellDiffOption::Skip);
        self.wanted.push(placement);
    }

    /// The frame is drawn: pictures that something covers are not wanted after all, nor are any in the last row,
    /// where a sixel would scroll the screen.
    pub fn settle(&mut self, buf: &mut Buffer) {
        let whole = buf.area;
        self.wanted.retain(|placement| {
            let area = placement.area;
            let free = |x, y| buf.cell((x, y)).is_some_and(|cell| cell.diff_option == CellDiffOption::Skip);
            let inside = whole.intersection(area) == area && area.bottom() < whole.bottom();
            let keep = inside && area.positions().all(|at| free(at.x, at.y));
            if !keep {
                unmark(buf, area);
            }
            keep
        });
    }

    /// What is wanted now.
    pub fn wanted(&self) -> &[Placement] {
        &self.wanted
    }

    /// Everything has to be sent again: the screen was cleared.
    pub fn forget(&mut self) {
        self.shown.clear();
    }

    /// Blanks the places where pictures come and none was: what stood there would be seen until the last picture is drawn, which
    /// takes a terminal a while. A picture that replaces another one of its place stays out of this, so that it does not flicker.
    /// Whether there was any such place.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn clear(&self, out: &mut impl Write) -> std::io::Result<bool> {
        let is_new = |placement: &&Placement| self.shown.iter().all(|shown| shown.area != placement.area);
        let mut any = false;
        for placement in self.wanted.iter().filter(is_new) {
            blank(out, placement.area)?;
            any = true;
        }
        Ok(any)
    }

    /// Sends what is wanted and not shown.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn send(&mut self, out: &mut impl Write, dataset: &Dataset) -> std::io::Result<()> {
        for placement in self.wanted.iter().filter(|placement| !self.shown.contains(placement)) {
            let Rect { x, y, .. } = placement.area;
            // Blanks first: an older picture or text may reach further than the new picture's pixels.
            blank(out, placement.area)?;
            write!(out, "\x1b[{};{}H", y + 1, x + 1)?;
            out.write_all(sixels(dataset, placement).as_bytes())?;
        }
        self.shown.clone_from(&self.wanted);
        Ok(())
    }
}

/// Writes blanks, which take away text and pictures.
fn blank(out: &mut impl Write, Rect { x, y, width, height }: Rect) -> std::io::Result<()> {
    for row in y..y + height {
        write!(out, "\x1b[0m\x1b[{};{}H{}", row + 1, x + 1, " ".repeat(width.into()))?;
    }
    Ok(())
}

/// The picture as sixels; nothing where it has no pixels.
fn sixels(dataset: &Dataset, placement: &Placement) -> String {
    let (rgb, width, height) = pixels(dataset, placement.example, placement.scale);
    let rgba: Vec<u8> = rgb.into_iter().flat_map(|[r, g, b]| [r, g, b, 255]).collect();
    // Without dithering enlarged pixels stay squares of one colour, and the bytes are half as many.
    let options = EncodeOptions { diffusion: 0.0, ..EncodeOptions::default() };
    sixel_encode(&rgba, width, height, &options).unwrap_or_default()
}

fn mark(buf: &mut Buffer, area: Rect, option: CellDiffOption) {
    for at in area.intersection(buf.area).positions() {
        if let Some(cell) = buf.cell_mut(at) {
            cell.reset();
            cell.set_diff_option(option);
        }
    }
}

fn unmark(buf: &mut Buffer, area: Rect) {
    for at in area.intersection(buf.area).positions() {
        if let Some(cell) = buf.cell_mut(at).filter(|cell| cell.diff_option == CellDiffOption::Skip) {
            cell.set_diff_option(CellDiffOption::None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    const SIXEL: Mode = Mode::Sixel { width: 10, height: 20 };

    #[test]
    fn pictures_grow_by_whole_numbers_and_shrink_only_when_they_must() {
        let shape = ImageShape { channels: 3, height: 32, width: 32 };
        assert_eq!(SIXEL.fit(shape, Size::new(20, 8)), Some((Scale::Up(5), Size::new(16, 8))));
        assert_eq!(Mode::Blocks.fit(shape, Size::new(70, 32)), Some((Scale::Up(2), Size::new(64, 32))));
        assert_eq!(Mode::Blocks.fit(shape, Size::new(20, 10)), Some((Scale::Down(2), Size::new(16, 8))));
        assert_eq!(Mode::Blocks.fit(shape, Size::new(0, 10)), None);
        assert_eq!(Mode::Off.fit(shape, Size::new(70, 32)), None);
    }

    #[test]
    fn a_shrunken_picture_is_the_mean_of_its_squares() {
        let dataset = fixture::dataset();
        let (whole, width, _) = pixels(&dataset, 1, Scale::Up(1));
        let (half, half_width, _) = pixels(&dataset, 1, Scale::Down(2));
        let mean = [0, 1, width, width + 1].iter().map(|i| usize::from(whole[*i][0])).sum::<usize>() / 4;
        assert_eq!(usize::from(half[0][0]), mean);
        assert_eq!(half_width, width / 2);
        let (double, double_width, _) = pixels(&dataset, 1, Scale::Up(2));
        assert_eq!((double[0], double[2 * double_width + 2]), (whole[0], whole[width + 1]));
    }

    #[test]
    fn only_differences_are_sent_and_they_decode_to_the_picture() {
        let dataset = fixture::dataset();
        let mut buf = Buffer::empty(Rect::new(0, 0, 40, 20));
        let (scale, size) = SIXEL.fit(dataset.shape, Size::new(10, 10)).unwrap();
        let placement = Placement { example: 2, area: Rect::new(3, 2, size.width, size.height), scale };
        let mut gallery = Gallery::default();
        let mut frame = |gallery: &mut Gallery, placement| {
            gallery.begin();
            gallery.want(&mut buf, placement);
            gallery.settle(&mut buf);
            let mut sent = Vec::new();
            gallery.send(&mut sent, &dataset).unwrap();
            sent
        };
        let sent = String::from_utf8(frame(&mut gallery, placement)).unwrap();
        let sixel = &sent[sent.find("\x1bP").unwrap()..];
        let decoded = icy_sixel::SixelImage::decode(sixel.as_bytes()).unwrap();
        let (expected, width, height) = pixels(&dataset, 2, scale);
        assert_eq!((decoded.width, decoded.height), (width, height));
        for (seen, meant) in decoded.pixels.as_chunks::<4>().0.iter().zip(expected) {
            // Sixel has 100 levels a channel, and near colours share one.
            assert!(seen.iter().zip(meant).all(|(a, b)| a.abs_diff(b) <= 8), "{seen:?} {meant:?}");
        }
        assert!(frame(&mut gallery, placement).is_empty());
        gallery.forget();
        assert!(!frame(&mut gallery, placement).is_empty());
        assert!(!frame(&mut gallery, Placement { example: 3, ..placement }).is_empty());
    }

    #[test]
    fn places_where_no_picture_was_are_blanked_before_the_first_one_is_drawn() {
        let dataset = fixture::dataset();
        let mut buf = Buffer::empty(Rect::new(0, 0, 40, 20));
        let (scale, size) = SIXEL.fit(dataset.shape, Size::new(6, 6)).unwrap();
        let at = |example, x| Placement { example, area: Rect::new(x, 3, size.width, size.height), scale };
        let mut gallery = Gallery::default();
        let mut cleared = |wanted: &[Placement]| {
            gallery.begin();
            for placement in wanted {
                gallery.want(&mut buf, *placement);
            }
            gallery.settle(&mut buf);
            let mut sent = Vec::new();
            let any = gallery.clear(&mut sent).unwrap();
            gallery.send(&mut Vec::new(), &dataset).unwrap();
            (any, String::from_utf8(sent).unwrap())
        };
        let (any, sent) = cleared(&[at(0, 1), at(1, 20)]);
        assert!(any && !sent.contains("\x1bP"), "{sent:?}");
        for column in [2, 21] {
            let row = format!(";{column}H{}", " ".repeat(size.width.into()));
            assert_eq!(sent.matches(&row).count(), usize::from(size.height));
        }
        assert_eq!(cleared(&[at(2, 1), at(1, 20)]), (false, String::new()), "one picture replaces another");
        assert!(cleared(&[at(2, 2), at(1, 20)]).1.contains(";3H"), "it moved by a column");
        assert!(cleared(&[]) == (false, String::new()) && cleared(&[at(2, 2)]).0, "text was there meanwhile");
    }

    #[test]
    fn what_is_covered_or_in_the_last_row_is_left_out() {
        let dataset = fixture::dataset();
        let mut buf = Buffer::empty(Rect::new(0, 0, 40, 20));
        let (scale, size) = SIXEL.fit(dataset.shape, Size::new(6, 6)).unwrap();
        let mut gallery = Gallery::default();
        for (example, x, y) in [(0, 0, 0), (1, 10, 5), (2, 20, 20 - size.height)] {
            let area = Rect::new(x, y, size.width, size.height);
            gallery.want(&mut buf, Placement { example, area, scale });
        }
        buf[(11, 6)].reset();
        gallery.settle(&mut buf);
        let kept: Vec<usize> = gallery.wanted().iter().map(|p| p.example).collect();
        assert_eq!(kept, [0]);
        assert_eq!(buf[(10, 5)].diff_option, CellDiffOption::None);
    }

    #[test]
    fn text_that_replaces_a_picture_is_written_again() {
        // The cell's content is the same blank: only the mark tells that a picture lies there.
        let area = Rect::new(0, 0, 4, 4);
        let (mut with, without) = (Buffer::empty(area), Buffer::empty(area));
        mark(&mut with, Rect::new(1, 1, 2, 2), CellDiffOption::Skip);
        assert_eq!(with.diff(&without).len(), 4);
    }
}
