//! Where the workbench asks its questions: the scores of the finished runs are gathered once, and what analyses keep from one
//! answer to the next lies beside them until other runs have finished, or have other scores.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::gather::Gathered;
use crate::analysis::{Again, Analysis, Answer, Input, ModelScores, Options, Wants, select};
use crate::data::{Examples, Role};
use crate::results::Study;
use crate::results::evidence::Source;
use crate::store::folder::StudyFolder;
use crate::study::{Plan, ReplicateId};
use crate::train::board::{Board, LiveScores, ReplicateView};
use crate::train::ensembles::Ensembles;

/// The questions of one workbench.
pub struct Desk {
    board: Arc<Board>,
    kept: Mutex<Kept>,
}

/// What is kept about some runs.
struct Kept {
    source: Arc<Source>,
    /// The runs.
    of: Basis,
    /// By the role that is asked for (empty: all of them), and what else an analysis is given.
    gathered: HashMap<(String, Wants), Gathered>,
    /// By analysis; each tells models and roles apart.
    again: HashMap<&'static str, Box<dyn Again>>,
}

/// A run with its scores.
type Run = (ReplicateId, Option<Arc<LiveScores>>);

/// What answers are of: the runs with their scores, and what they say together.
#[derive(Default)]
struct Basis {
    runs: Vec<Run>,
    ensembles: Arc<Ensembles>,
}

impl Basis {
    fn of(views: &[ReplicateView], ensembles: Arc<Ensembles>) -> Self {
        let counted = views.iter().filter(|view| view.progress.counts());
        Self { runs: counted.map(|view| (view.progress.id.clone(), view.scores.clone())).collect(), ensembles }
    }

    /// Whether it is of the very same values: what is read anew is another one.
    fn is(&self, other: &Self) -> bool {
        let same = |(a, b): (&Run, &Run)| {
            let values = match (&a.1, &b.1) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            a.0 == b.0 && values
        };
        let runs = self.runs.len() == other.runs.len() && self.runs.iter().zip(&other.runs).all(same);
        runs && Arc::ptr_eq(&self.ensembles, &other.ensembles)
    }
}

impl Kept {
    fn new(source: Arc<Source>, of: Basis) -> Self {
        Self { source, of, gathered: HashMap::new(), again: HashMap::new() }
    }
}

impl Desk {
    /// A desk for a study that is at hand.
    pub fn new(folder: &StudyFolder, plan: &Plan, examples: &Examples, board: &Arc<Board>) -> Self {
        let source = Source { folder: folder.clone(), plan: plan.clone(), examples: examples.clone() };
        let kept = Kept::new(Arc::new(source), Basis::default());
        Self { board: board.clone(), kept: Mutex::new(kept) }
    }

    /// Goes on with a plan that has more scores or runs.
    pub fn take_plan(&self, plan: &Plan) {
        let mut kept = self.kept();
        let Source { folder, examples, .. } = &*kept.source;
        let source = Source { folder: folder.clone(), plan: plan.clone(), examples: examples.clone() };
        *kept = Kept::new(Arc::new(source), Basis::default());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an analysis says of one model, or of all where the label is empty; an error becomes its warning.
    pub fn answer(
        &self,
        analysis: &'static Analysis,
        label: &str,
        views: &[ReplicateView],
        options: &Options,
    ) -> Answer {
        let mut kept = self.kept();
        let of = Basis::of(views, self.board.ensembles());
        if !kept.of.is(&of) {
            *kept = Kept::new(kept.source.clone(), of);
        }
        let Kept { source, of, gathered, again } = &mut *kept;
        let role = if analysis.wants.all_roles { "" } else { &options.role };
        let gathered = gathered.entry((role.to_owned(), analysis.wants)).or_insert_with(|| {
            let role = Role::ALL.into_iter().find(|known| known.name() == options.role).unwrap_or(Role::Train);
            Gathered::at_hand(source, Study { views, ensembles: &of.ensembles }, role, analysis.wants)
        });
        gathered.hear(&source.folder);
        let input = gathered.of(label);
        let options = &chosen(&input, analysis.wants.about, options);
        let answer = match analysis.again {
            Some(new) => again.entry(analysis.name).or_insert_with(new).answer(&input, options),
            None => (analysis.run)(&input, options),
        };
        let mut answer =
            answer.unwrap_or_else(|error| Answer { warnings: vec![error.to_string()], ..Answer::default() });
        answer.warnings.extend(gathered.warnings().cloned());
        answer
    }
}

/// The options with those scores only that all models have and that the analysis asks about: a choice is made for the whole
/// workbench.
fn chosen(input: &Input, about: &[&str], options: &Options) -> Options {
    let has = |model: &ModelScores, name: &String| model.scores.iter().any(|score| score.name == *name);
    let is_asked = |name: &String| about.is_empty() || about.contains(&select::base(name));
    let in_all = |name: &&String| is_asked(name) && input.models.iter().all(|model| has(model, name));
    Options { scores: options.scores.iter().filter(in_all).cloned().collect(), ..options.clone() }
}
