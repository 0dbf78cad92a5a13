//! Who does what takes long? One thread per kind of question; a newer question replaces one that still waits.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::session::{Analyse, Examples, HistorySource, ScoreColumn, Session};
use super::story::{self, Story};
use super::summary::{self, Summary};
use crate::analysis::{Analysis, Answer, Options};
use crate::scores::Harder;
use crate::study::ReplicateId;
use crate::train::board::{Board, ReplicateView};
use crate::{Error, Result};

/// What an answer is based on: where it has changed, the same question is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// Finished replicates.
    pub finished: usize,
    /// How often scores were imported since the workbench was opened.
    pub imports: usize,
}

/// What the screen wants to know.
#[derive(Clone)]
pub enum Question {
    /// Means and ranks of a model's scores.
    Summary {
        /// The model's label.
        model: String,
        /// Whether of the examples that its runs held out.
        held_out: bool,
        /// The scores, in the order of their values.
        scores: Arc<Vec<ScoreColumn>>,
        /// The board.
        views: Arc<Vec<ReplicateView>>,
    },
    /// How far an example's rank by one score ranges over a model's runs.
    RankRanges {
        /// The model's label.
        model: String,
        /// Whether of the examples that its runs held out.
        held_out: bool,
        /// The score's place.
        score: usize,
        /// The score's difficult end.
        harder: Harder,
        /// The board.
        views: Arc<Vec<ReplicateView>>,
    },
    /// What a model's replicates saw of one example.
    Story {
        /// The example's position.
        example: usize,
        /// The replicates to ask, and how many epochs of each.
        runs: Vec<(ReplicateId, u32)>,
    },
    /// What an analysis answers.
    Answer {
        /// Which.
        analysis: &'static Analysis,
        /// Of which model; all where it is empty.
        model: String,
        /// What was chosen.
        options: Options,
        /// What is behind the answer.
        basis: Basis,
        /// The board.
        views: Arc<Vec<ReplicateView>>,
    },
}

/// What the screen gets to know.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers `Question::Summary`.
    Summary(Arc<Summary>),
    /// Answers `Question::RankRanges`.
    RankRanges {
        /// The model's label.
        model: String,
        /// Whether of the examples that its runs held out.
        held_out: bool,
        /// The score's place.
        score: usize,
        /// Best and worst rank of every example; (0, 0): none.
        ranges: Arc<Vec<(u32, u32)>>,
    },
    /// Answers `Question::Story`.
    Story(Arc<Story>),
    /// Answers `Question::Answer`.
    Answer {
        /// The analysis' name.
        name: &'static str,
        /// Of which model; all where it is empty.
        model: String,
        /// What was chosen.
        options: Options,
        /// What is behind the answer.
        basis: Basis,
        /// The answer.
        answer: Arc<Answer>,
    },
}

/// What answering needs.
#[derive(Clone)]
pub struct Library {
    examples: Arc<Examples>,
    history: Arc<dyn HistorySource>,
    analyse: Arc<Analyse>,
    board: Arc<Board>,
}

impl Library {
    /// What a session knows.
    pub fn of(session: &Session) -> Self {
        Self {
            examples: Arc::clone(&session.examples),
            history: Arc::clone(&session.history),
            analyse: Arc::clone(&session.analyse),
            board: Arc::clone(&session.board),
        }
    }

    /// Answers a question; may read files and compute for a while.
    pub fn answer(&self, question: Question) -> Reply {
        match question {
            Question::Summary { model, held_out, scores, views } => {
                let together = self.board.ensembles();
                let of = (model.as_str(), held_out);
                Reply::Summary(Arc::new(summary::of(of, &views, &together, &scores, &self.examples)))
            }
            Question::RankRanges { model, held_out, score, harder, views } => {
                let ranges =
                    Arc::new(summary::rank_ranges((&model, held_out), &views, score, harder, self.examples.train));
                Reply::RankRanges { model, held_out, score, ranges }
            }
            Question::Story { example, runs } => {
                Reply::Story(Arc::new(story::read(self.history.as_ref(), example, &runs)))
            }
            Question::Answer { analysis, model, options, basis, views } => {
                let answer = Arc::new((self.analyse)(analysis, &model, views, &options));
                Reply::Answer { name: analysis.name, model, options, basis, answer }
            }
        }
    }
}

/// Answers; where an analysis left out what takes longer than a moment, it is asked for the whole after that.
/// False where nobody listens any more.
fn answer(library: &Library, question: Question, tell: &Sender<Reply>) -> bool {
    let Question::Answer { analysis, model, options, basis, views } = question else {
        return tell.send(library.answer(question)).is_ok();
    };
    let ask = |quick: bool| {
        let options = Options { quick, ..options.clone() };
        let (model, views) = (model.clone(), Arc::clone(&views));
        library.answer(Question::Answer { analysis, model, options, basis, views })
    };
    let quick = ask(true);
    let is_whole = matches!(&quick, Reply::Answer { answer, .. } if !answer.unfinished);
    tell.send(quick).is_ok() && (is_whole || tell.send(ask(false)).is_ok())
}

/// The workers' threads; they end when this is dropped and their last answer is given.
pub struct Workers {
    slots: [(Sender<Question>, Receiver<Question>); 4],
    replies: Receiver<Reply>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(library: &Library) -> Result<Self> {
        let (tell, replies) = unbounded();
        let slots = [bounded(1), bounded(1), bounded(1), bounded(1)];
        for (_, questions) in &slots {
            let (library, tell, questions) = (library.clone(), tell.clone(), questions.clone());
            std::thread::Builder::new()
                .name("workbench".into())
                .spawn(move || {
                    for question in questions {
                        if !answer(&library, question, &tell) {
                            break;
                        }
                    }
                })
                .map_err(|error| Error::Failed(format!("no thread for the workbench: {error}")))?;
        }
        Ok(Self { slots, replies })
    }

    /// Asks; the same kind of question that still waits is forgotten.
    pub fn ask(&self, question: Question) {
        let kind = match question {
            Question::Summary { .. } => 0,
            Question::Story { .. } => 1,
            Question::RankRanges { .. } => 2,
            Question::Answer { .. } => 3,
        };
        if let Some((ask, waiting)) = self.slots.get(kind) {
            let _ = waiting.try_recv();
            let _ = ask.try_send(question);
        }
    }

    /// An answer, if there is a new one.
    pub fn reply(&self) -> Option<Reply> {
        self.replies.try_recv().ok()
    }
}
