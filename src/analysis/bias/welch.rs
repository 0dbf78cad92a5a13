//! Do two groups of runs differ in their mean? Welch's t-test, its p value as a logarithm.
//!
//! -ln p stays exact where p itself is 0 in f64: with a = nu/2, b = 1/2 and x = nu / (nu + t²), ln p is
//! a ln x + b ln(1 - x) - ln a - ln B(a, b) + ln(continued fraction) (Numerical Recipes, 6.4), and where p is near 1 the
//! same of the complement.

use ndarray::ArrayView2;
use rayon::prelude::*;
use statrs::function::beta::ln_beta;

/// Mean, variance and number of each example's values over runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moments {
    /// Means; NaN without a value.
    pub mean: Vec<f64>,
    /// Variances (divided by n - 1); NaN with fewer than two values.
    pub variance: Vec<f64>,
    /// Numbers of values.
    pub count: Vec<u32>,
}

impl Moments {
    /// Of `[runs, examples]`; a NaN is no value. Two passes: differences from the mean are summed exactly enough for equal
    /// values to have variance 0.
    pub fn of(values: &ArrayView2<f32>) -> Self {
        let examples = values.ncols();
        let (mut mean, mut variance, mut count) = (vec![0.0; examples], vec![0.0; examples], vec![0_u32; examples]);
        for row in values.outer_iter() {
            for ((sum, count), value) in mean.iter_mut().zip(&mut count).zip(row).filter(|(_, value)| !value.is_nan()) {
                *sum += f64::from(*value);
                *count += 1;
            }
        }
        mean.iter_mut().zip(&count).for_each(|(sum, count)| *sum /= f64::from(*count));
        for row in values.outer_iter() {
            for ((sum, mean), value) in variance.iter_mut().zip(&mean).zip(row).filter(|(_, value)| !value.is_nan()) {
                *sum += (f64::from(*value) - mean).powi(2);
            }
        }
        for (sum, count) in variance.iter_mut().zip(&count) {
            *sum = if *count < 2 { f64::NAN } else { *sum / f64::from(count - 1) };
        }
        Self { mean, variance, count }
    }

    /// -ln p of every example between two models.
    pub fn against(&self, other: &Self) -> Vec<f64> {
        let one = |moments: &Self, example: usize| {
            Some((*moments.mean.get(example)?, *moments.variance.get(example)?, *moments.count.get(example)?))
        };
        let test = |example| Some(neg_ln_p(one(self, example)?, one(other, example)?));
        let examples = self.mean.len().min(other.mean.len());
        (0..examples).into_par_iter().with_min_len(512).map(|example| test(example).unwrap_or(f64::NAN)).collect()
    }
}

/// -ln p of one example from (mean, variance, number) of both sides. NaN where there is no test: fewer than two values on a
/// side, or two different constants. Two equal constants: 0.
#[allow(clippy::float_cmp)] // two constants are equal or they are not
fn neg_ln_p(a: (f64, f64, u32), b: (f64, f64, u32)) -> f64 {
    match t_and_freedom(a, b) {
        Some((t, freedom)) => student_neg_ln_p(t, freedom),
        None if a.0 == b.0 => 0.0,
        None => f64::NAN,
    }
}

/// Welch's t and its degrees of freedom, from (mean, variance divided by n - 1, number) of two groups; none where neither
/// group varies, NaN with fewer than two values in a group.
pub fn t_and_freedom(a: (f64, f64, u32), b: (f64, f64, u32)) -> Option<(f64, f64)> {
    let [part_a, part_b] = [a, b].map(|(_, variance, count)| variance / f64::from(count));
    let squared_error = part_a + part_b;
    if squared_error == 0.0 {
        return None;
    }
    let [last_a, last_b] = [a, b].map(|(_, _, count)| f64::from(count) - 1.0);
    let freedom = squared_error * squared_error / (part_a * part_a / last_a + part_b * part_b / last_b);
    Some(((a.0 - b.0) / squared_error.sqrt(), freedom))
}

