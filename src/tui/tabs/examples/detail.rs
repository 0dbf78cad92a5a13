//! The selected example: its picture, what the networks believe, its scores, and what happened over the epochs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::scores::Harder;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::pictures::Mode;
use crate::tui::screen::View;
use crate::tui::story::RunStory;
use crate::tui::summary::{Believed, ScoreSummary, Summary};
use crate::tui::theme::level;
use crate::tui::widgets::plot::{Plot, range};
use crate::tui::widgets::{bars, line, lines, pane, picture, whole_parts};

/// Picture, class probabilities and scores of the selected example.
pub fn example(app: &App, view: &mut View, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let Some(example) = app.example else {
        pane(buf, area, theme, vec![Span::styled("Example", theme.strong())], app.examples.pane == 1);
        return;
    };
    let examples = &app.session.examples;
    let mut title = vec![Span::styled(format!("#{}", examples.ids.get(example).copied().unwrap_or(0)), theme.strong())];
    let label = examples.label(example).unwrap_or_else(|| "no label".into());
    title.push(Span::raw(format!(" · {label}")));
    if let Some(truth) = examples.truth(example) {
        title.push(Span::styled(format!(" (noise; truly {truth})"), theme.attention()));
    }
    if let Some(Believed { class, runs, of }) = app.believed(example) {
        let right = examples.labels.get(example) == Some(&class);
        let style = if right { theme.good() } else { theme.bad() };
        title.push(Span::styled(format!(" · believed {} {runs}/{of}", examples.class(class)), style));
    }
    let inner = pane(buf, area, theme, title, app.examples.pane == 1);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let below = draw_picture(app, view, buf, inner, example);
    let below = probabilities(app, buf, below, example);
    // Where not even the scores find room, the definition has two rows all the same.
    let list = app.session.scores.len() as u16 + 1;
    let rows = if below.height >= LOW { list.min(below.height - DEFINITION) } else { list.min(below.height) };
    scores(app, buf, Rect { height: rows, ..below }, example);
    definition(app, buf, Rect { y: below.y + rows, height: below.height - rows, ..below });
}

/// Rows that the definition of a score has at least, with the empty one above it; on a low screen it has what is left.
const DEFINITION: u16 = 3;
/// So few rows for the scores are low.
const LOW: u16 = 12;

/// What the score under the cursor is: its settings, what it is seen on, its definition, as far as there is room.
fn definition(app: &App, buf: &mut Buffer, area: Rect) {
    let looked_at = app.examples.looked_at().and_then(|place| app.session.scores.get(place));
    let (Some(score), true) = (looked_at, area.height >= 2) else { return };
    let area = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let (width, rows) = (usize::from(area.width), usize::from(area.height));
    let wrapped = format::wrap_to_words(&format!("{}: {}", score.name, score.about), width, rows);
    lines(buf, area, wrapped.into_iter().map(|part| Line::styled(part, app.theme.dim())));
}

/// The picture at the top; returns the room below it.
fn draw_picture(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, example: usize) -> Rect {
    let below = |rows: u16| Rect { y: area.y + rows, height: area.height.saturating_sub(rows), ..area };
    let Some(dataset) = &app.session.dataset else {
        let text = app.pictures_missing().unwrap_or_default();
        let wrapped = format::wrap(text, area.width.into());
        let rows = wrapped.len() as u16;
        lines(buf, area, wrapped.into_iter().map(|part| Line::styled(part, app.theme.dim())));
        return below(rows + 1);
    };
    if app.pictures == Mode::Off {
        return area;
    }
    // Scores keep their rows; on a low screen the picture has nearly all.
    let below_it = (app.session.scores.len() as u16).saturating_add(6).max(14);
    let rows = if area.height >= 20 {
        area.height.saturating_sub(below_it).max(area.height / 3).min(20)
    } else {
        area.height.saturating_sub(2).max(1)
    };
    let room = Rect { height: rows, ..area };
    let place = picture::draw(buf, &mut view.gallery, app.theme, app.pictures, dataset, example, room);
    below(place.map_or(0, |place| place.height + 1))
}

