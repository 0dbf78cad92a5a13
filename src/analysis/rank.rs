//! Who is harder than whom? Average ranks with ties, and Spearman's correlation of two rankings.

/// Average ranks, from 1: equal values share the mean of their ranks. A NaN has no rank (NaN), and the others are
/// ranked among themselves. The two zeros are equal; infinities are ranked as the values that they are.
///
/// ```
/// use diffscope::analysis::rank::average_ranks;
/// assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
/// ```
pub fn average_ranks(values: &[f64]) -> Vec<f32> {
    let mut ranks = Vec::new();
    Ranker::default().rank(values, &mut ranks);
    ranks
}

/// Ranks one array after the other with the same memory.
#[derive(Debug, Default)]
pub struct Ranker {
    /// A value's key in the upper half, its place in the lower one.
    keyed: Vec<u64>,
    spare: Vec<u64>,
}

/// Where a value stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many are smaller; [`MISSING`] where there is no value.
    pub below: u32,
    /// Twice its average rank.
    pub doubled_rank: u32,
}

/// Stands for the count of a value that does not exist.
pub const MISSING: u32 = u32::MAX;

impl Ranker {
    /// As [`average_ranks`]. Ranks are multiples of 1/2, so exact in f32 up to 8 million examples.
    pub fn rank<T: Copy + Into<f64>>(&mut self, values: &[T], ranks: &mut Vec<f32>) {
        self.map(values, f32::NAN, |doubled| doubled as f32 / 2.0, ranks);
    }

    /// What `of` makes of twice the average rank of each value; `missing` for a NaN.
    pub fn map<T: Copy + Into<f64>, R: Copy>(
        &mut self,
        values: &[T],
        missing: R,
        of: impl Fn(usize) -> R,
        mapped: &mut Vec<R>,
    ) {
        mapped.clear();
        mapped.resize(values.len(), missing);
        self.each_tie(values, |below, tied| {
            let shared = of(2 * below + tied.len() + 1);
            for keyed in tied {
                if let Some(cell) = mapped.get_mut(place(*keyed)) {
                    *cell = shared;
                }
            }
        });
    }

    /// Where each value stands.
    pub fn standings<T: Copy + Into<f64>>(&mut self, values: &[T], standings: &mut Vec<Standing>) {
        standings.clear();
        standings.resize(values.len(), Standing { below: MISSING, doubled_rank: 0 });
        self.each_tie(values, |below, tied| {
            let shared = Standing { below: below as u32, doubled_rank: (2 * below + tied.len() + 1) as u32 };
            for keyed in tied {
                if let Some(standing) = standings.get_mut(place(*keyed)) {
                    *standing = shared;
                }
            }
        });
    }

    /// The places of the values that exist, smallest first, equal ones by place.
    pub fn order<T: Copy + Into<f64>>(&mut self, values: &[T]) -> Vec<usize> {
        let mut order = Vec::with_capacity(values.len());
        self.each_tie(values, |_, tied| order.extend(tied.iter().map(|keyed| place(*keyed))));
        order
    }

    /// Visits the groups of equal values in rising order: how many values are smaller, and the group.
    #[allow(clippy::float_cmp)] // a tie is an exact one
    fn each_tie<T: Copy + Into<f64>>(&mut self, values: &[T], mut visit: impl FnMut(usize, &[u64])) {
        let value = |keyed: u64| values.get(place(keyed)).map_or(f64::NAN, |value| (*value).into());
        self.keyed.clear();
        self.keyed.reserve(values.len());
        key(values, &mut self.keyed);
        sort_by_digits(&mut self.keyed, &mut self.spare);
        let mut below = 0;
        for near in self.keyed.chunk_by_mut(|a, b| a >> LOWEST_DIGIT == b >> LOWEST_DIGIT) {
            if near.len() > 1 {
                near.sort_unstable();
            }
            // Values that differ in f64 may have one key: keys keep the order, so only such groups are sorted again.
            for group in near.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
                if group.windows(2).any(|pair| matches!(pair, [a, b] if value(*a) != value(*b))) {
                    group.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
                }
                for tied in group.chunk_by(|a, b| value(*a) == value(*b)) {
                    visit(below, tied);
                    below += tied.len();
                }
            }
        }
    }
}

