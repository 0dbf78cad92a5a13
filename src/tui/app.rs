//! What does the workbench know right now? Plain state without a terminal: the board's last snapshot, the answers
//! of the workers, and where the person is.

mod actions;
mod arrivals;
mod choices;
mod enabled;
mod input;
mod questions;
mod verdicts;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Outcome;
use super::keys::Context;
use super::pictures::Mode;
use super::session::Session;
use super::story::Story;
use super::summary::{Believed, Summary};
use super::tabs::{Tab, answer, correlation, examples, train};
use super::theme::Theme;
use super::worker::{Basis, Question};
use crate::analysis::Options;
use crate::data::Role;
use crate::store::record::State;
use crate::store::verdicts::Review;
use crate::study::ReplicateId;
use crate::train::board::{Progress, ReplicateView};
use crate::train::eta;
use crate::train::events::{Command, Event};
use crate::train::gpus::Gpu;

/// How long a message stays in place of the reading.
const MESSAGE_TIME: Duration = Duration::from_secs(5);
/// Log lines kept.
const LOG_LINES: usize = 2000;

/// What the state asks of the world around it.
#[derive(Clone)]
pub enum Effect {
    /// A worker should answer this.
    Ask(Question),
    /// This should be kept in the study's folder.
    Keep(Review),
    /// Training should do this.
    Send(Command),
    /// Everything should be painted afresh.
    Repaint,
    /// The shell should get the terminal for a while.
    Suspend,
    /// The workbench should close.
    Leave(Outcome),
}

/// What a confirmed question does.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmed {
    /// Steers training.
    Send(Command),
    /// Closes the workbench, so that the study is run afresh.
    Afresh,
}

/// What lies over the tab.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    /// The keys of this tab, scrolled by so many lines.
    Help(usize),
    /// A question before something is stopped.
    Confirm {
        /// The question.
        question: String,
        /// What yes does.
        then: Confirmed,
    },
    /// How to quit while replicates run.
    Quit,
    /// Which scores the analyses look at, with the cursor's place.
    Scores(usize),
    /// What is to be said of the selected example.
    Verdict,
    /// Which class the selected example should have, as far as it is typed.
    NewLabel(String),
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Whose line, if a replicate's.
    pub id: Option<ReplicateId>,
    /// What happened.
    pub text: String,
}

impl LogLine {
    /// A replicate's line: among those of others it needs its name.
    fn of(id: ReplicateId, text: &str) -> Self {
        Self { text: format!("{id}: {text}"), id: Some(id) }
    }
}

/// The runs behind a summary: epochs done, and whether a loss was non-finite.
type Behind = Vec<(ReplicateId, u32, bool)>;

/// The model of a summary, whether it is of held-out examples, its runs (there may be none), and how often scores were imported.
type AskedSummary = (String, bool, Behind, usize);
/// An example with the runs behind its story, and how many of them are finished.
type AskedStory = (usize, Vec<(ReplicateId, u32)>, usize);

/// Best and worst ranks of all examples by one score, with the model's label, whether they are held out, and the score's place.
type RankRanges = (String, bool, usize, Arc<Vec<(u32, u32)>>);

