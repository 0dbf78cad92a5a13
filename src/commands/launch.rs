//! From a config to running replicates: load, check, open the folder, start the crew, show it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, unbounded};

use super::logs::Logs;
use super::{Exit, disk, screen, status};
use crate::data::{Dataset, Examples};
use crate::nn::{CpuKernels, Layout, Network};
use crate::results::{self, Study};
use crate::store::examples::ExampleTable;
use crate::store::folder::{StudyFolder, StudyRecord};
use crate::store::places;
use crate::store::record::State;
use crate::study::config::{Augment, BatchSize};
use crate::study::recipe::FULL_CHUNK;
use crate::study::{Config, Plan, ReplicateId, Shard};
use crate::train::board::Board;
use crate::train::devices::{Devices, Wish};
use crate::train::events::Event;
use crate::train::replicate::{Context, Outcome, StageHook};
use crate::train::{Crew, Trainer, added_scores};
use crate::tui::session::Session;
use crate::{Error, Result, cli, headless, models, tui};

/// A study whose config, data and models were found to fit together; nothing is written yet.
pub struct Prepared {
    /// What to train.
    pub plan: Arc<Plan>,
    /// What it is trained on.
    pub dataset: Arc<Dataset>,
    /// Its folder, which may not exist yet.
    pub dir: PathBuf,
    /// Which part of it is trained here; all of it without one.
    pub shard: Option<Shard>,
    /// Where it is trained.
    pub devices: Arc<Devices>,
}

impl Prepared {
    /// As [`Self::on`], on the CPU.
    ///
    /// # Errors
    /// As [`Self::on`]; a precision that a CPU does not have.
    pub fn new(config: &Config, dir: PathBuf) -> Result<Self> {
        Self::on(Devices::find(Some(&Wish::Cpu), config.train.precision)?, config, dir)
    }

    /// Loads the data and checks everything that can be checked before a folder is made.
    ///
    /// # Errors
    /// Bad data, or a model that cannot take images of this size.
    pub fn on(devices: Devices, config: &Config, dir: PathBuf) -> Result<Self> {
        let dataset = crate::data::load(&config.data, config.train.seed, &crate::data::sources::data_home())?;
        Self::with(dataset, devices, config, dir)
    }

    /// The same with data that are loaded, whatever source the config names.
    ///
    /// # Errors
    /// A model that cannot take images of this size.
    pub fn with(dataset: Dataset, devices: Devices, config: &Config, dir: PathBuf) -> Result<Self> {
        // The folder says in which arithmetic it was trained, also where the config leaves it to the device.
        let mut config = config.clone();
        config.train.precision = Some(devices.precision());
        if !dataset.has_pictures() {
            check_values(&config, &devices)?;
        }
        let plan = Plan::new(&config, dataset.train)?;
        for (index, model) in config.models.iter().enumerate() {
            let layout = planned(&model.name, &dataset)?;
            check_full_batch(&config, index, &layout, dataset.train)?;
        }
        Ok(Self { plan: Arc::new(plan), dataset: Arc::new(dataset), dir, shard: None, devices: Arc::new(devices) })
    }

    /// Trains one part of the study only.
    pub fn keep(&mut self, shard: Shard) {
        Arc::make_mut(&mut self.plan).keep(shard);
        self.shard = Some(shard);
    }

    /// Opens the folder and starts training what is left to train, `jobs` replicates at once.
    ///
    /// # Errors
    /// A folder that cannot be made, belongs to another study, or holds files that cannot be read.
    pub fn start(&self, jobs: usize, force: bool, stages: StageHook) -> Result<Running> {
        let folder = self.open_folder()?;
        // What was imported into the folder is shown beside what is trained.
        let plan = Arc::new(self.whole_plan(&folder)?.with_imported(&folder.record().imported));
        let examples = Arc::new(Examples::of(&self.dataset));
        let board = Arc::new(results::board(&folder, &plan, &examples));
        let (told, events) = unbounded();
        let context = Context {
            plan: plan.clone(),
            dataset: self.dataset.clone(),
            folder: folder.clone(),
            board: board.clone(),
            events: told,
            force,
            lockless: self.shard.is_some(),
            stages,
        };
        let (known, devices) = (examples.clone(), self.devices.clone());
        let trainer: Trainer = Arc::new(move |context, plan, steer| {
            let outcome = devices.train(context, plan, steer)?;
            show_foreign_work(context, &plan.id, &outcome, &known)?;
            Ok(outcome)
        });
        let crew = Crew::start(context, jobs, trainer)?;
        Ok(Running { folder, plan, examples, board, crew, events })
    }

