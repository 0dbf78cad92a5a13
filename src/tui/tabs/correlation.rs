//! Do the scores measure the same? Three matrices: means with means, a mean with single runs, within a run.

use ndarray::Array2;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::Figure;
use crate::analysis::correlation::ANALYSIS;
use crate::store::record::State;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::screen::{Target, View, first_end};
use crate::tui::widgets::heatmap::Heatmap;
use crate::tui::widgets::plot::Plot;
use crate::tui::widgets::{line, lines, pane, window};

/// State of the tab.
#[derive(Debug)]
pub struct Correlation {
    /// Which matrix is looked at.
    pub matrix: usize,
    /// The cursor's row.
    pub row: usize,
    /// The cursor's column.
    pub column: usize,
}

impl Default for Correlation {
    /// At the first pair of two scores.
    fn default() -> Self {
        Self { matrix: 0, row: 0, column: 1 }
    }
}

/// A matrix of the analysis.
pub struct Matrix<'a> {
    title: &'a str,
    rows: &'a [String],
    columns: &'a [String],
    values: &'a Array2<f64>,
}

impl App {
    /// The matrices of the selected model, as far as they are known.
    pub fn matrices(&self) -> Vec<Matrix<'_>> {
        let figures = self.known(&ANALYSIS).map(|known| known.answer.figures.as_slice()).unwrap_or_default();
        figures
            .iter()
            .filter_map(|figure| match figure {
                Figure::Heatmap { title, rows, columns, values } => Some(Matrix { title, rows, columns, values }),
                _ => None,
            })
            .collect()
    }

    /// Rows of the matrix that is looked at.
    pub(in crate::tui) fn matrix_size(&self) -> usize {
        self.matrices().first().map_or(0, |matrix| matrix.rows.len())
    }
}

/// Draws the tab; returns its reading.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer, body: Rect) -> String {
    view.targets.push((body, Target::Pane(0)));
    let matrices = app.matrices();
    if matrices.iter().all(|matrix| matrix.rows.is_empty()) {
        return empty(app, buf, body);
    }
    let scores = app.matrix_size();
    let names = matrices.iter().flat_map(|m| m.rows).map(|name| name.chars().count()).max().unwrap_or(4) as u16 + 4;
    let side_by_side = fits_side_by_side(body, names, scores, matrices.len()) && !app.zoomed;
    let shown: Vec<usize> =
        if side_by_side { (0..matrices.len()).collect() } else { vec![app.correlation.matrix.min(matrices.len() - 1)] };
    let lowest = shown
        .iter()
        .zip(places(body, names, scores, shown.len()))
        .map(|(matrix, area)| draw_matrix(app, view, buf, area, *matrix, &matrices, names));
    let lowest = lowest.max().unwrap_or(body.y);
    let rest = Rect { y: lowest, height: body.bottom().saturating_sub(lowest), ..body };
    if rest.height >= 6 {
        // About square: a cell is twice as high as wide.
        let square = (rest.height * 3).min(rest.width);
        let explained = rest.width - square >= 30;
        scatter(app, buf, Rect { width: if explained { square } else { rest.width }, ..rest }, &matrices);
        if explained {
            explain(app, buf, Rect { x: rest.x + square, width: rest.width - square, ..rest });
        }
    }
    reading(app, &matrices)
}

/// Cells of at least four columns for all matrices; the names stand once, on the left.
fn fits_side_by_side(body: Rect, names: u16, scores: usize, matrices: usize) -> bool {
    usize::from(body.width) >= usize::from(names) + matrices * (4 * scores + 3)
}

fn places(body: Rect, names: u16, scores: usize, matrices: usize) -> Vec<Rect> {
    let room = body.width.saturating_sub(names) / matrices.max(1) as u16;
    let cell = (room.saturating_sub(3) / scores.max(1) as u16).clamp(NARROWEST, 6);
    let width = cell * scores as u16 + 3;
    let mut x = body.x;
    (0..matrices)
        .map(|i| {
            let width = if i == 0 { width + names } else { width };
            let place = Rect { x, width, ..body }.intersection(body);
            x += width;
            place
        })
        .collect()
}

