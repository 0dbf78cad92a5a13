//! When is the screen drawn? When something changed, at most ten times a second for live numbers, at once for keys.

use std::io::{Stdout, Write, stdout};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyEvent};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use signal_hook::consts::SIGHUP;

use super::Outcome;
use super::app::{App, Effect, LogLine};
use super::keeper::Keeper;
use super::reader::{Nothing, Reader, hung_up};
use super::screen::{self, View};
use super::terminal::{self, Guard, Signals};
use super::worker::{Library, Workers};
use crate::train::gpus::Sampler;
use crate::{Error, Result};

/// Between two frames of live numbers.
const LIVE_FRAME: Duration = Duration::from_millis(100);
/// Between two frames while keys repeat.
const KEY_FRAME: Duration = Duration::from_millis(25);

/// Everything that one run of the workbench holds.
struct Loop<'a> {
    app: App,
    view: View,
    guard: &'a Guard,
    screen: Terminal<CrosstermBackend<Stdout>>,
    workers: Workers,
    keeper: Option<Keeper>,
    reader: Reader,
    /// Reads the GPUs while one of them trains.
    gpus: Option<Sampler>,
    /// Whether frames are sent as one update.
    synchronized: bool,
    title: String,
}

/// Draws and listens until the workbench is closed.
///
/// # Errors
/// When the terminal fails.
pub fn run(app: App, guard: &Guard, signals: &Signals, typed: Vec<KeyEvent>, multiplexed: bool) -> Result<Outcome> {
    let workers = Workers::start(&Library::of(&app.session))?;
    let keeper = app.session.verdicts.clone().map(Keeper::start).transpose()?;
    let (view, screen, reader) = (View::default(), terminal::screen()?, Reader::start()?);
    let (gpus, synchronized, title) = (None, !multiplexed, String::new());
    let mut this = Loop { app, view, guard, screen, workers, keeper, reader, gpus, synchronized, title };
    for key in typed {
        this.app.key(key);
    }
    let outcome = this.until_left(signals).or_else(|error| match signals.ended() {
        // Writing fails when the line is cut: that is the signal's doing, not an error of its own.
        Some(signal) => Ok(Outcome::Signal(signal)),
        None if hung_up() => Ok(Outcome::Signal(SIGHUP)),
        None => Err(Error::Failed(format!("the terminal failed: {error}"))),
    });
    // The guard shows the cursor again. Ratatui's own drop would too, and complain on the standard error where the
    // terminal is gone: that panics, since the standard error is gone with it.
    std::mem::forget(this.screen);
    outcome
}

