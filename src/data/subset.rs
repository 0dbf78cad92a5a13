//! Which training examples does a `limit` keep? A seeded sample in which every class keeps its share.

use std::cmp::Reverse;

use super::Dataset;
use crate::random::{Key, Stream};
use crate::{Error, Result};

/// The data set with `limit` of its training examples and all of its test examples.
///
/// Ids, source order and normalisation stay those of the whole source. With the same seed, a larger limit keeps
/// the examples of a smaller one as far as the classes' shares allow.
///
/// # Errors
/// `Error::Usage` where there are fewer training examples than that.
pub fn limit(whole: &Dataset, limit: usize, seed: u64) -> Result<Dataset> {
    if limit == 0 || limit > whole.train {
        let reason = format!("`{}` has {} training examples", whole.source, whole.train);
        return Err(Error::Usage(format!("data.limit: {limit} is not possible: {reason}")));
    }
    let labels = whole.labels.get(..whole.train).unwrap_or_default();
    let kept = stratified(labels, whole.classes(), limit, &mut Key::study(seed).stream("limit"));
    let test: Vec<u32> = (whole.train as u32..whole.len() as u32).collect();
    let ids = kept.iter().chain(&test).filter_map(|position| whole.ids.get(*position as usize).copied()).collect();
    if !whole.has_pictures() {
        return Err(Error::Usage(format!("data.limit: `{}` is small enough; leave it out", whole.source)));
    }
    let (train, test) = (whole.select(&kept), whole.select(&test));
    let part = Dataset::new(&whole.source, whole.class_names.clone(), train, test, ids).map_err(Error::Failed)?;
    Ok(Dataset { normalisation: whole.normalisation.clone(), ..part })
}

/// `size` positions of `labels`, ascending; class by class, the first of a shuffled list of the class's positions.
///
/// The shuffles draw the same whatever the size. Sizes beyond the number of labels keep all.
pub fn stratified(labels: &[u16], classes: usize, size: usize, stream: &mut Stream) -> Vec<u32> {
    let mut members = vec![Vec::new(); classes];
    for (position, label) in labels.iter().enumerate() {
        if let Some(members) = members.get_mut(usize::from(*label)) {
            members.push(position as u32);
        }
    }
    let counts: Vec<usize> = members.iter().map(Vec::len).collect();
    let mut kept = Vec::with_capacity(size.min(labels.len()));
    for (mut members, share) in members.into_iter().zip(shares(&counts, size)) {
        stream.shuffle(&mut members);
        kept.extend(members.into_iter().take(share));
    }
    kept.sort_unstable();
    kept
}

/// Divides `size` among classes in proportion to their counts: the whole parts, then the largest remainders
/// (ties to the lower class).
fn shares(counts: &[usize], size: usize) -> Vec<usize> {
    let total = counts.iter().sum::<usize>().max(1) as u128;
    let size = (size as u128).min(total);
    let mut shares: Vec<usize> = counts.iter().map(|count| (size * *count as u128 / total) as usize).collect();
    let missing = (size as usize).saturating_sub(shares.iter().sum());
    let mut classes: Vec<usize> = (0..counts.len()).collect();
    classes.sort_by_key(|class| Reverse(size * counts[*class] as u128 % total));
    for class in classes.into_iter().take(missing) {
        shares[class] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{ImageShape, Split};

    /// 60 training examples in the ratio 3 : 2 : 1 and 6 test examples; every pixel is the example's number.
    fn whole() -> Dataset {
        let labels: Vec<u16> = (0..60_u16).map(|i| [0, 0, 0, 1, 1, 2][usize::from(i % 6)]).collect();
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        let pixels = (0..60).flat_map(|i| [i, i]).collect();
        let test = Split { shape, pixels: (60..66).flat_map(|i| [i, i]).collect(), labels: vec![0, 1, 2, 0, 1, 2] };
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        Dataset::new("made", names, Split { shape, pixels, labels }, test, (0..66).collect()).unwrap()
    }

    #[test]
    fn classes_keep_their_shares_and_examples_their_ids_order_and_pixels() {
        let part = limit(&whole(), 31, 5).unwrap();
        assert_eq!((part.train, part.test()), (31, 6));
        let count = |class| part.labels[..31].iter().filter(|label| **label == class).count();
        // 15.5, 10.33, 5.17: the one left over goes to the largest remainder.
        assert_eq!([count(0), count(1), count(2)], [16, 10, 5]);
        assert!(part.ids[..31].is_sorted());
        assert_eq!(part.ids[31..], [60, 61, 62, 63, 64, 65]);
        for (position, id) in part.ids.iter().enumerate() {
            assert_eq!(part.image(position), [*id as u8; 2]);
            assert_eq!(part.labels[position], whole().labels[*id as usize]);
        }
    }

    #[test]
    fn normalisation_stays_that_of_all_training_pixels() {
        let part = limit(&whole(), 6, 0).unwrap();
        assert_eq!(part.normalisation, whole().normalisation);
        assert_ne!(part.digest, whole().digest);
    }

    #[test]
    fn the_seed_chooses_and_larger_limits_contain_smaller_ones() {
        let ids = |size, seed| limit(&whole(), size, seed).unwrap().ids;
        assert_eq!(ids(12, 1), ids(12, 1));
        assert_ne!(ids(12, 1), ids(12, 2));
        let larger = ids(36, 1);
        assert!(ids(12, 1).iter().all(|id| larger.contains(id)));
        assert_eq!(limit(&whole(), 60, 3).unwrap().digest, whole().digest);
    }

    #[test]
    fn a_limit_beyond_the_source_says_how_many_there_are() {
        let error = limit(&whole(), 61, 0).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("61") && error.to_string().contains("60"), "{error}");
        assert!(limit(&whole(), 0, 0).is_err());
    }

    proptest! {
        #[test]
        fn shares_add_up_and_are_within_one_of_proportional(
            counts in prop::collection::vec(0_usize..500, 1..12), share in 0.0..=1.0_f64,
        ) {
            let total: usize = counts.iter().sum();
            let size = (share * total as f64) as usize;
            let found = shares(&counts, size);
            prop_assert_eq!(found.iter().sum::<usize>(), size);
            for (share, count) in found.iter().zip(&counts) {
                let exact = size as f64 * *count as f64 / total.max(1) as f64;
                prop_assert!(share <= count && (*share as f64 - exact).abs() < 1.0);
            }
        }
    }
}
