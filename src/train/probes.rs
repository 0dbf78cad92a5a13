//! In which class do the layers of a trained network see an example? Probes: k-NN classifiers on what every place of
//! the network shows of the training examples (Baldock et al. 2021, section 2.1).
//!
//! Probes are numbered as they are passed: 0 is the input, then every marked layer before its `ReLU`, the last one (L)
//! the softmax. Reference examples are those that the replicate trained on, with their given labels. Eval mode, plain
//! images, one thread; the same network on the same kernels gives the same bits.
//!
//! **Memory.** A probe's references are held in blocks of at most 1 GiB ([`Blocks`]); whoever comes behind a block passes
//! by it in tiles of 64 MiB, made by another forward pass, which ends at the probe's place. Small probes that follow each
//! other share their passes, up to [`TOGETHER`] bytes. [`Plan::bytes`] is the most that any probe takes beside what the
//! replicate has anyway: below 1.4 GiB for every model on 60,000 images of 3x32x32. The first convolutions of VGG-16
//! (65,536 features) take 13 blocks, so 7 passes through one or two layers.
//!
//! **On a GPU** the held block stays on the device and products are cuBLAS's, not rounded to TF32; embeddings cross the
//! bus once down and once up in every pass, and the nearest are chosen on the host.

use crate::nn::kernels::neighbours::{Blocks, CENTRE, Job, Search, cut};
use crate::nn::kernels::probabilities;
use crate::nn::{Kernels, Real, Tap, TapPoint};
use crate::train::learner::{Images, Learner};
use crate::{Error, Result};

/// Roles of examples: trained on, held out, test.
pub const ROLES: usize = 3;
/// Nearest training examples that are kept of every example.
pub const KEPT: usize = 8;
/// Most bytes of searches that share their passes.
pub const TOGETHER: usize = 5 << 28;
/// Votes are counted in a byte.
const MOST_NEIGHBOURS: usize = 255;

/// Which examples are asked, and how.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Positions that the replicate trained on, in ascending order.
    pub references: &'a [u32],
    /// Given label of every example of the data set.
    pub labels: &'a [u16],
    /// Role of every example: 0 trained on, 1 held out, 2 test.
    pub roles: &'a [u8],
    /// Number of classes.
    pub classes: usize,
    /// Neighbours that vote.
    pub k: usize,
    /// Whether a reference has no vote about itself.
    pub leave_one_out: bool,
}

/// What a probe says.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The name of its layer: `input`, `bn1`, `layer1.0`, `softmax`.
    pub name: String,
    /// How many of each example's neighbours have each label, `[examples, classes]`.
    pub votes: Vec<u8>,
    /// The class with most votes, of equals the lowest; 0 where nobody votes, since the embedding is no number.
    pub predicted: Vec<u16>,
    /// Share of each role whose given label is predicted; NaN where no example has it.
    pub accuracy: [f32; ROLES],
}

impl Probe {
    /// The class that it gives for each example; none where nobody votes.
    pub fn answers(&self) -> impl Iterator<Item = Option<u16>> {
        let classes = self.votes.len() / self.predicted.len().max(1);
        let voted = self.votes.chunks_exact(classes.max(1)).map(|votes| votes.iter().any(|votes| *votes > 0));
        self.predicted.iter().zip(voted).map(|(class, voted)| voted.then_some(*class))
    }
}

/// The places of probes, in order.
pub fn places<K: Kernels>(learner: &Learner<K>) -> Vec<TapPoint> {
    learner.taps().iter().filter(|point| point.tap != Tap::Embedding).cloned().collect()
}

/// The place of the penultimate embedding.
///
/// # Errors
/// `Error::Failed` where the network marks none.
pub fn embedding_place<K: Kernels>(learner: &Learner<K>) -> Result<TapPoint> {
    let found = learner.taps().iter().find(|point| point.tap == Tap::Embedding).cloned();
    found.ok_or_else(|| Error::Failed("this network marks no penultimate embedding".into()))
}

/// Asks every probe, `take(number, probe)`, in order.
///
/// # Errors
/// What `obey`, which is asked between batches and blocks, or `take` says; `Error::Usage` for a k that no byte counts;
/// a failing device.
pub fn probe<K: Kernels, E: From<Error>>(
    learner: &mut Learner<K>,
    task: &Task<'_>,
    obey: &mut dyn FnMut() -> Result<(), E>,
    take: &mut dyn FnMut(usize, Probe) -> Result<(), E>,
) -> Result<(), E> {
    if !(1..=MOST_NEIGHBOURS).contains(&task.k) {
        return Err(Error::Usage(format!("k = {} is not 1 to {MOST_NEIGHBOURS} neighbours", task.k)).into());
    }
    let places = places(learner);
    let plan = Plan::new(task, &places, task.k, size_of::<K::Real>());
    let mut number = 0;
    for group in plan.groups() {
        let here = places.get(group).unwrap_or(&[]);
        let searches = plan.search(learner, here, task.leave_one_out, obey)?;
        for (search, place) in searches.iter().zip(here) {
            take(number, plan.vote(task, place, search))?;
            number += 1;
        }
    }
    Ok(())
}

