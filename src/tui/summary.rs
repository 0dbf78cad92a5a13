//! Which examples does one model find hard? Means over its runs, ranks, and how often examples are forgotten.

use super::session::{Examples, ScoreColumn};
use crate::data::Role;
use crate::scores::Harder;
use crate::train::board::{LiveScores, ReplicateView};
use crate::train::ensembles::Ensembles;

/// One score over the runs of one model; every vector has one entry per example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoreSummary {
    /// Mean over the runs in which the value exists; NaN where it exists in none.
    pub mean: Vec<f32>,
    /// 1 is the hardest of its split; ties share the smaller number; 0 where there is no value.
    pub rank: Vec<u32>,
    /// Share of the other examples of its split that are strictly easier, 0 to 1.
    pub hardness: Vec<f32>,
    /// How many training and how many test examples have a value.
    pub ranked: [usize; 2],
    /// How many runs stand behind each example's mean, or behind its number of the whole model.
    pub counts: Vec<u16>,
    /// Where the runs that trained on an example are compared with those that held it out: how many of each.
    pub in_and_out: Option<[Vec<u16>; 2]>,
    /// Runs that have any value; 0 for a number of the whole model.
    pub runs: usize,
}

impl ScoreSummary {
    /// How many runs trained on an example and how many held it out, where these are compared.
    pub fn sides(&self, example: usize) -> Option<[usize; 2]> {
        let [inside, outside] = self.in_and_out.as_ref()?;
        Some([usize::from(*inside.get(example)?), usize::from(*outside.get(example)?)])
    }
}

/// How many training examples of one model were forgotten how often: the histogram of a run, averaged over the runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForgettingCounts {
    /// Never right in a run.
    pub never_learned: f64,
    /// Entry k counts the learned examples that a run forgot k times.
    pub times: Vec<f64>,
}

/// What the board says about one model, digested.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The model's label.
    pub model: String,
    /// Whether it is of the examples that the runs held out, not of those that they trained on.
    pub held_out: bool,
    /// Runs behind the means: those with scores and without a non-finite loss.
    pub runs: usize,
    /// Runs that were left out because their loss became non-finite.
    pub left_out: usize,
    /// Fewest and most epochs behind these runs' values.
    pub epochs: (u32, u32),
    /// One entry per score of the session.
    pub scores: Vec<ScoreSummary>,
    /// For each example the class that most runs take it for, and how many of how many; ties to the lowest class. A
    /// finished run's word is that of its final network, another's what it saw last.
    pub believed: Vec<Option<Believed>>,
    /// None without the scores `forgetting` and `accuracy`.
    pub forgetting: Option<ForgettingCounts>,
    /// Training examples that were learned and forgotten most often, with their mean count.
    pub most_forgotten: Vec<(usize, f32)>,
}

/// What the runs take an example for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Believed {
    /// The class.
    pub class: u16,
    /// Runs that take the example for it.
    pub runs: u16,
    /// Runs that predicted anything.
    pub of: u16,
}

/// How many of the most forgotten examples are kept.
const MOST_FORGOTTEN: usize = 24;

/// One finite run of the model, with what each example is to it.
#[derive(Clone, Copy)]
struct Run<'a> {
    scores: &'a LiveScores,
    roles: &'a [Role],
    /// Whether it is asked about the examples that it held out, not those that it trained on.
    held_out: bool,
}

impl<'a> Run<'a> {
    fn of(view: &'a ReplicateView, held_out: bool) -> Option<Self> {
        let scores = view.scores.as_deref().filter(|_| !view.progress.non_finite)?;
        Some(Self { scores, roles: &view.roles, held_out })
    }

    /// Whether an example has the role that is asked about; a test example has it always.
    fn is_asked(self, example: usize) -> bool {
        let other = if self.held_out { Role::Train } else { Role::Val };
        self.roles.get(example) != Some(&other)
    }

    /// The values of a score, NaN for the examples of the other role: those are another question.
    fn values(self, column: usize) -> Option<Vec<f32>> {
        let values = self.scores.values.get(column)?.iter().enumerate();
        Some(values.map(|(at, value)| if self.is_asked(at) { *value } else { f32::NAN }).collect())
    }
}

