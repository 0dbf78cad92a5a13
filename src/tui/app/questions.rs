//! What does the screen want to know, and what did it learn? Questions to the workers, and their answers.

use std::sync::Arc;

use super::{App, Effect};
use crate::analysis::Options;
use crate::scores::Harder;
use crate::store::record::State;
use crate::tui::tabs::answer::Known;
use crate::tui::tabs::{Tab, answer};
use crate::tui::worker::{Question, Reply};

impl App {
    /// Asks what the present state needs and was not asked yet.
    pub(in crate::tui) fn ask(&mut self) {
        let Some(model) = self.model_name().map(str::to_owned) else { return };
        let of_model = || self.views.iter().filter(|view| view.progress.id.label == model);
        let behind: Vec<_> = of_model()
            .filter_map(|v| Some((v.progress.id.clone(), v.scores.as_ref()?.epoch, v.progress.non_finite)))
            .collect();
        // The epochs behind the scores: the story of an example ends where its numbers do.
        let observed: Vec<_> =
            behind.iter().filter(|(.., non_finite)| !non_finite).map(|(id, epoch, _)| (id.clone(), *epoch)).collect();
        // A finished run has the class probabilities of its converged network.
        let finished = of_model().filter(|view| view.progress.state == State::Finished).count();
        let views = Arc::clone(&self.views);
        let held_out = self.looks_at_held_out();
        let asked = (model.clone(), held_out, behind, self.imports);
        if self.asked_summary.as_ref() != Some(&asked) {
            self.asked_summary = Some(asked.clone());
            let (model, views, scores) = (model.clone(), Arc::clone(&views), Arc::clone(&self.session.scores));
            let question = Question::Summary { model, held_out, scores, views };
            self.effects.push(Effect::Ask(question));
        }
        let sorted = self.examples.sorted_score();
        if let Some(score) = sorted
            && self.tab == Tab::Examples
            && self.asked_ranges.as_ref() != Some(&(score, asked.clone()))
        {
            self.asked_ranges = Some((score, asked));
            let harder = self.session.scores.get(score).map_or(Harder::High, |score| score.harder);
            let question = Question::RankRanges { model, held_out, score, harder, views: Arc::clone(&views) };
            self.effects.push(Effect::Ask(question));
        }
        if let Some(example) = self.example
            && self.asked_story.as_ref() != Some(&(example, observed.clone(), finished))
        {
            self.asked_story = Some((example, observed.clone(), finished));
            self.effects.push(Effect::Ask(Question::Story { example, runs: observed }));
        }
        if let Some(name) = self.tab.analysis() {
            self.ask_answer(name);
        }
    }

    /// Asks the analyses of a tab where other replicates have finished since, one after the other: a question that waits
    /// would give way to the next.
    fn ask_answer(&mut self, name: &'static str) {
        for analysis in answer::sharing(name) {
            let (model, basis) = self.asked_of(analysis);
            let options = self.choice.clone();
            let known = self.answers.known.get(&(analysis.name, model.clone()));
            let known = known.is_some_and(|known| known.basis == basis && known.options == options);
            let enough = basis.finished > 0 || self.is_imported();
            if known || !enough {
                continue;
            }
            let wanted = (analysis.name, model.clone(), basis, options.clone());
            if self.asked_answer.as_ref() != Some(&wanted) {
                self.asked_answer = Some(wanted);
                let views = Arc::clone(&self.views);
                self.effects.push(Effect::Ask(Question::Answer { analysis, model, options, basis, views }));
            }
            return;
        }
    }

    /// Best and worst rank of an example among the shown model's runs, by the score that sorts the table.
    pub fn rank_range(&self, example: usize) -> Option<(u32, u32)> {
        let (model, held_out, score, ranges) = self.rank_ranges.as_ref()?;
        let current = Some(model.as_str()) == self.model_name()
            && *held_out == self.looks_at_held_out()
            && Some(*score) == self.examples.sorted_score();
        ranges.get(example).copied().filter(|range| current && range.0 > 0)
    }

    /// Takes a worker's answer.
    pub fn receive(&mut self, reply: Reply) {
        match reply {
            Reply::Summary(summary) => {
                self.summaries.insert(summary.model.clone(), summary);
                if !self.examples.frozen {
                    self.rearrange();
                }
                // Until a person selects an example, the hardest one is selected.
                if !self.examples.chosen {
                    self.example = self.examples.jump(0).or(self.example);
                }
            }
            Reply::RankRanges { model, held_out, score, ranges } => {
                self.rank_ranges = Some((model, held_out, score, ranges));
            }
            Reply::Story(story) => self.story = Some(story),
            Reply::Answer { name, model, options, basis, answer } => {
                let options = Options { quick: false, ..options };
                self.answers.known.insert((name, model), Known { basis, options, answer });
            }
        }
    }
}
