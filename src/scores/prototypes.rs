//! How far is an example from what is typical? Distances of penultimate embeddings to prototypes (Sorscher et al. 2022).
//!
//! **Supervised**: to the mean embedding of the training examples of its class, by given label. **Self-supervised**: to
//! the nearest of k centres of k-means. The paper clusters embeddings of a network that was trained without labels and
//! takes cosine distances; here the embeddings are the replicate's own, the centres minimise squared Euclidean distances
//! (k-means++, then Lloyd's rounds until no example changes its centre, at most 300), and both metrics are there.
//! A centre that loses all its examples is put on the example that is farthest from its own centre.
//!
//! Sums are f64. NaN where there is no prototype, or where a cosine has no direction.

use std::sync::Arc;

use super::at_epoch::PASS;
use super::{Domain, Harder, Need, Observer, Pass, ScoreKind, Setting, Settings, Sizes};
use crate::data::{Role, roles};
use crate::random::{Key, Stream};

/// The registry's line of distances to class means.
pub(super) static SUPERVISED: ScoreKind = ScoreKind {
    name: "prototypes",
    harder: Harder::High,
    citation: "Sorscher et al. 2022",
    definition: "distance of the final network's penultimate embedding to the mean embedding of the examples of its given label that \
                 the replicate trained on; cosine: 1 - cos of the angle. An example that is trained on is no part of its own \
                 mean unless leave_one_out = false",
    settings: &[METRIC, Setting { name: "leave_one_out", domain: Domain::Switch }],
    needs: |_, timetable| vec![Need::at(Pass::Embeddings, timetable.epochs)],
    observer: |settings, sizes| Prototypes::boxed(settings, sizes, None),
    ..PASS
};

/// The registry's line of distances to centres of k-means.
pub(super) static SELF_SUPERVISED: ScoreKind = ScoreKind {
    name: "self_prototypes",
    harder: Harder::High,
    citation: "Sorscher et al. 2022",
    definition: "distance of the final network's penultimate embedding to the nearest of k centres of the embeddings of the examples \
                 that the replicate trained on (k-means++ and Lloyd's rounds on squared Euclidean distances, seeded); k = 0: as \
                 many as there are classes",
    settings: &[METRIC, Setting { name: "k", domain: Domain::Number { default: 0, least: 0 } }],
    futile: |settings, setup| {
        let (k, trained) = (settings.number("k").unwrap_or(0), setup.trained);
        (k as usize > trained).then(|| {
            format!(
                "has {k} centres for {trained} training examples: each is its own centre, and its distances say nothing"
            )
        })
    },
    needs: |_, timetable| vec![Need::at(Pass::Embeddings, timetable.epochs)],
    observer: |settings, sizes| Prototypes::boxed(settings, sizes, settings.number("k")),
    ..PASS
};

const METRIC: Setting = Setting { name: "metric", domain: Domain::Words(&["cosine", "euclidean"]) };

/// Waits for the embeddings after the last epoch.
struct Prototypes {
    roles: Arc<[Role]>,
    epochs: u32,
    metric: Metric,
    leave_one_out: bool,
    /// Centres of k-means; none: class means.
    centres: Option<usize>,
    distance: Vec<f64>,
}

impl Prototypes {
    fn boxed(settings: &Settings, sizes: &Sizes, k: Option<u32>) -> Box<dyn Observer> {
        let metric = if settings.is("metric", "euclidean") { Metric::Euclidean } else { Metric::Cosine };
        Box::new(Self {
            roles: sizes.roles.clone(),
            epochs: sizes.timetable.epochs,
            metric,
            leave_one_out: settings.is("leave_one_out", "true"),
            centres: k.map(|k| if k == 0 { sizes.classes } else { k as usize }),
            distance: vec![f64::NAN; sizes.examples()],
        })
    }
}

