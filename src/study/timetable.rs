//! When does a replicate step, end an epoch, get looked at, and stop? Everything that follows from recipe and data size.

use super::recipe::{Length, Observe, Recipe};

/// The course of one replicate. Epochs count from 1, rows of observations from 0.
///
/// Every so many epochs, and after the last, a replicate is looked at: a line in `epochs.jsonl`, the test examples, a
/// row of observations. A last epoch that is cut has no row where observations come from minibatches: some examples
/// would be missing in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timetable {
    /// Epochs, a cut last one included.
    pub epochs: u32,
    /// Steps in a whole epoch.
    pub steps_per_epoch: usize,
    /// Steps in all.
    pub steps: u64,
    /// Epochs from one look to the next.
    pub every: u32,
    /// Rows of observations in all: T.
    pub rows: u32,
}

impl Timetable {
    /// The course of a recipe on so many training examples.
    pub fn new(recipe: &Recipe, train: usize) -> Self {
        let steps_per_epoch = train.div_ceil(recipe.batch_size.of(train).max(1)).max(1);
        let per_epoch = steps_per_epoch as u64;
        let (epochs, steps) = match recipe.length {
            Length::Epochs(epochs) => (epochs, u64::from(epochs) * per_epoch),
            Length::Steps(steps) => (u32::try_from(steps.div_ceil(per_epoch)).unwrap_or(u32::MAX), steps),
        };
        let every = recipe.observe_every.max(1);
        let misses_examples = recipe.observe == Observe::Minibatch && !steps.is_multiple_of(per_epoch);
        let rows = if misses_examples { epochs.saturating_sub(1) / every } else { epochs.div_ceil(every) };
        Self { epochs, steps_per_epoch, steps, every, rows }
    }

    /// Whole epochs, each looked at.
    pub fn of_epochs(epochs: u32, steps_per_epoch: usize) -> Self {
        let steps = u64::from(epochs) * steps_per_epoch as u64;
        Self { epochs, steps_per_epoch, steps, every: 1, rows: epochs }
    }

    /// Steps before an epoch.
    pub fn steps_before(&self, epoch: u32) -> u64 {
        u64::from(epoch.saturating_sub(1)) * self.steps_per_epoch as u64
    }

    /// Steps of an epoch: fewer in a last one that is cut.
    pub fn steps_in(&self, epoch: u32) -> usize {
        let left = self.steps.saturating_sub(self.steps_before(epoch));
        usize::try_from(left).unwrap_or(usize::MAX).min(self.steps_per_epoch)
    }

    /// The length in epochs, a cut one by the share of its steps.
    pub fn length(&self) -> f64 {
        if self.steps_per_epoch == 0 { f64::from(self.epochs) } else { self.steps as f64 / self.steps_per_epoch as f64 }
    }

    /// Whether the replicate is looked at after an epoch.
    pub fn is_observed(&self, epoch: u32) -> bool {
        epoch == self.epochs || epoch.is_multiple_of(self.every.max(1))
    }

    /// The row that an epoch's observations get, where they get one.
    pub fn row_of(&self, epoch: u32) -> Option<u32> {
        let row = epoch.checked_sub(1)? / self.every.max(1);
        (self.is_observed(epoch) && row < self.rows).then_some(row)
    }

    /// The epoch of a row.
    pub fn epoch_of(&self, row: u32) -> u32 {
        row.saturating_add(1).saturating_mul(self.every.max(1)).min(self.epochs)
    }

    /// Rows that are there after so many epochs.
    pub fn rows_after(&self, epochs_done: u32) -> u32 {
        if epochs_done >= self.epochs { self.rows } else { (epochs_done / self.every.max(1)).min(self.rows) }
    }

