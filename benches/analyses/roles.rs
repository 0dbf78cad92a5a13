//! A made-up study with held-out examples, changed labels, final networks and probes, for the questions that need them.

use std::sync::Arc;

use diffscope::Result;
use diffscope::analysis::evidence::{Evidence, Look, Probes};
use diffscope::analysis::{Cohort, ModelScores, ScoreRuns, UNSEEN};
use diffscope::random::{Key, Stream};
use diffscope::scores::Harder;
use ndarray::{Array2, Array3};

const CLASSES: u64 = 10;
/// Probes of a ResNet-20.
const PROBES: usize = 12;
const EPOCHS: u32 = 20;

/// Scores whose values follow the difficulty, each by its own end.
const SCORES: [(&str, Harder); 9] = [
    ("aum", Harder::Low),
    ("forgetting", Harder::High),
    ("learned.final95", Harder::High),
    ("prediction_depth", Harder::High),
    ("prediction_depth.k10", Harder::High),
    ("output_margin", Harder::Low),
    ("input_margin", Harder::Low),
    ("vog.late", Harder::High),
    ("vog.early", Harder::Low),
];

fn stream(purpose: &str, index: u64) -> Stream {
    Key { study_seed: 0, label: purpose.to_owned(), index: 0 }.stream_for("roles", 0, index)
}

/// A model in the roles train, val and test: a fifth of the training examples is held out by each run, a tenth has changed labels.
pub fn study(examples: usize, runs: usize) -> Vec<ModelScores> {
    let tested = examples / 5;
    let of = |role: &'static str, count: usize| {
        let side = if role == "test" { "test" } else { "train" };
        let mut draws = stream(side, 0);
        let latent: Vec<f64> = (0..count).map(|_| draws.normal().exp()).collect();
        let truth: Vec<u16> = (0..count).map(|_| draws.below(CLASSES) as u16).collect();
        let changed = |class: &u16| if side == "train" && draws.uniform() < 0.1 { (class + 1) % 10 } else { *class };
        let labels: Vec<u16> = truth.iter().map(changed).collect();
        let held_out = |run: usize, example: usize| (example + run).is_multiple_of(5);
        let here = |(run, example): (usize, usize)| role == "test" || held_out(run, example) == (role == "val");
        let score = |place: usize, (name, harder): (&str, Harder)| {
            let mut noise = stream(role, 1 + place as u64);
            let value = |at: (usize, usize)| {
                let value = latent[at.1] + 0.5 * noise.uniform() * latent[at.1];
                let value = if name.starts_with("prediction_depth") { (2.0 * value).min(11.0).floor() } else { value };
                let value = if matches!(harder, Harder::Low) { 1.0 / (1.0 + value) } else { value };
                if here(at) { value as f32 } else { f32::NAN }
            };
            ScoreRuns { name: name.to_owned(), harder, values: Array2::from_shape_fn((runs, count), value) }
        };
        let mut guess = stream(role, 0);
        let seen = |at: (usize, usize)| {
            let right = guess.uniform() < 1.0 / (1.0 + 0.2 * latent[at.1]);
            let class = if right { truth[at.1] } else { guess.below(CLASSES) as u16 };
            if here(at) { class } else { UNSEEN }
        };
        let predicted = Array2::from_shape_fn((runs, count), seen);
        ModelScores {
            model: "held".to_owned(),
            role,
            runs: (0..runs as u32).collect(),
            scores: SCORES.into_iter().enumerate().map(|(place, of)| score(place, of)).collect(),
            cohort: Arc::new(Cohort {
                ids: (0..count as u32).collect(),
                labels,
                true_labels: truth,
                classes: (0..CLASSES).map(|class| format!("class {class}")).collect(),
                reviews: Vec::new(),
            }),
            predicted,
        }
    };
    vec![of("train", examples), of("val", examples), of("test", tested)]
}

/// What the runs of [`study`] left: the same of each, copied as if it had been read.
#[derive(Debug)]
pub struct Left {
    probes: Probes,
    course: Vec<u16>,
}

impl Left {
    pub fn of(examples: usize) -> Self {
        let all = examples + examples / 5;
        let mut draws = stream("probes", 0);
        Self {
            probes: Probes {
                names: (0..PROBES).map(|place| format!("probe {place}")).collect(),
                predicted: Array2::from_shape_fn((PROBES, all), |_| draws.below(CLASSES) as u16),
                votes: Array3::from_elem((PROBES, all, CLASSES as usize), 3),
            },
            course: (0..all).map(|_| draws.below(CLASSES) as u16).collect(),
        }
    }
}

impl Evidence for Left {
    fn probes(&self, _: &str, _: u32, _: &str) -> Result<Option<Probes>> {
        Ok(Some(self.probes.clone()))
    }

    fn course(&self, _: &str, _: u32, take: &mut dyn FnMut(Look<'_>)) -> Result<()> {
        for epoch in 0..EPOCHS {
            take(Look { epoch, predicted: &self.course, test_accuracy: 0.5 });
        }
        Ok(())
    }
}
