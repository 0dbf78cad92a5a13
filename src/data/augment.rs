//! How does a training image vary? A random crop out of the image with a border of zeros, then a random flip.
//!
//! Both come after normalising, so that the border is 0 to the network. The draws of an image, in this order and
//! only where enabled: `dy` and `dx`, each below `2 * crop + 1` (the window's corner in the padded image), then the
//! coin of the flip.

use super::normalise::Normaliser;
use super::{Dataset, ImageShape};
use crate::random::Stream;
use crate::study::config::Augment;

/// Normalises the image at a position into `out` (`[channels, height, width]`); a position past the end leaves `out`.
pub fn fill(dataset: &Dataset, normaliser: &Normaliser, position: usize, out: &mut [f32]) {
    let plane = plane(dataset.shape);
    let planes = dataset.image(position).chunks_exact(plane).zip(out.chunks_exact_mut(plane));
    for ((source, target), table) in planes.zip(normaliser.tables()) {
        look_up(source, table, target);
    }
}

/// As [`fill`], seen through a view.
pub fn seen(dataset: &Dataset, normaliser: &Normaliser, position: usize, view: View, out: &mut [f32]) {
    let (plane, width) = (plane(dataset.shape), dataset.shape.width.max(1));
    let planes = dataset.image(position).chunks_exact(plane).zip(out.chunks_exact_mut(plane));
    for ((source, target), table) in planes.zip(normaliser.tables()) {
        for (y, row) in target.chunks_exact_mut(width).enumerate() {
            let from = y.checked_add_signed(isize::from(view.top));
            match from.and_then(|y| source.get(y * width..(y + 1) * width)) {
                Some(from) => view.fill_row(from, table, row),
                None => row.fill(0.0),
            }
        }
    }
}

fn plane(shape: ImageShape) -> usize {
    (shape.height * shape.width).max(1)
}

fn look_up(source: &[u8], table: &[f32; 256], target: &mut [f32]) {
    for (value, byte) in target.iter_mut().zip(source) {
        *value = table[usize::from(*byte)];
    }
}

/// What of an image with a border of zeros is seen; by default the image itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// The image's row that is seen first; negative in the upper border.
    pub top: i8,
    /// The image's column that is seen first; negative in the left border.
    pub left: i8,
    /// Whether left and right are mirrored.
    pub flip: bool,
}

impl View {
    /// Draws a view.
    pub fn draw(augment: Augment, stream: &mut Stream) -> Self {
        // A config's crop is at most 64, so that a corner fits.
        let crop = augment.crop.min(64);
        let mut corner = || if crop == 0 { 0 } else { stream.below(2 * crop as u64 + 1) as i8 - crop as i8 };
        let (top, left) = (corner(), corner());
        Self { top, left, flip: augment.flip && stream.coin() }
    }