/// "mean with run" and the rest of a figure's title: a narrow pane has room for the name alone, and the model stands
/// above all panes.
fn parts_of(title: &str) -> (&str, &str) {
    let title = title.split_once(": ").map_or(title, |(_, rest)| rest);
    title.split_at(title.find([',', '(']).unwrap_or(title.len()))
}

/// A letter for a column, since names don't fit above the cells.
fn letter(i: usize) -> char {
    u8::try_from(i).ok().filter(|i| *i < 26).map_or('*', |i| char::from(b'a' + i))
}

/// Draws one matrix with its pane; returns the row below it.
fn draw_matrix(
    app: &App,
    view: &mut View,
    buf: &mut Buffer,
    area: Rect,
    which: usize,
    all: &[Matrix],
    names: u16,
) -> u16 {
    let theme = app.theme;
    let Some(matrix) = all.get(which) else { return area.y };
    let named = area.x == 0 || all.len() == 1;
    let left = if named { names } else { 0 };
    let scores = matrix.columns.len().max(1) as u16;
    let width = (area.width.saturating_sub(left + 2) / scores).clamp(NARROWEST, 7);
    let height = if area.height >= scores * 2 + 10 { 2 } else { 1 };
    let frame = Rect { height: (scores * height + 3).min(area.height), ..area };
    let focused = app.correlation.matrix.min(all.len() - 1) == which;
    let (name, detail) = parts_of(matrix.title);
    let mut title = vec![Span::styled(name.to_owned(), theme.strong()), Span::styled(detail.to_owned(), theme.dim())];
    if focused {
        title.push(Span::styled(format!(" · {} of {}", which + 1, all.len()), theme.dim()));
    }
    if width < 5 {
        title.push(Span::styled(" · hundredths", theme.dim()));
    }
    let fit = |room: u16, size: u16| usize::from((room / size.max(1)).max(1));
    let rows = window(matrix.rows.len(), fit(frame.height.saturating_sub(3), height), app.correlation.row);
    let columns = window(matrix.columns.len(), fit(area.width.saturating_sub(left + 2), width), app.correlation.column);
    let hidden = matrix.columns.len() - columns.len() + matrix.rows.len() - rows.len();
    if hidden > 0 {
        let more = format!(" · {}×{} of them, ↑↓←→", rows.len(), columns.len());
        title.push(Span::styled(more, theme.dim()));
    }
    let inner = pane(buf, frame, theme, title, focused);
    let values = &matrix.values.slice(ndarray::s![rows.clone(), columns.clone()]).to_owned();
    let cells = Rect {
        x: inner.x + left,
        y: inner.y + 1,
        width: inner.width.saturating_sub(left),
        height: inner.height.saturating_sub(1),
    };
    let map = Heatmap {
        values,
        width,
        height,
        scale: scale(matrix.values),
        cursor: focused.then_some((
            app.correlation.row.wrapping_sub(rows.start),
            app.correlation.column.wrapping_sub(columns.start),
        )),
    };
    map.draw(buf, cells, theme);
    for (i, name) in matrix.rows.iter().enumerate().filter(|(i, _)| named && rows.contains(i)) {
        let y = map.cell(cells, i - rows.start, 0).y;
        let style = if focused && i == app.correlation.row { theme.accent() } else { theme.text() };
        let text =
            Line::from(vec![Span::styled(format!(" {} ", letter(i)), theme.dim()), Span::styled(name.clone(), style)]);
        line(buf, inner.x, y, left, text);
    }
    for column in columns.clone() {
        let cell = map.cell(cells, 0, column - columns.start);
        let style = if focused && column == app.correlation.column { theme.accent() } else { theme.dim() };
        line(buf, cell.x + cell.width / 2, inner.y, 1, Line::styled(letter(column).to_string(), style));
    }
    for (row, column) in values.indexed_iter().map(|(at, _)| at) {
        let target = Target::Cell(which, rows.start + row, columns.start + column);
        view.targets.push((map.cell(cells, row, column), target));
    }
    frame.bottom()
}

