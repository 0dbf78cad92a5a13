//! The live board: what every replicate is doing right now, overwritten by workers and read by the screen.
//!
//! A slow reader costs training nothing: a worker holds the lock for the time of a few stores, and bulky
//! values are shared behind `Arc`s.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ensembles::Ensembles;
use crate::Result;
use crate::data::Role;
use crate::store::observations::Observations;
use crate::store::record::{PARKED, ReplicateRecord, STOPPED, State};
use crate::study::{ReplicateId, Timetable};

/// Quantiles of the margin in one epoch: 5, 25, 50, 75 and 95 %.
pub type MarginQuantiles = [f32; 5];

/// What one replicate is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Its name.
    pub id: ReplicateId,
    /// The seed shown to people.
    pub seed: u64,
    /// Where it runs, such as `cpu` or `cuda:0 NVIDIA H100`.
    pub device: String,
    /// What it is doing.
    pub state: State,
    /// Another process trains it.
    pub elsewhere: bool,
    /// Why it is in that state, where that needs saying.
    pub reason: Option<String>,
    /// Whether a loss became infinite or NaN.
    pub non_finite: bool,
    /// Epochs done.
    pub epochs_done: u32,
    /// Epochs behind the last checkpoint.
    pub epochs_committed: u32,
    /// Epochs to do.
    pub epochs: u32,
    /// When it steps, is looked at, and ends.
    pub timetable: Timetable,
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

impl Progress {
    /// A replicate that nothing is known of yet.
    pub fn queued(id: ReplicateId, seed: u64, timetable: Timetable) -> Self {
        Self {
            id,
            seed,
            device: String::new(),
            state: State::Queued,
            elsewhere: false,
            reason: None,
            non_finite: false,
            epochs_done: 0,
            epochs_committed: 0,
            epochs: timetable.epochs,
            timetable,
            step: 0,
            steps: timetable.steps_per_epoch,
            examples_per_s: 0.0,
            seconds: 0.0,
            train_loss: None,
            train_accuracy: None,
            test_accuracy: None,
        }
    }

    /// The word for what it is doing: that of its state, but for one whose process left it or died.
    pub fn word(&self) -> &'static str {
        let left = self.state == State::Queued && self.reason.as_deref() == Some(STOPPED);
        if left { "stopped" } else { self.state.word() }
    }

    /// Whether it is under way here: it trains, or is parked with its job and its unfinished epoch.
    pub fn is_under_way(&self) -> bool {
        let parked = self.state == State::Paused && self.reason.as_deref() == Some(PARKED);
        !self.elsewhere && (self.state == State::Running || parked)
    }

    /// Whether it counts among the runs of its model: finished, and every loss was finite.
    pub fn counts(&self) -> bool {
        self.state == State::Finished && !self.non_finite
    }

    /// Of a replicate that another process trains: it counts as finished when its scores are read, at its turn.
    pub fn hold_back_finish(&mut self) {
        if self.state == State::Finished {
            self.state = State::Running;
        }
    }

    /// Takes over what a replicate's record says.
    pub fn follow(&mut self, record: &ReplicateRecord) {
        self.device.clone_from(&record.device);
        self.state = record.state;
        self.reason.clone_from(&record.reason);
        self.non_finite = record.non_finite;
        self.epochs_done = record.epochs_done;
        self.epochs_committed = record.epochs_committed;
        self.epochs = record.epochs;
        self.step = record.step;
        self.steps = record.steps;
        self.examples_per_s = record.examples_per_s;
        self.seconds = record.seconds;
        self.train_accuracy = record.train_accuracy.or(self.train_accuracy);
        self.test_accuracy = record.test_accuracy.or(self.test_accuracy);
    }
}

/// The 5, 25, 50, 75 and 95 % quantiles of the margins of the examples that are trained on, interpolated linearly; NaN margins
/// are left out, none gives NaN.
pub fn margin_quantiles(margins: &[f32], roles: &[Role]) -> MarginQuantiles {
    let trained = margins.iter().zip(roles).filter(|(margin, role)| **role == Role::Train && !margin.is_nan());
    let mut sorted: Vec<f32> = trained.map(|(margin, _)| *margin).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| {
        let place = share * sorted.len().saturating_sub(1) as f64;
        let value = |place: f64| sorted.get(place as usize).copied().unwrap_or(f32::NAN);
        let (low, high) = (value(place.floor()), value(place.ceil()));
        // Between two infinities there is nothing to interpolate: inf - inf is NaN.
        if low.total_cmp(&high).is_eq() { low } else { low + (place.fract() as f32) * (high - low) }
    })
}

