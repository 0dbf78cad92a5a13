//! Softmax cross-entropy in f64 from the logits, in log-sum-exp form, with `libm`'s exp and ln.

use super::real::Real;
use crate::scores::Record;

/// A row of logits, looked at once.
struct Row<'a, R> {
    logits: &'a [R],
    /// The largest logit, and the sum of exp(z - largest).
    largest: f64,
    sum: f64,
}

impl<'a, R: Real> Row<'a, R> {
    fn new(logits: &'a [R]) -> Self {
        let largest = logits.iter().map(|z| z.to_f64()).fold(f64::NEG_INFINITY, f64::max);
        let mut row = Self { logits, largest, sum: f64::NAN };
        if logits.iter().all(|z| z.to_f64().is_finite()) {
            row.sum = row.shifted().map(libm::exp).sum();
        }
        row
    }

    /// z - largest.
    fn shifted(&self) -> impl Iterator<Item = f64> {
        self.logits.iter().map(|z| z.to_f64() - self.largest)
    }

    /// `-log p[label]`.
    fn loss(&self, label: usize) -> f64 {
        self.logits.get(label).map_or(f64::NAN, |z| libm::log(self.sum) - (z.to_f64() - self.largest))
    }

    /// `z[label]` - the largest other logit.
    fn margin(&self, label: usize) -> f64 {
        let others = self.logits.iter().enumerate().filter(|(class, _)| *class != label);
        let rival = others.map(|(_, z)| z.to_f64()).fold(f64::NEG_INFINITY, f64::max);
        // Not finite where any logit isn't: `sum` is NaN then.
        let margin = self.logits.get(label).map_or(f64::NAN, |z| z.to_f64() - rival);
        if self.sum.is_nan() { f64::NAN } else { margin }
    }

    /// -sum p ln p.
    fn entropy(&self) -> f64 {
        let weighted: f64 = self.shifted().map(|shifted| libm::exp(shifted) * shifted).sum();
        libm::log(self.sum) - weighted / self.sum
    }

    /// The largest logit's class: the lowest of equals; 0 where all are NaN.
    fn predicted(&self) -> u16 {
        let class = self.logits.iter().position(|z| z.to_f64() >= self.largest).unwrap_or(0);
        u16::try_from(class).unwrap_or(u16::MAX)
    }

    fn observe(&self, label: usize, record: &mut Record) {
        record.loss.push(self.loss(label) as f32);
        record.margin.push(self.margin(label) as f32);
        record.entropy.push(self.entropy() as f32);
        record.predicted.push(self.predicted());
    }
}

/// Appends the observations of rows of logits `[labels, classes]`, with the arithmetic of training.
///
/// A row with a logit that isn't finite, or whose label is no class, has NaN for its loss and margin.
pub fn observe_logits(logits: &[f32], labels: &[u16], classes: usize, record: &mut Record) {
    for (logits, label) in logits.chunks_exact(classes.max(1)).zip(labels) {
        Row::new(logits).observe(usize::from(*label), record);
    }
}

/// Gradients below this are 0: they would become subnormal on their way down, which processors compute a hundred times
/// slower.
const NEGLIGIBLE: f64 = 1e-30;

/// `scale` (p - onehot(label)) of every row, and its observation.
pub fn cross_entropy<R: Real>(logits: &[R], labels: &[u16], scale: f64, seen: &mut Record, gradient: &mut [R]) {
    let classes = logits.len() / labels.len().max(1);
    if classes == 0 {
        return;
    }
    let rows = logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
    for ((logits, gradient), label) in rows.zip(labels) {
        let (row, label) = (Row::new(logits), usize::from(*label));
        row.observe(label, seen);
        for (class, (gradient, shifted)) in gradient.iter_mut().zip(row.shifted()).enumerate() {
            let target = if class == label { 1.0 } else { 0.0 };
            let exact = scale * (libm::exp(shifted) / row.sum - target);
            *gradient = R::from_f64(if exact.abs() < NEGLIGIBLE { 0.0 } else { exact });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(logits: &[f32], label: u16) -> (f32, f32, f32, u16) {
        let mut record = Record::default();
        observe_logits(logits, &[label], logits.len(), &mut record);
        (record.loss[0], record.margin[0], record.entropy[0], record.predicted[0])
    }

    #[test]
    fn equal_logits_have_the_entropy_of_a_fair_die_and_the_lowest_class_wins() {
        let (loss, margin, entropy, predicted) = observed(&[1.5; 6], 4);
        assert!((loss - 6.0_f32.ln()).abs() < 1e-6 && (entropy - 6.0_f32.ln()).abs() < 1e-6);
        assert_eq!((margin, predicted), (0.0, 0));
        assert_eq!(observed(&[0.0, 3.0, 3.0], 0).3, 1);
    }

    #[test]
    fn huge_logits_neither_overflow_nor_lose_the_loss() {
        let (loss, margin, entropy, predicted) = observed(&[1e30, -1e30, 0.0], 1);
        assert_eq!((loss, margin, entropy, predicted), (2e30, -2e30, 0.0, 0));
    }

    #[test]
    fn non_finite_logits_give_a_nan_loss_and_no_panic() {
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for label in [0, 1] {
                let (loss, margin, entropy, _) = observed(&[broken, 1.0], label);
                assert!(loss.is_nan() && margin.is_nan() && entropy.is_nan(), "{broken} {label}");
            }
        }
        assert_eq!(observed(&[f32::NAN; 3], 1).3, 0);
        assert_eq!(observed(&[f32::NAN, 1.0, 2.0], 1).3, 2);
        assert!(observed(&[1.0, 2.0], 7).0.is_nan(), "a label that is no class");
    }
}
