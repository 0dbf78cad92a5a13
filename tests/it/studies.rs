//! Small real studies for the tests: real images, real training, a few seconds each.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use diffscope::commands::launch::{Prepared, Running};
use diffscope::store::StudyFolder;
use diffscope::store::record::State;
use diffscope::study::{Config, ReplicateId};
use diffscope::train::board::{Board, Progress};
use diffscope::train::events::Event;
use diffscope::train::replicate::{Context, StageHook};

/// Two models, two replicates each, 200 real training images.
pub const SMALL: &str = r#"
name = "small"
[data]
source = "embedded"
limit = 200
[train]
epochs = 3
batch_size = 32
optimizer = { lr = 0.05, momentum = 0.9, weight_decay = 1e-4, milestones = [2] }
augment = { crop = 2, flip = true }
checkpoint_seconds = 0
seed = 3
[[model]]
name = "resnet8-4"
label = "net"
replicates = 2
[[model]]
name = "mlp-16x1"
replicates = 2
[scores]
el2n = { epoch = [0, 2] }
aum = [{}, { space = "logit" }]
"#;

/// Settings so long that nothing finishes by itself while a test steers: the smallest network needs about a millisecond for
/// an epoch.
pub const LONG: [&str; 2] = ["train.epochs=20000", "train.checkpoint_seconds=1000"];

pub fn prepare(dir: &Path, settings: &[&str]) -> Prepared {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    let config = Config::parse(SMALL, "small.toml", &settings).unwrap();
    Prepared::new(&config, dir.to_path_buf()).unwrap()
}

/// What the replicates of a prepared study share, and what they will tell.
pub fn context(prepared: &Prepared, folder: StudyFolder, board: Arc<Board>) -> (Context, Receiver<Event>) {
    let (told, events) = crossbeam_channel::unbounded();
    let context = Context {
        plan: prepared.plan.clone(),
        dataset: prepared.dataset.clone(),
        folder,
        board,
        events: told,
        force: false,
        lockless: false,
        stages: Arc::new(|_, _| ()),
    };
    (context, events)
}

pub fn start(dir: &Path, settings: &[&str], jobs: usize) -> Running {
    start_with(dir, settings, jobs, Arc::new(|_, _| ()))
}

pub fn start_with(dir: &Path, settings: &[&str], jobs: usize, stages: StageHook) -> Running {
    prepare(dir, settings).start(jobs, false, stages).unwrap()
}

/// A study with the first so many of its test examples: passes over all 1000 would take most of a test's time.
pub fn prepare_with_tests(dir: &Path, settings: &[&str], tests: usize) -> Prepared {
    let prepared = prepare(dir, settings);
    let mut dataset = (*prepared.dataset).clone();
    let examples = dataset.train + tests;
    dataset.labels.truncate(examples);
    dataset.true_labels.truncate(examples);
    dataset.ids.truncate(examples);
    dataset.pixels.truncate(examples * dataset.shape.len());
    dataset.digest = diffscope::data::digest(&dataset);
    Prepared { dataset: Arc::new(dataset), ..prepared }
}

/// Runs a study until nothing is left to do.
pub fn run(dir: &Path, settings: &[&str], jobs: usize) {
    run_prepared(&prepare(dir, settings), jobs);
}

/// Runs a prepared study until nothing is left to do.
pub fn run_prepared(prepared: &Prepared, jobs: usize) {
    let running = prepared.start(jobs, false, Arc::new(|_, _| ())).unwrap();
    let _ = progress_when(&running, "all is done", |all| {
        let stuck = all.iter().find(|one| matches!(one.state, State::Failed | State::Paused));
        assert!(stuck.is_none(), "{stuck:?}");
        all.iter().all(|one| one.state == State::Finished)
    });
    running.crew.end(false);
}

pub fn id(label: &str, index: u32) -> ReplicateId {
    ReplicateId { label: label.into(), index }
}

pub fn of<'a>(all: &'a [Progress], label: &str, index: u32) -> &'a Progress {
    all.iter().find(|progress| progress.id == id(label, index)).unwrap()
}

/// Waits until the board shows something; the limit only keeps a broken test from hanging.
pub fn progress_when(running: &Running, what: &str, ready: impl Fn(&[Progress]) -> bool) -> Vec<Progress> {
    let limit = Instant::now() + Duration::from_secs(300);
    loop {
        let all: Vec<Progress> = running.board.snapshot().into_iter().map(|view| view.progress).collect();
        if ready(&all) {
            return all;
        }
        assert!(Instant::now() < limit, "waited in vain until {what}: {all:#?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
