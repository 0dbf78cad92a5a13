//! What is trained on? `Dataset` keeps the source's pixels as they are, with labels, names, stable ids and a digest.

pub mod augment;
pub mod cifar;
pub mod embedded;
mod examples;
#[cfg(feature = "hub")]
pub mod hub;
pub mod idx;
mod input;
pub mod label_noise;
pub mod loader;
pub mod normalise;
pub mod official;
pub mod roles;
pub mod sources;
pub mod subset;
pub mod toy;
mod verdict;

pub use augment::View;
pub use examples::Examples;
pub use loader::{Loader, draw_views, order};
pub use normalise::Normalisation;
pub use roles::{HeldOut, Role};
pub use sources::{data_home, load};
pub use verdict::Verdict;

/// Images may be this high and wide.
pub const MOST_PIXELS_A_SIDE: usize = 512;

/// Channels, height and width of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// The training or the test part of a source, as its parser read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Shape of every image.
    pub shape: ImageShape,
    /// `[examples, channels, height, width]`
    pub pixels: Vec<u8>,
    /// Label of each example.
    pub labels: Vec<u16>,
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
    /// `[examples, channels, height, width]`, as the source has them; empty where they are no pictures.
    pub pixels: Vec<u8>,
    /// The same of examples that are no pictures (the toy's points), as a network sees them; else empty.
    pub values: Vec<f32>,
    /// Label of each example, as training is given it.
    pub labels: Vec<u16>,
    /// Label of each example, as the source has it: another one where label noise was injected.
    pub true_labels: Vec<u16>,
    /// Stable id of each example: its index in the source; test examples follow all the source's training examples.
    pub ids: Vec<u32>,
    /// Per-channel mean and standard deviation of the source's training pixels.
    pub normalisation: Normalisation,
    /// BLAKE3 of shape, class names, ids, labels and pixels, in hexadecimal; the bytes are laid out in [`digest`].
    pub digest: String,
}

impl Dataset {
    /// Puts a source's two parts together; `ids` are those of the training examples, then of the test examples.
    ///
    /// Normalisation is that of these training pixels.
    ///
    /// # Errors
    /// The reason why the parts are no data set: shapes, lengths, labels or ids that do not fit together.
    pub fn new(
        source: &str,
        class_names: Vec<String>,
        mut train: Split,
        test: Split,
        ids: Vec<u32>,
    ) -> Result<Self, String> {
        check_shape(train.shape)?;
        if test.shape != train.shape {
            return Err(format!("test images are {}, training images {}", test.shape, train.shape));
        }
        for (part, split) in [("training", &train), ("test", &test)] {
            check_split(split, class_names.len()).map_err(|reason| format!("{part} examples: {reason}"))?;
        }
        check_ids(&ids, train.labels.len() + test.labels.len())?;
        let normalisation = Normalisation::of(&train.pixels, train.shape);
        let examples = train.labels.len();
        train.pixels.extend(test.pixels);
        train.labels.extend(test.labels);
        let dataset = Self {
            source: source.to_owned(),
            shape: train.shape,
            class_names,
            train: examples,
            pixels: train.pixels,
            values: Vec::new(),
            true_labels: train.labels.clone(),
            labels: train.labels,
            ids,
            normalisation,
            digest: String::new(),
        };
        Ok(dataset.digested())
    }

    /// Examples that are no pictures: `values` `[examples, C, H, W]` as a network sees them, the first `train` of them training
    /// examples; ids count them.
    ///
    /// # Errors
    /// The reason why the parts are no data set: lengths or labels that do not fit together.
    pub fn of_values(
        source: &str,
        class_names: Vec<String>,
        shape: ImageShape,
        values: Vec<f32>,
        labels: Vec<u16>,
        train: usize,
    ) -> Result<Self, String> {
        let examples = labels.len();
        if values.len() != examples * shape.len() || train == 0 || train >= examples {
            return Err(format!("{} values of {examples} examples of {shape}, {train} to train on", values.len()));
        }
        if let Some(label) = labels.iter().find(|label| usize::from(**label) >= class_names.len()) {
            return Err(format!("label {label} is none of the {} classes", class_names.len()));
        }
        let normalisation = Normalisation { mean: vec![0.0; shape.channels], std: vec![1.0; shape.channels] };
        let dataset = Self {
            source: source.to_owned(),
            shape,
            class_names,
            train,
            pixels: Vec::new(),
            values,
            true_labels: labels.clone(),
            labels,
            ids: (0..examples as u32).collect(),
            normalisation,
            digest: String::new(),
        };
        Ok(dataset.digested())
    }

