//! At which layer is the network's answer settled? Prediction depth of Baldock et al. (2021, section 2.1).
//!
//! The smallest l such that the k-NN probes l, l + 1, ..., L (0 is the input, L the softmax) all give the network's final
//! class; undefined (NaN) where the last probe gives another one.

/// Depths while one probe after the other is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Depths {
    /// The network's final class of each example: its largest logit's, of equals the lowest.
    finals: Vec<u16>,
    /// Where the run of probes that agree with it begins; NaN where the last probe asked does not.
    depths: Vec<f32>,
}

impl Depths {
    /// No probe was asked yet.
    pub fn new(finals: Vec<u16>) -> Self {
        let depths = vec![f32::NAN; finals.len()];
        Self { finals, depths }
    }

    /// The predictions of the next probe, whose number (from 0) is given.
    pub fn ask(&mut self, number: usize, predicted: &[u16]) {
        for ((depth, last), predicted) in self.depths.iter_mut().zip(&self.finals).zip(predicted) {
            *depth = match (predicted == last, depth.is_nan()) {
                (true, true) => number as f32,
                (true, false) => *depth,
                (false, _) => f32::NAN,
            };
        }
    }

    /// The depths, NaN where undefined, once every probe was asked.
    pub fn values(self) -> Vec<f32> {
        self.depths
    }

    /// How many are undefined.
    pub fn undefined(&self) -> usize {
        self.depths.iter().filter(|depth| depth.is_nan()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The depth of one example from all its probes' predictions.
    fn depth(predicted: &[u16], last: u16) -> f32 {
        let mut depths = Depths::new(vec![last]);
        for (number, predicted) in predicted.iter().enumerate() {
            depths.ask(number, &[*predicted]);
        }
        assert_eq!(depths.undefined(), usize::from(depths.clone().values()[0].is_nan()));
        depths.values()[0]
    }

    #[test]
    fn depth_is_where_the_final_class_begins_to_stay() {
        assert_eq!(depth(&[4, 4, 4, 4], 4).to_bits(), 0.0_f32.to_bits());
        assert_eq!(depth(&[4, 1, 4, 4], 4).to_bits(), 2.0_f32.to_bits());
        assert_eq!(depth(&[1, 2, 3, 4], 4).to_bits(), 3.0_f32.to_bits());
        assert_eq!(depth(&[7, 4], 4).to_bits(), 1.0_f32.to_bits());
    }

    #[test]
    fn a_softmax_probe_that_differs_from_the_network_leaves_it_undefined() {
        assert!(depth(&[4, 4, 4, 1], 4).is_nan());
        assert!(depth(&[], 4).is_nan());
    }
}
