//! The panes beside the replicates: forgetting counts with the most forgotten examples, margins, the log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::{App, LogLine};
use crate::tui::format;
use crate::tui::pictures::Mode;
use crate::tui::screen::{Target, View};
use crate::tui::summary::{ForgettingCounts, Summary};
use crate::tui::widgets::bars::{Bar, histogram};
use crate::tui::widgets::plot::{Plot, range};
use crate::tui::widgets::{line, lines, pane, picture};

/// Widest picture of the strip.
const PICTURE_COLUMNS: u16 = 14;
/// Rows that the strip of pictures takes, with title and captions.
const PICTURE_ROWS: u16 = 10;

/// Forgetting counts over the training examples, and the most forgotten ones with their pictures.
pub fn forgetting(app: &App, view: &mut View, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let known = app.summary().and_then(|summary| Some((summary, summary.forgetting.as_ref()?)));
    let about = known.map_or_else(String::new, |(summary, _)| about(summary));
    let title = vec![Span::styled("Forgetting counts", theme.strong()), Span::styled(about, theme.dim())];
    let inner = pane(buf, area, theme, title, app.train.pane == 1);
    let Some((summary, counts)) = known else {
        let model = app.model_name().unwrap_or("the model");
        let left_out = app.summary().map_or(0, |summary| summary.left_out);
        let text = match left_out {
            0 if app.is_imported() => format!("Forgetting counts need the scores forgetting and accuracy of {model}."),
            0 => format!("Forgetting counts need the first epoch of a run of {model}."),
            _ => format!("No run of {model} has finite losses: non-finite runs are left out."),
        };
        empty(app, buf, inner, &text);
        return;
    };
    let pictures = app.session.dataset.is_some() && app.pictures != Mode::Off && inner.height >= PICTURE_ROWS + 8;
    let below = if pictures { PICTURE_ROWS } else { 0 };
    let room = Rect { height: inner.height - below, ..inner };
    histogram(buf, room, theme, &counted(app, counts, room.height.into()));
    if below > 0 {
        most_forgotten(app, view, buf, Rect { y: room.bottom(), height: below, ..inner }, summary);
    }
}

/// Whose counts these are, and that they are means.
fn about(summary: &Summary) -> String {
    let left_out =
        if summary.left_out > 0 { format!(", {} non-finite left out", summary.left_out) } else { String::new() };
    let mean = if summary.runs > 1 { "mean of " } else { "" };
    format!(" · {}, {mean}{}{left_out}", summary.model, format::plural(summary.runs, "run", "runs"))
}

/// A bar per number of forgetting events; what doesn't fit is taken together in the last one.
fn counted(app: &App, counts: &ForgettingCounts, rows: usize) -> Vec<Bar> {
    let theme = app.theme;
    let mut bars =
        vec![Bar { name: "never learned".into(), count: counts.never_learned.round() as usize, style: theme.bad() }];
    let fit = rows.saturating_sub(1).max(1);
    let last = counts.times.len().max(1) - 1;
    for (times, count) in counts.times.iter().enumerate().take(fit) {
        let cut = times + 1 == fit && times < last;
        let count = if cut { counts.times.iter().skip(times).sum::<f64>() } else { *count }.round() as usize;
        let name = match (times, cut) {
            (_, true) => format!("{times} or more"),
            (1, _) => "1 time".into(),
            _ => format!("{times} times"),
        };
        bars.push(Bar { name, count, style: theme.difficulty(times as f32 / last.max(1) as f32) });
    }
    bars
}

/// The label, and what most runs take the example for where it differs.
fn caption(app: &App, example: usize) -> String {
    let examples = &app.session.examples;
    let label = examples.label(example).unwrap_or_default();
    let believed = app.believed(example).map(|believed| believed.class);
    match believed.filter(|class| examples.labels.get(example).is_some_and(|label| label != class)) {
        Some(class) => format!("{label}→{}", examples.class(class)),
        None => label,
    }
}

/// Pictures of the examples that were forgotten most often so far.
fn most_forgotten(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, summary: &Summary) {
    let theme = app.theme;
    let Some(dataset) = &app.session.dataset else { return };
    line(
        buf,
        area.x,
        area.y,
        area.width,
        Line::from(vec![
            Span::styled("Most forgotten now", theme.strong()),
            Span::styled(" · ← → selects", theme.dim()),
        ]),
    );
    let pictures = area.height.saturating_sub(3);
    let Some((_, size)) = app.pictures.fit(dataset.shape, (PICTURE_COLUMNS, pictures).into()) else { return };
    let names = app.session.examples.class_names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let width = size.width.max(names.clamp(6, 12) as u16) + 2;
    let mut x = area.x;
    for (example, times) in &summary.most_forgotten {
        if x + width > area.right() {
            break;
        }
        let place = Rect::new(x, area.y + 1, width - 2, pictures);
        picture::draw(buf, &mut view.gallery, theme, app.pictures, dataset, *example, place);
        let y = area.y + 1 + size.height;
        let style = if app.example == Some(*example) { theme.accent() } else { theme.text() };
        let label = caption(app, *example);
        let label = format::fit(&label, usize::from(width - 2));
        line(buf, x, y, width - 2, Line::styled(format!("{label:^w$}", w = usize::from(width - 2)), style));
        let times = format!("{} ×", format::number(f64::from(*times)));
        line(buf, x, y + 1, width - 2, Line::styled(format!("{times:^w$}", w = usize::from(width - 2)), theme.dim()));
        view.targets.push((Rect { height: place.height + 2, ..place }, Target::Example(*example)));
        x += width;
    }
}