fn place(keyed: u64) -> usize {
    keyed as u32 as usize
}

/// Keys that never fall as values rise, for the values that exist: their place between the smallest and the largest in 32
/// bits, or their order as f32 where that distance isn't finite.
fn key<T: Copy + Into<f64>>(values: &[T], keyed: &mut Vec<u64>) {
    let numbers = || values.iter().map(|value| (*value).into());
    let (low, high) = numbers()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (f64::min(low, value), f64::max(high, value)));
    let scale = f64::from(u32::MAX) / (high - low);
    let present = (0_u32..).zip(numbers()).filter(|(_, value)| !value.is_nan());
    let with = |key: u32, place: u32| u64::from(key) << 32 | u64::from(place);
    if scale.is_finite() && scale > 0.0 {
        keyed.extend(present.map(|(place, value)| with(((value - low) * scale) as u32, place)));
    } else {
        keyed.extend(present.map(|(place, value)| with(order_of(value as f32), place)));
    }
}

/// An unsigned number that rises with the float.
fn order_of(value: f32) -> u32 {
    // Adding +0 turns -0 into +0. Positive floats order as their bits, negative ones the other way round.
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The digits that are sorted by, 11 bits each; what lies below the lowest is left to small sorts.
const LOWEST_DIGIT: u32 = 42;
const DIGITS: [u32; 2] = [LOWEST_DIGIT, LOWEST_DIGIT + 11];

/// Sorts by the upper 22 bits, equal ones as they stood: digit by digit from the lowest, which costs a fraction of a sort by
/// comparison.
fn sort_by_digits(keyed: &mut Vec<u64>, spare: &mut Vec<u64>) {
    if keyed.len() < 1024 {
        keyed.sort_unstable();
        return;
    }
    let digit = |key: u64, shift: u32| (key >> shift) as usize & 2047;
    let mut counts = vec![[0_u32; 2048]; DIGITS.len()];
    for key in keyed.iter() {
        for (counts, shift) in counts.iter_mut().zip(DIGITS) {
            counts[digit(*key, shift)] += 1;
        }
    }
    spare.clear();
    spare.resize(keyed.len(), 0);
    for (counts, shift) in counts.iter_mut().zip(DIGITS) {
        let mut first = 0;
        for count in counts.iter_mut() {
            (*count, first) = (first, first + *count);
        }
        for key in keyed.iter() {
            let next = &mut counts[digit(*key, shift)];
            spare[*next as usize] = *key;
            *next += 1;
        }
        std::mem::swap(keyed, spare);
    }
}

/// A ranking of examples, prepared for correlations: centred average ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// Rank minus mean rank, 0 where missing. Multiples of 1/2, so exact in f32 up to 8 million examples.
    centred: Vec<f32>,
    /// Root of the sum of squares of `centred`.
    norm: f64,
    /// Places of the examples without a value, rising.
    missing: Vec<u32>,
}

impl Ranks {
    /// Ranks values; NaN is missing.
    pub fn new(values: &[f64]) -> Self {
        Self::centre(average_ranks(values))
    }

    /// Ranks stored values; NaN is missing.
    pub fn of_stored(values: &[f32]) -> Self {
        let mut ranks = Vec::new();
        Ranker::default().rank(values, &mut ranks);
        Self::centre(ranks)
    }

    fn centre(mut ranks: Vec<f32>) -> Self {
        let missing: Vec<u32> = (0..).zip(&ranks).filter(|(_, rank)| rank.is_nan()).map(|(place, _)| place).collect();
        let centre = (ranks.len() - missing.len() + 1) as f32 / 2.0;
        for rank in &mut ranks {
            *rank = if rank.is_nan() { 0.0 } else { *rank - centre };
        }
        let centred = ranks;
        let norm = dot(&centred, &centred).sqrt();
        Self { centred, norm, missing }
    }

