//! The life of one replicate: open its folder, train epoch by epoch, commit, finish.
//!
//! ```text
//!  open --> [ epoch: train | observe | score | row --> commit when due ]* --> finish
//!             ^ a checkpoint is the commit point: rows past it are trained and written again
//! ```

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;

use super::board::{Board, LiveScores, MarginQuantiles, margin_history, margin_quantiles};
use super::commit;
use super::events::Event;
use super::learner::Learner;
use super::passes::{self, Buffers};
use super::pulse::Pulse;
use super::steer::{Leave, Steer};
use crate::data::Dataset;
use crate::nn::Kernels;
use crate::scores::{Need, Observer, ScoreSpec};
use crate::store::folder::StudyFolder;
use crate::store::lock::{Claim, ReplicateLock};
use crate::store::observations::Observations;
use crate::store::record::{EpochLine, HEARTBEAT, PARKED, ReplicateRecord, STOPPED, State};
use crate::store::replicate::ReplicateDir;
use crate::study::config::Observe;
use crate::study::plan::{Plan, ReplicatePlan};
use crate::{Error, Result, store};

/// Moments at which a kill must be harmless: right after the named thing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A training step.
    Step,
    /// An epoch's observation row and line.
    Row,
    /// A checkpoint (the last one too).
    Checkpoint,
    /// `final_logits.npy`
    FinalLogits,
    /// `scores.safetensors`
    Scores,
    /// `weights.safetensors`
    Weights,
    /// The observation files, in their final order.
    Observations,
    /// `replicate.json` says finished.
    Finished,
}

/// Called after each stage on the replicate's own thread; the tests end the process here.
pub type StageHook = Arc<dyn Fn(&ReplicatePlan, Stage) + Send + Sync>;

/// What all replicates of a study share.
#[derive(Clone)]
pub struct Context {
    /// Which replicates and scores.
    pub plan: Arc<Plan>,
    /// What is trained on.
    pub dataset: Arc<Dataset>,
    /// Where results go.
    pub folder: StudyFolder,
    /// What the screen reads.
    pub board: Arc<Board>,
    /// Where changes of state are told.
    pub events: Sender<Event>,
    /// Resume a checkpoint of another backend.
    pub force: bool,
    /// Train without locks where there are none: the work was divided beforehand.
    pub lockless: bool,
    /// See [`Stage`].
    pub stages: StageHook,
}

/// How a replicate's turn ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All epochs done, all files written.
    Finished,
    /// Left on request.
    Left(Leave),
    /// Another process trains it; who.
    Elsewhere(String),
}

/// Why work on a replicate ends before its end.
pub(super) enum Stop {
    /// It was asked to leave.
    Leave(Leave),
    /// Something is wrong.
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// One replicate while it runs.
pub(super) struct Run<'a, K: Kernels> {
    pub context: &'a Context,
    pub plan: &'a ReplicatePlan,
    pub steer: &'a Steer,
    pub learner: Learner<K>,
    pub observers: Vec<Box<dyn Observer>>,
    pub dir: ReplicateDir,
    pub lock: ReplicateLock,
    pub observations: Observations,
    pub record: ReplicateRecord,
    pub buffers: Buffers,
    pub pulse: Pulse,
    pub committed: Instant,
}

/// Trains one replicate to its end, or until it is asked to leave.
///
/// # Errors
/// Whatever stops it: unreadable or foreign files, a full disk, a model that does not fit the data.
pub fn train<K: Kernels>(context: &Context, plan: &ReplicatePlan, kernels: K, steer: &Steer) -> Result<Outcome> {
    let dir = context.folder.replicate(&plan.id);
    let lock = match dir.claim(context.lockless)? {
        Claim::Ours(lock) => lock,
        Claim::Theirs(owner) => return Ok(Outcome::Elsewhere(owner.to_string())),
    };
    if dir.record()?.is_some_and(|record| record.state == State::Finished) {
        return Ok(Outcome::Finished);
    }
    let mut run = Run::open(context, plan, kernels, steer, dir, lock)?;
    match run.train_to_end() {
        Ok(()) => Ok(Outcome::Finished),
        Err(Stop::Leave(leave)) => run.leave(leave).map(Outcome::Left),
        Err(Stop::Error(error)) => Err(error),
    }
}