    /// Refuses a config that would mix two studies in its folder; nothing is written.
    ///
    /// # Errors
    /// `Error::Usage` with every difference.
    pub fn check_folder(&self) -> Result<()> {
        StudyFolder::check_place(&self.dir)?;
        if !StudyFolder::is_study(&self.dir) {
            return Ok(());
        }
        let folder = StudyFolder::open(&self.dir)?;
        added_scores::check(&folder, &self.plan)?;
        folder.check(&StudyRecord::new(&self.plan.config, &self.dataset))
    }

    /// Makes the folder, or opens it and refuses a config that would mix two studies.
    pub(super) fn open_folder(&self) -> Result<StudyFolder> {
        self.check_folder()?;
        disk::check(self)?;
        let record = StudyRecord::new(&self.plan.config, &self.dataset);
        let folder = StudyFolder::open_or_create(&self.dir, &record)?;
        folder.write_examples(&ExampleTable::of(&self.dataset))?;
        added_scores::fill(&folder, &self.whole_plan(&folder)?, &self.dataset, self.shard.is_some())?;
        Ok(folder)
    }

    /// The plan with all scores of the folder, also those that this config does not name: replicates of a study have the same scores.
    fn whole_plan(&self, folder: &StudyFolder) -> Result<Plan> {
        let config = Config { scores: folder.record().config.scores.clone(), ..self.plan.config.clone() };
        let mut plan = Plan::new(&config, self.dataset.train)?;
        if let Some(shard) = self.shard {
            plan.keep(shard);
        }
        Ok(plan)
    }
}

/// Work of another process on the same folder reaches the board through the folder.
fn show_foreign_work(context: &Context, id: &ReplicateId, outcome: &Outcome, examples: &Examples) -> Result<()> {
    let views = context.board.snapshot();
    let Some(view) = views.into_iter().find(|view| view.progress.id == *id) else { return Ok(()) };
    let finished = view.progress.state == State::Finished;
    match outcome {
        Outcome::Elsewhere(_) => {
            let mut progress = results::progress(&context.folder, view.progress)?;
            progress.hold_back_finish();
            context.board.update(id, |view| view.progress = progress);
        }
        Outcome::Finished if !finished => {
            let fresh = results::view(&context.folder, &context.plan, examples, view.progress)?;
            context.board.update(id, |view| *view = fresh);
        }
        _ => {}
    }
    Ok(())
}

/// Refuses what only pictures can be asked for.
fn check_values(config: &Config, devices: &Devices) -> Result<()> {
    let source = &config.data.source;
    if devices.are_gpus() {
        return Err(Error::Usage(format!("`{source}` has no pictures for a GPU to hold; train it with --device cpu")));
    }
    if config.models.iter().any(|model| config.train.recipe(model).augment != Augment::default()) {
        return Err(Error::Usage(format!("augment: `{source}` has no pictures to crop or flip; leave it out")));
    }
    Ok(())
}

/// Refuses full-batch descent where batch norm would see other moments than those of the full batch.
fn check_full_batch(config: &Config, index: usize, layout: &Layout, train: usize) -> Result<()> {
    let Some(model) = config.models.get(index) else { return Ok(()) };
    let full = config.train.recipe(model).batch_size == BatchSize::Full;
    if !full || layout.statistic_count() == 0 || train <= FULL_CHUNK {
        return Ok(());
    }
    let key = if model.batch_size.is_some() { format!("model.{index}.batch_size") } else { "train.batch_size".into() };
    Err(Error::Usage(format!(
        "{key}: {} has batch norm, whose moments are those of the batch, and a full batch of {train} examples goes through \
         in parts of {FULL_CHUNK}; use a model without batch norm, a number, or a [data] limit of at most {FULL_CHUNK}",
        model.label()
    )))
}

/// The tables of a model for a data set; nothing is allocated.
///
/// # Errors
/// `Error::Usage` where the model cannot work on such images.
pub fn planned(model: &str, dataset: &Dataset) -> Result<Layout> {
    network(model, dataset).map(|network| network.layout().clone())
}

