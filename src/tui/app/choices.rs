//! What are the analyses asked? Scores, role, threshold and target: chosen once, for every tab.

use super::{App, Overlay};
use crate::analysis::{Analysis, Options, select};
use crate::data::Role;
use crate::tui::format;
use crate::tui::keys::Action;

/// A step of the threshold, in percentiles.
const THRESHOLD_STEP: f64 = 5.0;
/// The targets that one can choose, as shares of the examples.
const TARGETS: [f64; 7] = [0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];

impl App {
    /// Changes a choice.
    pub(super) fn choose(&mut self, action: Action) {
        match action {
            Action::ChooseScores => self.overlay = Some(Overlay::Scores(0)),
            Action::NextRole => self.next_role(),
            Action::LowerThreshold => self.move_threshold(-THRESHOLD_STEP),
            Action::RaiseThreshold => self.move_threshold(THRESHOLD_STEP),
            Action::LowerTarget => self.move_target(-1),
            Action::RaiseTarget => self.move_target(1),
            Action::ToggleScore => self.toggle_score(),
            Action::DefaultScores => self.choice.scores.clear(),
            _ => {}
        }
    }

    /// The scores that the analyses look at, by the session's order.
    pub fn chosen_scores(&self) -> Vec<bool> {
        let names: Vec<&str> = self.session.scores.iter().map(|score| score.name.as_str()).collect();
        if self.choice.scores.is_empty() {
            select::by_default(&names)
        } else {
            names.iter().map(|name| self.choice.scores.iter().any(|chosen| chosen == name)).collect()
        }
    }

    /// The choice in a few words, as far as an analysis has a use for it.
    pub fn chosen(&self, analysis: &Analysis) -> String {
        let Options { role, threshold, target, .. } = &self.choice;
        let mut parts = vec![role.clone()];
        let chosen = self.chosen_scores().iter().filter(|chosen| **chosen).count();
        parts.push(format!("{chosen} of {}", format::plural(self.session.scores.len(), "score", "scores")));
        if analysis.takes.contains(&"--threshold") {
            parts.push(format!("above {threshold:.0} %"));
        }
        if analysis.takes.contains(&"--target") {
            parts.push(format!("to {} %", format::number(target * 100.0)));
        }
        parts.join(", ")
    }

    /// The roles that examples of this study have.
    pub(super) fn roles(&self) -> Vec<Role> {
        let has = |role: &Role| self.views.iter().any(|view| view.roles.contains(role));
        Role::ALL.into_iter().filter(|role| *role == Role::Train || has(role)).collect()
    }

    /// On the table of examples, training and test examples stand beside each other: what turns is held out or not.
    fn next_role(&mut self) {
        let mut roles = self.roles();
        if self.tab == super::Tab::Examples {
            roles.retain(|role| *role != Role::Test);
        }
        let here = roles.iter().position(|role| role.name() == self.choice.role);
        let next = here.map_or(0, |here| (here + 1) % roles.len().max(1));
        if let Some(role) = roles.get(next) {
            role.name().clone_into(&mut self.choice.role);
        }
        self.say(match self.choice.role.as_str() {
            "val" => "Scores of examples in the runs that held them out.",
            "test" => "Scores of the test examples.",
            _ => "Scores of examples in the runs that trained on them.",
        });
    }

    fn move_threshold(&mut self, by: f64) {
        self.choice.threshold = (self.choice.threshold + by).clamp(THRESHOLD_STEP, 100.0 - THRESHOLD_STEP);
    }

    fn move_target(&mut self, by: isize) {
        let here = TARGETS.iter().position(|target| *target >= self.choice.target).unwrap_or(TARGETS.len() - 1);
        let next = here.saturating_add_signed(by).min(TARGETS.len() - 1);
        self.choice.target = TARGETS.get(next).copied().unwrap_or(self.choice.target);
    }

    /// Takes the score under the cursor in or out; one stays at least.
    fn toggle_score(&mut self) {
        let Some(Overlay::Scores(place)) = self.overlay else { return };
        let names: Vec<&str> = self.session.scores.iter().map(|score| score.name.as_str()).collect();
        let mut chosen = self.chosen_scores();
        if let Some(own) = chosen.get_mut(place) {
            *own = !*own;
        }
        if !chosen.contains(&true) {
            self.say("An analysis looks at one score at least.");
            return;
        }
        let is_default = chosen == select::by_default(&names);
        let kept = names.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(name, _)| (*name).to_owned());
        self.choice.scores = if is_default { Vec::new() } else { kept.collect() };
    }

    /// Moves the cursor in the list of scores; whether it is open.
    pub(super) fn step_in_scores(&mut self, by: isize) -> bool {
        let last = self.session.scores.len().saturating_sub(1);
        let Some(Overlay::Scores(place)) = &mut self.overlay else { return false };
        *place = place.saturating_add_signed(by).min(last);
        true
    }

    /// Whether a choice can be made now.
    ///
    /// # Errors
    /// The reason, as a sentence.
    pub(super) fn choosable(&self, action: Action) -> Result<(), String> {
        let analysis = self.tab.analysis().and_then(crate::tui::tabs::answer::analysis);
        let takes = |option: &str| analysis.is_some_and(|analysis| analysis.takes.contains(&option));
        match action {
            Action::ChooseScores if self.session.scores.is_empty() => Err("This study has no scores.".into()),
            Action::NextRole if self.tab == super::Tab::Examples && !self.roles().contains(&Role::Val) => {
                let advice = if self.is_imported() { "" } else { " ([data] holdout)" };
                Err(format!("No run of this study holds examples out{advice}."))
            }
            Action::NextRole if self.roles().len() < 2 => Err("All examples of this study were trained on.".into()),
            Action::LowerThreshold | Action::RaiseThreshold if !takes("--threshold") => {
                Err("This answer has no threshold to move; Stability and Components have one.".into())
            }
            Action::LowerTarget | Action::RaiseTarget if !takes("--target") => {
                Err("This answer has no target to move; Stability has one.".into())
            }
            _ => Ok(()),
        }
    }
}
