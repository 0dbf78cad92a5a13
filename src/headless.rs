//! Plain progress: one line per epoch, a table at the end; for logs, pipes and terminals that are none.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::store::record::State;
use crate::train::board::{Board, Progress, ReplicateView};
use crate::train::events::Event;
use crate::train::{Crew, eta};
use crate::{Error, Result};

/// A line for every running replicate at least so often, so that a long epoch does not look like a hang.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// How following a study ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to do.
    Idle,
    /// A signal asked for the end.
    Interrupted,
}

/// Prints notes, then progress until nothing runs any more or a signal comes; then ends the crew.
///
/// # Errors
/// When stdout or the study's folder cannot be written to (training is stopped in good order first).
pub fn follow(
    crew: Crew,
    events: &Receiver<Event>,
    board: &Arc<Board>,
    notes: &[String],
    out: &Mutex<dyn Write>,
) -> Result<Ended> {
    let stop = signals()?;
    let notes = notes.iter().try_for_each(|note| say(out, &format!("note: {note}")));
    let ended = notes.and_then(|()| print_until_idle(events, board, &stop, out));
    crew.end(false);
    ended
}

/// A flag that SIGINT, SIGTERM and SIGHUP raise.
fn signals() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let raised = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, raised.clone())
            .map_err(|error| Error::Failed(format!("cannot listen for signals: {error}")))?;
    }
    Ok(raised)
}

fn print_until_idle(
    events: &Receiver<Event>,
    board: &Board,
    stop: &AtomicBool,
    out: &Mutex<dyn Write>,
) -> Result<Ended> {
    let mut last_line = std::time::Instant::now();
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(Ended::Interrupted);
        }
        let lines = match events.recv_timeout(Duration::from_millis(100)) {
            Ok(Event::Idle) | Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Idle),
            Ok(Event::Halted { reason }) => {
                return Err(Error::Failed(format!("{reason}, then run the same command again")));
            }
            Ok(event) => describe(&event, &board.snapshot()).into_iter().collect(),
            Err(RecvTimeoutError::Timeout) if last_line.elapsed() > LINE_EVERY => running(&board.snapshot()),
            Err(RecvTimeoutError::Timeout) => Vec::new(),
        };
        if !lines.is_empty() {
            last_line = std::time::Instant::now();
        }
        for line in lines {
            say(out, &line)?;
        }
    }
}

/// Writes one line.
///
/// # Errors
/// When the stream is closed or full.
pub fn say(out: &Mutex<dyn Write>, line: &str) -> Result<()> {
    let mut out = out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Error::io("standard output"))
}

fn describe(event: &Event, views: &[ReplicateView]) -> Option<String> {
    match event {
        Event::Epoch { id, epoch, train_loss, train_accuracy, test_accuracy, seconds } => {
            let progress = views.iter().map(|view| &view.progress).find(|progress| progress.id == *id)?;
            let loss = if train_loss.is_finite() { format!("{train_loss:.4}") } else { "not finite".to_owned() };
            let all: Vec<&Progress> = views.iter().map(|view| &view.progress).collect();
            let share = eta::study_share(&all) * 100.0;
            Some(format!(
                "{id} epoch {epoch}/{}  loss {loss}  train {train_accuracy:.3}  test {test_accuracy:.3}  \
                 {seconds:.1} s  {:.0} examples/s  [{share:.0} % of all]",
                progress.epochs, progress.examples_per_s
            ))
        }
        Event::State { id, state, reason } => {
            let word = state.word();
            Some(reason.as_ref().map_or(format!("{id} {word}"), |reason| format!("{id} {word}: {reason}")))
        }
        Event::Log { id: Some(id), text } => Some(format!("{id} {text}")),
        Event::Log { id: None, text } => Some(text.clone()),
        Event::Jobs(jobs) => Some(format!("from now on {jobs} at once")),
        Event::Ending { after_epoch: true } => Some("asked to stop: ending after the running epochs".into()),
        Event::Ending { after_epoch: false } => Some("asked to stop now: back to the last checkpoints".into()),
        Event::Halted { reason } => Some(reason.clone()),
        Event::Idle => None,
    }
}

fn running(views: &[ReplicateView]) -> Vec<String> {
    let line = |progress: &Progress| {
        format!(
            "{} epoch {}/{} step {}/{}  {:.0} examples/s",
            progress.id,
            // After the last epoch come the passes of finishing.
            (progress.epochs_done + 1).min(progress.epochs),
            progress.epochs,
            progress.step,
            progress.steps,
            progress.examples_per_s
        )
    };
    views.iter().map(|view| &view.progress).filter(|progress| progress.state == State::Running).map(line).collect()
}
