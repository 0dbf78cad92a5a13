//! How much does the network's belief in the label move during training? High means ambiguous.

use super::mean::{self, add_one, count};
use super::{Domain, Harder, Observation, Observer, Record, ScoreKind, Setting, Settings, Sizes};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "variability",
    harder: Harder::High,
    citation: "Swayamdipta et al. 2020",
    definition: "population standard deviation over t of p_t[y], or of another quantity (loss: -log p_t[y]; accuracy: c_t, 1 where the largest logit is the label's, else 0; entropy: of p_t; margin: \
                 p_t[y] - max over c != y of p_t[c]; logit_margin: of z_t instead); high means ambiguous: the direction is a \
                 convention",
    settings: &[Setting {
        name: "of",
        domain: Domain::Words(&[
            "confidence",
            "loss",
            "accuracy",
            "entropy",
            "max_confidence",
            "margin",
            "logit_margin",
        ]),
    }],
    observer: |settings, sizes| Box::new(Variability::new(settings, sizes)),
    ..mean::TRAJECTORY
};

/// Welford's running mean and sum of squared deviations.
struct Variability {
    examples: usize,
    of: fn(&Observation) -> f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
    count: Vec<f64>,
}

impl Variability {
    fn new(settings: &Settings, sizes: &Sizes) -> Self {
        let of: fn(&Observation) -> f64 = match settings.word("of") {
            Some("loss") => |observation| observation.loss,
            Some("accuracy") => |observation| f64::from(u8::from(observation.right)),
            Some("entropy") => |observation| observation.entropy,
            Some("max_confidence") => Observation::confidence,
            Some("margin") => Observation::probability_margin,
            Some("logit_margin") => |observation| observation.margin,
            _ => Observation::label_probability,
        };
        Self { examples: sizes.examples(), of, mean: sizes.zeros(), squares: sizes.zeros(), count: vec![0.0] }
    }
}

impl Observer for Variability {
    fn observe(&mut self, _t: u32, record: &Record, labels: &[u16]) {
        add_one(&mut self.count);
        let count = count(&self.count);
        let accumulators = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), observation) in accumulators.zip(record.observations(labels)) {
            let quantity = (self.of)(&observation);
            let before = quantity - *mean;
            *mean += before / count;
            *squares += before * (quantity - *mean);
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
