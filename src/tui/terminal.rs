//! How is the terminal taken and given back? Alternate screen, raw mode and the mouse, restored on every way out.

use std::io::{Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use crossterm::{cursor, execute, terminal};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};

use crate::{Error, Result};

/// Buttons, drags and SGR coordinates: not every move, which would be a flood over a slow line.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";
/// Window title onto the terminal's stack, and back.
const TITLE_PUSH: &[u8] = b"\x1b[22;2t";
const TITLE_POP: &[u8] = b"\x1b[23;2t";

/// The terminal while it is ours.
pub struct Guard {
    raw: Arc<AtomicBool>,
}

impl Guard {
    /// Raw mode alone, for asking what the terminal can do.
    ///
    /// # Errors
    /// Without a terminal.
    pub fn raw() -> Result<Self> {
        terminal::enable_raw_mode().map_err(|error| {
            Error::Failed(format!("no terminal ({error}): use --headless for plain progress lines"))
        })?;
        let guard = Self { raw: Arc::new(AtomicBool::new(true)) };
        restore_on_panic(Arc::clone(&guard.raw));
        Ok(guard)
    }

    /// Takes the whole screen.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn enter(&self) -> Result<()> {
        let enter = || {
            terminal::enable_raw_mode()?;
            self.raw.store(true, Ordering::Release);
            let mut out = stdout();
            out.write_all(TITLE_PUSH)?;
            execute!(out, terminal::EnterAlternateScreen, cursor::Hide)?;
            out.write_all(MOUSE_ON)?;
            out.flush()
        };
        enter().map_err(|error| Error::Failed(format!("the terminal cannot be used: {error}")))
    }

    /// Gives the screen back.
    pub fn leave(&self) {
        leave(&self.raw);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Undoes `enter`, once; a terminal that has gone away is no reason to complain.
fn leave(raw: &AtomicBool) {
    if !raw.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut out = stdout();
    let _ = out.write_all(MOUSE_OFF);
    let _ = execute!(out, terminal::LeaveAlternateScreen, cursor::Show);
    let _ = out.write_all(TITLE_POP);
    let _ = out.flush();
    let _ = terminal::disable_raw_mode();
}

/// What other threads said while panicking: a stray line would wreck the screen, so the log shows it.
static STRAY: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes what other threads said while panicking.
pub fn stray_lines() -> Vec<String> {
    std::mem::take(&mut *STRAY.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A panic of this thread gives the terminal back first; one of a worker leaves the screen alone.
fn restore_on_panic(raw: Arc<AtomicBool>) {
    let screen: ThreadId = std::thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == screen {
            leave(&raw);
        } else if raw.load(Ordering::Acquire) {
            STRAY.lock().unwrap_or_else(PoisonError::into_inner).push(info.to_string());
            return;
        }
        before(info);
    }));
}

/// The signals that matter to the screen, as flags that the event loop looks at.
pub struct Signals {
    ended: Arc<AtomicUsize>,
    continued: Arc<AtomicBool>,
}

impl Signals {
    /// Listens.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen() -> Result<Self> {
        let (ended, continued) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let refused = |error: std::io::Error| Error::Failed(format!("signals cannot be handled: {error}"));
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            let number = usize::try_from(signal).unwrap_or(0);
            signal_hook::flag::register_usize(signal, Arc::clone(&ended), number).map_err(refused)?;
        }
        signal_hook::flag::register(SIGCONT, Arc::clone(&continued)).map_err(refused)?;
        Ok(Self { ended, continued })
    }

    /// The signal that ends the program, if one came.
    pub fn ended(&self) -> Option<i32> {
        i32::try_from(self.ended.load(Ordering::Acquire)).ok().filter(|signal| *signal != 0)
    }

    /// Whether the program was stopped and goes on.
    pub fn continued(&self) -> bool {
        self.continued.swap(false, Ordering::AcqRel)
    }
}

/// Gives the terminal to the shell until `fg`; the caller takes it again and paints afresh.
pub fn suspend(guard: &Guard) {
    guard.leave();
    // The whole process group stops, as the shell expects of a job.
    let _ = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
    // The signal may be delivered to another thread a moment later than this one goes on.
    std::thread::sleep(std::time::Duration::from_millis(50));
}

/// A terminal that draws into the standard output.
///
/// # Errors
/// When its size is not known.
pub fn screen() -> Result<Terminal<CrosstermBackend<Stdout>>> {
    Terminal::new(CrosstermBackend::new(stdout()))
        .map_err(|error| Error::Failed(format!("the terminal cannot be used: {error}")))
}
