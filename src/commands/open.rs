//! `open [DIR]`: the workbench on a study that is finished, or that another process trains.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};

use super::logs::Logs;
use super::{Exit, screen, status};
use crate::data::{Dataset, Examples};
use crate::results::{self, Study};
use crate::store::folder::{StudyFolder, StudyRecord};
use crate::store::record::State;
use crate::store::{Control, places};
use crate::study::Plan;
use crate::train::board::{Board, ReplicateView};
use crate::train::events::{Command, Event};
use crate::train::wishes::wish;
use crate::tui::session::Session;
use crate::{Error, Result, cli, tui};

/// How often the folder is looked at for news.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs the command.
///
/// # Errors
/// No study there, files that cannot be read, data that are not the study's.
pub fn open(options: &cli::Open, look: &cli::Screen) -> Result<Exit> {
    let dir = match &options.dir {
        Some(dir) => dir.clone(),
        None => places::last()?.ok_or_else(|| Error::Usage("no study was opened yet; name its folder".into()))?,
    };
    let folder = StudyFolder::open(&dir)?;
    let record = folder.record();
    let plan = Arc::new(folder.plan()?);
    let examples = Arc::new(results::examples(&folder)?);
    let (dataset, missing) = match dataset_of(record, options.data.as_deref()) {
        Ok(dataset) => (Some(Arc::new(dataset)), None),
        Err(error) if options.data.is_none() => (None, Some(format!("no pictures: {error}"))),
        Err(error) => return Err(error),
    };
    let board = Arc::new(results::board(&folder, &plan, &examples));
    // Only a convenience: a state folder that can't be written is no reason not to look.
    let _ = places::remember_last(folder.path());
    if super::has_screen() {
        let session = screen::session(&folder, &plan, &examples, &board)?;
        let (tell, events) = unbounded();
        let commands = steer(folder.path().to_path_buf(), tell.clone())?;
        let mut logs = Logs::of(&folder, &plan);
        let log = logs.news();
        let follower = Follower::start(folder.clone(), plan.clone(), examples.clone(), board.clone(), logs, tell)?;
        let notes: Vec<String> = missing.into_iter().chain(examples.note()).collect();
        let session = Session {
            dataset,
            log,
            notice: (!notes.is_empty()).then(|| notes.join("; ")),
            events: Some(events),
            commands: Some(commands),
            remote: true,
            jobs: jobs(&folder).unwrap_or(0),
            ..session
        };
        let outcome = tui::run(session, screen::options(look));
        follower.end();
        outcome?;
    }
    super::print(&status::closing_text(
        &folder,
        Study { views: &board.snapshot(), ensembles: &board.ensembles() },
        &plan,
        &examples,
        Exit::Done,
    ))?;
    Ok(Exit::Done)
}

/// The study's data, where they are or where they lie now; they must be the same ones.
pub(super) fn dataset_of(record: &StudyRecord, moved: Option<&Path>) -> Result<Dataset> {
    if record.config.is_imported() {
        return Err(Error::Usage("imported scores come without them".into()));
    }
    let mut config = record.config.data.clone();
    if let Some(moved) = moved {
        config.path = Some(PathBuf::from(moved));
    }
    let dataset = crate::data::load(&config, record.config.train.seed, &crate::data::sources::data_home())?;
    if dataset.digest != record.data_digest {
        let place = config.path.unwrap_or_else(|| PathBuf::from(&config.source));
        return Err(Error::file(place, "these are not the data that the study was trained on (their digest differs)"));
    }
    Ok(dataset)
}

/// A thread that writes what is asked for here into the folder, where the process that trains finds it.
fn steer(study: PathBuf, tell: Sender<Event>) -> Result<Sender<Command>> {
    let (commands, asked) = unbounded::<Command>();
    let write = move || {
        for command in asked {
            if let Err(error) = Control::update(&study, |control| wish(control, &command)) {
                let _ = tell.send(Event::Log { id: None, text: format!("not asked for: {error}") });
            }
        }
    };
    let thread = std::thread::Builder::new().name("steering".into()).spawn(write);
    thread.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
    Ok(commands)
}

/// Replicates that are trained at once, as far as the folder tells.
fn jobs(folder: &StudyFolder) -> Option<usize> {
    Control::read(folder.path()).ok()?.jobs
}

/// A thread that keeps a board as new as the folder.
struct Follower {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Follower {
    fn start(
        folder: StudyFolder,
        plan: Arc<Plan>,
        examples: Arc<Examples>,
        board: Arc<Board>,
        mut logs: Logs,
        tell: Sender<Event>,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut known = jobs(&folder);
        let follow = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(LOOK_EVERY);
                refresh(&folder, &plan, &examples, &board);
                for (id, text) in logs.news() {
                    let _ = tell.send(Event::Log { id: Some(id), text });
                }
                let now = jobs(&folder);
                if let Some(now) = now.filter(|_| now != known) {
                    let _ = tell.send(Event::Jobs(now));
                }
                known = now;
            }
        };
        let thread = std::thread::Builder::new().name("follower".into()).spawn(follow);
        let thread = thread.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { stop, thread })
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

/// Reads again what changed in a folder that another process trains in.
pub fn refresh(folder: &StudyFolder, plan: &Plan, examples: &Examples, board: &Board) {
    for view in board.snapshot() {
        // A file that is being replaced right now is read again a second later.
        let _ = refresh_one(folder, plan, examples, board, view);
    }
}

/// Of a replicate, the progress always; scores and margins after an epoch, and those that it finished with: they are more, and of the
/// converged network.
fn refresh_one(
    folder: &StudyFolder,
    plan: &Plan,
    examples: &Examples,
    board: &Board,
    view: ReplicateView,
) -> Result<()> {
    let old = view.progress;
    let new = results::progress(folder, old.clone())?;
    let finished = new.state == State::Finished && old.state != State::Finished;
    if new.epochs_done != old.epochs_done || finished || (new.state != old.state && view.scores.is_none()) {
        let fresh = results::view(folder, plan, examples, new)?;
        board.update(&old.id, |view| *view = fresh);
    } else if new != old {
        board.update(&old.id, |view| view.progress = new);
    }
    Ok(())
}
