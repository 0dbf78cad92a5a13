//! What do the runs that look at an example from outside say together, and without the run that supplies the depth?

use super::super::{ScoreRuns, UNSEEN};
use super::subject::Side;

/// Votes that a consensus needs: of one vote the share is always 1, and of two that differ the rule for ties alone names it. Three are the
/// fewest among which a majority can stand against a vote.
pub const VOTES: usize = 3;

/// One value per example; NaN where it doesn't exist.
#[derive(Debug, Clone, Default)]
pub(super) struct Together {
    /// Mean depth.
    pub depth: Vec<f64>,
    /// Share of the runs that predict the label.
    pub consistency: Vec<f64>,
    /// The class that most runs predict (ties: the label, else the lowest); [`UNSEEN`] where no run saw it.
    pub consensus: Vec<u16>,
    /// Mean over the runs with a depth, and [`VOTES`] others, of the share of the others that predict their consensus.
    pub others_consistency: Vec<f64>,
    /// Mean over the same runs of the entropy of the others' votes, in nats.
    pub others_entropy: Vec<f64>,
    /// By the depth in a single run.
    pub by_depth: Vec<ByDepth>,
    /// Pairs of run and example with a depth and a class.
    pub voted: Voted,
}

/// How many pairs of run and example have others' votes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Voted {
    /// All that were asked for.
    pub pairs: usize,
    /// Those with fewer than [`VOTES`] other votes, which are left out.
    pub few: usize,
}

/// The pairs of run and example of one depth.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ByDepth {
    pub pairs: usize,
    /// Those whose class is known, and of these those that are right.
    pub looked: usize,
    right: usize,
    others: Sum,
    entropy: Sum,
    learned: Sum,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn mean(self) -> f64 {
        self.sum / self.count as f64
    }
}

impl ByDepth {
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.looked as f64
    }

    pub fn consistency(&self) -> f64 {
        self.others.mean()
    }

    pub fn entropy(&self) -> f64 {
        self.entropy.mean()
    }

    pub fn learned(&self) -> f64 {
        self.learned.mean()
    }
}

impl Together {
    /// Looks at all examples of a role. `outside`: whether the runs haven't been trained on them, so that they vote.
    pub fn of(side: &Side, learned: Option<&ScoreRuns>, last: f64, outside: bool) -> Self {
        let mut together =
            Self { by_depth: vec![ByDepth::default(); last as usize + 1], depth: side.means(), ..Self::default() };
        let largest = side.scores.predicted.iter().chain(side.labels()).filter(|class| **class != UNSEEN).max();
        let votes = vec![0; largest.map_or(0, |class| usize::from(*class)) + 1];
        let mut scratch = Scratch { votes, without: Vec::new() };
        for example in 0..side.examples() {
            together.add(side, example, (learned, outside), &mut scratch);
        }
        together
    }

    fn add(
        &mut self,
        side: &Side,
        example: usize,
        (learned, outside): (Option<&ScoreRuns>, bool),
        Scratch { votes, without }: &mut Scratch,
    ) {
        let label = side.labels().get(example).copied();
        votes.fill(0);
        without.clear();
        let classes = side.classes(example);
        let class_of = |run: usize| classes.get(run).copied().filter(|class| *class != UNSEEN);
        for class in &classes {
            if let Some(votes) = votes.get_mut(usize::from(*class)) {
                *votes += 1;
            }
        }
        let learned = learned.map(|score| score.values.column(example));
        let (mut others, mut entropies) = (Sum::default(), Sum::default());
        let depths = side.depth.values.column(example);
        for (run, depth) in depths.iter().enumerate().filter(|(_, depth)| !depth.is_nan()) {
            let Some(by_depth) = self.by_depth.get_mut(depth.round() as usize) else { continue };
            by_depth.pairs += 1;
            if let Some(value) = learned.and_then(|column| column.get(run).copied()).filter(|value| !value.is_nan()) {
                by_depth.learned.add(f64::from(value));
            }
            let (Some(class), Some(label)) = (class_of(run), label) else { continue };
            by_depth.looked += 1;
            by_depth.right += usize::from(class == label);
            if !outside {
                continue;
            }
            self.voted.pairs += 1;
            self.voted.few += 1;
            if let Some((share, entropy)) = without_one(votes, class, label, without) {
                self.voted.few -= 1;
                by_depth.others.add(share);
                by_depth.entropy.add(entropy);
                others.add(share);
                entropies.add(entropy);
            }
        }
        let all: usize = votes.iter().sum();
        let of_label = label.and_then(|label| votes.get(usize::from(label))).copied().unwrap_or(0);
        self.consistency.push(of_label as f64 / all as f64);
        self.consensus.push(if all == 0 { UNSEEN } else { consensus(votes, label) });
        self.others_consistency.push(settled(others.mean()));
        self.others_entropy.push(settled(entropies.mean()));
    }

    /// Whether an example's consensus is its label; none where nobody voted.
    pub fn matches(&self, example: usize, labels: &[u16]) -> Option<bool> {
        let consensus = self.consensus.get(example).copied().filter(|class| *class != UNSEEN)?;
        Some(labels.get(example) == Some(&consensus))
    }
}

/// What is used again from one example to the next.
struct Scratch {
    /// Of each class.
    votes: Vec<usize>,
    /// What is left without one vote for a class, as far as it was asked: the runs of an example see few classes.
    without: Vec<(u16, Option<(f64, f64)>)>,
}

/// Without the rounding errors of its sum, which depend on how many summands there were and in which order: equal means must be
/// ties when they are ranked.
fn settled(value: f64) -> f64 {
    (value * 1e12).round() / 1e12
}

/// The class with most votes, of equals the label, else the lowest.
fn consensus(votes: &[usize], label: Option<u16>) -> u16 {
    let most = votes.iter().copied().max().unwrap_or(0);
    match label.filter(|label| votes.get(usize::from(*label)) == Some(&most)) {
        Some(label) => label,
        None => votes.iter().position(|votes| *votes == most).unwrap_or(0) as u16,
    }
}

/// As [`without`], once for each class.
fn without_one(
    votes: &mut [usize],
    class: u16,
    label: u16,
    known: &mut Vec<(u16, Option<(f64, f64)>)>,
) -> Option<(f64, f64)> {
    if let Some((_, left)) = known.iter().find(|(of, _)| *of == class) {
        return *left;
    }
    let left = without(votes, class, label);
    known.push((class, left));
    left
}

/// Without one vote for a class: the share of the votes for the consensus, and their entropy; none where fewer than [`VOTES`] are left.
fn without(votes: &mut [usize], class: u16, label: u16) -> Option<(f64, f64)> {
    let own = votes.get_mut(usize::from(class))?;
    *own = own.checked_sub(1)?;
    let all = votes.iter().sum::<usize>();
    let said = (all >= VOTES).then(|| {
        let share = |votes: usize| votes as f64 / all as f64;
        let winner = consensus(votes, Some(label));
        // From the fewest votes, whichever class has them: the same votes for other classes give the same bits.
        let mut counts: Vec<usize> = votes.iter().copied().filter(|votes| *votes > 0).collect();
        counts.sort_unstable();
        let entropy = counts.into_iter().map(|votes| -share(votes) * libm::log(share(votes)));
        // Adding 0 turns the negative zero of one class alone around.
        (share(votes.get(usize::from(winner)).copied().unwrap_or(0)), entropy.sum::<f64>() + 0.0)
    });
    if let Some(own) = votes.get_mut(usize::from(class)) {
        *own += 1;
    }
    said
}