    /// How many examples have a value.
    pub fn present(&self) -> usize {
        self.centred.len() - self.missing.len()
    }

    /// Whether no two examples differ: such a ranking correlates with nothing.
    pub fn is_constant(&self) -> bool {
        self.norm <= 0.0
    }

    /// Spearman's correlation over the examples that both have (ranked anew where they have not the same ones);
    /// NaN where one of the two is constant there.
    pub fn correlation(&self, other: &Self) -> f64 {
        if self.missing == other.missing {
            return dot(&self.centred, &other.centred) / (self.norm * other.norm);
        }
        let [a, b] = self.in_common(other);
        dot(&a.centred, &b.centred) / (a.norm * b.norm)
    }

    /// How many examples both have.
    pub fn shared(&self, other: &Self) -> usize {
        let only_other = other.missing.iter().filter(|place| self.missing.binary_search(place).is_err()).count();
        self.present() - only_other
    }

    /// Both rankings over the examples that both have.
    fn in_common(&self, other: &Self) -> [Self; 2] {
        let mut absent = vec![false; self.centred.len()];
        for place in self.missing.iter().chain(&other.missing) {
            if let Some(absent) = absent.get_mut(*place as usize) {
                *absent = true;
            }
        }
        [self, other].map(|ranks| {
            let kept = ranks.centred.iter().zip(&absent).filter(|(_, absent)| !**absent);
            Self::new(&kept.map(|(rank, _)| f64::from(*rank)).collect::<Vec<f64>>())
        })
    }
}

/// The mean of several rankings of the same examples, each at unit length: its product with a ranking is that
/// ranking's mean correlation with them, in one pass instead of one per ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanRanks {
    unit: Vec<f64>,
    missing: Vec<u32>,
}

impl MeanRanks {
    /// The mean of those that are not constant; none where there are none, or where they miss different examples.
    pub fn new(runs: &[Ranks]) -> Option<Self> {
        let first = runs.first()?;
        let varied: Vec<&Ranks> = runs.iter().filter(|ranks| !ranks.is_constant()).collect();
        if varied.is_empty() || runs.iter().any(|ranks| ranks.missing != first.missing) {
            return None;
        }
        let mut unit = vec![0.0; first.centred.len()];
        for ranks in &varied {
            let scale = 1.0 / (ranks.norm * varied.len() as f64);
            unit.iter_mut().zip(&ranks.centred).for_each(|(sum, rank)| *sum += scale * f64::from(*rank));
        }
        Some(Self { unit, missing: first.missing.clone() })
    }

    /// The mean correlation of a ranking with those behind this one; none where they miss different examples.
    pub fn correlation(&self, ranks: &Ranks) -> Option<f64> {
        let product = |(unit, rank): (&f64, &f32)| unit * f64::from(*rank);
        (self.missing == ranks.missing)
            .then(|| self.unit.iter().zip(&ranks.centred).map(product).sum::<f64>() / ranks.norm)
    }
}

/// Inner product in f64, in eight lanes that the compiler can keep in vector registers.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f64 = tail.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += f64::from(*x) * f64::from(*y);
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact by construction
mod tests {
    use super::*;

    #[test]
    fn zeros_tie_infinities_rank_and_nans_do_not() {
        let ranks = average_ranks(&[0.0, f64::NAN, -0.0, f64::INFINITY, f64::NEG_INFINITY, -1.0]);
        assert!(ranks[1].is_nan());
        assert_eq!([ranks[0], ranks[2], ranks[3], ranks[4], ranks[5]], [3.5, 3.5, 5.0, 1.0, 2.0]);
        assert!(average_ranks(&[]).is_empty());
    }