/// Columns of a cell that keep its number from those beside it.
const NARROWEST: u16 = 4;

/// Full colour: 1 for correlations, the largest size for differences, which are small.
fn scale(values: &Array2<f64>) -> f64 {
    let largest = values.iter().filter(|v| v.is_finite()).fold(0.0_f64, |most, v| most.max(v.abs()));
    if largest > 0.3 { 1.0 } else { largest.max(0.02) }
}

/// The two scores of the cursor against each other: every example by how many others are easier.
fn scatter(app: &App, buf: &mut Buffer, area: Rect, matrices: &[Matrix]) {
    let theme = app.theme;
    let Some((row, column)) = pair(app, matrices) else { return };
    let title = vec![
        Span::styled(format!("{column} →"), theme.strong()),
        Span::styled(format!("  {row} ↑"), theme.strong()),
        Span::styled(" · by rank", theme.dim()),
    ];
    let inner = pane(buf, area, theme, title, false);
    let place = |name: &str| app.session.scores.iter().position(|score| score.name == name);
    let values = app.summary().and_then(|s| Some((s.scores.get(place(column)?)?, s.scores.get(place(row)?)?)));
    let Some((x, y)) = values else { return };
    let mut plot = Plot::new(inner, (0.0, 1.0), (0.0, 1.0), 1);
    // More dots than these would fill the pane and say nothing.
    let most = usize::from(inner.width) * usize::from(inner.height);
    let every = (x.ranked[0] / most.max(1)).max(1);
    let both = x.hardness.iter().zip(&y.hardness).zip(x.rank.iter().zip(&y.rank));
    let ranked =
        both.take(app.session.examples.train).filter(|(_, (a, b))| **a > 0 && **b > 0).map(|(hardness, _)| hardness);
    for (a, b) in ranked.step_by(every) {
        plot.point(f64::from(*a), f64::from(*b), theme.difficulty((a + b) / 2.0));
    }
    plot.draw(buf, theme, "hard");
}

/// What the matrices say.
fn explain(app: &App, buf: &mut Buffer, area: Rect) {
    const TEXT: [(&str, &str); 5] = [
        (
            "Mean with mean",
            "Spearman's rank correlation of the scores, each averaged over the runs: do they order the examples alike?",
        ),
        (
            "Mean with run",
            "How much of it is lost when the row's mean meets a single run of the column: the noise of one run.",
        ),
        (
            "Same run",
            "How much two scores of one run agree beyond that: what they share by chance, because they watched the same run.",
        ),
        (
            "Mean of the other runs with run",
            "As mean with run, but the run is no part of the mean: a run's share in its own mean lifts the second matrix. Shown below 20 runs.",
        ),
        (
            "",
            "All scores are turned so that larger is harder. Orange agrees, blue disagrees, white is 0. Left: the pair under the cursor, an example a dot, by the share of examples that are easier.",
        ),
    ];
    let theme = app.theme;
    let inner = pane(buf, area, theme, vec![Span::styled("What this is", theme.strong())], false);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let mut text = Vec::new();
    // The matrix that is shown or focused comes first: a low pane has room for one.
    let which = app.correlation.matrix.min(3);
    let order = [which].into_iter().chain((0..TEXT.len()).filter(|place| *place != which));
    for (head, sentence) in order.filter_map(|place| TEXT.get(place)) {
        if !head.is_empty() {
            text.push(Line::styled(*head, theme.strong()));
        }
        text.extend(format::wrap(sentence, inner.width.into()).into_iter().map(|part| Line::styled(part, theme.dim())));
        text.push(Line::raw(""));
    }
    if text.len() > usize::from(inner.height) + 1 {
        // Heads are bold: without the lines between them more of the words are there.
        text.retain(|line| line.width() > 0);
    }
    lines(buf, inner, text);
}

