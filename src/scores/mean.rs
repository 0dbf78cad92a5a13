//! What is a quantity on average over training? The observer behind every score of the form mean over t.

use super::{Kind, Observation, Observer, Record, ScoreKind, Sizes};
use crate::scores::Harder;
use crate::study::Timetable;

/// What all scores of trajectories share, for their lines in the registry.
pub(super) const TRAJECTORY: ScoreKind = ScoreKind {
    name: "",
    harder: Harder::High,
    harder_with: None,
    kind: Kind::Trajectory,
    citation: "",
    definition: "",
    settings: &[],
    unused: |_| &[],
    refusal: |_, _| None,
    futile: |_, _| None,
    needs: |_, _| Vec::new(),
    observer: |_, sizes| over_time(sizes, |_| f64::NAN),
    ensemble: None,
};

/// The mean over all observations of a quantity.
pub(super) fn over_time(sizes: &Sizes, of: fn(&Observation) -> f64) -> Box<dyn Observer> {
    over_epochs(sizes, None, of)
}

/// The mean over the observations of epochs 1 to `until`; NaN where training ends before that epoch.
pub(super) fn over_epochs(sizes: &Sizes, until: Option<u32>, of: fn(&Observation) -> f64) -> Box<dyn Observer> {
    Box::new(MeanOverTime {
        examples: sizes.examples(),
        timetable: sizes.timetable,
        until,
        of,
        sum: sizes.zeros(),
        count: vec![0.0],
    })
}

struct MeanOverTime {
    examples: usize,
    timetable: Timetable,
    until: Option<u32>,
    of: fn(&Observation) -> f64,
    sum: Vec<f64>,
    count: Vec<f64>,
}

impl Observer for MeanOverTime {
    fn observe(&mut self, t: u32, record: &Record, labels: &[u16]) {
        if self.until.is_some_and(|until| self.timetable.epoch_of(t) > until) {
            return;
        }
        for (sum, observation) in self.sum.iter_mut().zip(record.observations(labels)) {
            *sum += (self.of)(&observation);
        }
        add_one(&mut self.count);
    }

    fn values(&self) -> Vec<f32> {
        let exists = self.until.is_none_or(|until| until <= self.timetable.epochs);
        let count = if exists { count(&self.count) } else { f64::NAN };
        super::padded(self.examples, self.sum.iter().map(|sum| sum / count))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("sum", &mut self.sum), ("count", &mut self.count)]
    }
}

/// How many observations a counter holds; NaN for none, which makes every score of no history NaN.
pub(super) fn count(counter: &[f64]) -> f64 {
    counter.first().copied().filter(|count| *count > 0.0).unwrap_or(f64::NAN)
}

/// Counts one more observation.
pub(super) fn add_one(counter: &mut [f64]) {
    for count in counter {
        *count += 1.0;
    }
}
