//! The live board: what every replicate is doing right now, overwritten by workers and read by the screen.
//!
//! A slow reader costs training nothing: a worker holds the lock for the time of a few stores, and bulky
//! values are shared behind `Arc`s.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::record::State;
use crate::study::ReplicateId;

/// Quantiles of the margin in one epoch: 5, 25, 50, 75 and 95 %.
pub type MarginQuantiles = [f32; 5];

/// What one replicate is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Its name.
    pub id: ReplicateId,
    /// The seed shown to people.
    pub seed: u64,
    /// Where it runs, such as `cpu`.
    pub device: String,
    /// What it is doing.
    pub state: State,
    /// Why it is in that state, where that needs saying.
    pub reason: Option<String>,
    /// Whether a loss became infinite or NaN.
    pub non_finite: bool,
    /// Epochs done.
    pub epochs_done: u32,
    /// Epochs to do.
    pub epochs: u32,
    /// Steps done in the current epoch.
    pub step: usize,
    /// Steps in an epoch.
    pub steps: usize,
    /// Training examples per second, lately.
    pub examples_per_s: f64,
    /// Seconds spent on this replicate by this process.
    pub seconds: f64,
    /// Mean loss over the current epoch's steps so far.
    pub train_loss: Option<f64>,
    /// Share right over the current epoch's steps so far.
    pub train_accuracy: Option<f64>,
    /// Share of test examples right at the last epoch's end.
    pub test_accuracy: Option<f64>,
}

/// One replicate's scores so far.
#[derive(Debug, Clone)]
pub struct LiveScores {
    /// Epochs behind the values.
    pub epoch: u32,
    /// One vector per score in the plan's order, one value per example of the data set.
    pub values: Vec<Vec<f32>>,
}

/// All that the screen knows of one replicate.
#[derive(Debug, Clone)]
pub struct ReplicateView {
    /// What it is doing.
    pub progress: Progress,
    /// Margin quantiles over the training examples, one entry per epoch done.
    pub margins: Arc<Vec<MarginQuantiles>>,
    /// The scores after the last epoch done; none before the first.
    pub scores: Option<Arc<LiveScores>>,
}

/// The live board of a study: a view per replicate, in the plan's order.
#[derive(Debug, Default)]
pub struct Board {
    views: Mutex<Vec<ReplicateView>>,
    version: AtomicU64,
}

impl Board {
    /// A board with these replicates, in this order.
    pub fn new(progress: Vec<Progress>) -> Self {
        let view = |progress| ReplicateView { progress, margins: Arc::default(), scores: None };
        Self { views: Mutex::new(progress.into_iter().map(view).collect()), version: AtomicU64::new(1) }
    }

    /// Changes one replicate's view.
    pub fn update(&self, id: &ReplicateId, change: impl FnOnce(&mut ReplicateView)) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.iter_mut().find(|view| view.progress.id == *id) {
            change(view);
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Grows with every change: a reader that saw this number has nothing new to read.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// A copy of all views; bulky values are shared.
    pub fn snapshot(&self) -> Vec<ReplicateView> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
