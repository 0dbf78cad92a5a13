//! What should a person look at first? The hardest examples by one score, with what is known of each.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::analysis::depth::corners::Corner;
use crate::analysis::figure::Picture;
use crate::analysis::intervals::{self, RankInterval, rank_intervals};
use crate::analysis::means::SignedRuns;
use crate::analysis::{Cell, Figure, ModelScores, Options, ScoreRuns, Table, UNSEEN, select};

/// Rows of the table.
const ROWS: usize = 20;
/// Pictures: rows of so many.
const PICTURES: [usize; 2] = [3, 8];
/// Examples of the list in the results.
const LISTED: usize = 100;
/// The score that ranks, where it is there and no other is wanted.
const DEFAULT: &str = "aum";

/// The class that most networks see, by how many of how many.
pub(super) type Believed = (u16, usize, usize);

/// One example of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its column.
    pub(super) column: usize,
    /// Rank from 1 = hardest, and its interval; NaN with a single run, or where nothing was drawn.
    pub(super) rank: [f64; 3],
}

/// All examples by one score, hardest first.
#[derive(Debug)]
pub(super) struct Ranked {
    /// The score that ranks.
    pub(super) score: String,
    /// Bootstrap draws of runs; 0: intervals are still to be drawn.
    pub(super) draws: usize,
    pub(super) rows: Vec<Row>,
}

/// What people say of each example by its id, with the reviewer's name and the class that they would give it.
#[derive(Debug, Default)]
pub(super) struct Said(HashMap<u32, Vec<(String, String)>>);

/// What a person should look at, and what is known of it.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) ranked: Arc<Ranked>,
    /// By column; none where the study has no depths in both roles.
    pub(super) corners: Option<Arc<Vec<Option<Corner>>>>,
    /// By column; empty where no networks are at hand.
    pub(super) believed: Arc<Vec<Option<Believed>>>,
    pub(super) said: Said,
}

/// The score that ranks: the first wanted one, else `aum`, else the first that has values.
pub(super) fn score<'a>(model: &'a ModelScores, places: &[usize], options: &Options) -> Option<&'a ScoreRuns> {
    let usable = || {
        let scores = places.iter().filter_map(|place| model.scores.get(*place));
        scores.filter(|score| select::problem(score).is_none())
    };
    let wanted = options.scores.first().map_or(DEFAULT, String::as_str);
    usable().find(|score| score.name == wanted).or_else(|| usable().next())
}

/// Bootstrap draws of runs.
pub(super) fn draws(options: &Options) -> usize {
    options.draws.unwrap_or(intervals::DRAWS)
}

impl Ranked {
    /// By a score, with intervals over as many draws.
    pub(super) fn new(score: &ScoreRuns, draws: usize, seed: u64) -> Self {
        let ranks = rank_intervals(&SignedRuns::new(score), draws, seed, super::LEVEL);
        let present = ranks.iter().filter(|one| !one.rank.is_nan()).count();
        let from_hardest = |rank: f32| (present + 1) as f64 - f64::from(rank);
        let mut order: Vec<(usize, &RankInterval)> =
            ranks.iter().enumerate().filter(|(_, one)| !one.rank.is_nan()).collect();
        order.sort_by(|(_, a), (_, b)| b.rank.total_cmp(&a.rank));
        let row = |(column, one): (usize, &RankInterval)| Row {
            column,
            rank: [one.rank, one.high, one.low].map(from_hardest),
        };
        Self { score: score.name.clone(), draws, rows: order.into_iter().map(row).collect() }
    }
}

impl Ranked {
    /// How many examples share the first rank.
    pub(super) fn hardest(&self) -> usize {
        let Some([first, ..]) = self.rows.first().map(|row| row.rank) else { return 0 };
        // Ranks are whole or half numbers.
        self.rows.iter().take_while(|row| (row.rank[0] - first).abs() < 0.25).count()
    }
}

impl Said {
    pub(super) fn of(model: &ModelScores) -> Self {
        let mut said: HashMap<u32, Vec<(String, String)>> = HashMap::new();
        for review in &model.cohort.reviews {
            let label = review.new_label.map_or_else(String::new, |label| format!(" ({})", model.cohort.class(label)));
            let words = format!("{}{label}", review.verdict.word());
            said.entry(review.id).or_default().push((review.reviewer.clone(), words));
        }
        Self(said)
    }

    fn of_example(&self, id: u32) -> &[(String, String)] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
}

impl Review {
    /// The class that most networks see an example as.
    pub(super) fn believed(&self, column: usize) -> Option<Believed> {
        self.believed.get(column).copied().flatten()
    }

    fn corner(&self, column: usize) -> Option<Corner> {
        self.corners.as_ref()?.get(column).copied().flatten()
    }