impl Observer for Prototypes {
    fn seen(&mut self, pass: Pass, epoch: u32, rows: &[f32], labels: &[u16]) {
        if (pass, epoch) != (Pass::Embeddings, self.epochs) {
            return;
        }
        let embeddings = Embeddings::new(rows, rows.len() / self.roles.len().max(1));
        let references = roles::positions(&self.roles, Role::Train);
        let distances = match self.centres {
            // The network decides the embeddings; which of them k-means starts from is the same draw for every replicate.
            Some(k) => {
                to_centres(embeddings, &references, k, self.metric, &mut Key::study(0).stream("self prototypes"))
            }
            None => to_class_means(embeddings, labels, &references, self.metric, self.leave_one_out),
        };
        self.distance = distances.into_iter().map(f64::from).collect();
    }

    fn values(&self) -> Vec<f32> {
        self.distance.iter().map(|distance| *distance as f32).collect()
    }

    fn state(&mut self) -> Vec<(&'static str, &mut Vec<f64>)> {
        vec![("distance", &mut self.distance)]
    }
}

/// Rounds of Lloyd after which k-means ends in any case.
const MOST_ROUNDS: usize = 300;

/// How distances are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// 1 - cos of the angle between embedding and prototype.
    Cosine,
    /// The length of their difference.
    Euclidean,
}

impl Metric {
    fn distance(self, a: &[f32], b: &[f64]) -> f64 {
        match self {
            Self::Euclidean => squared(a, b).sqrt(),
            Self::Cosine => {
                let (mut product, mut own, mut other) = (0.0, 0.0, 0.0);
                for (a, b) in a.iter().map(|a| f64::from(*a)).zip(b) {
                    product += a * b;
                    own += a * a;
                    other += b * b;
                }
                1.0 - product / (own * other).sqrt()
            }
        }
    }
}

/// Embeddings, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Embeddings<'a> {
    values: &'a [f32],
    features: usize,
}

impl<'a> Embeddings<'a> {
    /// `[examples, features]`.
    pub fn new(values: &'a [f32], features: usize) -> Self {
        Self { values, features: features.max(1) }
    }

    fn all(self) -> impl Iterator<Item = &'a [f32]> {
        self.values.chunks_exact(self.features)
    }

    /// The embedding at a position; empty past the end.
    fn at(self, position: u32) -> &'a [f32] {
        let start = position as usize * self.features;
        self.values.get(start..start + self.features).unwrap_or(&[])
    }
}

/// Each example's distance to the mean embedding of the references of its class; NaN where there is none.
///
/// With `leave_one_out` a reference is no part of the mean that it is compared with.
pub fn to_class_means(
    embeddings: Embeddings<'_>,
    labels: &[u16],
    references: &[u32],
    metric: Metric,
    leave_one_out: bool,
) -> Vec<f32> {
    let classes = labels.iter().max().map_or(0, |last| usize::from(*last) + 1);
    let mut sums = Sums::new(classes, embeddings.features);
    let mut own = vec![false; labels.len()];
    for position in references {
        if let (Some(label), Some(own)) = (labels.get(*position as usize), own.get_mut(*position as usize)) {
            sums.add(usize::from(*label), embeddings.at(*position));
            *own = true;
        }
    }
    let distance = |((embedding, label), own): ((&[f32], &u16), &bool)| {
        let without = (*own && leave_one_out).then_some(embedding);
        let mean = sums.mean(usize::from(*label), without);
        mean.map_or(f32::NAN, |mean| metric.distance(embedding, &mean) as f32)
    };
    embeddings.all().zip(labels).zip(&own).map(distance).collect()
}

/// Each example's distance to the nearest of `k` centres of the references' embeddings (fewer where there are fewer
/// references); NaN where there is none. Draws come from `stream`.
pub fn to_centres(
    embeddings: Embeddings<'_>,
    references: &[u32],
    k: usize,
    metric: Metric,
    stream: &mut Stream,
) -> Vec<f32> {
    let points: Vec<&[f32]> = references.iter().map(|position| embeddings.at(*position)).collect();
    let centres = lloyd(&points, spread(&points, k, stream));
    let nearest = |embedding: &[f32]| {
        let distances = centres.iter().map(|centre| metric.distance(embedding, centre));
        distances.min_by(f64::total_cmp).map_or(f32::NAN, |distance| distance as f32)
    };
    embeddings.all().map(nearest).collect()
}

