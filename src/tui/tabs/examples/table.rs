//! The table: a row per example, only those drawn that can be seen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::FIRST_SCORE;
use crate::data::Verdict;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::screen::{Target, View};
use crate::tui::theme::{Theme, level};
use crate::tui::widgets::{line, line_right, pane, scrolled};

/// Width of the range of ranks: two numbers of up to seven digits would be too much for most studies.
const RANGE: u16 = 14;

/// Columns of a number: four before the point, four from it on.
const NUMBER: (usize, usize) = (4, 4);

/// A score column: at least a number and its level.
fn score_width(app: &App, score: usize) -> u16 {
    let name = app.session.scores.get(score).map_or(0, |score| score.name.chars().count());
    (name + 3).max(NUMBER.0 + NUMBER.1 + 2) as u16
}

/// Where the columns are.
struct Columns {
    id: u16,
    label: u16,
    /// None where the pane is too narrow for what the runs believe.
    believed: Option<u16>,
    rank: u16,
    ranges: bool,
    /// Score and its left end.
    scores: Vec<(usize, u16)>,
    hidden: (usize, usize),
}

impl Columns {
    fn of(app: &App, view: &mut View, inner: Rect) -> Self {
        let names = app.session.examples.class_names.iter().map(|name| name.chars().count()).max().unwrap_or(5);
        let digits = app.session.examples.ids.iter().max().map_or(1, |id| id.to_string().len());
        let (id, label) = (digits.max(3) as u16 + 3, (names.clamp(5, 16) + 4) as u16);
        let sorted = app.examples.sorted_score().is_some();
        let wide = inner.width >= 100;
        let believed = wide.then_some(label.max(8) + 4);
        let ranges = wide && sorted;
        let rank = if sorted { 9 } else { 0 };
        let ranged = if ranges { RANGE } else { 0 };
        let start = inner.x + id + label + believed.unwrap_or(0) + 7 + rank + ranged;
        let all = app.session.scores.len();
        let wanted = app.examples.column.saturating_sub(FIRST_SCORE);
        let fits = |first: usize| {
            let mut x = start;
            let mut shown = Vec::new();
            for score in first..all {
                let width = score_width(app, score);
                if x + width > inner.right() {
                    break;
                }
                shown.push((score, x));
                x += width;
            }
            shown
        };
        let mut first = view.first_column.min(wanted);
        while first < wanted && !fits(first).iter().any(|(score, _)| *score == wanted) {
            first += 1;
        }
        view.first_column = first;
        let scores = fits(first);
        let last = scores.last().map_or(first, |(score, _)| score + 1);
        Self { id, label, believed, rank, ranges, scores, hidden: (first, all.saturating_sub(last)) }
    }

    /// Left end of the column `split`.
    fn split(&self, area: Rect) -> u16 {
        area.x + self.id + self.label + self.believed.unwrap_or(0)
    }

    /// Right end of the column `rank`.
    fn rank(&self, area: Rect) -> u16 {
        self.split(area) + 7 + self.rank - 1
    }
}

/// Draws the pane.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let state = &app.examples;
    let inner = pane(buf, area, theme, title(app), state.pane == 0);
    let inner = prompt(app, buf, inner);
    if inner.height < 2 {
        return;
    }
    let columns = Columns::of(app, view, inner);
    head(app, view, buf, inner, &columns);
    let rows = usize::from(inner.height - 1);
    view.page = rows;
    view.first_row = scrolled(view.first_row, state.cursor(), rows, state.order().len());
    let shown = state.order().iter().enumerate().skip(view.first_row).take(rows);
    for (y, (row, example)) in (inner.y + 1..).zip(shown) {
        let place = Rect { y, height: 1, ..inner };
        view.targets.push((place, Target::Row(row)));
        if row == state.cursor() {
            buf.set_style(place, theme.selected());
        }
        draw_row(app, buf, place, &columns, *example);
    }
    if state.order().is_empty() {
        line(
            buf,
            inner.x + 1,
            inner.y + 1,
            inner.width,
            Line::styled("No example meets the filter; Esc clears it.", theme.dim()),
        );
    }
}

