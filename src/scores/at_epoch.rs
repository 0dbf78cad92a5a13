//! What is one number of a single pass? The observer behind every score that a pass at one epoch decides.

use super::{Kind, Observer, Pass, ScoreKind, Sizes};

/// What all scores of passes share, for their lines in the registry.
pub(super) const PASS: ScoreKind = ScoreKind { kind: Kind::Pass, needs: |_, _| Vec::new(), ..super::mean::TRAJECTORY };

/// Takes the rows that a pass gives after an epoch through `of(row, label)`.
pub(super) fn at_epoch(pass: Pass, epoch: u32, sizes: &Sizes, of: fn(&[f32], usize) -> f64) -> Box<dyn Observer> {
    Box::new(AtEpoch { pass, epoch, of, value: vec![f64::NAN; sizes.examples()] })
}

struct AtEpoch {
    pass: Pass,
    epoch: u32,
    of: fn(&[f32], usize) -> f64,
    /// One per example of the data set; NaN before the epoch.
    value: Vec<f64>,
}

impl Observer for AtEpoch {
    fn seen(&mut self, pass: Pass, epoch: u32, rows: &[f32], labels: &[u16]) {
        if (pass, epoch) != (self.pass, self.epoch) {
            return;
        }
        let width = (rows.len() / self.value.len().max(1)).max(1);
        for ((value, row), label) in self.value.iter_mut().zip(rows.chunks_exact(width)).zip(labels) {
            *value = (self.of)(row, usize::from(*label));
        }
    }

    fn values(&self) -> Vec<f32> {
        self.value.iter().map(|value| *value as f32).collect()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("value", &mut self.value)]
    }
}
