//! Keyed randomness: every draw is a function of what it is for, so nothing is ever stored or shared.
//!
//! A stream's key is the BLAKE3 hash of this byte layout (all integers little-endian):
//! `"diffscope stream 1\0"`, study seed `u64`, label length `u32`, label bytes, replicate index `u32`,
//! purpose length `u32`, purpose bytes, epoch `u32`, example `u64`. The hash keys a `ChaCha8` generator whose
//! 64-bit words are used in order. CPU and GPU thus share initialisation, order and augmentation, whatever
//! the number of jobs, and a resumed run needs no generator state.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Who draws: one replicate of one model of a study (for study-wide draws: an empty label, index 0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The study's seed.
    pub study_seed: u64,
    /// The model's label.
    pub label: String,
    /// The replicate's index.
    pub index: u32,
}

impl Key {
    /// The key of draws that belong to the whole study, such as which examples a `limit` keeps.
    pub fn study(study_seed: u64) -> Self {
        Self { study_seed, label: String::new(), index: 0 }
    }

    /// The replicate's seed, as shown to people: the first 8 bytes of its key for the purpose `seed`.
    pub fn seed(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.hash("seed", 0, 0).as_bytes()[..8]);
        u64::from_le_bytes(first)
    }

    /// The stream for a purpose that is drawn once.
    pub fn stream(&self, purpose: &str) -> Stream {
        self.stream_for(purpose, 0, 0)
    }

    /// The stream for a purpose, an epoch (from 1) and an example (its position in the data set).
    pub fn stream_for(&self, purpose: &str, epoch: u32, example: u64) -> Stream {
        Stream(ChaCha8Rng::from_seed(*self.hash(purpose, epoch, example).as_bytes()))
    }

    fn hash(&self, purpose: &str, epoch: u32, example: u64) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"diffscope stream 1\0").update(&self.study_seed.to_le_bytes());
        for (text, number) in [(self.label.as_str(), self.index), (purpose, epoch)] {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            hasher.update(&length.to_le_bytes()).update(text.as_bytes()).update(&number.to_le_bytes());
        }
        hasher.update(&example.to_le_bytes());
        hasher.finalize()
    }
}

/// A stream of keyed random numbers.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A whole number in `0..bound`, without bias (0 where `bound` is 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Words past the largest multiple of `bound` would favour small results: draw again.
        let last = u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let word = self.0.next_u64();
            if word <= last {
                return word % bound;
            }
        }
    }

    /// A fair coin.
    pub fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal by Box and Muller's cosine, with `libm` so that every machine draws the same bits.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Shuffles by Fisher and Yates, from the last place down.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { study_seed: 7, label: "resnet8".into(), index: 3 }
    }

    #[test]
    fn the_byte_layout_of_keys_stays_as_written() {
        // A changed value here changes every study: it is a new numerics version.
        assert_eq!(key().seed(), key().seed());
        let mut words = key().stream_for("order", 2, 5);
        let drawn: Vec<u64> = (0..3).map(|_| words.below(1_000_000)).collect();
        assert_eq!((key().seed(), drawn), (GOLDEN_SEED, GOLDEN_DRAWS.to_vec()));
    }
    const GOLDEN_SEED: u64 = 13_777_931_575_171_586_249;
    const GOLDEN_DRAWS: [u64; 3] = [676_925, 484_853, 952_502];

    #[test]
    fn every_part_of_a_key_changes_the_stream() {
        let base = key().stream_for("order", 1, 1).uniform();
        let other = |k: Key, purpose, epoch, example| k.stream_for(purpose, epoch, example).uniform();
        let changed = [
            other(Key { study_seed: 8, ..key() }, "order", 1, 1),
            other(Key { label: "resnet".into(), ..key() }, "order", 1, 1),
            other(Key { index: 4, ..key() }, "order", 1, 1),
            other(key(), "flip", 1, 1),
            other(key(), "order", 2, 1),
            other(key(), "order", 1, 2),
        ];
        assert!(changed.iter().all(|value| value.to_bits() != base.to_bits()));
    }

    #[test]
    fn draws_below_a_bound_are_uniform_and_normals_are_standard() {
        let mut stream = key().stream("test");
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[usize::try_from(stream.below(7)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        let normals: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 1e5;
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert_eq!((stream.below(0), stream.below(1)), (0, 0));
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..1000).collect();
        key().stream("order").shuffle(&mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
