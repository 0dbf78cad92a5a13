//! What does the person type? Read on a thread of its own, so that nothing the terminal does can hold the screen.
//!
//! When a terminal hangs up, crossterm 0.29 reads its end of file again and again and never returns; half an escape
//! sequence blocks it. The screen must still see signals then, and end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Error, Result};

/// Between two looks at whether the reader is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The reading thread; it ends when this is dropped, or with the terminal.
pub struct Reader {
    events: Receiver<Event>,
    unwanted: Arc<AtomicBool>,
}

/// Why no event came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nothing {
    /// In that time.
    Yet,
    /// The terminal is gone.
    Ever,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start() -> Result<Self> {
        let (tell, events) = unbounded();
        let unwanted = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&unwanted);
        std::thread::Builder::new()
            .name("keyboard".into())
            .spawn(move || read_until(&stop, &tell))
            .map_err(|error| Error::Failed(format!("no thread for the keyboard: {error}")))?;
        Ok(Self { events, unwanted })
    }

    /// The next event within a time.
    ///
    /// # Errors
    /// Why there is none.
    pub fn next(&self, within: Duration) -> Result<Event, Nothing> {
        self.events.recv_timeout(within).map_err(|error| if error.is_timeout() { Nothing::Yet } else { Nothing::Ever })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Release);
    }
}

fn read_until(stop: &AtomicBool, tell: &Sender<Event>) {
    while !stop.load(Ordering::Acquire) && !hung_up() {
        let heard = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(_) => break,
        };
        if !heard.is_ok_and(|event| tell.send(event).is_ok()) {
            break;
        }
    }
}

/// Whether the terminal is gone.
pub fn hung_up() -> bool {
    let stdin = std::io::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    let now = Timespec::default();
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
        || !stdin.is_terminal() && !std::io::stdout().is_terminal()
}
