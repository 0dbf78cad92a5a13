//! How does training go? Replicates, GPUs, forgetting counts, margins over epochs, and the log.

mod gpus;
mod panes;
mod replicates;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use crate::store::record::State;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::screen::{Target, View};

/// State of the tab.
#[derive(Debug, Default)]
pub struct Train {
    /// The selected replicate's place on the board.
    pub replicate: usize,
    /// Whether a person selected it.
    pub chosen: bool,
    /// The focused pane: replicates, forgetting counts, margin, log.
    pub pane: usize,
    /// Whether the log shows the selected replicate's lines only.
    pub own_log: bool,
}

/// A state in a glyph.
pub fn glyph(state: State) -> &'static str {
    match state {
        State::Queued => "·",
        State::Running => "▶",
        State::Paused => "‖",
        State::Finished => "✔",
        State::Failed => "✘",
        State::Skipped => "»",
    }
}

/// Draws the tab; returns its reading.
pub fn render(app: &App, view: &mut View, buf: &mut Buffer, body: Rect) -> String {
    for (pane, area) in arrangement(app, body) {
        view.targets.push((area, Target::Pane(pane)));
        match pane {
            0 => {
                let (replicates, gpus) = gpus::divide(app, area);
                replicates::render(app, view, buf, replicates, gpus.is_some());
                if let Some(area) = gpus {
                    gpus::render(app, buf, area);
                }
            }
            1 => panes::forgetting(app, view, buf, area),
            2 => panes::margin(app, buf, area),
            _ => panes::log(app, buf, area),
        }
    }
    reading(app)
}

/// Which pane is where: a focused pane that has no place gets the whole body, as a zoomed one does.
fn arrangement(app: &App, body: Rect) -> Vec<(usize, Rect)> {
    let panes = if body.width >= 120 && body.height >= 26 {
        let [top, bottom] = Layout::vertical([Constraint::Fill(5), Constraint::Fill(4)]).areas(body);
        let [replicates, forgetting] = Layout::horizontal([Constraint::Fill(11), Constraint::Fill(10)]).areas(top);
        let [margin, log] = Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(bottom);
        vec![(0, replicates), (1, forgetting), (2, margin), (3, log)]
    } else {
        let rows = (app.views.len() as u16 + 3).min(body.height / 3 + 1).max(5);
        let [replicates, rest] = Layout::vertical([Constraint::Length(rows), Constraint::Fill(1)]).areas(body);
        let [forgetting, margin] = Layout::horizontal([Constraint::Fill(4), Constraint::Fill(5)]).areas(rest);
        vec![(0, replicates), (1, forgetting), (2, margin)]
    };
    let focused = app.train.pane;
    if app.zoomed || !panes.iter().any(|(pane, _)| *pane == focused) { vec![(focused, body)] } else { panes }
}

fn reading(app: &App) -> String {
    let Some(view) = app.replicate() else {
        return "This study has no replicates.".into();
    };
    let progress = &view.progress;
    let mut sentences = vec![match (&progress.reason, progress.state) {
        (None, _) if app.session.imported.contains(&progress.id.label) => {
            format!("{} was imported: it has scores, and no history.", progress.id)
        }
        (Some(reason), _) => format!("{} is {}: {reason}.", progress.id, progress.state.word()),
        (None, State::Running) if progress.epochs_done >= progress.epochs => {
            format!("{} has ended its last epoch and writes its results.", progress.id)
        }
        (None, State::Running) => {
            format!("{} is in epoch {} of {}.", progress.id, progress.epochs_done + 1, progress.epochs)
        }
        (None, state) => format!("{} is {} after epoch {}.", progress.id, state.word(), progress.epochs_done),
    }];
    if let Some([low, .., high]) = view.margins.last().filter(|quantiles| !quantiles[0].is_nan()) {
        let range = [low, high].map(|q| format::number(f64::from(*q)));
        sentences.push(format!("90 % of its margins lie between {} and {}.", range[0], range[1]));
    }
    if let Some((summary, counts)) = app.summary().and_then(|s| Some((s, s.forgetting.as_ref()?))) {
        let learned: f64 = counts.times.iter().sum();
        let kept = counts.times.first().copied().unwrap_or(0.0);
        let forgotten = format::percent((learned - kept) / (learned + counts.never_learned).max(1.0));
        let whose = if summary.runs > 1 { "On average a" } else { "The" };
        sentences.push(format!("{whose} run of {} forgot {forgotten} of the examples at least once.", summary.model));
    }
    if app.session.afresh && !app.unfinished() {
        sentences.push("r runs the demo afresh.".into());
    }
    sentences.join(" ")
}