/// Quantiles of the selected replicate's margins over epochs, with the selected example's own margin on top.
pub fn margin(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let Some(replicate) = app.replicate() else {
        pane(buf, area, theme, vec![Span::styled("Margin", theme.strong())], app.train.pane == 2);
        return;
    };
    let id = &replicate.progress.id;
    let own = app.story().and_then(|story| story.runs.iter().find(|run| run.id == *id));
    let mut title = vec![
        Span::styled("Margin over epochs", theme.strong()),
        Span::styled(format!(" · {id}, all examples"), theme.dim()),
    ];
    let color = theme.model(app.place(&id.label));
    if let (Some(_), Some(example)) = (own, app.example) {
        let number = app.session.examples.ids.get(example).copied().unwrap_or(0);
        let label = app.session.examples.label(example).map_or_else(String::new, |label| format!(" {label}"));
        title.push(Span::styled(format!(" · #{number}{label}"), color));
    }
    let inner = pane(buf, area, theme, title, app.train.pane == 2);
    if replicate.margins.is_empty() {
        let text = if app.session.imported.contains(&id.label) {
            format!("{id} was imported: it has scores, and no margins.")
        } else {
            format!("Margin curves need the first epoch of {id}.")
        };
        empty(app, buf, inner, &text);
        return;
    }
    let quantile = |i: usize| replicate.margins.iter().map(move |q| f64::from(q[i]));
    let own_margin: Vec<f64> =
        own.map(|run| run.history.margin.iter().map(|m| f64::from(*m)).collect()).unwrap_or_default();
    let values = quantile(0).chain(quantile(4)).chain(own_margin.iter().copied());
    let mut plot = Plot::new(inner, (1.0, f64::from(replicate.progress.epochs.max(2))), range(values), 5);
    plot.horizontal(0.0, theme.frame());
    app.session.milestones_of(&id.label).for_each(|epoch| plot.vertical(epoch, theme.frame()));
    let timetable = replicate.progress.timetable;
    let epochs = |values: Vec<f64>| {
        (0..).zip(values).map(|(row, value)| (f64::from(timetable.epoch_of(row)), value)).collect::<Vec<_>>()
    };
    let band: Vec<_> =
        epochs(quantile(1).collect()).into_iter().zip(quantile(3)).map(|((x, a), b)| (x, a, b)).collect();
    plot.band(&band, theme.frame());
    for (i, style, name) in [
        (0, theme.dim(), "5 %"),
        (4, theme.dim(), "95 %"),
        (1, theme.dim(), "25 %"),
        (3, theme.dim(), "75 %"),
        (2, theme.strong(), "50 %"),
    ] {
        plot.curve(epochs(quantile(i).collect()), style);
        if let Some(end) = quantile(i).next_back() {
            plot.label(end, name, style);
        }
    }
    plot.curve(epochs(own_margin), color);
    plot.draw(buf, theme, "epoch");
}

/// What happened, newest last.
pub fn log(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let own = app.replicate().map(|view| &view.progress.id).filter(|_| app.train.own_log);
    let whose = own.map_or_else(String::new, |id| format!(" · {id} only"));
    let title = vec![Span::styled("Log", theme.strong()), Span::styled(whose, theme.dim())];
    let inner = pane(buf, area, theme, title, app.train.pane == 3);
    let wanted = |entry: &&LogLine| own.is_none() || entry.id.as_ref() == own;
    let mut text: Vec<Line> = Vec::new();
    for entry in app.log.iter().rev().filter(wanted).take(inner.height.into()) {
        let wrapped = format::wrap(&entry.text, usize::from(inner.width).saturating_sub(2));
        let indented = wrapped.into_iter().enumerate();
        let entry = indented.map(|(i, part)| Line::from(if i == 0 { part } else { format!("  {part}") }));
        text.extend(entry.rev());
    }
    text.truncate(inner.height.into());
    text.reverse();
    if text.is_empty() {
        empty(app, buf, inner, "Nothing has happened yet.");
    }
    lines(buf, inner, text);
}

fn empty(app: &App, buf: &mut Buffer, area: Rect, text: &str) {
    let wrapped = format::wrap(text, area.width.into());
    lines(buf, area, wrapped.into_iter().map(|part| Line::styled(part, app.theme.dim())));
}
