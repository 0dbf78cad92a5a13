//! What does an analysis answer? One tab for every key of the registry: figures one at a time, tables beside them. Where two
//! analyses have one key, the figures of one are listed after those of the other.
//!
//! ```text
//!  figures      | the figure, with a cursor on its marks
//!  one per line |
//!               | its tables, as many rows as there is room for
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::{self, Analysis, Answer, Figure, Options, Table};
use crate::train::board::Progress;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::screen::{Target, View, first_end, is_cut};
use crate::tui::tabs::Tab;
use crate::tui::widgets::figure::{self, Cursor};
use crate::tui::widgets::{line, lines, pane, scrolled};
use crate::tui::worker::Basis;

/// Columns of the list of figures.
const LIST: u16 = 34;

/// Bytes in a line of a reading, about.
const LINE: usize = 70;

/// The pane of the tables.
pub const NUMBERS: usize = 1;

/// State of all tabs of this kind.
#[derive(Debug, Default)]
pub struct Answers {
    /// By the analysis' name and what it was asked of (a model, or all: empty).
    pub known: BTreeMap<(&'static str, String), Known>,
    /// The focused pane: the figure, or the [`NUMBERS`].
    pub pane: usize,
    /// Rows of the numbers above the first that is shown.
    scrolled: usize,
    /// Columns of the tables, behind their first, to the left of those that are shown.
    columns: usize,
    /// Where the person is on each tab.
    places: BTreeMap<&'static str, Place>,
}

/// An answer, and what it is an answer to.
#[derive(Debug, Clone)]
pub struct Known {
    /// What is behind it.
    pub basis: Basis,
    /// What was chosen.
    pub options: Options,
    /// What was answered.
    pub answer: Arc<Answer>,
}

/// The figure that is looked at, and the mark in it.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    figure: usize,
    cursor: Cursor,
    /// Whether the cursor was moved: until then the reading is the whole answer's.
    moved: bool,
}

/// The analysis of a name; those of tabs are in the registry.
pub fn analysis(name: &str) -> Option<&'static Analysis> {
    analysis::REGISTRY.iter().copied().find(|analysis| analysis.name == name)
}

/// The analyses that share the key of a named one, itself among them, in the registry's order.
pub fn sharing(name: &str) -> impl Iterator<Item = &'static Analysis> {
    let key = analysis(name).and_then(|analysis| analysis.tab).map(|(key, _)| key);
    let name = name.to_owned();
    let shares = move |analysis: &&'static Analysis| {
        // The correlations have a tab of their own kind.
        analysis.name == name || key.is_some() && analysis.tab.map(|(key, _)| key) == key
    };
    analysis::REGISTRY.iter().copied().filter(shares)
}

impl App {
    /// What an analysis is asked of, and what its answer would be based on.
    pub(in crate::tui) fn asked_of(&self, analysis: &Analysis) -> (String, Basis) {
        let model = if analysis.compares { String::new() } else { self.model_name().unwrap_or_default().to_owned() };
        let of_model = |progress: &Progress| model.is_empty() || progress.id.label == model;
        let finished = self.views.iter().filter(|view| view.progress.counts() && of_model(&view.progress));
        let basis = Basis { finished: finished.count(), imports: self.imports() };
        (model, basis)
    }

    fn answer(&self, analysis: &'static Analysis) -> Option<&Answer> {
        self.known(analysis).map(|known| known.answer.as_ref())
    }

    /// The last answer of an analysis about the shown model, to whatever choice.
    pub(in crate::tui) fn known(&self, analysis: &'static Analysis) -> Option<&Known> {
        let (model, _) = self.asked_of(analysis);
        self.answers.known.get(&(analysis.name, model))
    }

    /// What the analyses of a tab have answered so far.
    fn answers_of(&self, name: &str) -> Vec<&Answer> {
        sharing(name).filter_map(|analysis| self.answer(analysis)).collect()
    }

    /// Lines that the longest reading of a tab's answers takes.
    pub(in crate::tui) fn longest_reading(&self, name: &str, width: usize) -> usize {
        self.answers_of(name).iter().map(|answer| format::wrap(&answer.reading, width).len()).max().unwrap_or(1)
    }

    /// The figures of a tab, each with the answer that it belongs to.
    fn figures(&self, name: &str) -> Vec<(&Answer, &Figure)> {
        let of = |answer| move |figure| (answer, figure);
        self.answers_of(name).into_iter().flat_map(|answer| answer.figures.iter().map(of(answer))).collect()
    }

    fn shown(&self, name: &'static str) -> (Place, Option<&Figure>) {
        let mut place = self.answers.places.get(name).copied().unwrap_or_default();
        let figures = self.figures(name);
        // Another model may have fewer figures, and those fewer marks.
        place.figure = place.figure.min(figures.len().saturating_sub(1));
        let figure = figures.get(place.figure).map(|(_, figure)| *figure);
        let (rows, columns) = figure.map_or((0, 0), figure::size);
        place.cursor.row = place.cursor.row.min(rows.saturating_sub(1));
        place.cursor.column = place.cursor.column.min(columns.saturating_sub(1));
        (place, figure)
    }