impl<'a, K: Kernels> Run<'a, K> {
    fn open(
        context: &'a Context,
        plan: &'a ReplicatePlan,
        kernels: K,
        steer: &'a Steer,
        dir: ReplicateDir,
        lock: ReplicateLock,
    ) -> Result<Self> {
        let dataset = &*context.dataset;
        let backend_id = kernels.backend_id();
        let model = crate::models::parse(&plan.model).map_err(Error::Usage)?;
        let learner = Learner::new(kernels, &model, dataset.shape, dataset.classes())?;
        let observed = observed(plan, dataset);
        let (epochs, classes) = (plan.recipe.epochs, dataset.classes());
        // Rows that a checkpoint counts on must not be made up of zeros.
        let rows_are_there = dir.open_observations()?.is_some();
        let observations = dir.create_observations(epochs as usize, observed, classes)?;
        let observer = |spec: &ScoreSpec| spec.observer(dataset.len(), observed, classes, epochs);
        let mut run = Self {
            observers: context.plan.scores.iter().map(observer).collect(),
            record: record_of(plan, &learner, dataset, observed, &backend_id),
            pulse: Pulse::new(plan.recipe.batch_size),
            buffers: Buffers::default(),
            committed: Instant::now(),
            context,
            plan,
            steer,
            learner,
            dir,
            lock,
            observations,
        };
        commit::restore(&mut run, rows_are_there)?;
        run.publish_restored()?;
        run.announce(State::Running, None)?;
        Ok(run)
    }

    fn train_to_end(&mut self) -> Result<(), Stop> {
        if self.record.epochs_done == 0 {
            self.learner.initialise(&self.plan.key, self.plan.recipe.norm_init)?;
            self.passes_after()?;
        }
        while self.record.epochs_done < self.plan.recipe.epochs {
            self.epoch()?;
        }
        commit::finish(self)
    }

    /// One epoch, its row and line, and a checkpoint where one is due.
    fn epoch(&mut self) -> Result<(), Stop> {
        let started = Instant::now();
        let epoch = self.record.epochs_done + 1;
        let totals = passes::train_epoch(self, epoch)?;
        let tested = passes::evaluate_epoch(self)?;
        // The training losses were taken before the steps: the last step shows in the passes after it.
        self.record.non_finite |= !self.buffers.epoch.is_finite() || !tested.loss().is_finite();
        for observer in &mut self.observers {
            observer.observe(epoch - 1, &self.buffers.epoch, &self.context.dataset.labels);
        }
        self.record.epochs_done = epoch;
        self.record.step = 0;
        self.record.test_accuracy = Some(tested.accuracy());
        self.passes_after()?;
        let line = EpochLine {
            epoch,
            lr: self.plan.recipe.optimizer.rate(epoch),
            train_loss: finite(totals.loss()),
            train_accuracy: totals.accuracy(),
            test_loss: finite(tested.loss()),
            test_accuracy: tested.accuracy(),
            seconds: started.elapsed().as_secs_f64(),
        };
        self.record.seconds += line.seconds;
        self.observations.write_row(epoch as usize - 1, &self.buffers.epoch)?;
        self.dir.append_epoch(&line)?;
        self.stage(Stage::Row);
        self.publish_scores();
        self.tell_epoch(&line);
        let done = epoch == self.plan.recipe.epochs;
        let wish = self.steer.wish();
        if wish.is_some() || done || self.is_due() {
            commit::checkpoint(self)?;
            self.show_record();
        }
        // Asked to leave after the last epoch: finishing is a second's work and all that is left.
        wish.filter(|_| !done).map_or(Ok(()), |leave| Err(Stop::Leave(leave)))
    }

    /// Between steps and batches: gives a sign of life, parks while paused, leaves where the epoch's end need not be reached.
    pub fn obey(&mut self) -> Result<(), Stop> {
        if self.pulse.write() {
            self.write_record()?;
        }
        if self.steer.paused() {
            self.announce(State::Paused, Some(PARKED.into()))?;
            while self.steer.wait(HEARTBEAT) {
                self.write_record()?;
            }
            self.pulse.restart();
            self.announce(State::Running, None)?;
        }
        match self.steer.wish() {
            Some(leave @ (Leave::Skip | Leave::Now)) => Err(Stop::Leave(leave)),
            Some(Leave::AfterEpoch) | None => Ok(()),
        }
    }

