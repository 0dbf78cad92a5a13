//! Which examples are hard, and what happened to them? A table over all examples; beside it the selected one.

mod detail;
mod order;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use crate::store::verdicts::Review;
use crate::tui::app::App;
use crate::tui::filter::{self, FilterError, Names, Term};
use crate::tui::format;
use crate::tui::screen::{Target, View};
use crate::tui::session::{self, Session};
use crate::tui::summary::{Believed, ScoreSummary, Summary};

/// Columns before the scores: id and label.
pub const FIRST_SCORE: usize = 2;

/// A filter while it is typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What is typed so far.
    pub text: String,
    /// Why it cannot be understood.
    pub error: Option<FilterError>,
    /// The filter before.
    before: (String, Vec<Term>),
}

/// State of the tab.
#[derive(Debug, Default)]
pub struct Examples {
    /// The column under the cursor: id, label, then the scores.
    pub column: usize,
    /// The column that sorts.
    pub sort: usize,
    /// Whether the sort's direction is turned: easy first, or from the end.
    pub turned: bool,
    /// The filter as typed.
    pub filter: String,
    terms: Vec<Term>,
    /// The filter while it is typed.
    pub input: Option<Input>,
    /// Whether the order stays while scores change.
    pub frozen: bool,
    /// Whether a person selected an example; until then it is the hardest.
    pub chosen: bool,
    /// Positions of the marked examples.
    pub marks: BTreeSet<usize>,
    /// Each reviewer's last word on an example, by its position; one's own first.
    pub reviews: BTreeMap<usize, Vec<Review>>,
    /// Positions of the examples behind the mark of a figure that was last opened.
    behind: BTreeSet<usize>,
    /// The focused pane: table, example, correctness, margin.
    pub pane: usize,
    order: Vec<usize>,
    cursor: usize,
}

impl Examples {
    /// At the start: sorted by `aum` where there is one, hard first.
    pub fn new(session: &Session) -> Self {
        let first = session.scores.iter().position(|score| score.name == "aum").unwrap_or(0);
        let sort = if session.scores.is_empty() { 0 } else { first + FIRST_SCORE };
        Self { sort, column: sort, ..Self::default() }
    }

    /// Positions of the shown examples, in order.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The cursor's row.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Filters and sorts anew; the cursor stays on the selected example.
    pub fn arrange(&mut self, session: &Session, summary: Option<&Summary>, selected: Option<usize>) {
        self.order = order::arranged(self, session, summary);
        if let Some(example) = selected {
            self.follow(example);
        }
        self.cursor = self.cursor.min(self.order.len().saturating_sub(1));
    }

    /// Puts the cursor on an example, if it is shown.
    pub fn follow(&mut self, example: usize) {
        self.cursor = self.order.iter().position(|shown| *shown == example).unwrap_or(self.cursor);
    }

    /// Whether the example is among the shown ones.
    pub fn shows(&self, example: Option<usize>) -> bool {
        example.is_some() && self.at_cursor() == example
    }

    /// The example under the cursor.
    pub fn at_cursor(&self) -> Option<usize> {
        self.order.get(self.cursor).copied()
    }

    /// Moves the cursor; returns the example there.
    pub fn step(&mut self, by: isize) -> Option<usize> {
        self.jump(self.cursor.saturating_add_signed(by))
    }

    /// Puts the cursor on a row; returns the example there.
    pub fn jump(&mut self, row: usize) -> Option<usize> {
        self.cursor = row.min(self.order.len().saturating_sub(1));
        self.at_cursor()
    }

    /// Sorts by the column under the cursor; again: the other direction.
    pub fn sort_by_column(&mut self) {
        self.turned = self.sort == self.column && !self.turned;
        self.sort = self.column;
    }

    /// The score by which the table is sorted, if it is one.
    pub fn sorted_score(&self) -> Option<usize> {
        self.sort.checked_sub(FIRST_SCORE)
    }

    /// The score under the cursor, or else the one that sorts.
    pub fn looked_at(&self) -> Option<usize> {
        self.column.checked_sub(FIRST_SCORE).or(self.sorted_score())
    }