/// The state of the workbench.
pub struct App {
    /// What it is opened on.
    pub session: Session,
    /// Colours.
    pub theme: Theme,
    /// How pictures are drawn.
    pub pictures: Mode,
    /// The board as last read.
    pub views: Arc<Vec<ReplicateView>>,
    /// The models' labels in the study's order.
    pub models: Vec<String>,
    /// The selected model's place among them.
    pub model: usize,
    /// What is known of each model.
    pub summaries: BTreeMap<String, Arc<Summary>>,
    /// What the analyses are asked: scores, role, threshold and target, the same on every tab.
    pub choice: Options,
    /// The selected example's position.
    pub example: Option<usize>,
    /// What is known of the selected example.
    pub story: Option<Arc<Story>>,
    /// The open tab.
    pub tab: Tab,
    /// Whether the focused pane has the whole body.
    pub zoomed: bool,
    /// The tab `1 Train`.
    pub train: train::Train,
    /// The tab `2 Examples`.
    pub examples: examples::Examples,
    /// The tab `5 Correlation`.
    pub correlation: correlation::Correlation,
    /// The tabs of the other analyses.
    pub answers: answer::Answers,
    /// What lies over the tab.
    pub overlay: Option<Overlay>,
    /// Shown in place of the reading, and since when.
    pub message: Option<(String, Option<Instant>)>,
    /// What happened, oldest first.
    pub log: VecDeque<LogLine>,
    /// Replicates that run at once.
    pub jobs: usize,
    /// Whether the running epochs are the last before the workbench closes.
    pub ending: bool,
    /// This machine's GPUs as last read; empty where none trains or tells.
    pub gpus: Vec<Gpu>,
    /// Rows of the page last drawn.
    pub page: usize,
    version: Option<u64>,
    imports: usize,
    reviewing: verdicts::Reviewing,
    asked_summary: Option<AskedSummary>,
    asked_ranges: Option<(usize, AskedSummary)>,
    rank_ranges: Option<RankRanges>,
    asked_story: Option<AskedStory>,
    asked_answer: Option<(&'static str, String, Basis, Options)>,
    effects: Vec<Effect>,
}

impl App {
    /// The state at the start; reads the board once.
    pub fn new(mut session: Session, theme: Theme, pictures: Mode) -> Self {
        let past = std::mem::take(&mut session.log);
        let mut app = Self {
            theme,
            pictures,
            views: Arc::default(),
            models: Vec::new(),
            model: 0,
            summaries: BTreeMap::new(),
            choice: Options::default(),
            example: (!session.examples.is_empty()).then_some(0),
            story: None,
            tab: Tab::Train,
            zoomed: false,
            train: train::Train::default(),
            examples: examples::Examples::new(&session),
            correlation: correlation::Correlation::default(),
            answers: answer::Answers::default(),
            overlay: None,
            message: session.notice.clone().map(|notice| (notice, None)),
            log: past.into_iter().rev().take(LOG_LINES).rev().map(|(id, text)| LogLine::of(id, &text)).collect(),
            jobs: session.jobs.max(1),
            ending: false,
            gpus: Vec::new(),
            page: 10,
            version: None,
            imports: 0,
            reviewing: verdicts::Reviewing::default(),
            asked_summary: None,
            asked_story: None,
            asked_ranges: None,
            rank_ranges: None,
            asked_answer: None,
            effects: Vec::new(),
            session,
        };
        app.rearrange();
        app.refresh();
        app
    }

    /// Which keys hold now.
    pub fn context(&self) -> Context {
        match (&self.overlay, self.tab) {
            (Some(Overlay::Help(_)), _) => Context::Help,
            (Some(Overlay::Confirm { .. }), _) => Context::Confirm,
            (Some(Overlay::Quit), _) => Context::Quit,
            (Some(Overlay::Scores(_)), _) => Context::Scores,
            (Some(Overlay::Verdict), _) => Context::Verdict,
            (Some(Overlay::NewLabel(_)), _) => Context::NewLabel,
            (None, Tab::Examples) if self.examples.input.is_some() => Context::Filter,
            (None, tab) => tab.context(),
        }
    }

    /// What is asked of the world since the last call.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Shows a message for a while.
    pub fn say(&mut self, text: impl Into<String>) {
        self.message = Some((text.into(), None));
    }

    /// Forgets a message that was shown long enough; whether anything changed.
    pub fn tick(&mut self, now: Instant) -> bool {
        match &mut self.message {
            Some((_, since @ None)) => {
                *since = Some(now);
                false
            }
            Some((_, Some(since))) if now.duration_since(*since) >= MESSAGE_TIME => {
                self.message = None;
                true
            }
            _ => false,
        }
    }

    /// Reads the board if it changed, and asks what follows; whether anything changed.
    pub fn refresh(&mut self) -> bool {
        let version = self.session.board.version();
        if self.version == Some(version) {
            return false;
        }
        self.version = Some(version);
        self.views = Arc::new(self.session.board.snapshot());
        let labels = self.views.iter().map(|view| &view.progress.id.label).chain(&self.session.imported);
        for label in labels {
            if !self.models.contains(label) {
                self.models.push(label.clone());
            }
        }
        self.follow_running();
        if self.ending && self.under_way() == 0 {
            self.effects.push(Effect::Leave(Outcome::Quit { after_epoch: true }));
        }
        self.ask();
        true
    }

    /// Until a person selects a replicate, the first running one is selected.
    fn follow_running(&mut self) {
        if !self.train.chosen {
            let running = self.views.iter().position(|view| view.progress.state == State::Running);
            self.select_replicate(running.unwrap_or(self.train.replicate));
        }
    }

    /// Selects a replicate, and with it its model.
    pub(super) fn select_replicate(&mut self, place: usize) {
        self.train.replicate = place.min(self.views.len().saturating_sub(1));
        if let Some(label) = self.replicate().map(|view| view.progress.id.label.clone()) {
            self.model = self.models.iter().position(|model| *model == label).unwrap_or(0);
        }
    }

