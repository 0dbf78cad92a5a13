//! How do pixels become network inputs? Each channel is shifted and scaled to mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use super::ImageShape;

/// Per-channel mean and standard deviation of training pixels in [0, 1].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// One mean per channel.
    pub mean: Vec<f32>,
    /// One standard deviation per channel.
    pub std: Vec<f32>,
}

impl Normalisation {
    /// Mean and population standard deviation per channel of images `[examples, channels, height, width]`.
    ///
    /// A constant channel gets the standard deviation 1, so that it becomes 0 instead of NaN.
    pub fn of(pixels: &[u8], shape: ImageShape) -> Self {
        let plane = shape.height * shape.width;
        let mut moments = vec![Moments::default(); shape.channels];
        if plane > 0 {
            let channels = (0..shape.channels).cycle();
            for (channel, values) in channels.zip(pixels.chunks_exact(plane)) {
                moments[channel].add(values);
            }
        }
        Self { mean: moments.iter().map(Moments::mean).collect(), std: moments.iter().map(Moments::std).collect() }
    }
}

/// Whole-number sums of a channel's pixels: exact, so no order of addition can change the result.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Moments {
    fn add(&mut self, values: &[u8]) {
        self.count += values.len() as u64;
        self.sum += values.iter().map(|value| u64::from(*value)).sum::<u64>();
        self.squares += values.iter().map(|value| u64::from(*value).pow(2)).sum::<u64>();
    }

    fn mean(&self) -> f32 {
        (self.sum as f64 / (255.0 * self.count.max(1) as f64)) as f32
    }

    fn std(&self) -> f32 {
        let (count, sum, squares) = (u128::from(self.count), u128::from(self.sum), u128::from(self.squares));
        let spread = count * squares - sum * sum;
        if spread == 0 { 1.0 } else { ((spread as f64).sqrt() / (255.0 * self.count as f64)) as f32 }
    }
}

/// A normalisation as tables: one `f32` for each byte of each channel.
#[derive(Debug, Clone)]
pub struct Normaliser {
    tables: Vec<[f32; 256]>,
}

impl Normaliser {
    /// The tables of `(byte / 255 - mean) / std`, computed in `f64` and rounded once.
    pub fn new(normalisation: &Normalisation) -> Self {
        let table = |(mean, std): (&f32, &f32)| {
            let (mean, std) = (f64::from(*mean), f64::from(*std));
            std::array::from_fn(|byte| ((byte as f64 / 255.0 - mean) / std) as f32)
        };
        Self { tables: normalisation.mean.iter().zip(&normalisation.std).map(table).collect() }
    }

    /// One table per channel, indexed by the byte.
    pub fn tables(&self) -> &[[f32; 256]] {
        &self.tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 3, height: 1, width: 2 };

    #[test]
    fn mean_and_std_are_the_population_moments_of_each_channel() {
        // Channel 0: 0, 255, 0, 255; channel 1: constant; channel 2: 51, 102, 153, 204.
        let pixels = [0, 255, 7, 7, 51, 102, 0, 255, 7, 7, 153, 204];
        let found = Normalisation::of(&pixels, SHAPE);
        assert_eq!(found.mean, [0.5, 7.0 / 255.0, 0.5]);
        assert_eq!(found.std, [0.5, 1.0, 0.05_f32.sqrt()]);
    }

    #[test]
    fn normalised_training_pixels_have_mean_0_and_std_1() {
        let shape = ImageShape { channels: 1, height: 16, width: 16 };
        let pixels: Vec<u8> = (0..=255).collect();
        let normaliser = Normaliser::new(&Normalisation::of(&pixels, shape));
        let values: Vec<f64> = pixels.iter().map(|p| f64::from(normaliser.tables()[0][usize::from(*p)])).collect();
        let mean = values.iter().sum::<f64>() / 256.0;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / 256.0 - mean * mean;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-6, "{mean} {variance}");
    }

    #[test]
    fn a_constant_channel_becomes_zero() {
        let normaliser = Normaliser::new(&Normalisation::of(&[9, 9], ImageShape { channels: 1, ..SHAPE }));
        assert!(normaliser.tables()[0][9].abs() < 1e-7);
    }
}
