//! What happens when a key is pressed? Each action changes the state or asks something of the world around it.

use super::{App, Confirmed, Effect, Overlay};
use crate::store::record::State;
use crate::train::eta;
use crate::train::events::{Command, Target};
use crate::tui::keys::Action;
use crate::tui::tabs::Tab;
use crate::tui::{Outcome, format};

impl App {
    /// Does an action, or says why it cannot be done.
    pub fn act(&mut self, action: Action) {
        if let Err(reason) = self.enabled(action) {
            self.say(reason);
            return;
        }
        match action {
            Action::Up => self.step(-1),
            Action::Down => self.step(1),
            Action::PageUp => self.step(-(self.page.max(1) as isize)),
            Action::PageDown => self.step(self.page.max(1) as isize),
            Action::First => self.step(isize::MIN / 2),
            Action::Last => self.step(isize::MAX / 2),
            Action::Left => self.sideways(-1),
            Action::Right => self.sideways(1),
            Action::TabTrain => self.open(Tab::Train),
            Action::TabExamples | Action::GoToExample => self.go_to_example(action),
            Action::TabCorrelation => self.open(Tab::Correlation),
            Action::TabOfKey(key) => {
                if let Some(tab) = Tab::of_key(key) {
                    self.open(tab);
                }
            }
            Action::NextTab => self.open(self.tab.turned(1)),
            Action::PreviousTab => self.open(self.tab.turned(-1)),
            Action::NextPane => self.focus((self.focused() + 1) % self.panes()),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::NextModel => self.next_model(),
            Action::Help => self.overlay = Some(Overlay::Help(0)),
            Action::Back => self.back(),
            Action::Quit => self.quit(),
            Action::Interrupt => self.interrupt(),
            Action::Suspend => self.effects.push(Effect::Suspend),
            Action::Repaint => self.effects.push(Effect::Repaint),
            Action::Sort => self.sort(),
            Action::Filter => self.examples.start_input(),
            Action::AcceptFilter => self.accept_filter(),
            Action::Mark => self.mark(),
            Action::Verdict => self.overlay = Some(Overlay::Verdict),
            Action::Judge(verdict) => self.judge(verdict),
            Action::AcceptLabel => self.accept_label(),
            Action::TakeBelieved => self.take_believed(),
            Action::Freeze => self.freeze(),
            Action::NextOfClass => self.next_of_class(true),
            Action::PreviousOfClass => self.next_of_class(false),
            Action::TurnMatrix => {
                self.correlation.matrix = (self.correlation.matrix + 1) % self.matrices().len().max(1);
            }
            Action::NextFigure | Action::PreviousFigure => {
                if let Tab::Answer(name) = self.tab {
                    self.turn_figure(name, if action == Action::NextFigure { 1 } else { -1 });
                }
            }
            Action::ShowBehind => self.show_behind(),
            Action::OwnLog => self.train.own_log = !self.train.own_log,
            Action::Yes => self.confirm(),
            Action::No => self.overlay = None,
            Action::QuitAfterEpoch => self.quit_after_epoch(),
            Action::QuitNow => self.quit_now(),
            Action::Pause | Action::PauseAll | Action::Stop | Action::Skip | Action::Retry | Action::TrainNext => {
                self.steer(action);
            }
            Action::Afresh => {
                let question = "Delete this demo study and train it again from the start?".to_owned();
                self.overlay = Some(Overlay::Confirm { question, then: Confirmed::Afresh });
            }
            Action::ChooseScores
            | Action::NextRole
            | Action::LowerThreshold
            | Action::RaiseThreshold
            | Action::LowerTarget
            | Action::RaiseTarget
            | Action::ToggleScore
            | Action::DefaultScores => self.choose(action),
            Action::MoreJobs => self.set_jobs(self.jobs + 1),
            Action::FewerJobs => self.set_jobs(self.jobs - 1),
        }
        self.ask();
    }

