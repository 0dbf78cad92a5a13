//! What is there without any download? 4,000 training and 1,000 test images of Fashion-MNIST inside the program.
//!
//! They are a plain stratified random sample (400 and 100 per class, nothing picked by hand), kept under
//! `assets/fashion-mnist-subset/` in Fashion-MNIST's own format, with the ids that they have in the full set, its
//! class names and its licence. [`regenerate`] makes the same bytes again from the full set.

use std::path::Path;

use super::input::{Input, names};
use super::{Dataset, Split, idx, subset};
use crate::random::Key;
use crate::{Error, Result};

/// How many training and test examples are kept.
const SIZES: (usize, usize) = (4000, 1000);

/// The study seed of the sample.
const SEED: u64 = 0;

/// The bytes of one file beside its path from the repository's root.
macro_rules! asset {
    ($name:literal) => {
        (
            concat!("assets/fashion-mnist-subset/", $name),
            include_bytes!(concat!("../../assets/fashion-mnist-subset/", $name)).as_slice(),
        )
    };
}

type Asset = (&'static str, &'static [u8]);
const TRAIN_IMAGES: Asset = asset!("train-images-idx3-ubyte.gz");
const TRAIN_LABELS: Asset = asset!("train-labels-idx1-ubyte.gz");
const TEST_IMAGES: Asset = asset!("t10k-images-idx3-ubyte.gz");
const TEST_LABELS: Asset = asset!("t10k-labels-idx1-ubyte.gz");
const IDS: Asset = asset!("ids.txt");
const CLASS_NAMES: Asset = asset!("class_names.txt");

/// The embedded data set.
///
/// # Errors
/// `Error::File` where the program was built with damaged files.
pub fn dataset() -> Result<Dataset> {
    let names = names(text(CLASS_NAMES)?);
    let part = |(images_path, images), (labels_path, labels)| {
        idx::split(Input::bytes(images_path, images), Input::bytes(labels_path, labels), names.len())
    };
    let (train, test) = (part(TRAIN_IMAGES, TRAIN_LABELS)?, part(TEST_IMAGES, TEST_LABELS)?);
    let ids: Option<Vec<u32>> = text(IDS)?.lines().map(|line| line.parse().ok()).collect();
    let ids = ids.ok_or_else(|| Error::file(IDS.0, "expected one whole number per line"))?;
    Dataset::new("embedded", names, train, test, ids).map_err(|reason| Error::file(IDS.0, reason))
}

fn text((path, bytes): Asset) -> Result<&'static str> {
    std::str::from_utf8(bytes).map_err(|_| Error::file(path, "expected text"))
}

/// Writes the embedded files to the folder `out`, byte for byte, from the folder of the full Fashion-MNIST.
///
/// The sample of each part is [`subset::stratified`] with the study-wide streams `embedded train` and
/// `embedded test` of seed 0.
///
/// # Errors
/// As reading `fashion-mnist`; `Error::Io` where `out` cannot be written.
pub fn regenerate(source_folder: &Path, out: &Path) -> Result<()> {
    let full = idx::folder("fashion-mnist", &idx::FASHION, source_folder)?;
    if full.train < SIZES.0 || full.test() < SIZES.1 {
        let found = format!("{} + {} examples", full.train, full.test());
        return Err(Error::file(source_folder, format!("{found}: expected the full Fashion-MNIST")));
    }
    let (train_labels, test_labels) = full.labels.split_at(full.train);
    let chosen = |labels: &[u16], size: usize, purpose: &str| {
        subset::stratified(labels, full.classes(), size, &mut Key::study(SEED).stream(purpose))
    };
    let train = chosen(train_labels, SIZES.0, "embedded train");
    let test = chosen(test_labels, SIZES.1, "embedded test");
    let test: Vec<u32> = test.into_iter().map(|position| position + full.train as u32).collect();
    // The full set's positions are its ids.
    let ids: Vec<String> = train.iter().chain(&test).map(u32::to_string).collect();
    std::fs::create_dir_all(out).map_err(Error::io(out))?;
    for (name, content) in encoded(&full.select(&train), &full.select(&test)).map_err(Error::io(out))? {
        write(out, name, &content)?;
    }
    for (asset, lines) in [(IDS.0, &ids), (CLASS_NAMES.0, &full.class_names)] {
        write(out, asset, format!("{}\n", lines.join("\n")).as_bytes())?;
    }
    Ok(())
}

/// Writes a file of the subset under its own name in another folder.
fn write(out: &Path, asset: &str, content: &[u8]) -> Result<()> {
    let path = out.join(Path::new(asset).file_name().unwrap_or_default());
    std::fs::write(&path, content).map_err(Error::io(&path))
}