/// Mean class probabilities, the largest first; returns the room below.
fn probabilities(app: &App, buf: &mut Buffer, area: Rect, example: usize) -> Rect {
    let theme = app.theme;
    let wanted = app.session.scores.len() as u16 + 2 + DEFINITION;
    let classes = app.session.examples.class_names.len().max(2) as u16;
    let rows = area.height.saturating_sub(wanted).clamp(3, 7).min(classes + 1).min(area.height);
    if area.height < 4 {
        return area;
    }
    let known = app.story().and_then(|story| story.probabilities.as_ref());
    let Some((mean, runs)) = known else {
        let text = if app.is_imported() {
            "No class probabilities were imported."
        } else {
            "Class probabilities come when a run ends."
        };
        line(buf, area.x, area.y, area.width, Line::styled(text, theme.dim()));
        return Rect { y: area.y + 2, height: area.height - 2, ..area };
    };
    let head = vec![
        Span::styled("Class probabilities", theme.strong()),
        Span::styled(format!(" · {}", format::plural(*runs, "run", "runs")), theme.dim()),
    ];
    line(buf, area.x, area.y, area.width, whole_parts(head, area.width));
    let mut classes: Vec<(usize, f32)> = mean.iter().copied().enumerate().collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let longest = app.session.examples.class_names.iter().map(|name| name.chars().count()).max().unwrap_or(3).min(14);
    let label = app.session.examples.labels.get(example).map(|label| usize::from(*label));
    let bar_width = area.width.saturating_sub(longest as u16 + 7);
    for (y, (class, p)) in (area.y + 1..area.y + rows).zip(classes) {
        let name = format::fit(&app.session.examples.class(class as u16), longest);
        let style = if label == Some(class) { theme.good() } else { theme.text() };
        let text = vec![
            Span::styled(format!("{name:<longest$}"), style),
            Span::raw(format!(" {} ", format::aligned(f64::from(p), 1, 4))),
            Span::styled(bars::bar(f64::from(p), bar_width), style),
        ];
        line(buf, area.x, y, area.width, Line::from(text));
    }
    Rect { y: area.y + rows + 1, height: area.height.saturating_sub(rows + 1), ..area }
}

/// Every score with its rank and its difficult end.
fn scores(app: &App, buf: &mut Buffer, area: Rect, example: usize) {
    let theme = app.theme;
    let Some(summary) = app.summary().filter(|_| area.height >= 2) else { return };
    let behind = runs_behind(summary, example);
    let head = vec![
        Span::styled("Scores", theme.strong()),
        Span::styled(format!(" · mean of {}", format::part(behind, summary.runs, "run", "runs")), theme.dim()),
        Span::styled(", rank", theme.dim()),
        Span::styled(", hard end", theme.dim()),
    ];
    line(buf, area.x, area.y, area.width, whole_parts(head, area.width));
    let counts: Vec<Counts> = summary.scores.iter().map(|values| Counts::of(values, example, behind)).collect();
    let names = app.session.scores.iter().map(|score| score.name.chars().count());
    let (longest, short) = columns(names.max().unwrap_or(4), &counts, area.width.into());
    let rows = app.session.scores.iter().zip(&summary.scores).zip(&counts).map(|((score, values), counts)| {
        let mean = values.mean.get(example).map_or(f64::NAN, |mean| f64::from(*mean));
        let rank = values.rank.get(example).copied().unwrap_or(0);
        let hardness = values.hardness.get(example).copied().unwrap_or(0.0);
        let end = if score.harder == Harder::High { "high" } else { "low" };
        let ranked = if rank > 0 { format::count(rank as usize) } else { format::MISSING.into() };
        let mark = if rank > 0 { level(hardness) } else { " " };
        let parts = vec![
            Span::styled(format!("{:<longest$} ", format::fit(&score.name, longest)), theme.dim()),
            Span::raw(format::aligned(mean, 4, 4)),
            Span::raw(format!(" {ranked:>6} ")),
            Span::styled(mark, theme.difficulty(hardness)),
            Span::styled(if short { counts.short.clone() } else { counts.long.clone() }, theme.attention()),
            Span::styled(format!(" {end:<4}"), theme.dim()),
        ];
        whole_parts(parts, area.width)
    });
    lines(buf, Rect { y: area.y + 1, height: area.height - 1, ..area }, rows);
}

