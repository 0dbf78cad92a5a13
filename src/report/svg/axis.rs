//! Where does a value lie along an axis, and which round numbers stand beside it?

/// Values along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// The value at its start.
    pub low: f64,
    /// The value at its end.
    pub high: f64,
    /// The pixel at its start.
    pub from: f64,
    /// The pixel at its end.
    pub to: f64,
    step: f64,
}

impl Axis {
    /// An axis over finite values between two pixels, from a round number to a round number; with 0 on it where 0 is near.
    pub fn over(values: impl Iterator<Item = f64>, from: f64, to: f64, ticks: usize) -> Self {
        let range = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (mut low, mut high) = if range.0 > range.1 { (0.0, 1.0) } else { range };
        if low > 0.0 && low < 0.4 * high {
            low = 0.0;
        }
        if high < 0.0 && high > 0.4 * low {
            high = 0.0;
        }
        if high - low < 1e-12 * high.abs().max(low.abs()).max(1e-12) {
            let room = if high == 0.0 { 1.0 } else { 0.5 * high.abs() };
            (low, high) = (low - room, high + room);
        }
        let step = step(high - low, ticks);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, from, to, step }
    }

    /// An axis of whole numbers, with the first and the last at its ends.
    pub fn whole(low: f64, high: f64, from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, from, to, step: step(high - low, 8).max(1.0).round() }
    }

    /// The pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round numbers along it with their names.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.low / self.step - 1e-9).ceil() as i64;
        let last = (self.high / self.step + 1e-9).floor() as i64;
        (first..=last.min(first + 100))
            .map(|tick| tick as f64 * self.step)
            .map(|at| (at, named(at, self.step)))
            .collect()
    }
}

/// 1, 2 or 5 times a power of ten, so that a span has about so many steps.
fn step(span: f64, ticks: usize) -> f64 {
    let rough = span / ticks.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power)
}

/// A multiple of a step, with the digits that the step has.
pub fn named(value: f64, step: f64) -> String {
    if value.abs() >= 1e6 || (step < 1e-4 && value != 0.0) {
        return format!("{value:.1e}");
    }
    let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn ticks_are_round_numbers_that_hold_all_values() {
        let axis = Axis::over([0.03, 0.47].into_iter(), 0.0, 100.0, 5);
        assert_eq!(names(axis), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert!((axis.at(0.25) - 50.0).abs() < 1e-9);
        assert_eq!(names(Axis::over([-3.0, f64::NAN, 9.0].into_iter(), 0.0, 1.0, 4)), ["-5", "0", "5", "10"]);
        assert_eq!(names(Axis::whole(1.0, 4.0, 0.0, 1.0)), ["1", "2", "3", "4"]);
    }

    #[test]
    fn odd_values_still_make_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![0.0], vec![3.0, 3.0], vec![-2.0], vec![f64::INFINITY, 1.0]] {
            let axis = Axis::over(values.iter().copied(), 10.0, 90.0, 5);
            assert!(axis.low < axis.high && axis.ticks().len() > 1, "{values:?} {axis:?}");
            assert!(values.iter().filter(|v| v.is_finite()).all(|v| (10.0..=90.0).contains(&axis.at(*v))));
        }
    }
}
