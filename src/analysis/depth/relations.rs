//! How does depth go with what else is known of an example? Numbers of one model, without tables and figures.

use std::sync::Arc;

use rayon::prelude::*;

use super::super::rank::Ranks;
use super::super::{Evidence, ScoreRuns};
use super::bounds::{self, BINS, Band};
use super::corners::{self, CORNERS, Corner};
use super::layers::{Layers, ThroughLayers};
use super::subject::{Side, Subject};
use super::together::Together;
use crate::analysis::quantile::mean;

/// The margins that are looked at.
const MARGINS: [&str; 2] = ["output_margin", "input_margin"];

/// Iteration learned: the share of a run's own 95th percentile before the plain sweep, since it compares over runs.
const LEARNED: [&str; 2] = ["learned.final95", "learned.final"];

/// A model with all that is found of it.
pub(super) struct Found<'b, 'a> {
    pub subject: &'b Subject<'a>,
    pub known: Arc<Known>,
}

/// All that is found of one model.
pub(super) struct Known {
    /// In the order of the subject's sides.
    pub sides: Arc<Vec<OfSide>>,
    pub margins: Vec<Margin>,
    pub corners: Vec<CornerFound>,
    /// Examples by bins of val and train depth, `[train][val]`: all, consensus = truth, and not.
    pub planes: Option<[Vec<Vec<usize>>; 3]>,
    pub layers: Option<Layers>,
}

/// What is found in one role.
pub(super) struct OfSide {
    pub role: &'static str,
    pub histogram: Histogram,
    pub together: Together,
    /// Consensus-consistency and entropy, where runs look from outside and there are several.
    pub consensus: Option<[Relation; 2]>,
    /// Consistency where the consensus is the truth, and where it is not; the slope is that of the first.
    pub consistency: Option<[Relation; 2]>,
    pub learned: Option<Learned>,
}

/// How depths are spread in a role.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram {
    /// Pairs of each depth.
    pub counts: Vec<usize>,
    pub pairs: usize,
    pub undefined: usize,
    /// Examples with a depth.
    pub examples: usize,
    /// Of the examples' means.
    pub mean: f64,
    pub sd: f64,
    pub largest: f64,
    /// Of the networks, on the pairs.
    pub accuracy: f64,
}

/// A quantity against mean depth, with a bound for its distance from what depth 0 gives.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub examples: usize,
    pub left_out: usize,
    pub slope: f64,
    pub beyond: f64,
    pub spearman: f64,
    pub bands: Vec<Band>,
}

/// Iteration learned against depth.
pub(super) struct Learned {
    pub score: String,
    pub examples: usize,
    pub spearman: f64,
    pub bands: Vec<Band>,
}

/// The logarithm of a mean margin against mean depth.
pub(super) struct Margin {
    pub name: &'static str,
    pub role: &'static str,
    pub examples: usize,
    /// Examples with a depth whose mean margin is 0 or doesn't exist.
    pub left_out: usize,
    pub mean: f64,
    pub pearson: f64,
    pub bands: Vec<Band>,
}

/// A corner with its examples.
pub(super) struct CornerFound {
    pub corner: Corner,
    /// How many of how many equally near examples were taken for their order, where not all were.
    pub chosen: Option<(usize, usize)>,
    /// Columns, with the consensus class of the runs that held the example out.
    pub examples: Vec<(usize, u16)>,
    pub depths: (f64, f64),
    /// Share whose consensus is the truth.
    pub matches: f64,
    /// Mean consensus-consistency.
    pub consistency: f64,
    pub layers: ThroughLayers,
}

impl Found<'_, '_> {
    pub fn side(&self, role: &str) -> Option<&OfSide> {
        self.known.sides.iter().find(|of| of.role == role)
    }
}

impl Known {
    /// Finds it beside what was found in its roles, reading what the runs left.
    pub fn of(subject: &Subject, sides: Arc<Vec<OfSide>>, evidence: Option<&dyn Evidence>) -> Self {
        let of_role = |role: &str| Some((subject.side(role)?, sides.iter().find(|of| of.role == role)?));
        let both = of_role("val").zip(of_role("train"));
        let mut corners: Vec<CornerFound> = both.map_or_else(Vec::new, |(val, train)| {
            CORNERS.iter().map(|corner| CornerFound::of(*corner, val, train.1, subject.last)).collect()
        });
        let found: Vec<Vec<(usize, u16)>> = corners.iter().map(|corner| corner.examples.clone()).collect();
        let layers = evidence.map(|evidence| Layers::read(subject, evidence, &found));
        if let Some(layers) = &layers {
            corners.iter_mut().enumerate().for_each(|(place, corner)| corner.layers = layers.corner(place));
        }
        let planes = both.map(|(val, train)| planes(val, train.1, subject.last));
        Self { margins: margins(subject), corners, planes, layers, sides }
    }
}

