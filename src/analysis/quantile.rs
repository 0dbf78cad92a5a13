//! What lies below which share of the values? Percentiles with linear interpolation, as NumPy's default.

/// The quantile of values that may be reordered, for a share from 0 to 1; NaN for nothing. No value may be NaN.
///
/// ```
/// use diffscope::analysis::quantile::quantile;
/// assert_eq!(quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
/// ```
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let position = share.clamp(0.0, 1.0) * last as f64;
    let (_, low, above) = values.select_nth_unstable_by(position.floor() as usize, f64::total_cmp);
    let low = *low;
    let fraction = position.fract();
    match above.iter().copied().min_by(f64::total_cmp) {
        // Between two infinities there is no distance.
        Some(high) if fraction > 0.0 && high > low => low + fraction * (high - low),
        _ => low,
    }
}

/// As [`quantile`], of whole numbers and for two shares, the lower one first: the lower one is sought below the upper one.
pub fn quantiles_of_counts(values: &mut [u32], [low, high]: [f64; 2]) -> [f64; 2] {
    let Some(last) = values.len().checked_sub(1) else { return [f64::NAN; 2] };
    let (low, high) = (low * last as f64, high * last as f64);
    let upper = count_at(values, high);
    // Up to the upper quantile's place stand the smallest values, in whatever order.
    let smallest = high.floor() as usize + 1;
    let enough = if low.ceil() < smallest as f64 { smallest } else { values.len() };
    [count_at(values.get_mut(..enough).unwrap_or_default(), low), upper]
}

/// The value at a position between two in rising order.
fn count_at(values: &mut [u32], position: f64) -> f64 {
    let place = position.floor() as usize;
    if place >= values.len() {
        return f64::NAN;
    }
    let (_, low, above) = values.select_nth_unstable(place);
    let low = f64::from(*low);
    match above.iter().min() {
        Some(high) if position.fract() > 0.0 => low + position.fract() * (f64::from(*high) - low),
        _ => low,
    }
}

/// The mean; NaN for nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { f64::NAN } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// The middle `level` of some draws, such as 0.9: from the 5th to the 95th percentile.
pub fn middle(draws: &[f64], level: f64) -> (f64, f64) {
    let mut draws: Vec<f64> = draws.iter().copied().filter(|draw| !draw.is_nan()).collect();
    let tail = (1.0 - level) / 2.0;
    (quantile(&mut draws, tail), quantile(&mut draws, 1.0 - tail))
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact by construction
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        for (share, expected) in [(0.0, 1.0), (0.25, 2.0), (0.3, 2.2), (0.95, 4.8), (1.0, 5.0)] {
            assert!((quantile(&mut values.clone(), share) - expected).abs() < 1e-12, "{share}");
            let counts = values.map(|value| value as u32);
            let [low, same] = quantiles_of_counts(&mut counts.clone(), [share, share]);
            let [_, above] = quantiles_of_counts(&mut counts.clone(), [0.0, share]);
            let [below, _] = quantiles_of_counts(&mut counts.clone(), [share, 1.0]);
            for found in [low, same, above, below] {
                assert!((found - expected).abs() < 1e-12, "{share}: {found}");
            }
        }
        assert_eq!(quantile(&mut [7.0], 0.4), 7.0);
        assert!(
            quantile(&mut [], 0.5).is_nan() && quantiles_of_counts(&mut [], [0.5; 2])[0].is_nan() && mean(&[]).is_nan()
        );
        assert_eq!(middle(&[f64::NAN, 2.0], 0.9), (2.0, 2.0));
        assert_eq!(quantile(&mut [f64::INFINITY; 3], 0.3), f64::INFINITY);
    }
}