fn title(app: &App) -> Vec<Span<'static>> {
    let (theme, state) = (app.theme, &app.examples);
    let (shown, all) = (state.order().len(), app.session.examples.len());
    let mut title = vec![Span::styled(format!("{} examples", format::count(all)), theme.strong())];
    if !state.filter.is_empty() {
        title.push(Span::styled(format!(" · {} shown: {}", format::count(shown), state.filter), theme.accent()));
    }
    let direction = match (state.sort < FIRST_SCORE, state.turned) {
        (false, false) => ", hard first",
        (false, true) => ", easy first",
        (true, true) => ", backwards",
        (true, false) => "",
    };
    title.push(Span::styled(format!(" · by {}{direction}", column_name(app, state.sort)), theme.dim()));
    if app.looks_at_held_out() {
        title.push(Span::styled(" · in runs that held them out", app.theme.attention()));
    }
    if !state.marks.is_empty() {
        title.push(Span::styled(format!(" · {} marked", state.marks.len()), theme.attention()));
    }
    let reviewed = state.reviews.values().filter(|said| said.iter().any(|review| review.verdict.is_some())).count();
    if reviewed > 0 {
        title.push(Span::styled(format!(" · {reviewed} reviewed"), theme.attention()));
    }
    if state.frozen {
        title.push(Span::styled(" · order frozen", theme.attention()));
    }
    title
}

/// The filter's prompt while it is open; returns the room below it.
fn prompt(app: &App, buf: &mut Buffer, area: Rect) -> Rect {
    let Some(input) = &app.examples.input else { return area };
    let theme = app.theme;
    let mut text = vec![
        Span::styled(" / ", theme.accent()),
        Span::raw(input.text.clone()),
        Span::styled(" ", Style::new().add_modifier(Modifier::REVERSED)),
    ];
    match &input.error {
        // What is wrong stands in the reading, where there is room for it.
        Some(_) => text.push(Span::styled(" ✘", theme.bad())),
        None if input.text.is_empty() => {
            text.push(Span::styled("  label=cat forgetting>5 rank(aum)<100 split=test marked", theme.dim()));
        }
        None => {}
    }
    line(buf, area.x, area.y, area.width, Line::from(text));
    Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }
}

/// A column's name.
fn column_name(app: &App, column: usize) -> String {
    match column {
        0 => "id".into(),
        1 => "label".into(),
        _ => app.session.scores.get(column - FIRST_SCORE).map(|score| score.name.clone()).unwrap_or_default(),
    }
}

fn head(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, columns: &Columns) {
    let theme = app.theme;
    let state = &app.examples;
    let mut name = |column: usize, x: u16, width: u16, right: bool| {
        let mut text = column_name(app, column);
        if column == state.sort {
            text += if state.turned { "▴" } else { "▾" };
        }
        let style = match (column == state.column, column == state.sort) {
            (true, _) => theme.accent().add_modifier(Modifier::UNDERLINED),
            (_, true) => theme.strong(),
            _ => theme.dim(),
        };
        if right {
            line_right(buf, x + width, area.y, width, Line::styled(text, style));
        } else {
            line(buf, x, area.y, width, Line::styled(text, style));
        }
        view.targets.push((Rect::new(x, area.y, width, 1), Target::Column(column)));
    };
    name(0, area.x, columns.id, true);
    name(1, area.x + columns.id + 2, columns.label - 2, false);
    for (score, x) in &columns.scores {
        name(score + FIRST_SCORE, *x, score_width(app, *score), true);
    }
    if let Some(width) = columns.believed {
        let x = area.x + columns.id + columns.label;
        line(buf, x, area.y, width - 1, Line::styled("believed", theme.dim()));
    }
    line(buf, columns.split(area), area.y, 5, Line::styled("split", theme.dim()));
    if columns.rank > 0 {
        line_right(buf, columns.rank(area), area.y, columns.rank, Line::styled("rank", theme.dim()));
    }
    if columns.ranges {
        line_right(buf, columns.rank(area) + RANGE, area.y, RANGE, Line::styled("in runs", theme.dim()));
    }
    hidden_columns(theme, buf, area, columns.hidden);
}