/// Columns of a row of the scores that are neither name nor count: spaces, value, rank and shade.
const NUMBERS: usize = 1 + 8 + 8 + 1;
/// A name that is cut to fewer columns tells little.
const SHORTEST_NAME: usize = 12;
/// One that is cut to fewer tells nothing: on a screen that narrow the counts give way.
const LEAST_NAME: usize = 9;

/// How wide the names are, and whether counts are in short: names are cut before counts are dropped.
fn columns(longest: usize, counts: &[Counts], width: usize) -> (usize, bool) {
    let widest =
        |text: fn(&Counts) -> &str| counts.iter().map(|counts| text(counts).chars().count()).max().unwrap_or(0);
    let (long, short) = (widest(|counts| &counts.long), widest(|counts| &counts.short));
    if long == 0 {
        return (longest, false);
    }
    let room = |count: usize| width.saturating_sub(NUMBERS + count);
    if room(long) >= longest.min(SHORTEST_NAME) {
        return (longest.min(room(long)), false);
    }
    let name = room(short);
    (if name < LEAST_NAME { longest } else { longest.min(name) }, true)
}

/// How many runs stand behind the means of an example: the most behind any score that runs have.
fn runs_behind(summary: &Summary, example: usize) -> usize {
    let of_runs = summary.scores.iter().filter(|values| values.runs > 0);
    let most = of_runs.filter_map(|values| values.counts.get(example)).max();
    most.map_or(summary.runs, |most| usize::from(*most))
}

/// How many runs stand behind a value, where the header does not say it.
#[derive(Default)]
struct Counts {
    long: String,
    short: String,
}

impl Counts {
    /// Of a score; `behind` is what the header says.
    fn of(values: &ScoreSummary, example: usize, behind: usize) -> Self {
        if let Some([inside, outside]) = values.sides(example) {
            return Self { long: format!(" {inside} in, {outside} out"), short: format!(" {inside}+{outside}") };
        }
        match values.counts.get(example).map(|count| usize::from(*count)) {
            Some(count) if count > 0 && count != behind => Self {
                long: format!(" of {}", format::plural(count, "run", "runs")),
                short: format!(" of {}", format::count(count)),
            },
            _ => Self::default(),
        }
    }
}

/// A row per run, a cell per observation: whether the prediction was the label.
pub fn correctness(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let seldom = app.views.iter().any(|view| view.progress.timetable.every > 1);
    let cell = if seldom { "observation" } else { "epoch" };
    let title = vec![
        Span::styled("Right or wrong", theme.strong()),
        Span::styled(format!(" · a row per run, a cell per {cell}: "), theme.dim()),
        Span::styled("· right", theme.good()),
        Span::styled("  ▪ wrong", theme.bad()),
    ];
    let inner = pane(buf, area, theme, title, app.examples.pane == 2);
    let Some(story) = app.story() else {
        waiting(app, buf, inner);
        return;
    };
    let label = app.example.and_then(|example| app.session.examples.labels.get(example).copied());
    let (Some(label), false) = (label, story.runs.is_empty() || app.is_imported()) else {
        let text = if label.is_none() { "Without labels nothing is right or wrong." } else { no_history(app) };
        line(buf, inner.x + 1, inner.y, inner.width, Line::styled(text, theme.dim()));
        return;
    };
    for (y, run) in (inner.top()..inner.bottom()).zip(&story.runs) {
        let place = app.place(&run.id.label);
        line(buf, inner.x + 1, y, 7, Line::styled(format!("run {:02}", run.id.index), theme.model(place)));
        line(
            buf,
            inner.x + 9,
            y,
            inner.width.saturating_sub(10),
            strip(app, run, label, inner.width.saturating_sub(10)),
        );
    }
}

