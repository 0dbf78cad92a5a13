//! What is in an IDX file? The format of MNIST and its relatives, raw or gzipped.
//!
//! Big-endian: two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension as `u32`, the
//! values. Nothing that a header claims is allocated before the bytes are there.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

use super::input::{Input, MOST_BYTES, not_found};
use super::{Dataset, ImageShape, MOST_PIXELS_A_SIDE, Split};
use crate::{Error, Result};

/// The classes of Fashion-MNIST, in the order of its labels.
pub const FASHION: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
/// The classes of MNIST.
pub const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// The data set in a folder that holds the four files of MNIST's kind; ids count through training and test examples.
///
/// # Errors
/// `Error::File` or `Error::Io` with the file that is missing or wrong.
pub fn folder(source: &str, class_names: &[&str], folder: &Path) -> Result<Dataset> {
    let read = |images: &str, labels: &str| {
        let (images, labels) = (find(folder, images, 3)?, find(folder, labels, 1)?);
        let split = split(Input::open(&images)?, Input::open(&labels)?, class_names.len())?;
        Ok::<_, Error>((split, images))
    };
    let (train, _) = read("train-images", "train-labels")?;
    let (test, test_images) = read("t10k-images", "t10k-labels")?;
    let ids = (0..(train.labels.len() + test.labels.len()) as u32).collect();
    let names = class_names.iter().map(ToString::to_string).collect();
    Dataset::new(source, names, train, test, ids).map_err(|reason| Error::file(test_images, reason))
}

/// The file of a part under one of the names that are in use.
fn find(folder: &Path, part: &str, dimensions: usize) -> Result<PathBuf> {
    let named = |joint: &str, end: &str| folder.join(format!("{part}{joint}idx{dimensions}-ubyte{end}"));
    let candidates = [named("-", ""), named("-", ".gz"), named(".", ""), named(".", ".gz")];
    candidates.into_iter().find(|path| path.exists()).ok_or_else(|| not_found(&named("-", "[.gz]")))
}

/// One part: grey images and their labels.
///
/// # Errors
/// `Error::File` where a file is no IDX file of its kind or the two do not fit together.
pub(super) fn split<R: BufRead>(images: Input<R>, labels: Input<R>, classes: usize) -> Result<Split> {
    let path = labels.path.clone();
    let wrong = |reason: String| Error::file(&path, reason);
    let ([count, height, width], pixels) = values::<3, _>(images)?;
    let ([labelled], labels) = values::<1, _>(labels)?;
    if labelled != count {
        return Err(wrong(format!("{labelled} labels for {count} images")));
    }
    if let Some((index, label)) = labels.iter().enumerate().find(|(_, label)| usize::from(**label) >= classes) {
        return Err(wrong(format!("example {index} has the label {label}, but there are {classes} classes (from 0)")));
    }
    let labels = labels.into_iter().map(u16::from).collect();
    Ok(Split { shape: ImageShape { channels: 1, height, width }, pixels, labels })
}

/// The sizes and values of an IDX file with `D` dimensions: 3 for images, 1 for labels.
fn values<const D: usize, R: BufRead>(input: Input<R>) -> Result<([usize; D], Vec<u8>)> {
    let mut input = input.unzipped()?;
    let header = input.take(4 + 4 * D as u64)?;
    let sizes = sizes::<D>(&header).map_err(|reason| input.wrong(reason))?;
    let expected = sizes.iter().try_fold(1_u64, |product, size| product.checked_mul(*size as u64));
    let expected = expected.filter(|bytes| *bytes <= MOST_BYTES).ok_or_else(|| {
        input.wrong(format!("the IDX header claims {sizes:?} values: more than {MOST_BYTES} are not read"))
    })?;
    let bytes = input.take(expected + 1)?;
    match bytes.len() as u64 {
        length if length < expected => Err(input
            .wrong(format!("truncated: the IDX header announces {expected} bytes of values, but there are {length}"))),
        length if length > expected => {
            Err(input.wrong(format!("bytes follow after the {expected} values that the IDX header announces")))
        }
        _ => Ok((sizes, bytes)),
    }
}