    pub(super) fn table(&self, model: &ModelScores, options: &Options) -> Table {
        let known = !model.cohort.true_labels.is_empty();
        let mut columns = vec!["rank", "90 % from", "to", "id", "label"];
        columns.extend(known.then_some("truly"));
        columns.extend(["believed", "by runs"]);
        columns.extend(self.corners.is_some().then_some("corner type"));
        columns.push("verdict");
        let row = |row: &Row| {
            let place = |rank: f64| if rank.is_nan() { Cell::Number(rank) } else { Cell::Count(rank.round() as u64) };
            let mut cells: Vec<Cell> = row.rank.map(place).to_vec();
            cells.push(Cell::Text(model.cohort.id(row.column).to_string()));
            cells.push(Cell::Text(label(model, row.column)));
            if known {
                cells.push(Cell::Text(truth(model, row.column).unwrap_or_default()));
            }
            let (class, votes) = self.believed(row.column).map_or_else(Default::default, |(class, votes, of)| {
                (model.cohort.class(class), format!("{votes}/{of}"))
            });
            cells.extend([class, votes].map(Cell::Text));
            if self.corners.is_some() {
                cells.push(Cell::Text(self.corner(row.column).map_or("", |corner| corner.name).to_owned()));
            }
            let said = self.said.of_example(model.cohort.id(row.column));
            cells.push(Cell::Text(said.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(", ")));
            cells
        };
        Table {
            title: format!(
                "{}: to review, hardest {} example by `{}` first ({})",
                model.model,
                model.role,
                self.ranked.score,
                self.drawn(options)
            ),
            columns: columns.into_iter().map(String::from).collect(),
            rows: self.ranked.rows.iter().take(ROWS).map(row).collect(),
        }
    }

    fn drawn(&self, options: &Options) -> String {
        match self.ranked.draws {
            0 => "intervals are being drawn".to_owned(),
            draws => format!("intervals over {draws} draws of runs, seed {}", options.seed),
        }
    }

    /// The first of the list, with the given and the believed class.
    pub(super) fn pictures(&self, model: &ModelScores) -> Figure {
        let [rows, columns] = PICTURES;
        let shown = |rows: &[Row]| rows.iter().map(|row| self.picture(model, row.column)).collect::<Vec<_>>();
        let row = |(place, rows): (usize, &[Row])| {
            let first = place * columns + 1;
            (format!("rank {first} to {}", first + rows.len() - 1), shown(rows))
        };
        let first = self.ranked.rows.get(..(rows * columns).min(self.ranked.rows.len())).unwrap_or_default();
        Figure::Pictures {
            title: format!(
                "To review first by {} · {} (label → believed, runs that say so)",
                self.ranked.score, model.model
            ),
            rows: first.chunks(columns).enumerate().map(row).collect(),
        }
    }

    pub(super) fn result(&self, model: &ModelScores, options: &Options) -> serde_json::Value {
        let listed = if options.per_example { self.ranked.rows.len() } else { LISTED };
        let example = |row: &Row| {
            let [rank, low, high] = row.rank;
            let id = model.cohort.id(row.column);
            let verdict =
                |(reviewer, verdict): &(String, String)| serde_json::json!({"reviewer": reviewer, "verdict": verdict});
            let verdicts: Vec<_> = self.said.of_example(id).iter().map(verdict).collect();
            let believed = self.believed(row.column);
            serde_json::json!({
                "id": id, "label": label(model, row.column), "truth": truth(model, row.column),
                "believed": believed.map(|(class, ..)| model.cohort.class(class)),
                "votes": believed.map(|(_, votes, _)| votes), "of": believed.map(|(.., of)| of),
                "rank": rank, "low": low, "high": high, "corner": self.corner(row.column).map(|corner| corner.name), "verdicts": verdicts,
            })
        };
        serde_json::json!({
            "score": self.ranked.score, "draws": self.ranked.draws, "seed": options.seed,
            "examples": self.ranked.rows.iter().take(listed).map(example).collect::<Vec<_>>(),
        })
    }

    fn picture(&self, model: &ModelScores, column: usize) -> Picture {
        let believed = self
            .believed(column)
            .map_or_else(String::new, |(class, votes, of)| format!(" → {} {votes}/{of}", model.cohort.class(class)));
        Picture {
            example: model.cohort.id(column),
            caption: format!("{}{believed}", label(model, column)),
            bars: Vec::new(),
        }
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

/// The class that most of the final networks see each example as (ties: the lowest), with how many of how many; empty where no networks
/// are at hand.
pub(super) fn believed(model: &ModelScores) -> Vec<Option<Believed>> {
    let seen = || model.predicted.iter().copied().filter(|class| *class != UNSEEN);
    let classes = seen().max().map_or(0, |most| usize::from(most) + 1);
    let one = |column: usize| {
        let mut votes = vec![0_usize; classes];
        let mut of = 0;
        for class in model.predicted.column(column) {
            if let Some(votes) = votes.get_mut(usize::from(*class)) {
                *votes += 1;
                of += 1;
            }
        }
        let most = votes.iter().copied().max().filter(|most| *most > 0)?;
        let class = votes.iter().position(|votes| *votes == most)?;
        Some((class as u16, most, of))
    };
    (0..model.predicted.ncols()).into_par_iter().map(one).collect()
}
