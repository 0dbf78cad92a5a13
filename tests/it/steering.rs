//! Can a running study be steered? Every command, mid-epoch, on real replicates.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::Sender;
use diffscope::nn::CpuKernels;
use diffscope::store::record::State;
use diffscope::train::Crew;
use diffscope::train::events::{Command, Event, Target};
use diffscope::train::replicate::{Context, Stage, train};
use diffscope::train::steer::Steer;

use crate::studies::{self, LONG, id, of, progress_when, start, start_with};

#[test]
fn a_pause_parks_mid_epoch_and_a_resume_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(&dir.path().join("s"), &LONG, 1);
    let _ = progress_when(&running, "the first replicate is in an epoch", |all| of(all, "net", 0).step > 0);
    running.crew.commands.send(Command::Pause(Target::One(id("net", 0)))).unwrap();
    let parked = progress_when(&running, "it is parked", |all| of(all, "net", 0).state == State::Paused);
    std::thread::sleep(Duration::from_millis(300));
    let later = progress_when(&running, "now", |_| true);
    assert_eq!(of(&later, "net", 0).epochs_done, of(&parked, "net", 0).epochs_done);
    assert_eq!(of(&later, "net", 0).step, of(&parked, "net", 0).step, "a parked replicate takes no step");
    assert_eq!(of(&later, "mlp-16x1", 0).state, State::Queued, "it keeps its place among the jobs");
    running.crew.commands.send(Command::Resume(Target::One(id("net", 0)))).unwrap();
    let epochs = of(&later, "net", 0).epochs_done;
    let _ = progress_when(&running, "it goes on", |all| {
        of(all, "net", 0).state == State::Running && of(all, "net", 0).epochs_done > epochs
    });
    running.crew.end(false);
}

#[test]
fn stop_after_this_epoch_commits_the_epoch_and_frees_the_job() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(&dir.path().join("s"), &LONG, 1);
    let _ = progress_when(&running, "it is in an epoch", |all| of(all, "net", 0).step > 0);
    running.crew.commands.send(Command::StopAfterEpoch(Target::One(id("net", 0)))).unwrap();
    let all = progress_when(&running, "another replicate has the job", |all| {
        of(all, "net", 0).state == State::Paused && of(all, "mlp-16x1", 0).state == State::Running
    });
    let stopped = of(&all, "net", 0);
    assert!(stopped.epochs_done > 0);
    let checkpoint = running.folder.replicate(&id("net", 0)).checkpoint().unwrap().unwrap();
    assert_eq!(checkpoint.epochs_done, stopped.epochs_done);
    running.crew.commands.send(Command::Resume(Target::One(id("net", 0)))).unwrap();
    running.crew.commands.send(Command::Next(id("net", 0))).unwrap();
    // Last: the job that it frees goes to the next one at once.
    running.crew.commands.send(Command::StopAfterEpoch(Target::One(id("mlp-16x1", 0)))).unwrap();
    let epochs = stopped.epochs_done;
    let _ = progress_when(&running, "it goes on where it stopped", |all| of(all, "net", 0).epochs_done > epochs);
    running.crew.end(false);
}

#[test]
fn skip_leaves_mid_epoch_and_retry_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(&dir.path().join("s"), &LONG, 1);
    let _ = progress_when(&running, "it is in an epoch", |all| of(all, "net", 0).step > 0);
    running.crew.commands.send(Command::Skip(id("net", 0))).unwrap();
    let _ = progress_when(&running, "the next one runs", |all| {
        of(all, "net", 0).state == State::Skipped && of(all, "mlp-16x1", 0).state == State::Running
    });
    running.crew.commands.send(Command::Jobs(2)).unwrap();
    running.crew.commands.send(Command::Retry(id("net", 0))).unwrap();
    running.crew.commands.send(Command::Next(id("net", 0))).unwrap();
    running.crew.commands.send(Command::Skip(id("net", 1))).unwrap();
    let _ = progress_when(&running, "it runs again", |all| {
        of(all, "net", 0).state == State::Running && of(all, "net", 0).epochs_done > 0
    });
    let view = running.board.snapshot().into_iter().find(|view| view.progress.id == id("net", 0)).unwrap();
    assert_eq!(view.margins.len(), view.progress.epochs_done as usize, "what was lost is not shown any more");
    running.crew.end(false);
}

