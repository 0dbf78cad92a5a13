//! What does a network see at a step? Normalised images at positions of the data set, plain or through drawn views,
//! in a keyed order.

use std::sync::Arc;

use super::augment::{self, View};
use super::normalise::Normaliser;
use super::{Dataset, ImageShape};
use crate::random::Key;
use crate::study::config::Augment;

/// Turns positions of a data set into images `[channels, height, width]`.
#[derive(Debug, Clone)]
pub struct Loader {
    dataset: Arc<Dataset>,
    normaliser: Normaliser,
}

impl Loader {
    /// A loader with the data set's own normalisation.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        let normaliser = Normaliser::new(&dataset.normalisation);
        Self { dataset, normaliser }
    }

    /// Shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.dataset.shape
    }

    /// Fills `out` with the image at a position, through a view where there is one; zeros for a position past the end.
    pub fn image(&self, position: u32, view: Option<View>, out: &mut [f32]) {
        let position = position as usize;
        if position >= self.dataset.len() {
            out.fill(0.0);
        }
        let values = self.dataset.values(position);
        if let Some(out) = out.get_mut(..values.len()).filter(|_| !values.is_empty()) {
            out.copy_from_slice(values);
            return;
        }
        match view {
            Some(view) if view != View::default() => {
                augment::seen(&self.dataset, &self.normaliser, position, view, out);
            }
            _ => augment::fill(&self.dataset, &self.normaliser, position, out),
        }
    }
}

/// The views of the images at some positions in an epoch (from 1), into `views`: none where nothing is augmented.
///
/// Each is drawn from the image's own stream: that of the purpose `augment`, the epoch and the position. So an image's
/// variation depends on neither batch size, order nor backend.
pub fn draw_views(positions: &[u32], augment: Augment, key: &Key, epoch: u32, views: &mut Vec<View>) {
    views.clear();
    if augment != Augment::default() {
        let draw = |position: &u32| View::draw(augment, &mut key.stream_for("augment", epoch, u64::from(*position)));
        views.extend(positions.iter().map(draw));
    }
}

/// The order of `n` training examples in an epoch (from 1): a permutation of their positions, keyed by the purpose
/// `order` and the epoch.
pub fn order(key: &Key, epoch: u32, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    key.stream_for("order", epoch, 0).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageShape, Split};

    const AUGMENT: Augment = Augment { crop: 1, flip: true };

    fn dataset() -> Dataset {
        let shape = ImageShape { channels: 1, height: 4, width: 4 };
        let split = |start: u8, n: u8| Split {
            shape,
            pixels: (start..start + 16 * n).collect(),
            labels: vec![0; usize::from(n)],
        };
        Dataset::new("made", vec!["only".into()], split(0, 8), split(200, 2), (0..10).collect()).unwrap()
    }

    fn key() -> Key {
        Key { study_seed: 1, label: "mlp".into(), index: 2 }
    }

    fn image(loader: &Loader, position: u32, view: Option<View>) -> Vec<f32> {
        let mut out = vec![7.0; 16];
        loader.image(position, view, &mut out);
        out
    }

    #[test]
    fn images_are_those_of_their_positions_and_nothing_lies_past_the_end() {
        let loader = Loader::new(Arc::new(dataset()));
        assert_ne!(image(&loader, 5, None), image(&loader, 0, None));
        assert_eq!(image(&loader, 10, None), [0.0; 16]);
        assert_eq!(image(&loader, 5, Some(View::default())), image(&loader, 5, None));
    }

    #[test]
    fn a_view_depends_on_key_epoch_and_position_but_not_on_its_batch() {
        let views = |positions: &[u32], key: &Key, epoch| {
            let mut views = vec![View::default()];
            draw_views(positions, AUGMENT, key, epoch, &mut views);
            views
        };
        let all: Vec<u32> = (0..8).collect();
        let base = views(&all, &key(), 1);
        assert_eq!(base[3], views(&[7, 3], &key(), 1)[1]);
        assert_ne!(base, views(&all, &key(), 2));
        assert_ne!(base, views(&all, &Key { index: 3, ..key() }, 1));
        let loader = Loader::new(Arc::new(dataset()));
        assert!(
            (0..8)
                .zip(&base)
                .any(|(position, view)| image(&loader, position, Some(*view)) != image(&loader, position, None))
        );
    }

    #[test]
    fn without_augmentation_no_view_is_drawn() {
        let mut views = vec![View::default()];
        draw_views(&[1, 2], Augment::default(), &key(), 1, &mut views);
        assert!(views.is_empty());
    }

    #[test]
    fn the_order_is_a_permutation_keyed_by_replicate_and_epoch() {
        let first = order(&key(), 1, 100);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(first, order(&key(), 1, 100));
        assert_ne!(first, order(&key(), 2, 100));
        assert_ne!(first, order(&Key { index: 3, ..key() }, 1, 100));
        // Pinned: another order is another numerics version.
        assert_eq!(order(&key(), 1, 8), [5, 4, 3, 6, 0, 2, 7, 1]);
    }
}