    /// Filters for these examples.
    pub fn show_only(&mut self, examples: &[usize]) {
        self.behind = examples.iter().copied().collect();
        "behind".clone_into(&mut self.filter);
        self.terms = vec![filter::Term::Behind];
    }

    /// The next shown example with the same label.
    pub fn next_of_class(&self, examples: &session::Examples, example: usize, forward: bool) -> Option<usize> {
        let label = examples.labels.get(example)?;
        let same = |shown: &&usize| examples.labels.get(**shown) == Some(label);
        if forward {
            self.order.iter().skip(self.cursor + 1).find(same).copied()
        } else {
            self.order.get(..self.cursor)?.iter().rev().find(same).copied()
        }
    }

    /// Opens the filter's prompt.
    pub fn start_input(&mut self) {
        let text = if self.filter.is_empty() { String::new() } else { format!("{} ", self.filter) };
        self.pane = 0;
        self.input = Some(Input { text, error: None, before: (self.filter.clone(), self.terms.clone()) });
    }

    /// Adds a character to the prompt.
    pub fn type_character(&mut self, character: char) {
        if let Some(input) = &mut self.input {
            input.text.push(character);
        }
    }

    /// Takes the prompt's last character away.
    pub fn backspace(&mut self) {
        if let Some(input) = &mut self.input {
            input.text.pop();
        }
    }

    /// Tries the prompt's text as the filter; whether it is one.
    pub fn understand_input(&mut self, session: &Session) -> bool {
        let Some(input) = &mut self.input else { return false };
        let scores: Vec<String> = session.scores.iter().map(|score| score.name.clone()).collect();
        match filter::parse(&input.text, Names { classes: &session.examples.class_names, scores: &scores }) {
            Ok(terms) => {
                input.error = None;
                self.terms = terms;
                input.text.trim().clone_into(&mut self.filter);
                true
            }
            Err(error) => {
                input.error = Some(error);
                false
            }
        }
    }

    /// Closes the prompt and keeps its filter.
    ///
    /// # Errors
    /// Where its text is no filter: the prompt stays open.
    pub fn accept_input(&mut self) -> Result<(), FilterError> {
        if let Some(error) = self.input.as_ref().and_then(|input| input.error.clone()) {
            return Err(error);
        }
        self.input = None;
        Ok(())
    }

    /// Closes the prompt and goes back to the filter before; whether one was open.
    pub fn cancel_input(&mut self) -> bool {
        let Some(input) = self.input.take() else { return false };
        (self.filter, self.terms) = input.before;
        true
    }

    /// Shows all examples again; whether some were hidden.
    pub fn clear_filter(&mut self) -> bool {
        self.terms.clear();
        !std::mem::take(&mut self.filter).is_empty()
    }
}

/// Draws the tab; returns its reading.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer, body: Rect) -> String {
    for (pane, area) in arrangement(app, body) {
        view.targets.push((area, Target::Pane(pane)));
        match pane {
            0 => table::render(app, view, buf, area),
            1 => detail::example(app, view, buf, area),
            2 => detail::correctness(app, buf, area),
            _ => detail::margin(app, buf, area),
        }
    }
    reading(app)
}

/// Which pane is where.
fn arrangement(app: &App, body: Rect) -> Vec<(usize, Rect)> {
    if app.zoomed {
        return vec![(app.examples.pane, body)];
    }
    let runs = app.views.iter().filter(|view| Some(view.progress.id.label.as_str()) == app.model_name()).count() as u16;
    if body.width >= 96 && body.height >= 24 {
        let side = (body.width * 3 / 10).clamp(36, 56);
        let [left, example] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).areas(body);
        let strip = (runs + 2).min(body.height / 4).max(4);
        let [table, correctness, margin] =
            Layout::vertical([Constraint::Fill(3), Constraint::Length(strip), Constraint::Fill(2)]).areas(left);
        return vec![(0, table), (1, example), (2, correctness), (3, margin)];
    }
    let [table, below] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(body);
    let [example, right] = Layout::horizontal([Constraint::Fill(2), Constraint::Fill(3)]).areas(below);
    let strip = (runs + 2).min(below.height / 2).max(3);
    let [correctness, margin] = Layout::vertical([Constraint::Length(strip), Constraint::Fill(1)]).areas(right);
    vec![(0, table), (1, example), (2, correctness), (3, margin)]
}

