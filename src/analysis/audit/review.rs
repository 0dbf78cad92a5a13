//! What should a person look at first? The hardest examples by one score, with what is known of each.

use std::collections::HashMap;

use crate::analysis::depth::corners::Corner;
use crate::analysis::figure::Picture;
use crate::analysis::intervals::{self, rank_intervals};
use crate::analysis::means::SignedRuns;
use crate::analysis::{Cell, Figure, ModelScores, Options, Table, UNSEEN, select};

/// Rows of the table.
const ROWS: usize = 20;
/// Pictures: rows of so many.
const PICTURES: [usize; 2] = [3, 8];
/// Examples of the list in the results.
const LISTED: usize = 100;
/// The score that ranks, where it is there and no other is wanted.
const DEFAULT: &str = "aum";

/// One example of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its column.
    pub(super) column: usize,
    /// Rank from 1 = hardest, and its interval; NaN with a single run.
    pub(super) rank: [f64; 3],
    /// The class that most runs see, by how many of how many.
    pub(super) believed: Option<(u16, usize, usize)>,
    /// Its corner type.
    pub(super) corner: Option<Corner>,
    /// What people say, with each reviewer's name.
    pub(super) verdicts: Vec<(String, String)>,
}

/// All examples, hardest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Review {
    /// The score that ranks.
    pub(super) score: String,
    /// Bootstrap draws of runs.
    pub(super) draws: usize,
    /// Whether corner types are known.
    pub(super) corners: bool,
    pub(super) rows: Vec<Row>,
}

impl Review {
    /// The list by the first wanted score, else by `aum`, else by the first that has values.
    pub(super) fn new(
        model: &ModelScores,
        places: &[usize],
        corners: Option<&[Option<Corner>]>,
        options: &Options,
    ) -> Option<Self> {
        let usable = || {
            let scores = places.iter().filter_map(|place| model.scores.get(*place));
            scores.filter(|score| select::problem(score).is_none())
        };
        let wanted = options.scores.first().map_or(DEFAULT, String::as_str);
        let score = usable().find(|score| score.name == wanted).or_else(|| usable().next())?;
        let draws = options.draws.unwrap_or(intervals::DRAWS);
        let ranks = rank_intervals(&SignedRuns::new(score), draws, options.seed, super::LEVEL);
        let present = ranks.iter().filter(|one| !one.rank.is_nan()).count();
        let from_hardest = |rank: f32| (present + 1) as f64 - f64::from(rank);
        let mut order: Vec<usize> =
            (0..ranks.len()).filter(|column| ranks.get(*column).is_some_and(|one| !one.rank.is_nan())).collect();
        order.sort_by(|a, b| ranks[*b].rank.total_cmp(&ranks[*a].rank));
        let said = verdicts_of(model);
        let row = |column: usize| Row {
            column,
            rank: [ranks[column].rank, ranks[column].high, ranks[column].low].map(from_hardest),
            believed: believed(model, column),
            corner: corners.and_then(|corners| corners.get(column).copied().flatten()),
            verdicts: said.get(&model.cohort.id(column)).cloned().unwrap_or_default(),
        };
        Some(Self {
            score: score.name.clone(),
            draws,
            corners: corners.is_some(),
            rows: order.into_iter().map(row).collect(),
        })
    }

    pub(super) fn table(&self, model: &ModelScores, options: &Options) -> Table {
        let known = !model.cohort.true_labels.is_empty();
        let mut columns = vec!["rank", "90 % from", "to", "id", "label"];
        columns.extend(known.then_some("truly"));
        columns.extend(["believed", "by runs"]);
        columns.extend(self.corners.then_some("corner type"));
        columns.push("verdict");
        let row = |row: &Row| {
            let place = |rank: f64| if rank.is_nan() { Cell::Number(rank) } else { Cell::Count(rank.round() as u64) };
            let mut cells: Vec<Cell> = row.rank.map(place).to_vec();
            cells.push(Cell::Text(model.cohort.id(row.column).to_string()));
            cells.push(Cell::Text(label(model, row.column)));
            if known {
                cells.push(Cell::Text(truth(model, row.column).unwrap_or_default()));
            }
            let (class, votes) = row.believed.map_or_else(Default::default, |(class, votes, of)| {
                (model.cohort.class(class), format!("{votes}/{of}"))
            });
            cells.extend([class, votes].map(Cell::Text));
            if self.corners {
                cells.push(Cell::Text(row.corner.map_or("", |corner| corner.name).to_owned()));
            }
            cells.push(Cell::Text(row.verdicts.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(", ")));
            cells
        };
        Table {
            title: format!(
                "{}: to review, hardest {} example by `{}` first (intervals over {} draws of runs, seed {})",
                model.model, model.role, self.score, self.draws, options.seed
            ),
            columns: columns.into_iter().map(String::from).collect(),
            rows: self.rows.iter().take(ROWS).map(row).collect(),
        }
    }

