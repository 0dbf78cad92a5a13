//! What did each example look like in each epoch of one replicate?
//!
//! Four arrays `[epochs, observed examples]`, made full-size once; an epoch is one row written in place. When training
//! is done each is turned around once, so that an example's history is one contiguous read.

use std::path::{Path, PathBuf};

use half::f16;

use super::npy::{self, Dtype, Npy};
use crate::scores::Record;
use crate::{Error, Result};

/// The classes that fit into one byte.
const BYTE_CLASSES: usize = 256;

/// The observations of one replicate; threads may share it.
#[derive(Debug)]
pub struct Observations {
    folder: PathBuf,
    loss: Npy,
    margin: Npy,
    entropy: Npy,
    predicted: Npy,
}

/// One example's observations, one entry per epoch done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExampleHistory {
    /// `-log p[y]`
    pub loss: Vec<f32>,
    /// `z[y]` - max over the other classes.
    pub margin: Vec<f32>,
    /// Entropy of the softmax in nats, kept with 11 bits.
    pub entropy: Vec<f32>,
    /// argmax z
    pub predicted: Vec<u16>,
}

impl Observations {
    /// The arrays of a replicate, ready for [`Observations::write_row`]; those that are there already are kept, and
    /// get more rows where `epochs` has grown.
    ///
    /// # Errors
    /// An existing array of another width or type.
    pub fn create(folder: &Path, epochs: usize, observed: usize, classes: usize) -> Result<Self> {
        let predicted = if classes > BYTE_CLASSES { Dtype::U16 } else { Dtype::U8 };
        let array = |name, dtype| existing_or_new(&file(folder, name), dtype, epochs, observed);
        Ok(Self {
            folder: folder.to_path_buf(),
            loss: array("loss", Dtype::F32)?,
            margin: array("margin", Dtype::F32)?,
            entropy: array("entropy", Dtype::F16)?,
            predicted: array("predicted", predicted)?,
        })
    }

    /// Opens a replicate's arrays for reading; None where training has not made them yet.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let array = |name| Npy::open(&file(folder, name));
        let last = file(folder, NAMES[3]);
        if !last.try_exists().map_err(Error::io(&last))? {
            return Ok(None);
        }
        let [loss, margin, entropy, predicted] = NAMES.map(array);
        let opened = Self {
            folder: folder.to_path_buf(),
            loss: loss?,
            margin: margin?,
            entropy: entropy?,
            predicted: predicted?,
        };
        for other in [&opened.margin, &opened.entropy, &opened.predicted] {
            if other.header().shape() != opened.loss.header().shape() {
                return Err(Error::file(folder, "its arrays differ in shape"));
            }
        }
        Ok(Some(opened))
    }

    /// Rows that the arrays have room for.
    pub fn epochs(&self) -> usize {
        self.loss.header().rows()
    }

    /// Examples in a row.
    pub fn observed(&self) -> usize {
        self.loss.header().width()
    }

    /// Writes the `t`-th observation (from 0) of every example, in place.
    pub fn write_row(&self, t: usize, record: &Record) -> Result<()> {
        let entropy: Vec<f16> = record.entropy.iter().map(|value| f16::from_f32(*value)).collect();
        self.loss.write_row(t, &record.loss)?;
        self.margin.write_row(t, &record.margin)?;
        self.entropy.write_row(t, &entropy)?;
        if self.predicted.header().dtype() == Dtype::U16 {
            return self.predicted.write_row(t, &record.predicted);
        }
        let narrow: std::result::Result<Vec<u8>, _> =
            record.predicted.iter().map(|class| u8::try_from(*class)).collect();
        let narrow = narrow.map_err(|_| Error::file(&self.folder, "a predicted class is above 255"))?;
        self.predicted.write_row(t, &narrow)
    }

    /// Makes all rows written so far last: before the checkpoint that counts them.
    pub fn sync(&self) -> Result<()> {
        [&self.loss, &self.margin, &self.entropy, &self.predicted].into_iter().try_for_each(Npy::sync)
    }

    /// The `t`-th observation of every example.
    pub fn row(&self, t: usize) -> Result<Record> {
        let entropy: Vec<f16> = self.entropy.row(t)?;
        let predicted = if self.predicted.header().dtype() == Dtype::U16 {
            self.predicted.row(t)?
        } else {
            self.predicted.row::<u8>(t)?.into_iter().map(u16::from).collect()
        };
        let entropy = entropy.into_iter().map(f16::to_f32).collect();
        Ok(Record { loss: self.loss.row(t)?, margin: self.margin.row(t)?, entropy, predicted })
    }

    /// The margins of the `t`-th observation of every example.
    pub fn margin_row(&self, t: usize) -> Result<Vec<f32>> {
        self.margin.row(t)
    }

    /// All margins, `[epochs, observed]` in C order: the way to every row of a finished replicate in one read.
    pub fn margins(&self) -> Result<Vec<f32>> {
        self.margin.all()
    }

    /// All predicted classes, `[epochs, observed]` in C order.
    pub fn predictions(&self) -> Result<Vec<u16>> {
        if self.predicted.header().dtype() == Dtype::U16 {
            return self.predicted.all();
        }
        Ok(self.predicted.all::<u8>()?.into_iter().map(u16::from).collect())
    }

    /// One example's first `epochs_done` observations, by its position in the data set.
    pub fn history(&self, example: usize, epochs_done: usize) -> Result<ExampleHistory> {
        let entropy: Vec<f16> = self.entropy.column(example, epochs_done)?;
        let predicted = if self.predicted.header().dtype() == Dtype::U16 {
            self.predicted.column(example, epochs_done)?
        } else {
            self.predicted.column::<u8>(example, epochs_done)?.into_iter().map(u16::from).collect()
        };
        Ok(ExampleHistory {
            loss: self.loss.column(example, epochs_done)?,
            margin: self.margin.column(example, epochs_done)?,
            entropy: entropy.into_iter().map(f16::to_f32).collect(),
            predicted,
        })
    }

    /// Makes room for `epochs` rows in all.
    pub fn grow(self, epochs: usize) -> Result<Self> {
        for array in NAMES {
            npy::grow(&file(&self.folder, array), epochs)?;
        }
        let array = |name| Npy::open_to_write(&file(&self.folder, name));
        let [loss, margin, entropy, predicted] = NAMES.map(array);
        Ok(Self { loss: loss?, margin: margin?, entropy: entropy?, predicted: predicted?, folder: self.folder.clone() })
    }
}