fn reading(app: &App) -> String {
    if let Some(error) = app.examples.input.as_ref().and_then(|input| input.error.as_ref()) {
        return format!("The filter, {error}");
    }
    let Some(example) = app.example.filter(|_| !app.examples.order.is_empty()) else {
        return if app.examples.filter.is_empty() {
            "This study has no examples.".into()
        } else {
            "No example meets the filter; Esc clears it.".into()
        };
    };
    let examples = &app.session.examples;
    let id = examples.ids.get(example).copied().unwrap_or(0);
    let truth = examples.truth(example).map_or_else(String::new, |truth| format!(" by label noise (truly {truth})"));
    let label = examples.label(example).map_or(" has no label".into(), |label| format!(" is labelled {label}{truth}"));
    let believed = app.believed(example).map_or_else(String::new, |Believed { class, runs, of }| {
        let take = if runs == 1 { "takes" } else { "take" };
        format!(", {runs} of {} {take} it for {}", format::plural(of.into(), "run", "runs"), examples.class(class))
    });
    format!("#{id}{label}{}{believed}{}", judged(app, example), missing_or_rank(app, example))
}

/// What people say of an example.
fn judged(app: &App, example: usize) -> String {
    let reviews = app.examples.reviews.get(&example).map_or(&[][..], Vec::as_slice);
    let said = reviews.iter().filter_map(|review| {
        let verdict = review.verdict?;
        let label =
            review.new_label.map_or_else(String::new, |label| format!(" ({})", app.session.examples.class(label)));
        let who = if app.is_own(review) { "you say".to_owned() } else { format!("{} says", review.reviewer) };
        Some(format!(", {who} {}{label}", verdict.word()))
    });
    said.collect()
}

/// Which runs an example's score is the mean of, and after how many epochs; of a number of the whole model, how many runs are
/// behind it where that is known.
fn mean_of(summary: &Summary, values: &ScoreSummary, example: usize) -> String {
    let behind = values.counts.get(example).map_or(0, |count| usize::from(*count));
    if let Some([inside, outside]) = values.sides(example) {
        return format!(", {} with it against {outside} without", format::plural(inside, "run", "runs"));
    }
    if values.runs == 0 {
        let over = format::part(behind, summary.runs, "run", "runs");
        return if behind == 0 { String::new() } else { format!(", over {over}") };
    }
    let left_out = match summary.runs.saturating_sub(values.runs) {
        0 => String::new(),
        runs => format!(" ({runs} left out)"),
    };
    let epochs = match summary.epochs {
        (_, 0) => String::new(),
        (least, most) if least == most => format!(" after {most} epochs"),
        (least, most) => format!(" after {least} to {most} epochs"),
    };
    format!(", mean of {}{left_out}{epochs}", format::part(behind, values.runs, "run", "runs"))
}

/// The example's rank by the sorted score, or why there is no value.
fn missing_or_rank(app: &App, example: usize) -> String {
    let Some(score) = app.examples.sort.checked_sub(FIRST_SCORE).and_then(|i| Some((i, app.session.scores.get(i)?)))
    else {
        return ".".into();
    };
    let Some(summary) = app.summary() else {
        return format!("; {} comes with the first epoch.", score.1.name);
    };
    let Some(values) = summary.scores.get(score.0) else { return ".".into() };
    match values.rank.get(example) {
        Some(rank) if *rank > 0 => {
            let mean = mean_of(summary, values, example);
            let (rank, all) = (
                format::count(*rank as usize),
                format::count(values.ranked[usize::from(example >= app.session.examples.train)]),
            );
            format!("; hardest {rank} of {all} by {}{mean}.", score.1.name)
        }
        _ if app.session.examples.split(example) == "test" => {
            format!("; {} exists for training examples only.", score.1.name)
        }
        _ => format!("; {} has no value here in any run.", score.1.name),
    }
}
