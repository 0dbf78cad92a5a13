//! How does a person watch and steer a study? The workbench: tabs over the live board, drawn with ratatui.
//!
//! ```text
//!  board, events --> App (plain state) --> screen::render --> terminal        keys, mouse --> App --> commands
//!                     ^     |                     |
//!       worker answers|     v questions           v wanted pictures --> Gallery --> sixels
//!                    Workers (history, means and ranks, correlation)
//! ```
//! Nothing below knows that a screen exists. `App` holds no terminal and no clock, so that every screen is drawn
//! into a buffer by the tests; what is known only while drawing (places for the mouse, scroll offsets, wanted
//! pictures) is in [`screen::View`].

pub mod app;
mod event_loop;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod keeper;
pub mod keys;
mod overlays;
pub mod pictures;
mod query;
mod reader;
pub mod screen;
pub mod session;
pub mod story;
pub mod summary;
pub mod tabs;
mod terminal;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod widgets;
pub mod worker;

pub use session::{Examples, History, HistorySource, ScoreColumn, Session};

use crate::Result;
use pictures::Mode;
use query::Answers;
use theme::{Depth, Theme};

/// How pictures are to be drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Graphics {
    /// Sixels where the terminal says that it draws them, else half-blocks.
    #[default]
    Auto,
    /// Sixels wherever the cell size is known.
    Sixel,
    /// Half-blocks.
    Blocks,
    /// No pictures.
    Off,
}

/// How the workbench looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Pictures.
    pub graphics: Graphics,
    /// Colours.
    pub theme: theme::Choice,
}

/// How the workbench was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing ran.
    Finished,
    /// A person ended a running study; the command was sent.
    Quit {
        /// The running epochs have been ended; otherwise work goes back to the last checkpoints.
        after_epoch: bool,
    },
    /// A finished study is to be run afresh.
    Afresh,
    /// A signal of this number ended it.
    Signal(i32),
}

/// Opens the workbench and returns when it is closed; the terminal is then as it was.
///
/// # Errors
/// Without a terminal, or when it fails.
pub fn run(session: Session, options: Options) -> Result<Outcome> {
    // Before raw mode: a signal while the terminal is asked must give it back too.
    let signals = terminal::Signals::listen()?;
    let guard = terminal::Guard::raw()?;
    let answers = query::ask();
    let multiplexed = is_multiplexed(|name| std::env::var(name).ok());
    let depth = Depth::from_environment(|name| std::env::var(name).ok());
    // Under NO_COLOR crossterm would send a bare reset for every colour, which wipes bold and reverse:
    // our theme has no colours then, and what it sends must come through.
    crossterm::style::force_color_output(true);
    let theme = Theme::new(options.theme, depth, answers.light);
    let mode = picture_mode(options.graphics, &answers, multiplexed);
    guard.enter()?;
    event_loop::run(app::App::new(session, theme, mode), &guard, &signals, answers.typed, multiplexed)
}

/// Whether a terminal multiplexer stands between us and the terminal.
fn is_multiplexed(get: impl Fn(&str) -> Option<String>) -> bool {
    let term = get("TERM").unwrap_or_default();
    get("TMUX").is_some() || get("STY").is_some() || term.starts_with("tmux") || term.starts_with("screen")
}

fn picture_mode(graphics: Graphics, answers: &Answers, multiplexed: bool) -> Mode {
    let sixel = answers.cell.map(|(width, height)| Mode::Sixel { width, height });
    match graphics {
        Graphics::Off => Mode::Off,
        Graphics::Blocks => Mode::Blocks,
        Graphics::Sixel => sixel.unwrap_or(Mode::Blocks),
        Graphics::Auto => sixel.filter(|_| answers.sixel && !multiplexed).unwrap_or(Mode::Blocks),
    }
}