#[test]
fn who_leaves_at_once_at_an_epochs_very_end_writes_no_checkpoint_either() {
    let dir = tempfile::tempdir().unwrap();
    let commands = Arc::new(OnceLock::<Sender<Command>>::new());
    let to_crew = commands.clone();
    let hook = Arc::new(move |plan: &diffscope::study::plan::ReplicatePlan, stage: Stage| {
        if plan.id == id("net", 0) && stage == Stage::Row {
            to_crew.wait().send(Command::Skip(id("net", 0))).unwrap();
            // The wish is there before the replicate asks for it.
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let running = start_with(&dir.path().join("s"), &LONG, 1, hook);
    commands.set(running.crew.commands.clone()).unwrap();
    let _ = progress_when(&running, "it is passed over", |all| of(all, "net", 0).state == State::Skipped);
    assert!(running.folder.replicate(&id("net", 0)).checkpoint().unwrap().is_none());
    running.crew.end(false);
}

#[test]
fn quitting_after_the_epoch_keeps_it_and_quitting_now_goes_back_to_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(&dir.path().join("s"), &LONG, 2);
    let _ = progress_when(&running, "both have an epoch", |all| {
        of(all, "net", 0).epochs_done > 0 && of(all, "mlp-16x1", 0).epochs_done > 0
    });
    let (folder, board) = (running.folder.clone(), running.board.clone());
    running.crew.end(true);
    let kept = folder.replicate(&id("net", 0)).checkpoint().unwrap().unwrap().epochs_done;
    assert!(kept > 0);
    assert!(board.snapshot().iter().all(|view| view.progress.state != State::Running));

    let running = start(&dir.path().join("s"), &LONG, 2);
    let _ = progress_when(&running, "it is past its checkpoint", |all| of(all, "net", 0).epochs_done > kept);
    running.crew.end(false);
    let record = folder.replicate(&id("net", 0)).record().unwrap().unwrap();
    assert_eq!((record.state, record.epochs_done), (State::Queued, kept));
}

#[test]
fn a_panic_or_an_error_in_one_replicate_leaves_the_others_running_and_can_be_retried() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = broken.clone();
    let hook = Arc::new(move |plan: &diffscope::study::plan::ReplicatePlan, stage: Stage| {
        let here = plan.id == id("net", 1) && stage == Stage::Row;
        assert!(!(here && breaks.load(Ordering::Relaxed)), "broken on purpose");
    });
    let running = start_with(&dir.path().join("s"), &[], 2, hook);
    let all = progress_when(&running, "all others are finished", |all| {
        all.iter().all(|one| one.state == State::Finished || one.id == id("net", 1))
            && of(all, "net", 1).state == State::Failed
    });
    assert!(of(&all, "net", 1).reason.as_ref().unwrap().contains("broken on purpose"));
    assert!(running.events.iter().any(|event| matches!(event, Event::State { state: State::Failed, .. })));
    broken.store(false, Ordering::Relaxed);
    running.crew.commands.send(Command::Retry(id("net", 1))).unwrap();
    let _ = progress_when(&running, "the retry is finished", |all| of(all, "net", 1).state == State::Finished);
    running.crew.end(false);
}

#[test]
fn a_full_disk_pauses_all_replicates_and_a_resume_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("s");
    let running = start(&dir, &[], 1);
    let (folder, board) = (running.folder.clone(), running.board.clone());
    running.crew.end(false);
    let (context, events) = studies::context(&studies::prepare(&dir, &[]), folder, board.clone());
    let full = Arc::new(AtomicBool::new(true));
    let (is_full, path) = (full.clone(), dir.join("replicates/net/000/observations/loss.npy"));
    // What a full disk says, in place of the one replicate's work; the others do theirs.
    let work = move |context: &Context, plan: &diffscope::study::plan::ReplicatePlan, steer: &Steer| {
        if plan.id == id("net", 0) && is_full.load(Ordering::Relaxed) {
            return Err(diffscope::Error::io(&path)(std::io::ErrorKind::StorageFull.into()));
        }
        train(context, plan, || Ok(CpuKernels::<f32>::new().on(context.dataset.clone())), steer)
    };
    let crew = Crew::start(context, 2, Arc::new(work)).unwrap();
    let halted = events.iter().find_map(|event| if let Event::Halted { reason } = event { Some(reason) } else { None });
    assert!(halted.unwrap().contains("loss.npy"));
    let states = || board.snapshot().into_iter().map(|view| view.progress.state).collect::<Vec<_>>();
    let waits = |state: &State| matches!(state, State::Paused | State::Finished);
    crate::program::until("all wait", || states().iter().all(waits).then_some(()));
    assert!(states().contains(&State::Paused), "{:?}", states());
    full.store(false, Ordering::Relaxed);
    crew.commands.send(Command::Resume(Target::All)).unwrap();
    assert!(events.iter().any(|event| event == Event::Idle));
    assert!(states().iter().all(|state| *state == State::Finished), "{:?}", states());
    crew.end(false);
}

#[test]
fn a_loss_that_is_no_number_is_flagged_and_leaves_means_alone() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ["train.optimizer.lr=1e6", "model.1.optimizer={ lr = 0.01 }"];
    let running = start(&dir.path().join("s"), &settings, 2);
    let all = progress_when(&running, "all are finished", |all| all.iter().all(|one| one.state == State::Finished));
    assert!(of(&all, "net", 0).non_finite && !of(&all, "mlp-16x1", 0).non_finite);
    let views = running.board.snapshot();
    let plan = crate::studies::prepare(dir.path(), &settings).plan;
    let runs = |model| {
        diffscope::results::model_scores(
            diffscope::results::Study { views: &views, ensembles: &diffscope::train::ensembles::Ensembles::default() },
            &plan.scores,
            model,
            diffscope::data::Role::Train,
            200,
        )
        .runs
        .len()
    };
    assert_eq!((runs("net"), runs("mlp-16x1")), (0, 2));
    running.crew.end(false);
}

#[test]
fn two_crews_on_one_folder_share_the_replicates_and_both_see_all_of_them_finish() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("s");
    // Locks are per open file, so two crews of one process exclude each other as two processes do.
    let first = start(&dir, &["train.epochs=6"], 1);
    let _ = progress_when(&first, "it trains", |all| of(all, "net", 0).step > 0);
    let second = start(&dir, &["train.epochs=6"], 1);
    for running in [&first, &second] {
        let _ = progress_when(running, "all are finished", |all| all.iter().all(|one| one.state == State::Finished));
    }
    assert!(second.board.snapshot().iter().all(|view| view.scores.is_some() && view.margins.len() == 6));
    for (label, index) in [("net", 0), ("net", 1), ("mlp-16x1", 0), ("mlp-16x1", 1)] {
        let log = first.folder.replicate(&id(label, index)).log_lines().unwrap();
        assert_eq!(log.iter().filter(|line| line.text == "started").count(), 1, "{label}/{index} was trained once");
    }
    first.crew.end(false);
    second.crew.end(false);
}