    fn step(&mut self, by: isize) {
        if let Some(Overlay::Help(line)) = &mut self.overlay {
            *line = line.saturating_add_signed(by.clamp(-1000, 1000)).min(1000);
            return;
        }
        if self.step_in_scores(by) {
            return;
        }
        match self.tab {
            Tab::Train => {
                self.train.chosen = true;
                self.select_replicate(self.train.replicate.saturating_add_signed(by));
            }
            Tab::Examples => {
                self.examples.chosen = true;
                self.example = self.examples.step(by).or(self.example);
            }
            Tab::Correlation => {
                let last = self.matrix_size().saturating_sub(1);
                self.correlation.row = self.correlation.row.saturating_add_signed(by).min(last);
            }
            Tab::Answer(name) => self.move_mark(name, by, 0),
        }
    }

    fn sideways(&mut self, by: isize) {
        match self.tab {
            Tab::Train => {
                let most = self.summary().map(|summary| summary.most_forgotten.clone()).unwrap_or_default();
                let here = most.iter().position(|(example, _)| Some(*example) == self.example);
                let next = here.map_or(0, |here| here.saturating_add_signed(by).min(most.len().saturating_sub(1)));
                self.select_example(most.get(next).map(|(example, _)| *example));
            }
            Tab::Examples => {
                let last = self.session.scores.len() + 1;
                self.examples.column = self.examples.column.saturating_add_signed(by).min(last);
            }
            Tab::Correlation => {
                let last = self.matrix_size().saturating_sub(1);
                self.correlation.column = self.correlation.column.saturating_add_signed(by).min(last);
            }
            Tab::Answer(name) => self.move_mark(name, 0, by),
        }
    }

    /// Shows the examples behind the mark under the cursor alone.
    fn show_behind(&mut self) {
        let Tab::Answer(name) = self.tab else { return };
        let examples = self.behind_mark(name);
        let Some(first) = examples.first().copied() else {
            self.say("No examples stand behind this mark.");
            return;
        };
        self.examples.show_only(&examples);
        self.open(Tab::Examples);
        self.rearrange();
        self.select_example(Some(first));
        let count = format::plural(examples.len(), "example is", "examples are");
        self.say(format!("{count} behind it; Esc shows all again."));
    }

    /// Selects an example wherever it is shown.
    pub(in crate::tui) fn select_example(&mut self, example: Option<usize>) {
        if let Some(example) = example {
            self.example = Some(example);
            self.examples.chosen = true;
            self.examples.follow(example);
        }
    }

    fn open(&mut self, tab: Tab) {
        self.tab = tab;
        self.zoomed = false;
    }

    fn go_to_example(&mut self, action: Action) {
        self.open(Tab::Examples);
        if action == Action::GoToExample
            && let Some(example) = self.example
            && !self.examples.shows(Some(example))
        {
            self.examples.clear_filter();
            self.rearrange();
            self.select_example(Some(example));
        }
    }

    /// The focused pane of the open tab.
    pub fn focused(&self) -> usize {
        match self.tab {
            Tab::Train => self.train.pane,
            Tab::Examples => self.examples.pane,
            Tab::Correlation => 0,
            Tab::Answer(_) => self.answers.pane,
        }
    }

    pub(in crate::tui) fn focus(&mut self, pane: usize) {
        match self.tab {
            Tab::Train => self.train.pane = pane,
            Tab::Examples => self.examples.pane = pane,
            Tab::Correlation => {}
            Tab::Answer(_) => self.answers.pane = pane,
        }
    }

    fn next_model(&mut self) {
        let next = (self.model + 1) % self.models.len().max(1);
        let Some(label) = self.models.get(next).cloned() else { return };
        let of_model = |running: bool| {
            self.views
                .iter()
                .position(|view| view.progress.id.label == label && (!running || view.progress.state == State::Running))
        };
        if let Some(place) = of_model(true).or_else(|| of_model(false)) {
            self.train.chosen = true;
            self.select_replicate(place);
        } else {
            // Only a number per example was imported for it: there is no replicate to select.
            self.train.chosen = true;
            self.model = next;
        }
        self.rearrange();
    }

    fn back(&mut self) {
        if self.overlay.take().is_some() {
            return;
        }
        if self.examples.cancel_input() || (self.tab == Tab::Examples && !self.zoomed && self.examples.clear_filter()) {
            self.rearrange();
        }
        self.zoomed = false;
    }

    fn sort(&mut self) {
        self.examples.sort_by_column();
        self.rearrange();
    }

    fn accept_filter(&mut self) {
        match self.examples.accept_input() {
            Ok(()) => self.rearrange(),
            Err(error) => self.say(error.to_string()),
        }
    }

