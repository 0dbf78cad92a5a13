//! How much does the network change its mind about the example when it is fine-tuned on others?

use super::at_epoch::PASS;
use super::{Harder, Need, Observer, Pass, ScoreKind, Sizes};
use crate::data::Role;

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "holdout_retraining",
    harder: Harder::High,
    citation: "Carlini et al. 2019 (`ret`)",
    definition: "the trained network is fine-tuned on the part that [data] retrain keeps out of training (its size, epochs and \
                 learning rate are the config's; batch, momentum, weight decay, loss and augmentation are the training's); sum of the \
                 Kullback-Leibler divergences between the softmax outputs before and after, both ways, in nats; exists for the \
                 examples that were trained on",
    refusal: |_, conditions| {
        conditions
            .retrain
            .is_none()
            .then_some("needs [data] retrain = { fraction, epochs, lr } and observe = \"sweep\"")
    },
    needs: |_, timetable| {
        vec![Need::at(Pass::Logits, timetable.epochs), Need::at(Pass::RetrainedLogits, timetable.epochs)]
    },
    observer: |_, sizes| Box::new(Retraining::new(sizes)),
    ..PASS
};

struct Retraining {
    roles: std::sync::Arc<[Role]>,
    classes: usize,
    epochs: u32,
    /// The final logits, `[examples, classes]`; empty until seen.
    before: Vec<f32>,
    divergence: Vec<f64>,
}

impl Retraining {
    fn new(sizes: &Sizes) -> Self {
        let divergence = vec![f64::NAN; sizes.examples()];
        let Sizes { roles, classes, timetable, .. } = sizes.clone();
        Self { roles, classes: classes.max(1), epochs: timetable.epochs, before: Vec::new(), divergence }
    }
}

impl Observer for Retraining {
    fn seen(&mut self, pass: Pass, epoch: u32, logits: &[f32], _labels: &[u16]) {
        if epoch != self.epochs {
            return;
        }
        if pass == Pass::Logits {
            self.before = logits.to_vec();
            return;
        }
        let rows = self.before.chunks_exact(self.classes).zip(logits.chunks_exact(self.classes));
        for ((divergence, role), (before, after)) in self.divergence.iter_mut().zip(&*self.roles).zip(rows) {
            if *role == Role::Train {
                *divergence = both_ways(before, after);
            }
        }
    }

    fn values(&self) -> Vec<f32> {
        self.divergence.iter().map(|divergence| *divergence as f32).collect()
    }

    // The logits before come in the same turn as those after: nothing of them needs to be saved.
    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("divergence", &mut self.divergence)]
    }
}

/// KL(p‖q) + KL(q‖p) = sum of (p - q) (log p - log q), from logits.
fn both_ways(before: &[f32], after: &[f32]) -> f64 {
    let (p, q) = (log_softmax(before), log_softmax(after));
    p.iter().zip(&q).map(|(p, q)| (libm::exp(*p) - libm::exp(*q)) * (p - q)).sum()
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let total: f64 = logits.iter().map(|logit| libm::exp(f64::from(*logit) - most)).sum();
    logits.iter().map(|logit| f64::from(*logit) - most - libm::log(total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_is_that_of_its_definition_and_0_where_nothing_changed() {
        let (p, q) = ([0.7_f64, 0.2, 0.1], [0.1_f64, 0.3, 0.6]);
        let kl = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * (a / b).ln()).sum::<f64>();
        // Any shift of the logits is the same softmax.
        let logits = |of: [f64; 3], shift: f64| of.map(|p| (p.ln() + shift) as f32);
        let found = both_ways(&logits(p, 3.0), &logits(q, -1.0));
        assert!((found - kl(&p, &q) - kl(&q, &p)).abs() < 1e-6, "{found}");
        assert!(both_ways(&logits(p, 0.0), &logits(p, 0.0)).abs() < 1e-15);
        assert!(both_ways(&[1e4, 0.0], &[0.0, 1e4]).is_finite());
    }
}