    /// The first of the list, with the given and the believed class.
    pub(super) fn pictures(&self, model: &ModelScores) -> Figure {
        let [rows, columns] = PICTURES;
        let shown = |rows: &[Row]| rows.iter().map(|row| picture(model, row)).collect::<Vec<_>>();
        let row = |(place, rows): (usize, &[Row])| {
            let first = place * columns + 1;
            (format!("rank {first} to {}", first + rows.len() - 1), shown(rows))
        };
        let first = self.rows.get(..(rows * columns).min(self.rows.len())).unwrap_or_default();
        Figure::Pictures {
            title: format!("To review first by {} · {} (label → believed, runs that say so)", self.score, model.model),
            rows: first.chunks(columns).enumerate().map(row).collect(),
        }
    }

    pub(super) fn result(&self, model: &ModelScores, options: &Options) -> serde_json::Value {
        let listed = if options.per_example { self.rows.len() } else { LISTED };
        let example = |row: &Row| {
            let [rank, low, high] = row.rank;
            let verdicts: Vec<_> = row
                .verdicts
                .iter()
                .map(|(reviewer, verdict)| serde_json::json!({"reviewer": reviewer, "verdict": verdict}))
                .collect();
            serde_json::json!({
                "id": model.cohort.id(row.column), "label": label(model, row.column), "truth": truth(model, row.column),
                "believed": row.believed.map(|(class, ..)| model.cohort.class(class)),
                "votes": row.believed.map(|(_, votes, _)| votes), "of": row.believed.map(|(.., of)| of),
                "rank": rank, "low": low, "high": high, "corner": row.corner.map(|corner| corner.name), "verdicts": verdicts,
            })
        };
        serde_json::json!({
            "score": self.score, "draws": self.draws, "seed": options.seed,
            "examples": self.rows.iter().take(listed).map(example).collect::<Vec<_>>(),
        })
    }
}

fn picture(model: &ModelScores, row: &Row) -> Picture {
    let believed = row
        .believed
        .map_or_else(String::new, |(class, votes, of)| format!(" → {} {votes}/{of}", model.cohort.class(class)));
    Picture {
        example: model.cohort.id(row.column),
        caption: format!("{}{believed}", label(model, row.column)),
        bars: Vec::new(),
    }
}

/// The given label in words; empty where there is none.
pub(super) fn label(model: &ModelScores, column: usize) -> String {
    model.cohort.labels.get(column).map_or_else(String::new, |label| model.cohort.class(*label))
}

/// The true label in words, where it is another.
pub(super) fn truth(model: &ModelScores, column: usize) -> Option<String> {
    let (label, truth) = (model.cohort.labels.get(column)?, model.cohort.true_labels.get(column)?);
    (label != truth).then(|| model.cohort.class(*truth))
}

/// The class that most of the final networks see (ties: the lowest), with how many of how many.
fn believed(model: &ModelScores, column: usize) -> Option<(u16, usize, usize)> {
    if column >= model.predicted.ncols() {
        return None;
    }
    let mut votes = std::collections::BTreeMap::new();
    for class in model.predicted.column(column).iter().filter(|class| **class != UNSEEN) {
        *votes.entry(*class).or_insert(0_usize) += 1;
    }
    let of = votes.values().sum();
    // Of several largest, `max_by_key` gives the last: the lowest class.
    votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(class, votes)| (class, votes, of))
}

/// What people say of each example by its id, with the reviewer's name and the class that they would give it.
fn verdicts_of(model: &ModelScores) -> HashMap<u32, Vec<(String, String)>> {
    let mut said: HashMap<u32, Vec<(String, String)>> = HashMap::new();
    for review in &model.cohort.reviews {
        let label = review.new_label.map_or_else(String::new, |label| format!(" ({})", model.cohort.class(label)));
        let words = format!("{}{label}", review.verdict.word());
        said.entry(review.id).or_default().push((review.reviewer.clone(), words));
    }
    said
}
