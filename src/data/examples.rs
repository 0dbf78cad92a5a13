//! Names and labels of examples without their pixels: all that scores and tables need.

use super::Dataset;

/// The examples of a study by position, training examples first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// Stable id of each example.
    pub ids: Vec<u32>,
    /// Given label of each example; empty where the study has none.
    pub labels: Vec<u16>,
    /// Label of each example as the source has it; empty where nobody knows another one.
    pub true_labels: Vec<u16>,
    /// One name per class.
    pub class_names: Vec<String>,
    /// How many of the examples are training examples.
    pub train: usize,
}

impl Examples {
    /// The names and labels of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            ids: dataset.ids.clone(),
            labels: dataset.labels.clone(),
            true_labels: dataset.true_labels.clone(),
            class_names: dataset.class_names.clone(),
            train: dataset.train,
        }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The name of a class, or its number where it has none.
    pub fn class(&self, class: u16) -> String {
        self.class_names.get(usize::from(class)).cloned().unwrap_or_else(|| class.to_string())
    }

    /// The label of the example at a position, in words.
    pub fn label(&self, position: usize) -> Option<String> {
        self.labels.get(position).map(|label| self.class(*label))
    }

    /// The true label of the example at a position, in words, where label noise gave it another one.
    pub fn truth(&self, position: usize) -> Option<String> {
        let truth = self.true_labels.get(position)?;
        (self.labels.get(position)? != truth).then(|| self.class(*truth))
    }

    /// How many examples were given another label than their own.
    pub fn mislabelled(&self) -> usize {
        self.labels.iter().zip(&self.true_labels).filter(|(given, truth)| given != truth).count()
    }

    /// What a user must know of the labels: that some are wrong on purpose.
    pub fn note(&self) -> Option<String> {
        let wrong = self.mislabelled();
        (wrong > 0).then(|| format!("label noise: {wrong} of {} training examples have a wrong label", self.train))
    }

    /// `train` or `test`.
    pub fn split(&self, position: usize) -> &'static str {
        if position < self.train { "train" } else { "test" }
    }
}