/// Sums of embeddings by group.
struct Sums {
    features: usize,
    totals: Vec<f64>,
    counts: Vec<usize>,
}

impl Sums {
    fn new(groups: usize, features: usize) -> Self {
        Self { features, totals: vec![0.0; groups * features], counts: vec![0; groups] }
    }

    fn add(&mut self, group: usize, embedding: &[f32]) {
        let sum = self.totals.iter_mut().skip(group * self.features).take(self.features);
        sum.zip(embedding).for_each(|(sum, value)| *sum += f64::from(*value));
        if let Some(count) = self.counts.get_mut(group) {
            *count += 1;
        }
    }

    /// A group's mean, without one of its embeddings where one is given; none where nothing is left.
    fn mean(&self, group: usize, without: Option<&[f32]>) -> Option<Vec<f64>> {
        let count = self.counts.get(group)?.checked_sub(usize::from(without.is_some()))?;
        let sum = self.totals.get(group * self.features..(group + 1) * self.features)?;
        let left = sum.iter().enumerate().map(|(feature, sum)| {
            let own = without.and_then(|own| own.get(feature)).map_or(0.0, |own| f64::from(*own));
            (sum - own) / count as f64
        });
        (count > 0).then(|| left.collect())
    }
}

/// k-means++ (Arthur and Vassilvitskii 2007): the first centre is any point, each next one is drawn with probability
/// proportional to the squared distance to the nearest centre so far.
fn spread(points: &[&[f32]], k: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    let centre = |point: usize| points.get(point).map(|point| point.iter().map(|value| f64::from(*value)).collect());
    let mut centres: Vec<Vec<f64>> = centre(stream.below(points.len() as u64) as usize).into_iter().collect();
    let mut nearest = vec![f64::INFINITY; points.len()];
    while let Some(last) = centres.last().filter(|_| centres.len() < k) {
        nearest.iter_mut().zip(points).for_each(|(nearest, point)| *nearest = nearest.min(squared(point, last)));
        let mut rest = stream.uniform() * nearest.iter().sum::<f64>();
        let drawn = nearest.iter().position(|weight| {
            rest -= weight;
            rest < 0.0
        });
        // All points are centres: more would be copies.
        let Some(next) = drawn.and_then(centre) else { break };
        centres.push(next);
    }
    centres
}

/// Lloyd's rounds, until no point changes its centre.
fn lloyd(points: &[&[f32]], mut centres: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mut groups = vec![usize::MAX; points.len()];
    for _ in 0..MOST_ROUNDS {
        let nearest: Vec<(usize, f64)> = points.iter().map(|point| nearest_of(point, &centres)).collect();
        let new: Vec<usize> = nearest.iter().map(|(group, _)| *group).collect();
        if new == groups {
            break;
        }
        groups = new;
        let mut sums = Sums::new(centres.len(), centres.first().map_or(0, Vec::len));
        groups.iter().zip(points).for_each(|(group, point)| sums.add(*group, point));
        let mut far: Vec<(f64, usize)> = nearest.iter().zip(0..).map(|((_, far), point)| (*far, point)).collect();
        far.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut far = far.into_iter().filter_map(|(_, point)| points.get(point));
        for (group, centre) in centres.iter_mut().enumerate() {
            let lost = || far.next().map(|point| point.iter().map(|value| f64::from(*value)).collect());
            if let Some(new) = sums.mean(group, None).or_else(lost) {
                *centre = new;
            }
        }
    }
    centres
}

/// The nearest centre, of equals the first, and its squared distance.
fn nearest_of(point: &[f32], centres: &[Vec<f64>]) -> (usize, f64) {
    let distances = centres.iter().map(|centre| squared(point, centre)).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
}