    /// The passes that scores need after the epochs done (0: initialisation), each made once.
    fn passes_after(&mut self) -> Result<(), Stop> {
        let epoch = self.record.epochs_done;
        let context = self.context;
        let wants = |spec: &ScoreSpec| spec.needs().iter().any(|need| need.passes_after().contains(&epoch));
        if !context.plan.scores.iter().any(wants) {
            return Ok(());
        }
        passes::all_logits(self)?;
        for (spec, observer) in context.plan.scores.iter().zip(&mut self.observers) {
            for need in spec.needs() {
                match need {
                    Need::LogitsAt(epochs) if epochs.contains(&epoch) => {
                        observer.logits(epoch, &self.buffers.logits, &context.dataset.labels);
                    }
                    Need::LogitsAt(_) | Need::Observations => {}
                }
            }
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.committed.elapsed().as_secs() >= self.context.plan.config.train.checkpoint_seconds
    }

    fn leave(mut self, leave: Leave) -> Result<Leave> {
        let (state, reason) = match leave {
            Leave::AfterEpoch => (State::Paused, format!("stopped after epoch {}", self.record.epochs_done)),
            Leave::Skip => (State::Skipped, "skipped by request".to_owned()),
            Leave::Now => (State::Queued, STOPPED.to_owned()),
        };
        // Work past the last checkpoint is gone: the record must not claim it.
        if leave != Leave::AfterEpoch {
            self.record.epochs_done = self.record.epochs_committed;
        }
        self.dir.log(&reason)?;
        self.announce(state, Some(reason))?;
        Ok(leave)
    }

    /// Tells a change of state to the folder, the board and whoever listens.
    pub fn announce(&mut self, state: State, reason: Option<String>) -> Result<()> {
        self.record.state = state;
        self.record.reason.clone_from(&reason);
        self.write_record()?;
        self.show_record();
        // Nobody listening any more is no reason to stop.
        let _ = self.context.events.send(Event::State { id: self.plan.id.clone(), state, reason });
        Ok(())
    }

    /// Rewrites `replicate.json` with a fresh heartbeat.
    pub fn write_record(&mut self) -> Result<()> {
        self.record.heartbeat = store::now();
        self.dir.write_record(&self.record)
    }

    /// What a resumed replicate had already learned about the examples.
    fn publish_restored(&mut self) -> Result<()> {
        // What an earlier turn published past the checkpoint is gone.
        self.context.board.update(&self.plan.id, |view| (view.margins, view.scores) = (Arc::default(), None));
        if self.record.epochs_done > 0 {
            let margins = margin_history(&self.observations, self.record.epochs_done, self.context.dataset.train)?;
            self.context.board.update(&self.plan.id, |view| view.margins = Arc::new(margins));
            self.set_scores(self.observations.row(self.record.epochs_done as usize - 1)?.predicted, None);
        }
        Ok(())
    }

    fn publish_scores(&self) {
        let margins = self.buffers.epoch.margin.get(..self.context.dataset.train).unwrap_or(&[]);
        let quantiles = margin_quantiles(margins);
        self.set_scores(self.buffers.epoch.predicted.clone(), Some(quantiles));
    }

    /// Puts the scores so far on the board, with the class last predicted for each example.
    pub fn set_scores(&self, predicted: Vec<u16>, margins: Option<MarginQuantiles>) {
        let values = self.observers.iter().map(|observer| observer.values()).collect();
        let scores = Arc::new(LiveScores { epoch: self.record.epochs_done, values, predicted });
        let record = &self.record;
        self.context.board.update(&self.plan.id, |view| {
            // A reader never sees the scores of one epoch beside the margins of another.
            Arc::make_mut(&mut view.margins).extend(margins);
            view.scores = Some(scores);
            view.progress.follow(record);
        });
    }

    fn tell_epoch(&self, line: &EpochLine) {
        let _ = self.context.events.send(Event::Epoch {
            id: self.plan.id.clone(),
            epoch: line.epoch,
            train_loss: line.train_loss.unwrap_or(f64::NAN),
            train_accuracy: line.train_accuracy,
            test_accuracy: line.test_accuracy,
            seconds: line.seconds,
        });
    }

    fn show_record(&self) {
        let record = &self.record;
        self.context.board.update(&self.plan.id, |view| view.progress.follow(record));
    }

    /// Marks that a stage is done.
    pub fn stage(&self, stage: Stage) {
        (self.context.stages)(self.plan, stage);
    }
}

/// How many examples a row of observations holds.
fn observed(plan: &ReplicatePlan, dataset: &Dataset) -> usize {
    match plan.recipe.observe {
        Observe::Minibatch => dataset.train,
        Observe::Sweep => dataset.len(),
    }
}

fn record_of<K: Kernels>(
    plan: &ReplicatePlan,
    learner: &Learner<K>,
    dataset: &Dataset,
    observed: usize,
    backend_id: &str,
) -> ReplicateRecord {
    ReplicateRecord {
        model: plan.model.clone(),
        seed: format!("{:016x}", plan.key.seed()),
        device: learner.device(),
        backend_id: backend_id.to_owned(),
        parameters: learner.layout().parameter_count(),
        observe: match plan.recipe.observe {
            Observe::Minibatch => "minibatch".into(),
            Observe::Sweep => "sweep".into(),
        },
        observed,
        epochs: plan.recipe.epochs,
        steps: dataset.train.div_ceil(plan.recipe.batch_size),
        started: Some(store::now()),
        ..ReplicateRecord::default()
    }
}

/// JSON has no word for a loss that is no number.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