    /// Looks, and so lines of `epochs.jsonl`, that are there after so many epochs.
    pub fn looks_after(&self, epochs_done: u32) -> u32 {
        let every = self.every.max(1);
        if epochs_done >= self.epochs { self.epochs.div_ceil(every) } else { epochs_done / every }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::recipe::{Augment, BatchSize, Loss, NormInit, Optimizer};

    fn recipe(length: Length, batch_size: BatchSize, observe: Observe, observe_every: u32) -> Recipe {
        Recipe {
            length,
            batch_size,
            optimizer: Optimizer::default(),
            augment: Augment::default(),
            loss: Loss::default(),
            observe,
            observe_every,
            norm_init: NormInit::One,
        }
    }

    /// Rows, lines and steps as they come when the epochs are walked one by one.
    fn walked(table: &Timetable) -> (Vec<u32>, u32, u64) {
        let rows = (1..=table.epochs).filter_map(|epoch| table.row_of(epoch)).collect();
        let looks = (1..=table.epochs).filter(|epoch| table.is_observed(*epoch)).count();
        (rows, looks as u32, (1..=table.epochs).map(|epoch| table.steps_in(epoch) as u64).sum())
    }

    #[test]
    fn a_thousand_steps_of_200_examples_are_143_epochs_the_last_one_cut() {
        let of =
            |observe, every| Timetable::new(&recipe(Length::Steps(1000), BatchSize::Examples(32), observe, every), 200);
        let minibatch = of(Observe::Minibatch, 1);
        assert_eq!((minibatch.epochs, minibatch.steps_per_epoch, minibatch.rows), (143, 7, 142));
        assert_eq!((minibatch.steps_in(142), minibatch.steps_in(143)), (7, 6));
        assert_eq!((minibatch.row_of(142), minibatch.row_of(143)), (Some(141), None));
        assert!((minibatch.length() - 1000.0 / 7.0).abs() < 1e-12);
        let sweep = of(Observe::Sweep, 1);
        assert_eq!((sweep.rows, sweep.row_of(143)), (143, Some(142)));
        let (sweep, minibatch) = (of(Observe::Sweep, 50), of(Observe::Minibatch, 50));
        assert_eq!([50, 100, 143].map(|epoch| sweep.row_of(epoch)), [Some(0), Some(1), Some(2)]);
        assert_eq!([50, 100, 143].map(|epoch| minibatch.row_of(epoch)), [Some(0), Some(1), None]);
        assert_eq!([0, 1, 2].map(|row| sweep.epoch_of(row)), [50, 100, 143]);
    }

    #[test]
    fn a_step_on_the_full_batch_is_an_epoch() {
        let table = Timetable::new(&recipe(Length::Steps(1_200_000), BatchSize::Full, Observe::Sweep, 1000), 4096);
        assert_eq!((table.epochs, table.steps_per_epoch, table.rows), (1_200_000, 1, 1200));
    }

    #[test]
    fn counts_after_so_many_epochs_are_those_of_a_walk() {
        for (steps, every, observe) in [
            (70, 1, Observe::Sweep),
            (70, 3, Observe::Minibatch),
            (66, 3, Observe::Minibatch),
            (64, 4, Observe::Sweep),
            (3, 1, Observe::Minibatch),
            (3, 9, Observe::Sweep),
        ] {
            let table = Timetable::new(&recipe(Length::Steps(steps), BatchSize::Examples(32), observe, every), 200);
            let (rows, looks, walked_steps) = walked(&table);
            assert_eq!(rows, (0..table.rows).collect::<Vec<_>>(), "{table:?}");
            assert_eq!((table.looks_after(table.epochs), walked_steps), (looks, steps), "{table:?}");
            for done in 0..=table.epochs {
                let seen = (1..=done).filter(|epoch| table.row_of(*epoch).is_some()).count();
                assert_eq!(table.rows_after(done) as usize, seen, "{table:?} after {done}");
                let looks = (1..=done).filter(|epoch| table.is_observed(*epoch)).count();
                assert_eq!(table.looks_after(done) as usize, looks, "{table:?} after {done}");
            }
            assert!(rows.iter().all(|row| table.row_of(table.epoch_of(*row)) == Some(*row)), "{table:?}");
        }
    }
}