/// The margin quantiles over the examples that are trained on, in the first rows of the stored observations.
///
/// # Errors
/// Observations that cannot be read.
pub fn margin_history(rows: &Observations, rows_done: u32, roles: &[Role]) -> Result<Vec<MarginQuantiles>> {
    let (all, width) = (rows.margins()?, rows.observed().max(1));
    Ok(all.chunks(width).take(rows_done as usize).map(|row| margin_quantiles(row, roles)).collect())
}

/// One replicate's scores so far.
#[derive(Debug, Clone)]
pub struct LiveScores {
    /// Epochs behind the values.
    pub epoch: u32,
    /// One vector per score in the plan's order, one value per example of the data set.
    pub values: Vec<Vec<f32>>,
    /// The class last predicted for each observed example; of all examples, by the final network, when finished.
    pub predicted: Vec<u16>,
}

/// All that the screen knows of one replicate.
#[derive(Debug, Clone)]
pub struct ReplicateView {
    /// What it is doing.
    pub progress: Progress,
    /// Which examples it trains on, holds out, or finds among the test examples.
    pub roles: Arc<[Role]>,
    /// Margin quantiles over the examples that it trains on, one entry per row of observations so far.
    pub margins: Arc<Vec<MarginQuantiles>>,
    /// The scores after the last epoch done; none before the first.
    pub scores: Option<Arc<LiveScores>>,
}

impl ReplicateView {
    /// A replicate of which nothing else is known.
    pub fn new(progress: Progress, roles: Arc<[Role]>) -> Self {
        Self { progress, roles, margins: Arc::default(), scores: None }
    }
}

/// The live board of a study: a view per replicate, in the plan's order; behind them runs that were imported since.
#[derive(Debug, Default)]
pub struct Board {
    views: Mutex<Vec<ReplicateView>>,
    ensembles: Mutex<Arc<Ensembles>>,
    version: AtomicU64,
}

impl Board {
    /// A board with these views, in this order.
    pub fn of(views: Vec<ReplicateView>) -> Self {
        Self { views: Mutex::new(views), ensembles: Mutex::default(), version: AtomicU64::new(1) }
    }

    /// The same, with what the finished replicates say together.
    #[must_use]
    pub fn with_ensembles(self, ensembles: Ensembles) -> Self {
        Self { ensembles: Mutex::new(Arc::new(ensembles)), ..self }
    }

    /// What the finished replicates of each model say together, so far.
    pub fn ensembles(&self) -> Arc<Ensembles> {
        self.ensembles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds to what they say together; scores of a model that were there already are replaced.
    pub fn add_ensembles(&self, fresh: Ensembles) {
        let mut known = self.ensembles.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut known).extend(fresh);
        drop(known);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Takes the scores of these replicates, in one change; one that is not there yet comes behind the others.
    pub fn take_scores(&self, fresh: Vec<ReplicateView>) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        for fresh in fresh {
            match views.iter_mut().find(|view| view.progress.id == fresh.progress.id) {
                Some(view) => view.scores = fresh.scores,
                None => views.push(fresh),
            }
        }
        drop(views);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// A board of replicates that nothing but their progress is known of.
    pub fn new(progress: Vec<Progress>) -> Self {
        let view = |progress| ReplicateView::new(progress, Arc::default());
        Self::of(progress.into_iter().map(view).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margin_quantiles_interpolate_and_leave_nan_out() {
        let margins: Vec<f32> = (0..=100).map(|x| x as f32).chain([f32::NAN]).collect();
        let quantiles = |margins: &[f32]| margin_quantiles(margins, &vec![Role::Train; margins.len()]);
        let rounded = |margins: &[f32]| quantiles(margins).map(|quantile| (quantile * 100.0).round() as i32);
        assert_eq!(rounded(&margins), [500, 2500, 5000, 7500, 9500]);
        assert_eq!(rounded(&[0.0, 1.0]), [5, 25, 50, 75, 95]);
        let with_one_held_out = margin_quantiles(&[1.0, 9.0, 2.0], &[Role::Train, Role::Val, Role::Train]);
        assert!(with_one_held_out[4] < 2.0, "{with_one_held_out:?}");
        assert!(quantiles(&[]).iter().all(|quantile| quantile.is_nan()));
        assert!(quantiles(&[f32::INFINITY; 3]).iter().all(|quantile| quantile.is_infinite()));
    }

    #[test]
    fn a_board_counts_its_changes_and_shares_bulky_values() {
        let id = ReplicateId { label: "a".into(), index: 0 };
        let board = Board::new(vec![Progress::queued(id.clone(), 1, Timetable::of_epochs(5, 1))]);
        let before = board.version();
        board.update(&ReplicateId { index: 9, ..id.clone() }, |view| view.progress.epochs = 77);
        assert_eq!(board.version(), before, "an unknown replicate changes nothing");
        board.update(&id, |view| view.progress.epochs_done = 3);
        assert!(board.version() > before);
        assert_eq!(board.snapshot()[0].progress.epochs_done, 3);
    }
}
