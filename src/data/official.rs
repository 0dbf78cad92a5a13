//! Which files did a source's makers publish, and are those at hand whole? One entry per source that has files.
//!
//! A file with a published md5 is compared with it (what is compared is never gzip's bytes, which depend on who packed
//! them). CIFAR-100's files have none on record: there the number of examples, the balance of the classes, the nesting
//! of classes in superclasses and the published moments of the pixels are checked, which tells other or damaged
//! images, though not another order.

mod names;
mod structure;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::ImageShape;
use super::input::Input;
use crate::{Error, Result};

/// A source's files as published, and where a copy is to be had.
#[derive(Debug)]
pub struct Set {
    /// The source's name in configs.
    pub source: &'static str,
    /// Its folder among the user's data.
    pub folder: &'static str,
    /// Shape of every image.
    pub shape: ImageShape,
    /// The licence, as its makers state it.
    pub licence: &'static str,
    /// How the files are laid out.
    pub format: Format,
    /// Number of values of each label; the last one is the class.
    pub labels: &'static [u16],
    /// The training examples.
    pub train: Part,
    /// The test examples.
    pub test: Part,
    /// Text files with one name per line, and the names.
    pub names: &'static [(&'static str, &'static [&'static str])],
    /// Mean and standard deviation of each channel of the training pixels, in [0, 1], as published.
    pub moments: Option<[&'static [f64]; 2]>,
    /// Where a copy is to be had.
    pub hub: HubCopy,
}

/// How files are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// MNIST's: a part is a file of images and a file of labels.
    Idx,
    /// CIFAR's: a part is equally long files of records, label bytes before pixels.
    Records,
}

/// The training or the test part.
#[derive(Debug)]
pub struct Part {
    /// Number of examples.
    pub examples: usize,
    /// Its files: images, then labels; or batches in their order.
    pub files: &'static [OfficialFile],
}

/// A file by its published name.
#[derive(Debug)]
pub struct OfficialFile {
    /// Its name.
    pub name: &'static str,
    /// The md5 of its (unzipped) bytes, where it was published.
    pub md5: Option<&'static str>,
}

/// A copy on the hub: parquet files of PNG images and labels.
#[derive(Debug)]
pub struct HubCopy {
    /// Owner and name.
    pub repository: &'static str,
    /// The folder of its parquet files.
    pub config: &'static str,
    /// The column of the images.
    pub image: &'static str,
    /// The columns of the labels, in the order of [`Set::labels`].
    pub labels: &'static [&'static str],
}

const GREY: ImageShape = ImageShape { channels: 1, height: 28, width: 28 };
const COLOUR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

const fn file(name: &'static str, md5: &'static str) -> OfficialFile {
    OfficialFile { name, md5: Some(md5) }
}

