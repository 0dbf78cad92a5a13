//! What happens when a device has no room for a replicate? Real replicates behind a trainer that says so at first.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diffscope::commands::launch::Running;
use diffscope::data::Examples;
use diffscope::nn::CpuKernels;
use diffscope::store::folder::StudyRecord;
use diffscope::store::record::{STOPPED, State};
use diffscope::store::{Control, StudyFolder};
use diffscope::train::Crew;
use diffscope::train::board::{Board, Progress};
use diffscope::train::crew::Trainer;
use diffscope::train::events::{Command, Event, Target};
use diffscope::train::replicate::train;
use diffscope::{Error, results};

use crate::program::until;
use crate::studies::{self, id, progress_when};

/// A trainer that has no room for `net/000` until it was asked `refusals` times; who was asked how often.
fn full(refusals: usize) -> (Trainer, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let trainer: Trainer = Arc::new(move |context, plan, steer| {
        if plan.id == id("net", 0) && count.fetch_add(1, Ordering::SeqCst) < refusals {
            return Err(Error::OutOfMemory("0 bytes are free".into()));
        }
        train(context, plan, || Ok(CpuKernels::<f32>::new().on(context.dataset.clone())), steer)
    });
    (trainer, asked)
}

/// A study on such a device, with these rests after a try that found no room.
fn start(dir: &Path, jobs: usize, trainer: Trainer, waits: &[Duration]) -> Running {
    let prepared = studies::prepare(dir, &["train.epochs=1"]);
    let folder = StudyFolder::open_or_create(dir, &StudyRecord::new(&prepared.plan.config, &prepared.dataset)).unwrap();
    let examples = Arc::new(Examples::of(&prepared.dataset));
    let board = Arc::new(Board::of(results::views(&folder, &prepared.plan, &examples)));
    let (context, events) = studies::context(&prepared, folder.clone(), board.clone());
    let crew = Crew::patient(context, jobs, trainer, waits).unwrap();
    Running { folder, plan: prepared.plan, examples, board, crew, events }
}

/// Waits until nothing is left to do.
fn until_idle(running: &Running) {
    assert!(running.events.iter().any(|event| event == Event::Idle));
}

#[test]
fn a_replicate_that_finds_no_room_alone_waits_and_tries_again() {
    let dir = tempfile::tempdir().unwrap();
    let (trainer, asked) = full(2);
    let running = start(dir.path(), 1, trainer, &[Duration::from_millis(1), Duration::from_millis(1)]);
    until_idle(&running);
    let all = progress_when(&running, "all are finished", |all| all.iter().all(|one| one.state == State::Finished));
    assert!(all.iter().all(|one| one.reason.is_none()), "{all:#?}");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let log = running.folder.replicate(&id("net", 0)).log_lines().unwrap();
    let told = |part: &str| log.iter().any(|line| line.text.contains(part) && line.text.contains("nothing beside it"));
    assert!(told("try 2 of 3") && told("try 3 of 3"), "{log:?}");
    assert_eq!(Control::read(running.folder.path()).unwrap().jobs, Some(1));
    running.crew.end(false);
}

#[test]
fn a_replicate_that_never_finds_room_fails_after_its_last_try_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let (trainer, asked) = full(usize::MAX);
    let running = start(dir.path(), 1, trainer, &[Duration::from_millis(1)]);
    until_idle(&running);
    let all = progress_when(&running, "now", |_| true);
    let reason = all[0].reason.clone().unwrap_or_default();
    assert!(all[0].state == State::Failed && reason.contains("2 times, although nothing ran beside it"), "{all:#?}");
    assert!(all[1..].iter().all(|one| one.state == State::Finished), "{all:#?}");
    running.crew.commands.send(Command::Retry(id("net", 0))).unwrap();
    until_idle(&running);
    assert_eq!(asked.load(Ordering::SeqCst), 4, "a retry has all its tries");
    running.crew.end(false);
}

#[test]
fn a_replicate_that_waits_for_room_is_held_let_go_on_and_left_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let (trainer, asked) = full(2);
    let running = start(dir.path(), 1, trainer, &[Duration::from_secs(3600), Duration::from_secs(3600)]);
    let rests = |all: &[Progress]| {
        all[0].state == State::Queued && all[0].reason.as_ref().is_some_and(|reason| reason.contains("3600 s"))
    };
    let _ = progress_when(&running, "it rests while the others train", |all| {
        rests(all) && all[1..].iter().all(|one| one.state == State::Finished)
    });
    running.crew.commands.send(Command::Pause(Target::All)).unwrap();
    let _ = progress_when(&running, "it is held", |all| all[0].state == State::Paused);
    running.crew.commands.send(Command::Resume(Target::All)).unwrap();
    until("it tried again", || (asked.load(Ordering::SeqCst) == 2).then_some(()));
    let _ = progress_when(&running, "it rests again", rests);
    let folder = running.folder.clone();
    running.crew.end(true);
    let record = folder.replicate(&id("net", 0)).record().unwrap().unwrap();
    assert_eq!((record.state, record.reason.as_deref()), (State::Queued, Some(STOPPED)));
}

#[test]
fn fewer_at_once_on_a_full_device_are_told_to_everybody() {
    let dir = tempfile::tempdir().unwrap();
    // All begin before the first is refused.
    let gate = Arc::new(std::sync::Barrier::new(3));
    let (inner, _) = full(1);
    let first = AtomicUsize::new(0);
    let trainer: Trainer = Arc::new(move |context, plan, steer| {
        if first.fetch_add(1, Ordering::SeqCst) < 3 {
            gate.wait();
        }
        inner(context, plan, steer)
    });
    let running = start(dir.path(), 3, trainer, &[]);
    until_idle(&running);
    assert_eq!(Control::read(running.folder.path()).unwrap().jobs, Some(2));
    assert!(progress_when(&running, "now", |_| true).iter().all(|one| one.state == State::Finished));
    running.crew.end(false);
}
