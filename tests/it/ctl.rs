//! Can a study be steered from another shell? `ctl`, `control.json`, signals and `--detach`, on real processes.

use std::path::Path;

use diffscope::store::record::State;
use diffscope::store::{Control, StudyFolder, presence};
use rustix::process::{Pid, Signal, getsid};

use crate::program::{Home, LONG, err, out, progress, progress_until, until};
use crate::studies::{id, of};

fn ctl(home: &Home, dir: &Path, wish: &[&str]) -> (Option<i32>, String) {
    let dir = dir.display().to_string();
    let output = home.output(&[vec!["ctl", &dir], wish.to_vec()].concat());
    (output.status.code(), out(&output) + &err(&output))
}

fn asks(home: &Home, dir: &Path, wish: &[&str]) {
    let (code, text) = ctl(home, dir, wish);
    assert!(code == Some(0) && text.starts_with("asked "), "{wish:?}: {text}");
}

#[test]
fn a_running_study_is_paused_resumed_widened_and_stopped_from_outside() {
    let home = Home::new();
    let dir = home.dir("s");
    let mut running = home.train(&dir, 1, &LONG);
    progress_until(&dir, "it trains", |all| of(all, "net", 0).epochs_done > 0);
    asks(&home, &dir, &["pause"]);
    let parked = progress_until(&dir, "it is parked", |all| of(all, "net", 0).state == State::Paused);
    let text = out(&home.output(&["status", &dir.display().to_string()]));
    assert!(text.contains("parked by request") && text.contains("1 paused"), "{text}");
    asks(&home, &dir, &["jobs", "2"]);
    asks(&home, &dir, &["resume"]);
    progress_until(&dir, "it goes on, and another with it", |all| {
        of(all, "net", 0).epochs_done > of(&parked, "net", 0).epochs_done
            && all.iter().filter(|one| one.state == State::Running).count() == 2
    });
    asks(&home, &dir, &["stop"]);
    assert_eq!(running.wait().code(), Some(130), "{}", running.printed());
    let printed = running.printed();
    assert!(
        printed.contains("from now on 2 at once") && printed.contains("ending after the running epochs"),
        "{printed}"
    );
    let left = progress(&dir);
    assert_eq!((of(&left, "net", 0).state, of(&left, "mlp-16x1", 0).state), (State::Paused, State::Paused));
    let kept = StudyFolder::open(&dir).unwrap().replicate(&id("net", 0)).checkpoint().unwrap().unwrap().epochs_done;
    assert_eq!(kept, of(&left, "net", 0).epochs_done, "the epoch was ended and kept");

    // The next run starts anew: nothing of the former wishes holds.
    let mut running = home.train(&dir, 1, &LONG);
    progress_until(&dir, "it goes on", |all| of(all, "net", 0).epochs_done > kept);
    asks(&home, &dir, &["stop-now"]);
    assert_eq!(running.wait().code(), Some(130), "{}", running.printed());
    assert_eq!(of(&progress(&dir), "net", 0).epochs_done, kept, "back to the checkpoint");
    let text = out(&home.output(&["status", &dir.display().to_string()]));
    assert!(text.contains("stopped; goes on from its last checkpoint"), "{text}");
}

#[test]
fn a_study_that_nobody_trains_cannot_be_steered_and_stays_as_it_is() {
    let home = Home::new();
    let dir = home.dir("s");
    home.finish(&dir, 2, &["--set", "train.epochs=1"]);
    let before = std::fs::read(Control::path(&dir)).unwrap();
    for wish in [&["pause"][..], &["resume"], &["stop"], &["stop-now"], &["jobs", "3"]] {
        let (code, text) = ctl(&home, &dir, wish);
        assert!(code == Some(1) && text.contains("no process trains it"), "{wish:?}: {text}");
    }
    assert_eq!(std::fs::read(Control::path(&dir)).unwrap(), before);
    let (code, text) = ctl(&home, home.path(), &["pause"]);
    assert!(code == Some(1) && text.contains("not a study"), "{text}");
    assert_eq!(ctl(&home, &dir, &["jobs", "0"]).0, Some(2));
    assert_eq!(ctl(&home, &dir, &["rest"]).0, Some(2));
}

