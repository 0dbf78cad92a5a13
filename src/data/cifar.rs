//! What is in CIFAR's binary files? Records without a header: label bytes, then 32x32 pixels as red, green and blue
//! planes, row by row.

use std::io::BufRead;
use std::path::Path;

use super::input::{Input, MOST_BYTES, names};
use super::{Dataset, ImageShape, Split};
use crate::{Error, Result};

const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// How CIFAR-10 and CIFAR-100 differ.
#[derive(Debug)]
pub struct Format {
    train: &'static [&'static str],
    test: &'static str,
    class_names: &'static str,
    /// Number of values of each label byte of a record; the last one is the label that counts.
    labels: &'static [u8],
}

/// CIFAR-10: one label byte.
pub const CIFAR10: Format = Format {
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    class_names: "batches.meta.txt",
    labels: &[10],
};

/// CIFAR-100: a coarse label byte (20 superclasses), then the fine one.
pub const CIFAR100: Format =
    Format { train: &["train.bin"], test: "test.bin", class_names: "fine_label_names.txt", labels: &[20, 100] };

/// The data set in a folder of CIFAR's binary version; ids count through training and test examples.
///
/// # Errors
/// `Error::File` or `Error::Io` with the file that is missing or wrong.
pub fn folder(source: &str, format: &Format, folder: &Path) -> Result<Dataset> {
    let class_names = class_names(Input::open(&folder.join(format.class_names))?, format)?;
    let mut train = Split { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
    for name in format.train {
        records(Input::open(&folder.join(name))?, format, &mut train)?;
    }
    let mut test = Split { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
    records(Input::open(&folder.join(format.test))?, format, &mut test)?;
    let ids = (0..(train.labels.len() + test.labels.len()) as u32).collect();
    Dataset::new(source, class_names, train, test, ids).map_err(|reason| Error::file(folder, reason))
}

fn class_names<R: BufRead>(mut input: Input<R>, format: &Format) -> Result<Vec<String>> {
    let text = String::from_utf8(input.all()?).map_err(|_| input.wrong("expected text, one class name per line"))?;
    let names = names(&text);
    let classes = format.labels.last().map_or(0, |classes| usize::from(*classes));
    if names.len() != classes {
        return Err(input.wrong(format!("{} class names, expected {classes}, one per line", names.len())));
    }
    Ok(names)
}

/// Appends the records of one file to a part.
///
/// # Errors
/// `Error::File` where the file is empty, ends within a record or holds a label that does not exist.
fn records<R: BufRead>(mut input: Input<R>, format: &Format, split: &mut Split) -> Result<()> {
    let bytes = input.all()?;
    let length = format.labels.len() + SHAPE.len();
    if bytes.is_empty() || !bytes.len().is_multiple_of(length) {
        let reason = format!("truncated or no CIFAR file: {} bytes are no multiple of {length}", bytes.len());
        return Err(input.wrong(reason));
    }
    if (split.pixels.len() + bytes.len()) as u64 > MOST_BYTES {
        return Err(input.wrong(format!("with this file the set is larger than {MOST_BYTES} bytes")));
    }
    split.pixels.reserve(bytes.len());
    for (index, record) in bytes.chunks_exact(length).enumerate() {
        let (labels, pixels) = record.split_at(format.labels.len());
        if let Some((label, count)) = labels.iter().zip(format.labels).find(|(label, count)| label >= count) {
            return Err(input.wrong(format!("record {index} has the label {label}, expected 0 to {}", count - 1)));
        }
        split.labels.extend(labels.last().map(|label| u16::from(*label)));
        split.pixels.extend_from_slice(pixels);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record whose pixel tells its place: channel, row and column can be read off it.
    fn pixel(channel: usize, row: usize, column: usize) -> u8 {
        (channel * 64 + row * 2 + usize::from(column == 5) + usize::from(column > 20) * 128) as u8
    }

    /// A record as published: label bytes, 1024 red, 1024 green, 1024 blue, each row by row.
    fn record(labels: &[u8]) -> Vec<u8> {
        let mut bytes = labels.to_vec();
        for channel in 0..3 {
            for row in 0..32 {
                bytes.extend((0..32).map(|column| pixel(channel, row, column)));
            }
        }
        bytes
    }

    fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(folder.join(name), content).unwrap();
    }

    fn write_cifar10(folder: &Path) {
        for (index, name) in CIFAR10.train.iter().enumerate() {
            write(folder, name, record(&[index as u8]));
        }
        write(folder, "test_batch.bin", [record(&[9]), record(&[0])].concat());
        write(folder, "batches.meta.txt", "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
    }

    #[test]
    fn planes_are_red_green_blue_and_rows_come_before_columns() {
        let home = tempfile::tempdir().unwrap();
        write_cifar10(home.path());
        let found = folder("cifar10", &CIFAR10, home.path()).unwrap();
        assert_eq!(found.shape, ImageShape { channels: 3, height: 32, width: 32 });
        for (channel, row, column) in [(0, 0, 5), (0, 31, 6), (1, 3, 5), (2, 17, 30), (2, 31, 31)] {
            assert_eq!(found.image(0)[(channel * 32 + row) * 32 + column], pixel(channel, row, column));
        }
    }

    #[test]
    fn batches_follow_each_other_and_test_ids_follow_the_training_ids() {
        let home = tempfile::tempdir().unwrap();
        write_cifar10(home.path());
        let found = folder("cifar10", &CIFAR10, home.path()).unwrap();
        assert_eq!((found.train, found.test()), (5, 2));
        assert_eq!(found.labels, [0, 1, 2, 3, 4, 9, 0]);
        assert_eq!(found.ids, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(found.class_names[9], "truck");
    }

    #[test]
    fn cifar100_takes_the_fine_label_and_its_names() {
        let home = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..100).map(|class| format!("fine {class}")).collect();
        write(home.path(), "fine_label_names.txt", names.join("\n"));
        write(home.path(), "train.bin", [record(&[19, 99]), record(&[3, 42])].concat());
        write(home.path(), "test.bin", record(&[0, 7]));
        let found = folder("cifar100", &CIFAR100, home.path()).unwrap();
        assert_eq!(found.labels, [99, 42, 7]);
        assert_eq!(found.class_names[42], "fine 42");
        assert_eq!(found.image(1), &record(&[])[..]);
    }

    #[test]
    fn files_that_are_no_whole_records_or_have_no_such_label_are_refused_by_name() {
        let mut part = Split { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
        let truncated = &record(&[1])[..3000];
        let cases = [
            (Vec::new(), &CIFAR10, "truncated"),
            (truncated.to_vec(), &CIFAR10, "truncated"),
            ([record(&[1]), vec![0]].concat(), &CIFAR10, "multiple of 3073"),
            ([record(&[1]), record(&[10])].concat(), &CIFAR10, "record 1 has the label 10"),
            (record(&[20, 5]), &CIFAR100, "the label 20, expected 0 to 19"),
            (record(&[5, 100]), &CIFAR100, "the label 100, expected 0 to 99"),
        ];
        for (bytes, format, reason) in cases {
            let error = records(Input::bytes("x.bin", &bytes), format, &mut part).expect_err(reason).to_string();
            assert!(error.starts_with("x.bin: ") && error.contains(reason), "{error} should contain {reason}");
        }
    }

    #[test]
    fn missing_files_and_missing_names_are_named() {
        let home = tempfile::tempdir().unwrap();
        let refused = || folder("cifar10", &CIFAR10, home.path()).unwrap_err().to_string();
        assert!(refused().contains("batches.meta.txt: not found"), "{}", refused());
        write_cifar10(home.path());
        std::fs::remove_file(home.path().join("data_batch_3.bin")).unwrap();
        assert!(refused().contains("data_batch_3.bin: not found"), "{}", refused());
        write(home.path(), "batches.meta.txt", "airplane\nautomobile\n");
        assert!(refused().contains("2 class names, expected 10"), "{}", refused());
        write(home.path(), "batches.meta.txt", [0xff, 0xfe]);
        assert!(refused().contains("expected text"), "{}", refused());
    }

    #[test]
    #[ignore = "needs CIFAR-10's binary version in the data folder"]
    fn the_real_cifar10_has_ten_times_6000_examples_and_the_known_moments() {
        let home = crate::data::data_home().join("cifar-10-batches-bin");
        let found = folder("cifar10", &CIFAR10, &home).unwrap();
        assert_eq!((found.train, found.test()), (50_000, 10_000));
        for class in 0..10 {
            assert_eq!(found.labels.iter().filter(|label| **label == class).count(), 6000);
        }
        // The first training image is a frog, the first test image a cat.
        assert_eq!((found.labels[0], found.labels[50_000]), (6, 3));
        for (mean, known) in found.normalisation.mean.iter().zip([0.4914, 0.4822, 0.4465]) {
            assert!((mean - known).abs() < 1e-4);
        }
        for (std, known) in found.normalisation.std.iter().zip([0.2470, 0.2435, 0.2616]) {
            assert!((std - known).abs() < 1e-4);
        }
    }

    proptest! {
        #[test]
        fn random_and_mutated_files_never_panic_and_never_break_a_part(
            noise in prop::collection::vec(any::<u8>(), 0..7000), at in 0_usize..6148, byte: u8, cut in 0_usize..6149,
        ) {
            let mut mutated = [record(&[1, 7]), record(&[2, 3])].concat();
            mutated[at] = byte;
            mutated.truncate(cut);
            for bytes in [&noise, &mutated] {
                let mut part = Split { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
                if records(Input::bytes("x.bin", bytes), &CIFAR100, &mut part).is_ok() {
                    prop_assert!(!part.labels.is_empty() && part.labels.iter().all(|label| *label < 100));
                    prop_assert_eq!(part.pixels.len(), part.labels.len() * 3072);
                }
            }
        }

        #[test]
        fn records_come_back_as_they_were_written(
            examples in prop::collection::vec((0_u8..20, 0_u8..100, prop::collection::vec(any::<u8>(), 3072)), 1..4),
        ) {
            let bytes: Vec<u8> =
                examples.iter().flat_map(|(coarse, fine, pixels)| [&[*coarse, *fine], &pixels[..]].concat()).collect();
            let mut part = Split { shape: SHAPE, pixels: Vec::new(), labels: Vec::new() };
            records(Input::bytes("x.bin", &bytes), &CIFAR100, &mut part).unwrap();
            for (index, (_, fine, pixels)) in examples.iter().enumerate() {
                prop_assert_eq!(part.labels[index], u16::from(*fine));
                prop_assert_eq!(&part.pixels[index * 3072..(index + 1) * 3072], &pixels[..]);
            }
        }
    }
}
