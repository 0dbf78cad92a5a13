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
use super::ensembles::Ensembles;
use super::events::Event;
use super::late_passes;
use super::learner::Learner;
use super::moments::Moments;
use super::passes::{self, Buffers, Totals};
use super::pulse::Pulse;
use super::score_passes;
use super::steer::{Leave, Steer};
use crate::data::{self, Dataset, Examples, Role};
use crate::nn::Kernels;
use crate::scores::{Observer, Sizes};
use crate::store::folder::StudyFolder;
use crate::store::lock::{Claim, ReplicateLock};
use crate::store::observations::Observations;
use crate::store::record::{EpochLine, HEARTBEAT, PARKED, ReplicateRecord, STOPPED, State};
use crate::store::replicate::ReplicateDir;
use crate::study::Timetable;
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

/// What a replicate tells while it runs, and what it is told.
pub(super) struct Life<'a> {
    pub context: &'a Context,
    pub plan: &'a ReplicatePlan,
    pub steer: &'a Steer,
    pub dir: ReplicateDir,
    pub record: ReplicateRecord,
    pub pulse: Pulse,
}

/// One replicate while it runs.
pub(super) struct Run<'a, K: Kernels> {
    pub life: Life<'a>,
    pub learner: Learner<K>,
    pub observers: Vec<Box<dyn Observer>>,
    /// What each example is to it.
    pub roles: Arc<[Role]>,
    /// The positions that it trains on, ascending.
    pub trained: Vec<u32>,
    pub moments: Moments,
    pub lock: ReplicateLock,
    pub observations: Observations,
    pub buffers: Buffers,
    pub committed: Instant,
}

/// Trains one replicate to its end, or until it is asked to leave; the kernels are made when it is ours.
///
/// # Errors
/// Whatever stops it: unreadable or foreign files, a full disk, a model that does not fit the data.
pub fn train<K: Kernels>(
    context: &Context,
    plan: &ReplicatePlan,
    kernels: impl FnOnce() -> Result<K>,
    steer: &Steer,
) -> Result<Outcome> {
    let dir = context.folder.replicate(&plan.id);
    let lock = match dir.claim(context.lockless)? {
        Claim::Ours(lock) => lock,
        Claim::Theirs(owner) => return Ok(Outcome::Elsewhere(owner.to_string())),
    };
    if dir.record()?.is_some_and(|record| record.state == State::Finished) {
        return late_passes::make(context, plan, kernels, steer, dir, lock);
    }
    let mut run = Run::open(context, plan, kernels()?, steer, dir, lock)?;
    match run.train_to_end() {
        Ok(()) => {
            drop(run);
            refresh_ensembles(context, plan);
            Ok(Outcome::Finished)
        }
        Err(Stop::Leave(leave)) => run.leave(leave).map(Outcome::Left),
        Err(Stop::Error(error)) => Err(error),
    }
}

