//! When is the example right for the first time?

use super::mean::{self, add_one, count};
use super::{Harder, Observer, Record, ScoreKind, Sizes};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "first_learned",
    harder: Harder::High,
    citation: "Toneva et al. 2019",
    definition: "smallest t (0-based) with c_t = 1; never: the number of observations T",
    observer: |_, sizes| Box::new(FirstLearned::new(sizes)),
    ..mean::TRAJECTORY
};

struct FirstLearned {
    examples: usize,
    /// Observations before the first right one.
    before: Vec<f64>,
    /// 1 where any observation was right.
    ever: Vec<f64>,
    count: Vec<f64>,
}

impl FirstLearned {
    fn new(sizes: &Sizes) -> Self {
        Self { examples: sizes.examples(), before: sizes.zeros(), ever: sizes.zeros(), count: vec![0.0] }
    }
}

impl Observer for FirstLearned {
    fn observe(&mut self, _t: u32, record: &Record, labels: &[u16]) {
        add_one(&mut self.count);
        for ((before, ever), observation) in self.before.iter_mut().zip(&mut self.ever).zip(record.observations(labels))
        {
            *ever = ever.max(f64::from(u8::from(observation.right)));
            *before += 1.0 - *ever;
        }
    }

    fn values(&self) -> Vec<f32> {
        let exists = if count(&self.count).is_nan() { f64::NAN } else { 0.0 };
        super::padded(self.examples, self.before.iter().map(|before| before + exists))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("before", &mut self.before), ("ever", &mut self.ever), ("count", &mut self.count)]
    }
}
