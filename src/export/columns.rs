//! Which columns does a study have? Its examples, then what each model says of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ndarray::{Array2, Axis};
use serde_json::json;

use super::{Cell, Column, Table, Values};
use crate::VERSION;
use crate::analysis::intervals::{self, RankInterval, rank_intervals};
use crate::analysis::means::SignedRuns;
use crate::analysis::{ScoreRuns, UNSEEN};
use crate::data::{Examples, Role, Verdict};
use crate::results::{Runs, Study, score_runs};
use crate::scores::{Harder, ScoreSpec};
use crate::store::verdicts::Review;
use crate::study::Plan;
use crate::train::board::{LiveScores, ReplicateView};

/// Share of the ranks that an interval holds.
const LEVEL: f64 = 0.9;
/// Seed of the draws behind the intervals.
const SEED: u64 = 0;

/// The table of a study, over the runs that are finished and finite; `per_run` adds the value of each.
pub fn table<'a>(
    study: Study<'a>,
    plan: &Plan,
    examples: &'a Examples,
    reviews: &[Review],
    per_run: bool,
) -> Table<'a> {
    let mut columns = of_examples(examples);
    columns.extend(verdicts(reviews, examples));
    let mut runs = serde_json::Map::new();
    for label in plan.labels() {
        let model = Model { runs: Runs::of(study.views, &label, examples.train), label, study, examples };
        runs.insert(model.label.clone(), model.runs.indices().into());
        model.add(plan, per_run, &mut columns);
    }
    // A column without any value has no type that a reader of the file could see.
    let rows = examples.len();
    columns.retain(|column| (0..rows).any(|row| column.values.cell(row) != Cell::Missing));
    let intervals = json!({"draws": intervals::DRAWS, "seed": SEED, "level": LEVEL});
    let about = json!({
        "diffscope": VERSION, "study": plan.config.name, "runs": runs, "rank_intervals": intervals,
    });
    Table { rows: examples.len(), columns, classes: examples.class_names.clone(), about }
}

fn column(name: impl Into<String>, values: Values<'_>) -> Column<'_> {
    Column { name: name.into(), values }
}

/// Who the examples are. Labels that nobody knows have no columns.
fn of_examples(examples: &Examples) -> Vec<Column<'_>> {
    let roles = (0..examples.len()).map(|at| u16::from(at >= examples.train)).collect();
    let words = [Role::Train, Role::Test].map(|role| role.name().to_owned()).to_vec();
    let mut columns = vec![
        column("id", Values::Ids(Cow::Borrowed(&examples.ids))),
        column("role", Values::Words { of: Cow::Owned(roles), words, classes: false }),
    ];
    let labels = [("given", &examples.labels), ("true", &examples.true_labels)];
    for (which, labels) in labels.into_iter().filter(|(_, labels)| !labels.is_empty()) {
        columns.push(column(format!("{which}_label"), Values::Whole(Cow::Borrowed(labels))));
        columns.push(column(format!("{which}_class"), classes(Cow::Borrowed(labels), examples)));
    }
    columns
}

/// What people say: verdict, right label and mark of each reviewer; no columns where nobody says anything.
fn verdicts<'a>(reviews: &[Review], examples: &Examples) -> Vec<Column<'a>> {
    let positions: HashMap<u32, usize> = examples.ids.iter().copied().zip(0..).collect();
    let mut of_reviewers: BTreeMap<&str, [Vec<u16>; 3]> = BTreeMap::new();
    for review in reviews {
        let Some(position) = positions.get(&review.id) else { continue };
        let nothing = || [UNSEEN; 3].map(|missing| vec![missing; examples.len()]);
        let said = of_reviewers.entry(&review.reviewer).or_insert_with(nothing);
        let verdict = review.verdict.map(|verdict| verdict as u16);
        let all = [verdict, review.new_label, Some(u16::from(review.mark))];
        for (column, value) in said.iter_mut().zip(all) {
            if let (Some(cell), Some(value)) = (column.get_mut(*position), value) {
                *cell = value;
            }
        }
    }
    let words = Verdict::ALL.map(|verdict| verdict.word().to_owned()).to_vec();
    let columns = of_reviewers.into_iter().flat_map(|(reviewer, [verdict, new_label, mark])| {
        let said = Values::Words { of: verdict.into(), words: words.clone(), classes: false };
        [
            column(format!("verdict/{reviewer}"), said),
            column(format!("new_label/{reviewer}"), Values::Whole(new_label.into())),
            column(format!("mark/{reviewer}"), Values::Whole(mark.into())),
        ]
    });
    columns.collect()
}

fn classes<'a>(of: Cow<'a, [u16]>, examples: &Examples) -> Values<'a> {
    Values::Words { of, words: examples.class_names.clone(), classes: true }
}

/// Which runs a number is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Those that trained on the example; all, for a test example.
    Own,
    /// Those that held it out.
    HeldOut,
}