/// Digests the board for one model: what its runs say of the examples that they trained on, or of those that they held out.
pub fn of(
    (model, held_out): (&str, bool),
    views: &[ReplicateView],
    ensembles: &Ensembles,
    scores: &[ScoreColumn],
    examples: &Examples,
) -> Summary {
    let of_model = || views.iter().filter(|view| view.progress.id.label == model);
    let runs: Vec<Run<'_>> = of_model().filter_map(|view| Run::of(view, held_out)).collect();
    let epochs = |pick: fn(u32, u32) -> u32| runs.iter().map(|run| run.scores.epoch).reduce(pick).unwrap_or(0);
    let columns = scores.iter().enumerate();
    let role = if held_out { Role::Val } else { Role::Train };
    let mut summary = Summary {
        model: model.to_owned(),
        held_out,
        runs: runs.len(),
        left_out: of_model().filter(|view| view.progress.non_finite).count(),
        epochs: (epochs(u32::min), epochs(u32::max)),
        scores: columns
            .map(|(column, score)| match ensembles.get(model, &score.name, role) {
                Some(together) => {
                    let (counts, in_and_out) = (together.counts.clone(), together.in_and_out.clone());
                    ScoreSummary { counts, in_and_out, ..ranked(together.values.clone(), score.harder, examples.train) }
                }
                None => score_summary(&runs, column, score.harder, examples),
            })
            .collect(),
        believed: believed(&runs, examples),
        ..Summary::default()
    };
    let place = |name: &str| scores.iter().position(|score| score.name == name);
    if let (Some(forgetting), Some(accuracy), false) = (place("forgetting"), place("accuracy"), runs.is_empty()) {
        let times = times_forgotten(&runs, forgetting, accuracy, examples.train);
        summary.forgetting = Some(forgetting_counts(&runs, forgetting, accuracy, examples.train));
        summary.most_forgotten = most_forgotten(&times);
    }
    summary
}

