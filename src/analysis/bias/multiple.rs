//! Among thousands of tests, which findings count? Bonferroni's threshold, and Benjamini and Hochberg's.

/// The level at which both are used (Kwok et al. 2024: 0.01).
pub const LEVEL: f64 = 0.01;

/// -ln p above which a test counts by Bonferroni: -ln(level / tests), so that a single false finding among all is as rare
/// as the level.
pub fn bonferroni(tests: usize) -> f64 {
    (tests as f64).ln() - LEVEL.ln()
}

/// -ln p from which on a test counts by Benjamini and Hochberg (1995): of the findings, about the level are false.
/// Infinite where none counts. NaN is no test.
pub fn benjamini_hochberg(neg_ln_p: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = neg_ln_p.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    // The largest k with p_(k) <= level k / tests.
    let all = bonferroni(sorted.len());
    let counts = |(place, value): (usize, &f64)| *value >= all - ((place + 1) as f64).ln();
    sorted.iter().enumerate().rev().find(|test| counts(*test)).map_or(f64::INFINITY, |(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::super::super::golden::{golden, numbers};
    use super::*;

    #[test]
    fn bonferroni_at_fifty_thousand_is_the_published_line() {
        assert!((bonferroni(50_000) - 15.42).abs() < 0.006);
    }

    #[test]
    fn those_that_count_are_those_that_scipy_adjusts_to_at_most_the_level() {
        let golden = &golden()["bias"]["adjust"];
        let p = numbers(&golden["neg_ln_p"]);
        let from = benjamini_hochberg(&p);
        for (value, adjusted) in p.iter().zip(numbers(&golden["adjusted"])) {
            assert_eq!(*value >= from, adjusted <= LEVEL, "{value} {adjusted}");
        }
        assert!(benjamini_hochberg(&[0.1, f64::NAN]).is_infinite() && benjamini_hochberg(&[]).is_infinite());
    }
}