/// The four IDX files of the subset.
fn encoded(train: &Split, test: &Split) -> std::io::Result<[(&'static str, Vec<u8>); 4]> {
    Ok([
        (TRAIN_IMAGES.0, idx::gzip(&idx::encode_images(train))?),
        (TRAIN_LABELS.0, idx::gzip(&idx::encode_labels(train))?),
        (TEST_IMAGES.0, idx::gzip(&idx::encode_images(test))?),
        (TEST_LABELS.0, idx::gzip(&idx::encode_labels(test))?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSETS: [Asset; 6] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS, IDS, CLASS_NAMES];

    /// Share of an image's ink above (`true`) or below its middle row.
    fn ink(image: &[u8], upper: bool) -> f64 {
        let sum = |pixels: &[u8]| pixels.iter().map(|pixel| f64::from(*pixel)).sum::<f64>();
        let (top, bottom) = image.split_at(image.len() / 2);
        sum(if upper { top } else { bottom }) / sum(image)
    }

    /// The mean image of a class over the training examples.
    fn mean_image(dataset: &Dataset, class: u16) -> Vec<u8> {
        let members: Vec<usize> = (0..dataset.train).filter(|position| dataset.labels[*position] == class).collect();
        (0..784)
            .map(|pixel| {
                let sum: usize = members.iter().map(|position| usize::from(dataset.image(*position)[pixel])).sum();
                (sum / members.len()) as u8
            })
            .collect()
    }

    #[test]
    fn every_class_has_400_training_and_100_test_images_under_the_source_s_names() {
        let dataset = dataset().unwrap();
        assert_eq!((dataset.train, dataset.test(), dataset.shape.to_string()), (4000, 1000, "1x28x28".to_owned()));
        assert_eq!(dataset.class_names, idx::FASHION);
        for class in 0..10 {
            let count = |labels: &[u16]| labels.iter().filter(|label| **label == class).count();
            assert_eq!((count(&dataset.labels[..4000]), count(&dataset.labels[4000..])), (400, 100));
        }
        assert!(dataset.ids.is_sorted() && dataset.ids[3999] < 60_000);
        assert!(dataset.ids[4000] >= 60_000 && dataset.ids[4999] < 70_000);
    }

    #[test]
    fn labels_and_orientation_are_those_of_clothes() {
        let dataset = dataset().unwrap();
        let [trouser, sneaker, boot] = [1, 7, 9].map(|class| mean_image(&dataset, class));
        // A sneaker lies at the bottom of its picture; a boot stands with its sole down and its toe to the left.
        assert!(ink(&sneaker, false) > 0.65, "{}", ink(&sneaker, false));
        assert!(ink(&boot, false) > 0.55, "{}", ink(&boot, false));
        let (toe, above_toe) = (boot[22 * 28 + 3], boot[6 * 28 + 3]);
        assert!(toe > 60 && above_toe < 30, "{toe} {above_toe}");
        // Trousers: two legs with a gap between them near the bottom, none at the waist, nothing at the sides.
        let (gap, leg, waist, side) =
            (trouser[25 * 28 + 14], trouser[25 * 28 + 10], trouser[3 * 28 + 14], trouser[14 * 28 + 1]);
        assert!(leg > gap.saturating_add(40) && waist > 100 && side < 10, "{gap} {leg} {waist} {side}");
    }

    #[test]
    fn content_and_normalisation_stay_as_they_are() {
        let dataset = dataset().unwrap();
        // A changed digest orphans every study of the embedded data.
        assert_eq!(dataset.digest, "6f0928c7111f345727132c5daac66e2700397f4209a171592607e7aaa9f2a187");
        // Computed from the files with another program.
        assert_eq!(dataset.normalisation.mean, [0.286_243_46]);
        assert_eq!(dataset.normalisation.std, [0.353_369_92]);
    }

    #[test]
    fn parsed_and_encoded_again_the_files_are_the_same_bytes() {
        let dataset = dataset().unwrap();
        let train = dataset.select(&(0..4000).collect::<Vec<_>>());
        let test = dataset.select(&(4000..5000).collect::<Vec<_>>());
        for ((name, bytes), (_, asset)) in encoded(&train, &test).unwrap().iter().zip(ASSETS) {
            assert!(bytes == asset, "{name} differs");
        }
    }

    #[test]
    fn a_folder_with_too_few_images_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let part = dataset().unwrap().select(&[0, 1]);
        for (asset, content) in encoded(&part, &part).unwrap() {
            write(home.path(), asset, &content).unwrap();
        }
        let error = regenerate(home.path(), &home.path().join("out")).unwrap_err().to_string();
        assert!(error.contains("2 + 2 examples"), "{error}");
    }

    #[test]
    #[ignore = "needs the full Fashion-MNIST in the data folder"]
    fn regenerated_from_the_full_set_the_files_are_the_same_bytes() {
        let out = tempfile::tempdir().unwrap();
        regenerate(&crate::data::data_home().join("fashion-mnist"), out.path()).unwrap();
        for (path, asset) in ASSETS {
            let bytes = std::fs::read(out.path().join(Path::new(path).file_name().unwrap())).unwrap();
            assert!(bytes == asset, "{path} differs");
        }
    }
}