    fn digested(self) -> Self {
        let digest = digest(&self);
        Self { digest, ..self }
    }

    /// Whether its examples are pictures.
    pub fn has_pictures(&self) -> bool {
        self.values.is_empty()
    }

    /// The examples at some positions, as one part (positions past the end are left out).
    pub fn select(&self, positions: &[u32]) -> Split {
        let mut split = Split { shape: self.shape, pixels: Vec::new(), labels: Vec::new() };
        split.pixels.reserve_exact(positions.len() * self.shape.len());
        for position in positions {
            let position = *position as usize;
            split.pixels.extend_from_slice(self.image(position));
            split.labels.extend(self.labels.get(position));
        }
        split
    }

    /// Puts the labels at some positions into `labels` (positions past the end are left out).
    pub fn labels_at(&self, positions: &[u32], labels: &mut Vec<u16>) {
        labels.clear();
        labels.extend(positions.iter().filter_map(|position| self.labels.get(*position as usize)));
    }

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

    /// The values of an example that is no picture (empty past the end).
    pub fn values(&self, position: usize) -> &[f32] {
        let size = self.shape.len();
        self.values.get(position * size..(position + 1) * size).unwrap_or(&[])
    }

    /// The pixels of the example at a position (empty past the end).
    pub fn image(&self, position: usize) -> &[u8] {
        let size = self.shape.len();
        self.pixels.get(position * size..(position + 1) * size).unwrap_or(&[])
    }
}

fn check_shape(shape: ImageShape) -> Result<(), String> {
    let sides = 1..=MOST_PIXELS_A_SIDE;
    if ![1, 3].contains(&shape.channels) || !sides.contains(&shape.height) || !sides.contains(&shape.width) {
        return Err(format!("images are {shape}: expected 1 or 3 channels and sides of 1 to {MOST_PIXELS_A_SIDE}"));
    }
    Ok(())
}

fn check_split(split: &Split, classes: usize) -> Result<(), String> {
    let (examples, size) = (split.labels.len(), split.shape.len());
    if examples == 0 {
        return Err("there are none".to_owned());
    }
    if examples.checked_mul(size) != Some(split.pixels.len()) {
        return Err(format!("{examples} labels beside {} pixels of images of {size}", split.pixels.len()));
    }
    match split.labels.iter().find(|label| usize::from(**label) >= classes) {
        Some(label) => Err(format!("label {label} is none of the {classes} classes")),
        None => Ok(()),
    }
}

fn check_ids(ids: &[u32], examples: usize) -> Result<(), String> {
    if ids.len() != examples {
        return Err(format!("{} ids for {examples} examples", ids.len()));
    }
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("the id {} stands twice", pair[0])),
        None => Ok(()),
    }
}