/// The [`KEPT`] nearest training examples of every example by the penultimate embedding, itself left out, nearest first:
/// positions `[examples, KEPT]`, `u32::MAX` where there are fewer.
///
/// # Errors
/// What `obey` says; a failing device.
pub fn nearest<K: Kernels, E: From<Error>>(
    learner: &mut Learner<K>,
    task: &Task<'_>,
    obey: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Vec<u32>, E> {
    let place = [embedding_place(learner)?];
    let plan = Plan::new(task, &place, KEPT, size_of::<K::Real>());
    let searches = plan.search(learner, &place, true, obey)?;
    let mut nearest = vec![u32::MAX; plan.order.len() * KEPT];
    for (found, position) in searches.iter().flat_map(Search::neighbours).zip(&plan.order) {
        let row = nearest.iter_mut().skip(*position as usize * KEPT).take(KEPT);
        row.zip(found).for_each(|(to, (_, number))| *to = plan.position(*number));
    }
    Ok(nearest)
}

/// The penultimate embeddings `[positions, features]` of some examples.
///
/// # Errors
/// What `obey` says; a failing device.
pub fn embeddings<K: Kernels, E: From<Error>>(
    learner: &mut Learner<K>,
    positions: &[u32],
    obey: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Vec<f32>, E> {
    let place = [embedding_place(learner)?];
    let batch = batch_of(learner.taps(), size_of::<K::Real>());
    let features = place.iter().map(|place| place.shape.len()).sum::<usize>();
    let (mut embeddings, mut seen) = (Vec::with_capacity(positions.len() * features), Vec::new());
    for positions in positions.chunks(batch) {
        obey()?;
        learner.look(Images::Of { positions, views: &[] }, &place, &mut seen)?;
        embeddings.extend(seen.iter().flatten().map(|value| value.to_f32()));
    }
    Ok(embeddings)
}

/// Examples of a forward pass: no value of one of them may be larger than a tile.
fn batch_of(points: &[TapPoint], value: usize) -> usize {
    let largest = points.iter().map(|point| point.shape.len()).max().unwrap_or(1);
    Blocks::of(largest, 1, value).tile
}

/// The order of the examples and the division of the work.
#[derive(Debug, Clone)]
pub struct Plan {
    /// References first, then everybody else: an example's number is its place here.
    order: Vec<u32>,
    references: usize,
    /// Features of each probe.
    features: Vec<usize>,
    k: usize,
    /// Bytes of a value.
    value: usize,
}

impl Plan {
    /// For the probes at some places, of `k` neighbours; values have `value` bytes.
    pub fn new(task: &Task<'_>, places: &[TapPoint], k: usize, value: usize) -> Self {
        let mut others = vec![true; task.labels.len()];
        for position in task.references {
            if let Some(other) = others.get_mut(*position as usize) {
                *other = false;
            }
        }
        let others = others.iter().zip(0..).filter(|(other, _)| **other).map(|(_, position)| position);
        let order = task.references.iter().copied().chain(others).collect();
        let features = places.iter().map(|place| place.shape.len()).collect();
        Self { order, references: task.references.len(), features, k, value }
    }

    /// Probes that share their passes: those that follow each other and are held as a whole together.
    pub fn groups(&self) -> Vec<std::ops::Range<usize>> {
        let mut groups: Vec<std::ops::Range<usize>> = Vec::new();
        for probe in 0..self.features.len() {
            match groups.last_mut() {
                Some(last) if self.fits(last.start..probe + 1) => last.end = probe + 1,
                _ => groups.push(probe..probe + 1),
            }
        }
        groups
    }

    /// Whether some probes can be searched at once.
    fn fits(&self, group: std::ops::Range<usize>) -> bool {
        let whole = |probe: usize| self.blocks(probe).held >= self.references;
        group.clone().all(whole) && self.bytes_of(group) <= TOGETHER
    }

    fn blocks(&self, probe: usize) -> Blocks {
        Blocks::of(self.features.get(probe).copied().unwrap_or(0), self.references, self.value)
    }

    fn bytes_of(&self, group: std::ops::Range<usize>) -> usize {
        let bytes = |probe: usize| {
            let features = self.features.get(probe).copied().unwrap_or(0);
            self.blocks(probe).bytes(features, self.order.len(), self.k, self.value)
        };
        group.map(bytes).sum()
    }

    /// The most bytes that searches take at any time.
    pub fn bytes(&self) -> usize {
        self.groups().into_iter().map(|group| self.bytes_of(group)).max().unwrap_or(0)
    }

    /// Positions of a range of numbers.
    fn positions(&self, numbers: std::ops::Range<usize>) -> &[u32] {
        self.order.get(numbers).unwrap_or(&[])
    }

    fn position(&self, number: u32) -> u32 {
        self.order.get(number as usize).copied().unwrap_or(u32::MAX)
    }

    /// Everybody's neighbours at some places, in passes that serve all of them.
    fn search<K: Kernels, E: From<Error>>(
        &self,
        learner: &mut Learner<K>,
        places: &[TapPoint],
        leave_one_out: bool,
        obey: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Vec<Search<K>>, E> {
        let (references, queries) = (self.references, self.order.len() - self.references);
        let batch = batch_of(learner.taps(), self.value);
        let mut seen = Vec::new();
        let mut searches = Vec::new();
        let jobs: Vec<Job> = places
            .iter()
            .map(|place| Job {
                features: place.shape.len(),
                references,
                queries,
                k: self.k,
                among: true,
                leave_one_out,
            })
            .collect();
        see(learner, places, &self.spread(batch), &mut seen)?;
        for (job, some) in jobs.iter().zip(&seen) {
            searches.push(Search::new(learner.kernels(), *job, some)?);
        }
        let (Some(first), Some(held)) = (jobs.first(), jobs.iter().map(|job| job.blocks::<K::Real>().held).min())
        else {
            return Ok(searches);
        };
        for block in cut(0..references, held) {
            for search in &mut searches {
                search.begin(block.start);
            }
            for part in cut(block.clone(), batch) {
                obey()?;
                see(learner, places, self.positions(part), &mut seen)?;
                for (search, values) in searches.iter_mut().zip(&seen) {
                    search.hold(learner.kernels(), values, obey)?;
                }
            }
            for part in first.passing(&block, batch) {
                obey()?;
                see(learner, places, self.positions(part.clone()), &mut seen)?;
                for (search, values) in searches.iter_mut().zip(&seen) {
                    search.pass(learner.kernels(), part.start, values, obey)?;
                }
            }
        }
        Ok(searches)
    }

    /// Some references, evenly spread, for a centre.
    fn spread(&self, batch: usize) -> Vec<u32> {
        let step = self.references.div_ceil(CENTRE.min(batch)).max(1);
        self.positions(0..self.references).iter().step_by(step).copied().collect()
    }

    /// The neighbours' labels as a probe's votes.
    fn vote<K: Kernels>(&self, task: &Task<'_>, place: &TapPoint, search: &Search<K>) -> Probe {
        let (examples, classes) = (self.order.len(), task.classes);
        let mut votes = vec![0_u8; examples * classes];
        for (found, position) in search.neighbours().zip(&self.order) {
            let start = *position as usize * classes;
            let own = votes.get_mut(start..start + classes).unwrap_or(&mut []);
            for (_, number) in found {
                let label = task.labels.get(self.position(*number) as usize);
                if let Some(vote) = label.and_then(|label| own.get_mut(usize::from(*label))) {
                    *vote += 1;
                }
            }
        }
        let predicted: Vec<u16> = votes.chunks_exact(classes.max(1)).map(most).collect();
        let name = if place.tap == Tap::Output { "softmax".to_owned() } else { place.name.clone() };
        Probe { name, accuracy: accuracy(&predicted, task), predicted, votes }
    }
}

/// What places show of some examples: the output as its softmax.
fn see<K: Kernels>(
    learner: &mut Learner<K>,
    places: &[TapPoint],
    positions: &[u32],
    seen: &mut Vec<Vec<K::Real>>,
) -> Result<()> {
    seen.resize_with(places.len(), Vec::new);
    if positions.is_empty() {
        seen.iter_mut().for_each(Vec::clear);
        return Ok(());
    }
    learner.look(Images::Of { positions, views: &[] }, places, seen)?;
    for (place, values) in places.iter().zip(seen).filter(|(place, _)| place.tap == Tap::Output) {
        probabilities(values, place.shape.len());
    }
    Ok(())
}

/// The class with most votes, of equals the lowest.
fn most(votes: &[u8]) -> u16 {
    let most = votes.iter().max().copied().unwrap_or(0);
    votes.iter().position(|votes| *votes == most).unwrap_or(0) as u16
}

/// Share of each role whose given label is predicted.
fn accuracy(predicted: &[u16], task: &Task<'_>) -> [f32; ROLES] {
    let mut counts = [(0_usize, 0_usize); ROLES];
    for ((predicted, label), role) in predicted.iter().zip(task.labels).zip(task.roles) {
        if let Some((right, all)) = counts.get_mut(usize::from(*role)) {
            *right += usize::from(predicted == label);
            *all += 1;
        }
    }
    counts.map(|(right, all)| (right as f64 / all as f64) as f32)
}
