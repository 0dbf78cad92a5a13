//! What do rows of logits say? Observations of the softmax, in f64 in log-sum-exp form with `libm`'s exp and ln, and the
//! gradients of the losses that training can minimise.

use super::real::Real;
use crate::scores::Record;

/// A row of logits, looked at once.
pub struct Row<'a, R> {
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

/// Rows of logits `[rows, classes]` as probabilities, in place; NaN where a logit of the row isn't finite.
pub fn probabilities<R: Real>(logits: &mut [R], classes: usize) {
    let mut shifted = Vec::with_capacity(classes);
    for row in logits.chunks_exact_mut(classes.max(1)) {
        let Row { largest, sum, .. } = Row::new(row);
        shifted.clear();
        shifted.extend(row.iter().map(|z| libm::exp(z.to_f64() - largest)));
        row.iter_mut().zip(&shifted).for_each(|(p, shifted)| *p = R::from_f64(shifted / sum));
    }
}

/// Gradients below this are 0: they would become subnormal on their way down, which processors compute a hundred times
/// slower.
const NEGLIGIBLE: f64 = 1e-30;

/// `scale` times the gradient of every row's loss, as `slope(row, label, scale, gradient)` writes it, and the row's
/// observation.
pub fn gradients<R: Real>(
    slope: fn(&Row<'_, R>, usize, f64, &mut [R]),
    logits: &[R],
    labels: &[u16],
    scale: f64,
    seen: &mut Record,
    gradient: &mut [R],
) {
    let classes = logits.len() / labels.len().max(1);
    if classes == 0 {
        return;
    }
    let rows = logits.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes));
    for ((logits, gradient), label) in rows.zip(labels) {
        let (row, label) = (Row::new(logits), usize::from(*label));
        row.observe(label, seen);
        slope(&row, label, scale, gradient);
    }
}

/// Of the cross-entropy: p - onehot(label).
pub fn cross_entropy<R: Real>(row: &Row<'_, R>, label: usize, scale: f64, gradient: &mut [R]) {
    for (class, (gradient, shifted)) in gradient.iter_mut().zip(row.shifted()).enumerate() {
        let target = if class == label { 1.0 } else { 0.0 };
        let exact = scale * (libm::exp(shifted) / row.sum - target);
        *gradient = R::from_f64(if exact.abs() < NEGLIGIBLE { 0.0 } else { exact });
    }
}

/// Of the sum over c != label of `max(0, z[c] - z[label])`: 1 at every class above the label, minus their number at the
/// label, 0 where nothing is above; NaN where a logit isn't finite, so that it shows in the weights as cross-entropy's does.
pub fn zero_hinge<R: Real>(row: &Row<'_, R>, label: usize, scale: f64, gradient: &mut [R]) {
    let own = row.logits.get(label).filter(|_| !row.sum.is_nan()).map_or(f64::NAN, |z| z.to_f64());
    if own.is_nan() {
        gradient.fill(R::from_f64(f64::NAN));
        return;
    }
    let is_above = |z: &R| z.to_f64() > own;
    let above = row.logits.iter().filter(|z| is_above(z)).count();
    for (class, (gradient, z)) in gradient.iter_mut().zip(row.logits).enumerate() {
        let slope = if class == label { -(above as f64) } else { f64::from(u8::from(is_above(z))) };
        *gradient = R::from_f64(scale * slope);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observed(logits: &[f32], label: u16) -> (f32, f32, f32, u16) {
        let mut record = Record::default();
        observe_logits(logits, &[label], logits.len(), &mut record);
        (record.loss[0], record.margin[0], record.entropy[0], record.predicted[0])
    }

    /// The 0-hinge loss, as the paper defines it but for the sign.
    fn hinge(z: &[f64], label: usize) -> f64 {
        let others = z.iter().enumerate().filter(|(class, _)| *class != label);
        others.map(|(_, other)| (other - z[label]).max(0.0)).sum()
    }

    fn hinge_gradient(z: &[f64], label: u16) -> Vec<f64> {
        let mut gradient = vec![7.0; z.len()];
        gradients(zero_hinge, z, &[label], 0.5, &mut Record::default(), &mut gradient);
        gradient
    }

    #[test]
    fn the_0_hinge_pushes_down_whatever_is_above_the_label() {
        assert_eq!(hinge_gradient(&[1.0, 3.0, 2.0, 0.0], 0), [-1.0, 0.5, 0.5, 0.0]);
        assert_eq!(hinge_gradient(&[1.0, 3.0, 2.0, 0.0], 1), [0.0; 4], "right by any margin costs nothing");
        assert_eq!(hinge_gradient(&[2.0, 2.0], 1), [0.0; 2], "nor does a tie");
        assert!(hinge_gradient(&[2.0, f64::NAN, 1.0], 2).iter().all(|slope| slope.is_nan()));
    }

    #[test]
    fn observations_are_those_of_the_softmax_whatever_is_minimised() {
        let (mut one, mut other, mut gradient) = (Record::default(), Record::default(), vec![0.0_f32; 6]);
        let logits = [1.0_f32, 3.0, 2.0, -4.0, 0.5, 0.0];
        gradients(cross_entropy, &logits, &[0, 1], 0.5, &mut one, &mut gradient);
        gradients(zero_hinge, &logits, &[0, 1], 0.5, &mut other, &mut gradient);
        assert_eq!(one, other);
        assert_eq!(one.loss.len(), 2);
    }

    /// The cross-entropy, as `ln sum exp(z[c] - z[label])`.
    fn entropy(z: &[f64], label: usize) -> f64 {
        z.iter().map(|other| (other - z[label]).exp()).sum::<f64>().ln()
    }

    type Slope = fn(&Row<'_, f64>, usize, f64, &mut [f64]);
    type Loss = fn(&[f64], usize) -> f64;
    const LOSSES: [(Slope, Loss); 2] = [(cross_entropy, entropy), (zero_hinge, hinge)];

    proptest! {
        #[test]
        fn gradients_are_central_differences(z in prop::collection::vec(-4.0..4.0_f64, 2..9), label in 0_usize..2) {
            // Away from the kinks of the hinge, where there is no gradient to compare with.
            prop_assume!(z.iter().enumerate().all(|(class, other)| class == label || (other - z[label]).abs() > 1e-4));
            for (slope, loss) in LOSSES {
                let mut gradient = vec![0.0; z.len()];
                gradients(slope, &z, &[label as u16], 1.0, &mut Record::default(), &mut gradient);
                for (class, found) in gradient.iter().enumerate() {
                    let moved = |by: f64| {
                        let mut z = z.clone();
                        z[class] += by;
                        loss(&z, label)
                    };
                    let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    prop_assert!((found - difference).abs() < 1e-6, "{} {}", found, difference);
                }
            }
        }
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