    #[test]
    fn values_that_differ_beyond_f32_are_told_apart() {
        let small = 1e-12;
        assert_eq!(average_ranks(&[1.0 + small, 1.0, 1.0 - small, 1.0]), [4.0, 2.5, 1.0, 2.5]);
        assert_eq!(average_ranks(&[1e300, f64::INFINITY, 1e301, 2.0]), [2.0, 4.0, 3.0, 1.0]);
    }

    proptest::proptest! {
        #[test]
        fn ranks_are_those_of_counting(values in proptest::collection::vec(-20_i32..20, 0..3000), scale in 1e-9..1e9_f64) {
            let values: Vec<f64> = values.iter().map(|value| if *value == 13 { f64::NAN } else { f64::from(*value) * scale }).collect();
            let mut standings = Vec::new();
            Ranker::default().standings(&values, &mut standings);
            let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            for ((value, rank), standing) in values.iter().zip(average_ranks(&values)).zip(standings) {
                if value.is_nan() {
                    proptest::prop_assert!(rank.is_nan() && standing.below == MISSING);
                    continue;
                }
                let smaller = sorted.partition_point(|other| other < value);
                let equal = sorted.partition_point(|other| other <= value) - smaller;
                proptest::prop_assert_eq!(standing, Standing { below: smaller as u32, doubled_rank: (2 * smaller + equal + 1) as u32 });
                proptest::prop_assert_eq!(rank, smaller as f32 + (equal + 1) as f32 / 2.0);
            }
        }
    }

    #[test]
    fn stored_values_rank_as_their_f64_forms_do() {
        let stored: Vec<f32> = (0..500_u32)
            .map(|i| match i % 11 {
                0 => f32::NAN,
                1 => -0.0,
                2 => f32::NEG_INFINITY,
                _ => ((i * 7919) % 97) as f32 / 7.0 - 6.0,
            })
            .collect();
        let exact: Vec<f64> = stored.iter().map(|value| f64::from(*value)).collect();
        assert_eq!(Ranks::of_stored(&stored), Ranks::new(&exact));
    }

    #[test]
    fn rankings_that_miss_different_examples_are_ranked_anew_over_the_common_ones() {
        let a = Ranks::new(&[1.0, 2.0, 3.0, 4.0, f64::NAN]);
        let b = Ranks::new(&[9.0, f64::NAN, 1.0, 2.0, 3.0]);
        assert_eq!((a.shared(&b), a.present()), (3, 4));
        // Common: (1, 9), (3, 1), (4, 2): ranks 1 2 3 against 3 1 2.
        assert!((a.correlation(&b) + 0.5).abs() < 1e-12);
    }

    #[test]
    fn nothing_correlates_with_a_constant_or_with_nothing() {
        let varied = Ranks::new(&[1.0, 2.0, 3.0]);
        for other in [Ranks::new(&[5.0; 3]), Ranks::new(&[f64::NAN; 3]), Ranks::new(&[f64::NAN, f64::NAN, 1.0])] {
            assert!(varied.correlation(&other).is_nan());
        }
        assert!(Ranks::new(&[]).correlation(&Ranks::new(&[])).is_nan());
    }

    #[test]
    fn the_mean_ranking_gives_the_mean_correlation() {
        let run = |seed: u64| -> Vec<f64> { (0..101).map(|i| ((i * seed) % 17) as f64 + i as f64 / 9.0).collect() };
        let runs: Vec<Ranks> = [3, 5, 7].map(|seed| Ranks::new(&run(seed))).to_vec();
        let other = Ranks::new(&run(11));
        let each = runs.iter().map(|ranks| other.correlation(ranks)).sum::<f64>() / 3.0;
        let at_once = MeanRanks::new(&runs).unwrap().correlation(&other).unwrap();
        assert!((each - at_once).abs() < 1e-12, "{each} {at_once}");
        let with_constant = [runs.clone(), vec![Ranks::new(&[1.0; 101])]].concat();
        assert_eq!(MeanRanks::new(&with_constant), MeanRanks::new(&runs));
    }
}
