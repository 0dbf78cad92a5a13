//! Where the workbench asks its questions: the scores of the finished runs are gathered once, and what analyses keep from one
//! answer to the next lies beside them until other runs have finished.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::analyze::{self, Gathered};
use crate::analysis::{Again, Analysis, Answer, Input, ModelScores, Options};
use crate::data::{Examples, Role};
use crate::results::Study;
use crate::store::folder::StudyFolder;
use crate::store::record::State;
use crate::study::{Plan, ReplicateId};
use crate::train::board::{Board, ReplicateView};

/// The questions of one workbench.
pub struct Desk {
    folder: StudyFolder,
    plan: Arc<Plan>,
    examples: Arc<Examples>,
    board: Arc<Board>,
    kept: Mutex<Kept>,
}

/// What is kept about some runs.
#[derive(Default)]
struct Kept {
    /// The runs, and the role of the examples.
    of: Option<(Vec<ReplicateId>, String)>,
    gathered: Gathered,
    /// By analysis and model (all: empty).
    again: HashMap<(&'static str, String), Box<dyn Again>>,
}

impl Desk {
    /// A desk for a study that is at hand.
    pub fn new(folder: &StudyFolder, plan: &Arc<Plan>, examples: &Arc<Examples>, board: &Arc<Board>) -> Self {
        let (folder, plan) = (folder.clone(), plan.clone());
        Self { folder, plan, examples: examples.clone(), board: board.clone(), kept: Mutex::default() }
    }

    /// What an analysis says of one model, or of all where the label is empty; an error becomes its warning.
    pub fn answer(
        &self,
        analysis: &'static Analysis,
        label: &str,
        views: &[ReplicateView],
        options: &Options,
    ) -> Answer {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.gather(&mut kept, views, &options.role);
        let Kept { gathered, again, .. } = &mut *kept;
        let input = gathered.of(label);
        let options = &chosen(&input, options);
        let answer = match analysis.again {
            Some(new) => again.entry((analysis.name, label.to_owned())).or_insert_with(new).answer(&input, options),
            None => (analysis.run)(&input, options),
        };
        answer.unwrap_or_else(|error| Answer { warnings: vec![error.to_string()], ..Answer::default() })
    }

    /// Starts afresh where other runs have finished, or others examples are asked for.
    fn gather(&self, kept: &mut Kept, views: &[ReplicateView], role: &str) {
        let counts = |view: &&ReplicateView| view.progress.state == State::Finished && !view.progress.non_finite;
        let runs = views.iter().filter(counts).map(|view| view.progress.id.clone()).collect();
        let of = Some((runs, role.to_owned()));
        if kept.of != of {
            let role = [Role::Train, Role::Val, Role::Test].into_iter().find(|known| known.name() == role);
            let study = Study { views, ensembles: &self.board.ensembles() };
            let role = role.unwrap_or(Role::Train);
            let gathered = analyze::gather_all(study, &self.folder, &self.plan, &self.examples, role);
            *kept = Kept { of, gathered, ..Kept::default() };
        }
    }
}

/// The options with those scores only that all models have: a choice is made for the whole workbench.
fn chosen(input: &Input, options: &Options) -> Options {
    let has = |model: &ModelScores, name: &String| model.scores.iter().any(|score| score.name == *name);
    let in_all = |name: &&String| input.models.iter().all(|model| has(model, name));
    Options { scores: options.scores.iter().filter(in_all).cloned().collect(), ..options.clone() }
}
