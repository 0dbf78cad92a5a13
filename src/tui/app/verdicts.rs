//! What does a person say of the examples? Marks and verdicts: shown at once, kept by [`crate::tui::keeper`].

use crossterm::event::KeyCode;

use super::{App, Effect, Overlay};
use crate::data::Verdict;
use crate::store::verdicts::{self, Review};
use crate::tui::keeper::Kept;
use crate::tui::tabs::answer;

/// Digits of the largest class number.
const LABEL_DIGITS: usize = 5;

/// What is known of this person's reviewing.
#[derive(Debug)]
pub(super) struct Reviewing {
    /// The name under which it is kept.
    reviewer: String,
    /// Reviews given to the keeper.
    said: usize,
    /// Why nothing can be kept now.
    problem: Option<String>,
}

impl Default for Reviewing {
    fn default() -> Self {
        Self { reviewer: verdicts::reviewer(), said: 0, problem: None }
    }
}

impl App {
    /// Whether marks and verdicts can be kept.
    ///
    /// # Errors
    /// The reason, as a sentence.
    pub(super) fn may_review(&self) -> Result<(), String> {
        match &self.reviewing.problem {
            Some(problem) => Err(format!("{problem}; until that is mended nothing can be kept.")),
            None => Ok(()),
        }
    }

    /// Whether a review is this person's.
    pub(in crate::tui) fn is_own(&self, review: &Review) -> bool {
        review.reviewer == self.reviewing.reviewer
    }

    /// What this person says of an example.
    pub(in crate::tui) fn own_review(&self, example: usize) -> Option<&Review> {
        self.examples.reviews.get(&example)?.iter().find(|review| self.is_own(review))
    }

    /// The verdict to show: this person's, or somebody else's.
    pub(in crate::tui) fn verdict_on(&self, example: usize) -> Option<Verdict> {
        self.examples.reviews.get(&example)?.iter().find_map(|review| review.verdict)
    }

    /// Takes what the keeper found in the folder.
    pub fn hear(&mut self, kept: Kept) {
        match kept.reviews {
            Err(problem) => {
                self.say(format!("Verdicts: {problem}"));
                self.reviewing.problem = Some(problem);
            }
            Ok(reviews) => {
                self.reviewing.problem = None;
                // What was said since is not in the file yet.
                if kept.taken >= self.reviewing.said {
                    self.take_reviews(reviews);
                    self.ask_again_for_verdicts();
                }
            }
        }
        if let Some(lost) = kept.lost {
            self.say(format!("Not kept: {lost}"));
        }
    }

    /// Answers that tell of verdicts are worked out anew when their tab is open next.
    fn ask_again_for_verdicts(&mut self) {
        let tells = |name: &str| answer::analysis(name).is_some_and(|analysis| analysis.wants.verdicts);
        for (_, known) in self.answers.known.iter_mut().filter(|((name, _), _)| tells(name)) {
            known.basis.finished = usize::MAX;
        }
        self.asked_answer = None;
        self.ask();
    }

    fn take_reviews(&mut self, reviews: Vec<Review>) {
        let ids = self.session.examples.ids.iter().copied().zip(0..);
        let positions: std::collections::HashMap<u32, usize> = ids.collect();
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for review in reviews {
            if let Some(position) = positions.get(&review.id) {
                if self.is_own(&review) { own.push((*position, review)) } else { others.push((*position, review)) }
            }
        }
        self.examples.marks = own.iter().filter(|(_, review)| review.mark).map(|(position, _)| *position).collect();
        self.examples.reviews.clear();
        for (position, review) in own.into_iter().chain(others) {
            self.examples.reviews.entry(position).or_default().push(review);
        }
        self.rearrange();
    }

    /// Says something of the selected example and goes on to the next.
    fn review(&mut self, change: impl FnOnce(&mut Review)) {
        let Some(example) = self.example else { return };
        let Some(id) = self.session.examples.ids.get(example).copied() else { return };
        let fresh = Review { id, reviewer: self.reviewing.reviewer.clone(), ..Review::default() };
        let mut review = self.own_review(example).cloned().unwrap_or(fresh);
        change(&mut review);
        let said = self.examples.reviews.entry(example).or_default();
        said.retain(|other| other.reviewer != review.reviewer);
        if !review.is_empty() {
            said.insert(0, review.clone());
        }
        if said.is_empty() {
            self.examples.reviews.remove(&example);
        }
        if review.mark {
            self.examples.marks.insert(example);
        } else {
            self.examples.marks.remove(&example);
        }
        self.reviewing.said += 1;
        self.effects.push(Effect::Keep(review));
        self.example = self.examples.step(1).or(self.example);
    }

    pub(super) fn mark(&mut self) {
        self.review(|review| review.mark = !review.mark);
    }

    /// Gives a verdict; where the label is wrong, asks for the right one first.
    pub(super) fn judge(&mut self, verdict: Option<Verdict>) {
        if verdict == Some(Verdict::Mislabelled) && !self.session.examples.class_names.is_empty() {
            self.overlay = Some(Overlay::NewLabel(String::new()));
            return;
        }
        self.overlay = None;
        self.review(|review| (review.verdict, review.new_label) = (verdict, None));
    }

    pub(super) fn type_label(&mut self, key: KeyCode) {
        let Some(Overlay::NewLabel(typed)) = &mut self.overlay else { return };
        match key {
            KeyCode::Char(digit) if digit.is_ascii_digit() && typed.len() < LABEL_DIGITS => typed.push(digit),
            KeyCode::Backspace => {
                typed.pop();
            }
            _ => {}
        }
    }

    pub(super) fn accept_label(&mut self) {
        let Some(Overlay::NewLabel(typed)) = &self.overlay else { return };
        let class = typed.parse::<u16>().ok();
        let known = class.is_some_and(|class| usize::from(class) < self.session.examples.class_names.len());
        if !typed.is_empty() && !known {
            self.say(format!("There is no class {typed}; Backspace takes a digit back."));
            return;
        }
        self.mislabelled(class);
    }

    /// The right label is what most runs see.
    pub(super) fn take_believed(&mut self) {
        match self.example.and_then(|example| self.believed(example)) {
            Some(believed) => self.mislabelled(Some(believed.class)),
            None => self.say("No run says yet what it is."),
        }
    }

    fn mislabelled(&mut self, new_label: Option<u16>) {
        self.overlay = None;
        self.review(|review| (review.verdict, review.new_label) = (Some(Verdict::Mislabelled), new_label));
    }
}
