//! What happens on a device that is full, missing or not asked for?

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use diffscope::Error;
use diffscope::data::Examples;
use diffscope::results;
use diffscope::store::examples::ExampleTable;
use diffscope::store::folder::{StudyFolder, StudyRecord};
use diffscope::store::record::State;
use diffscope::train::board::Board;
use diffscope::train::events::Event;
use diffscope::train::replicate::Outcome;
use diffscope::train::{Crew, Trainer};

use crate::studies::{self, SMALL, prepare};

/// Lets a crew run on a device with room for `room` replicates; gives how each ended and what was told.
fn crew_on_a_device_with_room_for(room: usize, jobs: usize) -> (Vec<State>, Vec<String>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let prepared = prepare(&dir.path().join("s"), &[]);
    let record = StudyRecord::new(&prepared.plan.config, &prepared.dataset);
    let folder = StudyFolder::open_or_create(&prepared.dir, &record).unwrap();
    folder.write_examples(&ExampleTable::of(&prepared.dataset)).unwrap();
    let board =
        Arc::new(Board::of(results::views(&folder, &prepared.plan, &Arc::new(Examples::of(&prepared.dataset)))));
    let (context, events) = studies::context(&prepared, folder, board.clone());
    let (inside, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    // The first three are there together, however slow the machine is.
    let (came, together) = (AtomicUsize::new(0), Barrier::new(3));
    let seen = most.clone();
    let trainer: Trainer = Arc::new(move |_, plan, _| {
        let taken = inside.fetch_add(1, Ordering::SeqCst) + 1;
        if came.fetch_add(1, Ordering::SeqCst) < 3 {
            together.wait();
        }
        let outcome = if taken > room {
            Err(Error::OutOfMemory(format!("{} asks for 3 GiB of 2", plan.id)))
        } else {
            seen.fetch_max(taken, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            Ok(Outcome::Finished)
        };
        inside.fetch_sub(1, Ordering::SeqCst);
        outcome
    });
    // Who finds no room alone waits for minutes in a real study.
    let crew = Crew::patient(context, jobs, trainer, &[Duration::from_millis(20)]).unwrap();
    let mut lines = Vec::new();
    for event in &events {
        match event {
            Event::Idle => break,
            Event::Log { text, .. } => lines.push(text),
            _ => {}
        }
    }
    let states = prepared.plan.replicates.iter().map(|plan| {
        let record = StudyFolder::open(&prepared.dir).unwrap().replicate(&plan.id).record().unwrap();
        record.map_or(State::Queued, |record| record.state)
    });
    let states = states.collect();
    crew.end(false);
    (states, lines, most.load(Ordering::SeqCst))
}

#[test]
fn a_full_device_means_fewer_at_once_and_no_lost_replicate() {
    let (states, lines, most) = crew_on_a_device_with_room_for(2, 4);
    assert!(states.iter().all(|state| *state != State::Failed), "{states:?}");
    assert!((1..=2).contains(&most), "{most}");
    assert!(lines.iter().any(|line| line.contains("at once from now on") && line.contains("3 GiB")), "{lines:?}");
}

#[test]
fn a_replicate_that_does_not_fit_alone_fails_and_says_so() {
    let (states, lines, _) = crew_on_a_device_with_room_for(0, 3);
    assert!(states.iter().all(|state| *state == State::Failed), "{states:?}");
    assert!(lines.iter().any(|line| line.contains("nothing ran beside it")), "{lines:?}");
}

/// Whether this build finds an NVIDIA driver here: then these tests would ask a real GPU.
fn finds_a_driver() -> bool {
    #[cfg(feature = "cuda")]
    if diffscope::nn::kernels::cuda::driver_is_there() {
        eprintln!("SKIPPED: an NVIDIA driver is installed");
        return true;
    }
    false
}

/// Runs a tiny study: exit code, stdout, stderr.
fn run_on(device: &[&str]) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("small.toml");
    std::fs::write(&config, SMALL).unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_diffscope"))
        .args(["run", &config.display().to_string(), "--headless", "--set", "train.epochs=1", "--dir"])
        .arg(home.path().join("s"))
        .args(device)
        .env("XDG_STATE_HOME", home.path().join("state"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
}

#[test]
fn gpus_that_cannot_be_had_are_refused_with_the_reason() {
    if finds_a_driver() {
        return;
    }
    for device in ["cuda", "cuda:99"] {
        let (code, _, err) = run_on(&["--device", device]);
        let (expected, says) =
            if cfg!(feature = "cuda") { (1, "no NVIDIA driver is installed") } else { (2, "was built without CUDA") };
        assert!(code == Some(expected) && err.contains(says), "{code:?} {err}");
    }
}

#[test]
fn without_a_wish_and_without_a_gpu_the_cpu_trains_and_says_so() {
    if finds_a_driver() {
        return;
    }
    let (code, out, err) = run_on(&[]);
    assert!(code == Some(0) && out.contains("training on the CPU, "), "{code:?} {out} {err}");
    let (code, _, err) = run_on(&["--set", "train.precision=\"bf16\""]);
    assert!(code == Some(2) && err.contains("train.precision: \"bf16\": a CPU trains in \"fp32\" only"), "{err}");
}