impl Life<'_> {
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
        self.record.rows = self.plan.timetable.rows_after(self.record.epochs_done);
        self.record.heartbeat = store::now();
        self.dir.write_record(&self.record)
    }

    /// Puts the record on the board.
    pub fn show_record(&self) {
        let record = &self.record;
        self.context.board.update(&self.plan.id, |view| view.progress.follow(record));
    }

    /// Between steps and batches: gives a sign of life, parks while paused, leaves where the epoch's end need not be reached.
    pub fn obey(&mut self) -> Result<(), Stop> {
        if self.record.state == State::Finished {
            // Scores are added to it: whatever is wished, its record stays.
            while self.steer.wait(HEARTBEAT) {}
            return self.steer.wish().map_or(Ok(()), |leave| Err(Stop::Leave(leave)));
        }
        if self.pulse.is_write_due() {
            self.write_record()?;
            self.pulse.wrote();
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
        dir.write_roles(&plan.roles(dataset.train, dataset.test()))?;
        // Rows that a checkpoint counts on must not be made up of zeros.
        let rows_are_there = dir.open_observations()?.is_some();
        let observations = dir.create_observations(plan.timetable.rows as usize, observed, dataset.classes())?;
        let record = record_of(plan, &learner, observed, &backend_id);
        let mut run = Self::new((context, plan, steer), (dir, lock, record), learner, observations);
        commit::restore(&mut run, rows_are_there)?;
        run.publish_restored()?;
        run.life.announce(State::Running, None)?;
        Ok(run)
    }

    /// A run as it is before anything was done or restored: fresh observers of the plan's scores.
    pub fn new(
        (context, plan, steer): (&'a Context, &'a ReplicatePlan, &'a Steer),
        (dir, lock, record): (ReplicateDir, ReplicateLock, ReplicateRecord),
        learner: Learner<K>,
        observations: Observations,
    ) -> Self {
        let dataset = &*context.dataset;
        let roles = plan.roles(dataset.train, dataset.test());
        let trained = data::roles::positions(&roles, Role::Train);
        let (observed, classes, timetable) = (record.observed, dataset.classes(), plan.timetable);
        let sizes = Sizes { roles: roles.clone(), observed, classes, timetable };
        let pulse = Pulse::new(plan.recipe.batch_size.of(trained.len()).min(trained.len()));
        Self {
            life: Life { context, plan, steer, dir, record, pulse },
            observers: context.plan.scores.iter().map(|spec| spec.observer(&sizes)).collect(),
            buffers: Buffers::default(),
            moments: Moments::default(),
            roles,
            trained,
            committed: Instant::now(),
            learner,
            lock,
            observations,
        }
    }

    fn train_to_end(&mut self) -> Result<(), Stop> {
        if self.life.record.epochs_done == 0 {
            self.learner.initialise(&self.life.plan.key, self.life.plan.recipe.norm_init)?;
            score_passes::make(self)?;
        }
        while self.life.record.epochs_done < self.life.plan.timetable.epochs {
            self.epoch()?;
        }
        commit::finish(self)
    }

    /// One epoch, its row and line where it is looked at, and a checkpoint where one is due.
    fn epoch(&mut self) -> Result<(), Stop> {
        let started = Instant::now();
        let epoch = self.life.record.epochs_done + 1;
        let trained = passes::train_epoch(self, epoch)?;
        let looked = self.life.plan.timetable.is_observed(epoch);
        let tested = if looked { Some(self.observe(epoch)?) } else { None };
        self.life.record.epochs_done = epoch;
        self.life.record.step = 0;
        score_passes::make(self)?;
        let seconds = started.elapsed().as_secs_f64();
        self.life.record.seconds += seconds;
        if let Some(tested) = tested {
            self.write_look(epoch, trained, tested, seconds)?;
        }
        let done = epoch == self.life.plan.timetable.epochs;
        let wish = self.life.steer.wish();
        // Who leaves at once or is skipped keeps the checkpoint that is there.
        if wish == Some(Leave::AfterEpoch) || done || self.is_due() {
            commit::checkpoint(self)?;
            self.life.show_record();
        }
        // Asked to leave after the last epoch: finishing is a second's work and all that is left.
        wish.filter(|_| !done).map_or(Ok(()), |leave| Err(Stop::Leave(leave)))
    }

    /// Looks at the network after an epoch: the test examples, and the scores get the epoch's observations. Their row lies in its
    /// file before the record says that there is one: whoever watches the folder reads it.
    fn observe(&mut self, epoch: u32) -> Result<Totals, Stop> {
        let tested = passes::evaluate_epoch(self)?;
        // The training losses were taken before the steps: the last step shows in the passes after it.
        self.life.record.non_finite |= !self.buffers.epoch.is_finite() || !tested.loss().is_finite();
        self.life.record.test_accuracy = Some(tested.accuracy());
        if let Some(row) = self.life.plan.timetable.row_of(epoch) {
            for observer in &mut self.observers {
                observer.observe(row, &self.buffers.epoch, &self.life.context.dataset.labels);
            }
            self.observations.write_row(row as usize, &self.buffers.epoch)?;
        }
        Ok(tested)
    }

    /// The line of an epoch, and what the screen shows of it.
    fn write_look(&mut self, epoch: u32, trained: Totals, tested: Totals, seconds: f64) -> Result<()> {
        let Timetable { steps_per_epoch, .. } = self.life.plan.timetable;
        let last_step = self.life.plan.timetable.steps.min(u64::from(epoch) * steps_per_epoch as u64);
        let line = EpochLine {
            epoch,
            lr: self.life.plan.recipe.rate(epoch, last_step),
            train_loss: finite(trained.loss()),
            train_accuracy: trained.accuracy(),
            test_loss: finite(tested.loss()),
            test_accuracy: tested.accuracy(),
            seconds,
        };
        self.life.dir.append_epoch(&line)?;
        self.stage(Stage::Row);
        self.publish_scores(self.life.plan.timetable.row_of(epoch).is_some());
        self.tell_epoch(&line);
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.committed.elapsed().as_secs() >= self.life.context.plan.config.train.checkpoint_seconds
    }

    fn leave(mut self, leave: Leave) -> Result<Leave> {
        let (state, reason) = match leave {
            Leave::AfterEpoch => (State::Paused, format!("stopped after epoch {}", self.life.record.epochs_done)),
            Leave::Skip => (State::Skipped, "skipped by request".to_owned()),
            Leave::Now => (State::Queued, STOPPED.to_owned()),
        };
        // Work past the last checkpoint is gone: the record must not claim it.
        if leave != Leave::AfterEpoch {
            self.life.record.epochs_done = self.life.record.epochs_committed;
        }
        self.life.dir.log(&reason)?;
        self.life.announce(state, Some(reason))?;
        Ok(leave)
    }

    /// What a resumed replicate had already learned about the examples.
    fn publish_restored(&mut self) -> Result<()> {
        // What an earlier turn published past the checkpoint is gone.
        self.life.context.board.update(&self.life.plan.id, |view| (view.margins, view.scores) = (Arc::default(), None));
        let rows = self.life.plan.timetable.rows_after(self.life.record.epochs_done);
        if rows > 0 {
            let margins = margin_history(&self.observations, rows, &self.roles)?;
            self.life.context.board.update(&self.life.plan.id, |view| view.margins = Arc::new(margins));
            self.set_scores(self.observations.row(rows as usize - 1)?.predicted, None);
        }
        Ok(())
    }

    /// The scores so far, and the margins where the epoch has a row.
    fn publish_scores(&self, has_row: bool) {
        let quantiles = has_row.then(|| margin_quantiles(&self.buffers.epoch.margin, &self.roles));
        self.set_scores(self.buffers.epoch.predicted.clone(), quantiles);
    }

    /// Puts the scores so far on the board, with the class last predicted for each example.
    pub fn set_scores(&self, predicted: Vec<u16>, margins: Option<MarginQuantiles>) {
        let values = self.observers.iter().map(|observer| observer.values()).collect();
        let scores = Arc::new(LiveScores { epoch: self.life.record.epochs_done, values, predicted });
        let record = &self.life.record;
        self.life.context.board.update(&self.life.plan.id, |view| {
            // A reader never sees the scores of one epoch beside the margins of another.
            Arc::make_mut(&mut view.margins).extend(margins);
            view.scores = Some(scores);
            view.progress.follow(record);
        });
    }

    fn tell_epoch(&self, line: &EpochLine) {
        let _ = self.life.context.events.send(Event::Epoch {
            id: self.life.plan.id.clone(),
            epoch: line.epoch,
            train_loss: line.train_loss.unwrap_or(f64::NAN),
            train_accuracy: line.train_accuracy,
            test_accuracy: line.test_accuracy,
            seconds: line.seconds,
        });
    }

    /// Marks that a stage is done.
    pub fn stage(&self, stage: Stage) {
        (self.life.context.stages)(self.life.plan, stage);
    }
}

/// Lets the finished replicates of the model say together what they can; trouble is told and stops nothing.
fn refresh_ensembles(context: &Context, plan: &ReplicatePlan) {
    let (board, examples) = (&context.board, Examples::of(&context.dataset));
    let mut ensembles = Ensembles::default();
    match ensembles.refresh(&context.folder, &context.plan, &examples, &plan.id.label) {
        Ok(()) => board.add_ensembles(ensembles),
        Err(error) => {
            let _ = context.events.send(Event::Log { id: Some(plan.id.clone()), text: error.to_string() });
        }
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
        epochs: plan.timetable.epochs,
        steps: plan.timetable.steps_per_epoch,
        total_steps: plan.timetable.steps,
        observe_every: plan.timetable.every,
        started: Some(store::now()),
        ..ReplicateRecord::default()
    }
}

/// JSON has no word for a loss that is no number.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
