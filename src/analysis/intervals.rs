//! How sure is an example's rank? Bootstrap over replicates: runs are drawn with replacement, the mean is ranked again.
//!
//! The interval is the middle 90 % (or whatever is asked for) of an example's ranks over the draws. It tells how the rank
//! would move with other runs of the same number; it knows nothing of other models or scores.

use rayon::prelude::*;

use super::means::SignedRuns;
use super::rank::Ranker;
use crate::random::Key;

/// Draws unless others are wanted.
pub const DRAWS: usize = 200;

/// Examples whose ranks are turned over to intervals at a time.
const BLOCK: usize = 4096;

/// The rank of an example by its mean, 1 = easiest, and its interval; NaN without a value, and without a second run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankInterval {
    /// Average rank over all runs.
    pub rank: f32,
    /// Lower end.
    pub low: f32,
    /// Upper end.
    pub high: f32,
}

/// Every example's rank and interval. In a draw an example can be without a value (where few runs have one): such draws
/// don't count for it, and the ranks of the others are stretched to as many as are ranked over all runs.
pub fn rank_intervals(score: &SignedRuns, draws: usize, seed: u64, level: f64) -> Vec<RankInterval> {
    let all: Vec<usize> = (0..score.runs()).collect();
    let ranks = ranks_of(score, &all, &mut (Ranker::default(), Vec::new()));
    if score.runs() < 2 {
        return ranks.into_iter().map(|rank| RankInterval { rank, low: f32::NAN, high: f32::NAN }).collect();
    }
    let ranked = count(&ranks);
    let one = |memory: &mut (Ranker, Vec<f64>), draw| {
        let drawn = ranks_of(score, &resample(score.runs(), seed, draw), memory);
        stretched(drawn, ranked)
    };
    let drawn: Vec<Vec<f32>> = (0..draws).into_par_iter().map_init(Default::default, one).collect();
    let interval = |(example, rank): (usize, &f32)| {
        let mut ranks: Vec<f64> = drawn
            .iter()
            .filter_map(|draw| draw.get(example))
            .filter(|rank| !rank.is_nan())
            .map(|rank| f64::from(*rank))
            .collect();
        let tail = (1.0 - level) / 2.0;
        let [low, high] = [tail, 1.0 - tail].map(|share| super::quantile::quantile(&mut ranks, share) as f32);
        RankInterval { rank: *rank, low, high }
    };
    ranks.par_iter().enumerate().with_min_len(BLOCK).map(interval).collect()
}

fn count(ranks: &[f32]) -> usize {
    ranks.iter().filter(|rank| !rank.is_nan()).count()
}

/// The ranks at the same shares of `ranked` examples.
fn stretched(mut ranks: Vec<f32>, ranked: usize) -> Vec<f32> {
    let there = count(&ranks);
    if there != ranked && there > 0 {
        let scale = ranked as f32 / there as f32;
        for rank in &mut ranks {
            *rank = (*rank - 0.5) * scale + 0.5;
        }
    }
    ranks
}

/// As many runs as there are, drawn with replacement: the same for every score.
fn resample(runs: usize, seed: u64, draw: usize) -> Vec<usize> {
    let mut stream = Key::study(seed).stream_for("rank intervals", 0, draw as u64);
    (0..runs).map(|_| stream.below(runs as u64) as usize).collect()
}

fn ranks_of(score: &SignedRuns, set: &[usize], (ranker, means): &mut (Ranker, Vec<f64>)) -> Vec<f32> {
    let mut ranks = Vec::new();
    score.means(set, means);
    ranker.rank(means, &mut ranks);
    ranks
}

#[cfg(test)]
mod tests {
    use super::super::golden::{model, with_runs};
    use super::*;

    fn intervals(runs: usize, place: usize, draws: usize) -> Vec<RankInterval> {
        let model = with_runs(&model("a"), runs);
        rank_intervals(&SignedRuns::new(&model.scores[place]), draws, 0, 0.9)
    }

    #[test]
    fn an_interval_holds_the_rank_of_nearly_every_example_and_is_seeded() {
        let all = intervals(8, 0, 200);
        assert_eq!(all, intervals(8, 0, 200));
        let inside = all.iter().filter(|of| of.low <= of.rank && of.rank <= of.high).count();
        assert!(inside >= 55, "{inside} of 60");
        assert!(all.iter().all(|of| of.low >= 1.0 && of.high <= 60.0));
    }

    #[test]
    fn an_example_that_is_always_the_hardest_keeps_its_rank_where_others_are_missing() {
        let mut model = with_runs(&model("a"), 3);
        // Each run lacks a tenth of the examples, as with hold-outs.
        for (run, mut row) in model.scores[0].values.outer_iter_mut().enumerate() {
            row.iter_mut().skip(run).step_by(10).for_each(|value| *value = f32::NAN);
            row[59] = 100.0;
        }
        let all = rank_intervals(&SignedRuns::new(&model.scores[0]), 100, 0, 0.9);
        assert!(all[59].rank > 59.9 && all[59].low > 59.4 && all[59].high < 60.1, "{:?}", all[59]);
    }

    #[test]
    fn noisier_scores_have_wider_intervals() {
        let width = |place| intervals(8, place, 100).iter().map(|of| of.high - of.low).sum::<f32>();
        assert!(width(0) < width(2), "smooth {} low {}", width(0), width(2));
    }

    #[test]
    fn without_values_or_a_second_run_there_is_no_interval() {
        let holes = intervals(8, 3, 50);
        assert!(holes[7].rank.is_nan() && holes[7].low.is_nan(), "no run has a value");
        assert!(holes.iter().filter(|of| !of.low.is_nan()).count() == 59);
        assert!(intervals(1, 0, 50).iter().all(|of| of.rank >= 1.0 && of.low.is_nan()));
    }
}