    /// Takes an event of training.
    pub fn observe(&mut self, event: Event) {
        let line = match event {
            Event::State { id, state, reason } => {
                let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                LogLine { text: format!("{id} is {}{why}", state.word()), id: Some(id) }
            }
            Event::Epoch { id, epoch, train_loss, train_accuracy, test_accuracy, seconds } => LogLine {
                text: format!(
                    "{id} ended epoch {epoch} in {seconds:.1} s: loss {train_loss:.3}, train {train_accuracy:.3}, test {test_accuracy:.3}"
                ),
                id: Some(id),
            },
            Event::Log { id: Some(id), text } => LogLine::of(id, &text),
            Event::Log { id: None, text } => LogLine { id: None, text },
            Event::Jobs(jobs) => {
                self.jobs = jobs;
                LogLine {
                    id: None,
                    text: format!("{} at once from now on", super::format::plural(jobs, "replicate", "replicates")),
                }
            }
            Event::Ending { after_epoch } => {
                self.ending = true;
                let when = if after_epoch { "after the running epochs" } else { "now" };
                LogLine { id: None, text: format!("another process asked this one to end {when}") }
            }
            Event::Halted { reason } => {
                let text = format!("{reason}, then P goes on.");
                self.say(text.clone());
                LogLine { id: None, text }
            }
            Event::Idle => {
                if self.ending {
                    self.effects.push(Effect::Leave(Outcome::Quit { after_epoch: true }));
                }
                LogLine { id: None, text: "nothing runs, waits or is paused any more".into() }
            }
        };
        self.note(line);
    }

    /// Adds a line to the log.
    pub fn note(&mut self, line: LogLine) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// Sorts and filters the example table anew; the selection stays on its example.
    pub(super) fn rearrange(&mut self) {
        let summary = self.summary().cloned();
        self.examples.arrange(&self.session, summary.as_deref(), self.example);
        if !self.examples.shows(self.example) {
            self.example = self.examples.at_cursor().or(self.example);
        }
    }

    /// The selected model's label.
    pub fn model_name(&self) -> Option<&str> {
        self.models.get(self.model).map(String::as_str)
    }

    /// Whether scores of the examples that runs held out are looked at.
    pub fn looks_at_held_out(&self) -> bool {
        self.choice.role == Role::Val.name()
    }

    /// Whether the selected model is known by imported scores alone: it has no history.
    pub fn is_imported(&self) -> bool {
        self.model_name().is_some_and(|model| self.session.imported.iter().any(|label| label == model))
    }

    /// What is known of the selected model.
    pub fn summary(&self) -> Option<&Arc<Summary>> {
        self.summaries.get(self.model_name()?)
    }

    /// What the selected model's runs take an example for: the same on every pane.
    pub fn believed(&self, example: usize) -> Option<Believed> {
        self.summary()?.believed.get(example).copied().flatten()
    }

    /// The story of the selected example, once it is told.
    pub fn story(&self) -> Option<&Story> {
        let model = self.model_name()?;
        let story = self.story.as_deref().filter(|story| Some(story.example) == self.example)?;
        story.runs.iter().all(|run| run.id.label == model).then_some(story)
    }

    /// The selected replicate.
    pub fn replicate(&self) -> Option<&ReplicateView> {
        self.views.get(self.train.replicate)
    }

    /// What all replicates are doing.
    pub fn progress(&self) -> Vec<&Progress> {
        self.views.iter().map(|view| &view.progress).collect()
    }

    /// Number of replicates in a state.
    pub fn count(&self, state: State) -> usize {
        self.views.iter().filter(|view| view.progress.state == state).count()
    }

    /// Number of running replicates.
    pub fn running(&self) -> usize {
        self.count(State::Running)
    }

    /// Number of replicates that would lose work if all ended now: running ones and parked ones.
    pub fn under_way(&self) -> usize {
        self.views.iter().filter(|view| view.progress.is_under_way()).count()
    }

    /// Whether a GPU trains a replicate right now, as far as the replicates say.
    pub fn trains_on_gpu(&self) -> bool {
        self.views.iter().any(|view| view.progress.device.starts_with("cuda") && view.progress.is_under_way())
    }

    /// The place of a model in the study, which decides its colour.
    pub fn place(&self, label: &str) -> usize {
        self.models.iter().position(|model| model == label).unwrap_or(0)
    }

    /// Share of the study's epochs done, and the seconds left.
    pub fn outlook(&self) -> (f64, Option<f64>) {
        let progress = self.progress();
        (eta::study_share(&progress), eta::study(&progress, self.session.examples.train, self.jobs))
    }

    /// The window's title, so that a terminal multiplexer's status line shows the progress.
    pub fn title(&self) -> String {
        let (share, eta) = self.outlook();
        let left = eta.map_or_else(String::new, |eta| format!(", {} left", super::format::duration(eta)));
        format!("diffscope {}: {:.0} %{left}", self.session.name, (share * 100.0).floor())
    }
}