impl Side {
    /// The roles whose examples follow each other in the rows.
    fn roles(self) -> &'static [Role] {
        match self {
            Self::Own => &[Role::Train, Role::Test],
            Self::HeldOut => &[Role::Val],
        }
    }

    /// What stands in the names of its columns.
    fn part(self) -> &'static str {
        match self {
            Self::Own => "",
            Self::HeldOut => "val/",
        }
    }
}

/// What one model says.
struct Model<'a> {
    label: String,
    runs: Runs<'a>,
    study: Study<'a>,
    examples: &'a Examples,
}

impl<'a> Model<'a> {
    fn add(&self, plan: &Plan, per_run: bool, columns: &mut Vec<Column<'a>>) {
        let holds_out = self.runs.iter().any(|(view, _)| view.roles.contains(&Role::Val));
        let sides: &[Side] = if holds_out { &[Side::Own, Side::HeldOut] } else { &[Side::Own] };
        for side in sides {
            self.add_votes(*side, columns);
        }
        if per_run && holds_out {
            columns.extend(self.runs.iter().map(|(view, _)| self.roles(view)));
        }
        let specs = plan.scores.iter().enumerate().filter(|(_, spec)| plan.has_score(&self.label, &spec.name));
        for (place, spec) in specs {
            for side in sides {
                self.add_moments((place, spec), *side, columns);
            }
            if per_run && !spec.is_ensemble() {
                columns.extend(self.runs.iter().filter_map(|(view, scores)| self.run(place, spec, view, scores)));
            }
        }
    }

    fn roles(&self, view: &ReplicateView) -> Column<'a> {
        let words = [Role::Train, Role::Val, Role::Test].map(|role| role.name().to_owned()).to_vec();
        let of = view.roles.iter().map(|role| *role as u16).collect();
        let name = format!("{}/{:03}/role", self.label, view.progress.id.index);
        column(name, Values::Words { of: Cow::Owned(of), words, classes: false })
    }

    fn run(&self, place: usize, spec: &ScoreSpec, view: &ReplicateView, scores: &'a LiveScores) -> Option<Column<'a>> {
        let name = format!("{}/{}/{:03}", self.label, spec.name, view.progress.id.index);
        Some(column(name, Values::Single(Cow::Borrowed(scores.values.get(place)?))))
    }

    /// The class that most runs give, and how many of how many.
    fn add_votes(&self, side: Side, columns: &mut Vec<Column<'a>>) {
        let mut all = Votes::default();
        for role in side.roles() {
            all.count(&self.runs.predicted(*role), self.examples.class_names.len());
        }
        let [class, votes, voters] = [all.class, all.most, all.voters];
        if class.is_empty() {
            return;
        }
        let fill = |mut values: Vec<u16>, missing: u16| -> Cow<'a, [u16]> {
            values.resize(self.examples.len(), missing);
            Cow::Owned(values)
        };
        let name = |what: &str| format!("{}/{}{what}", self.label, side.part());
        let class = fill(class, UNSEEN);
        columns.push(column(name("believed"), Values::Whole(class.clone())));
        columns.push(column(name("believed_class"), classes(class, self.examples)));
        columns.push(column(name("votes"), Values::Whole(fill(votes, 0))));
        columns.push(column(name("voters"), Values::Whole(fill(voters, 0))));
    }

    /// Mean, deviation, count, rank and its interval.
    fn add_moments(&self, (place, spec): (usize, &ScoreSpec), side: Side, columns: &mut Vec<Column<'a>>) {
        let mut all = Moments::default();
        for role in side.roles() {
            let score = score_runs(self.study, (place, spec), &self.label, &self.runs, *role);
            all.add(score, self.ensemble_counts(spec, *role));
        }
        if all.mean.is_empty() {
            return;
        }
        let rows = self.examples.len();
        all.n.resize(rows, if spec.is_ensemble() { UNSEEN } else { 0 });
        let name = |what: &str| format!("{}/{}/{}{what}", self.label, spec.name, side.part());
        for (what, mut values) in [("mean", all.mean), ("sd", all.sd)] {
            values.resize(rows, f64::NAN);
            columns.push(column(name(what), Values::Double(values)));
        }
        columns.push(column(name("n"), Values::Whole(Cow::Owned(all.n))));
        for (what, mut values) in [("rank", all.rank), ("rank_low", all.low), ("rank_high", all.high)] {
            values.resize(rows, f32::NAN);
            columns.push(column(name(what), Values::Single(Cow::Owned(values))));
        }
    }

    /// How many runs are behind each value of a score of the whole ensemble; unknown of an imported one.
    fn ensemble_counts(&self, spec: &ScoreSpec, role: Role) -> Option<Vec<u16>> {
        let consensus = self.study.ensembles.get(&self.label, &spec.name, role).filter(|_| spec.is_ensemble())?;
        let (train, test) = consensus.counts.split_at_checked(self.examples.train)?;
        let counts = if role == Role::Test { test } else { train };
        Some(if spec.is_imported() { vec![UNSEEN; counts.len()] } else { counts.to_vec() })
    }
}

