//! What does an answer look like? Data and marks without pixels, which the screen, the report and a file draw each in
//! its own way.
//!
//! A mark carries the ids of the examples behind it where it has some (at most [`BEHIND`] of them, the most telling
//! first), so that a reader can go from a bar to the pictures.

use ndarray::Array2;

/// How many examples a mark names at most.
pub const BEHIND: usize = 100;

/// A picture of numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// A matrix of signed values.
    Heatmap {
        /// What it shows.
        title: String,
        /// Row names, top to bottom.
        rows: Vec<String>,
        /// Column names, left to right.
        columns: Vec<String>,
        /// `[rows, columns]`; NaN is blank.
        values: Array2<f64>,
    },
    /// A bar per name, to the right or the left of 0.
    Bars {
        /// What it shows.
        title: String,
        /// What the bars measure.
        unit: String,
        /// Top to bottom.
        bars: Vec<Bar>,
        /// Lines across all bars, such as chance or a threshold.
        lines: Vec<Line>,
    },
    /// Bars of parts that add up.
    Stacked {
        /// What it shows.
        title: String,
        /// What the parts measure.
        unit: String,
        /// Top to bottom: a name, then its parts with their names.
        bars: Vec<(String, Vec<(String, f64)>)>,
    },
    /// How often what value occurs.
    Histogram {
        /// What it shows.
        title: String,
        /// What is counted.
        unit: String,
        /// Bounds of the bins, one more than bins.
        edges: Vec<f64>,
        /// One count per bin.
        bins: Vec<Bin>,
        /// Thresholds.
        lines: Vec<Line>,
    },
    /// Points in a plane.
    Scatter {
        /// What it shows.
        title: String,
        /// What goes to the right.
        x: String,
        /// What goes up.
        y: String,
        /// The points.
        points: Vec<Point>,
    },
    /// Lines with bands.
    Curves {
        /// What it shows.
        title: String,
        /// What goes to the right.
        x: String,
        /// What goes up.
        y: String,
        /// The curves.
        curves: Vec<Curve>,
        /// Levels to compare with.
        lines: Vec<Line>,
    },
    /// Rows of examples' pictures.
    Pictures {
        /// What it shows.
        title: String,
        /// A name, then its pictures.
        rows: Vec<(String, Vec<Picture>)>,
    },
}

impl Figure {
    /// What it shows.
    pub fn title(&self) -> &str {
        match self {
            Self::Heatmap { title, .. }
            | Self::Bars { title, .. }
            | Self::Stacked { title, .. }
            | Self::Histogram { title, .. }
            | Self::Scatter { title, .. }
            | Self::Curves { title, .. }
            | Self::Pictures { title, .. } => title,
        }
    }
}

/// A bar with its interval.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Its length; NaN is blank.
    pub value: f64,
    /// The interval of its value, where there is one.
    pub interval: Option<(f64, f64)>,
    /// Ids of examples behind it.
    pub examples: Vec<u32>,
}

/// A level with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it stands for.
    pub name: String,
    /// Where it is.
    pub at: f64,
}

/// A bar of a histogram.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bin {
    /// How many.
    pub count: usize,
    /// Ids of examples in it.
    pub examples: Vec<u32>,
}

/// A mark in a plane.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Its name, where it has one.
    pub name: String,
    /// Ids of examples behind it.
    pub examples: Vec<u32>,
}

/// A line, with a band where low and high are given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// To the right, rising.
    pub x: Vec<f64>,
    /// Up; NaN is a gap.
    pub y: Vec<f64>,
    /// The band's bounds, as many as there are points; empty: no band.
    pub band: Vec<(f64, f64)>,
}

/// An example shown by its picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Picture {
    /// The example's id.
    pub example: u32,
    /// What stands below it.
    pub caption: String,
    /// Small bars below that, such as the mean score by each model.
    pub bars: Vec<(String, f64)>,
}
