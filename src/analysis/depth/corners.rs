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

impl Corner {
    /// The squared Euclidean distance of an example, both depths divided by the last depth, the largest that there can be.
    fn squared_distance(&self, val: f64, train: f64, last: f64) -> f64 {
        let (x, y) = (val / last - self.at.0, train / last - self.at.1);
        x * x + y * y
    }

    /// The corner nearest to an example, in the middle between several the more difficult one; none where a depth is missing.
    pub fn of(val: f64, train: f64, last: f64) -> Option<Self> {
        let far = |corner: &Self| corner.squared_distance(val, train, last);
        let known = CORNERS.into_iter().filter(|corner| far(corner).is_finite());
        known.reduce(|best, other| if far(&other) <= far(&best) + EQUAL { other } else { best })
    }
}

/// The examples of a corner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nearest {
    /// Their places, nearest first.
    pub examples: Vec<usize>,
    /// How many examples, taken or not, are just as far as the last one.
    pub tied: usize,
    /// Those of them that are taken: fewer than `tied` where their order alone has chosen.
    pub taken: usize,
}

impl Nearest {
    /// How many of how many equally near examples were taken for their order; none where all were.
    pub fn chosen(&self) -> Option<(usize, usize)> {
        (self.taken < self.tied).then_some((self.taken, self.tied))
    }
}

/// Squared distances closer than this are equal: mean depths are sums that rounding may split.
const EQUAL: f64 = 1e-12;

/// The [`NEAREST`] examples (or all, where there are fewer) by Euclidean distance from a corner, nearest first, of equals the
/// first; examples without both depths are left out.
pub fn nearest(val: &[f64], train: &[f64], last: f64, corner: Corner) -> Nearest {
    let distance = |(val, train): (&f64, &f64)| corner.squared_distance(*val, *train, last);
    let distances = val.iter().zip(train).map(distance).enumerate().filter(|(_, distance)| !distance.is_nan());
    let mut distances: Vec<(usize, f64)> = distances.collect();
    distances.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let edge = distances.get(..NEAREST).unwrap_or(&distances).last().map_or(f64::NAN, |(_, distance)| *distance);
    let tied = |distances: &[(usize, f64)]| distances.iter().filter(|(_, far)| (far - edge).abs() < EQUAL).count();
    let all = tied(&distances);
    distances.truncate(NEAREST);
    Nearest {
        taken: tied(&distances),
        tied: all,
        examples: distances.into_iter().map(|(example, _)| example).collect(),
    }
}