    fn freeze(&mut self) {
        self.examples.frozen = !self.examples.frozen;
        if self.examples.frozen {
            self.say("The order is frozen: live scores change, rows stay. f lets them move again.");
        } else {
            self.rearrange();
        }
    }

    fn next_of_class(&mut self, forward: bool) {
        let next =
            self.example.and_then(|example| self.examples.next_of_class(&self.session.examples, example, forward));
        match next {
            Some(example) => self.select_example(Some(example)),
            None => self.say("No further example with this label in this direction."),
        }
    }

    fn send(&mut self, command: Command) {
        if self.session.remote {
            self.say("Asked; the process that trains obeys within a second.");
        }
        self.effects.push(Effect::Send(command));
    }

    /// What a key does, and when, where another process has to do it.
    fn asked(&self, what: &str) -> String {
        let later = if self.session.remote { " The process that trains obeys within a second." } else { "" };
        format!("{what}{later}")
    }

    fn set_jobs(&mut self, jobs: usize) {
        self.jobs = jobs;
        self.send(Command::Jobs(jobs));
        self.say(format!("{} at once from now on.", format::plural(jobs, "replicate", "replicates")));
    }

    fn steer(&mut self, action: Action) {
        let Some(progress) = self.replicate().map(|view| view.progress.clone()) else { return };
        // Whoever steers a replicate means this one, also when another becomes the first that runs.
        self.train.chosen = true;
        let one = Target::One(progress.id.clone());
        let epoch = eta::this_epoch(&progress, self.session.examples.train)
            .map_or_else(String::new, |seconds| format!(" (about {})", format::duration(seconds)));
        let ask = |question: String, command| Some(Overlay::Confirm { question, then: Confirmed::Send(command) });
        match action {
            Action::Pause if progress.state == State::Paused => self.send(Command::Resume(one)),
            Action::Pause => self.send(Command::Pause(one)),
            // What waits for its turn is paused too; only a study that stands still because it is paused goes on.
            Action::PauseAll if self.running() > 0 || self.count(State::Paused) == 0 => {
                self.send(Command::Pause(Target::All));
                self.say(self.asked("Pausing all; P again lets them go on."));
            }
            Action::PauseAll => {
                self.send(Command::Resume(Target::All));
                self.say(self.asked("All go on."));
            }
            Action::TrainNext => {
                self.send(Command::Next(progress.id.clone()));
                self.say(format!("{} is trained next.", progress.id));
            }
            Action::Stop => {
                let question = format!("Stop {} after this epoch{epoch}? Its job goes to the next.", progress.id);
                self.overlay = ask(question, Command::StopAfterEpoch(one));
            }
            Action::Skip => {
                let question = format!("Skip {}? What it has is kept; R retries it.", progress.id);
                self.overlay = ask(question, Command::Skip(progress.id));
            }
            _ => {
                let question = format!("Queue {} again?", progress.id);
                self.overlay = ask(question, Command::Retry(progress.id));
            }
        }
    }

    fn confirm(&mut self) {
        match self.overlay.take() {
            Some(Overlay::Confirm { then: Confirmed::Send(command), .. }) => self.send(command),
            Some(Overlay::Confirm { then: Confirmed::Afresh, .. }) => {
                self.effects.push(Effect::Leave(Outcome::Afresh));
            }
            _ => {}
        }
    }

    fn trains_here(&self) -> bool {
        self.session.commands.is_some() && !self.session.remote && self.under_way() > 0
    }

    fn quit(&mut self) {
        if self.ending {
            self.quit_now();
        } else if self.trains_here() {
            self.overlay = Some(Overlay::Quit);
        } else {
            self.effects.push(Effect::Leave(Outcome::Finished));
        }
    }

    fn interrupt(&mut self) {
        if self.overlay == Some(Overlay::Quit) { self.quit_now() } else { self.quit() }
    }

    fn quit_after_epoch(&mut self) {
        self.overlay = None;
        self.ending = true;
        self.send(Command::Quit { after_epoch: true });
        self.say("Ending after this epoch; q again to end now.");
    }

    fn quit_now(&mut self) {
        self.send(Command::Quit { after_epoch: false });
        self.effects.push(Effect::Leave(Outcome::Quit { after_epoch: false }));
    }
}