/// The names under the cursor: row and column.
fn pair<'a>(app: &App, matrices: &'a [Matrix]) -> Option<(&'a str, &'a str)> {
    let matrix = matrices.get(app.correlation.matrix.min(matrices.len().checked_sub(1)?))?;
    Some((matrix.rows.get(app.correlation.row)?, matrix.columns.get(app.correlation.column)?))
}

fn reading(app: &App, matrices: &[Matrix]) -> String {
    let which = app.correlation.matrix.min(matrices.len().saturating_sub(1));
    let value = matrices.get(which).and_then(|m| m.values.get((app.correlation.row, app.correlation.column)).copied());
    let (Some((row, column)), Some(value)) = (pair(app, matrices), value) else { return String::new() };
    let finished = app.known(&ANALYSIS).map_or(0, |known| known.basis.finished);
    let runs = format::plural(finished, "finished run", "finished runs");
    if value.is_nan() {
        return format!("{row} and {column}: no value here; {runs}.");
    }
    let n = examples_behind(app, row, column);
    let interval = match (which, shown_interval(value, n)) {
        (0, Some((low, high))) if row != column => {
            format!(" (95 % {} to {})", format::number(low), format::number(high))
        }
        _ => String::new(),
    };
    let title = matrices.get(which).map_or("", |m| m.title);
    format!(
        "{title}: {row} and {column} {}{interval}, n = {} examples, {runs}.",
        format::number(value),
        format::count(n)
    )
}

/// Examples in which both scores exist.
fn examples_behind(app: &App, row: &str, column: &str) -> usize {
    let scores = app.session.scores.iter().zip(app.summary().map(|s| s.scores.as_slice()).unwrap_or_default());
    scores.filter(|(score, _)| score.name == row || score.name == column).map(|(_, s)| s.ranked[0]).min().unwrap_or(0)
}

/// What will come here, and when.
fn empty(app: &App, buf: &mut Buffer, body: Rect) -> String {
    let inner = pane(buf, body, app.theme, vec![Span::styled("Correlation of the scores", app.theme.strong())], true);
    let model = app.model_name().unwrap_or("a model");
    let of_model =
        |state| app.views.iter().filter(|v| v.progress.id.label == model && v.progress.state == state).count();
    let text = match app.known(&ANALYSIS).map(|known| &known.answer) {
        Some(answer) if answer.reading.is_empty() => answer.warnings.join(" "),
        Some(answer) => answer.reading.clone(),
        None if of_model(State::Finished) > 0 => "The correlations are being computed.".into(),
        None => format!("Correlation needs finished scores of {model}; {}.", first_end(app)),
    };
    let wrapped = format::wrap(&text, inner.width.saturating_sub(4).into());
    let place =
        Rect { x: inner.x + 2, y: inner.y + inner.height / 3, height: inner.height - inner.height / 3, ..inner };
    lines(buf, place, wrapped.into_iter().map(|part| Line::styled(part, app.theme.dim())));
    text
}

/// The 95 % interval of a correlation, where there is one to show.
fn shown_interval(rho: f64, n: usize) -> Option<(f64, f64)> {
    (n >= 4 && rho.abs() < 1.0).then(|| crate::analysis::correlation::interval(rho, n, 0.95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_correlation_and_shrinks_with_n() {
        let (low, high) = shown_interval(0.5, 100).unwrap();
        assert!((low - 0.326).abs() < 0.001 && (high - 0.641).abs() < 0.001, "{low} {high}");
        let wider = shown_interval(0.5, 20).unwrap();
        assert!(wider.0 < low && wider.1 > high);
        assert_eq!((shown_interval(1.0, 100), shown_interval(0.5, 3)), (None, None));
    }
}