/// Turns every array of a replicate around, when its last row is committed. A kill in between is harmless: again does
/// the rest.
pub fn finish(folder: &Path) -> Result<()> {
    NAMES.into_iter().try_for_each(|name| npy::fortran(&file(folder, name)))
}

/// In the order in which they are made: the last one's presence says that all are there.
const NAMES: [&str; 4] = ["loss", "margin", "entropy", "predicted"];

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.npy"))
}

fn existing_or_new(path: &Path, dtype: Dtype, epochs: usize, observed: usize) -> Result<Npy> {
    if !path.try_exists().map_err(Error::io(path))? {
        return npy::create(path, dtype, &[epochs, observed]);
    }
    let array = Npy::open_to_write(path)?;
    let header = array.header();
    if header.dtype() != dtype || header.shape().len() != 2 || header.width() != observed || header.rows() > epochs {
        let (found, shape) = (header.dtype().descr(), header.shape());
        let reason = format!(
            "holds {found} of shape {shape:?}, expected {} of shape [{epochs}, {observed}]; \
             delete the replicate's folder to train it again",
            dtype.descr()
        );
        return Err(Error::file(path, reason));
    }
    if header.rows() < epochs {
        npy::grow(path, epochs)?;
        return Npy::open_to_write(path);
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::npy::Order;

    fn record(t: usize, observed: usize) -> Record {
        let value = |n: usize| (10 * t + n) as f32;
        Record {
            loss: (0..observed).map(|n| value(n) / 7.0).collect(),
            margin: (0..observed).map(|n| -value(n)).collect(),
            // Exact in 11 bits.
            entropy: (0..observed).map(|n| value(n) / 16.0).collect(),
            predicted: (0..observed).map(|n| u16::try_from((t + n) % 3).unwrap()).collect(),
        }
    }

    fn assert_holds(folder: &Path, epochs: usize, observed: usize) {
        let observations = Observations::open(folder).unwrap().unwrap();
        for t in 0..epochs {
            assert_eq!(observations.row(t).unwrap(), record(t, observed));
            assert_eq!(observations.margin_row(t).unwrap(), record(t, observed).margin);
            assert_eq!(observations.margins().unwrap()[t * observed..][..observed], record(t, observed).margin);
            assert_eq!(observations.predictions().unwrap()[t * observed..][..observed], record(t, observed).predicted);
        }
        for n in 0..observed {
            let history = observations.history(n, epochs).unwrap();
            assert_eq!(history.loss, (0..epochs).map(|t| record(t, observed).loss[n]).collect::<Vec<_>>());
            assert_eq!(history.entropy, (0..epochs).map(|t| record(t, observed).entropy[n]).collect::<Vec<_>>());
            assert_eq!(history.predicted, (0..epochs).map(|t| record(t, observed).predicted[n]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_and_histories_are_the_same_before_and_after_finishing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Observations::open(folder.path()).unwrap().is_none());
        let observations = Observations::create(folder.path(), 4, 6, 3).unwrap();
        assert_eq!((observations.epochs(), observations.observed()), (4, 6));
        (0..4).for_each(|t| observations.write_row(t, &record(t, 6)).unwrap());
        observations.sync().unwrap();
        assert_holds(folder.path(), 4, 6);
        finish(folder.path()).unwrap();
        assert_holds(folder.path(), 4, 6);
    }

    #[test]
    fn a_kill_between_any_two_of_the_arrays_is_completed_by_finishing_again() {
        for turned in 0..=4 {
            let folder = tempfile::tempdir().unwrap();
            let observations = Observations::create(folder.path(), 3, 5, 3).unwrap();
            (0..3).for_each(|t| observations.write_row(t, &record(t, 5)).unwrap());
            for name in NAMES.into_iter().take(turned) {
                npy::fortran(&file(folder.path(), name)).unwrap();
            }
            // What the kill left of the next one.
            std::fs::write(folder.path().join(".margin.npy.tmp"), b"half").unwrap();
            assert_holds(folder.path(), 3, 5);
            Observations::create(folder.path(), 3, 5, 3).unwrap();
            finish(folder.path()).unwrap();
            assert_holds(folder.path(), 3, 5);
            for name in NAMES {
                let array = Npy::open(&file(folder.path(), name)).unwrap();
                assert_eq!(array.header().order(), Order::Fortran);
            }
        }
    }

    #[test]
    fn creating_again_keeps_rows_and_makes_what_a_kill_left_out() {
        let folder = tempfile::tempdir().unwrap();
        Observations::create(folder.path(), 2, 5, 3).unwrap().write_row(0, &record(0, 5)).unwrap();
        std::fs::remove_file(file(folder.path(), "predicted")).unwrap();
        assert!(Observations::open(folder.path()).unwrap().is_none());
        let again = Observations::create(folder.path(), 2, 5, 3).unwrap();
        assert_eq!(again.margin_row(0).unwrap(), record(0, 5).margin);
        again.write_row(0, &record(0, 5)).unwrap();
        assert_holds(folder.path(), 1, 5);
    }

    #[test]
    fn growing_adds_rows_and_keeps_the_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        let observations = Observations::create(folder.path(), 1, 5, 300).unwrap();
        observations.write_row(0, &record(0, 5)).unwrap();
        let observations = observations.grow(3).unwrap();
        observations.write_row(2, &record(2, 5)).unwrap();
        observations.write_row(1, &record(1, 5)).unwrap();
        assert_holds(folder.path(), 3, 5);
        assert_eq!(Observations::create(folder.path(), 4, 5, 300).unwrap().epochs(), 4);
        assert_holds(folder.path(), 3, 5);
    }

    #[test]
    fn another_shape_another_type_and_a_class_too_large_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let observations = Observations::create(folder.path(), 2, 5, 3).unwrap();
        let large = Record { predicted: vec![256; 5], ..record(0, 5) };
        assert!(observations.write_row(0, &large).unwrap_err().to_string().contains("above 255"));
        assert!(observations.write_row(2, &record(2, 5)).is_err());
        for (epochs, observed, classes) in [(2, 6, 3), (1, 5, 3), (2, 5, 300)] {
            let error = Observations::create(folder.path(), epochs, observed, classes).unwrap_err().to_string();
            assert!(error.contains(".npy") && error.contains("expected"), "{error}");
        }
    }
}
