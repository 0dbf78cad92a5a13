//! What did finished runs leave beside their scores? Probes of their layers, and what they predicted while they were trained.
//!
//! All runs of a study together are too much to hold (the votes of 40 runs, 15 probes and 60,000 examples: 360 MB), so
//! whoever calls an analysis hands over an [`Evidence`], and the analysis adds up one run after the other.

use ndarray::{Array2, Array3};

use crate::Result;

/// The k-NN probes of one run, over all examples of the study: those for training first, then those for testing.
#[derive(Debug, Clone, PartialEq)]
pub struct Probes {
    /// Names of their places, from `input` to `softmax`.
    pub names: Vec<String>,
    /// `[probes, examples]`: the class that most neighbours have.
    pub predicted: Array2<u16>,
    /// `[probes, examples, classes]`: neighbours of each class.
    pub votes: Array3<u8>,
}

/// What a run was during its training, at the end of one epoch.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The epoch; 0 is initialisation.
    pub epoch: u32,
    /// The class predicted for each training example, then for test examples as far as they were observed.
    pub predicted: &'a [u16],
    /// Share of the test examples that were right; NaN where nobody looked.
    pub test_accuracy: f64,
}

/// Where the evidence of runs is read, one at a time.
pub trait Evidence: std::fmt::Debug + Sync {
    /// The probes that a score asked in a run, by its full name; none where it asked none.
    ///
    /// # Errors
    /// Files that cannot be read or are damaged.
    fn probes(&self, model: &str, run: u32, score: &str) -> Result<Option<Probes>>;

    /// Shows what a run predicted in its epochs, in order; nothing of one that left no observations.
    ///
    /// # Errors
    /// Files that cannot be read or are damaged.
    fn course(&self, model: &str, run: u32, take: &mut dyn FnMut(Look<'_>)) -> Result<()>;
}
