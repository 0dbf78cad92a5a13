//! Which examples are extreme? The corners of the plane of val depth and train depth (Baldock et al. 2021, section 4).

/// Examples that a corner has.
pub const NEAREST: usize = 100;

/// A corner: its name, a short one, and its place (val depth, train depth) in units of the last depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corner {
    /// What its examples are.
    pub name: &'static str,
    /// The same in a word or two.
    pub short: &'static str,
    /// (val depth, train depth)
    pub at: (f64, f64),
}

/// The corners, as the paper orders them.
pub const CORNERS: [Corner; 4] = [
    Corner { name: "easy", short: "easy", at: (0.0, 0.0) },
    Corner { name: "looks like a different class", short: "other class", at: (0.0, 1.0) },
    Corner { name: "ambiguous unless the label is given", short: "needs its label", at: (1.0, 0.0) },
    Corner { name: "ambiguous", short: "ambiguous", at: (1.0, 1.0) },
];

/// The place of the corner whose examples a middle layer may know better than the network.
pub const NEEDS_LABEL: usize = 2;

/// The [`NEAREST`] examples (or all, where there are fewer) by Euclidean distance from a corner, nearest first, of equals the
/// first; examples without both depths are left out.
pub fn nearest(val: &[f64], train: &[f64], last: f64, corner: Corner) -> Vec<usize> {
    let distance = |(val, train): (&f64, &f64)| {
        let (x, y) = (val / last - corner.at.0, train / last - corner.at.1);
        x * x + y * y
    };
    let distances = val.iter().zip(train).map(distance).enumerate().filter(|(_, distance)| !distance.is_nan());
    let mut distances: Vec<(usize, f64)> = distances.collect();
    distances.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    distances.truncate(NEAREST);
    distances.into_iter().map(|(example, _)| example).collect()
}