    /// Moves the cursor among the marks, or scrolls the numbers.
    pub(in crate::tui) fn move_mark(&mut self, name: &'static str, down: isize, right: isize) {
        if self.answers.pane == NUMBERS {
            let lines = |answer: &&Answer| {
                let (reading, title) = (answer.reading.len() / LINE, |table: &Table| table.title.len() / LINE);
                let tables = answer.tables.iter().map(|table| title(table) + table.rows.len() + 3);
                reading + answer.warnings.len() + tables.sum::<usize>()
            };
            let answers = self.answers_of(name);
            let most = answers.iter().map(lines).max().unwrap_or(0);
            let tables = answers.iter().flat_map(|answer| &answer.tables);
            let widest = tables.map(|table| table.columns.len()).max().unwrap_or(0);
            self.answers.scrolled = self.answers.scrolled.saturating_add_signed(down).min(most);
            self.answers.columns = self.answers.columns.saturating_add_signed(right).min(widest.saturating_sub(2));
            return;
        }
        let (mut place, figure) = self.shown(name);
        let (rows, columns) = figure.map_or((0, 0), figure::size);
        let moved = |at: usize, by: isize, count: usize| at.saturating_add_signed(by).min(count.saturating_sub(1));
        place.cursor =
            Cursor { row: moved(place.cursor.row, down, rows), column: moved(place.cursor.column, right, columns) };
        place.moved = true;
        self.answers.places.insert(name, place);
    }

    /// Turns to another figure.
    pub(in crate::tui) fn turn_figure(&mut self, name: &'static str, by: isize) {
        let count = self.figures(name).len();
        let (place, _) = self.shown(name);
        let figure = (place.figure as isize + by).rem_euclid(count.max(1) as isize) as usize;
        self.look_at_figure(name, figure);
    }

    pub(in crate::tui) fn look_at_figure(&mut self, name: &'static str, figure: usize) {
        (self.answers.scrolled, self.answers.columns) = (0, 0);
        self.answers.places.insert(name, Place { figure, ..Place::default() });
    }

    /// Whether examples stand behind the mark under the cursor.
    pub(in crate::tui) fn has_behind(&self) -> bool {
        let Tab::Answer(name) = self.tab else { return false };
        let (place, figure) = self.shown(name);
        figure.is_some_and(|figure| !figure::behind(figure, place.cursor).is_empty())
    }

    /// The positions of the examples behind the mark under the cursor.
    pub(in crate::tui) fn behind_mark(&self, name: &'static str) -> Vec<usize> {
        let (place, figure) = self.shown(name);
        let ids = figure.map(|figure| figure::behind(figure, place.cursor)).unwrap_or_default();
        let position = |id: &u32| self.session.examples.ids.iter().position(|other| other == id);
        ids.iter().filter_map(position).collect()
    }
}

/// Draws a tab; returns the reading of what is looked at.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer, body: Rect, name: &'static str) -> String {
    let (place, _) = app.shown(name);
    let figures = app.figures(name);
    let Some((answer, figure)) = figures.get(place.figure).copied() else { return empty(app, buf, body, name) };
    let listed = figures.len() > 1 && body.width >= 100 && !app.zoomed;
    let rest = if listed {
        list(app, view, buf, Rect { width: LIST, ..body }, &figures, place.figure);
        Rect { x: body.x + LIST, width: body.width - LIST, ..body }
    } else {
        body
    };
    let reads_numbers = app.answers.pane == NUMBERS;
    let tables = match app.zoomed || rest.height < 24 {
        true if reads_numbers => rest.height,
        true => 0,
        false => rest.height / 3,
    };
    let mut title = vec![Span::styled(figure.title().to_owned(), app.theme.strong())];
    if figures.len() > 1 {
        title.push(Span::styled(format!(" · {} of {}", place.figure + 1, figures.len()), app.theme.dim()));
    }
    if let Some(analysis) = analysis(name) {
        title.push(Span::styled(format!(" · {}", app.chosen(analysis)), app.theme.dim()));
    }
    // A title that has no room is cut at a word rather than left out.
    let room = usize::from(rest.width.saturating_sub(16));
    if let Some(first) = title.first_mut() {
        first.content = format::wrap_to_words(&first.content, room, 1).concat().into();
    }
    let frame = Rect { height: rest.height - tables, ..rest };
    if frame.height > 0 {
        view.targets.push((frame, Target::Pane(0)));
        let inner = pane(buf, frame, app.theme, title, !reads_numbers);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        figure::draw(app, view, buf, inner, figure, place.cursor);
    }
    if tables > 0 {
        // What an analysis without figures has to say would be seen nowhere else.
        let others = app.answers_of(name).into_iter().filter(|other| other.figures.is_empty());
        let warnings: Vec<&String> = answer.warnings.iter().chain(others.flat_map(|other| &other.warnings)).collect();
        let area = Rect { y: frame.bottom(), height: tables, ..rest };
        view.targets.push((area, Target::Pane(NUMBERS)));
        let reading = is_cut(app, buf.area, &answer.reading).then_some(answer.reading.as_str());
        draw_tables(app, buf, area, (reading, &warnings), &answer.tables);
    }
    let mark = if place.moved { figure::told(figure, place.cursor) } else { None };
    mark.unwrap_or_else(|| answer.reading.clone())
}

