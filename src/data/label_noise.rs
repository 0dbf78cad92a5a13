//! Which training examples get a wrong label, and which one? A seeded choice of exactly the rounded share of them.
//!
//! Choice and new labels depend on the study's seed alone, so every replicate is given the same labels. Test examples keep theirs.

use super::Dataset;
use crate::random::{Key, Stream};
use crate::study::config::{LabelNoise, NoiseKind};
use crate::{Error, Result};

/// Changes given labels as `noise` says; true labels stay.
///
/// # Errors
/// `Error::Usage` where the matrix is another number of classes', or there is no other class.
pub fn inject(dataset: &mut Dataset, noise: &LabelNoise, study_seed: u64) -> Result<()> {
    let classes = dataset.classes();
    if classes < 2 {
        return Err(Error::Usage("data.label_noise: the data have one class: there is no wrong label".into()));
    }
    if let Some(rows) = noise.matrix.as_ref().map(Vec::len).filter(|rows| *rows != classes) {
        let reason = format!("has {rows} rows, the data have {classes} classes");
        return Err(Error::Usage(format!("data.label_noise.matrix: {reason}")));
    }
    let key = Key::study(study_seed);
    let mut chosen: Vec<usize> = (0..dataset.train).collect();
    key.stream("label noise: chosen").shuffle(&mut chosen);
    chosen.truncate((noise.rate * dataset.train as f64).round() as usize);
    chosen.sort_unstable();
    let old: Vec<u16> = chosen.iter().filter_map(|position| dataset.true_labels.get(*position).copied()).collect();
    let new = wrong_labels(&old, classes as u64, noise, &mut key.stream("label noise: labels"));
    for (position, label) in chosen.into_iter().zip(new) {
        if let Some(given) = dataset.labels.get_mut(position) {
            *given = label;
        }
    }
    Ok(())
}

/// The new labels of the chosen examples, in their order.
fn wrong_labels(old: &[u16], classes: u64, noise: &LabelNoise, stream: &mut Stream) -> Vec<u16> {
    let mut shuffled = old.to_vec();
    let rows = noise.matrix.as_deref().unwrap_or_default();
    let mut draw = |label: &u16| {
        let class = u64::from(*label);
        match noise.kind {
            NoiseKind::Symmetric => ((class + 1 + stream.below(classes - 1)) % classes) as u16,
            NoiseKind::Pairs => ((class + 1) % classes) as u16,
            NoiseKind::Random => stream.below(classes) as u16,
            NoiseKind::Matrix => rows.get(usize::from(*label)).map_or(*label, |row| drawn(row, stream.uniform())),
            NoiseKind::Shuffle => *label,
        }
    };
    let labels = old.iter().map(&mut draw).collect();
    if noise.kind != NoiseKind::Shuffle {
        return labels;
    }
    stream.shuffle(&mut shuffled);
    shuffled
}

/// The class at which the cumulative probabilities pass `u`, a uniform number in [0, 1).
fn drawn(row: &[f64], u: f64) -> u16 {
    let mut total = 0.0;
    let passed = row.iter().position(|share| {
        total += share;
        u < total
    });
    // Rounding may leave the sum a little below 1: then the last class that has any probability.
    passed.or_else(|| row.iter().rposition(|share| *share > 0.0)).unwrap_or(0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageShape, Split};
    use proptest::prelude::*;

    fn dataset(train: usize, classes: usize) -> Dataset {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let split = |n: usize| Split {
            shape,
            pixels: (0..n).map(|i| i as u8).collect(),
            labels: (0..n).map(|i| (i % classes) as u16).collect(),
        };
        let names = (0..classes).map(|class| class.to_string()).collect();
        Dataset::new("made", names, split(train), split(20), (0..train as u32 + 20).collect()).unwrap()
    }

    fn noisy(train: usize, classes: usize, noise: &LabelNoise, seed: u64) -> Dataset {
        let mut dataset = dataset(train, classes);
        inject(&mut dataset, noise, seed).unwrap();
        dataset
    }

    fn of(kind: NoiseKind, rate: f64) -> LabelNoise {
        LabelNoise { kind, rate, matrix: None }
    }

    /// Positions whose labels were changed.
    fn changed(dataset: &Dataset) -> Vec<usize> {
        (0..dataset.len()).filter(|at| dataset.labels[*at] != dataset.true_labels[*at]).collect()
    }

    #[test]
    fn pairs_go_to_the_next_class_and_a_matrix_is_obeyed() {
        let pairs = noisy(100, 4, &of(NoiseKind::Pairs, 0.5), 1);
        assert_eq!(changed(&pairs).len(), 50);
        assert!(changed(&pairs).iter().all(|at| pairs.labels[*at] == (pairs.true_labels[*at] + 1) % 4));
        let matrix = Some(vec![vec![0.0, 1.0, 0.0], vec![0.0, 1.0, 0.0], vec![0.0, 0.25, 0.75]]);
        let all = noisy(3000, 3, &LabelNoise { matrix, ..of(NoiseKind::Matrix, 1.0) }, 1);
        let count = |from, to| (0..3000).filter(|at| all.true_labels[*at] == from && all.labels[*at] == to).count();
        assert_eq!((count(0, 1), count(1, 1), count(2, 0)), (1000, 1000, 0));
        assert!((200..300).contains(&count(2, 1)), "{}", count(2, 1));
    }

    #[test]
    fn shuffled_labels_are_a_permutation_and_random_ones_may_be_right() {
        let counts = |dataset: &Dataset, true_ones: bool| {
            let labels = if true_ones { &dataset.true_labels } else { &dataset.labels };
            (0..5).map(|class| labels[..500].iter().filter(|label| **label == class).count()).collect::<Vec<_>>()
        };
        let shuffled = noisy(500, 5, &of(NoiseKind::Shuffle, 0.2), 4);
        assert_eq!(counts(&shuffled, true), counts(&shuffled, false));
        let random = noisy(5000, 5, &of(NoiseKind::Random, 0.4), 4);
        // A fifth of the 2,000 draws its own class.
        assert!((1500..1700).contains(&changed(&random).len()), "{}", changed(&random).len());
    }

    #[test]
    fn a_matrix_of_other_classes_is_refused() {
        let noise = LabelNoise { matrix: Some(vec![vec![1.0]]), ..of(NoiseKind::Matrix, 0.5) };
        let error = inject(&mut dataset(10, 3), &noise, 0).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("3 classes"), "{error}");
    }

    proptest! {
        #[test]
        fn symmetric_noise_changes_exactly_the_rounded_share_and_no_test_example(
            train in 1_usize..400, classes in 2_usize..12, rate in 0.0..=1.0_f64, seed in any::<u64>(),
        ) {
            let dataset = noisy(train, classes, &of(NoiseKind::Symmetric, rate), seed);
            let changed = changed(&dataset);
            prop_assert_eq!(changed.len(), (rate * train as f64).round() as usize);
            prop_assert!(changed.iter().all(|at| *at < train && usize::from(dataset.labels[*at]) < classes));
            prop_assert_eq!(&dataset.labels, &noisy(train, classes, &of(NoiseKind::Symmetric, rate), seed).labels);
        }
    }
}
