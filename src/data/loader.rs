//! What does a network see at a step? Batches of normalised images, plain or augmented, in a keyed order.

use super::normalise::Normaliser;
use super::{Dataset, augment};
use crate::random::Key;
use crate::study::config::Augment;

/// Turns positions of a data set into batches `[positions, channels, height, width]`.
///
/// A batch reuses its vector: after the largest one nothing is allocated.
#[derive(Debug, Clone)]
pub struct Loader<'a> {
    dataset: &'a Dataset,
    normaliser: Normaliser,
}

impl<'a> Loader<'a> {
    /// A loader with the data set's own normalisation.
    pub fn new(dataset: &'a Dataset) -> Self {
        Self { dataset, normaliser: Normaliser::new(&dataset.normalisation) }
    }

    /// Puts the images at some positions into `out` (zeros for a position past the end).
    pub fn plain(&self, positions: &[u32], out: &mut Vec<f32>) {
        for (position, image) in self.images(positions, out) {
            augment::fill(self.dataset, &self.normaliser, position as usize, image);
        }
    }

    /// As [`Loader::plain`], each image cropped and flipped by its own stream: that of the purpose `augment`, the
    /// epoch and the example's position. So an image's variation depends on neither batch size nor order.
    pub fn augmented(&self, positions: &[u32], augment: Augment, key: &Key, epoch: u32, out: &mut Vec<f32>) {
        if augment == Augment::default() {
            return self.plain(positions, out);
        }
        for (position, image) in self.images(positions, out) {
            let mut stream = key.stream_for("augment", epoch, u64::from(position));
            augment::augmented(self.dataset, &self.normaliser, position as usize, augment, &mut stream, image);
        }
    }

    /// The place in `out` of each position's image, zeroed.
    fn images<'o>(
        &self,
        positions: &'o [u32],
        out: &'o mut Vec<f32>,
    ) -> impl Iterator<Item = (u32, &'o mut [f32])> + use<'o> {
        let size = self.dataset.shape.len().max(1);
        out.clear();
        out.resize(positions.len() * size, 0.0);
        positions.iter().copied().zip(out.chunks_exact_mut(size))
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

    #[test]
    fn a_batch_holds_the_images_of_its_positions_in_their_order() {
        let dataset = dataset();
        let (loader, mut batch, mut single) = (Loader::new(&dataset), Vec::new(), Vec::new());
        loader.plain(&[5, 0, 9], &mut batch);
        assert_eq!(batch.len(), 48);
        for (image, position) in batch.chunks(16).zip([5, 0, 9]) {
            loader.plain(&[position], &mut single);
            assert_eq!(image, single);
        }
        loader.plain(&[10], &mut batch);
        assert_eq!(batch, [0.0; 16]);
    }

    #[test]
    fn an_augmented_image_depends_on_key_epoch_and_position_but_not_on_its_batch() {
        let dataset = dataset();
        let loader = Loader::new(&dataset);
        let batch = |positions: &[u32], key: &Key, epoch| {
            let mut out = vec![7.0; 3];
            loader.augmented(positions, AUGMENT, key, epoch, &mut out);
            out
        };
        let all: Vec<u32> = (0..8).collect();
        let base = batch(&all, &key(), 1);
        assert_eq!(base[3 * 16..4 * 16], batch(&[7, 3], &key(), 1)[16..]);
        assert_ne!(base, batch(&all, &key(), 2));
        assert_ne!(base, batch(&all, &Key { index: 3, ..key() }, 1));
    }

    #[test]
    fn without_augmentation_a_training_batch_is_the_plain_one() {
        let dataset = dataset();
        let loader = Loader::new(&dataset);
        let (mut plain, mut augmented) = (Vec::new(), Vec::new());
        loader.plain(&[1, 2], &mut plain);
        loader.augmented(&[1, 2], Augment::default(), &key(), 1, &mut augmented);
        assert_eq!(plain, augmented);
    }

    #[test]
    fn a_smaller_batch_reuses_the_vector_of_a_larger_one() {
        let dataset = dataset();
        let (loader, mut out) = (Loader::new(&dataset), Vec::new());
        loader.plain(&[0, 1, 2, 3], &mut out);
        let before = (out.as_ptr(), out.capacity());
        loader.plain(&[4], &mut out);
        loader.augmented(&[5, 6], AUGMENT, &key(), 1, &mut out);
        assert_eq!((out.as_ptr(), out.capacity(), out.len()), (before.0, before.1, 32));
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