/// -ln of the two-sided p value of Student's t with `freedom` degrees of freedom.
///
/// ```
/// use diffscope::analysis::bias::student_neg_ln_p;
/// assert!((student_neg_ln_p(2.0, 1.0) - 1.220213183944065).abs() < 1e-12);
/// assert!((student_neg_ln_p(1e8, 500.0) - 7660.021942771770).abs() < 1e-8);
/// ```
pub fn student_neg_ln_p(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() {
        return f64::NAN;
    }
    let (a, b) = (freedom / 2.0, 0.5);
    let ratio = t * t / freedom;
    // x = 1 / (1 + ratio) and 1 - x, each without a difference of nearly equal numbers.
    let (x, rest) = (1.0 / (1.0 + ratio), ratio / (1.0 + ratio));
    let (ln_x, ln_rest) = (-ratio.ln_1p(), if ratio > 1.0 { -(1.0 / ratio).ln_1p() } else { rest.ln() });
    let front = a * ln_x + b * ln_rest - ln_beta(a, b);
    if x < (a + 1.0) / (a + b + 2.0) {
        return a.ln() - front - continued_fraction(a, b, x).ln();
    }
    if rest <= 0.0 {
        return 0.0;
    }
    let complement = (front - b.ln() + continued_fraction(b, a, rest).ln()).exp();
    -(-complement).ln_1p()
}

/// Of the incomplete beta function, by Lentz's method; for x < (a + 1) / (a + b + 2), where it converges quickly.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    const ENOUGH: f64 = 1e-15;
    // Some sqrt(max(a, b)) rounds suffice; degrees of freedom are numbers of runs.
    const MOST: u32 = 10_000;
    let away_from_0 = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_0(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for round in 1..=MOST {
        let m = f64::from(round);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for step in [even, odd] {
            d = 1.0 / away_from_0(1.0 + step * d);
            c = away_from_0(1.0 + step / c);
            factor = d * c;
            fraction *= factor;
        }
        if (factor - 1.0).abs() < ENOUGH {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::super::super::golden::{assert_close, golden, model, numbers};
    use super::*;

    #[test]
    fn the_logarithm_of_p_equals_mpmaths_also_where_p_is_0_in_f64() {
        for case in golden()["bias"]["student"].as_array().unwrap() {
            let [t, freedom, theirs] = numbers(case)[..] else { panic!() };
            assert_close(student_neg_ln_p(t, freedom), theirs, 1e-10, &format!("t = {t}, nu = {freedom}"));
            assert_close(student_neg_ln_p(-t, freedom), theirs, 1e-10, "two-sided");
        }
        assert!(student_neg_ln_p(0.0, 5.0).abs() < 1e-300);
    }

    #[test]
    fn every_example_equals_scipys_welch_test() {
        let (golden, a, b) = (golden(), model("a"), model("b"));
        for (a, b) in a.scores.iter().zip(&b.scores) {
            let ours = Moments::of(&a.values.view()).against(&Moments::of(&b.values.view()));
            for (example, (ours, theirs)) in ours.iter().zip(numbers(&golden["bias"]["neg_ln_p"][&a.name])).enumerate()
            {
                // SciPy has no number where both sides are constant: the next test says what we have.
                if !theirs.is_nan() {
                    assert_close(*ours, theirs, 1e-9, &format!("{} {example}", a.name));
                }
            }
        }
    }

    #[test]
    fn two_constants_are_the_same_or_left_out_and_one_value_is_too_few() {
        let test = |a: &[f32], b: &[f32]| {
            let moments = |values: &[f32]| Moments::of(&ArrayView2::from_shape((values.len(), 1), values).unwrap());
            moments(a).against(&moments(b))[0]
        };
        assert_close(test(&[0.1, 0.1, 0.1], &[0.1, 0.1]), 0.0, 0.0, "equal constants: p = 1");
        assert!(test(&[1.0, 1.0], &[2.0, 2.0]).is_nan(), "different constants");
        assert!(test(&[1.0, 1.0], &[1.0, 2.0]) > 0.0, "one constant: an ordinary test");
        assert!(test(&[1.0, f32::NAN], &[1.0, 2.0]).is_nan(), "one value has no variance");
    }
}
