//! What each command does; one file per command.

pub mod analyze;
mod arrivals;
pub mod bench;
pub mod ctl;
pub mod data;
pub mod demo;
pub mod desk;
pub mod detach;
pub mod disk;
pub mod export;
pub mod fetch;
pub mod gather;
pub mod import;
pub mod launch;
pub mod logs;
pub mod open;
pub mod plan_text;
pub mod report;
pub mod run;
pub mod screen;
pub mod status;

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use crate::{Error, Result};

/// The exit codes of CONTRACTS: what a script can tell without reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Finished, but some replicates failed or were non-finite.
    Flawed,
    /// Interrupted; running it again goes on.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Flawed => Self::from(3),
            Exit::Interrupted => Self::from(130),
        }
    }
}

/// Whether the workbench can be shown: standard output is a terminal that can do more than print lines.
pub(crate) fn has_screen() -> bool {
    let can_move = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    std::io::stdout().is_terminal() && can_move
}

/// Says something beside the output; nobody listening is no reason to stop.
pub fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error, a full disk is.
///
/// # Errors
/// When the text could not be written.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("standard output")(error)),
        _ => Ok(()),
    }
}
