//! Keys, text and the mouse, turned into actions.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::App;
use crate::tui::keys::{self, Action, Context};
use crate::tui::screen::{Target, View};
use crate::tui::tabs::Tab;

impl App {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        if let Some(action) = keys::action(self.context(), key) {
            self.act(action);
        } else if self.context() == Context::Filter {
            self.type_filter(key);
        } else if self.context() == Context::NewLabel {
            self.type_label(key.code);
        }
    }

    fn type_filter(&mut self, key: KeyEvent) {
        let control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(character) if !control => self.examples.type_character(character),
            KeyCode::Backspace => self.examples.backspace(),
            _ => return,
        }
        if self.examples.understand_input(&self.session) {
            self.rearrange();
            self.ask();
        }
    }

    /// Takes the mouse, given what was drawn where.
    pub fn mouse(&mut self, event: MouseEvent, view: &View) {
        if self.overlay.is_some() {
            return;
        }
        match event.kind {
            MouseEventKind::ScrollUp => self.act(Action::Up),
            MouseEventKind::ScrollDown => self.act(Action::Down),
            MouseEventKind::Down(MouseButton::Left) => {
                let at = Position::new(event.column, event.row);
                // What was drawn last lies on top.
                if let Some((_, target)) = view.targets.iter().rev().find(|(area, _)| area.contains(at)) {
                    self.click(*target);
                }
            }
            _ => {}
        }
    }

    fn click(&mut self, target: Target) {
        match target {
            Target::Tab(tab) => self.act(tab.action()),
            Target::Pane(pane) => self.focus(pane),
            Target::Replicate(place) => {
                self.train.chosen = true;
                self.focus(0);
                self.select_replicate(place);
            }
            Target::Row(row) => {
                self.focus(0);
                self.examples.chosen = true;
                self.example = self.examples.jump(row).or(self.example);
            }
            Target::Column(column) => {
                let again = self.examples.column == column;
                self.examples.column = column;
                if again {
                    self.act(Action::Sort);
                }
            }
            Target::Example(example) => self.select_example(Some(example)),
            Target::Figure(figure) => {
                if let Tab::Answer(name) = self.tab {
                    self.look_at_figure(name, figure);
                }
            }
            Target::Cell(matrix, row, column) => {
                self.correlation.matrix = matrix;
                self.correlation.row = row;
                self.correlation.column = column;
            }
        }
        self.ask();
    }
}
