//! At which layer is the network's answer settled? Prediction depth of Baldock et al. (2021, section 2.1).
//!
//! The smallest l such that the k-NN probes l, l + 1, ..., L (0 is the input, L the softmax) all give the network's final
//! class; undefined (NaN) where the last probe gives another one, or none.

use super::at_epoch::{PASS, at_epoch};
use super::grand::first;
use super::{Domain, Harder, Need, Pass, ScoreKind, Setting, Settings};

/// The registry's line.
pub(super) static KIND: ScoreKind = ScoreKind {
    name: "prediction_depth",
    harder: Harder::High,
    citation: "Baldock et al. 2021, section 2.1 and appendix A.5",
    definition: "probes are k-NN classifiers (Euclidean distance, majority vote, ties to the lower class, equal distances to the lower \
                 index) on what every place of the final network shows of the examples that the replicate trained on, with \
                 their given labels: 0 the input, then each layer (after its norm, before its ReLU; residual sums before their \
                 ReLU), L the softmax; eval mode, plain input. The smallest l such that probes l to L all give the network's \
                 final class; where probe L gives another, it does not exist. A training example leaves itself out of its \
                 neighbours unless leave_one_out = false",
    settings: &[
        Setting { name: "k", domain: Domain::Number { default: 30, least: 1 } },
        Setting { name: "leave_one_out", domain: Domain::Switch },
    ],
    refusal: |settings, _| {
        (settings.number("k") > Some(255)).then_some("k is at most 255 neighbours: votes are kept in a byte each")
    },
    futile: |settings, setup| {
        let Pass::Depths { k, leave_one_out } = pass(settings) else { return None };
        let references = setup.trained.saturating_sub(usize::from(leave_one_out));
        (k as usize > references).then(|| {
            format!("asks {k} neighbours, but an example has {references}: all vote on all, and its values say nothing")
        })
    },
    needs: |settings, timetable| vec![Need::at(pass(settings), timetable.epochs)],
    observer: |settings, sizes| at_epoch(pass(settings), sizes.timetable.epochs, sizes, |row, _| first(row)),
    ..PASS
};

fn pass(settings: &Settings) -> Pass {
    Pass::Depths { k: settings.number("k").unwrap_or(30), leave_one_out: settings.is("leave_one_out", "true") }
}

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

    /// The answers of the next probe, whose number (from 0) is given: a class for each example, none where nobody votes
    /// since what it sees is no number. Then it agrees with nothing, though the network's class be the lowest.
    pub fn ask(&mut self, number: usize, answers: impl IntoIterator<Item = Option<u16>>) {
        for ((depth, last), answer) in self.depths.iter_mut().zip(&self.finals).zip(answers) {
            *depth = match (answer == Some(*last), depth.is_nan()) {
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
        depth_of_answers(&predicted.iter().copied().map(Some).collect::<Vec<_>>(), last)
    }

    fn depth_of_answers(answers: &[Option<u16>], last: u16) -> f32 {
        let mut depths = Depths::new(vec![last]);
        for (number, answer) in answers.iter().enumerate() {
            depths.ask(number, [*answer]);
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

    #[test]
    fn no_answer_agrees_with_nothing() {
        assert!(depth_of_answers(&[None, None], 0).is_nan());
        assert!(depth_of_answers(&[Some(0), None], 0).is_nan());
        assert_eq!(depth_of_answers(&[Some(0), None, Some(0)], 0).to_bits(), 2.0_f32.to_bits());
    }
}