/// The digest of a data set's content, whatever its source is called.
///
/// BLAKE3 of this byte layout (integers little-endian): `"diffscope data 1\0"`; channels, height, width, number of
/// classes, all `u32`; for each class the name's length `u32` and its bytes; training examples and examples, both
/// `u64`; ids `u32`; labels `u16`, as the source has them; pixels; values of what is no picture `f32`.
pub fn digest(dataset: &Dataset) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"diffscope data 1\0");
    let shape = dataset.shape;
    for number in [shape.channels, shape.height, shape.width, dataset.classes()] {
        hasher.update(&(number as u32).to_le_bytes());
    }
    for name in &dataset.class_names {
        hasher.update(&(name.len() as u32).to_le_bytes()).update(name.as_bytes());
    }
    for number in [dataset.train, dataset.len()] {
        hasher.update(&(number as u64).to_le_bytes());
    }
    let ids: Vec<u8> = dataset.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let labels: Vec<u8> = dataset.true_labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    let values: Vec<u8> = dataset.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    hasher.update(&ids).update(&labels).update(&dataset.pixels).update(&values);
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 1, width: 2 };

    fn split(labels: &[u16]) -> Split {
        let pixels = (0..2 * labels.len()).map(|pixel| pixel as u8).collect();
        Split { shape: SHAPE, pixels, labels: labels.to_vec() }
    }

    fn made(train: Split, test: Split, ids: &[u32]) -> Result<Dataset, String> {
        Dataset::new("made", vec!["cat".into(), "dog".into()], train, test, ids.to_vec())
    }

    fn sound() -> Dataset {
        made(split(&[0, 1, 1]), split(&[0]), &[0, 1, 2, 3]).unwrap()
    }

    #[test]
    fn training_examples_come_first_and_each_has_its_pixels() {
        let dataset = sound();
        assert_eq!((dataset.len(), dataset.train, dataset.test(), dataset.classes()), (4, 3, 1, 2));
        assert_eq!((dataset.image(2), dataset.image(3), dataset.image(4)), (&[4, 5][..], &[0, 1][..], &[][..]));
        assert_eq!(dataset.select(&[2, 0]), Split { shape: SHAPE, pixels: vec![4, 5, 0, 1], labels: vec![1, 0] });
    }

    #[test]
    fn parts_that_do_not_fit_together_are_refused_with_the_reason() {
        let narrow = Split { shape: ImageShape { width: 1, ..SHAPE }, pixels: vec![0], labels: vec![0] };
        let short = Split { pixels: vec![0; 3], ..split(&[0, 1]) };
        let two_channels = Split { shape: ImageShape { channels: 2, ..SHAPE }, pixels: vec![0; 4], labels: vec![0] };
        let cases = [
            (made(split(&[0]), narrow, &[0, 1]), "1x1x1"),
            (made(split(&[0, 2]), split(&[0]), &[0, 1, 2]), "label 2"),
            (made(short, split(&[0]), &[0, 1, 2]), "3 pixels"),
            (made(split(&[]), split(&[0]), &[0]), "training examples: there are none"),
            (made(split(&[0]), split(&[]), &[0]), "test examples: there are none"),
            (made(split(&[0, 1]), split(&[0]), &[0, 1]), "2 ids for 3 examples"),
            (made(split(&[0, 1]), split(&[0]), &[7, 1, 7]), "the id 7 stands twice"),
            (made(two_channels.clone(), two_channels, &[0, 1]), "channels"),
        ];
        for (result, reason) in cases {
            let found = result.expect_err(reason);
            assert!(found.contains(reason), "{found} should contain {reason}");
        }
    }

    #[test]
    fn the_digest_depends_on_every_part_of_the_content_but_not_on_the_source_s_name() {
        let base = sound();
        let changed = [
            Dataset { shape: ImageShape { height: 2, width: 1, ..SHAPE }, ..base.clone() },
            Dataset { class_names: vec!["cat".into(), "cow".into()], ..base.clone() },
            Dataset { class_names: vec!["catd".into(), "og".into()], ..base.clone() },
            Dataset { train: 2, ..base.clone() },
            Dataset { pixels: vec![0, 1, 2, 3, 4, 6, 0, 1], ..base.clone() },
            Dataset { true_labels: vec![0, 1, 0, 0], ..base.clone() },
            Dataset { ids: vec![0, 1, 2, 4], ..base.clone() },
        ];
        assert!(changed.iter().all(|other| digest(other) != base.digest));
        assert_eq!(digest(&Dataset { source: "other".into(), ..base.clone() }), base.digest);
    }

    #[test]
    fn the_digest_s_bytes_are_laid_out_as_written() {
        let mut bytes = b"diffscope data 1\0".to_vec();
        for number in [1_u32, 1, 2, 2] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(b"\x03\0\0\0cat\x03\0\0\0dog");
        bytes.extend([3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0_u32, 1, 2, 3].iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend([0, 0, 1, 0, 1, 0, 0, 0]);
        bytes.extend([0, 1, 2, 3, 4, 5, 0, 1]);
        assert_eq!(sound().digest, blake3::hash(&bytes).to_hex().as_str());
    }
}
