//! Within which line does a quantity stay as depth grows? Slopes through the value at depth 0, and bands over bins of depth.

use super::super::quantile::{mean, quantile};

/// The share of the examples of positive depth that may lie beyond a bound.
pub const OUTSIDE: f64 = 0.01;

/// Bins of mean depth.
pub const BINS: usize = 10;

/// The slope of the line through the origin that leaves [`OUTSIDE`] of the gaps of examples of positive depth above it: the
/// 99th percentile (linear) of gap / depth; NaN where no example has a positive depth. A pair with a NaN is left out.
pub fn slope(depths: &[f64], gaps: &[f64]) -> f64 {
    let pairs = depths.iter().zip(gaps).filter(|(depth, gap)| **depth > 0.0 && !gap.is_nan());
    quantile(&mut pairs.map(|(depth, gap)| gap / depth).collect::<Vec<f64>>(), 1.0 - OUTSIDE)
}

/// The share of the examples whose gap lies above a line through the origin, those of depth 0 included.
pub fn beyond(depths: &[f64], gaps: &[f64], slope: f64) -> f64 {
    let pairs = depths.iter().zip(gaps).filter(|(depth, gap)| !depth.is_nan() && !gap.is_nan());
    // Rounding puts no example beyond the line that goes through it.
    let above = pairs.map(|(depth, gap)| f64::from(*gap > slope * depth + 1e-9));
    mean(&above.collect::<Vec<f64>>())
}

/// What a quantity does in a bin of depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Mean depth of the examples in the bin.
    pub depth: f64,
    /// Mean of the quantity.
    pub mean: f64,
    /// Its 1st and 99th percentile.
    pub range: (f64, f64),
    /// Examples.
    pub examples: usize,
}

/// The quantity over [`BINS`] bins of equal width from 0 to the last depth; empty bins are left out.
pub fn bands(depths: &[f64], values: &[f64], last: f64) -> Vec<Band> {
    let mut bins: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); BINS];
    for (depth, value) in depths.iter().zip(values).filter(|(depth, value)| !depth.is_nan() && !value.is_nan()) {
        if let Some((depths, values)) = bins.get_mut(bin(*depth, last)) {
            depths.push(*depth);
            values.push(*value);
        }
    }
    let band = |(depths, mut values): (Vec<f64>, Vec<f64>)| Band {
        depth: mean(&depths),
        mean: mean(&values),
        examples: values.len(),
        range: (quantile(&mut values, OUTSIDE), quantile(&mut values, 1.0 - OUTSIDE)),
    };
    bins.into_iter().filter(|(depths, _)| !depths.is_empty()).map(band).collect()
}

/// The bin of a value between 0 and the last one, which belongs to the last bin.
pub fn bin(value: f64, last: f64) -> usize {
    ((value / last.max(f64::MIN_POSITIVE) * BINS as f64) as usize).min(BINS - 1)
}

/// Pearson's correlation over the pairs without a NaN; NaN for fewer than 2, or where one side is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let pairs: Vec<(f64, f64)> =
        x.iter().copied().zip(y.iter().copied()).filter(|(x, y)| !x.is_nan() && !y.is_nan()).collect();
    let count = pairs.len() as f64;
    let (mx, my) =
        (pairs.iter().map(|(x, _)| x).sum::<f64>() / count, pairs.iter().map(|(_, y)| y).sum::<f64>() / count);
    let sum = |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(x, y)| of(x - mx, y - my)).sum::<f64>();
    let (xx, yy, xy) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    if pairs.len() < 2 || xx <= 0.0 || yy <= 0.0 { f64::NAN } else { xy / (xx * yy).sqrt() }
}
