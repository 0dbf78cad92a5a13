//! How often is the example forgotten: right at one observation and wrong at the next?

use super::mean::{self, add_one, count};
use super::{Domain, Harder, Observer, Record, ScoreKind, Setting, Settings, Sizes};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "forgetting",
    harder: Harder::High,
    citation: "Toneva et al. 2019; never_learned = \"zero\": Kwok et al.'s code, \"inf\": Paul et al.'s",
    definition: "number of t >= 1 with c_{t-1} = 1 and c_t = 0; never_learned: what examples get that were never \
                 right: \"max\" the number of observations T, \"zero\" 0, \"inf\" infinity (for ranks and export only)",
    settings: &[Setting { name: "never_learned", domain: Domain::Words(&["max", "zero", "inf"]) }],
    observer: |settings, sizes| Box::new(Forgetting::new(settings, sizes)),
    ..mean::TRAJECTORY
};

struct Forgetting {
    examples: usize,
    never_learned: Option<f64>,
    forgotten: Vec<f64>,
    /// 1 where the last observation was right.
    right: Vec<f64>,
    /// 1 where any observation was right.
    ever: Vec<f64>,
    count: Vec<f64>,
}

impl Forgetting {
    fn new(settings: &Settings, sizes: &Sizes) -> Self {
        Self {
            examples: sizes.examples(),
            never_learned: match settings.word("never_learned") {
                Some("zero") => Some(0.0),
                Some("inf") => Some(f64::INFINITY),
                _ => None,
            },
            forgotten: sizes.zeros(),
            right: sizes.zeros(),
            ever: sizes.zeros(),
            count: vec![0.0],
        }
    }
}

impl Observer for Forgetting {
    fn observe(&mut self, _t: u32, record: &Record, labels: &[u16]) {
        add_one(&mut self.count);
        let accumulators = self.forgotten.iter_mut().zip(&mut self.right).zip(&mut self.ever);
        for (((forgotten, right), ever), observation) in accumulators.zip(record.observations(labels)) {
            let now = f64::from(u8::from(observation.right));
            *forgotten += *right * (1.0 - now);
            *ever = ever.max(now);
            *right = now;
        }
    }

    fn values(&self) -> Vec<f32> {
        let observations = count(&self.count);
        let never = self.never_learned.unwrap_or(observations);
        let value = |(forgotten, ever): (&f64, &f64)| match (observations.is_nan(), *ever > 0.0) {
            (true, _) => f64::NAN,
            (false, true) => *forgotten,
            (false, false) => never,
        };
        super::padded(self.examples, self.forgotten.iter().zip(&self.ever).map(value))
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![
            ("forgotten", &mut self.forgotten),
            ("right", &mut self.right),
            ("ever", &mut self.ever),
            ("count", &mut self.count),
        ]
    }
}