    /// `row[x]` is `from[x + left]`, or 0 outside; then mirrored.
    fn fill_row(self, from: &[u8], table: &[f32; 256], row: &mut [f32]) {
        let width = row.len();
        let start = usize::try_from(-i16::from(self.left)).unwrap_or(0).min(width);
        let skip = usize::try_from(self.left).unwrap_or(0).min(width);
        let end = start.max(width - skip);
        row[..start].fill(0.0);
        row[end..].fill(0.0);
        look_up(from.get(skip..).unwrap_or_default(), table, &mut row[start..end]);
        if self.flip {
            row.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Split;
    use crate::random::Key;

    /// Two colour images of 3x4 with distinct pixels.
    fn dataset() -> Dataset {
        let shape = ImageShape { channels: 3, height: 3, width: 4 };
        let split = |start: u8| Split { shape, pixels: (start..start + 36).collect(), labels: vec![0] };
        Dataset::new("made", vec!["only".into()], split(10), split(100), vec![0, 1]).unwrap()
    }

    fn plain(position: usize) -> Vec<f32> {
        let dataset = dataset();
        let mut out = vec![f32::NAN; 36];
        fill(&dataset, &Normaliser::new(&dataset.normalisation), position, &mut out);
        out
    }

    fn stream(example: u64) -> Stream {
        Key::study(1).stream_for("augment", 1, example)
    }

    fn varied(augment: Augment, example: u64) -> Vec<f32> {
        let dataset = dataset();
        let mut out = vec![f32::NAN; 36];
        let view = View::draw(augment, &mut stream(example));
        seen(&dataset, &Normaliser::new(&dataset.normalisation), 1, view, &mut out);
        out
    }

    /// The definition, pixel by pixel, on a padded copy.
    fn expected(augment: Augment, example: u64) -> Vec<f32> {
        let (image, crop) = (plain(1), augment.crop);
        let mut stream = stream(example);
        let mut corner = || if crop == 0 { 0 } else { stream.below(2 * crop as u64 + 1) as usize };
        let (dy, dx) = (corner(), corner());
        let flip = augment.flip && stream.coin();
        let (high, wide) = (3 + 2 * crop, 4 + 2 * crop);
        let mut padded = vec![0.0; 3 * high * wide];
        let mut out = vec![0.0; 36];
        for c in 0..3 {
            for y in 0..3 {
                for x in 0..4 {
                    padded[(c * high + y + crop) * wide + x + crop] = image[(c * 3 + y) * 4 + x];
                }
            }
            for y in 0..3 {
                for x in 0..4 {
                    let to = if flip { 3 - x } else { x };
                    out[(c * 3 + y) * 4 + to] = padded[(c * high + y + dy) * wide + x + dx];
                }
            }
        }
        out
    }

    #[test]
    fn a_plain_image_is_each_pixel_normalised_by_its_channel() {
        let dataset = dataset();
        for (index, value) in plain(1).iter().enumerate() {
            let (mean, std) = (dataset.normalisation.mean[index / 12], dataset.normalisation.std[index / 12]);
            let wanted = (f32::from(dataset.image(1)[index]) / 255.0 - mean) / std;
            assert!((value - wanted).abs() < 1e-5, "{index}: {value} {wanted}");
        }
    }

    #[test]
    fn without_crop_and_flip_an_augmented_image_is_the_plain_one_and_nothing_is_drawn() {
        let off = Augment { crop: 0, flip: false };
        assert_eq!(varied(off, 3), plain(1));
        let (mut used, mut fresh) = (stream(3), stream(3));
        View::draw(off, &mut used);
        assert_eq!(used.below(u64::MAX), fresh.below(u64::MAX));
    }

    #[test]
    fn flips_are_half_of_the_images_and_mirror_each_row() {
        let flipped = (0..1000).filter(|example| varied(Augment { crop: 0, flip: true }, *example) != plain(1)).count();
        assert!((430..570).contains(&flipped), "{flipped}");
        let mirrored: Vec<f32> = plain(1).chunks(4).flat_map(|row| row.iter().rev().copied()).collect();
        let all = (0..20).map(|example| varied(Augment { crop: 0, flip: true }, example));
        assert!(all.filter(|image| *image != plain(1)).all(|image| image == mirrored));
    }

    #[test]
    fn every_corner_of_the_padded_image_is_drawn_equally_often() {
        let mut counts = [[0_u32; 5]; 5];
        for example in 0..5000 {
            let view = View::draw(Augment { crop: 2, flip: true }, &mut stream(example));
            counts[usize::try_from(view.top + 2).unwrap()][usize::try_from(view.left + 2).unwrap()] += 1;
        }
        assert!(counts.iter().flatten().all(|count| (140..260).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn crops_and_flips_are_windows_of_the_padded_image(crop in 0_usize..8, flip: bool, example in 0_u64..10_000) {
            let augment = Augment { crop, flip };
            prop_assert_eq!(varied(augment, example), expected(augment, example));
        }
    }
}