impl Loop<'_> {
    fn until_left(&mut self, signals: &Signals) -> std::io::Result<Outcome> {
        let mut changed = true;
        let mut urgent = true;
        let mut drawn: Option<Instant> = None;
        loop {
            if let Some(outcome) = self.perform_effects()? {
                return Ok(outcome);
            }
            let pause = if urgent { KEY_FRAME } else { LIVE_FRAME };
            let due = drawn.map_or(Duration::ZERO, |at| pause.saturating_sub(at.elapsed()));
            if changed && due.is_zero() {
                self.draw()?;
                (changed, urgent, drawn) = (false, false, Some(Instant::now()));
            }
            let wait = if changed { due.max(Duration::from_millis(1)) } else { LIVE_FRAME };
            let mut next = self.reader.next(wait);
            while let Ok(event) = next {
                (changed, urgent) = (true, true);
                self.take(&event)?;
                next = self.reader.next(Duration::ZERO);
            }
            if next == Err(Nothing::Ever) {
                return Ok(Outcome::Signal(SIGHUP));
            }
            if let Some(signal) = signals.ended() {
                return Ok(Outcome::Signal(signal));
            }
            if signals.continued() {
                self.come_back()?;
                (changed, urgent) = (true, true);
            }
            changed |= self.listen();
        }
    }

    /// Reads the board, events and workers' answers; whether anything changed.
    fn listen(&mut self) -> bool {
        let mut changed = self.app.refresh();
        while let Some(event) = self.app.session.events.as_ref().and_then(|events| events.try_recv().ok()) {
            self.app.observe(event);
            changed = true;
        }
        while let Some(arrived) = self.app.session.arrivals.as_ref().and_then(|from| from.news.try_recv().ok()) {
            self.app.take_arrived(arrived);
            changed = true;
        }
        for text in terminal::stray_lines() {
            self.app.note(LogLine { id: None, text });
            changed = true;
        }
        while let Some(reply) = self.workers.reply() {
            self.app.receive(reply);
            self.app.ask();
            changed = true;
        }
        if let Some(kept) = self.keeper.as_ref().and_then(Keeper::news) {
            self.app.hear(kept);
            changed = true;
        }
        changed |= self.read_gpus();
        changed | self.app.tick(Instant::now())
    }

    /// Takes the newest reading of the GPUs; reads them only while one trains. Whether anything changed.
    fn read_gpus(&mut self) -> bool {
        let now = if self.app.trains_on_gpu() {
            self.gpus.get_or_insert_with(Sampler::start).reading()
        } else {
            self.gpus.take().map(|_| Vec::new())
        };
        let Some(now) = now.filter(|now| *now != self.app.gpus) else { return false };
        self.app.gpus = now;
        true
    }

    fn take(&mut self, event: &Event) -> std::io::Result<()> {
        match event {
            Event::Key(key) => self.app.key(*key),
            Event::Mouse(mouse) => self.app.mouse(*mouse, &self.view),
            Event::Resize(width, height) => self.repaint(Rect::new(0, 0, *width, *height))?,
            _ => {}
        }
        Ok(())
    }

    fn perform_effects(&mut self) -> std::io::Result<Option<Outcome>> {
        for effect in self.app.take_effects() {
            match effect {
                Effect::Ask(question) => self.workers.ask(question),
                Effect::Keep(review) => {
                    if let Some(keeper) = &self.keeper {
                        keeper.keep(review);
                    }
                }
                Effect::Send(command) => {
                    let sent = self.app.session.commands.as_ref().is_some_and(|to| to.send(command).is_ok());
                    if !sent {
                        self.app.say("Training has ended: nobody takes commands any more.");
                    }
                }
                Effect::Repaint => {
                    let size = self.screen.size()?;
                    self.repaint(Rect::new(0, 0, size.width, size.height))?;
                }
                Effect::Suspend => {
                    terminal::suspend(self.guard);
                    self.come_back()?;
                }
                Effect::Leave(outcome) => return Ok(Some(outcome)),
            }
        }
        Ok(None)
    }

    /// Takes the terminal again after the shell had it.
    fn come_back(&mut self) -> std::io::Result<()> {
        self.guard.enter().map_err(std::io::Error::other)?;
        self.title.clear();
        let size = self.screen.size()?;
        self.repaint(Rect::new(0, 0, size.width, size.height))
    }

    /// Everything is sent again with the next frame.
    fn repaint(&mut self, area: Rect) -> std::io::Result<()> {
        // `clear` would ask the terminal for the cursor, and wait for an answer that the event reader swallows.
        self.screen.resize(area)?;
        self.view.gallery.forget();
        Ok(())
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let mut out = stdout();
        if self.synchronized {
            out.write_all(b"\x1b[?2026h")?;
        }
        let Self { app, view, screen, .. } = self;
        screen.draw(|frame| screen::render(app, view, frame.buffer_mut()))?;
        app.page = view.page;
        let mut synchronized = self.synchronized;
        if let Some(dataset) = &app.session.dataset {
            // What is new is shown at once, blank where pictures come: they may take longer than a frame.
            if view.gallery.clear(&mut out)? {
                if std::mem::take(&mut synchronized) {
                    out.write_all(b"\x1b[?2026l")?;
                }
                out.flush()?;
            }
            view.gallery.send(&mut out, dataset)?;
        }
        let title = app.title();
        if title != self.title {
            write!(out, "\x1b]2;{}\x07", title.replace(char::is_control, " "))?;
            self.title = title;
        }
        if synchronized {
            out.write_all(b"\x1b[?2026l")?;
        }
        out.flush()
    }
}