impl OfSide {
    /// What is found in each role of a model.
    pub fn all(subject: &Subject) -> Vec<Self> {
        subject.sides.par_iter().map(|side| Self::of(side, subject.last)).collect()
    }

    fn of(side: &Side, last: f64) -> Self {
        let outside = side.role() != "train";
        let learned = side.score("learned", &LEARNED);
        let together = Together::of(side, learned, last, outside);
        let exists = |values: &[f64]| values.iter().any(|value| !value.is_nan());
        let consensus = exists(&together.others_consistency).then(|| {
            let gaps: Vec<f64> = together.others_consistency.iter().map(|value| 1.0 - value).collect();
            let consistency = Relation::of(&together.depth, &together.others_consistency, &gaps, None, last);
            let entropies = &together.others_entropy;
            [consistency, Relation::of(&together.depth, entropies, entropies, None, last)]
        });
        let consistency = (outside && exists(&together.consistency)).then(|| consistency(side, &together, last));
        let learned = learned.map(|score| Learned::of(score, &together.depth, last));
        Self { role: side.role(), histogram: Histogram::of(side, last), together, consensus, consistency, learned }
    }
}

/// Figure 3: the bound of the examples whose consensus is the truth, reflected in 1/2 for the others.
fn consistency(side: &Side, together: &Together, last: f64) -> [Relation; 2] {
    let only = |wanted: bool| -> Vec<f64> {
        let depth = |(example, depth): (usize, &f64)| {
            if together.matches(example, side.labels()) == Some(wanted) { *depth } else { f64::NAN }
        };
        together.depth.iter().enumerate().map(depth).collect()
    };
    let gaps: Vec<f64> = together.consistency.iter().map(|share| 1.0 - share).collect();
    let matches = Relation::of(&only(true), &together.consistency, &gaps, None, last);
    let slope = Some(matches.slope);
    let differs = Relation::of(&only(false), &together.consistency, &together.consistency, slope, last);
    [matches, differs]
}

impl Histogram {
    fn of(side: &Side, last: f64) -> Self {
        let mut counts = vec![0; last as usize + 1];
        for depth in side.depth.values.iter().filter(|depth| !depth.is_nan()) {
            if let Some(count) = counts.get_mut(depth.round() as usize) {
                *count += 1;
            }
        }
        let means: Vec<f64> = side.means().into_iter().filter(|mean| !mean.is_nan()).collect();
        let centre = mean(&means);
        let (pairs, undefined) = side.pairs();
        Self {
            counts,
            pairs,
            undefined,
            examples: means.len(),
            mean: centre,
            sd: mean(&means.iter().map(|value| (value - centre).powi(2)).collect::<Vec<f64>>()).sqrt(),
            largest: means.iter().copied().fold(f64::NAN, f64::max),
            accuracy: accuracy(side),
        }
    }
}

/// The share of the pairs of run and example that are right.
fn accuracy(side: &Side) -> f64 {
    let (mut right, mut all) = (0_usize, 0_usize);
    for run in 0..side.scores.predicted.nrows() {
        for (example, label) in side.labels().iter().enumerate() {
            if let Some(class) = side.class(run, example) {
                right += usize::from(class == *label);
                all += 1;
            }
        }
    }
    right as f64 / all as f64
}

impl Relation {
    fn of(depths: &[f64], values: &[f64], gaps: &[f64], slope: Option<f64>, last: f64) -> Self {
        let known = |(depth, value): (&f64, &f64)| !depth.is_nan() && !value.is_nan();
        let examples = depths.iter().zip(values).filter(|pair| known(*pair)).count();
        let with_depth = depths.iter().filter(|depth| !depth.is_nan()).count();
        let slope = slope.unwrap_or_else(|| bounds::slope(depths, gaps));
        Self {
            examples,
            left_out: with_depth - examples,
            slope,
            beyond: bounds::beyond(depths, gaps, slope),
            spearman: spearman(depths, values),
            bands: bounds::bands(depths, values, last),
        }
    }
}

