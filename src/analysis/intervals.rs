//! How sure is an example's rank? Bootstrap over replicates: runs are drawn with replacement, the mean is ranked again.
//!
//! The interval is the middle 90 % (or whatever is asked for) of an example's ranks over the draws. It tells how the rank
//! would move with other runs of the same number; it knows nothing of other models or scores. Examples that tie in a draw
//! could stand anywhere among each other: the lower end counts the lowest rank of the tie, the upper end its highest. The
//! example's own rank is always inside.

use rayon::prelude::*;

use super::means::SignedRuns;
use super::rank::{MISSING, Ranker, Standing};
use crate::random::Key;

/// Draws unless others are wanted.
pub const DRAWS: usize = 200;

/// Examples whose ranks are turned over to intervals at a time.
const BLOCK: usize = 4096;

/// The rank of an example by its mean, 1 = easiest, and its interval; NaN without a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankInterval {
    /// Average rank over all runs.
    pub rank: f32,
    /// Lower end; NaN with fewer than two values, which cannot vary.
    pub low: f32,
    /// Upper end, likewise.
    pub high: f32,
}

/// Every example's rank and interval. In a draw an example can be without a value (where few runs have one): such draws
/// don't count for it, and the ranks of the others are stretched to as many as are ranked over all runs.
pub fn rank_intervals(score: &SignedRuns, draws: usize, seed: u64, level: f64) -> Vec<RankInterval> {
    let all: Vec<usize> = (0..score.runs()).collect();
    let whole = Drawn::new(score, &all, &mut Memory::default());
    let one = |memory: &mut Memory, draw| Drawn::new(score, &resample(score.runs(), seed, draw), memory);
    let draws = if score.runs() < 2 { 0 } else { draws };
    let drawn: Vec<Drawn> = (0..draws).into_par_iter().map_init(Memory::default, one).collect();
    let values = score.values();
    let interval = |example: usize| {
        let rank = whole.standings.get(example).filter(|standing| standing.below != MISSING);
        let rank = rank.map_or(f32::NAN, |standing| standing.doubled_rank as f32 / 2.0);
        if values.column(example).iter().filter(|value| !value.is_nan()).count() < 2 {
            return RankInterval { rank, low: f32::NAN, high: f32::NAN };
        }
        let ends = drawn.iter().filter_map(|draw| draw.ends(example, whole.ranked));
        let (mut lowest, mut highest): (Vec<f64>, Vec<f64>) = ends.unzip();
        let tail = (1.0 - level) / 2.0;
        let low = super::quantile::quantile(&mut lowest, tail) as f32;
        let high = super::quantile::quantile(&mut highest, 1.0 - tail) as f32;
        if low.is_nan() {
            return RankInterval { rank, low, high };
        }
        RankInterval { rank, low: low.min(rank), high: high.max(rank) }
    };
    (0..score.examples()).into_par_iter().with_min_len(BLOCK).map(interval).collect()
}

/// What a thread keeps from one draw to the next.
#[derive(Default)]
struct Memory {
    ranker: Ranker,
    means: Vec<f64>,
}

/// Where the examples stand by their means over a set of runs.
struct Drawn {
    standings: Vec<Standing>,
    /// How many have a value.
    ranked: usize,
}

impl Drawn {
    fn new(score: &SignedRuns, set: &[usize], memory: &mut Memory) -> Self {
        let mut standings = Vec::new();
        score.means(set, &mut memory.means);
        memory.ranker.standings(&memory.means, &mut standings);
        let ranked = standings.iter().filter(|standing| standing.below != MISSING).count();
        Self { standings, ranked }
    }

    /// The lowest and the highest rank of those that an example ties with, at the same shares of `ranked` examples; none
    /// without a value.
    fn ends(&self, example: usize, ranked: usize) -> Option<(f64, f64)> {
        let Standing { below, doubled_rank } = *self.standings.get(example).filter(|at| at.below != MISSING)?;
        // Ranks below + 1 to below + ties have the mean below + (ties + 1) / 2.
        let ends = (f64::from(below) + 1.0, f64::from(doubled_rank - below) - 1.0);
        if self.ranked == ranked {
            return Some(ends);
        }
        let scale = ranked as f64 / self.ranked as f64;
        let stretched = |rank: f64| (rank - 0.5) * scale + 0.5;
        Some((stretched(ends.0), stretched(ends.1)))
    }
}

