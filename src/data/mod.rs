//! What is trained on: `Dataset` keeps the source's pixels as they are, with labels, names, stable ids and a digest.

pub mod augment;
pub mod cifar;
pub mod embedded;
pub mod idx;
pub mod normalise;
pub mod sources;
pub mod subset;

pub use normalise::Normalisation;
pub use sources::load;

/// Channels, height and width of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// 1 (grey) or 3 (red, green, blue planes).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Values in one image.
    pub fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether an image holds nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The examples of a study: the training examples first, then the test examples.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The source's name, as in the config.
    pub source: String,
    /// Shape of every image.
    pub shape: ImageShape,
    /// One name per class.
    pub class_names: Vec<String>,
    /// How many of the examples are training examples.
    pub train: usize,
    /// `[examples, channels, height, width]`, as the source has them.
    pub pixels: Vec<u8>,
    /// Label of each example.
    pub labels: Vec<u16>,
    /// Stable id of each example: its index in the source; test examples follow all the source's training examples.
    pub ids: Vec<u32>,
    /// Per-channel mean and standard deviation of the source's training pixels.
    pub normalisation: Normalisation,
    /// BLAKE3 of shape, class names, ids, labels and pixels, in hexadecimal.
    pub digest: String,
}

impl Dataset {
    /// Number of examples, training and test.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of test examples.
    pub fn test(&self) -> usize {
        self.len() - self.train
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// The pixels of the example at a position (empty past the end).
    pub fn image(&self, position: usize) -> &[u8] {
        let size = self.shape.len();
        self.pixels.get(position * size..(position + 1) * size).unwrap_or(&[])
    }
}