/// The titles of all figures.
fn list(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, figures: &[(&Answer, &Figure)], selected: usize) {
    let inner = pane(buf, area, app.theme, vec![Span::styled("Figures", app.theme.strong())], false);
    let first = scrolled(0, selected, inner.height.into(), figures.len());
    for (y, (place, (_, figure))) in (inner.top()..inner.bottom()).zip(figures.iter().enumerate().skip(first)) {
        let title = figure.title();
        let short = title.split(" (").next().unwrap_or(title);
        let style = if place == selected { app.theme.selected() } else { app.theme.text() };
        let room = usize::from(inner.width);
        let text = format::wrap_to_words(short, room - 2, 1).concat();
        let text = format!(" {text:<0$}", room - 1);
        line(buf, inner.x, y, inner.width, Line::styled(text, style));
        view.targets.push((Rect { y, height: 1, ..inner }, Target::Figure(place)));
    }
}

/// A reading that was cut as a whole, warnings, then the tables; what has no room is scrolled to.
fn draw_tables(
    app: &App,
    buf: &mut Buffer,
    area: Rect,
    (reading, warnings): (Option<&str>, &[&String]),
    tables: &[Table],
) {
    let width = usize::from(area.width.saturating_sub(4));
    let reading = reading.into_iter().flat_map(|reading| format::wrap(reading, width)).map(Line::raw);
    let warnings = warnings.iter().flat_map(|warning| format::wrap(warning, width));
    let warnings = warnings.map(|text| Line::styled(text, app.theme.attention()));
    let (mut rows, mut narrow) = (Vec::new(), false);
    for table in tables {
        let (left_out, lines) = table.within(app.answers.columns, width);
        let hides = !left_out.is_empty();
        let title = if hides { format!("{} · {left_out}", table.title) } else { table.title.clone() };
        narrow |= hides;
        rows.extend(format::wrap(&title, width));
        rows.extend(lines.into_iter().map(|row| format::fit(&row, width)).chain([String::new()]));
    }
    let all: Vec<Line> = reading.chain(warnings).chain(rows.into_iter().map(Line::raw)).collect();
    let room = usize::from(area.height.saturating_sub(2));
    let first = app.answers.scrolled.min(all.len().saturating_sub(room));
    let mut title = vec![Span::styled("Numbers", app.theme.strong())];
    if all.len() > room {
        let last = (first + room).min(all.len());
        title.push(Span::styled(format!(" · rows {} to {last} of {}", first + 1, all.len()), app.theme.dim()));
    }
    let keys = [(all.len() > room, "↑↓"), (narrow, "←→")].map(|(moves, keys)| if moves { keys } else { "" }).concat();
    if !keys.is_empty() {
        title.push(Span::styled(format!(" · w, then {keys}"), app.theme.dim()));
    }
    let inner = pane(buf, area, app.theme, title, app.answers.pane == NUMBERS);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    lines(buf, inner, all.into_iter().skip(first).collect::<Vec<_>>());
}

/// What will come here, and when.
fn empty(app: &App, buf: &mut Buffer, body: Rect, name: &str) -> String {
    let questions: Vec<&str> = sharing(name).map(|analysis| analysis.question).collect();
    let room = usize::from(body.width.saturating_sub(6));
    let title = format::wrap_to_words(&questions.join(" "), room, 1).concat();
    let inner = pane(buf, body, app.theme, vec![Span::styled(title, app.theme.strong())], true);
    let mut texts: Vec<String> = Vec::new();
    for text in sharing(name).map(|analysis| waiting(app, analysis)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let text = texts.join(" ");
    let wrapped = format::wrap(&text, inner.width.saturating_sub(4).into());
    let place =
        Rect { x: inner.x + 2, y: inner.y + inner.height / 3, height: inner.height - inner.height / 3, ..inner };
    lines(buf, place, wrapped.into_iter().map(|part| Line::styled(part, app.theme.dim())));
    text
}

/// Why an analysis shows nothing.
fn waiting(app: &App, analysis: &'static Analysis) -> String {
    let (_, Basis { finished, .. }) = app.asked_of(analysis);
    match app.answer(analysis) {
        Some(answer) if !answer.warnings.is_empty() => answer.warnings.join(". "),
        Some(answer) => answer.reading.clone(),
        None if finished > 0 => "The answer is being computed.".to_owned(),
        None => format!("This needs finished replicates; {}.", first_end(app)),
    }
}
