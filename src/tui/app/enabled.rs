//! May this key act now? If not, why: the sentence a person gets instead of silence.

use super::App;
use crate::store::record::State;
use crate::tui::keys::Action;
use crate::tui::tabs::Tab;

impl App {
    /// Whether an action can be done now.
    ///
    /// # Errors
    /// The reason, as a sentence.
    pub fn enabled(&self, action: Action) -> Result<(), String> {
        use Action::{FewerJobs, MoreJobs, Pause, PauseAll, Retry, Skip, Stop, TrainNext};
        match action {
            Pause | PauseAll | Stop | Skip | Retry | TrainNext | MoreJobs | FewerJobs => {
                self.steerable()?;
                self.steering(action)
            }
            Action::Afresh if !self.session.afresh => Err("Only the demo is run afresh from here.".into()),
            Action::Afresh if self.unfinished() => Err("The demo can be run afresh when all its runs are done.".into()),
            Action::OwnLog if self.replicate().is_none() => Err("This study has no replicates.".into()),
            Action::GoToExample | Action::Mark | Action::Verdict | Action::NextOfClass | Action::PreviousOfClass
                if self.example.is_none() =>
            {
                Err("This study has no examples.".into())
            }
            Action::Mark | Action::Verdict => self.may_review(),
            Action::NextOfClass | Action::PreviousOfClass if self.session.examples.labels.is_empty() => {
                Err("This study has no labels.".into())
            }
            Action::NextModel if self.models.len() < 2 => Err("This study has one model only.".into()),
            Action::NextPane if self.panes() < 2 => Err("This tab has nothing else to focus.".into()),
            Action::ShowBehind if !self.has_behind() => Err("No examples stand behind this mark.".into()),
            Action::TurnMatrix if self.matrices().is_empty() => Err("There is no matrix yet.".into()),
            _ => self.choosable(action),
        }
    }

    fn steerable(&self) -> Result<(), String> {
        let reason = if self.ending {
            "The study is ending after this epoch."
        } else if self.session.commands.is_none() {
            "Training cannot be steered here: the study is open for reading only."
        } else if self.session.remote && !self.unfinished() {
            "All replicates are done."
        } else if self.session.remote && self.under_way() == 0 {
            "No process trains this study now; `diffscope run` goes on with it."
        } else {
            return Ok(());
        };
        Err(reason.into())
    }

    fn steering(&self, action: Action) -> Result<(), String> {
        if matches!(action, Action::MoreJobs | Action::PauseAll) {
            return if self.unfinished() { Ok(()) } else { Err("All replicates are done.".into()) };
        }
        if action == Action::FewerJobs {
            return if self.jobs > 1 { Ok(()) } else { Err("One job is the fewest; P pauses all.".into()) };
        }
        let Some(progress) = self.replicate().map(|view| &view.progress) else {
            return Err("This study has no replicates.".into());
        };
        let may = match action {
            Action::Pause => matches!(progress.state, State::Running | State::Paused | State::Queued),
            Action::Stop => progress.state == State::Running,
            Action::TrainNext => progress.state == State::Queued,
            Action::Skip => matches!(progress.state, State::Running | State::Paused | State::Queued),
            _ => matches!(progress.state, State::Failed | State::Skipped | State::Paused),
        };
        let what = match action {
            Action::Pause => "only running, queued and paused replicates can be paused or resumed",
            Action::Stop => "only a running replicate can be stopped",
            Action::TrainNext => "only a queued replicate can be trained next",
            Action::Skip => "only what is not done can be skipped",
            _ => "only a failed, skipped or stopped replicate can be retried",
        };
        if may { Ok(()) } else { Err(format!("{} is {}: {what}.", progress.id, progress.state.word())) }
    }

    pub(in crate::tui) fn unfinished(&self) -> bool {
        self.views.iter().any(|v| matches!(v.progress.state, State::Running | State::Paused | State::Queued))
    }

    /// Whether a picture of an example can be had, or why not.
    pub fn pictures_missing(&self) -> Option<&'static str> {
        let imported = self.models.iter().all(|model| self.session.imported.contains(model));
        match &self.session.dataset {
            Some(_) => None,
            None if imported && !self.models.is_empty() => Some("Imported scores come without pictures."),
            None => Some("The study's data is not here: pictures are missing."),
        }
    }

    /// The panes of the open tab that can be focused.
    pub fn panes(&self) -> usize {
        match self.tab {
            Tab::Train | Tab::Examples => 4,
            Tab::Correlation => 1,
            Tab::Answer(_) => 2,
        }
    }
}