#[test]
fn a_control_file_written_by_hand_is_obeyed_and_a_bad_one_is_told_and_ignored() {
    let home = Home::new();
    let dir = home.dir("s");
    let mut running = home.train(&dir, 1, &LONG);
    progress_until(&dir, "it trains", |all| of(all, "net", 0).epochs_done > 0);
    std::fs::write(Control::path(&dir), "{\"paused\": true,\n \"stop\": \"soon\"}").unwrap();
    // Who reads it while it is being written tells of an empty file first.
    until("the bad file is told", || running.printed().contains("line 2").then_some(()));
    let printed = running.printed();
    assert!(
        printed.contains("control.json") && printed.contains("after-epoch") && printed.contains("ignored until"),
        "{printed}"
    );
    let (code, text) = ctl(&home, &dir, &["pause"]);
    assert!(code == Some(1) && text.contains("control.json"), "a bad file is not overwritten: {text}");
    let epochs = of(&progress(&dir), "net", 0).epochs_done;
    progress_until(&dir, "it trains on", |all| of(all, "net", 0).epochs_done > epochs);

    let skip = r#"{"replicates": {"net/000": {"skip": true}, "mlp-16x1/000": {"paused": true}}}"#;
    std::fs::write(Control::path(&dir), skip).unwrap();
    progress_until(&dir, "one is passed over, one held, the third trains", |all| {
        of(all, "net", 0).state == State::Skipped && of(all, "net", 1).state == State::Running
    });
    let again = r#"{"jobs": 4, "replicates": {"net/000": {"attempt": 1}}}"#;
    std::fs::write(Control::path(&dir), again).unwrap();
    progress_until(&dir, "all that were held back train too", |all| {
        [("net", 0), ("net", 1), ("mlp-16x1", 0)]
            .iter()
            .all(|(label, index)| of(all, label, *index).state == State::Running)
    });
    std::fs::write(Control::path(&dir), r#"{"stop": "now"}"#).unwrap();
    assert_eq!(running.wait().code(), Some(130), "{}", running.printed());
}

#[test]
fn a_wish_reaches_every_process_that_trains_the_study() {
    let home = Home::new();
    let dir = home.dir("s");
    let mut first = home.train_as("first", &dir, 1, &LONG);
    progress_until(&dir, "it trains", |all| of(all, "net", 0).state == State::Running);
    asks(&home, &dir, &["pause"]);
    progress_until(&dir, "it is parked", |all| of(all, "net", 0).state == State::Paused);
    let mut second = home.train_as("second", &dir, 1, &LONG);
    until("the second holds its work too", || second.printed().contains("paused: held by request").then_some(()));
    asks(&home, &dir, &["resume"]);
    progress_until(&dir, "both train", |all| {
        of(all, "net", 0).state == State::Running && of(all, "mlp-16x1", 0).state == State::Running
    });
    asks(&home, &dir, &["stop-now"]);
    assert_eq!((first.wait().code(), second.wait().code()), (Some(130), Some(130)));
    assert!(!presence::is_trained(&StudyFolder::open(&dir).unwrap()).unwrap());
}

#[test]
fn every_signal_that_ends_a_process_ends_it_in_good_order() {
    let home = Home::new();
    let dir = home.dir("s");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut running = home.train(&dir, 2, &LONG);
        progress_until(&dir, "both train", |all| {
            of(all, "net", 0).state == State::Running && of(all, "mlp-16x1", 0).state == State::Running
        });
        until("it has an epoch", || running.printed().contains("net/000 epoch ").then_some(()));
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(130), "{signal:?}: {}", running.printed());
        let all = progress(&dir);
        assert!(all.iter().all(|one| one.state == State::Queued), "{signal:?}: {all:#?}");
        assert!(running.printed().contains("Interrupted; nothing finished is lost"), "{}", running.printed());
    }
}

#[test]
fn a_detached_study_trains_in_a_session_of_its_own_until_it_is_stopped() {
    let home = Home::new();
    let dir = home.dir("s");
    let arguments = home.run_arguments(&dir, 1, &[&LONG[..], &["--detach"]].concat());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = home.output(&arguments);
    let printed = out(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", err(&output));
    let pid = printed.split_whitespace().nth(1).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw).unwrap();
    for part in ["trains in the background", "diffscope open", "run.log", "stop-now"] {
        assert!(printed.contains(part), "no `{part}` in {printed}");
    }
    assert_eq!(getsid(Some(pid)).unwrap(), pid, "it leads a session of its own");
    progress_until(&dir, "it trains", |all| of(all, "net", 0).epochs_done > 0);
    asks(&home, &dir, &["stop"]);
    // Its process may stay in the system's table where nobody asks for its exit code.
    let log = || std::fs::read_to_string(dir.join("run.log")).unwrap();
    until("it has ended", || log().contains("Interrupted").then_some(()));
    assert!(log().contains("net/000 epoch 1/20000"), "{}", log());
}

#[test]
fn what_would_go_wrong_in_the_background_is_said_in_the_foreground() {
    let home = Home::new();
    let dir = home.dir("s");
    let detach = |more: &[&str]| {
        let arguments = home.run_arguments(&dir, 2, &[more, &["--detach"]].concat());
        home.output(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    home.finish(&dir, 2, &["--set", "train.epochs=1"]);
    let refused = detach(&["--set", "train.epochs=2"]);
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert!(err(&refused).contains("train.epochs: 1 -> 2"), "{}", err(&refused));
    assert!(!dir.join("run.log").exists());
    let done = detach(&["--set", "train.epochs=1"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let log = || std::fs::read_to_string(dir.join("run.log")).unwrap();
    until("it found all finished", || log().contains("4 finished").then_some(()));
}
