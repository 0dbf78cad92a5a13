//! In what way is an example difficult? The corners of (depth when held out, depth when trained on) (Baldock et al. 2021, section 4).

/// A form of difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corner {
    /// Shallow in both: easy.
    Easy,
    /// Shallow when held out, deep when trained on: it looks like another class, perhaps mislabelled.
    OtherClass,
    /// Deep when held out, shallow when trained on: ambiguous unless the label is given.
    NeedsLabel,
    /// Deep in both: ambiguous.
    Ambiguous,
}

impl Corner {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Easy => "easy",
            Self::OtherClass => "looks like another class",
            Self::NeedsLabel => "ambiguous unless the label is given",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// The nearest corner of each example (Euclidean; both depths divided by the largest mean depth); none where one of the depths is
/// missing, and in the middle between corners the more difficult one.
pub fn corners(train: &[f64], val: &[f64]) -> Vec<Option<Corner>> {
    let most = train.iter().chain(val).copied().filter(|depth| !depth.is_nan()).fold(0.0, f64::max);
    let nearest = |(train, val): (&f64, &f64)| {
        // Of the corners of a square, the nearest is told by each coordinate alone.
        let is_deep = |depth: &f64| *depth >= most / 2.0;
        (!train.is_nan() && !val.is_nan() && most > 0.0).then(|| match (is_deep(val), is_deep(train)) {
            (false, false) => Corner::Easy,
            (false, true) => Corner::OtherClass,
            (true, false) => Corner::NeedsLabel,
            (true, true) => Corner::Ambiguous,
        })
    };
    train.iter().zip(val).map(nearest).collect()
}
