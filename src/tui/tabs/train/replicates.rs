//! What is each replicate doing? A row each: progress, speed, accuracy, time left.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::glyph;
use crate::store::record::State;
use crate::train::board::Progress;
use crate::train::eta;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::screen::{Target, View};
use crate::tui::theme::Theme;
use crate::tui::widgets::{bars, line, line_right, pane, scrolled};

/// Where the columns begin and end, from the room there is.
struct Columns {
    model: u16,
    epoch: u16,
    device: u16,
    gauge: u16,
    speed: u16,
    left: u16,
}

/// A GPU's full name is in its record; `cuda:0` tells it from its neighbours.
fn device(progress: &Progress) -> &str {
    progress.device.split(' ').next().unwrap_or("")
}

impl Columns {
    fn of(app: &App, width: u16) -> Self {
        let longest = app.models.iter().map(|model| model.chars().count()).max().unwrap_or(5).clamp(5, 16) as u16;
        let device = app.views.iter().map(|v| device(&v.progress).chars().count()).max().unwrap_or(0).max(6) as u16;
        let digits = app.views.iter().map(|v| v.progress.epochs.to_string().len()).max().unwrap_or(1) as u16;
        let epoch = (2 * digits + 2).max(9);
        let mut columns = Self { model: longest, epoch, device: device + 2, gauge: 0, speed: 9, left: 18 };
        // What identifies and what is left stay; the device, then the speed give way to the gauge.
        let fixed = |c: &Self| 2 + c.model + 5 + c.device + c.epoch + c.speed + 14 + c.left;
        if fixed(&columns) + 10 > width {
            columns.device = 0;
        }
        if fixed(&columns) + 6 > width {
            columns.speed = 0;
        }
        columns.gauge = width.saturating_sub(fixed(&columns)).min(30);
        columns
    }
}

/// Draws the pane; the GPUs are named in its title where they have no pane of their own.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer, area: Rect, gpus_shown: bool) {
    let theme = app.theme;
    let known = app.session.commands.is_some() && !(app.session.remote && app.under_way() == 0);
    let jobs = if known { format!(" · {} at once", app.jobs) } else { String::new() };
    let mut title = vec![Span::styled("Replicates", theme.strong()), Span::styled(jobs, theme.dim())];
    if !gpus_shown {
        title.extend(super::gpus::words(&app.gpus).into_iter().map(|words| Span::styled(words, theme.dim())));
    }
    let inner = pane(buf, area, theme, title, app.train.pane == 0);
    if inner.height < 2 {
        return;
    }
    let columns = Columns::of(app, inner.width);
    head(theme, buf, inner, &columns);
    let rows = usize::from(inner.height - 1);
    view.page = rows;
    view.first_replicate = scrolled(view.first_replicate, app.train.replicate, rows, app.views.len());
    let shown = app.views.iter().enumerate().skip(view.first_replicate).take(rows);
    for (y, (place, replicate)) in (inner.y + 1..).zip(shown) {
        let row = Rect { y, height: 1, ..inner };
        if place == app.train.replicate {
            buf.set_style(row, theme.selected());
        }
        view.targets.push((row, Target::Replicate(place)));
        draw_row(app, buf, row, &columns, &replicate.progress);
    }
}

fn head(theme: Theme, buf: &mut Buffer, area: Rect, columns: &Columns) {
    let mut x = area.x + 2;
    let mut name = |text: &str, width: u16, right: bool| {
        if width > 0 && right {
            line_right(buf, x + width, area.y, width, Line::styled(text.to_owned(), theme.dim()));
        } else if width > 0 {
            line(buf, x, area.y, width, Line::styled(text.to_owned(), theme.dim()));
        }
        x += width;
    };
    name("model", columns.model, false);
    name("run", 5, true);
    name("  device", columns.device, false);
    name("epoch", columns.epoch, true);
    name("", columns.gauge, false);
    name("ex/s", columns.speed, true);
    name("train", 7, true);
    name("test", 7, true);
    name("  ETA", columns.left, false);
}

fn draw_row(app: &App, buf: &mut Buffer, row: Rect, columns: &Columns, progress: &Progress) {
    let theme = app.theme;
    let running = progress.state == State::Running;
    let style = state_style(theme, progress);
    let place = app.place(&progress.id.label);
    let mut x = row.x;
    line(buf, x, row.y, 1, Line::styled(glyph(progress.state), style));
    x += 2;
    let model = format::fit(&progress.id.label, columns.model.into());
    line(buf, x, row.y, columns.model, Line::styled(model, theme.model(place)));
    x += columns.model;
    line_right(buf, x + 5, row.y, 5, format!("{:03}", progress.id.index));
    x += 5;
    if columns.device > 0 {
        line(buf, x + 2, row.y, columns.device - 2, Line::styled(device(progress).to_owned(), theme.dim()));
    }
    x += columns.device;
    // What waits has nothing to show yet, what was imported never will.
    let waiting = (progress.state == State::Queued && progress.epochs_done == 0) || progress.epochs == 0;
    if !waiting {
        line_right(
            buf,
            x + columns.epoch,
            row.y,
            columns.epoch - 1,
            format!("{}/{}", progress.epochs_done, progress.epochs),
        );
    }
    x += columns.epoch;
    if columns.gauge > 3 && !waiting {
        let (filled, rest) = if running { theme.gauge(place) } else { (theme.frame(), theme.frame()) };
        let gauge = bars::gauge(eta::share_done(progress), columns.gauge - 2, filled, rest);
        line(buf, x + 2, row.y, columns.gauge - 2, Line::from(gauge));
    }
    x += columns.gauge;
    if columns.speed > 0 && running {
        line_right(
            buf,
            x + columns.speed,
            row.y,
            columns.speed,
            format::count(progress.examples_per_s.max(0.0) as usize),
        );
    }
    x += columns.speed;
    for accuracy in [progress.train_accuracy, progress.test_accuracy] {
        if accuracy.is_some() {
            line_right(buf, x + 7, row.y, 6, format::share(accuracy));
        }
        x += 7;
    }
    let (text, style) = last_column(app, progress, style);
    line(buf, x + 2, row.y, columns.left - 2, Line::styled(text, style));
}

fn last_column(app: &App, progress: &Progress, style: Style) -> (String, Style) {
    let text = match progress.state {
        _ if progress.non_finite => "! non-finite".into(),
        State::Running => {
            return match eta::replicate(progress, app.session.examples.train) {
                // Its epochs are behind it: the passes of scores, which may take minutes, and its files.
                Some(left) if left <= 0.0 => ("passes".into(), app.theme.text()),
                Some(left) => (format::duration(left), app.theme.text()),
                None => ("starting".into(), app.theme.dim()),
            };
        }
        State::Finished if progress.seconds > 0.0 => format!("took {}", format::duration(progress.seconds)),
        _ => progress.word().into(),
    };
    (text, style)
}

fn state_style(theme: Theme, progress: &Progress) -> Style {
    match progress.state {
        _ if progress.non_finite => theme.bad(),
        State::Running => theme.accent(),
        State::Paused => theme.attention(),
        State::Finished => theme.good(),
        State::Failed => theme.bad(),
        State::Queued | State::Skipped => theme.dim(),
    }
}
