//! What did the network say when it looked at an example? The record of an epoch, and what follows from it.

/// One epoch's observations of all observed examples, by position in the data set.
///
/// All vectors have one entry per observed example: the training examples with `minibatch`, all with `sweep`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// `-log p[y]`, log-sum-exp form.
    pub loss: Vec<f32>,
    /// `z[y]` minus the largest `z[c]`, c != y.
    pub margin: Vec<f32>,
    /// Entropy of the softmax, in nats.
    pub entropy: Vec<f32>,
    /// argmax z, ties to the lowest index.
    pub predicted: Vec<u16>,
}

impl Record {
    /// Forgets all observations, and keeps the memory.
    pub fn clear(&mut self) {
        self.resize(0);
    }

    /// Room for so many examples; those not observed yet are 0.
    pub fn resize(&mut self, examples: usize) {
        self.loss.resize(examples, 0.0);
        self.margin.resize(examples, 0.0);
        self.entropy.resize(examples, 0.0);
        self.predicted.resize(examples, 0);
    }

    /// Moves another record's observations behind its own; the other keeps its memory.
    pub fn append(&mut self, other: &mut Self) {
        self.loss.append(&mut other.loss);
        self.margin.append(&mut other.margin);
        self.entropy.append(&mut other.entropy);
        self.predicted.append(&mut other.predicted);
    }

    /// Whether every loss is a finite number.
    pub fn is_finite(&self) -> bool {
        self.loss.iter().all(|loss| loss.is_finite())
    }

    /// Puts a batch's observations where its examples are.
    pub fn scatter(&mut self, positions: &[u32], batch: &Self) {
        fn put<T: Copy>(to: &mut [T], positions: &[u32], from: &[T]) {
            for (position, value) in positions.iter().zip(from) {
                if let Some(place) = to.get_mut(*position as usize) {
                    *place = *value;
                }
            }
        }
        put(&mut self.loss, positions, &batch.loss);
        put(&mut self.margin, positions, &batch.margin);
        put(&mut self.entropy, positions, &batch.entropy);
        put(&mut self.predicted, positions, &batch.predicted);
    }

    /// The observations by position, each beside its example's label.
    pub fn observations<'a>(&'a self, labels: &'a [u16]) -> impl Iterator<Item = Observation> + 'a {
        let numbers = self.loss.iter().zip(&self.margin).zip(&self.entropy);
        numbers.zip(self.predicted.iter().zip(labels)).map(|(((loss, margin), entropy), (predicted, label))| {
            Observation {
                loss: f64::from(*loss),
                margin: f64::from(*margin),
                entropy: f64::from(*entropy),
                right: predicted == label,
            }
        })
    }
}

/// One look at one example, label y, logits z, p = softmax(z).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// `-log p[y]`.
    pub loss: f64,
    /// `z[y]` minus the largest `z[c]`, c != y.
    pub margin: f64,
    /// Entropy of p, in nats.
    pub entropy: f64,
    /// Whether argmax z = y (ties: lowest index).
    pub right: bool,
}

impl Observation {
    /// `p[y]`
    pub fn label_probability(&self) -> f64 {
        libm::exp(-self.loss)
    }

    /// The largest `p[c]`, c != y: `log p[c] = log p[y] - margin`.
    pub fn rival_probability(&self) -> f64 {
        libm::exp(-(self.loss + self.margin))
    }

    /// The largest `p[c]`.
    pub fn confidence(&self) -> f64 {
        if self.right { self.label_probability() } else { self.rival_probability() }
    }

    /// `p[y]` minus the largest `p[c]`, c != y, as the larger of the two times 1 - e^-|margin|: nothing overflows, and two
    /// nearly equal probabilities don't cancel.
    pub fn probability_margin(&self) -> f64 {
        if self.margin >= 0.0 {
            -self.label_probability() * libm::expm1(-self.margin)
        } else {
            self.rival_probability() * libm::expm1(self.margin)
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact by construction
mod tests {
    use super::*;

    #[test]
    fn the_probability_margin_neither_overflows_nor_cancels() {
        let look = |loss, margin| Observation { loss, margin, entropy: 0.0, right: margin >= 0.0 };
        assert_eq!(look(2000.0, -2000.0).probability_margin(), -1.0);
        assert_eq!(look(0.0, 2000.0).probability_margin(), 1.0);
        assert_eq!(look(0.7, 0.0).probability_margin(), 0.0);
        let near = look(core::f64::consts::LN_2, 1e-12).probability_margin();
        assert!((near / 5e-13 - 1.0).abs() < 1e-9, "{near}");
    }

    #[test]
    fn a_tie_lost_to_a_lower_class_is_wrong_yet_as_confident() {
        let record = Record { loss: vec![0.8; 2], margin: vec![0.0; 2], entropy: vec![0.9; 2], predicted: vec![1, 1] };
        let looks: Vec<Observation> = record.observations(&[1, 2]).collect();
        assert_eq!([looks[0].right, looks[1].right], [true, false]);
        assert_eq!(looks[0].confidence(), looks[1].confidence());
    }
}
