//! Training sees the examples in another order in every epoch, batch by batch: is what a score gets still by position?

use proptest::prelude::*;

use super::{ALL, ScoreSpec, epochs, histories, record, sizes, specs};
use crate::scores::Record;

/// The order of an epoch, and the sizes of its batches (at least 1 each; the last one is cut).
type Course = (Vec<u32>, Vec<usize>);

/// Histories, and a course for each of their epochs.
fn trainings() -> impl Strategy<Value = (Vec<u16>, Vec<Vec<Vec<f64>>>, Vec<Course>)> {
    histories().prop_flat_map(|(labels, epochs)| {
        let examples = labels.len();
        let order = Just((0..examples as u32).collect::<Vec<u32>>()).prop_shuffle();
        let courses = prop::collection::vec((order, prop::collection::vec(1..=examples, examples)), epochs.len());
        (Just(labels), Just(epochs), courses)
    })
}

/// An epoch as training enters it: a record of each batch's logits, put where the batch's examples are.
fn enter(epoch: &mut Record, logits: &[Vec<f64>], labels: &[u16], (order, batches): &Course) {
    let mut rest = order.as_slice();
    for size in batches {
        let (batch, later) = rest.split_at(rest.len().min(*size));
        let own: Vec<Vec<f64>> = batch.iter().map(|position| logits[*position as usize].clone()).collect();
        let given: Vec<u16> = batch.iter().map(|position| labels[*position as usize]).collect();
        epoch.scatter(batch, &record(&own, &given));
        rest = later;
    }
    assert!(rest.is_empty(), "as many batches of at least one example as there are examples");
}

proptest! {
    #[test]
    fn any_order_in_batches_of_any_sizes_gives_the_observations_and_scores_of_rows_in_order(
        (labels, logits, courses) in trainings(),
    ) {
        let sizes = sizes(labels.len(), labels.len(), logits[0][0].len(), epochs(logits.len()));
        let specs = specs(ALL).unwrap();
        let observers = || specs.iter().map(|spec: &ScoreSpec| spec.observer(&sizes)).collect::<Vec<_>>();
        let (mut in_order, mut shuffled) = (observers(), observers());
        // One record for all epochs, as in training: what an epoch does not enter would be the last one's.
        let mut entered = Record::default();
        for (t, (logits, course)) in (0..).zip(logits.iter().zip(&courses)) {
            let expected = record(logits, &labels);
            entered.resize(labels.len());
            enter(&mut entered, logits, &labels, course);
            prop_assert_eq!(&entered, &expected);
            for (one, other) in in_order.iter_mut().zip(&mut shuffled) {
                one.observe(t, &expected, &labels);
                other.observe(t, &entered, &labels);
            }
        }
        for (spec, (one, other)) in specs.iter().zip(in_order.iter().zip(&shuffled)) {
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(one.values()), bits(other.values()), "{}", spec.name);
        }
    }
}