/// The network of a model for a data set; nothing is allocated.
///
/// # Errors
/// `Error::Usage` where the model cannot work on such images.
pub(super) fn network(model: &str, dataset: &Dataset) -> Result<Network<CpuKernels<f32>>> {
    let built = models::parse(model).and_then(|model| model.build(dataset.shape, dataset.classes()));
    built.map_err(Error::Usage)
}

/// A study whose replicates are being trained.
pub struct Running {
    /// Its folder.
    pub folder: StudyFolder,
    /// What is trained, and what was imported.
    pub plan: Arc<Plan>,
    /// Ids, labels and class names.
    pub examples: Arc<Examples>,
    /// What every replicate is doing.
    pub board: Arc<Board>,
    /// Who trains them.
    pub crew: Crew,
    /// What they tell.
    pub events: Receiver<Event>,
}

/// How to run.
pub struct Launch {
    /// Replicates at once on each device; by default one per core, or what a GPU carries.
    pub jobs: Option<usize>,
    /// Resume checkpoints of another backend.
    pub force: bool,
    /// Plain lines instead of the workbench.
    pub headless: bool,
    /// Whether the workbench offers to run the study afresh (the demo).
    pub fresh_allowed: bool,
}

/// How a launch ended.
pub struct Ended {
    /// The exit code.
    pub exit: Exit,
    /// The workbench's user asked for the study to be run afresh.
    pub afresh: bool,
}

impl Launch {
    /// Trains what is left to train and shows it until it is done or the user leaves.
    ///
    /// # Errors
    /// A folder that cannot be used; a screen that cannot be had. What replicates run into is told, not returned.
    pub fn go(self, prepared: &Prepared, look: &cli::Screen) -> Result<Ended> {
        let jobs = prepared.devices.jobs(self.jobs);
        let mut notes = vec![prepared.devices.describe(jobs)];
        notes.extend(Examples::of(&prepared.dataset).note());
        notes.extend(prepared.plan.warnings());
        notes.extend(prepared.shard.map(|shard| {
            let (here, all) = (prepared.plan.replicates.len(), prepared.plan.config.replicates());
            format!("part {shard}: {here} of {all} replicates are trained here; `diffscope open` shows all")
        }));
        let Running { folder, plan, examples, board, crew, events } =
            prepared.start(jobs, self.force, Arc::new(|_, _| ()))?;
        if let Err(error) = places::remember_last(folder.path()) {
            // `open` will need the folder's name: no reason to stop a study.
            notes.push(error.to_string());
        }
        let left = if self.headless {
            let out = Mutex::new(std::io::stdout());
            headless::follow(crew, &events, &board, &notes, &out)?;
            tui::Outcome::Finished
        } else {
            let session = screen::session(&folder, &plan, &examples, &board)?;
            let dataset = Some(prepared.dataset.clone());
            screen::watch(
                crew,
                events,
                Session {
                    dataset,
                    jobs,
                    afresh: self.fresh_allowed,
                    log: Logs::of(&folder, &plan).news(),
                    notice: (!notes.is_empty()).then(|| notes.join("; ")),
                    ..session
                },
                look,
            )?
        };
        let exit = exit_of(&board);
        let afresh = matches!(left, tui::Outcome::Afresh);
        super::print(&status::closing_text(
            &folder,
            Study { views: &board.snapshot(), ensembles: &board.ensembles() },
            &plan,
            &examples,
            exit,
        ))?;
        // Whoever sends a signal is told that it was one, also where there was nothing left to train.
        let exit = if matches!(left, tui::Outcome::Signal(_)) { Exit::Interrupted } else { exit };
        Ok(Ended { exit, afresh })
    }
}

/// The exit code that the replicates' states deserve.
pub fn exit_of(board: &Board) -> Exit {
    let views = board.snapshot();
    let state = |wanted: &[State]| views.iter().any(|view| wanted.contains(&view.progress.state));
    if state(&[State::Queued, State::Running, State::Paused]) {
        Exit::Interrupted
    } else if state(&[State::Failed]) || views.iter().any(|view| view.progress.non_finite) {
        Exit::Flawed
    } else {
        Exit::Done
    }
}