/// One run's cells; where epochs outnumber the columns, a cell shows the share of several that were wrong.
fn strip(app: &App, run: &RunStory, label: u16, width: u16) -> Line<'static> {
    let predicted = &run.history.predicted;
    if predicted.is_empty() {
        return Line::styled("not observed", app.theme.dim());
    }
    let per_cell = predicted.len().div_ceil(usize::from(width.max(1)));
    let cell = |epochs: &[u16]| {
        let wrong = epochs.iter().filter(|class| **class != label).count();
        match (wrong, per_cell) {
            (0, _) => Span::styled("·", app.theme.good()),
            (_, 1) => Span::styled("▪", app.theme.bad()),
            _ => Span::styled(level(wrong as f32 / epochs.len() as f32), app.theme.bad()),
        }
    };
    Line::from(predicted.chunks(per_cell).map(cell).collect::<Vec<_>>())
}

/// The margin over epochs: a curve per run, and the band that they span.
pub fn margin(app: &App, buf: &mut Buffer, area: Rect) {
    let theme = app.theme;
    let title = vec![
        Span::styled("Margin over epochs", theme.strong()),
        Span::styled(" · mean and range of the runs; below 0: wrong", theme.dim()),
    ];
    let inner = pane(buf, area, theme, title, app.examples.pane == 3);
    let Some(story) = app.story() else {
        waiting(app, buf, inner);
        return;
    };
    if story.band.is_empty() {
        let text = story.problem.clone().unwrap_or_else(|| no_history(app).into());
        let wrapped = format::wrap(&text, inner.width.saturating_sub(2).into());
        lines(buf, Rect { x: inner.x + 1, ..inner }, wrapped.into_iter().map(|part| Line::styled(part, theme.dim())));
        return;
    }
    let label = story.runs.first().map(|run| run.id.label.as_str()).unwrap_or_default();
    let own = app.views.iter().find(|view| view.progress.id.label == label);
    let timetable = own.map(|view| view.progress.timetable).unwrap_or_default();
    let epochs = timetable.epochs.max(2);
    let values = story.band.iter().flat_map(|[low, _, high]| [f64::from(*low), f64::from(*high), 0.0]);
    let mut plot = Plot::new(inner, (1.0, f64::from(epochs)), range(values), 1);
    let over = |row: usize, value: f32| (f64::from(timetable.epoch_of(row as u32)), f64::from(value));
    let color = theme.model(app.model);
    let band: Vec<_> =
        story.band.iter().enumerate().map(|(t, b)| (over(t, b[0]).0, f64::from(b[0]), f64::from(b[2]))).collect();
    plot.band(&band, theme.frame());
    app.session.milestones_of(label).for_each(|epoch| plot.vertical(epoch, theme.frame()));
    for run in &story.runs {
        plot.curve(run.history.margin.iter().enumerate().map(|(t, m)| over(t, *m)), theme.dim());
    }
    plot.curve(story.band.iter().enumerate().map(|(t, b)| over(t, b[1])), color);
    plot.horizontal(0.0, theme.attention());
    plot.draw(buf, theme, "epoch");
}

/// Why nothing is known of the epochs.
fn no_history(app: &App) -> &'static str {
    if app.is_imported() {
        "Imported scores come without a history of training."
    } else {
        "Comes with the first epoch."
    }
}

fn waiting(app: &App, buf: &mut Buffer, area: Rect) {
    line(buf, area.x + 1, area.y, area.width, Line::styled("Reading…", app.theme.dim()));
}