fn squared(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;

    fn near(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let same = found.is_nan() && expected.is_nan();
            assert!(same || (f64::from(*found) - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn distances_to_class_means_are_those_of_the_definition() {
        let values = [0.0, 0.0, 2.0, 0.0, 4.0, 3.0, 0.0, 5.0];
        let embeddings = Embeddings::new(&values, 2);
        let labels = [0, 0, 0, 1];
        // The mean of class 0 is (2, 1), without the first (3, 1.5).
        let euclidean = |leave| to_class_means(embeddings, &labels, &[0, 1, 2], Metric::Euclidean, leave);
        near(&euclidean(false), &[5_f64.sqrt(), 1.0, 8_f64.sqrt(), f64::NAN]);
        near(&euclidean(true), &[11.25_f64.sqrt(), 1.5, 18_f64.sqrt(), f64::NAN]);
        let cosine = to_class_means(embeddings, &labels, &[0, 1, 2], Metric::Cosine, false);
        near(&cosine, &[f64::NAN, 1.0 - 2.0 / 5_f64.sqrt(), 1.0 - 11.0 / (5.0 * 5_f64.sqrt()), f64::NAN]);
        // Whoever is no reference is compared with the whole mean; a class of one has none without it.
        near(&to_class_means(embeddings, &labels, &[1, 2], Metric::Euclidean, true)[..1], &[11.25_f64.sqrt()]);
        near(&to_class_means(embeddings, &labels, &[3], Metric::Euclidean, true)[3..], &[f64::NAN]);
    }

    fn blobs(count: usize) -> Vec<f32> {
        let mut stream = Key::study(3).stream("blobs");
        let centre = |index: usize| [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]][index % 3];
        (0..count).flat_map(|index| centre(index).map(|at| (at + stream.normal()) as f32)).collect()
    }

    /// The sum of squared distances to the nearest centres, for the best of all centres.
    #[test]
    fn k_means_finds_the_groups_of_points_that_lie_apart() {
        let values = blobs(90);
        let embeddings = Embeddings::new(&values, 2);
        let all: Vec<u32> = (0..90).collect();
        let labels: Vec<u16> = (0..90).map(|index| index % 3).collect();
        let by_class = to_class_means(embeddings, &labels, &all, Metric::Euclidean, false);
        for seed in 0..5 {
            let mut stream = Key::study(seed).stream("centres");
            let found = to_centres(embeddings, &all, 3, Metric::Euclidean, &mut stream);
            near(&found, &by_class.iter().map(|distance| f64::from(*distance)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn from_the_same_start_lloyds_rounds_end_where_scikit_learns_do() {
        // KMeans(3, init=[[0], [1], [2]], n_init=1, tol=0) of scikit-learn 1.9 on these points.
        let values = [0.0_f32, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 30.0, 31.0];
        let points: Vec<&[f32]> = values.chunks_exact(1).collect();
        let centres = lloyd(&points, vec![vec![0.0], vec![1.0], vec![2.0]]);
        assert_eq!(centres, [[1.5], [11.0], [30.5]]);
    }

    #[test]
    fn fewer_points_than_centres_and_none_at_all_are_no_harm() {
        let values = [1.0, 2.0, 1.0, 2.0];
        let embeddings = Embeddings::new(&values, 2);
        let mut stream = Key::study(0).stream("centres");
        near(&to_centres(embeddings, &[0, 1], 5, Metric::Euclidean, &mut stream), &[0.0, 0.0]);
        near(&to_centres(embeddings, &[], 2, Metric::Euclidean, &mut stream), &[f64::NAN, f64::NAN]);
    }

    #[test]
    fn a_centre_that_loses_its_points_moves_to_the_farthest_one() {
        let values = [0.0_f32, 1.0, 2.0, 50.0];
        let points: Vec<&[f32]> = values.chunks_exact(1).collect();
        let mut centres = lloyd(&points, vec![vec![1.0], vec![1.0]]);
        centres.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(centres, [[1.0], [50.0]]);
    }
}
