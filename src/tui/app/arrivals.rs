//! What becomes of scores that are imported while the workbench is open?

use std::sync::Arc;

use super::{App, LogLine};
use crate::tui::session::Arrived;

impl App {
    /// How often scores were imported since the workbench was opened.
    pub fn imports(&self) -> usize {
        self.imports
    }

    /// Takes scores that were imported meanwhile, whose values are on the board.
    pub fn take_arrived(&mut self, arrived: Arrived) {
        let Arrived { scores, imported, text } = arrived;
        (self.session.scores, self.session.imported) = (Arc::new(scores), imported);
        self.imports += 1;
        if let Some(text) = text {
            self.say(text.clone());
            self.note(LogLine { id: None, text });
        }
        // The values came before the message, but perhaps after the last look at the board.
        self.version = None;
        self.refresh();
    }
}