fn believed(runs: &[Run<'_>], examples: &Examples) -> Vec<Option<Believed>> {
    let mut votes = vec![0_u16; examples.class_names.len()];
    (0..examples.len())
        .map(|example| {
            votes.fill(0);
            let asked = runs.iter().filter(|run| run.is_asked(example));
            let classes = asked.filter_map(|run| run.scores.predicted.get(example));
            for class in classes {
                if let Some(votes) = votes.get_mut(usize::from(*class)) {
                    *votes += 1;
                }
            }
            let of = votes.iter().sum();
            // `max_by_key` keeps the last of equals: reversed, that is the lowest class.
            let (class, runs) = votes.iter().copied().enumerate().rev().max_by_key(|(_, votes)| *votes)?;
            (of > 0).then_some(Believed { class: class as u16, runs, of })
        })
        .collect()
}

/// The best and the worst rank of every example among the single runs; (0, 0) where no run has a value.
pub fn rank_ranges(
    (model, held_out): (&str, bool),
    views: &[ReplicateView],
    column: usize,
    harder: Harder,
    train: usize,
) -> Vec<(u32, u32)> {
    let runs = views.iter().filter(|view| view.progress.id.label == model);
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for values in runs.filter_map(|view| Run::of(view, held_out)?.values(column)) {
        let ranks = ranked(values, harder, train).rank;
        ranges.resize(ranks.len(), (0, 0));
        for (range, rank) in ranges.iter_mut().zip(ranks).filter(|(_, rank)| *rank > 0) {
            *range = if range.0 == 0 { (rank, rank) } else { (range.0.min(rank), range.1.max(rank)) };
        }
    }
    ranges
}

fn score_summary(runs: &[Run<'_>], column: usize, harder: Harder, examples: &Examples) -> ScoreSummary {
    let mut sums = vec![(0.0_f64, 0_u32); examples.len()];
    let mut with_values = 0;
    for values in runs.iter().filter_map(|run| run.values(column)) {
        with_values += usize::from(values.iter().any(|value| !value.is_nan()));
        for ((sum, n), value) in sums.iter_mut().zip(&values).filter(|(_, value)| !value.is_nan()) {
            *sum += f64::from(*value);
            *n += 1;
        }
    }
    let mean: Vec<f32> =
        sums.iter().map(|(sum, n)| if *n == 0 { f32::NAN } else { (sum / f64::from(*n)) as f32 }).collect();
    let counts = sums.iter().map(|(_, n)| *n as u16).collect();
    ScoreSummary { runs: with_values, counts, ..ranked(mean, harder, examples.train) }
}

/// Ranks within the training examples and within the test examples: the two were not seen alike.
fn ranked(mean: Vec<f32>, harder: Harder, train: usize) -> ScoreSummary {
    let mut summary = ranked_alike(mean.get(..train).unwrap_or(&mean), harder);
    let test = ranked_alike(mean.get(train..).unwrap_or(&[]), harder);
    summary.rank.extend(test.rank);
    summary.hardness.extend(test.hardness);
    summary.ranked = [summary.ranked[0], test.ranked[0]];
    ScoreSummary { mean, ..summary }
}

fn ranked_alike(mean: &[f32], harder: Harder) -> ScoreSummary {
    let sign = if harder == Harder::High { -1.0 } else { 1.0 };
    let mut order: Vec<(f32, usize)> =
        mean.iter().enumerate().filter(|(_, v)| !v.is_nan()).map(|(i, v)| (sign * v, i)).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut summary = ScoreSummary {
        rank: vec![0; mean.len()],
        hardness: vec![0.0; mean.len()],
        ranked: [order.len(), 0],
        ..ScoreSummary::default()
    };
    let others = order.len().saturating_sub(1).max(1) as f32;
    let mut first = 0;
    for tied in order.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let easier = order.len() - first - tied.len();
        for (_, example) in tied {
            if let (Some(rank), Some(hardness)) = (summary.rank.get_mut(*example), summary.hardness.get_mut(*example)) {
                *rank = first as u32 + 1;
                *hardness = easier as f32 / others;
            }
        }
        first += tied.len();
    }
    summary
}

/// Mean forgetting events over the runs that learned the example at least once; NaN where none did.
fn times_forgotten(runs: &[Run<'_>], forgetting: usize, accuracy: usize, train: usize) -> Vec<f32> {
    let mut sums = vec![(0.0_f32, 0.0_f32); train];
    for run in runs {
        let (Some(times), Some(right)) = (run.values(forgetting), run.values(accuracy)) else { continue };
        for (((sum, n), times), right) in sums.iter_mut().zip(&times).zip(&right) {
            if *right > 0.0 && times.is_finite() {
                *sum += times;
                *n += 1.0;
            }
        }
    }
    sums.into_iter().map(|(sum, n)| sum / n).collect()
}

/// The histogram of each run, averaged over the runs. An average of the examples' means would hide the tail.
fn forgetting_counts(runs: &[Run<'_>], forgetting: usize, accuracy: usize, train: usize) -> ForgettingCounts {
    let mut never_learned = 0_usize;
    let mut sums: Vec<usize> = Vec::new();
    for run in runs {
        let (Some(times), Some(right)) = (run.values(forgetting), run.values(accuracy)) else { continue };
        for (times, right) in times.iter().zip(&right).take(train).filter(|(times, _)| times.is_finite()) {
            if *right <= 0.0 {
                never_learned += 1;
                continue;
            }
            let k = *times as usize;
            if sums.len() <= k {
                sums.resize(k + 1, 0);
            }
            if let Some(sum) = sums.get_mut(k) {
                *sum += 1;
            }
        }
    }
    let per_run = |sum: usize| sum as f64 / runs.len().max(1) as f64;
    ForgettingCounts { never_learned: per_run(never_learned), times: sums.into_iter().map(per_run).collect() }
}

fn most_forgotten(times: &[f32]) -> Vec<(usize, f32)> {
    let mut order: Vec<(usize, f32)> = times.iter().copied().enumerate().filter(|(_, t)| *t > 0.0).collect();
    order.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    order.truncate(MOST_FORGOTTEN);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture;

    #[test]
    fn tied_examples_share_the_smaller_rank_and_the_easier_shade() {
        let high = ranked(vec![3.0, 1.0, 3.0, f32::NAN, 0.0, 9.0, 7.0], Harder::High, 5);
        assert_eq!(high.rank, [1, 3, 1, 0, 4, 1, 2]);
        assert_eq!(high.hardness[..2], [2.0 / 3.0, 1.0 / 3.0]);
        assert_eq!(ranked(vec![3.0, 1.0], Harder::Low, 2).rank, [2, 1]);
    }

    #[test]
    fn ranks_range_over_runs_and_votes_tie_to_the_lowest_class() {
        let session = fixture::session();
        let mut views = session.board.snapshot();
        views.retain(|view| view.scores.is_some());
        views.truncate(2);
        for (view, (values, predicted)) in
            views.iter_mut().zip([(vec![3.0, 2.0, 1.0], vec![1, 0, 2]), (vec![3.0, 1.0, 2.0], vec![0, 0])])
        {
            view.progress.id.label = "both".into();
            view.scores = Some(std::sync::Arc::new(LiveScores { epoch: 1, values: vec![values], predicted }));
        }
        assert_eq!(rank_ranges(("both", false), &views, 0, Harder::High, 3), [(1, 1), (2, 3), (2, 3)]);
        let examples = Examples {
            ids: vec![0, 1, 2],
            class_names: vec!["a".into(), "b".into(), "c".into()],
            ..Examples::default()
        };
        let runs: Vec<Run<'_>> = views.iter().filter_map(|view| Run::of(view, false)).collect();
        let all: Vec<_> = believed(&runs, &examples).into_iter().flatten().map(|b| (b.class, b.runs, b.of)).collect();
        assert_eq!(all, [(0, 1, 2), (0, 2, 2), (2, 1, 1)]);
    }

    #[test]
    fn what_runs_say_of_the_examples_that_they_held_out_is_apart() {
        let session = fixture::session();
        let mut views = session.board.snapshot();
        views.retain(|view| view.scores.is_some());
        views.truncate(2);
        for (view, (roles, value, class)) in
            views.iter_mut().zip([([Role::Train, Role::Val], 1.0, 1), ([Role::Train, Role::Train], 4.0, 0)])
        {
            view.progress.id.label = "both".into();
            view.roles = roles.to_vec().into();
            let scores = LiveScores { epoch: 1, values: vec![vec![value; 2]], predicted: vec![class; 2] };
            view.scores = Some(std::sync::Arc::new(scores));
        }
        let examples =
            Examples { ids: vec![0, 1], class_names: vec!["a".into(), "b".into()], train: 2, ..Examples::default() };
        let column = [ScoreColumn { name: "el2n@1".into(), harder: Harder::High, about: String::new() }];
        let say = |held_out| {
            let summary = of(("both", held_out), &views, &Ensembles::default(), &column, &examples);
            let believed: Vec<_> = summary.believed.iter().map(|b| b.map(|b| (b.class, b.of))).collect();
            (
                summary.scores[0].mean.iter().map(ToString::to_string).collect::<Vec<_>>(),
                summary.scores[0].counts.clone(),
                believed,
            )
        };
        assert_eq!(say(false), (vec!["2.5".into(), "4".into()], vec![2, 1], vec![Some((0, 2)), Some((0, 1))]));
        assert_eq!(say(true), (vec!["NaN".into(), "1".into()], vec![0, 1], vec![None, Some((1, 1))]));
    }

    fn seen(runs: &[LiveScores]) -> Vec<Run<'_>> {
        runs.iter().map(|scores| Run { scores, roles: &[], held_out: false }).collect()
    }

    #[test]
    fn never_learned_examples_are_counted_apart_from_the_often_forgotten() {
        // Three examples, two runs; the third example is never right, and its run counts it as T = 9.
        let run = |forgetting: [f32; 3], accuracy: [f32; 3]| LiveScores {
            epoch: 9,
            values: vec![forgetting.to_vec(), accuracy.to_vec()],
            predicted: Vec::new(),
        };
        let runs = [run([2.0, 0.0, 9.0], [0.5, 1.0, 0.0]), run([9.0, 1.0, 9.0], [0.0, 0.9, 0.0])];
        let times = times_forgotten(&seen(&runs), 0, 1, 3);
        // The first was learned in one run only: that run's count stands.
        assert_eq!(times[..2], [2.0, 0.5]);
        let counts = forgetting_counts(&seen(&runs), 0, 1, 3);
        // Per run: 1 and 2 never learned; forgotten 0 times: 1 and 0; once: 0 and 1; twice: 1 and 0.
        assert_eq!(counts, ForgettingCounts { never_learned: 1.5, times: vec![0.5, 0.5, 0.5] });
        assert_eq!(most_forgotten(&times), [(0, 2.0), (1, 0.5)]);
    }

    #[test]
    fn a_non_finite_run_is_left_out_of_the_means_and_counted() {
        let session = fixture::session();
        let mut views = session.board.snapshot();
        let before = of(("resnet8", false), &views, &Ensembles::default(), &session.scores, &session.examples);
        views[0].progress.non_finite = true;
        let after = of(("resnet8", false), &views, &Ensembles::default(), &session.scores, &session.examples);
        assert_eq!((before.left_out, after.left_out), (0, 1));
        assert_eq!(after.runs, before.runs - 1);
    }
}
