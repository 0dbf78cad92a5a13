//! From when on does the example stay right? Consistently learned.

use super::mean::{self, add_one, count};
use super::{Domain, Harder, Observer, Record, ScoreKind, Setting, Sizes};

/// The registry's line. `against = "final"` (Baldock et al. 2021, section 3.2) is not yet in this version: it needs
/// a sweep at initialisation, which [`resolve`](super::resolve) says.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "learned",
    harder: Harder::High,
    citation: "Kwok et al. 2024, section 3",
    definition: "smallest t (0-based) such that c_s = 1 for all s >= t; 0: always right; never kept: the number of \
                 observations T",
    settings: &[Setting { name: "against", domain: Domain::Words(&["label"]) }],
    observer: |_, sizes| Box::new(Learned::new(sizes)),
    ..mean::TRAJECTORY
};

struct Learned {
    examples: usize,
    /// Where the current run of right observations begins: after the last wrong one.
    since: Vec<f64>,
    count: Vec<f64>,
}

impl Learned {
    fn new(sizes: Sizes) -> Self {
        Self { examples: sizes.examples, since: sizes.zeros(), count: vec![0.0] }
    }
}

impl Observer for Learned {
    fn observe(&mut self, _t: u32, record: &Record, labels: &[u16]) {
        add_one(&mut self.count);
        let observed = count(&self.count);
        for (since, observation) in self.since.iter_mut().zip(record.observations(labels)) {
            if !observation.right {
                *since = observed;
            }
        }
    }

    fn values(&self) -> Vec<f32> {
        let exists = if count(&self.count).is_nan() { f64::NAN } else { 0.0 };
        super::padded(self.examples, self.since.iter().map(|since| since + exists))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("since", &mut self.since), ("count", &mut self.count)]
    }
}