/// As many runs as there are, drawn with replacement: the same for every score.
fn resample(runs: usize, seed: u64, draw: usize) -> Vec<usize> {
    let mut stream = Key::study(seed).stream_for("rank intervals", 0, draw as u64);
    (0..runs).map(|_| stream.below(runs as u64) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ScoreRuns;
    use super::super::golden::{model, with_runs};
    use super::*;
    use crate::scores::Harder;
    use ndarray::Array2;

    fn intervals(runs: usize, place: usize, draws: usize) -> Vec<RankInterval> {
        let model = with_runs(&model("a"), runs);
        rank_intervals(&SignedRuns::new(&model.scores[place]), draws, 0, 0.9)
    }

    #[test]
    fn an_interval_holds_the_rank_of_every_example_and_is_seeded() {
        let all = intervals(8, 0, 200);
        assert_eq!(all, intervals(8, 0, 200));
        let inside = all.iter().filter(|of| of.low <= of.rank && of.rank <= of.high).count();
        assert_eq!(inside, 60);
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

    /// Runs of a score in whole numbers from 0 to 3, as a prediction depth.
    fn coarse() -> ScoreRuns {
        let value = |(run, example): (usize, usize)| ((example / 15 + (run * 7 + example * 3) % 5 / 3) % 4) as f32;
        ScoreRuns { name: "coarse".into(), harder: Harder::High, values: Array2::from_shape_fn((6, 60), value) }
    }

    #[test]
    fn tied_examples_have_their_rank_inside_and_ends_that_span_the_tie() {
        let coarse = coarse();
        let all = rank_intervals(&SignedRuns::new(&coarse), 200, 0, 0.9);
        assert!(all.iter().all(|of| of.low <= of.rank && of.rank <= of.high), "{all:?}");
        let same = ScoreRuns { values: Array2::from_elem((6, 60), 2.0), ..coarse };
        let all = rank_intervals(&SignedRuns::new(&same), 50, 0, 0.9);
        assert!(all.iter().all(|of| *of == RankInterval { rank: 30.5, low: 1.0, high: 60.0 }), "any order is as good");
    }

    #[test]
    fn an_example_that_one_run_holds_out_has_a_rank_and_no_interval() {
        let mut coarse = coarse();
        for (run, mut row) in coarse.values.outer_iter_mut().enumerate() {
            // The first twelve have one value each, the next twelve two.
            row.iter_mut().enumerate().take(12).filter(|(of, _)| of % 6 != run).for_each(|(_, v)| *v = f32::NAN);
            let other = |of: usize| of % 6 != run && (of + 1) % 6 != run;
            row.iter_mut().enumerate().take(24).skip(12).filter(|(of, _)| other(*of)).for_each(|(_, v)| *v = f32::NAN);
        }
        let all = rank_intervals(&SignedRuns::new(&coarse), 200, 0, 0.9);
        assert!(all[..12].iter().all(|of| of.rank >= 1.0 && of.low.is_nan() && of.high.is_nan()), "{:?}", &all[..12]);
        assert!(all[12..].iter().all(|of| 1.0 <= of.low && of.low <= of.rank && of.rank <= of.high && of.high <= 60.0));
    }

    #[test]
    fn without_values_or_a_second_run_there_is_no_interval() {
        let holes = intervals(8, 3, 50);
        assert!(holes[7].rank.is_nan() && holes[7].low.is_nan(), "no run has a value");
        assert!(holes.iter().filter(|of| !of.low.is_nan()).count() == 59);
        assert!(intervals(1, 0, 50).iter().all(|of| of.rank >= 1.0 && of.low.is_nan()));
    }
}