/// What the runs take examples for.
#[derive(Debug, Default)]
struct Votes {
    class: Vec<u16>,
    most: Vec<u16>,
    voters: Vec<u16>,
}

impl Votes {
    /// Adds the examples of a role: `[runs, examples]`.
    fn count(&mut self, predicted: &Array2<u16>, classes: usize) {
        let mut votes = vec![0_u16; classes];
        for classes in predicted.axis_iter(Axis(1)) {
            votes.fill(0);
            for class in classes {
                if let Some(votes) = votes.get_mut(usize::from(*class)) {
                    *votes += 1;
                }
            }
            // `max_by_key` keeps the last of equals: reversed, that is the lowest class.
            let most = votes.iter().copied().enumerate().rev().max_by_key(|(_, votes)| *votes);
            let (class, most) = most.filter(|(_, votes)| *votes > 0).unwrap_or((usize::from(UNSEEN), 0));
            self.class.push(class as u16);
            self.most.push(most);
            self.voters.push(votes.iter().sum());
        }
    }
}

/// A score over the runs.
#[derive(Debug, Default)]
struct Moments {
    mean: Vec<f64>,
    sd: Vec<f64>,
    n: Vec<u16>,
    rank: Vec<f32>,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Moments {
    /// Adds the examples of a role. Where one number stands for all runs, `counts` says for how many.
    fn add(&mut self, score: ScoreRuns, counts: Option<Vec<u16>>) {
        for values in score.values.axis_iter(Axis(1)) {
            let known = || values.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value));
            let n = known().count();
            let mean = known().sum::<f64>() / n as f64;
            let squares: f64 = known().map(|value| (value - mean).powi(2)).sum();
            self.mean.push(mean);
            self.sd.push(if n < 2 { f64::NAN } else { (squares / (n as f64 - 1.0)).sqrt() });
            self.n.push(n as u16);
        }
        if let Some(counts) = counts.filter(|counts| counts.len() == score.values.ncols()) {
            self.n.truncate(self.n.len() - counts.len());
            self.n.extend(counts);
        }
        for RankInterval { rank, low, high } in hardest_first(score) {
            self.rank.push(rank);
            self.low.push(low);
            self.high.push(high);
        }
    }
}

/// Ranks with their intervals, 1 = hardest as in the workbench: the analyses count from the easy end.
fn hardest_first(score: ScoreRuns) -> Vec<RankInterval> {
    let turned = match score.harder {
        Harder::High => Harder::Low,
        Harder::Low => Harder::High,
    };
    let turned = ScoreRuns { harder: turned, ..score };
    rank_intervals(&SignedRuns::new(&turned), intervals::DRAWS, SEED, LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    const NONE: f32 = f32::NAN;

    #[test]
    fn means_are_over_the_runs_that_have_a_value_and_rank_one_is_the_hardest() {
        let values = array![[1.0, 5.0, NONE, 3.0], [3.0, NONE, NONE, 3.0], [2.0, 7.0, NONE, 9.0]];
        let mut of = Moments::default();
        of.add(ScoreRuns { name: "x".into(), harder: Harder::Low, values }, None);
        assert_eq!((of.mean[..2].to_vec(), of.mean[3]), (vec![2.0, 6.0], 5.0));
        assert!(of.mean[2].is_nan() && of.rank[2].is_nan() && of.sd[2].is_nan());
        assert_eq!(of.n, [3, 2, 0, 3]);
        assert!((of.sd[0] - 1.0).abs() < 1e-12 && (of.sd[1] - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!((of.rank[0], of.rank[3], of.rank[1]), (1.0, 2.0, 3.0));
        assert!(of.low[0] >= 1.0 && of.high[0] <= 3.0 && of.low[0] <= of.high[0]);
        let one = ScoreRuns { name: "e".into(), harder: Harder::High, values: array![[0.25, 0.5]] };
        of.add(one, Some(vec![4, 5]));
        assert_eq!((&of.n[4..], &of.rank[4..]), (&[4, 5][..], &[2.0, 1.0][..]));
        assert!(of.low[4].is_nan() && of.sd[5].is_nan());
    }

    #[test]
    fn votes_tie_to_the_lowest_class_and_who_had_another_role_does_not_vote() {
        let mut votes = Votes::default();
        votes.count(&array![[2, 0, UNSEEN], [1, 0, UNSEEN], [UNSEEN, 2, UNSEEN]], 3);
        assert_eq!((votes.class, votes.most, votes.voters), (vec![1, 0, UNSEEN], vec![1, 2, 0], vec![2, 3, 0]));
    }
}
