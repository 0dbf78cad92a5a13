//! How many runs until the median rank change is under x %? Read off the curve, or extrapolated from its upper half.
//!
//! Noise of a mean falls with the root of the number of runs, and so, about, does the rank change: ln(change) is a
//! straight line in ln(n), fitted by least squares to the upper half of the curve (slope -1/2 where only one n is left; a curve
//! that rises never arrives).
//! The interval is the middle 95 % of what the draws give when each n's are drawn anew, with replacement: it is of these runs. It
//! doesn't know what other runs would give, nor how the curve bends beyond those at hand.

use crate::analysis::quantile::{mean, middle};
use crate::random::Key;

/// Resamplings behind an interval.
pub const RESAMPLINGS: usize = 1000;

/// Beyond this nobody trains: the curve is as good as flat.
const MOST: f64 = 1e6;

/// How many runs it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Needed {
    /// Runs; infinite where the curve doesn't fall.
    pub runs: f64,
    /// The middle 95 % over resampled draws.
    pub interval: (f64, f64),
    /// Whether the runs at hand show it; otherwise it is extrapolated.
    pub read_off: bool,
}

/// From the draws of n = 1, 2, ...; none without any.
pub fn needed(draws: &[Vec<f64>], target: f64, seed: u64) -> Option<Needed> {
    let curve: Vec<f64> = draws.iter().map(|draws| mean(draws)).collect();
    let runs = runs_until(&curve, target)?;
    let resampled: Vec<f64> =
        (0..RESAMPLINGS).filter_map(|again| runs_until(&resample(draws, seed, again), target)).collect();
    Some(Needed { runs, interval: middle(&resampled, 0.95), read_off: runs <= curve.len() as f64 })
}

fn resample(draws: &[Vec<f64>], seed: u64, again: usize) -> Vec<f64> {
    let mut stream = Key::study(seed).stream_for("runs needed", 0, again as u64);
    let mut one = |draws: &Vec<f64>| {
        let drawn: Vec<f64> =
            (0..draws.len()).filter_map(|_| draws.get(stream.below(draws.len() as u64) as usize).copied()).collect();
        mean(&drawn)
    };
    draws.iter().map(&mut one).collect()
}

/// The first n from which on the curve is under the target (with few runs, ties can bring it there for a moment), else where its line
/// gets there.
fn runs_until(curve: &[f64], target: f64) -> Option<f64> {
    if curve.iter().any(|change| change.is_nan()) || curve.is_empty() {
        return None;
    }
    match curve.iter().rposition(|change| *change > target) {
        None => Some(1.0),
        Some(place) if place + 1 < curve.len() => Some((place + 2) as f64),
        Some(_) => Some(extrapolate(curve, target)),
    }
}

fn extrapolate(curve: &[f64], target: f64) -> f64 {
    let points: Vec<(f64, f64)> =
        curve.iter().enumerate().skip(curve.len() / 2).map(|(place, y)| (((place + 1) as f64).ln(), y.ln())).collect();
    let (x, y) =
        (mean(&points.iter().map(|p| p.0).collect::<Vec<_>>()), mean(&points.iter().map(|p| p.1).collect::<Vec<_>>()));
    let spread: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    // Two points that rise, as where ties are many with one run, promise no fall.
    let rises = curve.len() > 1 && curve.last() >= curve.first();
    let slope = if rises {
        0.0
    } else if points.len() < 2 {
        -0.5
    } else {
        points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / spread
    };
    let runs = (x + (target.ln() - y) / slope).exp().ceil();
    if slope < 0.0 && runs < MOST { runs } else { f64::INFINITY }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // whole numbers of runs
mod tests {
    use super::*;

    fn falling(exponent: f64, runs: usize) -> Vec<Vec<f64>> {
        (1..=runs).map(|n| vec![0.2 * (n as f64).powf(exponent); 3]).collect()
    }

    #[test]
    fn what_the_runs_show_is_read_off_and_the_rest_follows_the_line() {
        let shown = needed(&falling(-0.5, 20), 0.101, 0).unwrap();
        assert_eq!((shown.runs, shown.read_off, shown.interval), (4.0, true, (4.0, 4.0)));
        let beyond = needed(&falling(-0.5, 4), 0.0201, 0).unwrap();
        assert_eq!((beyond.runs, beyond.read_off, beyond.interval), (100.0, false, (100.0, 100.0)));
        let from_one = needed(&falling(-0.5, 1), 0.0201, 0).unwrap();
        assert!((from_one.runs - 100.0).abs() < 1.5 && !from_one.read_off);
        assert_eq!(needed(&falling(-0.8, 16), 0.0101, 0).unwrap().runs, 42.0);
    }

    /// With one run, ties can bring the change to almost nothing, and more runs untie them.
    #[test]
    fn a_curve_that_leaves_the_target_again_has_not_arrived() {
        let draws = |curve: &[f64]| curve.iter().map(|change| vec![*change; 3]).collect::<Vec<_>>();
        let back = needed(&draws(&[0.004, 0.06, 0.04, 0.03]), 0.05, 0).unwrap();
        assert_eq!((back.runs, back.read_off), (3.0, true));
        let rises = needed(&draws(&[0.004, 0.06]), 0.05, 0).unwrap();
        assert!(rises.runs.is_infinite() && !rises.read_off);
    }

    #[test]
    fn a_curve_that_does_not_fall_never_arrives() {
        assert!(needed(&falling(0.1, 8), 0.05, 0).unwrap().runs.is_infinite());
        assert_eq!(needed(&[], 0.05, 0), None);
        assert_eq!(needed(&[vec![f64::NAN]], 0.05, 0), None);
        assert!((needed(&[vec![0.0]], 0.05, 0).unwrap().runs - 1.0).abs() < 1e-12, "a constant score");
    }

    #[test]
    fn the_interval_widens_with_the_draws() {
        let noisy: Vec<Vec<f64>> =
            (1..=6).map(|n| [0.8, 1.0, 1.3].map(|factor| factor * 0.2 / f64::from(n).sqrt()).to_vec()).collect();
        let Needed { runs, interval: (low, high), .. } = needed(&noisy, 0.03, 1).unwrap();
        assert!(low < runs && runs < high, "{low} {runs} {high}");
        assert_eq!(needed(&noisy, 0.03, 1), needed(&noisy, 0.03, 1), "seeded");
    }
}