/// Every source that has files, in the order of [`super::sources::SOURCES`].
pub static SETS: [Set; 4] = [
    Set {
        source: "fashion-mnist",
        folder: "fashion-mnist",
        shape: GREY,
        licence: "MIT",
        format: Format::Idx,
        labels: &[10],
        train: Part {
            examples: 60_000,
            files: &[
                file("train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
                file("train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9"),
            ],
        },
        test: Part {
            examples: 10_000,
            files: &[
                file("t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a"),
                file("t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965"),
            ],
        },
        names: &[],
        moments: None,
        hub: HubCopy {
            repository: "zalando-datasets/fashion_mnist",
            config: "fashion_mnist",
            image: "image",
            labels: &["label"],
        },
    },
    Set {
        source: "mnist",
        folder: "mnist",
        shape: GREY,
        licence: "CC BY-SA 3.0",
        format: Format::Idx,
        labels: &[10],
        train: Part {
            examples: 60_000,
            files: &[
                file("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
                file("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
            ],
        },
        test: Part {
            examples: 10_000,
            files: &[
                file("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
                file("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
            ],
        },
        names: &[],
        moments: None,
        hub: HubCopy { repository: "ylecun/mnist", config: "mnist", image: "image", labels: &["label"] },
    },
    Set {
        source: "cifar10",
        folder: "cifar-10-batches-bin",
        shape: COLOUR,
        licence: "none stated",
        format: Format::Records,
        labels: &[10],
        train: Part {
            examples: 50_000,
            files: &[
                file("data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
                file("data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
                file("data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
                file("data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
                file("data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
            ],
        },
        test: Part { examples: 10_000, files: &[file("test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d")] },
        names: &[("batches.meta.txt", &names::CIFAR10)],
        moments: None,
        hub: HubCopy { repository: "uoft-cs/cifar10", config: "plain_text", image: "img", labels: &["label"] },
    },
    Set {
        source: "cifar100",
        folder: "cifar-100-binary",
        shape: COLOUR,
        licence: "none stated",
        format: Format::Records,
        labels: &[20, 100],
        train: Part { examples: 50_000, files: &[OfficialFile { name: "train.bin", md5: None }] },
        test: Part { examples: 10_000, files: &[OfficialFile { name: "test.bin", md5: None }] },
        names: &[("coarse_label_names.txt", &names::CIFAR100_COARSE), ("fine_label_names.txt", &names::CIFAR100_FINE)],
        moments: Some([&[0.5071, 0.4865, 0.4409], &[0.2673, 0.2564, 0.2762]]),
        hub: HubCopy {
            repository: "uoft-cs/cifar100",
            config: "cifar100",
            image: "img",
            labels: &["coarse_label", "fine_label"],
        },
    },
];

/// The official files of a source, where it has any.
pub fn find(source: &str) -> Option<&'static Set> {
    SETS.iter().find(|set| set.source == source)
}

/// What is in a folder, by names and sizes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every file, each of the right size where it is not zipped.
    Present,
    /// None of the files.
    Missing,
    /// Some of the files; the first that is not there.
    Incomplete(&'static str),
    /// A file that cannot be the published one, and why.
    Wrong(&'static str, String),
}

impl Set {
    /// Every file: data, then names.
    pub fn file_names(&self) -> impl Iterator<Item = &'static str> {
        let data = self.train.files.iter().chain(self.test.files).map(|file| file.name);
        data.chain(self.names.iter().map(|(name, _)| *name))
    }

    /// Where a file is in a folder, under one of the names in use.
    pub fn locate(&self, folder: &Path, name: &str) -> Option<PathBuf> {
        let dotted = name.replace("-idx", ".idx");
        let candidates = match self.format {
            Format::Idx => vec![name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")],
            Format::Records => vec![name.to_owned()],
        };
        candidates.into_iter().map(|name| folder.join(name)).find(|path| path.exists())
    }

    /// What is in a folder, without reading the files.
    pub fn state(&self, folder: &Path) -> State {
        let missing: Vec<&str> = self.file_names().filter(|name| self.locate(folder, name).is_none()).collect();
        match missing.first() {
            Some(_) if missing.len() == self.file_names().count() => return State::Missing,
            Some(first) => return State::Incomplete(first),
            None => {}
        }
        let wrong = |(part, file): (&Part, &'static OfficialFile)| {
            let path = self.locate(folder, file.name)?;
            let zipped = path.extension().is_some_and(|extension| extension == "gz");
            let (size, expected) = (std::fs::metadata(&path).ok()?.len(), self.size(part, file));
            (!zipped && size != expected).then(|| State::Wrong(file.name, format!("{size} bytes, expected {expected}")))
        };
        self.data_files().find_map(wrong).unwrap_or(State::Present)
    }

    /// Reads every data file that is in a folder and compares it with what was published; says what was compared.
    ///
    /// # Errors
    /// The first file that differs; where none differs, the first that is missing.
    pub fn check(&self, folder: &Path) -> Result<String> {
        self.check_those_there(folder)?;
        if let Some(name) = self.file_names().find(|name| self.locate(folder, name).is_none()) {
            return Err(Error::file(folder.join(name), "not found"));
        }
        let digests = self.data_files().filter(|(_, file)| file.md5.is_some()).count();
        if self.data_files().count() == digests {
            return Ok(format!("{digests} files have the published md5"));
        }
        let records = |part: &Part| -> Result<Vec<u8>> {
            let files = part.files.iter().map(|file| self.read(folder, file));
            Ok(files.collect::<Result<Vec<_>>>()?.concat())
        };
        self.check_structure(&records(&self.train)?, &records(&self.test)?)
            .map_err(|reason| Error::file(folder, reason))?;
        Ok("classes, superclasses and moments are right (no md5 of its files was published)".to_owned())
    }

    /// As [`Set::check`], for the files that are there: sizes, and digests where they were published.
    ///
    /// # Errors
    /// The first file that differs.
    pub fn check_those_there(&self, folder: &Path) -> Result<()> {
        for (part, file) in self.data_files() {
            let Some(path) = self.locate(folder, file.name) else { continue };
            let bytes = self.read(folder, file)?;
            if let Err(reason) = self.compare(part, file, &bytes) {
                return Err(Error::file(path, reason));
            }
        }
        Ok(())
    }

    /// Whether these bytes can be a published file.
    ///
    /// # Errors
    /// In which way they differ.
    pub fn compare(&self, part: &Part, file: &OfficialFile, bytes: &[u8]) -> Result<(), String> {
        let expected = self.size(part, file);
        if bytes.len() as u64 != expected {
            return Err(format!("not the published file: {} bytes, expected {expected}", bytes.len()));
        }
        let found = md5_hex(bytes);
        match file.md5 {
            Some(published) if published != found => {
                Err(format!("not the published file: its md5 is {found}, expected {published}"))
            }
            _ => Ok(()),
        }
    }

    /// For sets without digests: whether classes, superclasses and pixels of the records are as published.
    ///
    /// # Errors
    /// What is not as published.
    pub fn check_structure(&self, train: &[u8], test: &[u8]) -> Result<(), String> {
        structure::check(self, train, test).map_err(|reason| format!("not the published {}: {reason}", self.source))
    }

    /// Data files with the part that they belong to.
    pub fn data_files(&self) -> impl Iterator<Item = (&Part, &'static OfficialFile)> {
        [&self.train, &self.test].into_iter().flat_map(|part| part.files.iter().map(move |file| (part, file)))
    }

    /// Bytes of one record of CIFAR's format.
    pub fn record(&self) -> usize {
        self.labels.len() + self.shape.len()
    }

    /// Bytes of a file, unzipped.
    fn size(&self, part: &Part, file: &OfficialFile) -> u64 {
        let bytes = match self.format {
            Format::Records => part.examples / part.files.len().max(1) * self.record(),
            Format::Idx if file.name.contains("idx3") => 16 + part.examples * self.shape.len(),
            Format::Idx => 8 + part.examples,
        };
        bytes as u64
    }

    fn read(&self, folder: &Path, file: &OfficialFile) -> Result<Vec<u8>> {
        let path = self.locate(folder, file.name).unwrap_or_else(|| folder.join(file.name));
        match self.format {
            Format::Idx => Input::open(&path)?.unzipped()?.all(),
            Format::Records => Input::open(&path)?.all(),
        }
    }
}

/// The md5 of some bytes, in hexadecimal.
pub fn md5_hex(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
