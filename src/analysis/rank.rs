//! Who is harder than whom? Average ranks with ties, and Spearman's correlation of two rankings.

/// Average ranks, from 1: equal values share the mean of their ranks. A NaN has no rank (NaN), and the others are
/// ranked among themselves. The two zeros are equal; infinities are ranked as the values that they are.
///
/// ```
/// use diffscope::analysis::rank::average_ranks;
/// assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
/// ```
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let present = (0_u32..).zip(values).filter(|(_, value)| !value.is_nan());
    let mut keyed: Vec<u128> =
        present.map(|(place, value)| u128::from(order_of(*value)) << 32 | u128::from(place)).collect();
    keyed.sort_unstable();
    shared_ranks(values.len(), &keyed, |a, b| a >> 32 == b >> 32, |keyed| *keyed as u32 as usize)
}

/// As [`average_ranks`] and faster: value and place fit one machine word.
pub fn average_ranks_f32(values: &[f32]) -> Vec<f64> {
    let present = (0_u32..).zip(values).filter(|(_, value)| !value.is_nan());
    let mut keyed: Vec<u64> =
        present.map(|(place, value)| u64::from(order_of_f32(*value)) << 32 | u64::from(place)).collect();
    keyed.sort_unstable();
    shared_ranks(values.len(), &keyed, |a, b| a >> 32 == b >> 32, |keyed| *keyed as u32 as usize)
}

/// Ranks by place, from the places in sorted order: those that tie share the mean of theirs.
fn shared_ranks<K>(length: usize, sorted: &[K], tie: fn(&K, &K) -> bool, place: fn(&K) -> usize) -> Vec<f64> {
    let mut ranks = vec![f64::NAN; length];
    let mut below = 0;
    for tied in sorted.chunk_by(tie) {
        let shared = below as f64 + (tied.len() + 1) as f64 / 2.0;
        for keyed in tied {
            if let Some(rank) = ranks.get_mut(place(keyed)) {
                *rank = shared;
            }
        }
        below += tied.len();
    }
    ranks
}

/// An unsigned number that rises with the float.
fn order_of(value: f64) -> u64 {
    // Adding +0 turns -0 into +0. Positive floats order as their bits, negative ones the other way round.
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// As [`order_of`].
fn order_of_f32(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// A ranking of examples, prepared for correlations: centred average ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// Rank minus mean rank, 0 where missing. Multiples of 1/2, so exact in f32 up to 16 million examples.
    centred: Vec<f32>,
    /// Root of the sum of squares of `centred`.
    norm: f64,
    /// Places of the examples without a value, rising.
    missing: Vec<u32>,
}

impl Ranks {
    /// Ranks values; NaN is missing.
    pub fn new(values: &[f64]) -> Self {
        Self::centre(&average_ranks(values))
    }

    /// Ranks stored values; NaN is missing.
    pub fn of_stored(values: &[f32]) -> Self {
        Self::centre(&average_ranks_f32(values))
    }

    fn centre(ranks: &[f64]) -> Self {
        let missing: Vec<u32> = (0..).zip(ranks).filter(|(_, rank)| rank.is_nan()).map(|(place, _)| place).collect();
        let centre = (ranks.len() - missing.len() + 1) as f64 / 2.0;
        let centred: Vec<f32> =
            ranks.iter().map(|rank| if rank.is_nan() { 0.0 } else { (rank - centre) as f32 }).collect();
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
