//! How well does a ranking find the positives? Receiver operating characteristic, precision and recall, ties exactly.

use crate::analysis::rank::Ranker;

/// The steps of a curve that are kept.
const STEPS: f64 = 100.0;

/// How well a ranking finds the positives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Chance that a positive is ranked before a negative; a tie is half. NaN where one of the two is missing.
    pub auroc: f64,
    /// Precision at the thresholds where positives are found, weighted by how many are (no interpolation).
    pub average_precision: f64,
    /// Share of positives among the first k, for each k.
    pub precision: [f64; 2],
}

/// The examples of a ranking, hardest first, in groups of equal values.
#[derive(Debug, Clone, Default)]
pub struct Ordered {
    /// Place of each example, and whether it is a positive.
    examples: Vec<(u32, bool)>,
    /// Where each group ends.
    ends: Vec<usize>,
}

/// Weights of a group, or of all groups so far.
#[derive(Debug, Clone, Copy, Default)]
struct Weights {
    positive: f64,
    negative: f64,
}

impl Weights {
    fn all(self) -> f64 {
        self.positive + self.negative
    }

    fn and(self, other: Self) -> Self {
        Self { positive: self.positive + other.positive, negative: self.negative + other.negative }
    }
}

impl Ordered {
    /// Orders examples by their values, larger = harder; those without one are left out.
    #[allow(clippy::float_cmp)] // a tie is an exact one
    pub fn new(hard: &[f64], positive: &[bool]) -> Self {
        let mut order = Ranker::default().order(hard);
        order.reverse();
        let value = |place: &usize| hard.get(*place).copied().unwrap_or(f64::NAN);
        let mut ends = Vec::new();
        for group in order.chunk_by(|a, b| value(a) == value(b)) {
            ends.push(ends.last().copied().unwrap_or(0) + group.len());
        }
        let example = |place: usize| (place as u32, positive.get(place).copied().unwrap_or(false));
        Self { examples: order.into_iter().map(example).collect(), ends }
    }

    /// How many examples are ranked.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// How many positives are.
    pub fn positives(&self) -> usize {
        self.examples.iter().filter(|(_, positive)| *positive).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }

    /// The places, hardest first, with whether each is a positive.
    pub fn examples(&self) -> impl DoubleEndedIterator<Item = (usize, bool)> {
        self.examples.iter().map(|(place, positive)| (*place as usize, *positive))
    }

    /// The groups of equal values, each weighed by how often its examples were drawn.
    fn groups(&self, weight: impl Fn(u32) -> f64) -> impl Iterator<Item = Weights> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let mut group = Weights::default();
            for (place, positive) in self.examples.get(start..*end).unwrap_or_default() {
                let part = if *positive { &mut group.positive } else { &mut group.negative };
                *part += weight(*place);
            }
            start = *end;
            group
        })
    }

    /// Over all examples, each once.
    pub fn measure(&self, ks: [usize; 2]) -> Measures {
        measured(self.groups(|_| 1.0), self.total(|_| 1.0), ks)
    }

    /// With each example as often as it was drawn, by place.
    pub fn measure_weighted(&self, times: &[u32], ks: [usize; 2]) -> Measures {
        let weight = |place: u32| times.get(place as usize).copied().map_or(0.0, f64::from);
        measured(self.groups(weight), self.total(weight), ks)
    }

    fn total(&self, weight: impl Fn(u32) -> f64) -> Weights {
        self.groups(weight).fold(Weights::default(), Weights::and)
    }

    /// (share of negatives passed, share of positives found) after each threshold, from (0, 0); about a hundred steps.
    pub fn receiver(&self) -> Vec<(f64, f64)> {
        let total = self.total(|_| 1.0);
        let points = self.passed().map(|so_far| (so_far.negative / total.negative, so_far.positive / total.positive));
        thinned(std::iter::once((0.0, 0.0)).chain(points))
    }

    /// (share of positives found, share of positives among those passed) after each threshold that finds some; about a
    /// hundred steps.
    pub fn precision_recall(&self) -> Vec<(f64, f64)> {
        let total = self.total(|_| 1.0);
        let found = self.passed().filter(|so_far| so_far.positive > 0.0);
        thinned(found.map(|so_far| (so_far.positive / total.positive, so_far.positive / so_far.all())))
    }

    /// What is passed after each threshold.
    fn passed(&self) -> impl Iterator<Item = Weights> {
        self.groups(|_| 1.0).scan(Weights::default(), |so_far, group| {
            *so_far = so_far.and(group);
            Some(*so_far)
        })
    }
}

fn measured(groups: impl Iterator<Item = Weights>, total: Weights, ks: [usize; 2]) -> Measures {
    let mut before = Weights::default();
    let (mut pairs, mut average_precision, mut hits) = (0.0, 0.0, [0.0; 2]);
    for group in groups.filter(|group| group.all() > 0.0) {
        let after = before.and(group);
        pairs += group.positive * (total.negative - before.negative - group.negative / 2.0);
        average_precision += group.positive * after.positive / after.all();
        for (hits, k) in hits.iter_mut().zip(ks) {
            let taken = (k as f64 - before.all()).clamp(0.0, group.all());
            *hits += group.positive * taken / group.all();
        }
        before = after;
    }
    let precision = |place: usize| hits[place] / (ks[place] as f64).min(total.all());
    Measures {
        auroc: pairs / (total.positive * total.negative),
        average_precision: average_precision / total.positive,
        precision: [precision(0), precision(1)],
    }
}

/// The first and last point, and the last one of each step to the right.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let step = |x: f64| (x * STEPS).floor() as i64;
    for point in points {
        let replaces = kept.len() > 1 && kept.last().is_some_and(|last| step(last.0) == step(point.0));
        if replaces {
            kept.pop();
        }
        kept.push(point);
    }
    kept
}