fn spearman(a: &[f64], b: &[f64]) -> f64 {
    Ranks::new(a).correlation(&Ranks::new(b))
}

impl Learned {
    fn of(score: &ScoreRuns, depths: &[f64], last: f64) -> Self {
        let values = score.means(None);
        let both = depths.iter().zip(&values).filter(|(depth, value)| !depth.is_nan() && !value.is_nan());
        Self {
            score: score.name.clone(),
            examples: both.count(),
            spearman: spearman(depths, &values),
            bands: bounds::bands(depths, &values, last),
        }
    }
}

/// Both margins on test and training examples, as the paper's appendix C.4.
fn margins(subject: &Subject) -> Vec<Margin> {
    let all: Vec<(&Side, &'static str)> = ["test", "train"]
        .into_iter()
        .filter_map(|role| subject.side(role))
        .flat_map(|side| MARGINS.map(|name| (side, name)))
        .collect();
    let margin =
        |(side, name): &(&Side, &'static str)| Some(Margin::of(side, name, side.score(name, &[])?, subject.last));
    all.par_iter().filter_map(margin).collect()
}

impl Margin {
    fn of(side: &Side, name: &'static str, score: &ScoreRuns, last: f64) -> Self {
        let (depths, margins) = (side.means(), score.means(None));
        // The logarithm of 0 is no number to correlate.
        let logarithm = |margin: &f64| if *margin > 0.0 { libm::log(*margin) } else { f64::NAN };
        let logarithms: Vec<f64> = margins.iter().map(logarithm).collect();
        let known = depths.iter().zip(&logarithms).filter(|(depth, value)| !depth.is_nan() && !value.is_nan()).count();
        let with_depth = depths.iter().filter(|depth| !depth.is_nan()).count();
        Self {
            name,
            role: side.role(),
            examples: known,
            left_out: with_depth - known,
            mean: mean(&margins.iter().copied().filter(|margin| !margin.is_nan()).collect::<Vec<f64>>()),
            pearson: bounds::pearson(&depths, &logarithms),
            bands: bounds::bands(&depths, &logarithms, last),
        }
    }
}

impl CornerFound {
    fn of(corner: Corner, (side, val): (&Side, &OfSide), train: &OfSide, last: f64) -> Self {
        let (x, y) = (&val.together.depth, &train.together.depth);
        let nearest = corners::nearest(x, y, last, corner);
        let (chosen, examples) = (nearest.chosen(), nearest.examples);
        let over = |of: &dyn Fn(usize) -> f64| {
            let values = examples.iter().map(|example| of(*example)).filter(|value| !value.is_nan());
            mean(&values.collect::<Vec<f64>>())
        };
        let at = |values: &[f64], example: usize| values.get(example).copied().unwrap_or(f64::NAN);
        let matches = |example| match val.together.matches(example, side.labels()) {
            Some(true) => 1.0,
            Some(false) => 0.0,
            None => f64::NAN,
        };
        let consensus = |example: &usize| (*example, val.together.consensus.get(*example).copied().unwrap_or(0));
        Self {
            corner,
            chosen,
            depths: (over(&|example| at(x, example)), over(&|example| at(y, example))),
            matches: over(&matches),
            consistency: over(&|example| at(&val.together.others_consistency, example)),
            layers: ThroughLayers::default(),
            examples: examples.iter().map(consensus).collect(),
        }
    }
}

/// Examples in the plane of both depths: all, those whose consensus is the truth, and the others.
fn planes((side, val): (&Side, &OfSide), train: &OfSide, last: f64) -> [Vec<Vec<usize>>; 3] {
    let mut planes = std::array::from_fn(|_| vec![vec![0; BINS]; BINS]);
    let both = val.together.depth.iter().zip(&train.together.depth).enumerate();
    for (example, (x, y)) in both.filter(|(_, (x, y))| !x.is_nan() && !y.is_nan()) {
        let matches = val.together.matches(example, side.labels());
        for (plane, wanted) in planes.iter_mut().zip([None, Some(true), Some(false)]) {
            let counts = wanted.is_none() || wanted == matches;
            if let Some(cell) = plane.get_mut(bounds::bin(*y, last)).and_then(|row| row.get_mut(bounds::bin(*x, last)))
                && counts
            {
                *cell += 1;
            }
        }
    }
    planes
}
