//! Where the workbench asks its questions: the scores of the finished runs are gathered once, and what analyses keep from one
//! answer to the next lies beside them until other runs have finished.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::gather::Gathered;
use crate::analysis::{Again, Analysis, Answer, Input, ModelScores, Options, Wants};
use crate::data::{Examples, Role};
use crate::results::Study;
use crate::results::evidence::Source;
use crate::store::folder::StudyFolder;
use crate::study::{Plan, ReplicateId};
use crate::train::board::{Board, ReplicateView};

/// The questions of one workbench.
pub struct Desk {
    source: Arc<Source>,
    board: Arc<Board>,
    kept: Mutex<Kept>,
}

/// What is kept about some runs.
#[derive(Default)]
struct Kept {
    /// The runs.
    of: Vec<ReplicateId>,
    /// By the role that is asked for (empty: all of them), and what else an analysis is given.
    gathered: HashMap<(String, Wants), Gathered>,
    /// By analysis; each tells models and roles apart.
    again: HashMap<&'static str, Box<dyn Again>>,
}

impl Desk {
    /// A desk for a study that is at hand.
    pub fn new(folder: &StudyFolder, plan: &Plan, examples: &Examples, board: &Arc<Board>) -> Self {
        let source = Source { folder: folder.clone(), plan: plan.clone(), examples: examples.clone() };
        Self { source: Arc::new(source), board: board.clone(), kept: Mutex::default() }
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
        let counted = views.iter().map(|view| &view.progress).filter(|progress| progress.counts());
        let of: Vec<ReplicateId> = counted.map(|progress| progress.id.clone()).collect();
        if kept.of != of {
            *kept = Kept { of, ..Kept::default() };
        }
        let Kept { gathered, again, .. } = &mut *kept;
        let role = if analysis.wants.all_roles { "" } else { &options.role };
        let key = (role.to_owned(), analysis.wants);
        let gathered = gathered.entry(key).or_insert_with(|| self.gather(analysis, views, &options.role));
        gathered.hear(&self.source.folder);
        let input = gathered.of(label);
        let options = &chosen(&input, options);
        let answer = match analysis.again {
            Some(new) => again.entry(analysis.name).or_insert_with(new).answer(&input, options),
            None => (analysis.run)(&input, options),
        };
        let mut answer =
            answer.unwrap_or_else(|error| Answer { warnings: vec![error.to_string()], ..Answer::default() });
        answer.warnings.extend(gathered.warnings().cloned());
        answer
    }

    fn gather(&self, analysis: &Analysis, views: &[ReplicateView], role: &str) -> Gathered {
        let role = Role::ALL.into_iter().find(|known| known.name() == role).unwrap_or(Role::Train);
        let study = Study { views, ensembles: &self.board.ensembles() };
        Gathered::at_hand(&self.source, study, role, analysis.wants)
    }
}

/// The options with those scores only that all models have: a choice is made for the whole workbench.
fn chosen(input: &Input, options: &Options) -> Options {
    let has = |model: &ModelScores, name: &String| model.scores.iter().any(|score| score.name == *name);
    let in_all = |name: &&String| input.models.iter().all(|model| has(model, name));
    Options { scores: options.scores.iter().filter(in_all).cloned().collect(), ..options.clone() }
}