/// How many score columns are left and right of the shown ones, in the frame below the table.
fn hidden_columns(theme: Theme, buf: &mut Buffer, area: Rect, hidden: (usize, usize)) {
    let more = match hidden {
        (0, 0) => return,
        (0, after) => format!(" {after} more columns › "),
        (before, 0) => format!(" ‹ {before} more columns "),
        (before, after) => format!(" ‹ {before} more columns {after} › "),
    };
    line_right(buf, area.right().saturating_sub(1), area.bottom(), area.width, Line::styled(more, theme.dim()));
}

/// The class that most runs see, with how many of them; red where it is not the label.
fn draw_believed(app: &App, buf: &mut Buffer, row: Rect, columns: &Columns, example: usize) {
    let (Some(width), Some(believed)) = (columns.believed, app.believed(example)) else { return };
    let examples = &app.session.examples;
    let votes = format!(" {}/{}", believed.runs, believed.of);
    let room = usize::from(width).saturating_sub(votes.chars().count() + 1);
    let wrong = examples.labels.get(example).is_some_and(|label| *label != believed.class);
    let style = if wrong { app.theme.bad() } else { app.theme.dim() };
    let text = format::fit(&examples.class(believed.class), room) + &votes;
    line(buf, row.x + columns.id + columns.label, row.y, width - 1, Line::styled(text, style));
}

fn draw_row(app: &App, buf: &mut Buffer, row: Rect, columns: &Columns, example: usize) {
    let theme = app.theme;
    let examples = &app.session.examples;
    if app.examples.marks.contains(&example) {
        line(buf, row.x, row.y, 1, Line::styled("◆", theme.attention()));
    }
    if let Some(verdict) = app.verdict_on(example) {
        let style = if verdict == Verdict::Fine { theme.good() } else { theme.attention() };
        // The word's first letter is the key that gives the verdict.
        line(buf, row.x + 1, row.y, 1, Line::styled(verdict.word().get(..1).unwrap_or_default(), style));
    }
    let id = examples.ids.get(example).map_or_else(String::new, ToString::to_string);
    line_right(buf, row.x + columns.id, row.y, columns.id, id);
    let label = examples.label(example).unwrap_or_else(|| format::MISSING.into());
    let label = format::fit(&label, usize::from(columns.label - 2));
    let noisy = examples.truth(example).is_some();
    let label = Line::styled(label, if noisy { theme.attention() } else { theme.text() });
    line(buf, row.x + columns.id + 2, row.y, columns.label - 2, label);
    line(buf, columns.split(row), row.y, 5, Line::styled(examples.split(example), theme.dim()));
    let Some(summary) = app.summary() else { return };
    draw_believed(app, buf, row, columns, example);
    let sorted = app.examples.sorted_score().and_then(|score| summary.scores.get(score));
    if let Some(rank) = sorted.and_then(|s| s.rank.get(example)).filter(|rank| **rank > 0) {
        line_right(buf, columns.rank(row), row.y, columns.rank, format::count(*rank as usize));
    }
    if let Some((best, worst)) = app.rank_range(example).filter(|_| columns.ranges) {
        let range = format!("{}–{}", format::count(best as usize), format::count(worst as usize));
        line_right(buf, columns.rank(row) + RANGE, row.y, RANGE, Line::styled(range, theme.dim()));
    }
    for (score, x) in &columns.scores {
        let Some(values) = summary.scores.get(*score) else { continue };
        let mean = values.mean.get(example).map_or(f64::NAN, |mean| f64::from(*mean));
        let right = x + score_width(app, *score);
        let style = if mean.is_nan() { theme.dim() } else { Style::new() };
        let text = format::aligned(mean, NUMBER.0, NUMBER.1);
        line_right(buf, right - 2, row.y, score_width(app, *score), Line::styled(text, style));
        if let Some(hardness) = values.hardness.get(example).filter(|_| !mean.is_nan()) {
            line(buf, right - 1, row.y, 1, Line::styled(level(*hardness), theme.difficulty(*hardness)));
        }
    }
}