/// The sizes in a header, checked.
fn sizes<const D: usize>(header: &[u8]) -> Result<[usize; D], String> {
    let word = |at: usize| Some(u32::from_be_bytes(header.get(4 * at..4 * at + 4)?.try_into().ok()?));
    let kind = if D == 3 { "images" } else { "labels" };
    let expected = 0x0800 + D as u32;
    match word(0) {
        Some(magic) if magic == expected => {}
        Some(0x0802) if D == 3 => {
            return Err("an IDX file of flat vectors (2 dimensions): images need rows and columns (3)".to_owned());
        }
        Some(magic) => {
            let reason = format!("bad IDX magic 0x{magic:08x}: a file of {kind} starts with 0x{expected:08x}");
            return Err(reason);
        }
        None => return Err(format!("{} bytes are too few for an IDX header", header.len())),
    }
    let mut sizes = [0; D];
    for (index, size) in sizes.iter_mut().enumerate() {
        *size = word(index + 1).ok_or("the IDX header ends early")? as usize;
        let most = if index == 0 { u32::MAX as usize } else { MOST_PIXELS_A_SIDE };
        if !(1..=most).contains(size) {
            let what = ["number of examples", "height", "width"].get(index).unwrap_or(&"size");
            return Err(format!("the {what} in the IDX header is {size}: expected 1 to {most}"));
        }
    }
    Ok(sizes)
}

/// The bytes of an IDX file of images.
pub(super) fn encode_images(split: &Split) -> Vec<u8> {
    let sizes = [split.labels.len(), split.shape.height, split.shape.width];
    encode(&sizes, split.pixels.iter().copied())
}

/// The bytes of an IDX file of labels (which are below 256).
pub(super) fn encode_labels(split: &Split) -> Vec<u8> {
    encode(&[split.labels.len()], split.labels.iter().map(|label| *label as u8))
}

fn encode(sizes: &[usize], values: impl Iterator<Item = u8>) -> Vec<u8> {
    let magic = 0x0800 + sizes.len() as u32;
    let header = std::iter::once(magic).chain(sizes.iter().map(|size| *size as u32));
    header.flat_map(u32::to_be_bytes).chain(values).collect()
}

