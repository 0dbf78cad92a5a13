//! How much does the network's belief in the label move during training? High means ambiguous.

use super::mean::{self, add_one, count};
use super::{Harder, Observer, Record, ScoreKind, Sizes};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "variability",
    harder: Harder::High,
    citation: "Swayamdipta et al. 2020",
    definition: "population standard deviation over t of p_t[y]; high means ambiguous: the direction is a convention",
    observer: |_, sizes| Box::new(Variability::new(sizes)),
    ..mean::TRAJECTORY
};

/// Welford's running mean and sum of squared deviations.
struct Variability {
    examples: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
    count: Vec<f64>,
}

impl Variability {
    fn new(sizes: Sizes) -> Self {
        Self { examples: sizes.examples, mean: sizes.zeros(), squares: sizes.zeros(), count: vec![0.0] }
    }
}

impl Observer for Variability {
    fn observe(&mut self, _t: u32, record: &Record, labels: &[u16]) {
        add_one(&mut self.count);
        let count = count(&self.count);
        let accumulators = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), observation) in accumulators.zip(record.observations(labels)) {
            let belief = observation.label_probability();
            let before = belief - *mean;
            *mean += before / count;
            *squares += before * (belief - *mean);
        }
    }

    fn values(&self) -> Vec<f32> {
        let count = count(&self.count);
        super::padded(self.examples, self.squares.iter().map(|squares| libm::sqrt(squares / count)))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("mean", &mut self.mean), ("squares", &mut self.squares), ("count", &mut self.count)]
    }
}