/// The bytes of a gzip file that depend on nothing but the content: no name, no time, no operating system.
///
/// # Errors
/// None in practice: it writes to memory.
pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three asymmetric images of 2 rows and 3 columns.
    fn made() -> Split {
        let shape = ImageShape { channels: 1, height: 2, width: 3 };
        Split { shape, pixels: (1..=18).collect(), labels: vec![2, 0, 1] }
    }

    fn parse(images: &[u8], labels: &[u8]) -> Result<Split> {
        split(Input::bytes("images", images), Input::bytes("labels", labels), 3)
    }

    /// An IDX header of these words, then these values.
    fn file(words: &[u32], values: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).chain(values.iter().copied()).collect()
    }

    fn refused(images: &[u8], labels: &[u8], name: &str, reason: &str) {
        let error = parse(images, labels).expect_err(reason).to_string();
        assert!(error.starts_with(&format!("{name}: ")) && error.contains(reason), "{error} should contain {reason}");
    }

    #[test]
    fn the_published_bytes_are_read_row_by_row() {
        // Written by hand from the format's description, not by the encoder.
        let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &(1..=12).collect::<Vec<u8>>()].concat();
        let labels = [0, 0, 8, 1, 0, 0, 0, 2, 2, 1];
        let found = parse(&images, &labels).unwrap();
        assert_eq!((found.shape.channels, found.shape.height, found.shape.width), (1, 2, 3));
        assert_eq!((found.pixels, found.labels), ((1..=12).collect(), vec![2, 1]));
    }

    #[test]
    fn raw_and_gzipped_files_are_read_alike() {
        let (images, labels) = (encode_images(&made()), encode_labels(&made()));
        assert_eq!(parse(&images, &labels).unwrap(), made());
        assert_eq!(parse(&gzip(&images).unwrap(), &gzip(&labels).unwrap()).unwrap(), made());
    }

    #[test]
    fn a_gzip_s_bytes_depend_on_the_content_alone() {
        let zipped = gzip(b"content").unwrap();
        // Magic, deflate, no name or comment; no time; best compression; unknown system.
        assert_eq!(zipped[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    }

    #[test]
    fn wrong_starts_and_lying_headers_are_refused() {
        let labels = encode_labels(&made());
        let images = encode_images(&made());
        let most = u32::MAX;
        refused(b"PNG, perhaps, or something", &labels, "images", "bad IDX magic");
        refused(&labels, &labels, "images", "bad IDX magic 0x00000801");
        refused(&images, &images, "labels", "bad IDX magic 0x00000803");
        refused(&file(&[0x0802, 3, 6], &[0; 18]), &labels, "images", "flat vectors");
        refused(&[0, 0], &labels, "images", "too few");
        refused(&images[..12], &labels, "images", "ends early");
        refused(&file(&[0x0803, 0, 2, 3], &[]), &labels, "images", "number of examples");
        refused(&file(&[0x0803, 1, 513, 3], &[]), &labels, "images", "height");
        refused(&file(&[0x0803, 1, 2, 0], &[]), &labels, "images", "width");
        refused(&file(&[0x0803, most, 512, 512], &[]), &labels, "images", "claims");
        refused(&images, &file(&[0x0801, most], &[0]), "labels", "claims");
    }

    #[test]
    fn truncated_oversized_and_mismatched_files_are_refused() {
        let (images, labels) = (encode_images(&made()), encode_labels(&made()));
        refused(
            &images[..33],
            &labels,
            "images",
            "truncated: the IDX header announces 18 bytes of values, but there are 17",
        );
        refused(&[&images[..], &[0]].concat(), &labels, "images", "bytes follow");
        refused(&images, &file(&[0x0801, 2], &[0, 1]), "labels", "2 labels for 3 images");
        refused(&images, &file(&[0x0801, 3], &[0, 1, 3]), "labels", "example 2 has the label 3");
    }

    #[test]
    fn corrupt_gzip_is_refused_and_what_follows_it_too() {
        let (zipped, labels) = (gzip(&encode_images(&made())).unwrap(), encode_labels(&made()));
        refused(&zipped[..zipped.len() - 9], &labels, "images", "corrupt gzip");
        let mut checksum = zipped.clone();
        let at = checksum.len() - 6;
        checksum[at] ^= 1;
        refused(&checksum, &labels, "images", "corrupt gzip");
        refused(&[&zipped[..], b"more"].concat(), &labels, "images", "corrupt gzip");
        refused(&[&zipped[..], &zipped].concat(), &labels, "images", "bytes follow");
    }

    #[test]
    fn a_bomb_is_not_unzipped_beyond_what_its_header_announces() {
        // 64 MiB of zeros in 64 KiB; the header announces 6 bytes, so 7 are unzipped.
        let bomb = gzip(&file(&[0x0803, 1, 2, 3], &vec![0; 1 << 26])).unwrap();
        assert!(bomb.len() < 1 << 17);
        let reader = Input::bytes("images", &bomb[..]).unzipped().unwrap().take(16 + 7);
        assert_eq!(reader.unwrap().len(), 23);
        refused(&bomb, &encode_labels(&made()), "images", "bytes follow");
    }

    fn write(folder: &Path, train: &Split, test: &Split, name: impl Fn(&str, u8) -> String) {
        for (part, split) in [("train", train), ("t10k", test)] {
            let files = [(name("images", 3), encode_images(split)), (name("labels", 1), encode_labels(split))];
            for (name, bytes) in files {
                let bytes = if name.ends_with("gz") { gzip(&bytes).unwrap() } else { bytes };
                std::fs::write(folder.join(format!("{part}-{name}")), bytes).unwrap();
            }
        }
    }

    #[test]
    fn folders_with_any_of_the_names_in_use_hold_the_same_data() {
        let names: [fn(&str, u8) -> String; 3] = [
            |kind, dimensions| format!("{kind}-idx{dimensions}-ubyte"),
            |kind, dimensions| format!("{kind}-idx{dimensions}-ubyte.gz"),
            |kind, dimensions| format!("{kind}.idx{dimensions}-ubyte"),
        ];
        for name in names {
            let home = tempfile::tempdir().unwrap();
            write(home.path(), &made(), &made(), name);
            let found = folder("mnist", &DIGITS, home.path()).unwrap();
            assert_eq!((found.train, found.test(), found.classes()), (3, 3, 10));
            assert_eq!(found.ids, [0, 1, 2, 3, 4, 5]);
            assert_eq!((found.image(1), found.image(4)), (&[7, 8, 9, 10, 11, 12][..], &[7, 8, 9, 10, 11, 12][..]));
        }
    }

    #[test]
    fn a_missing_file_and_test_images_of_another_size_are_named() {
        let home = tempfile::tempdir().unwrap();
        let refused = || folder("mnist", &DIGITS, home.path()).unwrap_err().to_string();
        assert!(refused().contains("train-images-idx3-ubyte[.gz]: not found"), "{}", refused());
        let turned = Split { shape: ImageShape { channels: 1, height: 3, width: 2 }, ..made() };
        write(home.path(), &made(), &turned, |kind, dimensions| format!("{kind}-idx{dimensions}-ubyte"));
        assert!(refused().contains("t10k-images-idx3-ubyte: test images are 1x3x2"), "{}", refused());
    }

    #[test]
    #[ignore = "needs the full Fashion-MNIST in the data folder"]
    fn the_full_fashion_mnist_has_its_known_size_moments_and_first_labels() {
        let found = folder("fashion-mnist", &FASHION, &crate::data::data_home().join("fashion-mnist")).unwrap();
        assert_eq!((found.train, found.test()), (60_000, 10_000));
        // The published first labels: an ankle boot, then T-shirts; the test set starts with an ankle boot.
        assert_eq!((&found.labels[..5], found.labels[60_000]), (&[9, 0, 0, 3, 0][..], 9));
        // The first boot's first row with ink, from the thirteenth column, as printed in many an introduction.
        assert_eq!(found.image(0)[3 * 28 + 12..4 * 28 - 7], [1, 0, 0, 13, 73, 0, 0, 1, 4]);
        let (mean, std) = (found.normalisation.mean[0], found.normalisation.std[0]);
        assert!((mean - 0.2860).abs() < 1e-4 && (std - 0.3530).abs() < 1e-4, "{mean} {std}");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            images in prop::collection::vec(any::<u8>(), 0..300), labels in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let zip_like = [&[0x1f, 0x8b, 8, 0], &images[..]].concat();
            for bytes in [&images, &zip_like] {
                prop_assert!(parse(bytes, &labels).is_err());
            }
        }

        #[test]
        fn mutated_files_are_refused_or_still_sound(
            zipped: bool, image_at in 0_usize..200, label_at in 0_usize..40, byte: u8, cut in 0_usize..120,
        ) {
            let pack = |bytes: Vec<u8>| if zipped { gzip(&bytes).unwrap() } else { bytes };
            let mutate = |mut bytes: Vec<u8>, at: usize| {
                let length = bytes.len();
                bytes[at % length] = byte;
                bytes.truncate(if cut < length { length - cut % 4 } else { length });
                bytes
            };
            let images = mutate(pack(encode_images(&made())), image_at);
            let labels = mutate(pack(encode_labels(&made())), label_at);
            if let Ok(found) = parse(&images, &labels) {
                prop_assert_eq!(found.pixels.len(), found.labels.len() * found.shape.len());
                let names = vec![String::new(); 3];
                let ids = (0..2 * found.labels.len() as u32).collect();
                prop_assert!(Dataset::new("made", names, found.clone(), found, ids).is_ok());
            }
        }

        #[test]
        fn images_and_labels_come_back_as_they_were_written(
            height in 1_usize..9, width in 1_usize..9, labels in prop::collection::vec(0_u16..3, 1..9), seed: u8,
        ) {
            let shape = ImageShape { channels: 1, height, width };
            let pixels = (0..labels.len() * shape.len()).map(|i| (i as u8).wrapping_mul(seed)).collect();
            let made = Split { shape, pixels, labels };
            prop_assert_eq!(&parse(&encode_images(&made), &encode_labels(&made)).unwrap(), &made);
        }
    }
}
